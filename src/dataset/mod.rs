//! Streams the rows of CSV, TSV, JSONL and Parquet tables, and infers their column types.
//!
//! Memory is bounded by the largest row (for Parquet, by the pages of a row group); each pass reads the file again.
//! This module knows nothing about models: the contract decides what a cell means for a feature.

mod cell;
mod column;
mod csv;
mod error;
mod jsonl;
mod parquet;
mod row;
mod table;

pub use cell::{Cell, ParsedText};
pub use column::{Column, ColumnInference, ColumnKind, MAX_DISTINCT_VALUES, describe};
pub use error::{RowLocation, TableError};
pub use row::{ReadOptions, Row, Rows};
pub use table::{Table, sha256};

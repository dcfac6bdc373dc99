//! Streams the rows of CSV, TSV, JSON, Parquet and Feather tables, and infers their column types.
//!
//! Memory is bounded by the largest row (for Parquet, by the pages of a row group; for Feather, by a record batch); each
//! pass reads the file again.
//! This module knows nothing about models: the contract decides what a cell means for a feature.

#[cfg(feature = "arrow")]
mod arrow_cell;
#[cfg(feature = "arrow")]
mod arrow_ipc;
mod cell;
mod column;
mod csv;
mod date_text;
mod error;
mod feather;
mod format;
mod json_array;
mod json_row;
mod jsonl;
mod pandas;
mod parquet;
mod row;
mod table;
mod text_file;

pub use cell::{Cell, ParsedText};
pub use column::{Column, ColumnInference, ColumnKind, MAX_DISTINCT_VALUES, describe};
pub use error::{RowLocation, TableError};
pub use format::TABLE_EXTENSIONS;
pub use row::{ReadOptions, Row, Rows};
pub use table::{Table, sha256};

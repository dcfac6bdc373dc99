//! Tables: the rows of a CSV, TSV, JSONL or Parquet file, one at a time, and what their columns hold.
//!
//! Memory is bounded by the largest row, for Parquet by a row group's pages; a file is read again for every pass. Knows
//! nothing of models: what a cell means for a feature is the contract's affair.

mod cell;
mod column;
mod csv;
mod error;
mod jsonl;
mod parquet;
mod table;

pub use cell::{Cell, ParsedText};
pub use column::{Column, ColumnInference, ColumnKind, MAX_DISTINCT_VALUES, describe};
pub use error::{RowLocation, TableError};
pub use table::{ReadOptions, Row, Rows, Table, sha256};

//! A table of any format: its columns, and as many passes over its rows as are wanted.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    cell::Cell,
    csv,
    error::{RowLocation, TableError},
    jsonl, parquet,
};

/// What stands for a missing value in CSV where nothing else is said: what pandas reads so, and R writes.
const MISSING: &[&str] = &["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None"];

/// How a table is to be read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// What separates the fields of a CSV file; by default a comma, in .tsv a tab.
    pub separator: Option<u8>,
    /// What stands for a missing value in CSV, beside the empty field; empty: the usual spellings.
    pub missing: Vec<String>,
}

impl ReadOptions {
    pub(super) fn is_missing(&self, text: &str) -> bool {
        let text = text.trim();
        if self.missing.is_empty() {
            MISSING.contains(&text)
        } else {
            text.is_empty() || self.missing.iter().any(|word| word == text)
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it stands in the file.
    pub place: RowLocation,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// The rows of one pass, in the order of the file; after an error there are no more.
pub type Rows = Box<dyn Iterator<Item = Result<Row, TableError>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Fields with a separator.
    Separated(u8),
    Jsonl,
    Parquet,
}

/// A table on disk.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    format: Format,
    reading: ReadOptions,
    columns: Vec<String>,
}

impl Table {
    /// Opens a table by the extension of its file and reads the names of its columns.
    ///
    /// # Errors
    /// [`TableError`] when the file cannot be read, is of no known format, or its columns cannot be told apart.
    pub fn open(path: &Path, reading: &ReadOptions) -> Result<Self, TableError> {
        let content = |detail: String| TableError::Content { path: path.to_path_buf(), detail };
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let format = match extension.as_str() {
            "csv" => Format::Separated(reading.separator.unwrap_or(b',')),
            "tsv" => Format::Separated(reading.separator.unwrap_or(b'\t')),
            "jsonl" | "ndjson" => Format::Jsonl,
            "parquet" | "pq" => Format::Parquet,
            _ => {
                let found = if extension.is_empty() { "none".to_owned() } else { format!(".{extension}") };
                return Err(content(format!(
                    "the extension says the format: .csv, .tsv, .jsonl, .ndjson or .parquet; found {found}"
                )));
            }
        };
        let empty = std::fs::metadata(path)
            .map(|metadata| metadata.is_file() && metadata.len() == 0)
            .map_err(|source| TableError::Read { path: path.to_path_buf(), source })?;
        if empty {
            return Err(content("is empty: it has no columns and no rows".to_owned()));
        }
        let columns = match format {
            Format::Separated(separator) => csv::columns(path, separator)?,
            Format::Jsonl => jsonl::columns(path)?,
            Format::Parquet => parquet::columns(path)?,
        };
        for (index, name) in columns.iter().enumerate() {
            if let Some(first) = columns[..index].iter().position(|other| other == name) {
                return Err(content(format!(
                    "columns {} and {} are both named {name:?}: names must differ",
                    first + 1,
                    index + 1
                )));
            }
        }
        Ok(Self { path: path.to_path_buf(), format, reading: reading.clone(), columns })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the columns, in their order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether a cell is text whatever it means, as in CSV.
    pub fn is_untyped(&self) -> bool {
        matches!(self.format, Format::Separated(_))
    }

    /// A new pass over all rows.
    ///
    /// # Errors
    /// [`TableError`] when the file cannot be opened any more.
    pub fn rows(&self) -> Result<Rows, TableError> {
        match self.format {
            Format::Separated(separator) => {
                csv::rows(&self.path, separator, self.columns.clone(), self.reading.clone())
            }
            Format::Jsonl => jsonl::rows(&self.path, self.columns.clone()),
            Format::Parquet => parquet::rows(&self.path, self.columns.len()),
        }
    }

    /// The error for one row.
    pub fn row_error(&self, place: RowLocation, detail: String) -> TableError {
        TableError::Row { path: self.path.clone(), place, detail }
    }

    /// The error for the table as a whole.
    pub fn table_error(&self, detail: String) -> TableError {
        TableError::Content { path: self.path.clone(), detail }
    }

    /// The SHA-256 of the file, in hexadecimal.
    ///
    /// # Errors
    /// [`TableError::Read`] when it cannot be read.
    pub fn sha256(&self) -> Result<String, TableError> {
        let read_error = |source| TableError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(read_error)?;
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            match file.read(&mut chunk).map_err(read_error)? {
                0 => break,
                count => hasher.update(&chunk[..count]),
            }
        }
        Ok(hexadecimal(&hasher.finalize()))
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

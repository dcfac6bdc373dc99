//! A table of any supported format: its column names, and any number of passes over its rows.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    csv,
    error::{RowLocation, TableError},
    jsonl, parquet,
    row::{ReadOptions, Rows},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Text with separated fields (CSV, TSV); the value is the separator.
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
    /// Opens a table, choosing the format by the file extension, and reads the column names.
    ///
    /// # Errors
    /// Returns [`TableError`] if the file cannot be read, its format is unknown, or its column names are not unique.
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
                    "the file extension must be .csv, .tsv, .jsonl, .ndjson or .parquet; found {found}"
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
                    "columns {} and {} are both named {name:?}: names must be unique",
                    first + 1,
                    index + 1
                )));
            }
        }
        Ok(Self { path: path.to_path_buf(), format, reading: reading.clone(), columns })
    }

    /// The name of the file, without its directory.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The column names, in table order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the format has no types, so that all cells are text, as in CSV.
    pub fn is_untyped(&self) -> bool {
        matches!(self.format, Format::Separated(_))
    }

    /// Starts a new pass over all rows.
    ///
    /// # Errors
    /// Returns [`TableError`] if the file can no longer be opened.
    pub fn rows(&self) -> Result<Rows, TableError> {
        match self.format {
            Format::Separated(separator) => {
                csv::rows(&self.path, separator, self.columns.clone(), self.reading.clone())
            }
            Format::Jsonl => jsonl::rows(&self.path, self.columns.clone()),
            Format::Parquet => parquet::rows(&self.path, self.columns.len()),
        }
    }

    /// Builds an error about one row.
    pub fn row_error(&self, place: RowLocation, detail: String) -> TableError {
        TableError::Row { path: self.path.clone(), place, detail }
    }

    /// Builds an error about the table as a whole.
    pub fn table_error(&self, detail: String) -> TableError {
        TableError::Content { path: self.path.clone(), detail }
    }

    /// Returns the SHA-256 of the file in hexadecimal.
    ///
    /// # Errors
    /// Returns [`TableError::Read`] if the file cannot be read.
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

/// Returns the SHA-256 of `bytes` in hexadecimal.
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

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
    feather,
    format::{self, Format},
    json_array, jsonl, pandas, parquet,
    row::{ReadOptions, Rows},
    text_file::{Compression, TextFile, examine},
};

/// A table on disk.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    format: Format,
    /// The compression of a text.
    compression: Option<Compression>,
    reading: ReadOptions,
    columns: Vec<String>,
    /// For each column, whether it is an index that pandas wrote.
    indexes: Vec<bool>,
    notes: Vec<String>,
}

impl Table {
    /// Opens a table, choosing the format by the file extension, and reads the column names.
    ///
    /// # Errors
    /// Returns [`TableError`] if the file cannot be read, its format is unknown, or its column names are not unique.
    pub fn open(path: &Path, reading: &ReadOptions) -> Result<Self, TableError> {
        let content = |detail: String| TableError::Content { path: path.to_path_buf(), detail };
        let (format, named) = format::of(path, reading).map_err(|error| content(error.to_string()))?;
        let empty = std::fs::metadata(path)
            .map(|metadata| metadata.is_file() && metadata.len() == 0)
            .map_err(|source| TableError::Read { path: path.to_path_buf(), source })?;
        if empty {
            return Err(content("is empty: it has no columns and no rows".to_owned()));
        }
        let is_text = !matches!(format, Format::Parquet | Format::Feather);
        let storage = is_text.then(|| examine(path, named)).transpose()?.unwrap_or_default();
        let text = || TextFile::open(path, storage.compression);
        let mut columns = match format {
            Format::Separated(separator) => csv::columns(text()?, separator)?,
            Format::Jsonl => jsonl::columns(text()?)?,
            Format::JsonArray => json_array::columns(text()?)?,
            Format::Parquet => parquet::columns(path)?,
            Format::Feather => feather::columns(path)?,
        };
        let indexes = pandas::index_columns(&columns);
        for (index, name) in columns.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
            *name = format!("unnamed_{}", index + 1);
        }
        for (index, name) in columns.iter().enumerate() {
            if let Some(first) = columns[..index].iter().position(|other| other == name) {
                return Err(content(format!(
                    "columns {} and {} are both named {name:?}: names must be unique",
                    first + 1,
                    index + 1
                )));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            format,
            compression: storage.compression,
            reading: reading.clone(),
            columns,
            indexes,
            notes: storage.note.into_iter().collect(),
        })
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

    /// Whether a column is an index that pandas wrote, or the row names of R, rather than data.
    pub fn is_index(&self, column: usize) -> bool {
        self.indexes.get(column).copied().unwrap_or(false)
    }

    /// What the operator should know about the file, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
        let text = || TextFile::open(&self.path, self.compression);
        match self.format {
            Format::Separated(separator) => csv::rows(text()?, separator, self.columns.clone(), self.reading.clone()),
            Format::Jsonl => Ok(jsonl::rows(text()?, self.columns.clone())),
            Format::JsonArray => Ok(json_array::rows(text()?, self.columns.clone())),
            Format::Parquet => parquet::rows(&self.path, self.columns.len()),
            Format::Feather => feather::rows(&self.path),
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

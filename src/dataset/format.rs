//! The formats of tables, chosen by the extension of the file.

use std::path::Path;

use super::{row::ReadOptions, text_file::Compression};

/// The file extensions of the tables that are read, for messages and help texts.
pub const TABLE_EXTENSIONS: &str = ".csv, .tsv, .jsonl, .ndjson, .json (each also with .gz or .zst), .parquet; with the feature arrow also .feather, \
     .arrow, .ipc";

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Text with separated fields (CSV, TSV); the value is the separator.
    Separated(u8),
    /// One JSON object per line.
    Jsonl,
    /// One JSON array of objects.
    JsonArray,
    Parquet,
    /// Arrow IPC, as a file or as a stream.
    Feather,
}

/// A file name that is no table's: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct FormatError(String);

/// Returns the format that a file name stands for, and the compression that it claims.
///
/// # Errors
/// Returns [`FormatError`] for any other name.
pub(super) fn of(path: &Path, reading: &ReadOptions) -> Result<(Format, Option<Compression>), FormatError> {
    let extension_of = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let outer = extension_of(path);
    let compression = Compression::named(&outer);
    let inner = compression.map(|_| extension_of(Path::new(path.file_stem().unwrap_or_default())));
    let format = match inner.as_deref().unwrap_or(&outer) {
        "csv" => Format::Separated(reading.separator.unwrap_or(b',')),
        "tsv" => Format::Separated(reading.separator.unwrap_or(b'\t')),
        "jsonl" | "ndjson" => Format::Jsonl,
        "json" => Format::JsonArray,
        "parquet" | "pq" if compression.is_none() => Format::Parquet,
        "feather" | "arrow" | "ipc" if compression.is_none() => Format::Feather,
        "parquet" | "pq" | "feather" | "arrow" | "ipc" => {
            return Err(FormatError(format!(
                "decompress the file first: a .{} file is compressed inside, not as a whole",
                inner.unwrap_or_default()
            )));
        }
        "" if outer.is_empty() => {
            return Err(FormatError(format!("the file has no extension; tables are read from {TABLE_EXTENSIONS}")));
        }
        "" => return Err(unknown(&format!(".{outer}"))),
        inner if compression.is_some() => return Err(unknown(&format!(".{inner}.{outer}"))),
        other => return Err(unknown(&format!(".{other}"))),
    };
    Ok((format, compression))
}

fn unknown(found: &str) -> FormatError {
    FormatError(format!("the extension {found} is not that of a table; tables are read from {TABLE_EXTENSIONS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_formats() {
        let gzip = Some(Compression::Gzip);
        let zstd = Some(Compression::Zstd);
        let cases = [
            ("a.csv", Ok((Format::Separated(b','), None))),
            ("a.b.TSV.GZ", Ok((Format::Separated(b'\t'), gzip))),
            ("a.jsonl.zst", Ok((Format::Jsonl, zstd))),
            ("a.ndjson.zstd", Ok((Format::Jsonl, zstd))),
            ("a.json.gz", Ok((Format::JsonArray, gzip))),
            ("a.pq", Ok((Format::Parquet, None))),
            ("a.arrow", Ok((Format::Feather, None))),
            ("gz", Err("the file has no extension")),
            ("a.gz", Err("the extension .gz is")),
            ("a.csv.bz2", Err("the extension .bz2 is")),
            ("a.xlsx.gz", Err("the extension .xlsx.gz is")),
            ("a.parquet.gz", Err("a .parquet file is compressed inside")),
        ];
        for (name, expected) in cases {
            match (of(Path::new(name), &ReadOptions::default()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
                (Err(error), Err(phrase)) => assert!(error.to_string().contains(phrase), "{name}: {error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }
}

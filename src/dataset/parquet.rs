//! Reads Parquet with the row reader of the `parquet` crate, which decodes column by column in batches of 1000 values.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::{Field, reader::RowIter},
};

use super::{
    cell::Cell,
    error::{RowLocation, TableError},
    row::{Row, Rows},
};
use crate::domain::{json::JsonValue, number::Number};

/// A step of the Parquet reader failed: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct StepError(String);

impl From<String> for StepError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, TableError> {
    let file = File::open(path).map_err(|source| TableError::Read { path: path.to_path_buf(), source })?;
    guarded(path, || SerializedFileReader::new(file).map_err(|error| StepError(error.to_string())))
}

/// Runs a step of the reader; errors and panics of the reader are reported as a damaged file.
fn guarded<T>(path: &Path, step: impl FnOnce() -> Result<T, StepError>) -> Result<T, TableError> {
    let outcome = catch_unwind(AssertUnwindSafe(step));
    let outcome = outcome.unwrap_or_else(|_| Err("its reader failed".to_owned().into()));
    outcome.map_err(|error| TableError::Content {
        path: path.to_path_buf(),
        detail: format!("cannot be read as Parquet; is it damaged? {error}"),
    })
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, TableError> {
    let reader = open(path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    Ok(fields.iter().map(|field| field.name().to_owned()).collect())
}

struct Iter {
    path: PathBuf,
    rows: RowIter<'static>,
    row: u64,
    columns: usize,
    ended: bool,
}

pub(super) fn rows(path: &Path, columns: usize) -> Result<Rows, TableError> {
    let reader = open(path)?;
    let rows = RowIter::from_file_into(Box::new(reader));
    Ok(Box::new(Iter { path: path.to_path_buf(), rows, row: 0, columns, ended: false }))
}

impl Iterator for Iter {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.row += 1;
        let place = RowLocation::Row(self.row);
        let (rows, columns) = (&mut self.rows, self.columns);
        let row = guarded(&self.path, || match rows.next() {
            None => Ok(None),
            Some(Ok(row)) if row.len() != columns => Err(format!("a row has {} columns", row.len()).into()),
            Some(Ok(row)) => {
                let cells = row.into_columns().into_iter().map(|(_, field)| cell(field)).collect();
                Ok(Some(Row { place, cells }))
            }
            Some(Err(error)) => Err(error.to_string().into()),
        });
        self.ended = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}

fn cell(field: Field) -> Cell {
    match literal(field) {
        Ok(JsonValue::Null) => Cell::Missing,
        Ok(value) => Cell::Value(value),
        Err(what) => Cell::Unsupported(what),
    }
}

/// Converts a field to a value; missing values and NaN become null.
fn literal(field: Field) -> Result<JsonValue, &'static str> {
    let whole = |value: i64| Ok(JsonValue::Number(Number::from(value)));
    match field {
        Field::Null => Ok(JsonValue::Null),
        Field::Bool(flag) => Ok(JsonValue::Bool(flag)),
        Field::Byte(value) => whole(value.into()),
        Field::Short(value) => whole(value.into()),
        Field::Int(value) => whole(value.into()),
        Field::Long(value) => whole(value),
        Field::UByte(value) => whole(value.into()),
        Field::UShort(value) => whole(value.into()),
        Field::UInt(value) => whole(value.into()),
        Field::ULong(value) => Ok(JsonValue::Number(Number::from(value))),
        // Convert narrow floats through their shortest decimal, as CSV and JSON would write them.
        Field::Float16(value) => float(value.to_string().parse().unwrap_or(f64::NAN)),
        Field::Float(value) => float(value.to_string().parse().unwrap_or(f64::NAN)),
        Field::Double(value) => float(value),
        Field::Str(text) => Ok(JsonValue::Text(text)),
        // Old writers do not mark bytes as text.
        Field::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes.data()).map_err(|_| "bytes that are not UTF-8 text")?;
            Ok(JsonValue::Text(text.to_owned()))
        }
        Field::Decimal(_) => {
            let text = field.to_string();
            text.parse().map_err(|_| "a decimal outside the range of a double").and_then(float)
        }
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Ok(JsonValue::Text(field.to_string())),
        Field::ListInternal(list) => {
            list.elements().iter().cloned().map(literal).collect::<Result<_, _>>().map(JsonValue::List)
        }
        Field::Group(_) | Field::MapInternal(_) => Err("a group of fields"),
    }
}

fn float(value: f64) -> Result<JsonValue, &'static str> {
    if value.is_nan() {
        Ok(JsonValue::Null)
    } else if value.is_infinite() {
        Err("an infinite number")
    } else {
        Ok(JsonValue::Number(Number::from(value)))
    }
}

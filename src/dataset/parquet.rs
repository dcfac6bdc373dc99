//! Reads Parquet with the row reader of the `parquet` crate, which decodes column by column in batches of 1000 values.
//!
//! The row reader shows nanoseconds as integers; they become text here, as coarser times do.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use parquet::{
    basic::{Compression, LogicalType, TimeUnit},
    errors::ParquetError,
    file::{
        metadata::RowGroupMetaData,
        reader::{FileReader as _, SerializedFileReader},
    },
    record::{Field, reader::RowIter},
};

use super::{
    cell::{Cell, float},
    date_text,
    error::{RowLocation, TableError},
    row::{Row, Rows},
};
use crate::domain::{json::JsonValue, number::Number};

/// A step of the Parquet reader failed: what is wrong with the file, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct StepError(String);

impl StepError {
    fn damaged(why: &str) -> Self {
        Self(format!("cannot be read as Parquet; is it damaged? {why}"))
    }
}

impl From<ParquetError> for StepError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::NYI(what) => Self(format!(
                "uses a part of Parquet that is not read ({what}): write it again with the defaults of pandas or Spark"
            )),
            ParquetError::General(why) if why.contains("encrypt") => {
                Self("is encrypted: write it again without encryption".to_owned())
            }
            error => Self::damaged(&error.to_string()),
        }
    }
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, TableError> {
    let file = File::open(path).map_err(|source| TableError::Read { path: path.to_path_buf(), source })?;
    guarded(path, || {
        let reader = SerializedFileReader::new(file)?;
        let mut chunks = reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
        match chunks.find(|chunk| chunk.compression() == Compression::LZO) {
            None => Ok(reader),
            Some(chunk) => Err(StepError(format!(
                "the column {} is compressed with LZO, which is not read: write the file with snappy, zstd, gzip, lz4 \
                 or brotli",
                chunk.column_path()
            ))),
        }
    })
}

/// Runs a step of the reader; a panic of the reader is reported as a damaged file.
fn guarded<T>(path: &Path, step: impl FnOnce() -> Result<T, StepError>) -> Result<T, TableError> {
    let outcome = catch_unwind(AssertUnwindSafe(step));
    let outcome = outcome.unwrap_or_else(|_| Err(StepError::damaged("its reader failed")));
    outcome.map_err(|error| TableError::Content { path: path.to_path_buf(), detail: error.0 })
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, TableError> {
    let reader = open(path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    Ok(fields.iter().map(|field| field.name().to_owned()).collect())
}

/// What a column of nanoseconds holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nanoseconds {
    SinceEpoch,
    SinceMidnight,
}

struct Iter {
    path: PathBuf,
    rows: RowIter<'static>,
    row: u64,
    columns: usize,
    /// For each column, the time of day or the date and time that its integers are in nanoseconds.
    nanoseconds: Vec<Option<Nanoseconds>>,
    ended: bool,
}

pub(super) fn rows(path: &Path, columns: usize) -> Result<Rows, TableError> {
    let reader = open(path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    let nanoseconds = fields.iter().map(|field| match field.get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS => Some(Nanoseconds::SinceEpoch),
        Some(LogicalType::Time(time)) if time.unit == TimeUnit::NANOS => Some(Nanoseconds::SinceMidnight),
        _ => None,
    });
    let nanoseconds = nanoseconds.collect();
    let rows = RowIter::from_file_into(Box::new(reader));
    Ok(Box::new(Iter { path: path.to_path_buf(), rows, row: 0, columns, nanoseconds, ended: false }))
}

impl Iterator for Iter {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.row += 1;
        let place = RowLocation::Row(self.row);
        let (rows, columns, nanoseconds) = (&mut self.rows, self.columns, &self.nanoseconds);
        let row = guarded(&self.path, || match rows.next() {
            None => Ok(None),
            Some(Ok(row)) if row.len() != columns => {
                Err(StepError::damaged(&format!("a row has {} columns", row.len())))
            }
            Some(Ok(row)) => {
                let fields = row.into_columns().into_iter().zip(nanoseconds);
                Ok(Some(Row { place, cells: fields.map(|((_, field), unit)| cell(field, *unit)).collect() }))
            }
            Some(Err(error)) => Err(error.into()),
        });
        self.ended = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}

fn cell(field: Field, nanoseconds: Option<Nanoseconds>) -> Cell {
    let value = match (nanoseconds, &field) {
        (Some(Nanoseconds::SinceEpoch), Field::Long(value)) => date_text::nanoseconds(*value).map(JsonValue::Text),
        (Some(Nanoseconds::SinceMidnight), Field::Long(value)) => {
            date_text::time_of_day(*value, 9).map(JsonValue::Text)
        }
        _ => literal(field),
    };
    match value {
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
        Field::Date(days) => date_text::date(days).map(JsonValue::Text),
        Field::TimeMillis(value) => date_text::time_of_day(value.into(), 3).map(JsonValue::Text),
        Field::TimeMicros(value) => date_text::time_of_day(value, 6).map(JsonValue::Text),
        Field::TimestampMillis(value) => date_text::milliseconds(value).map(JsonValue::Text),
        Field::TimestampMicros(value) => date_text::microseconds(value).map(JsonValue::Text),
        Field::ListInternal(list) => {
            list.elements().iter().cloned().map(literal).collect::<Result<_, _>>().map(JsonValue::List)
        }
        Field::Group(_) | Field::MapInternal(_) => Err("a group of fields"),
    }
}

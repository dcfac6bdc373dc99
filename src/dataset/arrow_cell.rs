//! Converts the values of Arrow's arrays to cells, in the same way as those of Parquet.

use arrow_array::{
    Array, ArrowPrimitiveType, OffsetSizeTrait,
    cast::AsArray as _,
    types::{
        Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_schema::{DataType, TimeUnit};

use super::{
    cell::{Cell, float},
    date_text,
};
use crate::domain::{json::JsonValue, number::Number};

/// What a value is, or a description of what no request can hold.
type Literal = Result<JsonValue, &'static str>;

/// Returns the cell of a row.
pub(super) fn cell(array: &dyn Array, row: usize) -> Cell {
    match literal(array, row) {
        Ok(JsonValue::Null) => Cell::Missing,
        Ok(value) => Cell::Value(value),
        Err(what) => Cell::Unsupported(what),
    }
}

fn literal(array: &dyn Array, row: usize) -> Literal {
    if array.is_null(row) {
        return Ok(JsonValue::Null);
    }
    let decimal = |text: String| text.parse().map_err(|_| "a decimal outside the range of a double").and_then(float);
    match array.data_type() {
        DataType::Null => Ok(JsonValue::Null),
        DataType::Boolean => Ok(JsonValue::Bool(array.as_boolean().value(row))),
        DataType::Int8 => Ok(whole::<Int8Type>(array, row)),
        DataType::Int16 => Ok(whole::<Int16Type>(array, row)),
        DataType::Int32 => Ok(whole::<Int32Type>(array, row)),
        DataType::Int64 => Ok(whole::<Int64Type>(array, row)),
        DataType::UInt8 => Ok(whole::<UInt8Type>(array, row)),
        DataType::UInt16 => Ok(whole::<UInt16Type>(array, row)),
        DataType::UInt32 => Ok(whole::<UInt32Type>(array, row)),
        DataType::UInt64 => Ok(JsonValue::Number(Number::from(value::<UInt64Type>(array, row)))),
        // Convert narrow floats through their shortest decimal, as CSV and JSON would write them.
        DataType::Float16 => float(value::<Float16Type>(array, row).to_string().parse().unwrap_or(f64::NAN)),
        DataType::Float32 => float(value::<Float32Type>(array, row).to_string().parse().unwrap_or(f64::NAN)),
        DataType::Float64 => float(value::<Float64Type>(array, row)),
        DataType::Decimal32(..) => decimal(array.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(..) => decimal(array.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(..) => decimal(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => decimal(array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => Ok(text(array.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Ok(text(array.as_string::<i64>().value(row))),
        DataType::Utf8View => Ok(text(array.as_string_view().value(row))),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => bytes(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row)),
        DataType::List(_) => list::<i32>(array, row),
        DataType::LargeList(_) => list::<i64>(array, row),
        DataType::FixedSizeList(..) => items(&array.as_fixed_size_list().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = match literal(dictionary.keys(), row)? {
                JsonValue::Number(key) => key.as_whole().and_then(|key| usize::try_from(key).ok()),
                _ => None,
            };
            let key = key.filter(|key| *key < dictionary.values().len());
            literal(dictionary.values(), key.ok_or("a key that its dictionary does not have")?)
        }
        DataType::Struct(_) | DataType::Map(..) => Err("a group of fields"),
        DataType::Duration(_) | DataType::Interval(_) => Err("a duration"),
        kind => date_or_time(array, row, kind).map(JsonValue::Text),
    }
}

fn date_or_time(array: &dyn Array, row: usize, kind: &DataType) -> Result<String, &'static str> {
    match kind {
        DataType::Date32 => date_text::date(value::<Date32Type>(array, row)),
        DataType::Date64 => date_text::milliseconds(value::<Date64Type>(array, row)),
        // Parquet has no seconds: writers turn them into milliseconds.
        DataType::Time32(TimeUnit::Second) => {
            date_text::time_of_day(i64::from(value::<Time32SecondType>(array, row)) * 1000, 3)
        }
        DataType::Time32(_) => date_text::time_of_day(value::<Time32MillisecondType>(array, row).into(), 3),
        DataType::Time64(TimeUnit::Microsecond) => {
            date_text::time_of_day(value::<Time64MicrosecondType>(array, row), 6)
        }
        DataType::Time64(_) => date_text::time_of_day(value::<Time64NanosecondType>(array, row), 9),
        DataType::Timestamp(TimeUnit::Second, _) => {
            date_text::milliseconds(value::<TimestampSecondType>(array, row).saturating_mul(1000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            date_text::milliseconds(value::<TimestampMillisecondType>(array, row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            date_text::microseconds(value::<TimestampMicrosecondType>(array, row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            date_text::nanoseconds(value::<TimestampNanosecondType>(array, row))
        }
        _ => Err("a value of a type that is not read"),
    }
}

fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn whole<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> JsonValue
where
    i64: From<T::Native>,
{
    JsonValue::Number(Number::from(i64::from(value::<T>(array, row))))
}

fn text(text: &str) -> JsonValue {
    JsonValue::Text(text.to_owned())
}

fn bytes(bytes: &[u8]) -> Literal {
    std::str::from_utf8(bytes).map(text).map_err(|_| "bytes that are not UTF-8 text")
}

fn list<O: OffsetSizeTrait>(array: &dyn Array, row: usize) -> Literal {
    items(&array.as_list::<O>().value(row))
}

fn items(array: &dyn Array) -> Literal {
    (0..array.len()).map(|row| literal(array, row)).collect::<Result<_, _>>().map(JsonValue::List)
}

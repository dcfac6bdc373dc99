//! The rows of both JSON formats: one object each. The first row defines the columns; later rows may omit columns but
//! not add any.
//!
//! `{"features": {…}, "target": …}`, the shape of a request, is flattened into the members of `features`, then
//! `target`.

use super::cell::Cell;
use crate::domain::{json::JsonValue, text::did_you_mean};

/// The maximum length of a row in bytes.
pub(super) const MAX_ROW_BYTES: usize = 8 << 20;

/// The members of a row, in order.
pub(super) type Members = Vec<(String, JsonValue)>;

/// A row cannot be used: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct JsonRowError(pub(super) String);

/// Parses the text of a row.
pub(super) fn parse(text: &[u8]) -> Result<Members, JsonRowError> {
    let text =
        std::str::from_utf8(text).map_err(|_| JsonRowError("is not UTF-8 text; save the table as UTF-8".into()))?;
    match serde_json::from_str(text) {
        Ok(JsonValue::Object(members)) => Ok(flatten(members)),
        Ok(other) => Err(JsonRowError(format!("must be a JSON object, found {}", other.kind()))),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let place = if line > 1 { format!(" at line {line} of the row,") } else { " at".to_owned() };
            let detail = error
                .to_string()
                .replace(&format!(" at line {line} column {column}"), &format!("{place} character {column}"));
            let nan = text.contains("NaN") || text.contains("Infinity");
            let hint = if nan { "; JSON has no NaN or Infinity: write null for a missing value" } else { "" };
            Err(JsonRowError(format!("is not JSON: {detail}{hint}")))
        }
    }
}

fn flatten(members: Members) -> Members {
    let mut flat = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            JsonValue::Object(features) if name == "features" => flat.extend(features),
            value => flat.push((name, value)),
        }
    }
    flat
}

/// Sorts the members of a row into the columns.
pub(super) fn cells(members: Members, columns: &[String]) -> Result<Vec<Cell>, JsonRowError> {
    let mut cells = vec![Cell::Missing; columns.len()];
    for (place, (name, value)) in members.into_iter().enumerate() {
        // Fast path: rows usually keep the member order of the first row.
        let expected = columns.get(place).filter(|column| **column == name).map(|_| place);
        let Some(index) = expected.or_else(|| columns.iter().position(|column| *column == name)) else {
            let near = did_you_mean(&name, columns.iter().map(String::as_str));
            return Err(JsonRowError(format!("has the member {name:?}, that the first row does not have{near}")));
        };
        cells[index] = match value {
            JsonValue::Null => Cell::Missing,
            JsonValue::Object(_) => Cell::Unsupported("an object"),
            value => Cell::Value(value),
        };
    }
    Ok(cells)
}

//! Reads JSON Lines, one object per line. The first row defines the columns; later rows may omit columns but not add
//! any.
//!
//! `{"features": {…}, "target": …}`, the shape of a request, is flattened into the members of `features`, then
//! `target`.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use super::{
    cell::Cell,
    error::{RowLocation, TableError},
    row::{Row, Rows},
};
use crate::domain::{json::JsonValue, text::did_you_mean};

/// The maximum line length in bytes.
const MAX_LINE_BYTES: u64 = 8 << 20;

struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|source| TableError::Read { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), reader: BufReader::new(file), line: 0 })
    }

    fn row_error(&self, detail: String) -> TableError {
        TableError::Row { path: self.path.clone(), place: RowLocation::Line(self.line), detail }
    }

    /// Returns the members of the next object; blank lines are skipped.
    fn next(&mut self) -> Result<Option<Vec<(String, JsonValue)>>, TableError> {
        loop {
            let mut line = Vec::new();
            let count = (&mut self.reader)
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(|source| TableError::Read { path: self.path.clone(), source })?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if count as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                return Err(self.row_error(format!("is longer than {} MiB", MAX_LINE_BYTES >> 20)));
            }
            let Ok(text) = std::str::from_utf8(&line) else {
                return Err(self.row_error("is not UTF-8 text; save the table as UTF-8".to_owned()));
            };
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                continue;
            }
            return match serde_json::from_str(text) {
                Ok(JsonValue::Object(members)) => Ok(Some(flatten(members))),
                Ok(other) => Err(self.row_error(format!("must be a JSON object, found {}", other.kind()))),
                Err(error) => {
                    let place = format!(" at line 1 column {}", error.column());
                    let nan = text.contains("NaN") || text.contains("Infinity");
                    let hint = if nan { "; JSON has no NaN or Infinity: write null for a missing value" } else { "" };
                    let detail = error.to_string().replace(&place, &format!(" at character {}", error.column()));
                    Err(self.row_error(format!("is not JSON: {detail}{hint}")))
                }
            };
        }
    }
}

fn flatten(members: Vec<(String, JsonValue)>) -> Vec<(String, JsonValue)> {
    let mut flat = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            JsonValue::Object(features) if name == "features" => flat.extend(features),
            value => flat.push((name, value)),
        }
    }
    flat
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, TableError> {
    let first = Lines::open(path)?.next()?;
    let first = first.ok_or_else(|| TableError::Content {
        path: path.to_path_buf(),
        detail: "is empty: it has no columns and no rows".to_owned(),
    })?;
    Ok(first.into_iter().map(|(name, _)| name).collect())
}

pub(super) fn rows(path: &Path, columns: Vec<String>) -> Result<Rows, TableError> {
    let mut lines = Lines::open(path)?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = next_row(&mut lines, &columns).transpose();
        ended = !matches!(row, Some(Ok(_)));
        row
    })))
}

fn next_row(lines: &mut Lines, columns: &[String]) -> Result<Option<Row>, TableError> {
    let Some(members) = lines.next()? else { return Ok(None) };
    let mut cells = vec![Cell::Missing; columns.len()];
    for (place, (name, value)) in members.into_iter().enumerate() {
        // Fast path: rows usually keep the member order of the first row.
        let expected = columns.get(place).filter(|column| **column == name).map(|_| place);
        let Some(index) = expected.or_else(|| columns.iter().position(|column| *column == name)) else {
            let near = did_you_mean(&name, columns.iter().map(String::as_str));
            return Err(lines.row_error(format!("has the member {name:?}, that the first row does not have{near}")));
        };
        cells[index] = match value {
            JsonValue::Null => Cell::Missing,
            JsonValue::Object(_) => Cell::Unsupported("an object"),
            value => Cell::Value(value),
        };
    }
    Ok(Some(Row { place: RowLocation::Line(lines.line), cells }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<Vec<Cell>>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.jsonl");
        std::fs::write(&path, text).expect("written");
        let rows = columns(&path).and_then(|columns| rows(&path, columns)).map_err(|error| error.to_string())?;
        let rows = rows.map(|row| row.map(|row| row.cells)).collect::<Result<_, _>>();
        rows.map_err(|error| error.to_string().replace(&path.display().to_string(), "t.jsonl"))
    }

    #[test]
    fn members_are_columns_in_any_order_and_may_be_left_out() {
        let text = b"{\"features\":{\"a\":1,\"b\":\"x\"},\"target\":true}\n\n{\"target\":false,\"a\":null}\n";
        let value = |value: JsonValue| Cell::Value(value);
        assert_eq!(
            read(text).expect("rows"),
            [
                vec![
                    value(JsonValue::Number(1_u64.into())),
                    value(JsonValue::Text("x".into())),
                    value(JsonValue::Bool(true))
                ],
                vec![Cell::Missing, Cell::Missing, value(JsonValue::Bool(false))],
            ]
        );
    }

    #[test]
    fn bad_lines_are_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"{\"a\":1}\n[1]\n", "t.jsonl, line 2: must be a JSON object, found an array"),
            (
                b"{\"tenure\":1}\n\n{\"tenur\":1}\n",
                "t.jsonl, line 3: has the member \"tenur\", that the first row does not have; did you mean \"tenure\"?",
            ),
            (
                b"{\"a\":1}\n{\"a\":NaN}\n",
                "t.jsonl, line 2: is not JSON: expected value at character 6; JSON has no NaN or Infinity: write null \
                 for a missing value",
            ),
            (b"{\"a\":1}\n{\"a\":\"\xe9\"}", "t.jsonl, line 2: is not UTF-8 text; save the table as UTF-8"),
            (
                b"{\"a\":1}\n{\"a\":1,\"a\":2}",
                "t.jsonl, line 2: is not JSON: the key \"a\" appears twice at character 13",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Err(expected.to_owned()));
        }
    }
}

//! Reads JSON Lines: one object per line.

use std::io::{BufRead as _, BufReader, Read as _};

use super::{
    error::{RowLocation, TableError},
    json_row::{self, JsonRowError, MAX_ROW_BYTES, Members},
    row::{Row, Rows},
    text_file::TextFile,
};

struct Lines {
    reader: BufReader<TextFile>,
    line: u64,
}

impl Lines {
    fn new(file: TextFile) -> Self {
        Self { reader: BufReader::new(file), line: 0 }
    }

    fn row_error(&self, error: JsonRowError) -> TableError {
        let path = self.reader.get_ref().path().to_path_buf();
        TableError::Row { path, place: RowLocation::Line(self.line), detail: error.0 }
    }

    /// Returns the members of the next object; blank lines are skipped.
    fn next(&mut self) -> Result<Option<Members>, TableError> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.reader).take(MAX_ROW_BYTES as u64).read_until(b'\n', &mut line);
            if read.map_err(|source| self.reader.get_ref().error(source))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if line.len() == MAX_ROW_BYTES && line.last() != Some(&b'\n') {
                return Err(self.row_error(JsonRowError(format!("is longer than {} MiB", MAX_ROW_BYTES >> 20))));
            }
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            if !text.is_empty() {
                return json_row::parse(text).map(Some).map_err(|error| self.row_error(error));
            }
        }
    }
}

pub(super) fn columns(file: TextFile) -> Result<Vec<String>, TableError> {
    let mut lines = Lines::new(file);
    let first = lines.next()?.ok_or_else(|| TableError::Content {
        path: lines.reader.get_ref().path().to_path_buf(),
        detail: "is empty: it has no columns and no rows".to_owned(),
    })?;
    Ok(first.into_iter().map(|(name, _)| name).collect())
}

pub(super) fn rows(file: TextFile, columns: Vec<String>) -> Rows {
    let mut lines = Lines::new(file);
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = next_row(&mut lines, &columns).transpose();
        ended = !matches!(row, Some(Ok(_)));
        row
    }))
}

fn next_row(lines: &mut Lines, columns: &[String]) -> Result<Option<Row>, TableError> {
    let Some(members) = lines.next()? else { return Ok(None) };
    let cells = json_row::cells(members, columns).map_err(|error| lines.row_error(error))?;
    Ok(Some(Row { place: RowLocation::Line(lines.line), cells }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dataset::cell::Cell, domain::json::JsonValue};

    fn read(text: &[u8]) -> Result<Vec<Vec<Cell>>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.jsonl");
        std::fs::write(&path, text).expect("written");
        let open = || TextFile::open(&path, None).expect("a file");
        let rows = columns(open()).map(|columns| rows(open(), columns)).map_err(|error| error.to_string())?;
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

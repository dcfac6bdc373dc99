//! Reads a JSON array of objects, one element at a time. Other layouts of a table in JSON are refused by name.

use std::io::{BufRead as _, BufReader};

use super::{
    error::{RowLocation, TableError},
    json_row::{self, JsonRowError, MAX_ROW_BYTES, Members},
    row::{Row, Rows},
    text_file::TextFile,
};

/// Where the reader stands in the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrayPosition {
    BeforeArray,
    BeforeFirst,
    BetweenElements,
    Closed,
}

struct Elements {
    reader: BufReader<TextFile>,
    position: ArrayPosition,
    row: u64,
    text: Vec<u8>,
}

impl Elements {
    fn new(file: TextFile) -> Self {
        Self { reader: BufReader::new(file), position: ArrayPosition::BeforeArray, row: 0, text: Vec::new() }
    }

    fn content(&self, detail: String) -> TableError {
        TableError::Content { path: self.reader.get_ref().path().to_path_buf(), detail }
    }

    fn row_error(&self, error: JsonRowError) -> TableError {
        let path = self.reader.get_ref().path().to_path_buf();
        TableError::Row { path, place: RowLocation::Row(self.row), detail: error.0 }
    }

    fn unclosed(&self) -> TableError {
        self.content(match self.row {
            0 => "the JSON array is not closed: it is truncated".to_owned(),
            row => format!("the JSON array is not closed: the file ends at row {row}; it is truncated"),
        })
    }

    fn fill(&mut self) -> Result<&[u8], TableError> {
        // The borrow of a successful fill would last until the error is built.
        if let Err(source) = self.reader.fill_buf() {
            return Err(self.reader.get_ref().error(source));
        }
        Ok(self.reader.buffer())
    }

    /// Skips whitespace and returns the next byte without consuming it; `None` at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>, TableError> {
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = buffer.get(blank).copied();
            self.reader.consume(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Enters the array.
    fn begin(&mut self) -> Result<(), TableError> {
        if self.fill()?.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
        }
        match self.peek()? {
            Some(b'[') => {
                self.reader.consume(1);
                self.position = ArrayPosition::BeforeFirst;
                Ok(())
            }
            Some(b'{') => {
                let layout = layout(self.fill()?);
                Err(self.content(format!("must be a JSON array of objects, one per row; found {layout}")))
            }
            Some(byte) => {
                Err(self
                    .content(format!("must be a JSON array of objects, one per row; it starts with {}", shown(byte))))
            }
            None => Err(self.content("is empty: it has no columns and no rows".to_owned())),
        }
    }

    /// Returns the members of the next element, or `None` after the last one.
    fn next(&mut self) -> Result<Option<Members>, TableError> {
        if self.position == ArrayPosition::BeforeArray {
            self.begin()?;
        }
        if self.position == ArrayPosition::Closed {
            return Ok(None);
        }
        let mut found = self.peek()?.ok_or_else(|| self.unclosed())?;
        if found == b']' {
            self.reader.consume(1);
            self.position = ArrayPosition::Closed;
            return match self.peek()? {
                None => Ok(None),
                Some(byte) => Err(self.content(format!("found {} after the end of the JSON array", shown(byte)))),
            };
        }
        if self.position == ArrayPosition::BetweenElements {
            if found != b',' {
                let row = self.row;
                return Err(self.content(format!("expected ',' or ']' after row {row}, found {}", shown(found))));
            }
            self.reader.consume(1);
            found = self.peek()?.ok_or_else(|| self.unclosed())?;
        }
        if matches!(found, b',' | b']') {
            let row = self.row;
            return Err(self.content(format!("expected a row after row {row} and a comma, found {}", shown(found))));
        }
        self.position = ArrayPosition::BetweenElements;
        self.row += 1;
        if found == b'[' {
            let detail = "must be a JSON object, found an array: write the table with to_json(orient=\"records\")";
            return Err(self.row_error(JsonRowError(detail.to_owned())));
        }
        self.read_element()?;
        json_row::parse(&self.text).map(Some).map_err(|error| self.row_error(error))
    }

    /// Reads the text of one element: up to the brace that closes it, or, if it is no object, up to a comma or bracket.
    fn read_element(&mut self) -> Result<(), TableError> {
        self.text.clear();
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                return Err(self.unclosed());
            }
            let mut end = None;
            for (index, byte) in buffer.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'{' | b'[' => depth += 1,
                    b',' | b']' if depth == 0 => end = Some(index),
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        end = (depth == 0).then_some(index + 1);
                    }
                    _ => {}
                }
                if end.is_some() {
                    break;
                }
            }
            let taken = end.unwrap_or(buffer.len());
            self.text.extend_from_slice(&self.reader.buffer()[..taken]);
            self.reader.consume(taken);
            if self.text.len() > MAX_ROW_BYTES {
                return Err(self.row_error(JsonRowError(format!("is longer than {} MiB", MAX_ROW_BYTES >> 20))));
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("{:?}", char::from(byte)) } else { format!("the byte 0x{byte:02X}") }
}

/// Describes a table in JSON that is one object, by the start of its text, and says what to do.
fn layout(text: &[u8]) -> &'static str {
    const COLUMNS: &str = "an object of columns or of rows by their index: write it with to_json(orient=\"records\"); \
                           \"columns\" is the default of pandas";
    const LINES: &str = "an object: if each line is one, name the file .jsonl";
    let text = String::from_utf8_lossy(text);
    let inside = text.trim_start_matches('{').trim_start();
    let Some((name, rest)) = inside.strip_prefix('"').and_then(|rest| rest.split_once('"')) else { return LINES };
    let value = rest.trim_start().strip_prefix(':').map_or("", str::trim_start).chars().next();
    match (name, value) {
        ("columns", Some('[')) => "the layout orient=\"split\" of pandas: write it with to_json(orient=\"records\")",
        ("schema", Some('{')) => "the layout orient=\"table\" of pandas: write it with to_json(orient=\"records\")",
        ("features", _) => LINES,
        (_, Some('{')) => COLUMNS,
        _ => LINES,
    }
}

pub(super) fn columns(file: TextFile) -> Result<Vec<String>, TableError> {
    let mut elements = Elements::new(file);
    match elements.next()? {
        Some(first) => Ok(first.into_iter().map(|(name, _)| name).collect()),
        None => Err(elements.content("is empty: it has no columns and no rows".to_owned())),
    }
}

pub(super) fn rows(file: TextFile, columns: Vec<String>) -> Rows {
    let mut elements = Elements::new(file);
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = next_row(&mut elements, &columns).transpose();
        ended = !matches!(row, Some(Ok(_)));
        row
    }))
}

fn next_row(elements: &mut Elements, columns: &[String]) -> Result<Option<Row>, TableError> {
    let Some(members) = elements.next()? else { return Ok(None) };
    let cells = json_row::cells(members, columns).map_err(|error| elements.row_error(error))?;
    Ok(Some(Row { place: RowLocation::Row(elements.row), cells }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dataset::cell::Cell, domain::json::JsonValue};

    fn read(text: &[u8]) -> Result<Vec<Vec<Cell>>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.json");
        std::fs::write(&path, text).expect("written");
        let open = || TextFile::open(&path, None).expect("a file");
        let rows = columns(open()).map(|columns| rows(open(), columns)).map_err(|error| error.to_string());
        let rows = rows.and_then(|rows| {
            let cells = rows.map(|row| row.map(|row| row.cells)).collect::<Result<_, _>>();
            cells.map_err(|error| error.to_string())
        });
        rows.map_err(|error| error.replace(&path.display().to_string(), "t.json"))
    }

    #[test]
    fn elements_are_rows() {
        let text = b"\xef\xbb\xbf [ {\"a\": \"]},\\\"{\", \"b\": [[1]]}\n,{\"b\":null}\r\n]\n";
        let one = JsonValue::List(vec![JsonValue::Number(1_u64.into())]);
        assert_eq!(
            read(text).expect("rows"),
            [
                vec![Cell::Value(JsonValue::Text("]},\"{".to_owned())), Cell::Value(JsonValue::List(vec![one]))],
                vec![Cell::Missing, Cell::Missing],
            ]
        );
        let long = format!("[{}{{\"a\":1}}]", "{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"},".repeat(1000));
        assert_eq!(read(long.as_bytes()).expect("rows").len(), 1001, "elements cross the buffer's end");
    }

    #[test]
    fn other_documents_are_named() {
        let cases: [(&str, &str); 16] = [
            ("[]", "t.json: is empty: it has no columns and no rows"),
            (" ", "t.json: is empty: it has no columns and no rows"),
            ("3", "t.json: must be a JSON array of objects, one per row; it starts with '3'"),
            ("[{\"a\":1}", "t.json: the JSON array is not closed: the file ends at row 1; it is truncated"),
            ("[{\"a\":1},{\"a\":", "t.json: the JSON array is not closed: the file ends at row 2; it is truncated"),
            ("[", "t.json: the JSON array is not closed: it is truncated"),
            ("[{\"a\":1} {\"a\":2}]", "t.json: expected ',' or ']' after row 1, found '{'"),
            ("[{\"a\":1},]", "t.json: expected a row after row 1 and a comma, found ']'"),
            ("[{\"a\":1}] x", "t.json: found 'x' after the end of the JSON array"),
            ("[{\"a\":1},7]", "t.json, row 2: must be a JSON object, found a number"),
            (
                "[{\"a\":1},\n{\"b\":\n2}]",
                "t.json, row 2: has the member \"b\", that the first row does not have; did you mean \"a\"?",
            ),
            (
                "[{\"a\":1},{\n\"a\": NaN}]",
                "t.json, row 2: is not JSON: expected value at line 2 of the row, character 6; JSON has no NaN or \
                 Infinity: write null for a missing value",
            ),
            (
                "[[1,2]]",
                "t.json, row 1: must be a JSON object, found an array: write the table with to_json(orient=\"records\")",
            ),
            (
                "{\"a\":{\"0\":1}}",
                "t.json: must be a JSON array of objects, one per row; found an object of columns or of rows by their \
                 index: write it with to_json(orient=\"records\"); \"columns\" is the default of pandas",
            ),
            (
                "{\"columns\":[\"a\"],\"index\":[0],\"data\":[[1]]}",
                "t.json: must be a JSON array of objects, one per row; found the layout orient=\"split\" of pandas: write \
                 it with to_json(orient=\"records\")",
            ),
            (
                "{\"a\":1}\n{\"a\":2}\n",
                "t.json: must be a JSON array of objects, one per row; found an object: if each line is one, name the \
                 file .jsonl",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text.as_bytes()), Err(expected.to_owned()), "{text}");
        }
    }
}

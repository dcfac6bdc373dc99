//! Reads CSV and TSV (RFC 4180): a header, then one record per line. Quoted fields may contain separators and line
//! breaks.
//!
//! Records are parsed by `csv-core` into a bounded buffer, so that an unclosed quote cannot exhaust memory.

use std::io::Read as _;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{
    cell::Cell,
    error::{RowLocation, TableError},
    row::{ReadOptions, Row, Rows},
    text_file::TextFile,
};

/// A field cannot be read: what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct FieldError(String);

impl From<String> for FieldError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The maximum record length in bytes: ample for a row of numbers, small compared with memory.
const MAX_RECORD_BYTES: usize = 8 << 20;
/// The maximum number of fields in a record.
const MAX_FIELDS: usize = 1 << 16;

/// Iterates over the records of a file with one reused buffer.
struct Records {
    file: TextFile,
    reader: Reader,
    input: Vec<u8>,
    /// Start and end of the unconsumed bytes in `input`.
    unread: (usize, usize),
    /// Whether the end of the file was reached and a final line break was appended.
    closed: bool,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// A record: the number of its first line, and its fields as slices of the output buffer.
struct Record<'a> {
    line: u64,
    fields: Vec<&'a [u8]>,
}

impl Records {
    fn new(file: TextFile, separator: u8) -> Self {
        Self {
            file,
            reader: ReaderBuilder::new().delimiter(separator).build(),
            input: vec![0; 1 << 16],
            unread: (0, 0),
            closed: false,
            output: vec![0; 1 << 10],
            ends: vec![0; 64],
        }
    }

    fn row_error(&self, line: u64, detail: String) -> TableError {
        TableError::Row { path: self.file.path().to_path_buf(), place: RowLocation::Line(line), detail }
    }

    /// Refills the input buffer. At the end of the file it appends a line break, which reveals an unclosed quote.
    fn fill(&mut self) -> Result<(), TableError> {
        let count = self.file.read(&mut self.input).map_err(|source| self.file.error(source))?;
        self.unread = (0, count);
        if count == 0 {
            self.closed = true;
            self.input[0] = b'\n';
            self.unread = (0, 1);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, TableError> {
        let (mut written, mut fields) = (0, 0);
        let mut began = self.reader.line();
        loop {
            if self.unread.0 == self.unread.1 {
                if self.closed {
                    return if written == 0 && fields == 0 { Ok(None) } else { Err(self.unclosed(began)) };
                }
                self.fill()?;
            }
            let (result, read, out, ended) = self.reader.read_record(
                &self.input[self.unread.0..self.unread.1],
                &mut self.output[written..],
                &mut self.ends[fields..],
            );
            self.unread.0 += read;
            if written == 0 && out > 0 {
                let breaks = line_breaks(&self.output[..out]);
                began = began.max(self.reader.line().saturating_sub(breaks));
            }
            written += out;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.output.len() < MAX_RECORD_BYTES => {
                    self.output.resize(self.output.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_FIELDS => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull => {
                    let detail = format!(
                        "the row that begins here is longer than {} MiB; is a closing quote missing?",
                        MAX_RECORD_BYTES >> 20
                    );
                    return Err(self.row_error(began, detail));
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.row_error(began, format!("has more than {MAX_FIELDS} fields")));
                }
                ReadRecordResult::Record => return Ok(Some(self.record(written, fields))),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn unclosed(&self, began: u64) -> TableError {
        self.row_error(began, "the row that begins here has a quote that is never closed".to_owned())
    }

    fn record(&self, written: usize, fields: usize) -> Record<'_> {
        let output = &self.output[..written];
        // `line()` already counts an LF that ended the record, but not the LF of a CR LF.
        let ended = u64::from(self.input[self.unread.0 - 1] == b'\n');
        let within = line_breaks(output);
        let starts = std::iter::once(0).chain(self.ends[..fields].iter().copied());
        let fields = starts.zip(&self.ends[..fields]).map(|(start, end)| &output[start..*end]).collect();
        Record { line: self.reader.line().saturating_sub(ended + within).max(1), fields }
    }
}

fn line_breaks(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn text<'a>(field: &'a [u8], name: &str) -> Result<&'a str, FieldError> {
    std::str::from_utf8(field)
        .map_err(|error| {
            let byte = field.get(error.valid_up_to()).copied().unwrap_or_default();
            format!("column {name:?} is not UTF-8 text: found the byte 0x{byte:02X}; save the table as UTF-8")
        })
        .map_err(FieldError)
}

/// Reads the column names from the header; a column without a name has an empty one.
pub(super) fn columns(file: TextFile, separator: u8) -> Result<Vec<String>, TableError> {
    let path = file.path().to_path_buf();
    let mut records = Records::new(file, separator);
    let content = |detail: &str| TableError::Content { path: path.clone(), detail: detail.to_owned() };
    let Some(header) = records.next()? else { return Err(content("is empty: it has no columns and no rows")) };
    let mut names = Vec::with_capacity(header.fields.len());
    for (index, field) in header.fields.iter().enumerate() {
        let name = text(field, &format!("{}", index + 1)).map_err(|detail| content(&format!("line 1: {detail}")))?;
        names.push(name.trim().to_owned());
    }
    let other = [(b';', "';'"), (b'\t', "a tab"), (b',', "','")]
        .into_iter()
        .find(|(other, _)| *other != separator && names[0].as_bytes().contains(other));
    if let ([only], Some((_, other))) = (names.as_slice(), other) {
        return Err(content(&format!(
            "the header is one column, {only:?}: the fields seem to be separated by {other}; if so, set --separator"
        )));
    }
    Ok(names)
}

/// Returns an iterator over the rows after the header.
pub(super) fn rows(
    file: TextFile,
    separator: u8,
    columns: Vec<String>,
    reading: ReadOptions,
) -> Result<Rows, TableError> {
    let mut records = Records::new(file, separator);
    records.next()?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = next_row(&mut records, &columns, &reading).transpose();
        ended = !matches!(row, Some(Ok(_)));
        row
    })))
}

fn next_row(records: &mut Records, columns: &[String], reading: &ReadOptions) -> Result<Option<Row>, TableError> {
    let path = records.file.path().to_path_buf();
    let Some(record) = records.next()? else { return Ok(None) };
    let place = RowLocation::Line(record.line);
    let wrong = |detail| TableError::Row { path: path.clone(), place, detail };
    if record.fields.len() != columns.len() {
        return Err(wrong(format!("has {} fields, the header has {}", record.fields.len(), columns.len())));
    }
    let mut cells = Vec::with_capacity(columns.len());
    for (field, name) in record.fields.iter().zip(columns) {
        let text = text(field, name).map_err(|error| wrong(error.0))?;
        cells.push(if reading.is_missing(text) { Cell::Missing } else { Cell::Untyped(text.to_owned()) });
    }
    Ok(Some(Row { place, cells }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<(RowLocation, Vec<Cell>)>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.csv");
        std::fs::write(&path, text).expect("written");
        let open = || TextFile::open(&path, None).expect("a file");
        let columns = columns(open(), b',').map_err(|error| error.to_string())?;
        let rows = rows(open(), b',', columns, ReadOptions::default()).map_err(|error| error.to_string())?;
        let rows = rows.map(|row| row.map(|row| (row.place, row.cells))).collect::<Result<_, _>>();
        rows.map_err(|error| error.to_string().replace(&path.display().to_string(), "t.csv"))
    }

    #[test]
    fn rows_know_their_lines() {
        let written = |text: &str| Cell::Untyped(text.to_owned());
        for ends in ["\n", "\r\n"] {
            let text = ["\u{feff}a,b", "1,\"x,\"\"y\"", "", "2,\"one\ntwo\"", "3, NaN "].join(ends);
            let rows = read(text.as_bytes()).expect("rows");
            assert_eq!(
                rows,
                [
                    (RowLocation::Line(2), vec![written("1"), written("x,\"y")]),
                    (RowLocation::Line(4), vec![written("2"), written("one\ntwo")]),
                    (RowLocation::Line(6), vec![written("3"), Cell::Missing]),
                ],
                "{ends:?}"
            );
        }
    }

    #[test]
    fn bad_records_name_their_line() {
        let huge = format!("a,b\n1,2\n3,\"{}", "x".repeat(MAX_RECORD_BYTES + 10));
        let cases: [(&[u8], &str); 6] = [
            (b"a,b\n1,2\n3\n", "t.csv, line 3: has 1 fields, the header has 2"),
            (b"a,b\n\n1,2,3", "t.csv, line 3: has 3 fields, the header has 2"),
            (
                b"a,b\n1,2\n3,\"never\nclosed\n5,6\n",
                "t.csv, line 3: the row that begins here has a quote that is never closed",
            ),
            (
                b"a,b\n1,caf\xe9\n",
                "t.csv, line 2: column \"b\" is not UTF-8 text: found the byte 0xE9; save the table as UTF-8",
            ),
            (
                huge.as_bytes(),
                "t.csv, line 3: the row that begins here is longer than 8 MiB; is a closing quote missing?",
            ),
            (b"a,b\n1,\"2\" 3\n4,\"\n", "t.csv, line 3: the row that begins here has a quote that is never closed"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Err(expected.to_owned()));
        }
    }
}

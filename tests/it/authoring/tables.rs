//! Tables of every column type, as other programs write them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use candor::{
    dataset::{Cell, ColumnKind, ParsedText, ReadOptions, RowLocation, Table, describe},
    domain::{json::JsonValue, number::Number},
};

use parquet::{
    basic::Compression,
    data_type::Int64Type,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use crate::support::paths::root;

fn number(value: f64) -> Cell {
    Cell::Value(JsonValue::Number(Number::from(value)))
}

fn text(text: &str) -> Cell {
    Cell::Value(JsonValue::Text(text.to_owned()))
}

/// The columns of `tests/fixtures/make_tables.py`: the cells, and the inferred kind of column.
fn columns() -> Vec<(&'static str, ColumnKind, [Cell; 3])> {
    let flag = |flag| Cell::Value(JsonValue::Bool(flag));
    let numbers = |row: &[f64]| JsonValue::List(row.iter().map(|value| JsonValue::Number((*value).into())).collect());
    let list = |rows: &[&[f64]]| Cell::Value(JsonValue::List(rows.iter().map(|row| numbers(row)).collect()));
    let texts = |row: &[&str]| {
        Cell::Value(JsonValue::List(row.iter().map(|value| JsonValue::Text((*value).to_owned())).collect()))
    };
    let whole = |value: u64| Cell::Value(JsonValue::Number(value.into()));
    let twice = |value: &str| [text(value), Cell::Missing, text(value)];
    vec![
        ("int64", ColumnKind::Integer, [number(1.0), Cell::Missing, number(-3.0)]),
        ("uint8", ColumnKind::Integer, [number(1.0), number(2.0), number(255.0)]),
        ("float", ColumnKind::Number, [number(0.1), Cell::Missing, number(1.5)]),
        ("double", ColumnKind::Foreign, [number(0.1), Cell::Missing, Cell::Unsupported("an infinite number")]),
        ("bool", ColumnKind::Boolean, [flag(true), flag(false), Cell::Missing]),
        ("text", ColumnKind::Text, [text("a"), text(""), text("zwölf")]),
        ("category", ColumnKind::Text, [text("x"), text("y"), text("x")]),
        ("bytes", ColumnKind::Text, [Cell::Unsupported("bytes that are not UTF-8 text"), text("ok"), Cell::Missing]),
        ("date", ColumnKind::Text, [text("2026-03-01"), Cell::Missing, text("1970-01-01")]),
        ("decimal", ColumnKind::Number, [number(1.25), number(-3.0), Cell::Missing]),
        ("list", ColumnKind::List, [list(&[&[1.0, 2.0], &[3.0, 4.0]]), list(&[]), Cell::Missing]),
        ("struct", ColumnKind::Foreign, [const { Cell::Unsupported("a group of fields") }; 3]),
        // The shortest decimal that the type tells apart from its neighbours.
        ("half", ColumnKind::Number, [number(0.099_975_586), Cell::Missing, number(2.5)]),
        ("null", ColumnKind::Empty, [const { Cell::Missing }; 3]),
        ("large_text", ColumnKind::Text, [text("a"), Cell::Missing, text("ß")]),
        ("text_view", ColumnKind::Text, [text("short"), Cell::Missing, text("longer than twelve bytes")]),
        (
            "fixed_list",
            ColumnKind::List,
            [Cell::Value(numbers(&[1.0, 2.0])), Cell::Missing, Cell::Value(numbers(&[3.0, 4.0]))],
        ),
        ("text_list", ColumnKind::List, [texts(&["a", "b"]), texts(&[]), Cell::Missing]),
        ("milliseconds", ColumnKind::Text, twice("2026-03-01 12:30:15.250 +00:00")),
        ("microseconds", ColumnKind::Text, twice("2026-03-01 12:30:15.250000 +00:00")),
        ("nanoseconds", ColumnKind::Text, twice("2026-03-01 12:30:15.250000000 +00:00")),
        ("time", ColumnKind::Text, twice("12:30:15.250")),
        ("time_nanoseconds", ColumnKind::Text, twice("12:30:15.250000000")),
        ("uint64", ColumnKind::Integer, [whole(1), Cell::Missing, whole(u64::MAX)]),
    ]
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/tables").join(name)
}

/// The error of reading a table, without the directory of the file.
fn refusal(path: &Path) -> String {
    let outcome = Table::open(path, &ReadOptions::default()).and_then(|table| describe(&table));
    let directory = format!("{}/", path.parent().expect("a directory").display());
    outcome.expect_err("refused").to_string().replace(&directory, "")
}

fn rows(path: &Path) -> Vec<Vec<Cell>> {
    let table = Table::open(path, &ReadOptions::default()).expect("a table");
    table.rows().expect("rows").map(|row| row.expect("a row").cells).collect()
}

fn check_types(name: &str) {
    let table = Table::open(&fixture(name), &ReadOptions::default()).expect("a table");
    let rows: Vec<_> = table.rows().expect("rows").collect::<Result<_, _>>().expect("rows");
    let found = describe(&table).expect("columns").columns;
    assert_eq!(rows.last().map(|row| row.place), Some(RowLocation::Row(3)));
    assert_eq!(table.columns().len(), columns().len(), "{name}");
    for (index, (column, kind, cells)) in columns().into_iter().enumerate() {
        let read = [0, 1, 2].map(|row: usize| rows[row].cells[index].clone());
        assert_eq!((table.columns()[index].as_str(), read), (column, cells), "{name}");
        assert_eq!(found[index].kind, kind, "{name}: {column}");
    }
}

#[test]
fn parquet_of_every_type_and_compression() {
    for compression in ["snappy", "gzip", "zstd", "brotli", "lz4"] {
        check_types(&format!("types.{compression}.parquet"));
    }
}

/// One column of integers in Parquet, in a compression that pyarrow does not write.
fn parquet_in(compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message m { REQUIRED INT64 a; }").expect("a schema"));
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("a column").expect("a column");
    let values: Vec<i64> = (0..1000).map(|value| value % 7).collect();
    column.typed::<Int64Type>().write_batch(&values, None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
    bytes
}

#[test]
fn parquet_with_the_framing_of_hadoop() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("t.parquet");
    std::fs::write(&path, parquet_in(Compression::LZ4)).expect("written");
    let rows = rows(&path);
    assert_eq!((rows.len(), &rows[999]), (1000, &vec![number(5.0)]));
}

#[test]
fn parquet_in_a_compression_that_is_not_read_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("t.parquet");
    let mut bytes = parquet_in(Compression::UNCOMPRESSED);
    // In the metadata of the column: its path, ["a"], and then the number of its compression, doubled.
    let metadata = [0x19, 0x18, 0x01, b'a', 0x15, 0x00];
    let at = bytes.windows(metadata.len()).position(|window| window == metadata).expect("the metadata");
    bytes[at + 5] = 6;
    std::fs::write(&path, bytes).expect("written");
    assert_eq!(
        refusal(&path),
        "t.parquet: the column \"a\" is compressed with LZO, which is not read: write the file with snappy, zstd, gzip, \
         lz4 or brotli"
    );
}

#[test]
fn a_damaged_parquet_file_is_told_and_never_panics() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("t.parquet");
    let whole = std::fs::read(root().join("tests/fixtures/tables/types.snappy.parquet")).expect("a file");
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).expect("written");
        // Some bytes are values or padding: changing them has no visible effect.
        let outcome = Table::open(&path, &ReadOptions::default()).and_then(|table| describe(&table));
        if let Err(error) = outcome {
            assert!(error.to_string().contains("t.parquet: "), "{error}");
        }
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let error = Table::open(&path, &ReadOptions::default()).expect_err("refused").to_string();
    assert!(error.contains("cannot be read as Parquet; is it damaged?"), "{error}");
}

#[test]
fn the_spellings_of_missing_values_can_be_said() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("t.csv");
    std::fs::write(&path, "a;b\n?;NA\n1;x\n").expect("written");
    let reading = ReadOptions { separator: Some(b';'), missing: vec!["?".to_owned()] };
    let found = describe(&Table::open(&path, &reading).expect("a table")).expect("columns").columns;
    assert_eq!((found[0].kind, found[0].missing), (ColumnKind::Integer, 1));
    assert_eq!((found[1].kind, found[1].missing), (ColumnKind::Text, 0), "NA is a string then");
}

/// The rows of `rows.csv`, by column.
fn same_rows(name: &str) {
    let csv = Table::open(&fixture("rows.csv"), &ReadOptions::default()).expect("a table");
    let other = Table::open(&fixture(name), &ReadOptions::default()).expect("a table");
    assert_eq!(other.columns(), csv.columns(), "{name}");
    assert!(other.notes().is_empty(), "{name}: {:?}", other.notes());
    let plain = |cell: &Cell| match cell {
        Cell::Untyped(text) => match ParsedText::read(text) {
            ParsedText::Integer(number) | ParsedText::Number(number) => Cell::Value(JsonValue::Number(number)),
            ParsedText::Boolean(flag) => Cell::Value(JsonValue::Bool(flag)),
            _ => Cell::Value(JsonValue::Text(text.clone())),
        },
        cell => cell.clone(),
    };
    let cells = |name: &str| -> Vec<Vec<Cell>> {
        rows(&fixture(name)).iter().map(|row| row.iter().map(plain).collect()).collect()
    };
    assert_eq!(cells(name), cells("rows.csv"), "{name}");
}

#[test]
fn every_kind_of_table_has_the_same_rows() {
    for name in ["csv", "tsv", "jsonl", "json"] {
        for compression in ["", ".gz", ".zst"] {
            same_rows(&format!("rows.{name}{compression}"));
        }
    }
    same_rows("rows.indented.json");
    same_rows("rows.parquet");
    #[cfg(feature = "arrow")]
    same_rows("rows.feather");
}

#[test]
fn other_layouts_of_json_are_refused_by_name() {
    let cases = [
        ("columns", "found an object of columns or of rows by their index: write it with to_json(orient=\"records\")"),
        ("index", "found an object of columns or of rows by their index: write it with to_json(orient=\"records\")"),
        ("split", "found the layout orient=\"split\" of pandas: write it with to_json(orient=\"records\")"),
        ("table", "found the layout orient=\"table\" of pandas: write it with to_json(orient=\"records\")"),
        ("values", "row 1: must be a JSON object, found an array: write the table with to_json(orient=\"records\")"),
    ];
    for (orient, phrase) in cases {
        let told = refusal(&fixture(&format!("rows.{orient}.json")));
        assert!(told.contains(phrase), "{told}");
    }
}

#[test]
fn the_first_bytes_decide_the_compression() {
    let place = tempfile::tempdir().expect("a directory");
    let cases = [
        ("rows.csv", "a.csv.gz", Some("the file is named as gzip data, but is not compressed")),
        ("rows.csv.zst", "b.csv.gz", Some("the file is named as gzip data, but is compressed with zstd")),
        ("rows.csv.gz", "c.csv", Some("the file is compressed with gzip, which its name does not say")),
        ("rows.csv.zst", "d.csv.zstd", None),
    ];
    for (source, name, note) in cases {
        let path = place.path().join(name);
        std::fs::copy(fixture(source), &path).expect("copied");
        let table = Table::open(&path, &ReadOptions::default()).expect("a table");
        assert_eq!(rows(&path), rows(&fixture("rows.csv")), "{name}");
        match (table.notes(), note) {
            ([], None) => {}
            ([found], Some(note)) => assert!(found.contains(name) && found.contains(note), "{found}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn damaged_compressed_text_is_told() {
    let place = tempfile::tempdir().expect("a directory");
    let lines = (0..20_000_u32).map(|row| format!("{row},{}\n", row.wrapping_mul(2_654_435_761)));
    let table = format!("a,b\n{}", lines.collect::<Vec<_>>().concat());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, table.as_bytes()).expect("written");
    let gzip = gzip.finish().expect("compressed");
    let zstd = zstd::encode_all(table.as_bytes(), 3).expect("compressed");
    for (name, whole) in [("gzip", gzip), ("zstd", zstd)] {
        let path = place.path().join(if name == "gzip" { "t.csv.gz" } else { "t.csv.zst" });
        for end in [6, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).expect("written");
            let told = refusal(&path);
            assert!(
                told.contains(&format!(": ends in the middle of its {name} data: it is truncated")),
                "{name} of {end} bytes: {told}"
            );
        }
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xa5);
        std::fs::write(&path, &bytes).expect("written");
        // A changed byte may also make another text, which is refused for what it says.
        let told = refusal(&path);
        assert!(told.starts_with("t.csv."), "{told}");
        bytes[..4].fill(0);
        std::fs::write(&path, &bytes).expect("written");
        let told = refusal(&path);
        assert!(told.contains(&format!("is named as {name} data, but does not start like it")), "{told}");
    }
}

#[test]
fn other_files_are_named() {
    let place = tempfile::tempdir().expect("a directory");
    let listed = candor::dataset::TABLE_EXTENSIONS;
    let cases: [(&str, &[u8], String); 9] = [
        ("t.csv.bz2", b"BZh91AY", format!("the extension .bz2 is not that of a table; tables are read from {listed}")),
        ("t", b"a,b\n", format!("the file has no extension; tables are read from {listed}")),
        ("t.csv", b"BZh91AY", "is compressed with bzip2, which is not read: compress it with gzip or zstd".to_owned()),
        (
            "t.jsonl.gz",
            b"\xfd7zXZ\0",
            "is compressed with xz, which is not read: compress it with gzip or zstd".to_owned(),
        ),
        ("t.json", b"PAR1", "is a Parquet file, not text: name it .parquet".to_owned()),
        (
            "t.parquet.zst",
            b"x",
            "decompress the file first: a .parquet file is compressed inside, not as a whole".to_owned(),
        ),
        ("e.parquet", b"PARE\0\0\0\0\x04\0\0\0PARE", "is encrypted: write it again without encryption".to_owned()),
        (
            "old.feather",
            b"FEA1....",
            "is a Feather V1 file, which is not read: write it as Feather V2, the default of pandas, or as Parquet"
                .to_owned(),
        ),
        (
            "t.json.gz",
            b"\x1f\x8b\x08",
            "ends in the middle of its gzip data: it is truncated; copy or download it again".to_owned(),
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = place.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        assert_eq!(refusal(&path), format!("{name}: {expected}"));
    }
    assert!(refusal(&fixture("old.feather")).starts_with("old.feather: is a Feather V1 file"));
}

#[cfg(not(feature = "arrow"))]
#[test]
fn feather_is_refused_by_name() {
    assert_eq!(
        refusal(&fixture("rows.feather")),
        "rows.feather: Feather (Arrow IPC) is not read by this build: write the table as Parquet, or build Candor with \
         `--features arrow`"
    );
}

#[cfg(feature = "arrow")]
#[test]
fn feather_of_every_type_and_compression() {
    for name in ["uncompressed.feather", "lz4.feather", "zstd.feather", "stream.arrow"] {
        check_types(&format!("types.{name}"));
    }
}

#[cfg(feature = "arrow")]
#[test]
fn a_damaged_feather_file_is_told_and_never_panics() {
    let place = tempfile::tempdir().expect("a directory");
    for name in ["types.zstd.feather", "types.lz4.feather", "types.stream.arrow"] {
        let path = place.path().join(name);
        let whole = std::fs::read(fixture(name)).expect("a file");
        for at in (0..whole.len()).step_by(13) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&path, &bytes).expect("written");
            // Some bytes are values or padding: changing them has no visible effect.
            let outcome = Table::open(&path, &ReadOptions::default()).and_then(|table| describe(&table));
            if let Err(error) = outcome {
                assert!(error.to_string().contains(&format!("{name}: ")), "{error}");
            }
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        let told = refusal(&path);
        assert!(told.contains("it is truncated; copy or download it again"), "{told}");
    }
}

#[test]
fn the_index_of_pandas_is_recognised() {
    let cases: [(&str, &[&str]); 6] = [
        ("index.csv", &["unnamed_1"]),
        ("index.resaved.csv", &["unnamed_1", "Unnamed: 0"]),
        ("index.parquet", &["__index_level_0__"]),
        ("index.named.parquet", &[]),
        ("index.named.csv", &[]),
        ("rows.parquet", &[]),
    ];
    for (name, expected) in cases {
        let table = Table::open(&fixture(name), &ReadOptions::default()).expect("a table");
        let indexes = (0..table.columns().len()).filter(|column| table.is_index(*column));
        let indexes: Vec<&str> = indexes.map(|column| table.columns()[column].as_str()).collect();
        assert_eq!(indexes, expected, "{name}");
    }
}

//! Tables of every column type, as other programs write them.

use candor::{
    dataset::{Cell, ColumnKind, ReadOptions, RowLocation, Table, describe},
    domain::{json::JsonValue, number::Number},
};

use crate::support::paths::root;

fn number(value: f64) -> Cell {
    Cell::Value(JsonValue::Number(Number::from(value)))
}

fn text(text: &str) -> Cell {
    Cell::Value(JsonValue::Text(text.to_owned()))
}

/// The columns of `tests/fixtures/make_parquet.py`: the cells, and the inferred kind of column.
fn columns() -> Vec<(&'static str, ColumnKind, [Cell; 3])> {
    let flag = |flag| Cell::Value(JsonValue::Bool(flag));
    let list = |rows: &[&[f64]]| {
        let row = |row: &&[f64]| JsonValue::List(row.iter().map(|value| JsonValue::Number((*value).into())).collect());
        Cell::Value(JsonValue::List(rows.iter().map(row).collect()))
    };
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
    ]
}

#[test]
fn parquet_of_every_type_and_compression() {
    for compression in ["snappy", "gzip", "zstd"] {
        let path = root().join(format!("tests/fixtures/tables/types.{compression}.parquet"));
        let table = Table::open(&path, &ReadOptions::default()).expect("a table");
        let rows: Vec<_> = table.rows().expect("rows").collect::<Result<_, _>>().expect("rows");
        let found = describe(&table).expect("columns").columns;
        assert_eq!(rows.last().map(|row| row.place), Some(RowLocation::Row(3)));
        for (index, (name, kind, cells)) in columns().into_iter().enumerate() {
            let read = [0, 1, 2].map(|row: usize| rows[row].cells[index].clone());
            assert_eq!((table.columns()[index].as_str(), read), (name, cells), "{compression}");
            assert_eq!(found[index].kind, kind, "{name}");
        }
    }
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

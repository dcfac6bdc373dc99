//! Tables are streamed: the memory that `candor init` takes does not grow with the rows.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use candor::dataset::{ReadOptions, Table, describe};

use crate::support::{external_tools::peak_kib, paths::fixture};

const ROWS: u64 = 200_000;

/// The allowed growth of the peak from 2,000 rows to [`ROWS`]. The long file has 28 MiB, and its parsed rows take more.
const MAX_GROWTH_KIB: u64 = 8 << 10;

fn table(directory: &Path, rows: u64) -> PathBuf {
    let path = directory.join(format!("{rows}.csv"));
    let note = "a long note, ".repeat(9);
    let mut text = String::from("x,plan,note\n");
    for row in 0..rows {
        let _ = writeln!(text, "{row},plan{},\"{note}of row {row}\"", row % 3);
    }
    fs::write(&path, text).expect("written");
    path
}

fn peak(directory: &Path, table: &Path) -> u64 {
    let (graph, out) = (fixture("vector_input.onnx"), directory.join("package/1"));
    let [graph, table, out] = [graph.as_path(), table, &out].map(|path| path.display().to_string());
    peak_kib(&["init", &graph, "--data", &table, "--features", "x", "--out", &out, "--force"])
}

#[test]
fn memory_does_not_grow_with_the_rows_of_a_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let [short, long] = [2_000, ROWS].map(|rows| peak(directory.path(), &table(directory.path(), rows)));
    assert!(long.saturating_sub(short) < MAX_GROWTH_KIB, "peak of {short} KiB with 2,000 rows, {long} with {ROWS}");
}

#[test]
fn a_column_of_too_many_values_keeps_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = Table::open(&table(directory.path(), 2_000), &ReadOptions::default()).expect("a table");
    let columns = describe(&table).expect("columns");
    assert_eq!(columns.rows, 2_000);
    assert_eq!(columns.columns[1].values.as_ref().map(std::collections::BTreeSet::len), Some(3));
    assert_eq!(columns.columns[2].values, None, "2,000 distinct notes are too many to keep");
}

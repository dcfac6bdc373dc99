//! Tables are streamed: the memory that `candor init` takes does not grow with the rows.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use candor::dataset::{ReadOptions, Table, describe};

use crate::support::{external_tools::python, paths::fixture};

const ROWS: u64 = 200_000;

/// By how much the peak may grow from 2,000 rows to [`ROWS`]. The long file has 28 MiB, and its rows take more in memory.
const MAX_GROWTH_KIB: u64 = 8 << 10;

/// Runs a command in a process of its own and prints the peak of its resident memory in KiB.
const MEASURE_PEAK: &str = "
import json, os, resource, subprocess, sys
environment = {name: value for name, value in os.environ.items() if not name.startswith('CANDOR_')}
done = subprocess.run(json.load(sys.stdin), env=environment, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

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

fn peak_kib(directory: &Path, table: &Path) -> u64 {
    let (graph, out) = (fixture("vector_input.onnx"), directory.join("package/1"));
    let [graph, table, out] = [&graph, table, &out].map(|path| path.display().to_string());
    let candor = env!("CARGO_BIN_EXE_candor");
    let command = [candor, "init", &graph, "--data", &table, "--features", "x", "--out", &out, "--force"];
    let printed = python(MEASURE_PEAK, &serde_json::json!(command).to_string());
    printed.trim().parse().expect("a number of KiB")
}

#[test]
fn memory_does_not_grow_with_the_rows_of_a_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let [short, long] = [2_000, ROWS].map(|rows| peak_kib(directory.path(), &table(directory.path(), rows)));
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

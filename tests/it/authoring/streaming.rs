//! A table larger than memory streams: what a pass holds does not grow with the rows.

use std::{fmt::Write as _, fs};

use candor::dataset::{ReadOptions, Table, describe};

#[test]
fn a_long_table_is_read_row_by_row() {
    const ROWS: u64 = 200_000;
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("long.csv");
    let mut text = String::from("id,plan,note\n");
    for row in 0..ROWS {
        let _ = writeln!(text, "{row},plan{},\"a note, of row {row}\"", row % 3);
    }
    fs::write(&path, &text).expect("written");
    let table = Table::open(&path, &ReadOptions::default()).expect("a table");
    let before = peak_kib();
    let columns = describe(&table).expect("columns");
    let grown = peak_kib().saturating_sub(before);
    assert_eq!(columns.rows, ROWS);
    assert_eq!(columns.columns[1].values.as_ref().map(std::collections::BTreeSet::len), Some(3));
    assert_eq!(columns.columns[2].values, None, "the notes are too many to be kept");
    // The other tests of this process allocate beside this one; a table of its rows would take over 30 MiB.
    assert!(grown < 24 * 1024, "{grown} KiB");
}

/// The greatest resident size of this process so far, where the system tells it.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

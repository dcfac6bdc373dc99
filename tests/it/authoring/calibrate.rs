//! `candor calibrate`: from a version and held-out rows to answers with calibrated uncertainty; and what it refuses.

mod honesty;
mod kinds;
mod refused;
mod served;
mod truth;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use candor::authoring::{AuthoringError, CalibrateOptions, CalibrationReport, calibrate};
use serde_json::Value;
use tempfile::TempDir;

use super::{json, loader};

/// An arbitrary time: 2026-11-21T00:00:00Z.
const CREATED: i64 = 1_795_219_200;

/// Calibrates by the column `target`, unless the test changes the options.
fn calibrated(
    version: &Path,
    data: &Path,
    wish: impl FnOnce(&mut CalibrateOptions),
) -> Result<CalibrationReport, AuthoringError> {
    let mut wishes = CalibrateOptions { target: Some("y".to_owned()), created: CREATED, ..CalibrateOptions::default() };
    wish(&mut wishes);
    calibrate(loader(), version, data, &wishes, &mut |_| {})
}

/// Quasi-random numbers in [0, 1), the same in every run.
fn spread_out(row: usize, column: usize) -> f64 {
    // Roberts' sequence in three dimensions: powers of the root of x⁴ = x + 1.
    const STEPS: [f64; 3] = [0.819_172_513_396_164_5, 0.671_043_606_703_789_3, 0.549_700_477_901_970_3];
    (0.5 + row as f64 * STEPS[column]).fract()
}

/// A table of `a` and `b` in [-2, 2), and a target that the test computes from them and a number in [0, 1).
fn table(place: &TempDir, name: &str, rows: usize, target: impl Fn(f64, f64, f64) -> String) -> PathBuf {
    let mut text = String::from("a,b,y\n");
    for row in 0..rows {
        let (a, b) = (4.0 * spread_out(row, 0) - 2.0, 4.0 * spread_out(row, 1) - 2.0);
        let _ = writeln!(text, "{a:.3},{b:.3},{}", target(a, b, spread_out(row, 2)));
    }
    let path = place.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

/// The names of the files in a directory, sorted, including hidden ones.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The calibration.json of a version.
fn written(version: &Path) -> Value {
    json(&version.join("calibration.json"))
}

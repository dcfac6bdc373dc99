//! How honest `uncertainty` is for the kinds of models that people have: the held-out rows of each model in
//! tests/fixtures/matrix are split again and again; one half calibrates as `candor calibrate` does, the other judges.
//!
//! `make matrix-study` runs it. It takes the program, the file to write and how many splits to make.

mod case;
#[path = "../coverage/rows.rs"]
mod rows;
mod table;

use std::path::Path;

use candor::{
    authoring::HeldOut,
    domain::{
        calibration::{answers, calibration_error, coverage_band},
        random::SplitMix64,
        uncertainty::{Calibrator, Coverage, ProbabilityMetrics},
    },
    repository::Loader,
    runtime::OrtLibrary,
};
use case::Case;
use rows::{Asked, Rows};
use table::Line;

const SEED: u64 = 20_261_124;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, out, times] = arguments.as_slice() else { panic!("usage: matrix CANDOR OUT SPLITS") };
    let times: usize = times.parse().expect("the number of splits is a whole number");
    let config = candor::config::load(&candor::config::Layers::default()).expect("the shipped configuration").config;
    let library = OrtLibrary::load(&config.runtime.library).unwrap_or_else(|error| panic!("{error}"));
    let loader = Loader::new(library, config.runtime);
    let mut lines = Vec::new();
    for case in case::read() {
        let line = match case.held_out(Path::new(program), &loader) {
            Some(rows) => repeat(&case, &rows, times),
            None => Line::refused(&case),
        };
        eprintln!("{}", line.text());
        lines.push(line);
    }
    std::fs::write(out, table::markdown(times, &lines)).unwrap_or_else(|error| panic!("{out}: {error}"));
    eprintln!("wrote {out}");
}

/// Splits the rows so often, and measures the error before and after, and the coverage.
fn repeat(case: &Case, rows: &Rows, times: usize) -> Line {
    let mut random = SplitMix64::new(SEED);
    let mut line = Line::new(case);
    for _ in 0..times {
        let order = shuffled(&mut random, rows.len());
        let (fit, judge) = order.split_at(rows.len() / 2);
        let calibration = rows.calibrate(fit, false);
        let coverage = Coverage::DEFAULT;
        let calibrator = Calibrator::new(&calibration, coverage).expect("on the grid");
        let asked: Vec<Asked> = judge.iter().map(|row| rows.ask(*row, &calibrator)).collect();
        let covered = asked.iter().filter(|asked| asked.covered).count();
        let size = asked.iter().filter_map(|asked| asked.size).sum::<f64>() / asked.len() as f64;
        let band = coverage_band(coverage, calibration.report.conformal_rows, judge.len()).expect("a band");
        line.add_coverage(covered as f64 / judge.len() as f64, band, size);
        line.add_method(calibrator.method());
        if let HeldOut::Classification(rows, _) = &rows.0 {
            let before = answers(rows, judge, None);
            let said = calibration.report.after.as_ref().is_some_and(ProbabilityMetrics::is_miscalibrated);
            let after = answers(rows, judge, Some(&calibration.rule));
            line.add_errors(calibration_error(&before), calibration_error(&after), said);
        }
    }
    line
}

/// The numbers below `count` in random order (Fisher and Yates).
fn shuffled(random: &mut SplitMix64, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = usize::try_from(random.next_below(last as u64 + 1)).expect("a small number");
        order.swap(last, other);
    }
    order
}

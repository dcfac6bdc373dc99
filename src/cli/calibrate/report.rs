//! Text report of a calibration: what was measured, the tables, what to check, and the files written.

use std::fmt::Write as _;

use crate::{
    authoring::CalibrationReport,
    domain::{
        calibration::coverage_band,
        uncertainty::{CalibrationRule, GroupReport, LevelReport, ProbabilityMetrics, Report},
    },
};

/// Returns the whole report.
pub(super) fn text(made: &CalibrationReport) -> String {
    let report = &made.calibration.report;
    let mut sections = vec![header(made)];
    if let (Some(before), Some(after)) = (&report.before, &report.after) {
        sections.push(probabilities(before, after));
        sections.extend((report.candidates.len() > 1).then(|| candidates(report)));
    }
    if let Some(error) = &report.error {
        let unit = made.unit.as_ref().map(|unit| format!(", in {unit}")).unwrap_or_default();
        let (mean, root) = (format_sig(error.mean_absolute), format_sig(error.root_mean_square));
        sections.push(format!("error     {mean} on average, {root} as root mean square{unit}\n"));
    }
    if !report.levels.is_empty() {
        sections.push(levels(made));
    }
    if !report.groups.is_empty() {
        sections.push(groups(made));
    }
    sections.push(footer(made));
    sections.join("\n")
}

fn is_regression(made: &CalibrationReport) -> bool {
    matches!(made.calibration.rule, CalibrationRule::Regression { .. })
}

fn header(made: &CalibrationReport) -> String {
    let (calibration, report) = (&made.calibration, &made.calibration.report);
    let mut text = format!("model     {} {}, {}\n", made.model, made.version, made.method);
    let counts: Vec<String> = made.classes.iter().map(|(class, rows)| format!("{class} ({rows})")).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let _ = writeln!(text, "rows      {} of {}{counts}", calibration.data.rows, calibration.data.file);
    let what = if is_regression(made) { "intervals" } else { "sets" };
    let split = match (report.fitted_rows, report.conformal_rows) {
        (0, all) => format!("nothing is fitted, so all {all} rows give the quantiles of the {what}"),
        (fitted, _) if report.levels.is_empty() => format!("all {fitted} rows fit the probabilities"),
        (fitted, conformal) => {
            format!(
                "{fitted} rows choose and fit the probabilities, the other {conformal} give the quantiles of the {what}"
            )
        }
    };
    let _ = writeln!(
        text,
        "          {split};\n          everything below was measured on rows that were not used to fit what is measured"
    );
    text
}

fn probabilities(before: &ProbabilityMetrics, after: &ProbabilityMetrics) -> String {
    let row = |name: &str, value: fn(&ProbabilityMetrics) -> String, meaning: &str| {
        vec![name.to_owned(), value(before), value(after), meaning.to_owned()]
    };
    table(&[
        ["probabilities", "before", "after", ""].map(str::to_owned).to_vec(),
        row("ECE", |quality| decimals(quality.ece), "gap between predicted and observed frequencies; 0 is best"),
        row("Brier score", |quality| decimals(quality.brier), "mean squared error of the probabilities; 0 is best"),
        row(
            "log loss",
            |quality| decimals(quality.log_loss),
            "mean negative log probability of the true class, in nats; 0 is best",
        ),
        row("accuracy", |quality| percent(quality.accuracy), "how often the most likely class is the true one"),
    ])
}

fn candidates(report: &Report) -> String {
    let measured = format!("on the {} fitting rows, each left out of the fit that scores it", report.fitted_rows);
    let mut rows = vec![vec!["method".to_owned(), "log loss".to_owned(), measured]];
    for candidate in &report.candidates {
        let mark = if candidate.chosen { "<- selected" } else { "" };
        let loss = candidate.log_loss.map_or_else(|| "-".to_owned(), decimals);
        rows.push(vec![candidate.method.clone(), loss, mark.to_owned()]);
    }
    table(&rows)
}

fn levels(made: &CalibrationReport) -> String {
    let report = &made.calibration.report;
    let grouped = made.calibration.groups().is_some();
    let size = if is_regression(made) { "mean width" } else { "mean set size" };
    let empties = report.levels.iter().any(|level| level.empty > 0.0);
    let mut titles = vec!["coverage", "observed"];
    titles.extend((!grouped).then_some("99 % range"));
    titles.push(size);
    titles.extend(empties.then_some("empty"));
    titles.extend(["rows needed", ""]);
    let mut rows: Vec<Vec<String>> = vec![titles.into_iter().map(str::to_owned).collect()];
    for level in &report.levels {
        // The band holds for as many new rows; the cross-fitted rows measured here vary rather less.
        let rows_used = report.conformal_rows;
        let band = coverage_band(level.coverage, rows_used, rows_used).filter(|_| !grouped);
        let held = if level.unbounded < 1.0 { percent(level.empirical) } else { "-".to_owned() };
        let mut row = vec![level.coverage.as_f64().to_string(), held];
        let allowed =
            || band.map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", percent(low), percent(high)));
        row.extend((!grouped).then(allowed));
        row.push(size_text(made, level));
        row.extend(empties.then(|| percent(level.empty)));
        row.push(level.rows_needed.to_string());
        row.push(level_notes(level, band, made));
        rows.push(row);
    }
    table(&rows)
}

/// Returns the notes in the last column of a level.
fn level_notes(level: &LevelReport, band: Option<(f64, f64)>, made: &CalibrationReport) -> String {
    let mut said = Vec::new();
    if level.coverage == made.coverage {
        said.push("<- served");
    }
    match band {
        _ if made.calibration.report.conformal_rows < level.rows_needed => said.push("too few rows for a bound"),
        // Each fifth of the rows is left out in turn to measure the others.
        _ if level.unbounded > 0.0 => said.push("too few rows to measure the bound"),
        Some((low, _)) if level.empirical < low => said.push("below the 99 % range"),
        Some((_, high)) if level.empirical > high => said.push("above the 99 % range (tied scores)"),
        _ => {}
    }
    said.join(", ")
}

fn size_text(made: &CalibrationReport, level: &LevelReport) -> String {
    match level.mean_size {
        Some(size) if is_regression(made) => format_sig(size),
        Some(size) => format!("{size:.2}"),
        None => "-".to_owned(),
    }
}

fn groups(made: &CalibrationReport) -> String {
    let Some(groups) = made.calibration.groups() else { return String::new() };
    let level = |report: &GroupReport| report.levels.iter().find(|level| level.coverage == made.coverage).copied();
    let probabilities = made.calibration.report.before.is_some();
    let mut head = vec![groups.feature.clone(), "rows".to_owned()];
    if probabilities {
        head.extend(["ECE before", "after"].map(str::to_owned));
    }
    head.push(format!("observed coverage at {}", made.coverage.as_f64()));
    head.push(if is_regression(made) { "mean width" } else { "mean set size" }.to_owned());
    head.push("quantile".to_owned());
    let mut rows = vec![head];
    for (report, group) in made.calibration.report.groups.iter().zip(&groups.groups) {
        let mut row = vec![report.value.to_string(), report.rows.to_string()];
        if probabilities {
            let ece = |quality: &Option<ProbabilityMetrics>| {
                quality.as_ref().map_or_else(|| "-".to_owned(), |it| decimals(it.ece))
            };
            row.extend([ece(&report.before), ece(&report.after)]);
        }
        let level = level(report);
        row.push(level.map_or_else(|| "-".to_owned(), |level| percent(level.empirical)));
        row.push(level.map_or_else(|| "-".to_owned(), |level| size_text(made, &level)));
        let own = group.quantiles.rows >= made.coverage.rows_needed();
        row.push(if own {
            format!("own, from {} rows", group.quantiles.rows)
        } else {
            "pooled over all rows".to_owned()
        });
        rows.push(row);
    }
    table(&rows)
}

fn footer(made: &CalibrationReport) -> String {
    let mut text = String::new();
    for note in &made.notes {
        let _ = writeln!(text, "check     {note}");
    }
    if !made.calibration.report.levels.is_empty() {
        text += "check     the coverage is an average over rows like these: it does not hold for a single row, nor \
                 after the data has changed\n";
        let by = made.coverage_of.unwrap_or("repository.coverage; the contract or model.toml may set another");
        let _ = writeln!(text, "\nserves    at coverage {}, as set by {by}", made.coverage.as_f64());
    }
    let directory = made.directory.display();
    if made.written.is_empty() {
        text += "wrote     nothing: this was a dry run\n";
        return text;
    }
    let names = made.written.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let _ = writeln!(text, "wrote     {directory}: {}", names.collect::<Vec<_>>().join(", "));
    let _ = writeln!(text, "next      candor serve {directory}");
    text
}

/// Formats rows as a table; the first and the last column are left-aligned, the others right-aligned.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let left = column == 0 || column + 1 == columns;
            let _ = if left { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn decimals(value: f64) -> String {
    format!("{value:.4}")
}

/// Formats a number with four significant digits.
fn format_sig(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}

//! Text report of a calibration: what was measured, the tables, what to check, and the files written.

use std::fmt::Write as _;

use crate::{
    authoring::CalibrationReport,
    cli::text_table::{decimals, format_sig, percent, table},
    domain::{
        calibration::{coverage_band, coverage_law},
        uncertainty::{
            CalibrationRule, Candidate, CandidateScores, GroupReport, LevelReport, ProbabilityMetrics, Report,
        },
    },
};

/// Returns the whole report.
pub(super) fn text(made: &CalibrationReport) -> String {
    let report = &made.calibration.report;
    let mut sections = vec![header(made)];
    if let (Some(before), Some(after)) = (&report.before, &report.after) {
        sections.push(probabilities(before, after) + &verdict(after));
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
    let nothing = if is_regression(made) { "nothing is fitted" } else { "no probabilities are fitted" };
    let mut split = match (report.fitted_rows, report.conformal_rows) {
        (0, 0) => nothing.to_owned(),
        (0, all) => format!("{nothing}, so all {all} rows give the quantiles of the {what}"),
        (fitted, 0) => format!("all {fitted} rows choose and fit the probabilities"),
        (fitted, conformal) => {
            format!(
                "{fitted} rows choose and fit the probabilities, the other {conformal} give the quantiles of the {what}"
            )
        }
    };
    if report.confidence_rows > 0 {
        let _ = write!(split, ";\n          all {} rows choose and fit a top-label method", report.confidence_rows);
    }
    let measured = if report.fitted_rows + report.confidence_rows == 0 {
        ""
    } else {
        ";\n          everything below was measured on rows that were not used to fit what is measured"
    };
    let _ = writeln!(text, "          {split}{measured}");
    text
}

fn probabilities(before: &ProbabilityMetrics, after: &ProbabilityMetrics) -> String {
    let row = |name: &str, value: fn(&ProbabilityMetrics) -> String, meaning: &str| {
        vec![name.to_owned(), value(before), value(after), meaning.to_owned()]
    };
    table(&[
        ["uncertainty", "before", "after", ""].map(str::to_owned).to_vec(),
        row("ECE", |quality| decimals(quality.ece), "gap between claimed and observed errors; 0 is best"),
        row(
            "  by chance",
            |quality| decimals(quality.ece_by_chance.mean),
            "what to expect from a perfect calibration on so many rows",
        ),
        row(
            "  at most",
            |quality| decimals(quality.ece_by_chance.limit),
            "99 % limit: the largest to expect from a perfect calibration by chance",
        ),
        row(
            "Brier score",
            |quality| decimals(quality.uncertainty_brier),
            "mean squared difference of 1 − uncertainty and being right; 0 is best",
        ),
        row("accuracy", |quality| percent(quality.accuracy), "how often the prediction is right"),
        ["probabilities", "", "", ""].map(str::to_owned).to_vec(),
        row("Brier score", |quality| decimals(quality.brier), "mean squared error of the probabilities; 0 is best"),
        row(
            "log loss",
            |quality| decimals(quality.log_loss),
            "mean negative log probability of the true class, in nats; 0 is best",
        ),
    ])
}

/// Says in words how good the uncertainty is.
fn verdict(after: &ProbabilityMetrics) -> String {
    let points = |share: f64| format!("{:.1}", share * 100.0);
    let (off, limit) = (points(after.ece), points(after.ece_by_chance.limit));
    let explained = if after.is_miscalibrated() { "more than chance explains" } else { "which chance explains" };
    format!(
        "in short       `uncertainty` is off by {off} percentage points on average, {explained} (up to {limit} on so many rows)\n"
    )
}

/// The methods tried: one table of those of the probabilities, and one of the top-label methods.
fn candidates(report: &Report) -> String {
    let top_label = |candidate: &Candidate| candidate.method.starts_with("top-label");
    let first = report.candidates.iter().position(top_label).map_or(report.candidates.len(), |first| first - 1);
    let (probabilities, uncertainty) = report.candidates.split_at(first);
    let mut tables = vec![candidate_table(probabilities, "Brier, probabilities", |scores| scores.brier)];
    if !uncertainty.is_empty() {
        tables.push(candidate_table(uncertainty, "Brier, uncertainty", |scores| scores.uncertainty_brier));
    }
    tables.join("\n")
}

fn candidate_table(candidates: &[Candidate], score: &str, value: fn(&CandidateScores) -> f64) -> String {
    let measured = match candidates {
        [first, ..] => format!("on {} rows, each left out of the fit that scores it", first.rows),
        [] => String::new(),
    };
    let mut rows = vec![vec!["method".to_owned(), "ECE".to_owned(), score.to_owned(), measured]];
    for candidate in candidates {
        let text = |value: fn(&CandidateScores) -> f64| {
            candidate.scores.as_ref().map_or_else(|| "-".to_owned(), |scores| decimals(value(scores)))
        };
        let mark = if candidate.chosen { "<- selected" } else { "" };
        rows.push(vec![candidate.method.clone(), text(|scores| scores.ece), text(value), mark.to_owned()]);
    }
    table(&rows)
}

fn levels(made: &CalibrationReport) -> String {
    let report = &made.calibration.report;
    let grouped = made.calibration.groups().is_some();
    let size = if is_regression(made) { "mean width" } else { "mean set size" };
    let empties = report.levels.iter().any(|level| level.empty > 0.0);
    let mut titles = vec!["coverage", "expected", "90 % range", "later rows", size];
    titles.extend(empties.then_some("empty"));
    titles.extend(["rows needed", ""]);
    let mut rows: Vec<Vec<String>> = vec![titles.into_iter().map(str::to_owned).collect()];
    for level in &report.levels {
        let law = coverage_law(level.coverage, report.conformal_rows).filter(|_| !grouped);
        let text = |of: Option<String>| of.unwrap_or_else(|| "-".to_owned());
        let mut row = vec![
            level.coverage.as_f64().to_string(),
            text(law.map(|law| percent(law.mean))),
            text(law.map(|law| format!("{} to {}", percent(law.low), percent(law.high)))),
            text(level.later.map(|later| percent(later.covered as f64 / later.rows as f64))),
            size_text(made, level),
        ];
        row.extend(empties.then(|| percent(level.empty)));
        row.push(level.rows_needed.to_string());
        row.push(level_notes(level, made));
        rows.push(row);
    }
    let rest = "expected    the coverage on new rows like these: its mean and its central 90 % range over all calibrations of so \
                many rows\nlater rows  the last half of these rows, covered by the quantile of the first half: far from the \
                coverage if the rows change along the table\n";
    table(&rows) + rest
}

/// Returns the notes in the last column of a level.
fn level_notes(level: &LevelReport, made: &CalibrationReport) -> String {
    let mut said = Vec::new();
    if level.coverage == made.coverage {
        said.push("<- served");
    }
    if made.calibration.report.conformal_rows < level.rows_needed {
        said.push("too few rows for a bound");
    } else if made.classes.len() > 1 && level.mean_size.is_some_and(|size| size >= made.classes.len() as f64) {
        said.push("every set holds all classes (tied scores)");
    }
    let later = level.later.and_then(|later| {
        let (low, high) = coverage_band(level.coverage, later.earlier, later.rows)?;
        let share = later.covered as f64 / later.rows as f64;
        match () {
            () if share < low => Some("fewer later rows than by chance"),
            () if share > high => Some("more later rows than by chance (tied scores)"),
            () => None,
        }
    });
    said.extend(later);
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

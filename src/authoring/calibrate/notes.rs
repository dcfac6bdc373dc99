//! What a person should look at in a calibration: a sentence each.

use crate::domain::{
    calibration::{MethodChoice, band},
    uncertainty::{Calibration, Coverage, LevelReport, Report, Rule},
};

/// A share in words.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Of rows that may have been trained on.
pub(super) fn training_rows(named_by: &str) -> String {
    format!(
        "{named_by} says that the model was trained on these very rows: if that is so, everything here flatters it, and no \
         coverage holds"
    )
}

/// Of rows that stand more than once: each counts as new evidence, and is none.
pub(super) fn copies(copies: u64, rows: u64) -> Option<String> {
    // More than one in twenty.
    (copies * 20 > rows).then(|| {
        format!(
            "{copies} of {rows} rows have the same features as an earlier row: if they are copies and not further cases, \
             everything here looks surer than it is"
        )
    })
}

/// Everything else.
pub(super) fn of(calibration: &Calibration, served: Coverage, classes: &[(String, usize)]) -> Vec<String> {
    let report = &calibration.report;
    let mut notes: Vec<String> = worse_than_a_constant(report, classes).into_iter().chain(absent(classes)).collect();
    if let Rule::Classification { probabilities, .. } = &calibration.rule {
        notes.extend(method(report, probabilities.name()));
    }
    notes.extend(levels(calibration, served));
    notes.extend(empty(report, served));
    notes.extend(groups(calibration, served));
    notes
}

/// A classifier that is beaten by always naming the most frequent class: its columns or classes may be in a wrong order.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
fn worse_than_a_constant(report: &Report, classes: &[(String, usize)]) -> Option<String> {
    let (name, most) = classes.iter().max_by_key(|(_, rows)| *rows)?;
    let rows: usize = classes.iter().map(|(_, rows)| rows).sum();
    let (accuracy, constant) = (report.before.as_ref()?.accuracy, *most as f64 / rows as f64);
    (accuracy < constant).then(|| {
        format!(
            "always answering {name:?} would be right more often ({}) than the model ({}): look at the order of the columns \
             and of the classes",
            percent(constant),
            percent(accuracy)
        )
    })
}

/// A regression that is beaten by always answering the mean.
pub(super) fn unexplained(share: Option<f64>) -> Option<String> {
    share.filter(|share| *share < 0.0).map(|_| {
        "always answering the mean of the target would do better than the model: look at the order of the columns, and at \
         the unit of the target"
            .to_owned()
    })
}

/// Classes that no row has.
fn absent(classes: &[(String, usize)]) -> Option<String> {
    let names: Vec<&str> = classes.iter().filter(|(_, rows)| *rows == 0).map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| format!("no row has the class {}: nothing was learnt of it", names.join(", ")))
}

/// Whether the method that was chosen does any good.
fn method(report: &Report, name: &str) -> Vec<String> {
    let loss = |method: &str| {
        report.candidates.iter().find(|candidate| candidate.method == method).and_then(|candidate| candidate.log_loss)
    };
    let uncalibrated = MethodChoice::Uncalibrated.as_str();
    let mut notes = Vec::new();
    for candidate in &report.candidates {
        if let Some(reason) = &candidate.unusable {
            notes.push(format!("{} was not tried: {reason}", candidate.method));
        }
    }
    match (loss(name), loss(uncalibrated)) {
        (Some(_), Some(_)) if name == uncalibrated && report.candidates.len() > 1 => {
            notes
                .push("no method made the model's own probabilities better, so they are served as they are".to_owned());
        }
        (Some(own), Some(before)) if own > before => {
            notes.push(format!("{name} made the probabilities worse; --method auto would not have taken it"));
        }
        _ => {}
    }
    notes
}

/// The level that is served, and levels whose coverage is not what chance allows.
fn levels(calibration: &Calibration, served: Coverage) -> Vec<String> {
    let report = &calibration.report;
    let (what, result) = match &calibration.rule {
        Rule::Classification { .. } => ("sets", "every set holds all classes"),
        Rule::Regression { .. } => ("intervals", "every interval is null, with a warning"),
    };
    let mut notes = Vec::new();
    let has = report.conformal_rows;
    if let Some(level) = report.levels.iter().find(|level| level.coverage == served)
        && has < level.rows_needed
    {
        notes.push(format!(
            "coverage {} needs {} rows for its {what}, and has {has}: {result}; give more rows, or serve a lower coverage",
            served.as_f64(),
            level.rows_needed
        ));
    }
    if calibration.groups().is_none() {
        let below =
            |level: &&LevelReport| band(level.coverage, has, has).is_some_and(|(least, _)| level.empirical < least);
        for level in report.levels.iter().filter(below) {
            notes.push(format!(
                "the {what} of coverage {} held the truth in {} of the rows, fewer than chance allows: are the rows in some \
                 order, or of several kinds?",
                level.coverage.as_f64(),
                percent(level.empirical)
            ));
        }
    }
    notes
}

/// Sets that say nothing, because the model is right more often than was asked for.
fn empty(report: &Report, served: Coverage) -> Option<String> {
    const FEW: f64 = 0.01;
    let level = report.levels.iter().find(|level| level.coverage == served).filter(|level| level.empty > FEW)?;
    let accuracy = report.after.as_ref()?.accuracy;
    if accuracy <= served.as_f64() {
        return None;
    }
    let fits = |other: &&LevelReport| other.coverage > served && other.empty <= FEW && other.unbounded <= 0.0;
    let better = report.levels.iter().find(fits).map_or_else(String::new, |other| {
        format!("; at coverage {} it is {}", other.coverage.as_f64(), percent(other.empty))
    });
    Some(format!(
        "{} of the sets are empty at coverage {}, less than the {} in which the likeliest class alone is right{better}",
        percent(level.empty),
        served.as_f64(),
        percent(accuracy)
    ))
}

/// Groups that are served by the quantile of all rows.
fn groups(calibration: &Calibration, served: Coverage) -> Vec<String> {
    let Some(groups) = calibration.groups() else { return Vec::new() };
    let small = groups.groups.iter().filter(|group| group.quantiles.rows < served.rows_needed());
    let told = small.map(|group| {
        format!(
            "{} {} has {} rows for its quantile, and coverage {} needs {}: it is served by that of all rows, with a warning",
            groups.feature,
            group.value,
            group.quantiles.rows,
            served.as_f64(),
            served.rows_needed()
        )
    });
    told.collect()
}

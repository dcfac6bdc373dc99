//! What a person should look at in a calibration: a sentence each.

use crate::domain::{
    calibration::MethodChoice,
    findings::check_calibration,
    uncertainty::{CalibrationDocument, CalibrationRule, Coverage, LevelReport, Report},
};

/// A share in words.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Of rows that may have been trained on.
pub(super) fn calibrated_on_training_data(named_by: &str) -> String {
    format!(
        "{named_by} says that the model was trained on these very rows: if that is so, everything here flatters it, and no \
         coverage holds"
    )
}

/// Of rows that stand more than once: each counts as new evidence, and is none.
pub(super) fn duplicate_rows(copies: u64, rows: u64) -> Option<String> {
    // More than one in twenty.
    (copies * 20 > rows).then(|| {
        format!(
            "{copies} of {rows} rows have the same features as an earlier row: if they are copies and not further cases, \
             everything here looks surer than it is"
        )
    })
}

/// Everything else.
pub(super) fn of(calibration: &CalibrationDocument, served: Coverage, classes: &[(String, usize)]) -> Vec<String> {
    let report = &calibration.report;
    let mut notes: Vec<String> =
        worse_than_a_constant(report, classes).into_iter().chain(missing_classes(classes)).collect();
    if let CalibrationRule::Classification { probabilities, .. } = &calibration.rule {
        notes.extend(method(report, probabilities.name()));
    }
    notes.extend(empty_sets(report, served));
    // What `candor check` would find: said at once, where it can still be mended.
    notes.extend(check_calibration(calibration, served, &[]).into_iter().map(|finding| finding.detail));
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
pub(super) fn worse_than_mean(share: Option<f64>) -> Option<String> {
    share.filter(|share| *share < 0.0).map(|_| {
        "always answering the mean of the target would do better than the model: look at the order of the columns, and at \
         the unit of the target"
            .to_owned()
    })
}

/// Classes that no row has.
fn missing_classes(classes: &[(String, usize)]) -> Option<String> {
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

/// Sets that say nothing, because the model is right more often than was asked for.
fn empty_sets(report: &Report, served: Coverage) -> Option<String> {
    const MAX_FEW: f64 = 0.01;
    let level = report.levels.iter().find(|level| level.coverage == served).filter(|level| level.empty > MAX_FEW)?;
    let accuracy = report.after.as_ref()?.accuracy;
    if accuracy <= served.as_f64() {
        return None;
    }
    let fits = |other: &&LevelReport| other.coverage > served && other.empty <= MAX_FEW && other.unbounded <= 0.0;
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

//! Notes for the operator about a calibration: one sentence for each point to check.

use crate::domain::{
    calibration::MethodChoice,
    findings::check_calibration,
    uncertainty::{CalibrationDocument, Coverage, LevelReport, Report},
};

/// Formats a share as a percentage.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Warns that the rows may be training data.
pub(super) fn calibrated_on_training_data(named_by: &str) -> String {
    format!(
        "{named_by} names this table as the training data: if that is correct, all figures here are too optimistic, \
         and no coverage is guaranteed"
    )
}

/// Warns about duplicate rows, which count as new evidence but are not.
pub(super) fn duplicate_rows(copies: u64, rows: u64) -> Option<String> {
    // Warn above 5 % duplicates.
    (copies * 20 > rows).then(|| {
        format!(
            "{copies} of {rows} rows have the same features as an earlier row: if they are copies rather than \
             independent cases, all figures here look more certain than they are"
        )
    })
}

/// Returns all notes that follow from the calibration itself.
pub(super) fn of(calibration: &CalibrationDocument, served: Coverage, classes: &[(String, usize)]) -> Vec<String> {
    let report = &calibration.report;
    let mut notes: Vec<String> = missing_classes(classes).into_iter().collect();
    notes.extend(method(report));
    notes.extend(empty_sets(report, served));
    // Report the findings of `candor check` now, while they can still be fixed.
    notes.extend(check_calibration(calibration, served, &[]).into_iter().map(|finding| finding.detail));
    notes
}

/// Warns about classes without rows.
fn missing_classes(classes: &[(String, usize)]) -> Option<String> {
    let names: Vec<&str> = classes.iter().filter(|(_, rows)| *rows == 0).map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| format!("no row has the class {}: nothing could be fitted for it", names.join(", ")))
}

/// Notes candidates that could not be used, and that no method improved the model's own probabilities.
fn method(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for candidate in &report.candidates {
        if let Some(reason) = &candidate.unusable {
            notes.push(format!("{} was not tried: {reason}", candidate.method));
        }
    }
    let uncalibrated = MethodChoice::Uncalibrated.as_str();
    let last = report.candidates.iter().rfind(|candidate| candidate.chosen);
    let kept = last.is_some_and(|candidate| candidate.method == uncalibrated);
    if kept && report.candidates.len() > 1 {
        let more = match &report.after {
            Some(after) if after.is_miscalibrated() => {
                "; they are off by more than chance, so more rows would allow a correction"
            }
            _ => "",
        };
        notes.push(format!(
            "no method is better than the model's own probabilities by more than chance, so they are served unchanged{more}"
        ));
    }
    notes
}

/// Warns about empty sets, which occur if the model's accuracy exceeds the served coverage.
fn empty_sets(report: &Report, served: Coverage) -> Option<String> {
    const MAX_FEW: f64 = 0.01;
    let level = report.levels.iter().find(|level| level.coverage == served).filter(|level| level.empty > MAX_FEW)?;
    let accuracy = report.after.as_ref()?.accuracy;
    if accuracy <= served.as_f64() {
        return None;
    }
    let fits = |other: &&LevelReport| other.coverage > served && other.empty <= MAX_FEW && other.unbounded <= 0.0;
    let better = report.levels.iter().find(fits).map_or_else(String::new, |other| {
        format!("; at coverage {}, only {} are empty", other.coverage.as_f64(), percent(other.empty))
    });
    Some(format!(
        "{} of the sets are empty at coverage {}, which is below the accuracy of {}{better}",
        percent(level.empty),
        served.as_f64(),
        percent(accuracy)
    ))
}

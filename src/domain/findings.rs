//! Findings about a package that loads: cases in which its calibration guarantees less than it appears to, with a
//! severity. Based on the package files alone; whether a package loads is decided elsewhere.

use super::{
    calibration::{FOLDS, coverage_band},
    uncertainty::{CalibrationDocument, CalibrationRule, Coverage, Groups, LevelReport, Quantiles},
};

/// The severity of a finding. No severity rejects a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A claim made in responses does not hold, or is of no use.
    Warning,
    /// For information.
    Note,
}

impl Severity {
    /// The severity as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// What was found and what is expected.
    pub detail: String,
}

impl Finding {
    /// Creates a warning.
    pub fn warning(detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, detail: detail.into() }
    }

    /// Creates a note.
    pub fn note(detail: impl Into<String>) -> Self {
        Self { severity: Severity::Note, detail: detail.into() }
    }
}

/// Maximum number of groups named in one finding.
const MAX_NAMED: usize = 5;

/// Checks a calibration at the served coverage. `trained` are the hexadecimal digests of the tables known to be the
/// model's training data.
pub fn check_calibration(calibration: &CalibrationDocument, coverage: Coverage, trained: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let plain = |digest: &str| digest.strip_prefix("sha256:").unwrap_or(digest).to_ascii_lowercase();
    if trained.iter().any(|digest| plain(digest) == plain(&calibration.data.sha256)) {
        let file = &calibration.data.file;
        findings.push(Finding::warning(format!(
            "was made from {file}, the table that the model was trained on: the model is less certain on new rows than \
             this shows; run `candor calibrate` with held-out rows"
        )));
    }
    let Some((quantiles, meaning)) = claimed_coverage(&calibration.rule) else { return findings };
    findings.extend(unbounded(calibration, quantiles, coverage, meaning));
    let report = calibration.report.levels.iter().find(|level| level.coverage == coverage);
    findings.extend(report.and_then(|level| coverage_out_of_band(level, quantiles.rows, "")));
    if let Some(groups) = calibration.groups() {
        findings.extend(small_groups(groups, coverage));
        for group in &groups.groups {
            let report = calibration.report.groups.iter().find(|report| report.value == group.value);
            let level = report.and_then(|report| report.levels.iter().find(|level| level.coverage == coverage));
            let of = format!(" where {} is {}", groups.feature, group.value);
            let own = coverage.rank(group.quantiles.rows).and(level);
            findings.extend(own.and_then(|level| coverage_out_of_band(level, group.quantiles.rows, &of)));
        }
    }
    findings
}

/// The pooled quantiles, and a text describing a response without a bound; `None` if no coverage is claimed.
fn claimed_coverage(rule: &CalibrationRule) -> Option<(&Quantiles, &'static str)> {
    match rule {
        CalibrationRule::Classification { sets, .. } => {
            sets.as_ref().map(|sets| (&sets.quantiles, "every prediction set holds all classes"))
        }
        CalibrationRule::Regression { quantiles, .. } => Some((quantiles, "no interval has a bound")),
    }
}

/// Warns if the quantile at this level is infinite.
fn unbounded(
    calibration: &CalibrationDocument,
    quantiles: &Quantiles,
    coverage: Coverage,
    meaning: &str,
) -> Option<Finding> {
    if quantiles.at(coverage)?.is_finite() {
        return None;
    }
    let (rows, level, needed) = (quantiles.rows, coverage.as_f64(), coverage.rows_needed());
    if coverage.rank(rows).is_some() {
        return Some(Finding::warning(format!(
            "too many of its {rows} rows have no finite score for a bound at coverage {level}: {meaning}; check \
             whether the model returns spreads of 0"
        )));
    }
    // If probabilities were fitted, only the other half of the rows gave the quantiles.
    let (all, why) = match calibration.report.fitted_rows {
        0 => (needed, String::new()),
        _ => (2 * needed, format!(", of which one half fits the probabilities and the other gives the {needed}")),
    };
    Some(Finding::warning(format!(
        "its quantiles come from {rows} rows, but coverage {level} needs {needed}: {meaning}; run `candor calibrate` \
         with {all} rows or more{why}, or serve a lower coverage"
    )))
}

/// Reports a measured coverage outside its band. Each fold of the cross-fitting was measured against the quantile of
/// the rows outside it, so the band is the one for that number of rows.
fn coverage_out_of_band(level: &LevelReport, rows: usize, of: &str) -> Option<Finding> {
    let (low, high) = coverage_band(level.coverage, rows - rows.div_ceil(FOLDS), rows)?;
    let (found, wanted) = (level.empirical, level.coverage.as_f64());
    let measured = format!(
        "by cross-fitting, {found:.3} of {rows} rows{of} were covered at coverage {wanted}; in 99 of 100 cases it is \
         {low:.3} to {high:.3}"
    );
    if level.unbounded > 0.0 {
        None
    } else if found < low {
        Some(Finding::warning(format!(
            "{measured}. The coverage is lower than claimed: run `candor calibrate` again, with rows sampled at random \
             from data like that to be served"
        )))
    } else if found > high {
        Some(Finding::note(format!(
            "{measured}. The coverage is higher than claimed, so the sets or intervals are larger than necessary: many \
             rows have equal scores"
        )))
    } else {
        None
    }
}

/// Lists groups with too few rows for their own quantile.
fn small_groups(groups: &Groups, coverage: Coverage) -> Option<Finding> {
    let small: Vec<String> = groups
        .groups
        .iter()
        .filter(|group| coverage.rank(group.quantiles.rows).is_none())
        .map(|group| format!("{} ({})", group.value, group.quantiles.rows))
        .collect();
    if small.is_empty() {
        return None;
    }
    let (feature, level, needed) = (&groups.feature, coverage.as_f64(), coverage.rows_needed());
    let named = small.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if small.len() > MAX_NAMED { ", …" } else { "" };
    let measured = format!(
        "{} of {} values of {feature} have fewer than the {needed} rows that coverage {level} needs, and share the quantile \
         of all rows: {named}{more}",
        small.len(),
        groups.groups.len()
    );
    Some(if small.len() == groups.groups.len() { Finding::warning(measured) } else { Finding::note(measured) })
}

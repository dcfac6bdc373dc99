//! Findings about a package that loads: cases in which its calibration guarantees less than it appears to, with a
//! severity. Based on the package files alone; whether a package loads is decided elsewhere.

use super::{
    calibration::coverage_band,
    uncertainty::{CalibrationDocument, CalibrationRule, Coverage, Groups, LevelReport, Quantiles, Report},
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
    findings.extend(worse_than_constant(&calibration.report).map(Finding::warning));
    findings.extend(miscalibration(calibration).map(Finding::warning));
    let Some((quantiles, meaning)) = claimed_coverage(&calibration.rule) else { return findings };
    findings.extend(unbounded(calibration, quantiles, coverage, meaning));
    let report = calibration.report.levels.iter().find(|level| level.coverage == coverage);
    findings.extend(report.and_then(changed_along_the_table));
    findings.extend(calibration.groups().and_then(|groups| small_groups(groups, coverage)));
    findings
}

/// Describes a model that a constant prediction beats: its columns or classes may be in the wrong order.
fn worse_than_constant(report: &Report) -> Option<String> {
    let constant = report.constant?;
    if let Some(before) = &report.before {
        return (before.accuracy < constant).then(|| {
            format!(
                "always predicting the most frequent class is right more often ({:.1} %) than the model ({:.1} %): check \
                 the order of the features and of the classes in contract.json",
                constant * 100.0,
                before.accuracy * 100.0
            )
        });
    }
    let error = report.error?.root_mean_square;
    (error > constant).then(|| {
        format!(
            "always predicting the mean of the target is closer (root mean square error {constant:.4}) than the model \
             ({error:.4}): check the target, the column of the value, its unit, and the order of the features"
        )
    })
}

/// Describes an uncertainty that misses the observed errors by more than chance; `None` if it is within chance, or if
/// the calibration is for a regression.
pub fn miscalibration(calibration: &CalibrationDocument) -> Option<String> {
    let after = calibration.report.after.as_ref().filter(|after| after.is_miscalibrated())?;
    Some(format!(
        "the uncertainty differs from the observed share of errors by {:.3} on average (top-label ECE, over {} rows); \
         with a perfect calibration it is at most {:.3} in 99 of 100 cases, and {:.3} on average",
        after.ece, calibration.data.rows, after.ece_by_chance.limit, after.ece_by_chance.mean
    ))
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
        _ => (2 * needed - 1, format!(", of which one half fits the probabilities and the other gives the {needed}")),
    };
    Some(Finding::warning(format!(
        "its quantiles come from {rows} rows, but coverage {level} needs {needed}: {meaning}; run `candor calibrate` \
         with {all} rows or more{why}, or serve a lower coverage"
    )))
}

/// Reports later rows of the table that the quantile of the earlier ones covers too rarely or too often. Under
/// exchangeability their number is beta-binomial.
fn changed_along_the_table(level: &LevelReport) -> Option<Finding> {
    let later = level.later?;
    let (low, high) = coverage_band(level.coverage, later.earlier, later.rows)?;
    let (share, wanted) = (later.covered as f64 / later.rows as f64, level.coverage.as_f64());
    let measured = format!(
        "at coverage {wanted}, the first {} rows of the table cover {share:.3} of the last {}; in 99 of 100 cases it is \
         {low:.3} to {high:.3}",
        later.earlier, later.rows
    );
    if share < low {
        Some(Finding::warning(format!(
            "{measured}. The rows change along the table: if it is sorted by time, the coverage claimed does not hold for \
             new rows; if it is sorted by anything else, shuffle it and run `candor calibrate` again"
        )))
    } else if share > high {
        Some(Finding::note(format!(
            "{measured}. Either the rows change along the table, or many rows have equal scores; the sets or intervals are \
             then larger than necessary"
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

//! The gate: the limits that a new version must keep before it is promoted, and the verdict.

use serde::{Deserialize, Serialize};

use super::tally::{Comparison, SliceStatistics};

/// Slices with fewer labelled rows are shown, but not judged: one row would weigh more than a percentage point.
pub const MIN_SLICE_ROWS: u64 = 100;

/// Differences of shares are rounded; less than this is not beyond a limit.
const ROUNDING: f64 = 1e-9;

/// The limits of `[gate]` in model.toml. Those that are not set are not checked.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateLimits {
    /// Maximum share of rows whose predictions disagree: another class, or values further apart than half the width of
    /// the old version's interval.
    pub max_disagreement: Option<f64>,
    /// Maximum drop of the accuracy. For a regression: maximum rise of the mean absolute error, as a share of the old
    /// one.
    pub max_accuracy_drop: Option<f64>,
    /// Maximum drop of the coverage of sets or intervals.
    pub max_coverage_drop: Option<f64>,
    /// The same as `max_accuracy_drop` for every slice with at least 100 labelled rows: refuses a version that is worse
    /// for one group only.
    pub max_group_gap: Option<f64>,
    /// Whether a contract that breaks callers passes.
    pub allow_breaking_contract: bool,
}

/// A limit of `[gate]` is not a share: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("gate.{name} must be from 0 to 1; found {found}")]
pub struct GateLimitError {
    /// The limit.
    pub name: &'static str,
    /// The value found.
    pub found: f64,
}

impl GateLimits {
    /// Returns the limits that are not shares.
    pub fn errors(&self) -> Vec<GateLimitError> {
        let limits = [
            ("max_disagreement", self.max_disagreement),
            ("max_accuracy_drop", self.max_accuracy_drop),
            ("max_coverage_drop", self.max_coverage_drop),
            ("max_group_gap", self.max_group_gap),
        ];
        let wrong = limits.into_iter().filter_map(|(name, found)| Some((name, found?)));
        wrong
            .filter(|(_, found)| !(0.0..=1.0).contains(found))
            .map(|(name, found)| GateLimitError { name, found })
            .collect()
    }
}

/// A limit that the new version does not keep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateFailure {
    /// The name of the limit in `[gate]`.
    pub limit: &'static str,
    /// The limit; `None` for the contract.
    pub allowed: Option<f64>,
    /// What was measured; `None` for the contract.
    pub measured: Option<f64>,
    /// What was found, in words, and by how much it passes the limit.
    pub detail: String,
}

/// A limit that is set and cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UncheckedLimit {
    /// The name of the limit in `[gate]`.
    pub limit: &'static str,
    /// Why, and what would allow to check it.
    pub reason: String,
}

/// Returns every limit that the new version does not keep; empty if it passes.
pub fn gate(comparison: &Comparison, limits: &GateLimits) -> Vec<GateFailure> {
    let whole = &comparison.whole;
    let mut failures = Vec::new();
    let mut check = |limit: &'static str, allowed: Option<f64>, measured: Option<f64>, what: &str| {
        if let (Some(allowed), Some(measured)) = (allowed, measured)
            && measured > allowed + ROUNDING
        {
            let detail = format!(
                "{what} {}; the limit is {}: {} too much",
                shown(measured),
                shown(allowed),
                shown(measured - allowed)
            );
            failures.push(GateFailure { limit, allowed: Some(allowed), measured: Some(measured), detail });
        }
    };
    check("max_disagreement", limits.max_disagreement, whole.disagreement(), "the share of rows that disagree is");
    check("max_accuracy_drop", limits.max_accuracy_drop, whole.accuracy_drop(), worse(whole.accuracy.old.is_some()));
    check("max_coverage_drop", limits.max_coverage_drop, whole.coverage_drop(), "the coverage drops by");
    for slice in comparison.slices.iter().filter(|slice| is_judged(slice)) {
        let statistics = &slice.statistics;
        let what = format!("{}: {}", name(slice), worse(statistics.accuracy.old.is_some()));
        check("max_group_gap", limits.max_group_gap, statistics.accuracy_drop(), &what);
    }
    let breaking: Vec<String> = comparison
        .contract
        .iter()
        .filter(|change| change.breaking)
        .map(|change| format!("{}: {}", change.subject, change.detail))
        .collect();
    if !breaking.is_empty() && !limits.allow_breaking_contract {
        let detail = format!("the contract breaks callers: {}", breaking.join("; "));
        failures.push(GateFailure { limit: "allow_breaking_contract", allowed: None, measured: None, detail });
    }
    failures
}

/// Returns the limits that are set and cannot be checked, each with the reason. They neither pass nor fail.
pub fn unchecked(comparison: &Comparison, limits: &GateLimits) -> Vec<UncheckedLimit> {
    let whole = &comparison.whole;
    let mut found = Vec::new();
    let mut add = |limit: &'static str, set: Option<f64>, reason: Option<&str>| {
        if let (Some(_), Some(reason)) = (set, reason) {
            found.push(UncheckedLimit { limit, reason: reason.to_owned() });
        }
    };
    let nothing = (whole.rows == 0).then_some("no row could be compared");
    let unlabelled = nothing.or((whole.labelled == 0).then_some("no true outcomes: give a table and its target"));
    let undecided = whole.judged == 0;
    let undecided = undecided.then_some("neither version has an interval, so no difference counts as a disagreement");
    add("max_disagreement", limits.max_disagreement, nothing.or(undecided));
    let unmeasured = whole.accuracy_drop().is_none().then_some("the task has no accuracy and no error");
    add("max_accuracy_drop", limits.max_accuracy_drop, unlabelled.or(unmeasured));
    let unclaimed = whole.coverage_drop().is_none().then_some("the old version claims no coverage");
    add("max_coverage_drop", limits.max_coverage_drop, unlabelled.or(unclaimed));
    let sliced = if comparison.slices.is_empty() {
        Some("there are no slices: name a feature")
    } else {
        let small = !comparison.slices.iter().any(is_judged);
        small.then_some("no slice has 100 labelled rows")
    };
    add("max_group_gap", limits.max_group_gap, unlabelled.or(sliced));
    found
}

/// Whether a slice has enough labelled rows to be judged.
pub fn is_judged(slice: &SliceStatistics) -> bool {
    slice.statistics.labelled >= MIN_SLICE_ROWS
}

fn name(slice: &SliceStatistics) -> String {
    let value = slice.value.as_ref().map_or_else(|| "other values".to_owned(), ToString::to_string);
    format!("{} {value}", slice.feature)
}

fn worse(classification: bool) -> &'static str {
    if classification { "the accuracy drops by" } else { "the mean absolute error rises by the share" }
}

/// Formats a share with four decimals, without trailing zeros.
fn shown(share: f64) -> String {
    let text = format!("{share:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        comparison::{PairStatistics, PairedMeans},
        json::JsonValue,
    };

    fn statistics(rows: u64, (old, new): (u64, u64), coverage: (f64, Option<f64>)) -> PairStatistics {
        let share = |right: u64| Some(right as f64 / rows as f64);
        PairStatistics {
            rows,
            judged: rows,
            disagreements: rows / 10,
            labelled: rows,
            accuracy: PairedMeans { old: share(old), new: share(new) },
            right_only_old: old.saturating_sub(new),
            right_only_new: new.saturating_sub(old),
            coverage: PairedMeans { old: Some(coverage.0), new: coverage.1 },
            ..PairStatistics::default()
        }
    }

    fn comparison(whole: PairStatistics, slices: Vec<PairStatistics>) -> Comparison {
        let slice = |statistics| SliceStatistics {
            feature: "plan".to_owned(),
            value: Some(JsonValue::text("basic")),
            statistics,
        };
        let slices = slices.into_iter().map(slice).collect();
        Comparison { contract: Vec::new(), whole, slices, differing_rows: Vec::new(), uncomparable: Vec::new() }
    }

    #[test]
    fn a_limit_fails_beyond_it_and_not_at_it() {
        let whole = || statistics(1000, (900, 880), (0.9, Some(0.87)));
        let limits = |of: fn(&mut GateLimits)| {
            let mut limits = GateLimits::default();
            of(&mut limits);
            limits
        };
        let cases: [(&str, GateLimits, &[&str]); 7] = [
            ("none", GateLimits::default(), &[]),
            ("at the limit", limits(|it| it.max_accuracy_drop = Some(0.02)), &[]),
            ("beyond it", limits(|it| it.max_accuracy_drop = Some(0.019)), &["max_accuracy_drop"]),
            ("disagreement", limits(|it| it.max_disagreement = Some(0.09)), &["max_disagreement"]),
            ("coverage at the limit", limits(|it| it.max_coverage_drop = Some(0.03)), &[]),
            ("coverage", limits(|it| it.max_coverage_drop = Some(0.029)), &["max_coverage_drop"]),
            ("a group", limits(|it| it.max_group_gap = Some(0.1)), &["max_group_gap"]),
        ];
        let slices = || vec![statistics(100, (90, 79), (0.9, Some(0.9))), statistics(99, (90, 0), (0.9, Some(0.9)))];
        for (name, limits, expected) in cases {
            let failed: Vec<&str> =
                gate(&comparison(whole(), slices()), &limits).into_iter().map(|failure| failure.limit).collect();
            assert_eq!(failed, expected, "{name}");
        }
    }

    #[test]
    fn a_version_that_claims_no_coverage_loses_all_of_it() {
        let limits = GateLimits { max_coverage_drop: Some(0.5), ..GateLimits::default() };
        let found = gate(&comparison(statistics(1000, (900, 900), (0.9, None)), Vec::new()), &limits);
        assert_eq!(found[0].measured, Some(0.9));
    }
}

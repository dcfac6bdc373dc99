//! `[canary]` in model.toml, and the next move of a canary: hold, go on to a larger share, promote, or roll back.

use std::time::Duration;

use serde::Deserialize;

use super::{guard::Verdict, limits::GuardLimits, reason::RollbackReason, sticky_by::StickyBy};
use crate::domain::setting::SettingError;

/// Maximum number of steps.
const MAX_STEPS: usize = 100;

/// Maximum of `step_minutes`: 30 days.
const MAX_STEP_MINUTES: u64 = 43_200;

/// Who gets the candidate, and how it goes on. Percentages are of the callers, above 0 and at most 100.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CanaryPlan {
    /// The percentage of a canary without steps.
    pub percent: f64,
    /// Which value keeps a caller with its version.
    pub sticky_by: StickyBy,
    /// The percentages of a planned rollout, ascending. Without any, the share changes only by hand.
    pub steps: Vec<f64>,
    /// How long each step lasts at least.
    pub step_minutes: u64,
    /// When the canary is taken back.
    pub guard: GuardLimits,
    /// Whether a canary without steps is promoted once the verdict is [`Verdict::Promote`]. It is no key of its table:
    /// `promote = "newest"` means it.
    #[serde(skip)]
    pub promote_when_proven: bool,
}

impl Default for CanaryPlan {
    fn default() -> Self {
        Self {
            percent: 5.0,
            sticky_by: StickyBy::default(),
            steps: Vec::new(),
            step_minutes: 30,
            guard: GuardLimits::default(),
            promote_when_proven: false,
        }
    }
}

/// How far the present step of a canary has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepProgress {
    /// The present percentage.
    pub percent: f64,
    /// The time since this percentage was set.
    pub elapsed: Duration,
    /// The canary's requests since then.
    pub requests: u64,
}

/// The next move of a canary.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Leave everything as it is.
    Hold,
    /// Set this percentage.
    Step(f64),
    /// Make the canary stable.
    Promote,
    /// Take the canary back.
    RollBack(RollbackReason),
}

impl CanaryPlan {
    /// The percentage that a canary starts with.
    pub fn first_percent(&self) -> f64 {
        self.steps.first().copied().unwrap_or(self.percent)
    }

    /// Decides the next move; each step needs `guard.min_requests` of its own. A percentage that was set by hand, beyond
    /// the plan or between its steps, goes on with the next larger one.
    pub fn next(&self, progress: StepProgress, verdict: Verdict) -> Decision {
        match verdict {
            Verdict::RollBack(reason) => return Decision::RollBack(reason),
            Verdict::Hold => return Decision::Hold,
            Verdict::Promote => {}
        }
        let Some(last) = self.steps.last().copied() else {
            return if self.promote_when_proven { Decision::Promote } else { Decision::Hold };
        };
        let is_step_over = progress.elapsed >= Duration::from_secs(self.step_minutes * 60)
            && progress.requests >= self.guard.min_requests;
        let next_step = self.steps.iter().copied().find(|step| *step > progress.percent);
        match next_step {
            _ if !is_step_over => Decision::Hold,
            Some(percent) => Decision::Step(percent),
            None if last >= 100.0 => Decision::Promote,
            None => Decision::Hold,
        }
    }

    /// The settings that are out of range, by their keys in model.toml.
    pub fn errors(&self) -> Vec<SettingError> {
        let is_percent = |percent: f64| percent > 0.0 && percent <= 100.0;
        let mut errors = Vec::new();
        if !is_percent(self.percent) {
            let reason = format!("must be above 0 and at most 100, found {}", self.percent);
            errors.push(SettingError::new("canary.percent", reason));
        }
        let ascends = self.steps.windows(2).all(|pair| pair[0] < pair[1]);
        if self.steps.len() > MAX_STEPS || !ascends || !self.steps.iter().copied().all(is_percent) {
            let reason = format!(
                "must be at most {MAX_STEPS} ascending percentages above 0 and at most 100, found {:?}",
                &self.steps[..self.steps.len().min(MAX_STEPS)]
            );
            errors.push(SettingError::new("canary.steps", reason));
        }
        errors.extend(SettingError::out_of_range(
            "canary.step_minutes",
            self.step_minutes,
            &(1..=MAX_STEP_MINUTES),
            "a step takes from a minute to 30 days",
        ));
        errors.extend(self.guard.errors());
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: RollbackReason =
        RollbackReason::Disagreement { rate: 0.5, compared: 100, least_rate: 0.3, limit: 0.2 };

    fn plan(steps: &[f64]) -> CanaryPlan {
        CanaryPlan { steps: steps.to_vec(), ..CanaryPlan::default() }
    }

    #[test]
    fn a_planned_rollout_goes_on_step_by_step() {
        let to_all = [1.0, 5.0, 25.0, 100.0];
        let (hold, promote) = (Verdict::Hold, Verdict::Promote);
        let cases = [
            // steps, percent, minutes, requests, verdict, decision
            (&to_all[..], 1.0, 30, 500, &promote, Decision::Step(5.0)),
            (&to_all, 5.0, 300, 50_000, &promote, Decision::Step(25.0)),
            (&to_all, 25.0, 30, 500, &promote, Decision::Step(100.0)),
            (&to_all, 100.0, 30, 500, &promote, Decision::Promote),
            (&to_all, 100.0, 29, 500, &promote, Decision::Hold),
            (&to_all, 1.0, 29, 500, &promote, Decision::Hold),
            (&to_all, 1.0, 30, 499, &promote, Decision::Hold),
            (&to_all, 1.0, 30, 500, &hold, Decision::Hold),
            (&to_all, 100.0, 30, 500, &hold, Decision::Hold),
            // Set by hand.
            (&to_all, 3.0, 30, 500, &promote, Decision::Step(5.0)),
            (&to_all, 0.5, 30, 500, &promote, Decision::Step(1.0)),
            (&to_all, 60.0, 30, 500, &promote, Decision::Step(100.0)),
            // A plan that ends below 100.
            (&to_all[..2], 5.0, 3000, 50_000, &promote, Decision::Hold),
            (&to_all[..2], 50.0, 3000, 50_000, &promote, Decision::Hold),
            // No plan.
            (&[], 5.0, 3000, 50_000, &promote, Decision::Hold),
        ];
        for (steps, percent, minutes, requests, verdict, expected) in cases {
            let progress = StepProgress { percent, elapsed: Duration::from_secs(minutes * 60), requests };
            assert_eq!(plan(steps).next(progress, verdict.clone()), expected, "{steps:?} {progress:?} {verdict:?}");
            let taken_back = plan(steps).next(progress, Verdict::RollBack(REASON));
            assert_eq!(taken_back, Decision::RollBack(REASON));
        }
    }

    #[test]
    fn without_steps_a_canary_is_promoted_only_if_asked_for() {
        let plan = CanaryPlan { promote_when_proven: true, ..CanaryPlan::default() };
        let progress = StepProgress { percent: 5.0, elapsed: Duration::ZERO, requests: 500 };
        assert_eq!(plan.next(progress, Verdict::Promote), Decision::Promote);
        assert_eq!(plan.next(progress, Verdict::Hold), Decision::Hold);
    }

    #[test]
    fn the_table_is_read_and_checked() {
        let read = |text: &str| toml::from_str::<CanaryPlan>(text);
        assert_eq!(read(""), Ok(CanaryPlan::default()));
        let text =
            "percent = 2\nsticky_by = \"header:X-User\"\nsteps = [1, 5.5]\nstep_minutes = 7\n[guard]\nmin_requests = 9";
        let found = read(text).expect("a good table");
        assert_eq!((found.percent, found.first_percent(), found.step_minutes), (2.0, 1.0, 7));
        assert_eq!((found.sticky_by.to_string().as_str(), found.guard.min_requests), ("header:x-user", 9));
        assert_eq!(found.errors(), []);
        for (text, phrase) in [
            ("sticky_by = \"user\"", "\"entity_id\", \"request\""),
            ("promote_when_proven = true", "unknown field"),
            ("[guard]\nmax_errors = 1", "unknown field"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(phrase), "{text}: {error}");
        }
        for (text, keys) in [
            ("percent = 0\nstep_minutes = 0", vec!["canary.percent", "canary.step_minutes"]),
            ("percent = 101", vec!["canary.percent"]),
            ("percent = nan", vec!["canary.percent"]),
            ("steps = [5, 1]", vec!["canary.steps"]),
            ("steps = [5, 5]", vec!["canary.steps"]),
            ("steps = [5, 500]\n[guard]\nmin_requests = 0", vec!["canary.steps", "canary.guard.min_requests"]),
        ] {
            let found = read(text).expect("readable").errors();
            assert_eq!(found.iter().map(|error| error.key).collect::<Vec<_>>(), keys, "{text}");
        }
    }
}

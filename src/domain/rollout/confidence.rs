//! Tests that stay valid when looked at after every request.
//!
//! The evidence against a hypothesis is an e-process: a non-negative quantity that starts at 1 and whose expectation is
//! at most 1 at every stopping time as long as the hypothesis holds. By Ville's inequality it ever reaches 1/α with
//! probability at most α, however often it is looked at (Ramdas, Grünwald, Vovk and Shafer 2023, "Game-theoretic
//! statistics and safe anytime-valid inference"). All evidence is kept as its natural logarithm.
//!
//! To compare two arms, let `x` be the unknown value of stable. If the canary keeps its limit, then for the true `x`
//! both the evidence that the canary is above the limit at `x` and the evidence that stable is below `x` are
//! e-processes, and so is their product, because each request goes to one arm. The limit is certainly exceeded when the
//! product reaches 1/α for every `x`. It never does while the observed difference is within the limit: at the observed
//! value of stable, neither evidence is above 1.

/// The probability of a false rollback over the whole life of a canary, for each limit. They sum to 1 %.
pub(super) const ERRORS_ALPHA: f64 = 0.004;
pub(super) const LATENCY_ALPHA: f64 = 0.002;
pub(super) const UNCERTAINTY_ALPHA: f64 = 0.002;
pub(super) const DISAGREEMENT_ALPHA: f64 = 0.002;

/// The part of a limit's probability for the counts that were restarted this many times: 1/2, 1/6, 1/12, … sum to 1, so
/// that counts may be restarted without end.
pub(super) fn part_of(alpha: f64, restarts: u32) -> f64 {
    let counting = f64::from(restarts) + 1.0;
    alpha / (counting * (counting + 1.0))
}

/// Bounds the work of one test. More intervals are needed only if the evidence is within a hair of the threshold, which
/// then counts as not reached.
const MAX_INTERVALS: usize = 4096;

/// Whether evidence is as rare as this probability.
pub(super) fn is_certain(ln_evidence: f64, alpha: f64) -> bool {
    ln_evidence >= -alpha.ln()
}

/// The average of this evidence and of the constant 1, which is an e-process too. At values of stable that its counts do
/// not speak against, evidence from a mixture falls slowly and without end; this keeps it above 1/2.
pub(super) fn hedge(ln_evidence: f64) -> f64 {
    // ln((1 + e^v) / 2) without overflow.
    ln_add_exp(0.0, ln_evidence) - std::f64::consts::LN_2
}

fn ln_add_exp(left: f64, right: f64) -> f64 {
    let (low, high) = (left.min(right), left.max(right));
    if high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
}

/// Evidence as a function of the unknown value of stable, from 0 to 1.
pub(super) struct TwoArms<'a> {
    /// That the canary is above its limit if this is the value of stable; never increases.
    pub(super) canary_above: &'a dyn Fn(f64) -> f64,
    /// That stable is below this value; never decreases.
    pub(super) stable_below: &'a dyn Fn(f64) -> f64,
}

impl TwoArms<'_> {
    /// Whether the limit is exceeded for every value of stable. `guess` is the value to try first.
    pub(super) fn is_certain(&self, guess: f64, alpha: f64) -> bool {
        let holds_at = |canary: f64, stable: f64| is_certain(canary + stable, alpha);
        // Nearly every test of a good canary ends here.
        if !holds_at((self.canary_above)(guess), (self.stable_below)(guess)) {
            return false;
        }
        // Over an interval the evidence is at least that of the canary at its end plus that of stable at its start.
        let mut intervals = vec![(0.0, (self.stable_below)(0.0), 1.0, (self.canary_above)(1.0))];
        for _ in 0..MAX_INTERVALS {
            let Some((start, stable_at_start, end, canary_at_end)) = intervals.pop() else { return true };
            if holds_at(canary_at_end, stable_at_start) {
                continue;
            }
            let middle = f64::midpoint(start, end);
            let (canary, stable) = ((self.canary_above)(middle), (self.stable_below)(middle));
            if !holds_at(canary, stable) {
                return false;
            }
            intervals.push((start, stable_at_start, middle, canary));
            intervals.push((middle, stable, end, canary_at_end));
        }
        false
    }
}

/// The greatest value in [`low`, `high`] that a test is certain of. The test is certain of `low`, and of every value
/// below one that it is certain of.
pub(super) fn greatest_certain(low: f64, high: f64, is_certain: impl Fn(f64) -> bool) -> f64 {
    /// Halvings: the bound is right to a millionth of the range.
    const HALVINGS: usize = 20;
    let (mut low, mut high) = (low, high);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if is_certain(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_share_one_percent() {
        let sum = ERRORS_ALPHA + LATENCY_ALPHA + UNCERTAINTY_ALPHA + DISAGREEMENT_ALPHA;
        assert!((sum - 0.01).abs() < 1e-12);
        let parts: f64 = (0..10_000).map(|restarts| part_of(0.01, restarts)).sum();
        assert!(parts < 0.01 && parts > 0.009_99, "{parts}");
    }

    #[test]
    fn certain_means_for_every_value_of_stable() {
        // The canary's evidence falls with the slope 100, that of stable rises with the slope 400 from `from`.
        let test = |height: f64, from: f64, guess: f64| {
            let canary_above = move |x: f64| height - 100.0 * x;
            let stable_below = move |x: f64| f64::max(0.0, 400.0 * (x - from));
            TwoArms { canary_above: &canary_above, stable_below: &stable_below }.is_certain(guess, 0.01)
        };
        // The least sum is at `from`: height − 100·from, to compare with ln 100 = 4.605.
        for (height, from, guess, expected) in [
            (24.7, 0.2, 0.0, true),
            (24.5, 0.2, 0.0, false),
            (24.5, 0.2, 0.2, false),
            (24.61, 0.2, 0.7, true),
            (5.0, 0.0, 0.0, true),
            (f64::INFINITY, 0.5, 0.1, true),
            (4.0, 0.0, 0.0, false),
        ] {
            assert_eq!(test(height, from, guess), expected, "{height}, {from}, {guess}");
        }
    }

    #[test]
    fn hedged_evidence_is_the_average_with_one() {
        for (evidence, expected) in [(1.0, 1.0), (0.0, 0.5), (3.0, 2.0), (1e200, 5e199)] {
            let found = hedge(f64::ln(evidence));
            assert!((found - f64::ln(expected)).abs() < 1e-9, "{evidence}: {found}");
        }
        assert!(hedge(f64::INFINITY).is_infinite());
        assert!((greatest_certain(0.0, 1.0, |value| value < 0.3) - 0.3).abs() < 1e-5);
    }
}

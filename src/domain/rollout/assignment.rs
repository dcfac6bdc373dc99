//! Who gets the candidate: a keyed hash puts each caller at a position in [0, 1), and a share takes the callers below it.
//! The position depends on nothing else, so every replica gives a caller the same version, also after a restart.

use crate::domain::name::{ModelName, VersionName};

/// Changing one of these moves callers of running canaries to the other version.
const CANARY: &str = "candor 2026-11 assignment to a canary";
const EXPERIMENT: &str = "candor 2026-11 assignment to the arms of an experiment";

/// Rounding allowance of shares that are written in decimals and should sum to 1.
const SUM_TOLERANCE: f64 = 1e-9;

/// The assignment of one canary or one experiment. Two canaries of one model are assigned independently.
#[derive(Debug, Clone)]
pub struct Assignment {
    key: [u8; 32],
}

impl Assignment {
    /// The assignment to this version as a canary of its model.
    pub fn canary(model: &ModelName, version: &VersionName) -> Self {
        Self::new(CANARY, model.as_str(), version.as_str())
    }

    /// The assignment to the arms of a named A/B experiment of this model.
    pub fn experiment(model: &ModelName, experiment: &str) -> Self {
        Self::new(EXPERIMENT, model.as_str(), experiment)
    }

    fn new(purpose: &str, model: &str, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(&(model.len() as u64).to_le_bytes());
        hasher.update(model.as_bytes());
        hasher.update(name.as_bytes());
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// The position of a sticky value in [0, 1), a multiple of 2^-53.
    pub fn position(&self, sticky: &[u8]) -> f64 {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        let hash = blake3::keyed_hash(&self.key, sticky);
        let first = hash.as_bytes().iter().take(8).rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        (first >> 11) as f64 * UNIT
    }

    /// Whether a share in [0, 1] of the callers includes this one. A larger share includes the same callers and more.
    pub fn includes(&self, sticky: &[u8], share: f64) -> bool {
        self.position(sticky) < share
    }

    /// The arm of this caller; `None` beyond the sum of the shares.
    pub fn arm<'a>(&self, sticky: &[u8], arms: &'a Arms) -> Option<&'a Arm> {
        let position = self.position(sticky);
        let end = arms.ends.iter().position(|end| position < *end)?;
        arms.arms.get(end)
    }
}

/// One arm of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// The name in headers, logs and metrics.
    pub name: String,
    /// The share of the callers, in (0, 1].
    pub share: f64,
}

/// The arms of an experiment, in order. To give the last arm a larger share moves no caller between arms; a larger share
/// of another arm moves the boundaries behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Arms {
    arms: Vec<Arm>,
    /// The position at which each arm ends.
    ends: Vec<f64>,
}

/// The shares of the arms are not usable; all that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct ArmSharesError {
    /// One text for each problem.
    pub problems: Vec<String>,
}

impl Arms {
    /// Checks the arms.
    ///
    /// # Errors
    /// Returns [`ArmSharesError`] if a share is not in (0, 1], if the shares sum to more than 1, or if two arms have
    /// the same name.
    pub fn new(arms: Vec<Arm>) -> Result<Self, ArmSharesError> {
        let mut problems = Vec::new();
        for (index, Arm { name, share }) in arms.iter().enumerate() {
            if !(*share > 0.0 && *share <= 1.0) {
                problems.push(format!("the share of {name:?} must be above 0 and at most 1, found {share}"));
            }
            if arms[..index].iter().any(|earlier| earlier.name == *name) {
                problems.push(format!("two arms are named {name:?}"));
            }
        }
        let sum: f64 = arms.iter().map(|arm| arm.share).sum();
        if sum > 1.0 + SUM_TOLERANCE {
            problems.push(format!("the shares must sum to at most 1, found {sum}"));
        }
        if !problems.is_empty() {
            return Err(ArmSharesError { problems });
        }
        let mut end = 0.0;
        let ends = arms.iter().map(|arm| {
            end += arm.share;
            // 0.1 + 0.2 + 0.7 is a little below 1, and the last caller belongs to the last arm.
            if (end - 1.0).abs() <= SUM_TOLERANCE { 1.0 } else { end }
        });
        Ok(Self { ends: ends.collect(), arms })
    }

    /// The arms, in order.
    pub fn as_slice(&self) -> &[Arm] {
        &self.arms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canary(model: &str, version: &str) -> Assignment {
        Assignment::canary(&ModelName::new(model).expect("a name"), &VersionName::new(version).expect("a name"))
    }

    /// Sticky values of several kinds: integers as text, UUIDs, e-mail addresses.
    fn keys(kind: usize, count: u64) -> impl Iterator<Item = String> {
        (0..count).map(move |index| match kind {
            0 => index.to_string(),
            1 => uuid::Uuid::from_u64_pair(crate::domain::random::hash64(index), index).to_string(),
            _ => format!("user{index}@example.com"),
        })
    }

    /// The expected values are those of the `blake3` package for Python: the key is
    /// `blake3(len(model).to_bytes(8, "little") + model + name, derive_key_context=purpose)`, and the position is the
    /// first 8 bytes of `blake3(sticky, key=key)` as a little-endian integer, shifted right by 11, over 2^53.
    #[test]
    fn positions_never_change() {
        let cases = [
            ("churn", "3", "42"),
            ("churn", "4", "42"),
            ("churn", "3", ""),
            ("wine", "3", "42"),
            ("churn", "2026-03-01", "user17@example.com"),
        ];
        let found = cases.map(|(model, version, sticky)| canary(model, version).position(sticky.as_bytes()));
        let expected = [
            0.547_582_662_471_070_7,
            0.824_022_476_384_919,
            0.681_425_579_028_668_1,
            0.028_346_402_542_796_08,
            0.739_055_485_621_834_7,
        ];
        assert!(found.iter().zip(expected).all(|(found, expected)| found.total_cmp(&expected).is_eq()), "{found:?}");
        let experiment = Assignment::experiment(&ModelName::new("churn").expect("a name"), "3");
        assert!(experiment.position(b"42").total_cmp(&0.100_983_658_894_031_82).is_eq());
    }

    #[test]
    fn shares_are_right_within_binomial_error() {
        const KEYS: u64 = 1_000_000;
        for (kind, model) in ["churn", "breast-cancer", "m"].into_iter().enumerate() {
            let assignment = canary(model, "3");
            let positions: Vec<f64> = keys(kind, KEYS).map(|key| assignment.position(key.as_bytes())).collect();
            for share in [0.001, 0.01, 0.05, 0.25, 0.5, 0.9] {
                let found = positions.iter().filter(|position| **position < share).count() as f64;
                let sigma = (KEYS as f64 * share * (1.0 - share)).sqrt();
                let error = (found - KEYS as f64 * share) / sigma;
                assert!(error.abs() < 5.0, "{model}, {share}: {error} standard deviations");
            }
        }
    }

    #[test]
    fn two_canaries_are_independent() {
        const KEYS: u64 = 200_000;
        let (share, pairs) = (0.1, [("churn", "3", "churn", "4"), ("churn", "3", "wine", "3"), ("a", "bc", "ab", "c")]);
        for (kind, (model, version, other_model, other_version)) in pairs.into_iter().enumerate() {
            let (first, second) = (canary(model, version), canary(other_model, other_version));
            let both = keys(kind, KEYS)
                .filter(|key| first.includes(key.as_bytes(), share) && second.includes(key.as_bytes(), share))
                .count() as f64;
            let expected = KEYS as f64 * share * share;
            assert!((both - expected).abs() < 5.0 * expected.sqrt(), "{model} {version}: {both} in both");
        }
    }

    #[test]
    fn arms_get_their_shares() {
        let arm = |name: &str, share| Arm { name: name.to_owned(), share };
        let arms = Arms::new(vec![arm("a", 0.2), arm("b", 0.5)]).expect("good shares");
        let assignment = Assignment::experiment(&ModelName::new("churn").expect("a name"), "button");
        let (mut counts, keys) = ([0_u32; 3], (0..100_000).map(|index: u32| index.to_string()));
        for key in keys {
            let found = assignment.arm(key.as_bytes(), &arms).map(|arm| arm.name.as_str());
            counts[match found {
                Some("a") => 0,
                Some(_) => 1,
                None => 2,
            }] += 1;
        }
        for (count, share) in counts.into_iter().zip([0.2, 0.5, 0.3]) {
            let sigma = (1e5 * share * (1.0_f64 - share)).sqrt();
            assert!((f64::from(count) - 1e5 * share).abs() < 5.0 * sigma, "{counts:?}");
        }
        let thirds = Arms::new(vec![arm("a", 0.1), arm("b", 0.2), arm("c", 0.7)]).expect("good shares");
        assert_eq!(thirds.ends.last(), Some(&1.0));
        assert_eq!(thirds.as_slice().len(), 3);
    }

    #[test]
    fn shares_that_cannot_be_are_all_named() {
        let arm = |name: &str, share| Arm { name: name.to_owned(), share };
        for (arms, phrases) in [
            (vec![arm("a", 0.6), arm("b", 0.6)], vec!["at most 1, found 1.2"]),
            (vec![arm("a", 0.0), arm("a", f64::NAN)], vec!["found 0", "found NaN", "two arms are named \"a\""]),
        ] {
            let error = Arms::new(arms).expect_err("bad shares").to_string();
            assert!(phrases.iter().all(|phrase| error.contains(phrase)), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_only_adds_callers(sticky: Vec<u8>, low in 0.0..1.0_f64, high in 0.0..1.0_f64) {
            let assignment = canary("churn", "3");
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(!assignment.includes(&sticky, low) || assignment.includes(&sticky, high));
            prop_assert!(assignment.includes(&sticky, 1.0) && !assignment.includes(&sticky, 0.0));
        }
    }
}

//! Draws of counts: binomial, and multinomial over the outcomes of a discrete distribution.

use candor::domain::random::SplitMix64;
use statrs::function::gamma::ln_gamma;

/// Below this mean, the inversion is quicker than the rejection.
const FEW: f64 = 10.0;

/// How many of `trials` independent trials succeed.
pub(crate) fn binomial(trials: u64, probability: f64, random: &mut SplitMix64) -> u64 {
    if trials == 0 || probability <= 0.0 {
        return 0;
    }
    if probability > 0.5 {
        return trials - binomial(trials, 1.0 - probability, random);
    }
    if trials as f64 * probability < FEW {
        inversion(trials, probability, random)
    } else {
        rejection(trials, probability, random)
    }
}

/// Subtracts the probabilities of 0, 1, 2, … from a uniform number until it is used up.
fn inversion(trials: u64, probability: f64, random: &mut SplitMix64) -> u64 {
    let odds = probability / (1.0 - probability);
    let mut left = random.next_unit();
    let mut term = (trials as f64 * (-probability).ln_1p()).exp();
    for hits in 0..trials {
        left -= term;
        if left < 0.0 {
            return hits;
        }
        term *= odds * (trials - hits) as f64 / (hits + 1) as f64;
    }
    trials
}

/// Transformed rejection (Hörmann 1993, "The generation of binomial random variates", algorithm BTRS).
#[expect(clippy::many_single_char_names, reason = "the names of the paper")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be from 0 to `trials`")]
fn rejection(trials: u64, probability: f64, random: &mut SplitMix64) -> u64 {
    let (n, p) = (trials as f64, probability);
    let spread = (n * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * spread;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let c = n * p + 0.5;
    let v_r = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * spread;
    let ln_odds = (p / (1.0 - p)).ln();
    let mode = ((n + 1.0) * p).floor();
    let ln_ways = |k: f64| -ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    loop {
        let u = random.next_unit() - 0.5;
        let v = 1.0 - random.next_unit();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + c).floor();
        if !(0.0..=n).contains(&k) {
            continue;
        }
        if us >= 0.07 && v <= v_r {
            return k as u64;
        }
        let height = (v * alpha / (a / (us * us) + b)).ln();
        if height <= ln_ways(k) - ln_ways(mode) + (k - mode) * ln_odds {
            return k as u64;
        }
    }
}

/// Distributes `trials` over outcomes by their probabilities and calls `found` for each outcome that occurs. What the
/// probabilities lack of 1 belongs to the last outcome.
pub(crate) fn multinomial(trials: u64, outcomes: &[f64], random: &mut SplitMix64, mut found: impl FnMut(usize, u64)) {
    /// Up to this many trials are drawn one by one.
    const SINGLY: u64 = 8;
    let (mut left, mut probability_left) = (trials, 1.0);
    for (index, probability) in outcomes.iter().enumerate() {
        if left == 0 {
            return;
        }
        if left <= SINGLY {
            for _ in 0..left {
                found(index + one(&outcomes[index..], probability_left, random), 1);
            }
            return;
        }
        let times = if index + 1 == outcomes.len() {
            left
        } else {
            binomial(left, (probability / probability_left).min(1.0), random)
        };
        if times > 0 {
            found(index, times);
        }
        left -= times;
        probability_left -= probability;
    }
}

/// Draws one outcome of these, whose probabilities sum to `sum`.
fn one(outcomes: &[f64], sum: f64, random: &mut SplitMix64) -> usize {
    let mut left = random.next_unit() * sum;
    let found = outcomes.iter().position(|probability| {
        left -= probability;
        left < 0.0
    });
    found.unwrap_or(outcomes.len() - 1)
}

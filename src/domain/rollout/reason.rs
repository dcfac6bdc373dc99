//! Why a canary is taken back: the numbers, and a sentence for the person who is woken up by it.

use std::fmt;

use serde::Serialize;

/// The limit that is certainly exceeded, and what was observed. Rates and shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "limit_exceeded", rename_all = "snake_case")]
pub enum RollbackReason {
    /// `max_error_increase`.
    Errors {
        /// The observed error rate of the canary.
        canary_rate: f64,
        /// Requests that it answered.
        canary_requests: u64,
        /// The observed error rate of stable.
        stable_rate: f64,
        /// Requests that it answered.
        stable_requests: u64,
        /// The difference is certainly at least this.
        least_increase: f64,
        /// The limit.
        limit: f64,
    },
    /// `max_p99_ratio`.
    Latency {
        /// The observed p99 of the canary in milliseconds.
        canary_p99_ms: f64,
        /// Its latencies.
        canary_requests: u64,
        /// The observed p99 of stable in milliseconds.
        stable_p99_ms: f64,
        /// Its latencies.
        stable_requests: u64,
        /// The ratio is certainly at least this.
        least_ratio: f64,
        /// The limit.
        limit: f64,
    },
    /// `max_uncertainty_increase`.
    Uncertainty {
        /// The observed mean uncertainty of the canary.
        canary_mean: f64,
        /// Its answers.
        canary_requests: u64,
        /// The observed mean uncertainty of stable.
        stable_mean: f64,
        /// Its answers.
        stable_requests: u64,
        /// The difference is certainly at least this.
        least_increase: f64,
        /// The limit.
        limit: f64,
    },
    /// `max_disagreement`.
    Disagreement {
        /// The share of the compared rows with different answers.
        rate: f64,
        /// Rows that both versions answered.
        compared: u64,
        /// The share is certainly at least this.
        least_rate: f64,
        /// The limit.
        limit: f64,
    },
}

impl RollbackReason {
    /// The limit as its key in `[canary.guard]`, for metrics.
    pub fn limit_key(&self) -> &'static str {
        match self {
            Self::Errors { .. } => "max_error_increase",
            Self::Latency { .. } => "max_p99_ratio",
            Self::Uncertainty { .. } => "max_uncertainty_increase",
            Self::Disagreement { .. } => "max_disagreement",
        }
    }
}

impl fmt::Display for RollbackReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Errors { canary_rate, canary_requests, stable_rate, stable_requests, least_increase, limit } => {
                write!(
                    formatter,
                    "errors: {} of {} requests, stable {} of {}; the increase is at least {} points, the limit is {}",
                    percent(canary_rate),
                    grouped(canary_requests),
                    percent(stable_rate),
                    grouped(stable_requests),
                    points(least_increase),
                    points(limit),
                )
            }
            Self::Latency { canary_p99_ms, canary_requests, stable_p99_ms, stable_requests, least_ratio, limit } => {
                write!(
                    formatter,
                    "p99 latency: {} of {} requests, stable {} of {}; the ratio is at least {}, the limit is {}",
                    milliseconds(canary_p99_ms),
                    grouped(canary_requests),
                    milliseconds(stable_p99_ms),
                    grouped(stable_requests),
                    rounded_down(least_ratio, 100.0),
                    limit,
                )
            }
            Self::Uncertainty { canary_mean, canary_requests, stable_mean, stable_requests, least_increase, limit } => {
                write!(
                    formatter,
                    "mean uncertainty: {canary_mean:.3} of {} answers, stable {stable_mean:.3} of {}; the increase is \
                     at least {}, the limit is {limit}",
                    grouped(canary_requests),
                    grouped(stable_requests),
                    rounded_down(least_increase, 1000.0),
                )
            }
            Self::Disagreement { rate, compared, least_rate, limit } => write!(
                formatter,
                "disagreement with stable: {} of {} rows; it is at least {} %, the limit is {} %",
                percent(rate),
                grouped(compared),
                points(least_rate),
                points(limit),
            ),
        }
    }
}

/// A rate in percent, with two decimals where one would show 0.
fn percent(rate: f64) -> String {
    let value = rate * 100.0;
    if value > 0.0 && value < 0.095 { format!("{value:.2} %") } else { format!("{value:.1} %") }
}

/// A difference of rates in percentage points: a lower bound, so it is rounded down; at least 0.01 is shown.
fn points(difference: f64) -> f64 {
    let value = difference * 100.0;
    rounded_down(value, if value < 1.0 { 100.0 } else { 10.0 })
}

fn rounded_down(value: f64, parts: f64) -> f64 {
    // A limit of 0.29 points must not become 0.28 because 0.0029 × 100 is a little less.
    (value * parts + 1e-6).floor() / parts
}

fn milliseconds(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3} ms"),
        1.0..100.0 => format!("{value:.1} ms"),
        _ => format!("{value:.0} ms"),
    }
}

/// A count with a comma every three digits.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_as_a_sentence() {
        let errors = RollbackReason::Errors {
            canary_rate: 10.0 / 190.0,
            canary_requests: 190,
            stable_rate: 4.0 / 3600.0,
            stable_requests: 3600,
            least_increase: 0.021_7,
            limit: 0.005,
        };
        let latency = RollbackReason::Latency {
            canary_p99_ms: 48.04,
            canary_requests: 1_234_567,
            stable_p99_ms: 0.9876,
            stable_requests: 999,
            least_ratio: 2.3174,
            limit: 1.25,
        };
        let uncertainty = RollbackReason::Uncertainty {
            canary_mean: 0.31,
            canary_requests: 400,
            stable_mean: 0.2,
            stable_requests: 7600,
            least_increase: 0.0789,
            limit: 0.05,
        };
        let disagreement = RollbackReason::Disagreement { rate: 0.3, compared: 1000, least_rate: 0.2571, limit: 0.2 };
        for (reason, key, sentence) in [
            (
                errors,
                "max_error_increase",
                "errors: 5.3 % of 190 requests, stable 0.1 % of 3,600; the increase is at least 2.1 points, the limit is 0.5",
            ),
            (
                latency,
                "max_p99_ratio",
                "p99 latency: 48.0 ms of 1,234,567 requests, stable 0.988 ms of 999; the ratio is at least 2.31, the limit \
                 is 1.25",
            ),
            (
                uncertainty,
                "max_uncertainty_increase",
                "mean uncertainty: 0.310 of 400 answers, stable 0.200 of 7,600; the increase is at least 0.078, the limit \
                 is 0.05",
            ),
            (
                disagreement,
                "max_disagreement",
                "disagreement with stable: 30.0 % of 1,000 rows; it is at least 25.7 %, the limit is 20 %",
            ),
        ] {
            assert_eq!((reason.to_string().as_str(), reason.limit_key()), (sentence, key));
        }
        assert_eq!(
            (percent(0.0), percent(0.000_43), percent(0.001)),
            ("0.0 %".into(), "0.04 %".into(), "0.1 %".into())
        );
    }
}

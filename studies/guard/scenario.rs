//! What a simulated canary and stable do: the distributions of their errors, latencies and uncertainties.

use candor::domain::{
    random::SplitMix64,
    rollout::{ArmCounts, LATENCY_BUCKETS},
};

use super::sampling::{binomial, multinomial};

/// Buckets of a decade, from 1 µs: those of the server.
const BUCKETS_PER_DECADE: f64 = 50.0;

/// Latencies below this quantile of stable are put into the first bucket, and those with less than this probability into
/// one bucket at the end: the test of the p99 does not tell them apart.
const BODY: f64 = 0.97;
const END: f64 = 1e-4;

/// The shape of a distribution of latencies. All have medians of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LatencyShape {
    /// Log-normal with this standard deviation of the logarithm.
    LogNormal(f64),
    /// Pareto with this index: a heavy tail.
    Pareto(f64),
    /// Two log-normal modes, the second 50 times as slow and with this share.
    Bimodal(f64),
}

impl LatencyShape {
    /// The probability of more than `micros`.
    fn tail(self, micros: f64) -> f64 {
        let normal = |median: f64, sigma: f64| normal_tail((micros / median).ln() / sigma);
        match self {
            Self::LogNormal(sigma) => normal(5000.0, sigma),
            Self::Pareto(index) => (micros / 2000.0).powf(-index).min(1.0),
            Self::Bimodal(share) => (1.0 - share) * normal(2000.0, 0.2) + share * normal(100_000.0, 0.2),
        }
    }

    /// The probabilities of the buckets if every latency is `factor` times as long: the first bucket, then upwards.
    fn buckets(self, factor: f64) -> Vec<(usize, f64)> {
        let start = |bucket: usize| 10_f64.powf(bucket as f64 / BUCKETS_PER_DECADE);
        let is_body = |bucket: &usize| self.tail(start(*bucket)) > 1.0 - BODY;
        let first = (1..LATENCY_BUCKETS).rev().find(is_body).unwrap_or(1);
        let tail = |bucket: usize| self.tail(start(bucket) / factor);
        let mut buckets = vec![(0, 1.0 - tail(first))];
        for bucket in first..LATENCY_BUCKETS {
            let is_last = tail(bucket + 1) < END || bucket + 1 == LATENCY_BUCKETS;
            buckets.push((bucket, if is_last { tail(bucket) } else { tail(bucket) - tail(bucket + 1) }));
            if is_last {
                break;
            }
        }
        buckets
    }
}

/// The upper tail of the standard normal distribution.
fn normal_tail(z: f64) -> f64 {
    statrs::function::erf::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// The distribution of the uncertainty, raised by a difference in the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UncertaintyShape {
    /// From 0.02 to 0.9, mean 0.14: some answers become very uncertain.
    Spread,
    /// 0 or 1, mean 0.2: the greatest variance that there is.
    AllOrNothing,
    /// 0.18 or 0.22: all answers become a little more uncertain.
    Narrow,
}

impl UncertaintyShape {
    /// Values and their probabilities.
    fn outcomes(self, raised: f64) -> Vec<(f64, f64)> {
        match self {
            Self::Spread => {
                let certain = 1.0 - raised / (0.9 - 0.14);
                let base = [(0.02, 0.5), (0.1, 0.25), (0.3, 0.15), (0.6, 0.1)];
                base.map(|(value, share)| (value, share * certain)).into_iter().chain([(0.9, 1.0 - certain)]).collect()
            }
            Self::AllOrNothing => vec![(1.0, 0.2 + raised), (0.0, 0.8 - raised)],
            Self::Narrow => vec![(0.18 + raised, 0.5), (0.22 + raised, 0.5)],
        }
    }
}

/// How one arm behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behavior {
    error_rate: f64,
    latency_buckets: Vec<usize>,
    latency_shares: Vec<f64>,
    uncertainties: Vec<f64>,
    uncertainty_shares: Vec<f64>,
}

impl Behavior {
    pub(crate) fn errors(mut self, rate: f64) -> Self {
        self.error_rate = rate;
        self
    }

    pub(crate) fn latency(mut self, shape: LatencyShape, factor: f64) -> Self {
        (self.latency_buckets, self.latency_shares) = shape.buckets(factor).into_iter().unzip();
        self
    }

    pub(crate) fn uncertainty(mut self, shape: UncertaintyShape, raised: f64) -> Self {
        (self.uncertainties, self.uncertainty_shares) = shape.outcomes(raised).into_iter().unzip();
        self
    }

    /// The same with this probability added to that of an error.
    pub(crate) fn with_more_errors(&self, rate: f64) -> Self {
        self.clone().errors(self.error_rate + rate)
    }

    /// Answers this many requests, with this probability added to that of an error.
    pub(crate) fn answer_with(&self, added: f64, requests: u64, counts: &mut ArmCounts, random: &mut SplitMix64) {
        let errors = binomial(requests, (self.error_rate + added).clamp(0.0, 1.0), random);
        let answers = requests - errors;
        counts.requests += requests;
        counts.errors += errors;
        multinomial(answers, &self.latency_shares, random, |index, times| {
            counts.latencies.add(self.latency_buckets[index], times);
        });
        multinomial(answers, &self.uncertainty_shares, random, |index, times| {
            counts.uncertainty.add(self.uncertainties[index], times);
        });
    }
}

/// A canary beside stable.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// What is tried, as the cells of the table.
    pub(crate) cells: Vec<String>,
    /// The canary's share of the requests.
    pub(crate) share: f64,
    pub(crate) stable: Behavior,
    pub(crate) canary: Behavior,
    /// The share of compared rows that differ; each canary request is compared. `None`: no rows are compared.
    pub(crate) disagreement: Option<f64>,
    /// What breaks the assumptions.
    pub(crate) disturbance: Disturbance,
}

/// What breaks the assumption of independent requests at constant rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Disturbance {
    None,
    /// In every 2,000 canary requests, 100 meet an outage that fails this share of the requests of both arms.
    Outages(f64),
    /// The share goes from 1 to 5 and 25 %, at 2,000 and 10,000 canary requests, while the errors of both arms go from
    /// 0.2 to 1 and 5 %, as with more load. Whether the counts are restarted then.
    Steps {
        restarts_counts: bool,
    },
    /// The canary has this many callers; each has an error rate of its own, exponential with the mean of stable.
    Callers(u32),
}

impl Disturbance {
    /// The error rate that both arms have in addition at this request of the canary.
    pub(crate) fn added_error_rate(self, canary_requests: u64) -> f64 {
        match self {
            Self::Outages(rate) if canary_requests % 2000 >= 1900 => rate,
            Self::Steps { .. } => [0.002, 0.01, 0.05][step(canary_requests)],
            _ => 0.0,
        }
    }

    /// The share of the canary at this request.
    pub(crate) fn share(self, scenario: &Scenario, canary_requests: u64) -> f64 {
        match self {
            Self::Steps { .. } => [0.01, 0.05, 0.25][step(canary_requests)],
            _ => scenario.share,
        }
    }

    /// What the error rate of this canary differs from that of its scenario.
    pub(crate) fn difference(self, scenario: &Scenario, random: &mut SplitMix64) -> f64 {
        let Self::Callers(callers) = self else { return 0.0 };
        let rates = (0..callers).map(|_| -(1.0 - random.next_unit()).ln() * scenario.stable.error_rate);
        rates.sum::<f64>() / f64::from(callers) - scenario.stable.error_rate
    }
}

fn step(canary_requests: u64) -> usize {
    usize::from(canary_requests >= 2000) + usize::from(canary_requests >= 10_000)
}

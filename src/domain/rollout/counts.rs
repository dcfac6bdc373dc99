//! What is counted of the canary and of stable. The guard needs nothing else: no history of single requests.

use std::time::Duration;

/// Buckets of a decade of latencies: each is 4.7 % wide.
pub(super) const BUCKETS_PER_DECADE: f64 = 50.0;

/// Buckets from 1 µs to 10 minutes. The first also holds shorter latencies, the last longer ones.
pub const LATENCY_BUCKETS: usize = 440;

/// The bucket of a latency.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the buckets first")]
pub fn latency_bucket(latency: Duration) -> usize {
    let bucket = (latency.as_secs_f64() * 1e6).log10() * BUCKETS_PER_DECADE;
    bucket.floor().clamp(0.0, (LATENCY_BUCKETS - 1) as f64) as usize
}

/// The lower end of a bucket.
pub(super) fn bucket_start(bucket: usize) -> Duration {
    Duration::from_secs_f64(10_f64.powf(bucket as f64 / BUCKETS_PER_DECADE) / 1e6)
}

/// How many latencies are in each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyCounts {
    buckets: Vec<u64>,
    total: u64,
}

impl Default for LatencyCounts {
    fn default() -> Self {
        Self { buckets: vec![0; LATENCY_BUCKETS], total: 0 }
    }
}

impl From<[u64; LATENCY_BUCKETS]> for LatencyCounts {
    fn from(counts: [u64; LATENCY_BUCKETS]) -> Self {
        Self { buckets: counts.to_vec(), total: counts.iter().sum() }
    }
}

impl LatencyCounts {
    /// Counts `times` latencies in a bucket of [`latency_bucket`].
    pub fn add(&mut self, bucket: usize, times: u64) {
        self.buckets[bucket.min(LATENCY_BUCKETS - 1)] += times;
        self.total += times;
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How many are in this bucket and the ones above it; 0 beyond the last bucket.
    pub(super) fn count_from(&self, bucket: usize) -> u64 {
        self.buckets.get(bucket..).map_or(0, |above| above.iter().sum())
    }

    /// The bucket that holds the quantile above which `share` of the latencies are, and where in it the quantile is,
    /// from 0 to 1. `None` if nothing was counted.
    pub(super) fn upper_quantile(&self, share: f64) -> Option<(usize, f64)> {
        if self.total == 0 {
            return None;
        }
        let wanted = self.total as f64 * share;
        let mut above = 0;
        for (bucket, count) in self.buckets.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            if (above + count) as f64 >= wanted {
                return Some((bucket, 1.0 - (wanted - above as f64) / *count as f64));
            }
            above += count;
        }
        None
    }
}

/// The uncertainty of the answers, each in [0, 1], as sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UncertaintySums {
    /// How many answers have one.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
}

impl UncertaintySums {
    /// Adds the uncertainty of `times` answers, which must be in [0, 1].
    pub fn add(&mut self, uncertainty: f64, times: u64) {
        let uncertainty = uncertainty.clamp(0.0, 1.0);
        self.count += times;
        self.sum += uncertainty * times as f64;
        self.sum_of_squares += uncertainty * uncertainty * times as f64;
    }

    /// The sums of `1 − uncertainty`.
    pub(super) fn reflected(&self) -> Self {
        let count = self.count as f64;
        Self { count: self.count, sum: count - self.sum, sum_of_squares: count - 2.0 * self.sum + self.sum_of_squares }
    }

    pub(super) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }
}

/// What is counted of one arm.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArmCounts {
    /// Requests that the version had to answer.
    pub requests: u64,
    /// Of those, the requests that got no prediction, including those that the contract rejected: a candidate whose
    /// contract rejects what the stable version accepts fails its callers. A request that the server refused before it
    /// reached the version is not counted.
    pub errors: u64,
    /// The latencies of the requests that succeeded. A quick failure would make an arm look fast.
    pub latencies: LatencyCounts,
    /// The uncertainties of the answers that have one.
    pub uncertainty: UncertaintySums,
}

/// What is counted of a canary and, in the same time, of stable, since the canary's share was set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CanaryCounts {
    /// The candidate.
    pub canary: ArmCounts,
    /// What it would replace.
    pub stable: ArmCounts,
    /// Rows that both versions answered.
    pub compared: u64,
    /// Of those, the rows with different answers.
    pub disagreed: u64,
    /// How often the counts of this canary have been set back to 0 before, for whatever reason.
    pub restarts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_in_its_bucket() {
        for micros in [1_u64, 2, 10, 999, 1000, 12_345, 1_000_000, 599_000_000] {
            let latency = Duration::from_micros(micros);
            let bucket = latency_bucket(latency);
            let (start, end) = (bucket_start(bucket).as_secs_f64(), bucket_start(bucket + 1).as_secs_f64());
            let seconds = latency.as_secs_f64();
            assert!(start <= seconds * 1.000_001 && seconds < end * 1.000_001, "{micros} µs: {bucket}");
            assert!(end / start < 1.06, "{micros} µs");
        }
        for (latency, bucket) in
            [(Duration::ZERO, 0), (Duration::from_nanos(900), 0), (Duration::MAX, LATENCY_BUCKETS - 1)]
        {
            assert_eq!(latency_bucket(latency), bucket);
        }
        let ten_minutes = Duration::from_mins(10);
        assert!(bucket_start(LATENCY_BUCKETS - 2) <= ten_minutes && ten_minutes < bucket_start(LATENCY_BUCKETS - 1));
    }

    #[test]
    fn quantiles_and_tails_are_counted_from_above() {
        let mut counts = LatencyCounts::default();
        assert_eq!((counts.upper_quantile(0.01), counts.count_from(0)), (None, 0));
        counts.add(100, 985);
        counts.add(200, 10);
        counts.add(300, 5);
        assert_eq!(
            (counts.total(), counts.count_from(200), counts.count_from(201), counts.count_from(999)),
            (1000, 15, 5, 0)
        );
        assert_eq!(counts.upper_quantile(0.01), Some((200, 0.5)));
        assert_eq!(counts.upper_quantile(0.001), Some((300, 0.8)));
    }

    #[test]
    fn reflected_sums_are_those_of_the_complements() {
        let (mut sums, mut complements) = (UncertaintySums::default(), UncertaintySums::default());
        for (value, times) in [(0.1, 3), (0.7, 2), (1.5, 1)] {
            sums.add(value, times);
            complements.add(1.0 - f64::min(value, 1.0), times);
        }
        let reflected = sums.reflected();
        assert_eq!(reflected.count, complements.count);
        assert!((reflected.sum - complements.sum).abs() < 1e-12);
        assert!((reflected.sum_of_squares - complements.sum_of_squares).abs() < 1e-12);
    }
}

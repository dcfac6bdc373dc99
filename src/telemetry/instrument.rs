//! The three instruments: counter, gauge and histogram, each one series.
//!
//! They are a few atomics each, so that recording waits for nobody. They know
//! neither their name nor their labels; `family` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::{self, MetricType};

use super::exemplar::{Exemplar, Sighting, Slot};

/// One series of a family, as the registry wants to see it.
pub(super) trait Instrument: Send + Sync + 'static {
    /// The type that the registry writes.
    const TYPE: MetricType;
    /// The value now, without labels.
    fn sample(&self) -> proto::Metric;
    /// The exemplars, one a bucket for a histogram, one for a counter.
    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        Vec::new()
    }
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter {
    count: AtomicU64,
    exemplar: Slot,
}

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts so many at once.
    pub(super) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts one and points to the request that was counted.
    pub(super) fn inc_by(&self, sighting: Option<&Sighting<'_>>) {
        self.inc();
        if let Some(sighting) = sighting {
            self.exemplar.keep(1.0, sighting);
        }
    }

    /// The count now.
    pub fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Instrument for Counter {
    const TYPE: MetricType = MetricType::COUNTER;

    fn sample(&self) -> proto::Metric {
        let mut counter = proto::Counter::default();
        counter.set_value(as_f64(self.get()));
        let mut metric = proto::Metric::default();
        metric.set_counter(counter);
        metric
    }

    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        vec![self.exemplar.read()]
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicF64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.0.add(1.0);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0.add(-1.0);
    }

    /// The value now.
    pub fn get(&self) -> f64 {
        self.0.get()
    }

    /// Adds one until the returned hold is dropped, so that a cancelled request
    /// cannot leave the gauge too high.
    #[must_use = "the gauge falls again as soon as the hold is dropped"]
    pub fn hold(self: &Arc<Self>) -> GaugeHold {
        self.inc();
        GaugeHold(Arc::clone(self))
    }
}

/// One unit of a [`Gauge`], given back on drop.
#[derive(Debug)]
pub struct GaugeHold(Arc<Gauge>);

impl Drop for GaugeHold {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Instrument for Gauge {
    const TYPE: MetricType = MetricType::GAUGE;

    fn sample(&self) -> proto::Metric {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(self.get());
        proto::Metric::from_gauge(gauge)
    }
}

/// How often values fell into each bucket, with an exemplar a bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: Box<[f64]>,
    /// One more than the bounds: the last is `+Inf`.
    buckets: Box<[Bucket]>,
    sum: AtomicF64,
}

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    exemplar: Slot,
}

impl Histogram {
    /// An empty histogram; `bounds` are finite and ascend.
    pub(super) fn new(bounds: &[f64]) -> Self {
        Self {
            bounds: bounds.into(),
            buckets: (0..=bounds.len()).map(|_| Bucket::default()).collect(),
            sum: AtomicF64::default(),
        }
    }

    pub(super) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Counts a value.
    pub fn observe(&self, value: f64) {
        self.observe_by(value, None);
    }

    /// Counts a value and points to the request it came from. A value that is
    /// not finite is left out: it would spoil the sum for good.
    pub(super) fn observe_by(&self, value: f64, sighting: Option<&Sighting<'_>>) {
        if !value.is_finite() {
            return;
        }
        let bucket = &self.buckets[self.bounds.partition_point(|bound| *bound < value)];
        bucket.count.fetch_add(1, Ordering::Relaxed);
        self.sum.add(value);
        if let Some(sighting) = sighting {
            bucket.exemplar.keep(value, sighting);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|b| b.count.load(Ordering::Relaxed)).sum()
    }
}

impl Instrument for Histogram {
    const TYPE: MetricType = MetricType::HISTOGRAM;

    // The count is the sum of the buckets as they were read, so a scrape is
    // consistent in itself while others go on counting. Only the sum may be a
    // few values ahead or behind.
    fn sample(&self) -> proto::Metric {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (index, bucket) in self.buckets.iter().enumerate() {
            total += bucket.count.load(Ordering::Relaxed);
            if let Some(bound) = self.bounds.get(index) {
                let mut written = proto::Bucket::default();
                written.set_upper_bound(*bound);
                written.set_cumulative_count(total);
                buckets.push(written);
            }
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(total);
        histogram.set_sample_sum(self.sum.get());
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        metric
    }

    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        self.buckets.iter().map(|b| b.exemplar.read()).collect()
    }
}

/// A float that several threads add to.
#[derive(Debug, Default)]
struct AtomicF64(AtomicU64);

impl AtomicF64 {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, amount: f64) {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = (f64::from_bits(seen) + amount).to_bits();
            match self.0.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64, which is exact up to 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

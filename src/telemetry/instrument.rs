//! The instruments: counter, gauge, up-down counter and histogram, each for one series.
//!
//! Counters and histograms keep one set of atomics per shard, so that recording does not block or contend. Instruments
//! know neither their name nor their labels; see `family`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus::proto::{self, MetricType};

use super::{
    exemplar::{Exemplar, ExemplarSlot, ExemplarSource},
    sharded::Sharded,
};

/// One series of a family, in the form that the registry needs.
pub(super) trait Instrument: Send + Sync + 'static {
    /// The metric type for the registry.
    const TYPE: MetricType;
    /// The current value, without labels; `None` if the series is to be left out of the scrape.
    fn sample(&self) -> Option<proto::Metric>;
    /// The exemplars: one per bucket of a histogram, one for a counter.
    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        Vec::new()
    }
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(Sharded<Count>);

#[derive(Debug, Default)]
struct Count {
    count: AtomicU64,
    exemplar: ExemplarSlot,
}

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub(super) fn add(&self, count: u64) {
        self.0.local().count.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts one and records the request as the exemplar.
    pub(super) fn inc_with_exemplar(&self, sighting: Option<&ExemplarSource<'_>>) {
        let mine = self.0.local();
        mine.count.fetch_add(1, Ordering::Relaxed);
        if let Some(sighting) = sighting {
            mine.exemplar.keep(1.0, sighting);
        }
    }

    /// The current count.
    pub fn get(&self) -> u64 {
        self.0.iter().map(|part| part.count.load(Ordering::Relaxed)).sum()
    }
}

impl Instrument for Counter {
    const TYPE: MetricType = MetricType::COUNTER;

    fn sample(&self) -> Option<proto::Metric> {
        let mut counter = proto::Counter::default();
        counter.set_value(as_f64(self.get()));
        let mut metric = proto::Metric::default();
        metric.set_counter(counter);
        Some(metric)
    }

    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        vec![newest(self.0.iter().map(|part| &part.exemplar))]
    }
}

/// A number that is set directly.
#[derive(Debug, Default)]
pub struct Gauge(AtomicF64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

impl Instrument for Gauge {
    const TYPE: MetricType = MetricType::GAUGE;

    fn sample(&self) -> Option<proto::Metric> {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(self.get());
        Some(proto::Metric::from_gauge(gauge))
    }
}

/// A number of things that exist at the moment; exposed as a gauge.
#[derive(Debug, Default)]
pub struct UpDownCounter(Sharded<AtomicI64>);

impl UpDownCounter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.local().fetch_add(1, Ordering::Relaxed);
    }

    /// Subtracts one; this may happen on another thread than the increment.
    pub fn dec(&self) {
        self.0.local().fetch_sub(1, Ordering::Relaxed);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: usize) {
        self.0.local().fetch_add(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Subtracts `amount`.
    pub fn sub(&self, amount: usize) {
        self.0.local().fetch_sub(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        let sum: i64 = self.0.iter().map(|part| part.load(Ordering::Relaxed)).sum();
        // Clamp: the shards are not read atomically, so the sum may be negative while threads count.
        u64::try_from(sum).unwrap_or(0)
    }

    /// Adds one until the returned guard is dropped, so that a cancelled request cannot leave the value too high.
    #[must_use = "the level falls again as soon as the hold is dropped"]
    pub fn guard(&self) -> UpDownGuard<'_> {
        self.inc();
        UpDownGuard(self)
    }
}

/// One unit of an [`UpDownCounter`], subtracted on drop.
#[derive(Debug)]
pub struct UpDownGuard<'a>(&'a UpDownCounter);

impl Drop for UpDownGuard<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Instrument for UpDownCounter {
    const TYPE: MetricType = MetricType::GAUGE;

    fn sample(&self) -> Option<proto::Metric> {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(as_f64(self.get()));
        Some(proto::Metric::from_gauge(gauge))
    }
}

/// Counts of values by bucket, with one exemplar per bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: Box<[f64]>,
    parts: Sharded<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    /// One more than `bounds`: the last one is `+Inf`.
    buckets: Box<[Bucket]>,
    sum: AtomicF64,
}

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    exemplar: ExemplarSlot,
}

impl Histogram {
    /// An empty histogram; `bounds` must be finite and ascending.
    pub(super) fn new(bounds: &[f64]) -> Self {
        let buckets = || (0..=bounds.len()).map(|_| Bucket::default()).collect();
        let part = || Buckets { buckets: buckets(), sum: AtomicF64::default() };
        Self { bounds: bounds.into(), parts: Sharded::new(part) }
    }

    pub(super) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Counts a value.
    pub fn observe(&self, value: f64) {
        self.observe_with_exemplar(value, None);
    }

    /// Counts a value and records its request as the exemplar. Ignores a value that is not finite: it would make the
    /// sum useless.
    pub(super) fn observe_with_exemplar(&self, value: f64, sighting: Option<&ExemplarSource<'_>>) {
        if !value.is_finite() {
            return;
        }
        let mine = self.parts.local();
        let bucket = &mine.buckets[self.bounds.partition_point(|bound| *bound < value)];
        bucket.count.fetch_add(1, Ordering::Relaxed);
        mine.sum.add(value);
        if let Some(sighting) = sighting {
            bucket.exemplar.keep(value, sighting);
        }
    }

    /// The number of values counted.
    pub fn count(&self) -> u64 {
        (0..=self.bounds.len()).map(|index| self.count_of(index)).sum()
    }

    fn count_of(&self, index: usize) -> u64 {
        self.parts.iter().map(|part| part.buckets[index].count.load(Ordering::Relaxed)).sum()
    }
}

impl Instrument for Histogram {
    const TYPE: MetricType = MetricType::HISTOGRAM;

    // The count is computed from the buckets as read, so that a scrape is consistent while other threads count; only
    // the sum may be a few values ahead or behind. An empty histogram is left out, because the buckets of unused models
    // would otherwise make up most of a scrape.
    fn sample(&self) -> Option<proto::Metric> {
        if self.count() == 0 {
            return None;
        }
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for index in 0..=self.bounds.len() {
            total += self.count_of(index);
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
        histogram.set_sample_sum(self.parts.iter().map(|part| part.sum.get()).sum());
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        Some(metric)
    }

    fn exemplars(&self) -> Vec<Option<Exemplar>> {
        let of = |index: usize| newest(self.parts.iter().map(move |part| &part.buckets[index].exemplar));
        (0..=self.bounds.len()).map(of).collect()
    }
}

/// The most recent exemplar of all shards.
fn newest<'a>(slots: impl Iterator<Item = &'a ExemplarSlot>) -> Option<Exemplar> {
    slots.filter_map(ExemplarSlot::read).max_by_key(|exemplar| exemplar.at)
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

fn as_f64(count: u64) -> f64 {
    count as f64
}

//! The three instruments: counter, gauge and histogram, each one series.
//!
//! They are a few atomics each, a set for each thread that serves, so that
//! recording waits for nobody. They know neither their name nor their labels;
//! `family` does.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus::proto::{self, MetricType};

use super::exemplar::{Exemplar, ExemplarSlot, ExemplarSource};
use super::sharded::Sharded;

/// One series of a family, as the registry wants to see it.
pub(super) trait Instrument: Send + Sync + 'static {
    /// The type that the registry writes.
    const TYPE: MetricType;
    /// The value now, without labels; `None` while there is nothing to say.
    fn sample(&self) -> Option<proto::Metric>;
    /// The exemplars, one a bucket for a histogram, one for a counter.
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

    /// Counts so many at once.
    pub(super) fn add(&self, count: u64) {
        self.0.local().count.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts one and points to the request that was counted.
    pub(super) fn inc_with_exemplar(&self, sighting: Option<&ExemplarSource<'_>>) {
        let mine = self.0.local();
        mine.count.fetch_add(1, Ordering::Relaxed);
        if let Some(sighting) = sighting {
            mine.exemplar.keep(1.0, sighting);
        }
    }

    /// The count now.
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

/// A number that is set.
#[derive(Debug, Default)]
pub struct Gauge(AtomicF64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value now.
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

/// How many there are of something that comes and goes; a gauge to the outside.
#[derive(Debug, Default)]
pub struct UpDownCounter(Sharded<AtomicI64>);

impl UpDownCounter {
    /// One more.
    pub fn inc(&self) {
        self.0.local().fetch_add(1, Ordering::Relaxed);
    }

    /// One less; what came on one thread may go on another.
    pub fn dec(&self) {
        self.0.local().fetch_sub(1, Ordering::Relaxed);
    }

    /// So many more.
    pub fn add(&self, amount: usize) {
        self.0.local().fetch_add(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// So many less.
    pub fn sub(&self, amount: usize) {
        self.0.local().fetch_sub(i64::try_from(amount).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// How many there are now.
    pub fn get(&self) -> u64 {
        let sum: i64 = self.0.iter().map(|part| part.load(Ordering::Relaxed)).sum();
        // While threads count, the parts are not read at one moment.
        u64::try_from(sum).unwrap_or(0)
    }

    /// One more until the returned hold is dropped, so that a cancelled request
    /// cannot leave the level too high.
    #[must_use = "the level falls again as soon as the hold is dropped"]
    pub fn guard(&self) -> UpDownGuard<'_> {
        self.inc();
        UpDownGuard(self)
    }
}

/// One unit of a [`UpDownCounter`], given back on drop.
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

/// How often values fell into each bucket, with an exemplar a bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: Box<[f64]>,
    parts: Sharded<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    /// One more than the bounds: the last is `+Inf`.
    buckets: Box<[Bucket]>,
    sum: AtomicF64,
}

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    exemplar: ExemplarSlot,
}

impl Histogram {
    /// An empty histogram; `bounds` are finite and ascend.
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

    /// Counts a value and points to the request it came from. A value that is
    /// not finite is left out: it would spoil the sum for good.
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

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        (0..=self.bounds.len()).map(|index| self.count_of(index)).sum()
    }

    fn count_of(&self, index: usize) -> u64 {
        self.parts.iter().map(|part| part.buckets[index].count.load(Ordering::Relaxed)).sum()
    }
}

impl Instrument for Histogram {
    const TYPE: MetricType = MetricType::HISTOGRAM;

    // The count is the sum of the buckets as they were read, so a scrape is
    // consistent in itself while others go on counting. Only the sum may be a
    // few values ahead or behind. A histogram that has counted nothing is left
    // out: the buckets of models that nobody asks would be most of a scrape.
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

/// The newest of what each thread kept.
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

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64, which is exact up to 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

//! What a metric is: for the registry and for docs/metrics.md.

use prometheus::proto::MetricType;

use super::instrument::Instrument;

/// The description of a metric, for the registry and for the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDescription {
    /// The name, including the unit.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The label names, in order.
    pub labels: &'static [&'static str],
    /// The help text.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A count that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts of observed values by bucket.
    Histogram,
}

impl MetricKind {
    pub(super) fn of<I: Instrument>() -> Self {
        match I::TYPE {
            MetricType::COUNTER => Self::Counter,
            MetricType::HISTOGRAM => Self::Histogram,
            _ => Self::Gauge,
        }
    }
}

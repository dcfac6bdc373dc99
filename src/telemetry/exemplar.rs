//! Exemplars: the most recent request counted by a bucket or a counter.
//!
//! Exemplars carry request ids to Prometheus without making them labels. This file stores them; `openmetrics` writes
//! them.

use std::{
    sync::{Mutex, PoisonError, TryLockError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The maximum number of characters in the label names and values of one exemplar together (`OpenMetrics` 1.0,
/// "Exemplars").
const MAX_LABEL_CHARS: usize = 128;
const REQUEST_LABEL_CHARS: usize = "request_id".len();
const TRACE_LABEL_CHARS: usize = "trace_id".len();

/// The request that exemplars refer to. It is created once per request, because reading the clock is the most expensive
/// part.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExemplarSource<'a> {
    request_id: &'a str,
    trace_id: Option<&'a str>,
    at: Duration,
}

impl<'a> ExemplarSource<'a> {
    /// Refers to this request, at the current time. Drops the trace id if the two ids together exceed the limit.
    /// Returns `None` if the request id is empty or exceeds the limit alone.
    pub(super) fn now(request_id: &'a str, trace_id: Option<&'a str>) -> Option<Self> {
        let room = (MAX_LABEL_CHARS - REQUEST_LABEL_CHARS).checked_sub(chars(request_id))?;
        if request_id.is_empty() {
            return None;
        }
        let trace_id = trace_id.filter(|id| TRACE_LABEL_CHARS + chars(id) <= room);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Self { request_id, trace_id, at })
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A stored exemplar.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exemplar {
    pub(super) request_id: String,
    /// Empty if there was none.
    pub(super) trace_id: String,
    pub(super) value: f64,
    /// Time since the Unix epoch.
    pub(super) at: Duration,
}

/// Storage for one exemplar. It allocates when the first exemplar is stored and reuses the strings afterwards.
#[derive(Debug, Default)]
pub(super) struct ExemplarSlot(Mutex<Option<Box<Exemplar>>>);

impl ExemplarSlot {
    /// Replaces the exemplar with this request. Does nothing if another thread holds the lock, because that thread is
    /// storing an exemplar that is just as recent.
    pub(super) fn keep(&self, value: f64, sighting: &ExemplarSource<'_>) {
        let mut held = match self.0.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let exemplar = held.get_or_insert_default();
        exemplar.request_id.clear();
        exemplar.request_id.push_str(sighting.request_id);
        exemplar.trace_id.clear();
        exemplar.trace_id.push_str(sighting.trace_id.unwrap_or_default());
        exemplar.value = value;
        exemplar.at = sighting.at;
    }

    /// Returns a copy of the exemplar.
    pub(super) fn read(&self) -> Option<Exemplar> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_deref().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{ExemplarSlot, ExemplarSource};

    #[test]
    fn labels_stay_within_128_characters() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        // 128 = 10 (request_id) + 78 + 8 (trace_id) + 32
        let cases = [(0, None), (36, Some(true)), (78, Some(true)), (79, Some(false)), (118, Some(false)), (119, None)];
        for (length, wanted) in cases {
            let id = "r".repeat(length);
            let got = ExemplarSource::now(&id, Some(trace)).map(|s| s.trace_id.is_some());
            assert_eq!(got, wanted, "a request id of {length}");
        }
        // The limit is in characters, not bytes.
        assert!(ExemplarSource::now(&"é".repeat(118), None).is_some());
    }

    #[test]
    fn the_newest_is_kept() {
        let slot = ExemplarSlot::default();
        assert_eq!(slot.read(), None);
        for (id, trace) in [("first", Some("t")), ("second", None)] {
            let sighting = ExemplarSource::now(id, trace).expect("the id is short");
            slot.keep(0.5, &sighting);
        }
        let kept = slot.read().expect("something was kept");
        assert_eq!((kept.request_id.as_str(), kept.trace_id.as_str()), ("second", ""));
        assert!(kept.at.as_secs() > 1_600_000_000);
    }
}

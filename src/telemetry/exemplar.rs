//! Exemplars: the newest request that landed in a bucket or a counter.
//!
//! An exemplar is how a request id reaches Prometheus without becoming a label.
//! This file keeps them; `openmetrics` writes them.

use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most characters that label names and values of one exemplar may have
/// together (`OpenMetrics` 1.0, "Exemplars").
const MAX_LABEL_CHARS: usize = 128;
const REQUEST_LABEL_CHARS: usize = "request_id".len();
const TRACE_LABEL_CHARS: usize = "trace_id".len();

/// One request as exemplars point to it. It is made once a request, because
/// reading the clock is the dearest part.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExemplarSource<'a> {
    request_id: &'a str,
    trace_id: Option<&'a str>,
    at: Duration,
}

impl<'a> ExemplarSource<'a> {
    /// Points to this request, now. The trace id is left out when the two do
    /// not fit together; `None` when the request id alone is empty or too long.
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

/// A kept exemplar.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exemplar {
    pub(super) request_id: String,
    /// Empty when there was none.
    pub(super) trace_id: String,
    pub(super) value: f64,
    /// Since the Unix epoch.
    pub(super) at: Duration,
}

/// The place for one exemplar. It holds nothing until the first is kept, and
/// reuses its strings afterwards.
#[derive(Debug, Default)]
pub(super) struct ExemplarSlot(Mutex<Option<Box<Exemplar>>>);

impl ExemplarSlot {
    /// Keeps this request in place of the one before. When another thread holds
    /// the slot, this one is skipped: that thread is writing one just as new.
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

    /// A copy of what is kept.
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
        // Characters count, not bytes.
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

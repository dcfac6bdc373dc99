//! Busy polling: if a client sends its next request as soon as it has a response, the thread polls for that request for
//! a moment before it sleeps.
//!
//! Waking a thread costs more than a request to a small model, in CPU time as well. Polling for about as long as a
//! wake-up costs is never much more expensive than sleeping at once, whatever the arrivals (Karlin, Li, Manasse and
//! Owicki, "Empirical studies of competitive spinning for a shared-memory multiprocessor", 1991). A thread polls only
//! for a client that returned quickly several times, and only while nothing else wants the CPU.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::runtime;

/// A return is quick within this multiple of the polling window: the thread may have slept, and the time to wake it
/// counts as well.
const QUICK_RETURN_FACTOR: u64 = 2;

/// Consecutive quick returns before the thread polls for a client. Requests that follow each other by chance rarely
/// reach this number.
const QUICK_RETURNS_REQUIRED: u32 = 4;

/// If a thread has the CPU back within this time after yielding it, nothing else wanted the CPU.
const CONTENTION_THRESHOLD: Duration = Duration::from_micros(10);

/// Limits of the backoff after other threads wanted the CPU. It grows exponentially, since on a CPU in constant demand
/// each poll loses a whole time slice.
const MIN_BACKOFF: Duration = Duration::from_millis(1);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Keeps one thread awake for clients that return quickly.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// How long to poll, in nanoseconds; 0 disables polling.
    window: u64,
    /// Origin of the timestamps.
    origin: Instant,
    /// End of the polling, in nanoseconds since `origin`; 0 once a request has arrived.
    until: AtomicU64,
    again: Notify,
}

/// Tracks how quickly the requests of one connection follow each other.
#[derive(Debug)]
pub(super) struct RequestCadence {
    thread: Arc<BusyPoll>,
    /// Time of the last response, in nanoseconds since the origin of `thread`; 0 before the first.
    answered: AtomicU64,
    /// Number of consecutive quick returns.
    soon: AtomicU32,
}

/// A request in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct CadenceGuard<'a>(&'a RequestCadence);

/// Backoff while other threads want the CPU.
#[derive(Debug)]
struct CpuContention {
    rest: Duration,
    over: Instant,
}

impl BusyPoll {
    /// Polls for `window` after a response.
    pub(super) fn new(window: Duration) -> Self {
        Self { window: nanos(window), origin: Instant::now(), until: AtomicU64::new(0), again: Notify::new() }
    }

    /// Keeps the thread that runs this awake while it should poll.
    pub(super) async fn poll_loop(&self) -> Infallible {
        let mut crowd = CpuContention { rest: MIN_BACKOFF, over: self.origin };
        loop {
            self.again.notified().await;
            let (mut now, mut looked) = (Instant::now(), false);
            while self.should_poll(now) && !crowd.is_backing_off(now) && !runtime::compute_threads_busy() {
                looked = true;
                // Lets the runtime check for I/O events, without sleeping.
                tokio::task::yield_now().await;
                let asked = Instant::now();
                std::thread::yield_now();
                now = Instant::now();
                crowd.on_yield(now, now - asked);
            }
            if looked && !crowd.is_backing_off(now) && self.until.load(Ordering::Relaxed) == 0 {
                crowd.on_success();
            }
        }
    }

    fn should_poll(&self, now: Instant) -> bool {
        self.nanos(now) < self.until.load(Ordering::Relaxed)
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }
}

impl RequestCadence {
    /// Tracks a connection on this thread.
    pub(super) fn new(thread: Arc<BusyPoll>) -> Self {
        Self { thread, answered: AtomicU64::new(0), soon: AtomicU32::new(0) }
    }

    /// Records that a request began.
    pub(super) fn begin(&self) -> CadenceGuard<'_> {
        if self.thread.window > 0 {
            self.on_request(Instant::now());
        }
        CadenceGuard(self)
    }

    fn on_request(&self, now: Instant) {
        self.thread.until.store(0, Ordering::Relaxed);
        let since = self.thread.nanos(now).saturating_sub(self.answered.load(Ordering::Relaxed));
        let soon =
            if since < QUICK_RETURN_FACTOR * self.thread.window { self.soon.load(Ordering::Relaxed) + 1 } else { 0 };
        self.soon.store(soon.min(QUICK_RETURNS_REQUIRED), Ordering::Relaxed);
    }

    fn on_response(&self, now: Instant) {
        let now = self.thread.nanos(now);
        self.answered.store(now, Ordering::Relaxed);
        if self.soon.load(Ordering::Relaxed) == QUICK_RETURNS_REQUIRED {
            self.thread.until.store(now + self.thread.window, Ordering::Relaxed);
            self.thread.again.notify_one();
        }
    }
}

impl Drop for CadenceGuard<'_> {
    fn drop(&mut self) {
        if self.0.thread.window > 0 {
            self.0.on_response(Instant::now());
        }
    }
}

impl CpuContention {
    fn is_backing_off(&self, now: Instant) -> bool {
        now < self.over
    }

    /// Records that the CPU was yielded and was back after this time.
    fn on_yield(&mut self, now: Instant, after: Duration) {
        if after > CONTENTION_THRESHOLD {
            self.over = now + self.rest;
            self.rest = (self.rest * 4).min(MAX_BACKOFF);
        }
    }

    /// Records that the awaited request arrived.
    fn on_success(&mut self) {
        self.rest = (self.rest / 2).max(MIN_BACKOFF);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 100;

    /// A thread that has answered a client, which returned after these gaps in microseconds, and the time of the last
    /// response.
    fn after(gaps: &[u64]) -> (Arc<BusyPoll>, Instant) {
        let thread = Arc::new(BusyPoll::new(Duration::from_micros(WINDOW)));
        let conversation = RequestCadence::new(Arc::clone(&thread));
        // The first request arrives some time after the server started.
        let mut now = thread.origin + Duration::from_secs(1);
        for gap in [&[0], gaps].concat() {
            now += Duration::from_micros(gap);
            conversation.on_request(now);
            conversation.on_response(now);
        }
        (thread, now)
    }

    #[test]
    fn who_came_back_soon_several_times_is_looked_for() {
        let cases: [(&str, &[u64], u64, bool); 7] = [
            ("one request says nothing of the next", &[], 10, false),
            ("nor does one that came soon", &[30], 10, false),
            ("four say enough", &[30, 30, 30, 30], 10, true),
            ("so do four for whom the thread was woken", &[180, 190, 150, 199], 10, true),
            ("it ends with the window", &[30, 30, 30, 30], WINDOW, false),
            ("the last one came late", &[30, 30, 30, 30, 200], 10, false),
            ("one came late in between", &[30, 30, 30, 30, 200, 30, 30, 30], 10, false),
        ];
        for (name, gaps, later, expected) in cases {
            let (thread, answered) = after(gaps);
            assert_eq!(thread.should_poll(answered + Duration::from_micros(later)), expected, "{name}");
        }
    }

    #[test]
    fn nobody_is_looked_for_when_a_request_has_come() {
        let (thread, answered) = after(&[30; 4]);
        assert!(thread.should_poll(answered));
        RequestCadence::new(Arc::clone(&thread)).on_request(answered);
        assert!(!thread.should_poll(answered), "it came on another connection");
    }

    #[test]
    fn a_window_of_zero_looks_for_nobody_and_reads_no_clock() {
        let thread = Arc::new(BusyPoll::new(Duration::ZERO));
        let conversation = RequestCadence::new(Arc::clone(&thread));
        for _ in 0..=QUICK_RETURNS_REQUIRED {
            drop(conversation.begin());
        }
        assert!(!thread.should_poll(thread.origin));
        assert_eq!(conversation.answered.load(Ordering::Relaxed), 0, "nothing is noted");
    }

    #[test]
    fn a_processor_that_others_want_is_left_to_them() {
        let start = Instant::now();
        let mut crowd = CpuContention { rest: MIN_BACKOFF, over: start };
        crowd.on_yield(start, CONTENTION_THRESHOLD);
        assert!(!crowd.is_backing_off(start), "nobody else wanted it");
        let mut rest = || {
            crowd.on_yield(start, 2 * CONTENTION_THRESHOLD);
            crowd.over - start
        };
        assert_eq!([rest(), rest(), rest()], [1, 4, 16].map(Duration::from_millis));
        let longest = (0..10).map(|_| rest()).max();
        assert_eq!(longest, Some(MAX_BACKOFF));
        for _ in 0..20 {
            crowd.on_success();
        }
        crowd.on_yield(start, 2 * CONTENTION_THRESHOLD);
        assert_eq!(crowd.over - start, MIN_BACKOFF, "those who were looked for came");
    }
}

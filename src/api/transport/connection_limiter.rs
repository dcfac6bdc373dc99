//! Admits connections to a listener: a limit in all, a limit per address, and a reserve for addresses with few
//! connections.
//!
//! A connection that finds no room waits briefly for it and is then refused with a response. While connections are
//! scarce, idle ones are closed sooner ([`ConnectionLimiter::limit`]).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use super::connection_limits::{ConnectionLimits, LimitDecision, decide, network};
use crate::telemetry::{ConnectionMetrics, RefusedConnection};

/// Minimum interval between log lines about scarce connections.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long a connection may be idle, or a body may take to arrive, while connections are scarce.
const SCARCE_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long connections count as scarce after one was refused for lack of memory: long enough for idle ones to be
/// closed.
const SCARCE_AFTER_REFUSAL: Duration = Duration::from_secs(3);

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    listener: &'static str,
    limits: ConnectionLimits,
    state: Mutex<LimiterState>,
    /// Notified when a connection ends, so that a waiting one may open.
    room: Notify,
    scarce: watch::Sender<bool>,
    pub(super) metrics: ConnectionMetrics,
}

#[derive(Debug, Default)]
struct LimiterState {
    open: usize,
    waiting: usize,
    by_address: HashMap<IpAddr, usize>,
    refused: u64,
    logged: Option<Instant>,
    /// Until when connections are scarce because the byte budget had no room for another one.
    starved: Option<tokio::time::Instant>,
}

/// A counted connection; dropping it releases the count.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    address: IpAddr,
    waiting: bool,
}

/// Outcome of admitting a new connection.
pub(super) enum AcceptDecision {
    /// Serve it.
    Open(ConnectionPermit),
    /// Serve it as soon as there is room ([`ConnectionPermit::opened`]).
    Wait(ConnectionPermit),
    /// Refuse it, for this reason.
    Refuse(RefusedConnection),
}

impl ConnectionLimiter {
    pub(super) fn new(listener: &'static str, limits: ConnectionLimits, metrics: ConnectionMetrics) -> Arc<Self> {
        let (state, room, scarce) = (Mutex::default(), Notify::new(), watch::Sender::new(false));
        Arc::new(Self { listener, limits, state, room, scarce, metrics })
    }

    fn lock(&self) -> MutexGuard<'_, LimiterState> {
        // Only counters change under the lock: a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and admits a new connection, or refuses it.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> AcceptDecision {
        let address = network(peer);
        let mut state = self.lock();
        let of_address = state.by_address.get(&address).copied().unwrap_or(0);
        let verdict = decide(self.limits, state.open, state.waiting, of_address);
        let waiting = match verdict {
            LimitDecision::Refuse(reason) => {
                self.note_refused(&mut state, reason, peer);
                return AcceptDecision::Refuse(reason);
            }
            LimitDecision::Open => false,
            LimitDecision::Wait => true,
        };
        *state.by_address.entry(address).or_default() += 1;
        let place = ConnectionPermit { limiter: Arc::clone(self), address, waiting };
        if waiting {
            state.waiting += 1;
            self.metrics.waiting.inc();
            self.log(&mut state, "connections are waiting: the listener is at its limit (http.max_connections)", peer);
        } else {
            state.open += 1;
            self.metrics.open.inc();
        }
        self.note_scarcity(&state);
        if waiting { AcceptDecision::Wait(place) } else { AcceptDecision::Open(place) }
    }

    /// Counts a connection that was refused after it had been admitted.
    pub(super) fn refused(&self, reason: RefusedConnection, peer: IpAddr) {
        let mut state = self.lock();
        self.note_refused(&mut state, reason, peer);
    }

    fn note_refused(&self, state: &mut LimiterState, reason: RefusedConnection, peer: IpAddr) {
        state.refused += 1;
        if reason == RefusedConnection::Memory {
            state.starved = Some(tokio::time::Instant::now() + SCARCE_AFTER_REFUSAL);
            self.note_scarcity(state);
        }
        self.metrics.count_refused(reason);
        let message = match reason {
            RefusedConnection::Address => {
                "connections refused: one address is at its limit (http.max_connections_per_address)"
            }
            RefusedConnection::Full => "connections refused: the listener is at its limit (http.max_connections)",
            RefusedConnection::Memory => {
                "connections refused: the memory budget is exhausted (http.max_buffered_bytes)"
            }
        };
        self.log(state, message, peer);
    }

    /// Logs at most one line per [`LOG_EVERY`], however many connections there are.
    fn log(&self, state: &mut LimiterState, message: &'static str, peer: IpAddr) {
        let now = Instant::now();
        if state.logged.is_some_and(|logged| now - logged < LOG_EVERY) {
            return;
        }
        state.logged = Some(now);
        let busiest = state.by_address.iter().max_by_key(|(_, count)| **count);
        tracing::warn!(
            listener = self.listener,
            open = state.open,
            waiting = state.waiting,
            refused = state.refused,
            addresses = state.by_address.len(),
            busiest_address = busiest.map(|(address, _)| tracing::field::display(address)),
            busiest_connections = busiest.map(|(_, count)| count),
            client = %peer,
            "{message}"
        );
    }

    fn note_scarcity(&self, state: &LimiterState) {
        let taken = state.open + state.waiting;
        let starved = state.starved.is_some_and(|until| tokio::time::Instant::now() < until);
        self.scarce.send_if_modified(|scarce| {
            let now = starved || taken >= self.limits.scarce() || *scarce && taken > self.limits.plenty();
            std::mem::replace(scarce, now) != now
        });
    }

    /// Returns the timeout in force: `normal`, or at most [`SCARCE_IDLE_TIMEOUT`] while connections are scarce.
    pub(super) fn limit(&self, normal: Duration) -> Duration {
        if *self.scarce.borrow() { normal.min(SCARCE_IDLE_TIMEOUT) } else { normal }
    }

    /// Waits for one of `parts` equal parts of the timeout in force.
    pub(super) async fn idle_timeout(&self, normal: Duration, parts: u32) {
        let began = tokio::time::Instant::now();
        let mut scarce = self.scarce.subscribe();
        loop {
            scarce.mark_unchanged();
            tokio::select! {
                () = tokio::time::sleep_until(began + self.limit(normal) / parts) => return,
                // Cannot fail: the sender lives as long as `self`.
                _ = scarce.changed() => {}
            }
        }
    }
}

impl ConnectionPermit {
    /// Waits until the connection is open.
    pub(super) async fn opened(&mut self) {
        let limiter = Arc::clone(&self.limiter);
        loop {
            let room = limiter.room.notified();
            if self.try_open() {
                return;
            }
            room.await;
        }
    }

    fn try_open(&mut self) -> bool {
        let limiter = &self.limiter;
        let mut state = limiter.lock();
        let others = state.by_address.get(&self.address).copied().unwrap_or(1) - 1;
        // Waiting connections have precedence over new ones: only the room counts here, not the queue.
        if decide(limiter.limits, state.open, 0, others) != LimitDecision::Open {
            return false;
        }
        state.waiting -= 1;
        state.open += 1;
        limiter.metrics.waiting.dec();
        limiter.metrics.open.inc();
        self.waiting = false;
        true
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let limiter = &self.limiter;
        let mut state = limiter.lock();
        if self.waiting {
            state.waiting -= 1;
            limiter.metrics.waiting.dec();
        } else {
            state.open -= 1;
            limiter.metrics.open.dec();
        }
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
        limiter.note_scarcity(&state);
        let only_reserve = state.open >= limiter.limits.max - limiter.limits.reserve();
        drop(state);
        if only_reserve {
            // The first waiter may have no right to the reserve: wake all of them.
            limiter.room.notify_waiters();
        } else {
            limiter.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max: usize) -> Arc<ConnectionLimiter> {
        ConnectionLimiter::new("test", ConnectionLimits { max, per_address: max }, ConnectionMetrics::default())
    }

    fn open(limiter: &Arc<ConnectionLimiter>, peer: [u8; 4]) -> ConnectionPermit {
        match limiter.admit(peer.into()) {
            AcceptDecision::Open(place) => place,
            AcceptDecision::Wait(_) | AcceptDecision::Refuse(_) => panic!("there is room"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_let_in_when_another_leaves() {
        let limiter = limiter(2);
        let [first, _second] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|peer| open(&limiter, peer));
        let AcceptDecision::Wait(mut third) = limiter.admit([10, 0, 0, 3].into()) else { panic!("there is no room") };
        assert_eq!((limiter.metrics.open.get(), limiter.metrics.waiting.get()), (2, 1));
        assert!(tokio::time::timeout(Duration::from_secs(5), third.opened()).await.is_err());
        drop(first);
        third.opened().await;
        assert_eq!((limiter.metrics.open.get(), limiter.metrics.waiting.get()), (2, 0));
        drop(third);
        assert_eq!(limiter.lock().by_address.len(), 1, "addresses without connections are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn the_reserve_is_for_those_with_few_who_wait_too() {
        let limiter = limiter(32);
        let _many: Vec<ConnectionPermit> = (0..30).map(|_| open(&limiter, [10, 0, 0, 1])).collect();
        let [first, _second] = [[10, 0, 0, 2], [10, 0, 0, 3]].map(|peer| open(&limiter, peer));
        let wait = |peer: [u8; 4]| match limiter.admit(peer.into()) {
            AcceptDecision::Wait(place) => place,
            AcceptDecision::Open(_) | AcceptDecision::Refuse(_) => panic!("there is no room"),
        };
        let (mut many, mut few) = (wait([10, 0, 0, 1]), wait([10, 0, 0, 4]));
        let leave = async {
            drop(first);
            std::future::pending::<()>().await;
        };
        let opened = async {
            tokio::select! {
                biased;
                () = many.opened() => "many",
                () = few.opened() => "few",
                () = leave => "nobody",
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(3), opened).await, Ok("few"));
    }

    #[tokio::test(start_paused = true)]
    async fn timeouts_are_shorter_while_connections_are_scarce() {
        let limiter = limiter(4);
        let places: Vec<ConnectionPermit> = (0..2).map(|peer| open(&limiter, [10, 0, 0, peer])).collect();
        let waited = async |normal| {
            let began = tokio::time::Instant::now();
            limiter.idle_timeout(Duration::from_secs(normal), 1).await;
            began.elapsed().as_secs()
        };
        assert_eq!(waited(30).await, 30);
        let (took, third) = tokio::join!(waited(30), async { open(&limiter, [10, 0, 0, 9]) });
        assert_eq!(took, 1, "scarce from the third of four on, for those that wait already too");
        drop(third);
        assert_eq!(waited(30).await, 30);
        drop(places);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lack_of_memory_makes_connections_scarce_for_a_while() {
        let limiter = limiter(1000);
        let normal = Duration::from_secs(30);
        let place = open(&limiter, [10, 0, 0, 1]);
        limiter.refused(RefusedConnection::Memory, [10, 0, 0, 2].into());
        assert_eq!(limiter.limit(normal), SCARCE_IDLE_TIMEOUT);
        tokio::time::advance(SCARCE_AFTER_REFUSAL).await;
        drop(place);
        assert_eq!(limiter.limit(normal), normal);
    }
}

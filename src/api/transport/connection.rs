//! State shared by the requests of one connection: its client, its activity, and the bytes it may hold.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::Waker,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use http::Version;

use super::{
    budget::{BudgetExhausted, ByteBudget, CONNECTION_BYTES, ConnectionShare, HeldBytes},
    connection_activity::{ConnectionActivity, InFlightGuard},
    connection_limiter::ConnectionLimiter,
    connection_limits::ConnectionLimits,
    outstanding::OutstandingAnswers,
};
use crate::telemetry::ConnectionMetrics;

/// Largest body or response that the connection's own share covers, one at a time.
const COVERED: u64 = CONNECTION_BYTES as u64 / 2;

/// Address of the client.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Default for Peer {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Progress of the request on an HTTP/1 connection: `COMING` (until fully received) → `WHOLE` (until the response is
/// handed to hyper) → `ANSWERED` (until it is written) → `COMING`.
const COMING: u8 = 0;
const WHOLE: u8 = 1;
const ANSWERED: u8 = 2;

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// Address of the client.
    pub(in crate::api) peer: Peer,
    pub(super) activity: ConnectionActivity,
    pub(super) limiter: Arc<ConnectionLimiter>,
    /// Responses that the client has not taken yet.
    pub(in crate::api) outstanding: Arc<OutstandingAnswers>,
    share: Arc<ConnectionShare>,
    /// Whether streams share the connection, as in HTTP/2; known from the first request on.
    multiplexed: AtomicBool,
    /// Whether the client understands interim responses, as HTTP/1.1 clients do.
    interim: AtomicBool,
    /// [`COMING`], [`WHOLE`] or [`ANSWERED`].
    request: AtomicU8,
    /// Waker of the reader whose end of stream is withheld until a request is answered.
    end: AtomicWaker,
}

impl Connection {
    /// Opens a connection of this client; returns `None` if the budget has no room for it.
    pub(super) fn open(peer: Peer, budget: &Arc<ByteBudget>, limiter: Arc<ConnectionLimiter>) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            peer,
            activity: ConnectionActivity::default(),
            limiter,
            outstanding: Arc::default(),
            share: ConnectionShare::open(budget)?,
            multiplexed: AtomicBool::new(false),
            interim: AtomicBool::new(false),
            request: AtomicU8::new(COMING),
            end: AtomicWaker::new(),
        }))
    }

    /// Returns a connection without a socket or limits, for callers that pass requests to a handler directly.
    ///
    /// # Panics
    /// Never: the budget is unlimited.
    pub fn detached() -> Arc<Self> {
        let limits = ConnectionLimits { max: usize::MAX, per_address: usize::MAX };
        let limiter = ConnectionLimiter::new("none", limits, ConnectionMetrics::default());
        let budget = ByteBudget::new(usize::MAX, Arc::default());
        Self::open(Peer::default(), &budget, limiter).expect("an unlimited budget has room")
    }

    /// Records that a request of this HTTP version began.
    pub(super) fn begin(&self, version: Version) -> InFlightGuard<'_> {
        self.multiplexed.store(version > Version::HTTP_11, Ordering::Relaxed);
        self.interim.store(version == Version::HTTP_11, Ordering::Relaxed);
        self.activity.begin()
    }

    /// Records that bytes arrived. On a multiplexed connection they may be pings, which begin no request.
    pub(super) fn bytes_arrived(&self) {
        if !self.is_multiplexed() {
            self.activity.bytes_arrived();
        }
    }

    fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    /// Whether the connection's own share covers `bytes`, which requires that there is one request at a time.
    pub(in crate::api) fn covers(&self, bytes: u64) -> bool {
        bytes <= COVERED && !self.is_multiplexed()
    }

    /// Holds `bytes` for a body or a response; returns `None` if the connection's own share covers them.
    pub(in crate::api) fn hold(&self, bytes: usize) -> Result<Option<HeldBytes>, BudgetExhausted> {
        if self.covers(bytes as u64) { Ok(None) } else { self.share.hold(bytes).map(Some) }
    }

    /// Resizes `held` to `bytes`.
    pub(in crate::api) fn hold_in(&self, held: &mut Option<HeldBytes>, bytes: usize) -> Result<(), BudgetExhausted> {
        if let Some(held) = held {
            return held.resize(bytes);
        }
        *held = self.hold(bytes)?;
        Ok(())
    }

    /// Waits for `normal`, or for less while connections are scarce.
    pub(in crate::api) async fn client_timeout(&self, normal: Duration) {
        self.limiter.idle_timeout(normal, 1).await;
    }

    /// Records that a request was fully received. From now on an HTTP/1 client may close its sending side while it
    /// waits for the response.
    pub(in crate::api) fn received(&self) {
        if !self.is_multiplexed() {
            self.request.store(WHOLE, Ordering::Relaxed);
        }
    }

    /// Records that the response was handed to hyper.
    pub(in crate::api) fn answered(&self) {
        if self.request.load(Ordering::Relaxed) == WHOLE {
            self.request.store(ANSWERED, Ordering::Relaxed);
        }
    }

    /// Records that everything handed over has been written, and wakes the reader of a withheld end of stream.
    pub(in crate::api) fn written(&self) {
        if self.request.load(Ordering::Relaxed) == ANSWERED {
            self.request.store(COMING, Ordering::Relaxed);
            self.end.wake();
        }
    }

    /// Whether an interim response may be written now: the client understands it, and the final response has not begun.
    pub(in crate::api) fn takes_interim(&self) -> bool {
        self.interim.load(Ordering::Relaxed) && self.request.load(Ordering::Relaxed) == WHOLE
    }

    /// Whether the end of the stream must be withheld until a request is answered; if so, `waker` is woken then.
    pub(in crate::api) fn holds_end(&self, waker: &Waker) -> bool {
        if self.request.load(Ordering::Relaxed) == COMING {
            return false;
        }
        self.end.register(waker);
        true
    }
}

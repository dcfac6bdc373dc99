//! What the requests of one connection share: its client, what it does, and the bytes that it may hold.

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

/// A body or an answer of this size is covered by the connection's own share, one at a time.
const COVERED: u64 = CONNECTION_BYTES as u64 / 2;

/// The address of the client.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Default for Peer {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// How far the request of an HTTP/1 connection is: it may come whole, and then be answered.
const COMING: u8 = 0;
const WHOLE: u8 = 1;
const ANSWERED: u8 = 2;

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// The address of the client.
    pub(in crate::api) peer: Peer,
    pub(super) activity: ConnectionActivity,
    pub(super) census: Arc<ConnectionLimiter>,
    /// Answers that the client has not taken yet.
    pub(in crate::api) outstanding: Arc<OutstandingAnswers>,
    share: Arc<ConnectionShare>,
    /// Whether streams share the connection, as in HTTP/2; known from its first request on.
    multiplexed: AtomicBool,
    /// Whether the client knows interim answers, as those of HTTP/1.1 do.
    interim: AtomicBool,
    /// [`COMING`], [`WHOLE`] or [`ANSWERED`].
    request: AtomicU8,
    /// Reads the end of the stream, which waits until a request is answered.
    end: AtomicWaker,
}

impl Connection {
    /// A connection of this client; `None` where the budget has no room for it.
    pub(super) fn open(peer: Peer, budget: &Arc<ByteBudget>, census: Arc<ConnectionLimiter>) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            peer,
            activity: ConnectionActivity::default(),
            census,
            outstanding: Arc::default(),
            share: ConnectionShare::open(budget)?,
            multiplexed: AtomicBool::new(false),
            interim: AtomicBool::new(false),
            request: AtomicU8::new(COMING),
            end: AtomicWaker::new(),
        }))
    }

    /// A connection that is none, without limits: for those who hand requests to a front themselves.
    ///
    /// # Panics
    /// Never: the budget is unlimited.
    pub fn detached() -> Arc<Self> {
        let limits = ConnectionLimits { max: usize::MAX, per_address: usize::MAX };
        let census = ConnectionLimiter::new("none", limits, ConnectionMetrics::default());
        let budget = ByteBudget::new(usize::MAX, Arc::default());
        Self::open(Peer::default(), &budget, census).expect("an unlimited budget has room")
    }

    /// Notes that a request of this version of HTTP began.
    pub(super) fn begin(&self, version: Version) -> InFlightGuard<'_> {
        self.multiplexed.store(version > Version::HTTP_11, Ordering::Relaxed);
        self.interim.store(version == Version::HTTP_11, Ordering::Relaxed);
        self.activity.begin()
    }

    fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    /// Whether the connection's own share covers so many bytes: it does where there is one request at a time.
    pub(in crate::api) fn covers(&self, bytes: u64) -> bool {
        bytes <= COVERED && !self.is_multiplexed()
    }

    /// Holds so many bytes for a body or an answer; nothing where the connection's own share covers them.
    pub(in crate::api) fn hold(&self, bytes: usize) -> Result<Option<HeldBytes>, BudgetExhausted> {
        if self.covers(bytes as u64) { Ok(None) } else { self.share.hold(bytes).map(Some) }
    }

    /// Lets `held` hold so many bytes.
    pub(in crate::api) fn hold_in(&self, held: &mut Option<HeldBytes>, bytes: usize) -> Result<(), BudgetExhausted> {
        if let Some(held) = held {
            return held.resize(bytes);
        }
        *held = self.hold(bytes)?;
        Ok(())
    }

    /// Waits for as long as something may take; shorter while connections are scarce.
    pub(in crate::api) async fn client_timeout(&self, normal: Duration) {
        self.census.idle_timeout(normal, 1).await;
    }

    /// Notes that a request has come whole. A client of HTTP/1 may close its sending side now and still wait for its answer.
    pub(in crate::api) fn received(&self) {
        if !self.is_multiplexed() {
            self.request.store(WHOLE, Ordering::Relaxed);
        }
    }

    /// Notes that the answer was handed to the protocol library.
    pub(in crate::api) fn answered(&self) {
        if self.request.load(Ordering::Relaxed) == WHOLE {
            self.request.store(ANSWERED, Ordering::Relaxed);
        }
    }

    /// Notes that all that was handed over is written. The end of the stream, where it waits, is told now.
    pub(in crate::api) fn written(&self) {
        if self.request.load(Ordering::Relaxed) == ANSWERED {
            self.request.store(COMING, Ordering::Relaxed);
            self.end.wake();
        }
    }

    /// Whether an interim answer may be written now: the client knows it, and the answer proper has not begun.
    pub(in crate::api) fn takes_interim(&self) -> bool {
        self.interim.load(Ordering::Relaxed) && self.request.load(Ordering::Relaxed) == WHOLE
    }

    /// Whether the end of the stream must wait until a request is answered; then `waker` is woken.
    pub(in crate::api) fn holds_end(&self, waker: &Waker) -> bool {
        if self.request.load(Ordering::Relaxed) == COMING {
            return false;
        }
        self.end.register(waker);
        true
    }
}

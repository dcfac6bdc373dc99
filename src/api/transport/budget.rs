//! A byte budget for everything that all connections hold in memory: request bodies and responses.
//!
//! Bytes are reserved before they are buffered and released when the buffer is dropped. Each connection starts with a
//! small share of its own, which covers the heads and small bodies of ordinary requests, so that these touch no shared
//! state. Anything larger reserves bytes from the budget, in steps, and never from the half that is kept for new
//! connections: large bodies cannot keep small requests out.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

use crate::telemetry::UpDownCounter;

/// Bytes that each connection reserves as long as it is open; also the maximum size of a request head.
pub(super) const CONNECTION_BYTES: usize = 16 << 10;

/// Step in which a connection reserves bytes beyond that.
const STEP: usize = 64 << 10;

/// The byte budget of a server.
#[derive(Debug)]
pub struct ByteBudget {
    max: usize,
    used: AtomicUsize,
    /// `used`, as a metric.
    level: Arc<UpDownCounter>,
}

/// The budget has no room for the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetExhausted;

impl ByteBudget {
    /// Creates a budget of `max` bytes, exported as `level`.
    pub fn new(max: usize, level: Arc<UpDownCounter>) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicUsize::new(0), level })
    }

    /// Returns the bytes that are reserved now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize, max: usize) -> Result<(), BudgetExhausted> {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| BudgetExhausted)?;
        self.level.add(bytes);
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.level.sub(bytes);
    }
}

/// The reservation of one connection.
#[derive(Debug)]
pub(super) struct ConnectionShare {
    budget: Arc<ByteBudget>,
    state: Mutex<ShareState>,
}

#[derive(Debug)]
struct ShareState {
    /// Bytes in use now.
    held: usize,
    /// Bytes reserved from the budget.
    reserved: usize,
}

impl ConnectionShare {
    /// Opens the share of a new connection; returns `None` if the budget has no room for it.
    pub(super) fn open(budget: &Arc<ByteBudget>) -> Option<Arc<Self>> {
        budget.reserve(CONNECTION_BYTES, budget.max).ok()?;
        let state = Mutex::new(ShareState { held: 0, reserved: CONNECTION_BYTES });
        Some(Arc::new(Self { budget: Arc::clone(budget), state }))
    }

    fn lock(&self) -> MutexGuard<'_, ShareState> {
        // Only two numbers change under the lock: a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds `bytes` until the result is dropped.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Result<HeldBytes, BudgetExhausted> {
        let mut held = HeldBytes { share: Arc::clone(self), bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }

    fn take(&self, bytes: usize) -> Result<(), BudgetExhausted> {
        let mut state = self.lock();
        let held = state.held.checked_add(bytes).ok_or(BudgetExhausted)?;
        if held > state.reserved {
            let short = held - state.reserved;
            // Reserve a whole step if there is room, so that the next few bodies find it reserved already.
            let step = short.next_multiple_of(STEP);
            let reserve = |bytes| self.budget.reserve(bytes, self.budget.max / 2).map(|()| bytes);
            state.reserved += reserve(step).or_else(|_| reserve(short))?;
        }
        state.held = held;
        Ok(())
    }

    fn put_back(&self, bytes: usize) {
        let mut state = self.lock();
        state.held -= bytes;
        // Keep one step: a connection that needed it once is likely to need it again.
        let keep = CONNECTION_BYTES.max(state.held.next_multiple_of(STEP).max(STEP));
        if let Some(spare) = state.reserved.checked_sub(keep).filter(|spare| *spare > 0) {
            state.reserved = keep;
            self.budget.give_back(spare);
        }
    }
}

impl Drop for ConnectionShare {
    fn drop(&mut self) {
        let reserved = self.lock().reserved;
        self.budget.give_back(reserved);
    }
}

/// Bytes of a connection's share that are in use; released on drop.
#[derive(Debug)]
pub(in crate::api) struct HeldBytes {
    share: Arc<ConnectionShare>,
    bytes: usize,
}

impl HeldBytes {
    /// Holds `bytes` more.
    pub(in crate::api) fn grow(&mut self, bytes: usize) -> Result<(), BudgetExhausted> {
        self.share.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Holds exactly `bytes` from now on.
    pub(in crate::api) fn resize(&mut self, bytes: usize) -> Result<(), BudgetExhausted> {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            return self.grow(more);
        }
        self.share.put_back(self.bytes - bytes);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.share.put_back(self.bytes);
    }
}

/// Returns `bytes` as a buffer that keeps `held` until its last clone is dropped.
pub(in crate::api) fn attach(bytes: Bytes, held: impl Send + 'static) -> Bytes {
    struct Owner<H> {
        bytes: Bytes,
        _held: H,
    }
    impl<H> AsRef<[u8]> for Owner<H> {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Owner { bytes, _held: held })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: usize = 2 << 20;

    fn share(max: usize) -> (Arc<ByteBudget>, Arc<ConnectionShare>) {
        let budget = ByteBudget::new(max, Arc::default());
        let share = ConnectionShare::open(&budget).expect("room for one connection");
        (budget, share)
    }

    #[test]
    fn ordinary_requests_touch_nothing_that_connections_share() {
        let (budget, share) = share(ROOM);
        let small = share.hold(CONNECTION_BYTES).expect("its own share");
        assert_eq!(budget.used(), CONNECTION_BYTES);
        drop(small);
        assert_eq!(budget.used(), CONNECTION_BYTES);
    }

    #[test]
    fn what_is_held_is_reserved_before_and_given_back_after() {
        let (budget, share) = share(ROOM);
        let mut large = share.hold(500_000).expect("room");
        assert!(budget.used() >= 500_000);
        assert_eq!(large.grow(ROOM / 2), Err(BudgetExhausted), "the other half is kept for connections");
        large.resize(100_000).expect("less");
        assert!((100_000..300_000).contains(&budget.used()), "{}", budget.used());
        assert!(ConnectionShare::open(&budget).is_some());
        drop(large);
        assert!(budget.used() <= STEP, "{}", budget.used());
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_connection_that_finds_no_room_is_refused() {
        let (budget, _first) = share(CONNECTION_BYTES * 3 / 2);
        assert!(ConnectionShare::open(&budget).is_none());
    }

    #[test]
    fn bytes_are_held_as_long_as_a_part_of_them_is_there() {
        let (budget, share) = share(ROOM);
        let held = share.hold(300_000).expect("room");
        let part = attach(Bytes::from(vec![7; 300_000]), held).slice(10..20);
        assert!(budget.used() >= 300_000 && part[..] == [7; 10]);
        drop(part);
        assert!(budget.used() <= STEP);
    }

    proptest! {
        #[test]
        fn nothing_is_held_that_is_not_reserved_and_nothing_is_lost(
            steps in prop::collection::vec((0_usize..4, 0_usize..400_000, any::<bool>()), 0..60),
        ) {
            let budget = ByteBudget::new(ROOM, Arc::default());
            let shares: Vec<_> = (0..4).map(|_| ConnectionShare::open(&budget).expect("room")).collect();
            let mut held: Vec<(usize, HeldBytes)> = Vec::new();
            for (of, bytes, free) in steps {
                if free && !held.is_empty() {
                    held.swap_remove(bytes % held.len());
                } else if let Ok(more) = shares[of].hold(bytes) {
                    held.push((bytes, more));
                }
                let sum: usize = held.iter().map(|(bytes, _)| bytes).sum();
                prop_assert!(sum <= budget.used() && budget.used() <= ROOM);
            }
            drop(held);
            prop_assert!(budget.used() <= 4 * STEP);
            drop(shares);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}

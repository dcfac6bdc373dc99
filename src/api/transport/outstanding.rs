//! Responses handed over but not yet taken by the client, by age, so that a client that reads too slowly is
//! disconnected.
//!
//! Time is divided into rounds, and each response is counted in the ring slot of the round in which it was handed over.
//! If a slot is still nonzero when its turn comes again, a response has been outstanding for a whole turn of the ring.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Rounds per turn of the ring.
pub(super) const ROUNDS: usize = 4;

/// The outstanding responses of one connection.
#[derive(Debug, Default)]
pub(in crate::api) struct OutstandingAnswers {
    round: AtomicUsize,
    ring: [AtomicUsize; ROUNDS],
}

/// A response that the client has not taken yet; dropped once it has.
#[derive(Debug)]
pub(in crate::api) struct UntakenBody {
    of: Arc<OutstandingAnswers>,
    place: usize,
}

impl OutstandingAnswers {
    /// Counts a response.
    pub(in crate::api) fn add(self: &Arc<Self>) -> UntakenBody {
        let place = self.round.load(Ordering::Relaxed) % ROUNDS;
        self.ring[place].fetch_add(1, Ordering::Relaxed);
        UntakenBody { of: Arc::clone(self), place }
    }

    /// Ends a round. Returns false if a response has been outstanding for `ROUNDS - 1` or more whole rounds.
    pub(super) fn turn(&self) -> bool {
        let next = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        self.ring[next % ROUNDS].load(Ordering::Relaxed) == 0
    }
}

impl Drop for UntakenBody {
    fn drop(&mut self) {
        self.of.ring[self.place].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_stay_for_less_than_a_turn() {
        let outstanding = Arc::new(OutstandingAnswers::default());
        let quick = outstanding.add();
        assert!(outstanding.turn() && outstanding.turn());
        drop(quick);
        let slow = outstanding.add();
        assert!(outstanding.turn() && outstanding.turn() && outstanding.turn());
        assert!(!outstanding.turn(), "its place is needed again");
        drop(slow);
        assert!((0..10).all(|_| outstanding.turn()));
    }
}

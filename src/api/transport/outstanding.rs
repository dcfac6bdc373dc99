//! Answers that were handed over and not taken yet, by age: a client that takes one too slowly is cut off.
//!
//! Time passes in rounds, and each answer is counted in the round in which it was handed over. An answer that is still
//! counted when its place in the ring is needed again has been there for a whole turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Rounds in a turn.
pub(super) const ROUNDS: usize = 4;

/// The answers of one connection.
#[derive(Debug, Default)]
pub(in crate::api) struct OutstandingAnswers {
    round: AtomicUsize,
    ring: [AtomicUsize; ROUNDS],
}

/// An answer that is not taken yet; it is when this is dropped.
#[derive(Debug)]
pub(in crate::api) struct UntakenBody {
    of: Arc<OutstandingAnswers>,
    place: usize,
}

impl OutstandingAnswers {
    /// Counts an answer.
    pub(in crate::api) fn add(self: &Arc<Self>) -> UntakenBody {
        let place = self.round.load(Ordering::Relaxed) % ROUNDS;
        self.ring[place].fetch_add(1, Ordering::Relaxed);
        UntakenBody { of: Arc::clone(self), place }
    }

    /// Ends a round; false where an answer has not been taken for `ROUNDS - 1` whole rounds or more.
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

//! A coalition: which players of a game take part.

/// The players that take part, by their numbers from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coalition {
    /// Bit `i % 64` of word `i / 64` is player `i`; the bits past the last player are zero, so that equal sets are equal.
    words: Vec<u64>,
}

impl Coalition {
    /// Nobody of so many players.
    pub fn empty(players: usize) -> Self {
        Self { words: vec![0; players.div_ceil(64)] }
    }

    /// All of so many players.
    pub fn full(players: usize) -> Self {
        let mut all = Self::empty(players);
        (0..players).for_each(|player| all.insert(player));
        all
    }

    /// The players whose bits are set in `mask`, of at most 64.
    pub fn of_mask(players: usize, mask: u64) -> Self {
        debug_assert!(players <= 64, "a mask has 64 bits");
        Self { words: vec![mask; players.div_ceil(64)] }
    }

    /// Whether a player takes part.
    pub fn contains(&self, player: usize) -> bool {
        self.words[player / 64] >> (player % 64) & 1 == 1
    }

    /// Lets a player take part.
    pub fn insert(&mut self, player: usize) {
        self.words[player / 64] |= 1 << (player % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_equal_however_they_were_made() {
        for players in [0, 1, 5, 64, 65, 130] {
            let mut filled = Coalition::empty(players);
            (0..players).rev().for_each(|player| filled.insert(player));
            assert_eq!(filled, Coalition::full(players), "{players}");
            assert!((0..players).all(|player| filled.contains(player) && !Coalition::empty(players).contains(player)));
        }
        let some = Coalition::of_mask(5, 0b1_0010);
        assert_eq!((0..5).filter(|player| some.contains(*player)).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(Coalition::of_mask(0, 0), Coalition::empty(0));
    }
}

//! A coalition: a set of players, stored as a bit set.

/// A set of players, numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coalition {
    /// Bit `i % 64` of word `i / 64` is player `i`. Bits past the last player are zero, so that equal sets compare
    /// equal.
    words: Vec<u64>,
}

impl Coalition {
    /// The empty coalition of a game with `players` players.
    pub fn empty(players: usize) -> Self {
        Self { words: vec![0; players.div_ceil(64)] }
    }

    /// The coalition of all players.
    pub fn full(players: usize) -> Self {
        let mut all = Self::empty(players);
        (0..players).for_each(|player| all.insert(player));
        all
    }

    /// The players whose bits are set in `mask`; at most 64 players.
    pub fn of_mask(players: usize, mask: u64) -> Self {
        debug_assert!(players <= 64, "a mask has 64 bits");
        Self { words: vec![mask; players.div_ceil(64)] }
    }

    /// Whether a player is in the coalition.
    pub fn contains(&self, player: usize) -> bool {
        self.words[player / 64] >> (player % 64) & 1 == 1
    }

    /// Adds a player.
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

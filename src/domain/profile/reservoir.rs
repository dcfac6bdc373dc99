//! Reservoir sampling: a uniform sample of a stream of unknown length in bounded memory. Deterministic for a given
//! seed; not cryptographically secure.

use crate::domain::random::SplitMix64;

/// A uniform sample of a stream, drawn by a seeded generator: the same stream gives the same sample.
///
/// Algorithm R (Vitter 1985).
#[derive(Debug)]
pub struct Reservoir<T> {
    room: usize,
    offered: u64,
    generator: SplitMix64,
    kept: Vec<T>,
}

impl<T> Reservoir<T> {
    /// Creates an empty reservoir of capacity `room`. The same seed and stream give the same sample.
    pub fn new(room: usize, seed: u64) -> Self {
        Self { room, offered: 0, generator: SplitMix64::new(seed), kept: Vec::new() }
    }

    /// Offers the next element of the stream; `value` is called only if the element is kept.
    pub fn add_with(&mut self, value: impl FnOnce() -> T) {
        self.offered += 1;
        if self.kept.len() < self.room {
            self.kept.push(value());
            return;
        }
        let place = self.generator.next_below(self.offered);
        if let Some(kept) = usize::try_from(place).ok().and_then(|place| self.kept.get_mut(place)) {
            *kept = value();
        }
    }

    /// The sample so far.
    pub fn items(&self) -> &[T] {
        &self.kept
    }

    /// Returns the sample.
    pub fn into_items(self) -> Vec<T> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::profile::*;

    #[test]
    fn every_part_of_the_stream_is_kept_alike() {
        let mut hits = [0_u32; 4];
        for seed in 0..500 {
            let mut sample = Reservoir::new(8, seed);
            (0..64_usize).for_each(|value| sample.add_with(|| value));
            sample.items().iter().for_each(|value| hits[value / 16] += 1);
        }
        // 4,000 draws over four quarters: five standard errors of 1,000 are about 137.
        assert!(hits.iter().all(|hit| hit.abs_diff(1_000) < 137), "{hits:?}");
    }
}

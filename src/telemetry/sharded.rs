//! Something that many threads write to and few read: a part for each thread, put together when it is read.
//!
//! A line of memory that two processors write to in turns costs each of them more than the counting itself. This file
//! knows only where the parts lie; what they are is for `instrument`.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The most parts: with more threads some share a part, which is right all the same.
const MOST: usize = 8;

static PARTS: LazyLock<usize> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.clamp(1, MOST)
});

/// Threads that have written so far; each begins with the next part.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The part of this thread.
fn place() -> usize {
    PLACE.with(|place| {
        if place.get() == usize::MAX {
            place.set(THREADS.fetch_add(1, Ordering::Relaxed) % *PARTS);
        }
        place.get()
    })
}

/// The parts.
#[derive(Debug)]
pub(super) struct Sharded<T>(Box<[Apart<T>]>);

/// Lies in lines of memory of its own: 64 bytes, and the neighbour that processors fetch with it.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Sharded<T> {
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        Self((0..*PARTS).map(|_| Apart(make())).collect())
    }

    /// The part of this thread.
    pub(super) fn mine(&self) -> &T {
        let place = place();
        // The place is below the number of parts, which is the same for all.
        &self.0[place].0
    }

    /// All parts.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|part| &part.0)
    }
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_threads_write_is_read_together() {
        let count = Sharded::<AtomicUsize>::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * MOST {
                scope.spawn(|| count.mine().fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(count.iter().map(|part| part.load(Ordering::Relaxed)).sum::<usize>(), 3 * MOST);
        let size = size_of::<Apart<AtomicUsize>>();
        assert_eq!(size, 128, "no two parts share a line");
    }
}

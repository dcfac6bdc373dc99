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
const MAX_SHARDS: usize = 8;

static SHARD_COUNT: LazyLock<usize> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.clamp(1, MAX_SHARDS)
});

/// Threads that have written so far; each begins with the next part.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The part of this thread.
fn shard_index() -> usize {
    SHARD.with(|place| {
        if place.get() == usize::MAX {
            place.set(THREADS.fetch_add(1, Ordering::Relaxed) % *SHARD_COUNT);
        }
        place.get()
    })
}

/// The parts.
#[derive(Debug)]
pub(super) struct Sharded<T>(Box<[CachePadded<T>]>);

/// Lies in lines of memory of its own: 64 bytes, and the neighbour that processors fetch with it.
#[derive(Debug)]
#[repr(align(128))]
struct CachePadded<T>(T);

impl<T> Sharded<T> {
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        Self((0..*SHARD_COUNT).map(|_| CachePadded(make())).collect())
    }

    /// The part of this thread.
    pub(super) fn local(&self) -> &T {
        let place = shard_index();
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
            for _ in 0..3 * MAX_SHARDS {
                scope.spawn(|| count.local().fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(count.iter().map(|part| part.load(Ordering::Relaxed)).sum::<usize>(), 3 * MAX_SHARDS);
        let size = size_of::<CachePadded<AtomicUsize>>();
        assert_eq!(size, 128, "no two parts share a line");
    }
}

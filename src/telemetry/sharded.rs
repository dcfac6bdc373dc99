//! A value that many threads write and few read: one shard per thread, combined on read.
//!
//! If two CPUs write to the same cache line in turn, the transfers cost more than the counting itself. This file only
//! places the shards in memory; their content is up to `instrument`.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The maximum number of shards. With more threads some share a shard, which is still correct.
const MAX_SHARDS: usize = 8;

static SHARD_COUNT: LazyLock<usize> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.clamp(1, MAX_SHARDS)
});

/// Number of threads that have written so far; each new thread takes the next shard.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The index of the shard of this thread.
fn shard_index() -> usize {
    SHARD.with(|place| {
        if place.get() == usize::MAX {
            place.set(THREADS.fetch_add(1, Ordering::Relaxed) % *SHARD_COUNT);
        }
        place.get()
    })
}

/// The shards.
#[derive(Debug)]
pub(super) struct Sharded<T>(Box<[CachePadded<T>]>);

/// Aligned to its own cache lines: 64 bytes, and the adjacent line that CPUs prefetch with it.
#[derive(Debug)]
#[repr(align(128))]
struct CachePadded<T>(T);

impl<T> Sharded<T> {
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        Self((0..*SHARD_COUNT).map(|_| CachePadded(make())).collect())
    }

    /// The shard of this thread.
    pub(super) fn local(&self) -> &T {
        let place = shard_index();
        // The index is below the number of shards, which is the same for all instances.
        &self.0[place].0
    }

    /// All shards.
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

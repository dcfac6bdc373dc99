//! What the coordinator publishes: the catalog, and whether everything that was found at start is loaded.

use std::sync::{Condvar, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::catalog::Catalog;

/// The catalog, and whether it is complete.
#[derive(Default)]
pub(super) struct Published {
    pub(super) catalog: ArcSwap<Catalog>,
    settled: Mutex<bool>,
    changed: Condvar,
}

impl Published {
    /// Everything that was found at start is loaded or has failed.
    pub(super) fn set_settled(&self) {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until everything that was found at start is loaded or has failed. Blocks.
    pub(super) fn wait_until_settled(&self) {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(settled, |settled| !*settled).unwrap_or_else(PoisonError::into_inner));
    }
}

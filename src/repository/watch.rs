//! When to list the repository again: when its files change, at an interval, or when somebody asks.

use std::{
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use notify::{
    EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

use super::{
    event::{Event, ReloadReply},
    files::parent_of,
    listing::Lister,
};
use crate::runtime;

/// After a change, further ones are waited for: files rarely change alone.
const QUIET: Duration = Duration::from_millis(50);

/// Why the repository is listed again.
pub(super) enum Wake {
    /// A file changed.
    Changed,
    /// Somebody asks, and wants to know when it is done.
    Asked(Option<ReloadReply>),
    /// The server stops.
    Stop,
}

/// Lists the repository whenever there is a reason, until the server stops.
pub(super) fn watch(
    mut lister: Lister,
    wakes: (mpsc::SyncSender<Wake>, mpsc::Receiver<Wake>),
    interval: Option<Duration>,
    report: impl Fn(Event),
) {
    runtime::lower_thread_priority();
    let (sender, wakes) = wakes;
    let watched = interval.and(lister.source.watched());
    // Dropping the watcher ends the notifications.
    let _watcher = watched.and_then(|path| notifications(&path, sender));
    let mut next = interval.map(|interval| Instant::now() + interval);
    loop {
        let due = [next, lister.next_settled()].into_iter().flatten().min();
        let mut replies = Vec::new();
        let first = match due {
            None => wakes.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => wakes.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let mut reason = match first {
            Ok(reason) => Some(reason),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        while let Some(wake) = reason {
            reason = match wake {
                Wake::Stop => return,
                Wake::Asked(reply) => {
                    replies.extend(reply);
                    wakes.try_recv().ok()
                }
                Wake::Changed => wakes.recv_timeout(QUIET).ok(),
            };
        }
        report(Event::Listed(lister.list(), replies));
        next = interval.map(|interval| Instant::now() + interval);
    }
}

/// Has the operating system announce changes below a path. `None` if it cannot; changes are then found by polling.
fn notifications(path: &Path, sender: mpsc::SyncSender<Wake>) -> Option<notify::RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading a file is no change; the server reads them itself.
        let read = event.as_ref().is_ok_and(
            |event| matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)),
        );
        if !read {
            // If there is no room, the repository is about to be listed anyway.
            let _ = sender.try_send(Wake::Changed);
        }
    };
    let watching = notify::recommended_watcher(handler).and_then(|mut watcher| {
        if path.is_file() {
            // A file that is replaced by a rename is noticed only in its directory.
            watcher.watch(parent_of(path), RecursiveMode::NonRecursive)?;
        } else {
            watcher.watch(path, RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    });
    watching.map_err(|error| tracing::debug!(%error, path = %path.display(), "changes are found by polling only")).ok()
}

//! When to list the repository again: when its files change, at an interval, or when somebody asks.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
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

/// How long further changes are waited for at most, so that a file that is written all the time hides nothing.
const MAX_QUIET_WAIT: Duration = Duration::from_secs(1);

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
    let pending = Arc::new(AtomicBool::new(false));
    let _watcher = watched.and_then(|path| notifications(&path, sender, Arc::clone(&pending)));
    let mut next = interval.map(|interval| Instant::now() + interval);
    loop {
        let due = [next, lister.next_settled()].into_iter().flatten().min();
        let first = match due {
            None => wakes.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => wakes.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let first = match first {
            Ok(reason) => Some(reason),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        let Some(replies) = gather(first, &wakes, &pending) else { return };
        report(Event::Listed(lister.list(), replies));
        next = interval.map(|interval| Instant::now() + interval);
    }
}

/// Collects the reasons that come with the first one. Returns who asked, or `None` if the server stops.
fn gather(first: Option<Wake>, wakes: &mpsc::Receiver<Wake>, pending: &AtomicBool) -> Option<Vec<ReloadReply>> {
    let latest = Instant::now() + MAX_QUIET_WAIT;
    let (mut replies, mut reason) = (Vec::new(), first);
    while let Some(wake) = reason {
        match wake {
            Wake::Stop => return None,
            Wake::Asked(reply) => {
                replies.extend(reply);
                reason = wakes.try_recv().ok();
            }
            Wake::Changed => {
                pending.store(false, Ordering::Release);
                let left = latest.saturating_duration_since(Instant::now());
                reason = if left.is_zero() { None } else { wakes.recv_timeout(QUIET.min(left)).ok() };
            }
        }
    }
    Some(replies)
}

/// Has the operating system announce changes below a path. `None` if it cannot; changes are then found by polling.
/// At most one change is `pending`, so that there is room for those who ask.
fn notifications(
    path: &Path,
    sender: mpsc::SyncSender<Wake>,
    pending: Arc<AtomicBool>,
) -> Option<notify::RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading a file is no change; the server reads them itself.
        let read = event.as_ref().is_ok_and(
            |event| matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)),
        );
        if !read && !pending.swap(true, Ordering::AcqRel) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_all_the_time_hides_nothing() {
        let (sender, wakes) = mpsc::sync_channel(1);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = sender.try_send(Wake::Changed);
                }
            });
            let (reply, _outcome) = tokio::sync::oneshot::channel();
            let found = gather(Some(Wake::Asked(Some(reply))), &wakes, &AtomicBool::new(true));
            done.store(true, Ordering::Relaxed);
            assert_eq!(found.map(|replies| replies.len()), Some(1));
        });
    }

    #[test]
    fn a_server_that_stops_lists_nothing_more() {
        let (sender, wakes) = mpsc::sync_channel(1);
        sender.send(Wake::Stop).expect("room");
        assert!(gather(Some(Wake::Changed), &wakes, &AtomicBool::new(true)).is_none());
        assert_eq!(gather(None, &wakes, &AtomicBool::new(true)).map(|replies| replies.len()), Some(0));
    }
}

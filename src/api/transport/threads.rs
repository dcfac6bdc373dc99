//! Threads that serve connections. Each has its own runtime, and a connection stays on its thread.
//!
//! Threads that share a runtime wake each other at every event to look for work that is rarely there, which on few CPUs
//! costs more than reading the request. Instead, each connection is assigned to the thread with the fewest connections.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use super::busy_poll::BusyPoll;
use crate::lifecycle::Shutdown;

/// Threads to serve on; those that were started end when this is dropped.
#[derive(Debug)]
pub struct ServerThreads {
    first: ServerThread,
    others: Vec<ServerThread>,
}

#[derive(Debug)]
struct ServerThread {
    runtime: Handle,
    /// Number of connections on the thread.
    open: Arc<AtomicUsize>,
    busy_poll: Arc<BusyPoll>,
    /// Ends the thread when dropped; `None` if the thread was not started here.
    _end: Option<oneshot::Sender<()>>,
}

/// Counts a connection on a thread until dropped.
struct ConnectionGuard(Arc<AtomicUsize>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerThreads {
    /// Starts `count` threads, at least one. Each polls for its next request for `busy_poll` before it sleeps.
    ///
    /// # Errors
    /// Returns the OS error if a thread cannot be started.
    pub fn start(count: usize, busy_poll: Duration) -> io::Result<Self> {
        let others = (1..count).map(|_| ServerThread::start(busy_poll));
        Ok(Self { first: ServerThread::start(busy_poll)?, others: others.collect::<io::Result<_>>()? })
    }

    /// Serves on the current runtime instead of starting threads.
    pub fn current_runtime() -> Self {
        let busy_poll = Arc::new(BusyPoll::new(Duration::ZERO));
        let first = ServerThread { runtime: Handle::current(), open: Arc::default(), busy_poll, _end: None };
        Self { first, others: Vec::new() }
    }

    /// Serves a connection on the thread with the fewest connections, in a task that the shutdown waits for.
    pub(super) fn spawn<F>(&self, shutdown: &Shutdown, connection: impl FnOnce(Arc<BusyPoll>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let thread = self
            .others
            .iter()
            .fold(&self.first, |least, thread| if thread.open() < least.open() { thread } else { least });
        thread.open.fetch_add(1, Ordering::Relaxed);
        let seat = ConnectionGuard(Arc::clone(&thread.open));
        let connection = connection(Arc::clone(&thread.busy_poll));
        shutdown.spawn_on(&thread.runtime, async move {
            connection.await;
            drop(seat);
        });
    }
}

impl ServerThread {
    fn start(busy_poll: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let busy_poll = Arc::new(BusyPoll::new(busy_poll));
        let awake = Arc::clone(&busy_poll);
        // Ends with the runtime. Spawned as a task, because waking the future of `block_on` costs a system call.
        runtime.spawn(async move { awake.poll_loop().await });
        let serve = move || {
            // The sender never sends; dropping it ends the wait.
            let _ = runtime.block_on(ended);
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(Self { runtime: handle, open: Arc::default(), busy_poll, _end: Some(end) })
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::sync::{mpsc, watch};

    use super::*;

    /// Opens a connection that lasts until `end` is set; returns the thread that it runs on.
    async fn open(threads: &ServerThreads, shutdown: &Shutdown, end: &watch::Sender<bool>) -> ThreadId {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut ended = end.subscribe();
        threads.spawn(shutdown, |_| async move {
            sender.send(std::thread::current().id()).await.expect("the test waits");
            ended.wait_for(|ended| *ended).await.expect("the test says when");
        });
        receiver.recv().await.expect("it runs")
    }

    #[tokio::test]
    async fn connections_go_where_there_are_fewest() {
        let (threads, shutdown) = (ServerThreads::start(2, Duration::ZERO).expect("threads"), Shutdown::default());
        let (first, second) = (watch::Sender::new(false), watch::Sender::new(false));
        let one = open(&threads, &shutdown, &first).await;
        let other = open(&threads, &shutdown, &second).await;
        assert_ne!(one, other);
        assert_eq!(open(&threads, &shutdown, &second).await, one, "both have one: the first takes it");
        assert_eq!(open(&threads, &shutdown, &second).await, other);
        second.send_replace(true);
        while threads.others[0].open() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(open(&threads, &shutdown, &first).await, other, "the first still has one");
        first.send_replace(true);
        shutdown.wait_for_tasks().await;
        assert_eq!(threads.first.open() + threads.others[0].open(), 0);
    }
}

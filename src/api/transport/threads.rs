//! The threads that serve connections. Each has a runtime of its own, and a connection stays with its thread.
//!
//! Threads that share a runtime wake each other at every event, to look for work that is rarely there. On few processors
//! that costs a request more than reading it. So connections are dealt out, each to the thread that has the fewest.

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
    /// How many connections it has.
    open: Arc<AtomicUsize>,
    busy_poll: Arc<BusyPoll>,
    /// Dropped, it ends the thread; none where the thread is not ours.
    _end: Option<oneshot::Sender<()>>,
}

/// A connection's place on a thread, given back when dropped.
struct ConnectionGuard(Arc<AtomicUsize>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerThreads {
    /// Starts so many threads, at least one; each looks for its next request for `busy_poll` before it sleeps.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn start(count: usize, busy_poll: Duration) -> io::Result<Self> {
        let others = (1..count).map(|_| ServerThread::start(busy_poll));
        Ok(Self { first: ServerThread::start(busy_poll)?, others: others.collect::<io::Result<_>>()? })
    }

    /// No threads of their own: the runtime that this is called on.
    pub fn current_runtime() -> Self {
        let busy_poll = Arc::new(BusyPoll::new(Duration::ZERO));
        let first = ServerThread { runtime: Handle::current(), open: Arc::default(), busy_poll, _end: None };
        Self { first, others: Vec::new() }
    }

    /// Serves a connection on the thread that has the fewest, in a task that the shutdown waits for.
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
        // Ends with the runtime. A task, because it costs a call of the system to wake what the thread blocks on.
        runtime.spawn(async move { awake.poll_loop().await });
        let serve = move || {
            // The sender never sends; it ends the wait by going away.
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

    /// Opens a connection that lasts until it is told to end; gives the thread that it is on.
    async fn open(threads: &ServerThreads, shutdown: &Shutdown, end: &watch::Sender<bool>) -> ThreadId {
        let (tell, mut told) = mpsc::channel(1);
        let mut ended = end.subscribe();
        threads.spawn(shutdown, |_| async move {
            tell.send(std::thread::current().id()).await.expect("the test waits");
            ended.wait_for(|ended| *ended).await.expect("the test says when");
        });
        told.recv().await.expect("it runs")
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

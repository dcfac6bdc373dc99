//! Writes log lines to their sink on a dedicated thread.
//!
//! A request must not block on a pipe, so lines are collected in a bounded buffer and written together. If the sink is
//! too slow, lines are dropped, counted and reported. This file does not format lines.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

use super::instrument::Counter;

/// The maximum number of buffered bytes: about half a second of lines at 20 000 requests a second.
const MAX_BUFFERED_BYTES: usize = 4 << 20;
/// At this many buffered bytes the writer is woken immediately instead of after the flush interval.
const WAKE_THRESHOLD: usize = MAX_BUFFERED_BYTES / 4;
/// How long the writer collects lines: too short to be noticed, long enough that one write and one wake-up serve many
/// lines.
const FLUSH_INTERVAL: Duration = Duration::from_millis(10);
/// How long a flush waits for a blocked sink.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The sending half: accepts lines and never blocks on the sink.
#[derive(Debug, Clone)]
pub(super) struct LogWriter(Arc<WriterShared>);

#[derive(Debug, Default)]
struct WriterShared {
    state: Mutex<WriterState>,
    wake: Condvar,
    written: Condvar,
    dropped: Arc<Counter>,
}

#[derive(Debug, Default)]
struct WriterState {
    pending: Vec<u8>,
    /// Write immediately: a flush is waiting, or a line is a warning.
    urgent: bool,
    /// The thread has taken bytes that it has not written yet.
    writing: bool,
    closed: bool,
}

/// The writer thread. On drop, writes the remaining lines and ends the thread.
#[derive(Debug)]
pub(super) struct WriterThread {
    shared: Arc<WriterShared>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<(Self, WriterThread)> {
        let shared = Arc::new(WriterShared::default());
        let far = Arc::clone(&shared);
        let thread = Builder::new().name("candor-log".into());
        let thread = thread.spawn(move || far.write_loop(sink))?;
        let near = Self(Arc::clone(&shared));
        let thread = Some(thread);
        Ok((near, WriterThread { shared, thread }))
    }

    /// Adds one whole line, to be written after the flush interval.
    pub(super) fn add(&self, line: &[u8]) {
        self.0.add(line, false);
    }
}

impl WriterThread {
    /// Waits at most two seconds until every line so far is written. Returns whether they are.
    pub(super) fn flush(&self) -> bool {
        let mut state = self.shared.lock();
        state.urgent = true;
        self.shared.wake.notify_one();
        let waits = |state: &mut WriterState| state.writing || !state.pending.is_empty();
        let waited = self.shared.written.wait_timeout_while(state, FLUSH_TIMEOUT, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The counter of lines dropped because the sink is too slow or fails.
    pub(super) fn dropped(&self) -> Arc<Counter> {
        Arc::clone(&self.shared.dropped)
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        let written = self.flush();
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        // If the thread hangs in a write, leave it to the end of the process.
        if let Some(thread) = self.thread.take().filter(|_| written) {
            // The panic hook has already reported a panic of the thread.
            let _ = thread.join();
        }
    }
}

impl WriterShared {
    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], urgent: bool) {
        let mut state = self.lock();
        if state.closed || state.pending.len() + line.len() > MAX_BUFFERED_BYTES {
            drop(state);
            self.dropped.inc();
            return;
        }
        let before = state.pending.len();
        state.pending.extend_from_slice(line);
        let full = before < WAKE_THRESHOLD && state.pending.len() >= WAKE_THRESHOLD;
        state.urgent |= urgent || full;
        drop(state);
        if before == 0 || urgent || full {
            self.wake.notify_one();
        }
    }

    fn write_loop(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        let mut reported = 0;
        while self.take(&mut batch) {
            // The error cannot be logged; the metric counts the lines.
            let lost = sink.write_all(&batch).and_then(|()| sink.flush()).is_err();
            if lost {
                self.dropped.add(batch.split_inclusive(|byte| *byte == b'\n').count() as u64);
            }
            batch.clear();
            let mut state = self.lock();
            state.writing = false;
            drop(state);
            self.written.notify_all();
            let dropped = self.dropped.get();
            // Do not report lost lines while the log cannot be written: the report itself would be lost with each
            // batch, endlessly.
            if dropped > reported && !lost {
                let lines = dropped - reported;
                tracing::warn!(lines, "log lines were dropped because the log is read too slowly");
                reported = dropped;
            }
        }
    }

    /// Waits for lines and takes all of them. Returns false when the writer is closed and no lines are left.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let empty = |state: &mut WriterState| state.pending.is_empty() && !state.closed;
        let state = self.wake.wait_while(self.lock(), empty);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let calm = |state: &mut WriterState| !state.urgent && !state.closed;
        let waited = self.wake.wait_timeout_while(state, FLUSH_INTERVAL, calm);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut state.pending, batch);
        state.urgent = false;
        state.writing = !batch.is_empty();
        state.writing
    }
}

/// Writes one line; the formatter passes it in one piece.
pub(super) struct LineWriter<'a> {
    shared: &'a WriterShared,
    urgent: bool,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { shared: &self.0, urgent: false }
    }

    fn make_writer_for(&'a self, about: &tracing::Metadata<'_>) -> LineWriter<'a> {
        LineWriter { shared: &self.0, urgent: *about.level() <= tracing::Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::mpsc::{Receiver, SyncSender, sync_channel},
    };

    use super::{super::captured_log::CapturedLog, LogWriter, MAX_BUFFERED_BYTES, MakeWriter};

    #[test]
    fn lines_arrive_in_order_by_the_time_of_a_flush_and_of_the_end() {
        let kept = CapturedLog::default();
        let (writer, thread) = LogWriter::start(kept.clone()).expect("a thread starts");
        let mut wanted = String::new();
        let text = || String::from_utf8(kept.bytes());
        for n in 0..1000 {
            let line = format!("line {n}\n");
            wanted.push_str(&line);
            let written = writer.make_writer().write_all(line.as_bytes());
            written.expect("a line is always taken");
        }
        assert!(thread.flush());
        assert_eq!(text().expect("it is text"), wanted);
        let last = writer.make_writer().write_all(b"last\n");
        last.expect("a line is always taken");
        assert_eq!(thread.dropped().get(), 0);
        drop(thread);
        assert_eq!(text().expect("it is text"), wanted + "last\n");
    }

    /// Blocks until it receives a message.
    struct Slow(Receiver<()>, SyncSender<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.try_send(());
            // An error means that the test is over.
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_sink_costs_lines_and_not_time() {
        let (go, told) = sync_channel(0);
        let (at, seen) = sync_channel(1);
        let (writer, thread) = LogWriter::start(Slow(told, at)).expect("a thread starts");
        let add = |bytes: usize| writer.make_writer().write_all(&vec![b'x'; bytes]);
        add(1).expect("a line is always taken");
        seen.recv().expect("the sink is called");
        // The sink hangs now, and the buffer is empty.
        add(MAX_BUFFERED_BYTES).expect("a line is always taken");
        assert_eq!(thread.dropped().get(), 0);
        add(1).expect("a line is always taken");
        assert_eq!(thread.dropped().get(), 1);
        drop(go);
        drop(thread);
    }

    /// Fails every write.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (writer, thread) = LogWriter::start(Full).expect("a thread starts");
        writer.add(b"one\ntwo\n");
        assert!(thread.flush());
        assert_eq!(thread.dropped().get(), 2);
    }
}

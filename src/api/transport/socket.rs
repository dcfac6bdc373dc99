//! A client's socket, which hides a half-close from hyper. An HTTP/1 client may close its sending side after its
//! request, but hyper would then drop the request: the end of the stream is withheld until the response is written.
//!
//! A client that is gone altogether looks the same until something is written to it. If the response takes long, an
//! interim response (102 Processing, which HTTP/1.1 clients ignore) is written: if the client is gone, its host resets
//! the connection, and the work for it is cancelled.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::connection::Connection;

/// How long a response may take before its client is probed, and the interval of the probes after that.
const FIRST_PROBE: Duration = Duration::from_secs(1);
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

const INTERIM: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

pub(super) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// Whether the end of the stream was seen and withheld once: the bytes before it may be a request that has not
    /// begun, or the last bytes of one, not yet read.
    ended: bool,
    /// Timer for probing a client that has closed its sending side, and whether an interim response was written to it.
    probe: Option<(Pin<Box<Sleep>>, bool)>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, ended: false, probe: None }
    }

    /// Returns an error as soon as the client turns out to be gone.
    fn poll_disconnected(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (at, sent) = self.probe.get_or_insert_with(|| (Box::pin(sleep(FIRST_PROBE)), false));
        while at.as_mut().poll(context).is_ready() {
            if *sent {
                self.stream.take_error()?.map_or(Ok(()), Err)?;
            } else if self.connection.takes_interim() {
                // Writes all of it, or nothing if the socket is full: the client is not reading then.
                let _ = self.stream.try_write(INTERIM);
                *sent = true;
            }
            at.as_mut().reset(Instant::now() + PROBE_INTERVAL);
        }
        Poll::Pending
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        ready!(Pin::new(&mut socket.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            socket.connection.bytes_arrived();
        }
        let is_end = room > 0 && buffer.filled().len() == before;
        if is_end && socket.connection.holds_end(context.waker()) {
            return socket.poll_disconnected(context);
        }
        socket.probe = None;
        if is_end && !std::mem::replace(&mut socket.ended, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // hyper flushes once it has written everything that it holds.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, connection, .. } = self.get_mut();
        ready!(Pin::new(stream).poll_flush(context))?;
        connection.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

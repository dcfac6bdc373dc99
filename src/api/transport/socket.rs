//! A client's socket. A client of HTTP/1 may close its sending side after its request: the end of the stream is then kept
//! from the protocol library, which would drop the request, until the answer is written.
//!
//! A client that is gone altogether looks the same until something is written to it. So where the answer takes long, an
//! interim one is written (102 Processing, which clients of HTTP/1.1 pass over): a client that is gone resets the
//! connection, and what is under way for it is cancelled.

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

/// How long an answer may take before it is found out whether its client is still there; and how often after that.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

const INTERIM: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

pub(super) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// Whether the end of the stream was seen, and once kept back: what came before it may be a request that is not yet
    /// begun, or its last bytes not yet read.
    ended: bool,
    /// When to look for the client that has closed its sending side, and whether an interim answer was written to it.
    look: Option<(Pin<Box<Sleep>>, bool)>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, ended: false, look: None }
    }

    /// An error as soon as the client turns out to be gone.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (at, asked) = self.look.get_or_insert_with(|| (Box::pin(sleep(FIRST_LOOK)), false));
        while at.as_mut().poll(context).is_ready() {
            if *asked {
                self.stream.take_error()?.map_or(Ok(()), Err)?;
            } else if self.connection.takes_interim() {
                // All of it or, where the socket is full, nothing: the client is not reading then.
                let _ = self.stream.try_write(INTERIM);
                *asked = true;
            }
            at.as_mut().reset(Instant::now() + LOOK_EVERY);
        }
        Poll::Pending
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        ready!(Pin::new(&mut socket.stream).poll_read(context, buffer))?;
        let is_end = room > 0 && buffer.filled().len() == before;
        if is_end && socket.connection.holds_end(context.waker()) {
            return socket.poll_gone(context);
        }
        socket.look = None;
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

    // The protocol library flushes when it has written all that it holds.
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

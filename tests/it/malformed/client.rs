//! A client that sends any bytes, and parses the responses one by one.

use std::{
    fmt,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use crate::support::{http_client::Reply, wait::TEST_TIMEOUT};

/// What the client does after its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Waits for the response.
    Wait,
    /// Closes its sending side and reads to the end.
    HalfClose,
    /// Disconnects.
    Leave,
}

/// Everything that was received.
#[derive(Default)]
pub(super) struct Answer {
    /// The complete responses.
    pub(super) replies: Vec<Reply>,
    /// Bytes that are not a complete response.
    pub(super) rest: Vec<u8>,
    /// Whether the server closed the connection.
    pub(super) closed: bool,
    /// Whether nothing was received until the timeout.
    pub(super) hung: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = [(self.closed, "closed"), (self.hung, "hung")];
        for reply in &self.replies {
            write!(formatter, "{} {} ", reply.status, String::from_utf8_lossy(&reply.body))?;
        }
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.rest[..self.rest.len().min(200)]))?;
        end.iter().filter(|(so, _)| *so).try_for_each(|(_, word)| write!(formatter, " {word}"))
    }
}

impl Answer {
    pub(super) fn first(&self) -> Option<&Reply> {
        self.replies.first()
    }

    /// Removes complete responses from the front of the buffer.
    fn split(&mut self) {
        while let Some(end) = end_of_answer(&self.rest) {
            let rest = self.rest.split_off(end);
            let Some(reply) = Reply::parse(&self.rest) else { return };
            // 100 Continue precedes the final response.
            if reply.status >= 200 {
                self.replies.push(reply);
            }
            self.rest = rest;
        }
    }
}

/// A connection on which something was sent.
pub(super) struct Sent(TcpStream);

/// Connects and sends. A server that rejects early may close the connection before everything is sent.
pub(super) fn send(address: SocketAddr, bytes: &[u8], ending: Ending) -> Sent {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    stream.set_write_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let _ = stream.write_all(bytes);
    if ending == Ending::HalfClose {
        let _ = stream.shutdown(Shutdown::Write);
    }
    Sent(stream)
}

impl Sent {
    /// Sends one more byte; false if the server has closed the connection.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        self.0.write_all(&[byte]).is_ok()
    }

    /// Reads until there is a response or the connection ends; with `to_the_end` always until it ends.
    pub(super) fn read(mut self, to_the_end: bool) -> Answer {
        let mut answer = Answer::default();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => answer.closed = true,
                Ok(count) => answer.rest.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    answer.hung = true;
                }
                // A reset: the server closed the connection before it had read everything.
                Err(_) => answer.closed = true,
            }
            answer.split();
            let whole_answer = answer.rest.is_empty() && !answer.replies.is_empty();
            if answer.closed || answer.hung || (whole_answer && !to_the_end) {
                return answer;
            }
        }
    }
}

/// The end of the first response, once it is complete. Our responses have a length, or no body.
fn end_of_answer(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let status = text.strip_prefix("HTTP/1.")?.get(2..5)?;
    let mut length = 0;
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") && !status.starts_with('1') {
            length = value.trim().parse().ok()?;
        }
    }
    (bytes.len() >= head + length).then_some(head + length)
}

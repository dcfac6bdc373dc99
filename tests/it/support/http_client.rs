//! HTTP/1.1 clients on plain sockets: one request per connection, or a connection that is kept.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::support::wait::TEST_TIMEOUT;

/// Sends bytes on a new connection and reads until the server closes it, or until [`TEST_TIMEOUT`]. With `half_close`
/// the sending side is closed first.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8], half_close: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    // A server that rejects early may close the connection before everything is sent.
    let _ = stream.write_all(bytes);
    if half_close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A parsed HTTP response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Parses an HTTP/1.1 response; chunked bodies are joined.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
            body = unchunk(&body);
        }
        Some(Self { status, headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && bytes.len() >= end + 4 + size) else { break };
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    body
}

/// How a connection ended without a complete response.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Before the first byte of a response: the server did not read the request.
    Unanswered,
    /// After these bytes of the response.
    Inside(Vec<u8>),
}

/// A keep-alive connection.
pub(crate) struct KeepAliveClient(TcpStream);

impl KeepAliveClient {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TEST_TIMEOUT))?;
        Ok(Self(stream))
    }

    /// Sends bytes. Errors are ignored: the next read shows that the peer has closed.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads the `100 Continue` response.
    pub(crate) fn expect_continue(&mut self) {
        let mut words = [0; 25];
        self.0.read_exact(&mut words).expect("100 Continue");
        assert_eq!(&words, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Sends a request and reads its complete response.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Reply, Ended> {
        self.send(request);
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the server hangs"),
                _ if bytes.is_empty() => return Err(Ended::Unanswered),
                _ => return Err(Ended::Inside(bytes)),
            }
            if let Some(reply) = Reply::parse(&bytes)
                && reply.header("content-length") == Some(&reply.body.len().to_string())
            {
                return Ok(reply);
            }
        }
    }

    /// Waits for the end of the connection; true if it is closed without data and without a reset.
    pub(crate) fn ends_cleanly(mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0))
    }
}

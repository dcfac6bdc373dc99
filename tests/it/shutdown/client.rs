//! A client that keeps its connection, and tells apart how a connection ends.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::harness::{PATIENCE, Reply};

/// How a connection ended instead of an answer.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Before the first byte of an answer: the server did not take the request.
    Unanswered,
    /// After these bytes of it.
    Inside(Vec<u8>),
}

/// A connection for one request after another.
pub(crate) struct Kept(TcpStream);

impl Kept {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends bytes; that the other side is gone shows when it is read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads the words that ask for the body.
    pub(crate) fn expect_continue(&mut self) {
        let mut words = [0; 25];
        self.0.read_exact(&mut words).expect("100 Continue");
        assert_eq!(&words, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Sends a request and reads its whole answer.
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

    /// Waits for the end; true when it comes without a byte and without a reset.
    pub(crate) fn ends_cleanly(mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0))
    }
}

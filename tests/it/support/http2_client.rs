//! An HTTP/2 client at the level of frames, which can do what libraries do not allow.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::support::wait::TEST_TIMEOUT;

pub(crate) const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection (frames: RFC 9113, section 4.1).
pub(crate) struct Frames(TcpStream);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frames {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::with_settings(address, &[])
    }

    /// The same with settings: pairs of identifier and value (RFC 9113, section 6.5.2).
    pub(crate) fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        let mut frames = Self(stream);
        let pair = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        frames.send(SETTINGS, 0, 0, &settings.iter().flat_map(pair).collect::<Vec<u8>>());
        frames
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // The server may have closed the connection.
        let _ = self.0.write_all(&[&head, payload].concat());
    }

    /// Sends a GET request.
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        self.head(stream, END_HEADERS | END_STREAM, &[(":method", "GET"), (":path", path)]);
    }

    /// Begins a POST to /predict; the body follows.
    pub(crate) fn begin(&mut self, stream: u32) {
        let fields = [(":method", "POST"), (":path", "/predict"), ("content-type", "application/json")];
        self.head(stream, END_HEADERS, &fields);
    }

    /// Sends a header block whose fields are literals without indexing (RFC 7541, section 6.2.2).
    fn head(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) {
        let mut block = Vec::new();
        let always = [(":scheme", "http"), (":authority", "test")];
        // Pseudo-header fields come first.
        let (pseudo, others): (Vec<_>, Vec<_>) =
            always.iter().chain(fields).partition(|(name, _)| name.starts_with(':'));
        for (name, value) in pseudo.into_iter().chain(others) {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).expect("a short text"));
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.send(HEADERS, flags, stream, &block);
    }

    pub(crate) fn next(&mut self) -> Frame {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).expect("a frame's payload");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Frame { kind: head[3], flags: head[4], stream, payload }
    }

    /// Whether the server closes the connection; frames before that are ignored.
    pub(crate) fn closes_in_the_end(mut self) -> bool {
        std::io::copy(&mut self.0, &mut std::io::sink())
            .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
    }

    /// Reads until the body of a stream's response is complete, and collects the pings received on the way.
    pub(crate) fn answer(&mut self, stream: u32, pings: &mut Vec<Vec<u8>>) -> String {
        let mut body = Vec::new();
        loop {
            let frame = self.next();
            match frame.kind {
                PING if frame.flags & ACK == 0 => pings.push(frame.payload),
                DATA if frame.stream == stream => {
                    body.extend_from_slice(&frame.payload);
                    if frame.flags & END_STREAM != 0 {
                        return String::from_utf8(body).expect("UTF-8");
                    }
                }
                _ => {}
            }
        }
    }
}

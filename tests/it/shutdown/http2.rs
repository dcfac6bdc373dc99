//! What HTTP/2 shows of the way down: a connection that is kept for a stream in flight turns new streams away.
//!
//! In HTTP/1 a connection ends with its last answer, so that there nobody is told `draining` but by a close call.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
};

use super::{GOOD, patient, wait_until_closing};
use crate::harness::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection, frame by frame (RFC 9113, section 4.1).
struct Frames(TcpStream);

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).expect("sent");
    }

    /// Begins a POST to /predict, its fields as literals that no table keeps (RFC 7541, section 6.2.2).
    fn begin(&mut self, stream: u32) {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/predict"),
            (":authority", "test"),
            ("content-type", "application/json"),
        ];
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).expect("a short text"));
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.send(HEADERS, END_HEADERS, stream, &block);
    }

    fn next(&mut self) -> Frame {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).expect("a frame's payload");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Frame { kind: head[3], flags: head[4], stream, payload }
    }

    /// Reads until the data of a stream's answer, and keeps the pings met on the way.
    fn answer(&mut self, stream: u32, pings: &mut Vec<Vec<u8>>) -> String {
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

#[test]
fn new_streams_are_turned_away_and_the_old_one_is_finished() {
    let (_models, server) = patient();
    let address = server.address;
    let mut frames = Frames::open(address);
    let mut pings = Vec::new();
    // The second stream is answered after the first was begun: both are with the server then.
    frames.begin(1);
    frames.send(DATA, 0, 1, &GOOD.as_bytes()[..10]);
    frames.begin(3);
    frames.send(DATA, END_STREAM, 3, GOOD.as_bytes());
    assert!(frames.answer(3, &mut pings).contains(r#""prediction":"churn""#));

    let drained = thread::spawn(move || server.drain());
    wait_until_closing(address);
    // Until its ping is answered, the server cannot know which streams the client began before it heard of the end.
    while pings.is_empty() {
        let frame = frames.next();
        if frame.kind == PING && frame.flags & ACK == 0 {
            pings.push(frame.payload);
        }
    }
    frames.begin(5);
    frames.send(DATA, END_STREAM, 5, GOOD.as_bytes());
    let refused = frames.answer(5, &mut pings);
    assert!(refused.contains(r#""code":"draining""#), "{refused}");

    frames.send(DATA, END_STREAM, 1, &GOOD.as_bytes()[10..]);
    let answered = frames.answer(1, &mut pings);
    assert!(answered.contains(r#""prediction":"churn""#), "{answered}");
    for ping in pings {
        frames.send(PING, ACK, 0, &ping);
    }
    assert!(drained.join().expect("a drain"), "everything was finished");
}

//! Bytes of other protocols, and several requests in one write.

use Expect::{Closed, EmptyBody, Frames, Sequence};

use super::{Case, Expect, GOOD, request};

/// The connection preface of HTTP/2 (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An empty SETTINGS frame.
pub(super) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = others();
    cases.extend(frames());
    cases.extend(pipelined());
    cases
}

/// Bytes that begin neither as HTTP/1 nor as HTTP/2.
fn others() -> Vec<Case> {
    let hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\
                  \x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x00\x00\x04\x13\x01\x13\x02\x01\x00";
    let hello = [&hello[..], &[0; 200]].concat();
    vec![
        Case::new("a TLS hello", hello, EmptyBody(400)),
        Case::new("one NUL", "\0", EmptyBody(400)),
        Case::new("a kilobyte of NUL", [0; 1024], EmptyBody(400)),
        Case::new("a kilobyte of 255", [255; 1024], EmptyBody(400)),
        Case::new("an SSH banner", "SSH-2.0-OpenSSH_9.9\r\n", EmptyBody(400)),
        Case::new("a mail server's greeting", "EHLO example.org\r\n", EmptyBody(400)),
        Case::new("a Redis command", "*1\r\n$4\r\nPING\r\n", EmptyBody(400)),
        Case::new("a memcached command", "get features\r\n", EmptyBody(400)),
        Case::new("a PROXY line", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", EmptyBody(400)),
        Case::new("an answer instead of a request", "HTTP/1.1 200 OK\r\n\r\n", EmptyBody(400)),
        Case::new("a body without a head", format!("{GOOD}\r\n\r\n"), EmptyBody(400)),
        Case::new("line ends only", "\r\n\r\n\r\n", Closed).half_closed(),
    ]
}

/// Bytes that begin as HTTP/2 and continue as something else.
fn frames() -> Vec<Case> {
    let after = |bytes: &[u8]| [PREFACE, bytes].concat();
    let settled = |bytes: &[u8]| [PREFACE, SETTINGS, bytes].concat();
    vec![
        Case::new("HTTP/2, half the preface", &PREFACE[..10], Closed).half_closed(),
        Case::new("HTTP/2, the preface only", PREFACE, Frames).half_closed(),
        Case::new("HTTP/2, a preface in lower case", PREFACE.to_ascii_lowercase(), EmptyBody(400)),
        Case::new("HTTP/2, garbage behind the preface", after(&[0xff; 100]), Frames),
        Case::new("HTTP/2, HTTP/1 behind the preface", after(&request("/predict", "", GOOD.as_bytes())), Frames),
        Case::new("HTTP/2, a frame of 16 MB", settled(&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), Frames),
        Case::new("HTTP/2, data before a head", settled(&[0, 0, 1, 0, 0, 0, 0, 0, 1, 0]), Frames),
        Case::new("HTTP/2, a head that cannot be unpacked", settled(&[0, 0, 2, 1, 4, 0, 0, 0, 1, 0xff, 0xff]), Frames),
        Case::new("HTTP/2, a head on stream 0", settled(&[0, 0, 1, 1, 4, 0, 0, 0, 0, 0x82]), Frames),
        Case::new("HTTP/2, a head on an even stream", settled(&[0, 0, 1, 1, 4, 0, 0, 0, 2, 0x82]), Frames),
        Case::new(
            "HTTP/2, a head that goes on as data",
            settled(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            Frames,
        ),
        Case::new("HTTP/2, settings of a wrong size", after(&[0, 0, 1, 4, 0, 0, 0, 0, 0, 0]), Frames),
        Case::new("HTTP/2, a window of none", settled(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Frames),
        Case::new("HTTP/2, gone after the preface", PREFACE, Expect::Nothing).left(),
    ]
}

/// Good and bad requests in one write: each well-framed one is answered, and nothing after a badly framed one.
fn pipelined() -> Vec<Case> {
    let good = request("/predict", "", GOOD.as_bytes());
    let bad = request("/predict", "", b"{");
    let last = request("/predict", "connection: close\r\n", GOOD.as_bytes());
    let unframed = b"POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: x\r\n\r\n{}";
    let of =
        |name: &str, parts: &[&[u8]], statuses: &'static [u16]| Case::new(name, parts.concat(), Sequence(statuses));
    vec![
        of("good, bad, good", &[&good, &bad, &last], &[200, 400, 200]),
        of("bad, bad, bad, good", &[&bad, &bad, &bad, &last], &[400, 400, 400, 200]),
        of("good, unframed, good", &[&good, unframed, &last], &[200, 400]),
        of("the last, and more", &[&last, &good, &good], &[200]),
        of("line ends between", &[&good, b"\r\n", &last], &[200, 200]),
        of("good, and garbage", &[&good, &[0xff; 50]], &[200, 400]),
        of("seven bad ones, good", &[&bad.repeat(7), &last], &[400, 400, 400, 400, 400, 400, 400, 200]),
    ]
}

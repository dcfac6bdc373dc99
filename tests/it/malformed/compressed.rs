//! Bodies that do not match their Content-Encoding, or that decompress to far more than their size.

use std::io::Write as _;

use Expect::Problem;
use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::{Case, Expect, GOOD, MALFORMED, request};

const ENCODING: Expect = Problem(415, "unsupported_encoding");
const LARGE: Expect = Problem(413, "body_too_large");

/// The decompressed size of the bombs.
const BOMB_BYTES: usize = 10_000_000;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("written to memory");
    encoder.finish().expect("written to memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(bytes, 19).expect("compressed in memory")
}

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let bodies = gzip_bodies().into_iter().chain(zstd_bodies());
    let mut cases: Vec<Case> = bodies
        .map(|(name, encoding, body, expect)| {
            let line = format!("content-encoding: {encoding}\r\n");
            Case::new(name, request("/predict", &line, &body), expect)
        })
        .collect();
    cases.push(Case::body("gzip without its header", gzip(GOOD.as_bytes()), MALFORMED));
    cases.push(Case::body("zstd without its header", zstd(GOOD.as_bytes()), MALFORMED));
    cases
}

type Body = (&'static str, &'static str, Vec<u8>, Expect);

fn gzip_bodies() -> Vec<Body> {
    let good = gzip(GOOD.as_bytes());
    let cut = |bytes: usize| good[..bytes].to_vec();
    let with = |index: usize, flip: u8| {
        let mut bytes = good.clone();
        bytes[index] ^= flip;
        bytes
    };
    let spaces = vec![b' '; BOMB_BYTES];
    let bomb = gzip(&spaces);
    assert!(bomb.len() < BOMB_BYTES / 500, "a bomb is small: {} bytes", bomb.len());
    let blanks = gzip(b"").repeat(10_000);
    let mut named = GzBuilder::new().filename("x".repeat(60_000)).write(Vec::new(), Compression::best());
    named.write_all(b"{").expect("written to memory");
    let last = good.len() - 1;
    vec![
        ("a gzip bomb", "gzip", bomb.clone(), LARGE),
        ("a gzip bomb of many members", "gzip", gzip(&spaces[..1000]).repeat(2000), LARGE),
        ("a gzip bomb in a gzip", "gzip", gzip(&bomb), MALFORMED),
        ("a gzip of one byte past the limit", "gzip", gzip(&spaces[..=1 << 20]), LARGE),
        ("plain JSON as gzip", "gzip", GOOD.into(), ENCODING),
        ("nothing as gzip", "gzip", Vec::new(), ENCODING),
        ("zstd as gzip", "gzip", zstd(GOOD.as_bytes()), ENCODING),
        ("gzip, the header only", "gzip", cut(10), ENCODING),
        ("gzip, half the header", "gzip", cut(5), ENCODING),
        ("gzip, cut in the middle", "gzip", cut(30), ENCODING),
        ("gzip, cut before the checksum", "gzip", cut(last - 7), ENCODING),
        ("gzip, cut in the checksum", "gzip", cut(last - 2), ENCODING),
        ("gzip, a header and garbage", "gzip", [&good[..10], &[0xff; 60]].concat(), ENCODING),
        ("gzip, garbage behind it", "gzip", [&good[..], b"garbage"].concat(), ENCODING),
        ("gzip with a wrong checksum", "gzip", with(last - 5, 1), ENCODING),
        ("gzip with a wrong length", "gzip", with(last, 1), ENCODING),
        ("gzip with a wrong method", "gzip", with(2, 1), ENCODING),
        ("gzip with a wrong bit", "gzip", with(20, 0x10), ENCODING),
        ("gzip with flags that do not exist", "gzip", with(3, 0xe0), ENCODING),
        ("gzip of nothing, 10,000 times", "x-gzip", blanks, MALFORMED),
        ("gzip with a name of 60 kB", "GZIP", named.finish().expect("written to memory"), MALFORMED),
        ("gzip of no JSON", "gzip", gzip(b"hello"), MALFORMED),
        ("gzip of gzip", "gzip", gzip(&good), MALFORMED),
    ]
}

fn zstd_bodies() -> Vec<Body> {
    let good = zstd(GOOD.as_bytes());
    let spaces = vec![b' '; BOMB_BYTES];
    let bomb = zstd(&spaces);
    assert!(bomb.len() < BOMB_BYTES / 1000, "a bomb is small: {} bytes", bomb.len());
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let mut broken = good.clone();
    let last = broken.len() - 1;
    broken[last / 2] ^= 0xff;
    // RFC 8878, section 3.1.1: the magic number, a descriptor without a size, then a window of 2^41 bytes.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0];
    vec![
        ("a zstd bomb", "zstd", bomb.clone(), LARGE),
        ("a zstd bomb of many frames", "zstd", zstd(&spaces[..1000]).repeat(2000), LARGE),
        ("a zstd bomb in a zstd", "zstd", zstd(&bomb), MALFORMED),
        ("plain JSON as zstd", "zstd", GOOD.into(), ENCODING),
        ("gzip as zstd", "zstd", gzip(GOOD.as_bytes()), ENCODING),
        ("zstd, the magic number only", "zstd", good[..4].to_vec(), ENCODING),
        ("zstd, cut in the middle", "zstd", good[..last / 2].to_vec(), ENCODING),
        ("zstd, cut before the last byte", "zstd", good[..last].to_vec(), ENCODING),
        ("zstd with a wrong byte", "zstd", broken, ENCODING),
        ("zstd, garbage behind it", "zstd", [&good[..], b"garbage"].concat(), ENCODING),
        ("zstd with a window of two terabytes", "zstd", window.to_vec(), ENCODING),
        ("zstd of skipped frames only", "zstd", skipped.repeat(1000), MALFORMED),
        ("nothing as zstd", "zstd", Vec::new(), ENCODING),
        ("zstd of no JSON", "zstd", zstd(b"hello"), MALFORMED),
    ]
}

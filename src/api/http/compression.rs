//! Compresses responses for clients that accept it, if it pays off.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};

use crate::runtime::run_detached;

/// Responses smaller than this are sent uncompressed: compressing them costs more than sending them.
pub(super) const MIN_BYTES: u64 = 8 << 10;

/// Responses of at least this size are compressed off the server threads.
const ASIDE_BYTES: usize = 64 << 10;

/// Content coding of a response, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
}

/// The Accept-Encoding of a request, kept until its response is there: only a large response has it parsed.
pub(super) struct AcceptEncoding(Vec<HeaderValue>);

impl AcceptEncoding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::ACCEPT_ENCODING).iter().cloned().collect())
    }

    /// Returns the supported coding that the client prefers; `None` for no compression (RFC 9110, section 12.5.3).
    pub(super) fn preferred(&self) -> Option<Coding> {
        let best =
            [(Coding::Zstd, self.quality("zstd")), (Coding::Gzip, self.quality("gzip").max(self.quality("x-gzip")))];
        // `max_by_key` returns the last maximum: reversed, the first coding wins a tie.
        let (coding, weight) = best.into_iter().rev().max_by_key(|(_, weight)| *weight)?;
        (weight > 0 && weight >= self.quality("identity")).then_some(coding)
    }

    /// Returns the weight of a coding: 0 for unacceptable, 1000 for most preferred. A coding that no range names is
    /// unacceptable, except identity.
    fn quality(&self, coding: &str) -> u32 {
        let mut any = None;
        for value in &self.0 {
            for range in value.to_str().unwrap_or("").split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or("");
                let weight = super::headers::weight(parts);
                if name.eq_ignore_ascii_case(coding) {
                    return weight;
                }
                if name == "*" {
                    any = Some(weight);
                }
            }
        }
        any.unwrap_or(u32::from(coding == "identity"))
    }
}

impl Coding {
    /// Returns the value for Content-Encoding.
    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        })
    }

    /// Compresses a response; returns `None` if that does not make it smaller.
    pub(super) async fn compress(self, bytes: Bytes) -> Option<Bytes> {
        let compressed = if bytes.len() < ASIDE_BYTES {
            self.encode(&bytes)
        } else {
            let whole = bytes.clone();
            run_detached(move || self.encode(&whole)).await.ok()?
        };
        compressed.filter(|compressed| compressed.len() < bytes.len()).map(Bytes::from)
    }

    fn encode(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let room = Vec::with_capacity(bytes.len() / 4);
        match self {
            // The fastest levels: links slower than these are rare between services.
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(room, 1).ok()?;
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(room, Compression::fast());
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::domain::random::SplitMix64;

    #[test]
    fn the_coding_is_the_one_that_is_wanted_most() {
        let cases = [
            ("", None),
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("zstd;q=0.5, gzip", Some(Coding::Gzip)),
            ("gzip;q=0, *", Some(Coding::Zstd)),
            ("*;q=0", None),
            ("br", None),
            ("identity, gzip;q=0.5", None),
            ("GZIP", Some(Coding::Gzip)),
            ("gzip;q=nonsense", Some(Coding::Gzip)),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, text.parse().expect("a header value"));
            assert_eq!(AcceptEncoding::of(&headers).preferred(), expected, "{text}");
        }
        assert_eq!(AcceptEncoding::of(&HeaderMap::new()).preferred(), None);
    }

    #[tokio::test]
    async fn what_is_compressed_reads_back() {
        let text = Bytes::from("a line of a scrape 0.25\n".repeat(20_000));
        let gzip = Coding::Gzip.compress(text.clone()).await.expect("smaller");
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut back).expect("gzip");
        assert_eq!(back, text);
        let zstd = Coding::Zstd.compress(text.clone()).await.expect("smaller");
        assert_eq!(zstd::decode_all(&zstd[..]).expect("zstd"), text);
        let mut random = SplitMix64::new(1);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.next_u64().to_le_bytes()).take(1250).flatten().collect();
        assert_eq!(Coding::Zstd.compress(noise.into()).await, None, "it would be larger");
    }
}

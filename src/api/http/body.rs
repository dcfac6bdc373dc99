//! Reads a request's body: bounded in size and time, decoded where it is compressed.

use std::{future::poll_fn, io::Read as _, pin::pin, task::Poll, time::Duration};

use axum::BoxError;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use super::Settings;
use crate::{domain::code::ErrorCode, serving::Failure};

/// A body on its way in.
pub trait Arriving: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B> Arriving for B where B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

/// Reads the whole body.
pub(super) async fn read<B: Arriving>(headers: &HeaderMap, body: B, settings: &Settings) -> Result<Bytes, Failure> {
    let limit = settings.max_body_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let encoding = Encoding::of(headers)?;
    let mut reading = pin!(collect(body, limit));
    // Nearly every body is there already, with the head; a clock for it would cost more than reading it.
    let at_once = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    let bytes = match at_once {
        Poll::Ready(result) => result?,
        Poll::Pending => match tokio::time::timeout(settings.body_timeout(), reading).await {
            Ok(result) => result?,
            Err(_) => return Err(timed_out(settings.body_timeout())),
        },
    };
    encoding.decode(bytes, limit)
}

fn too_large(limit: usize) -> Failure {
    Failure::new(ErrorCode::BodyTooLarge, format!("the body may have at most {limit} bytes, after decompression"))
}

fn timed_out(limit: Duration) -> Failure {
    Failure::new(ErrorCode::BodyTimeout, format!("the body did not arrive within {} ms", limit.as_millis()))
}

async fn collect<B: Arriving>(mut body: B, limit: usize) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error: BoxError = error.into();
            Failure::cut_off(error)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        // Nearly every body comes in one piece, which then need not be copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        let name = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match (name.as_str(), values.next()) {
            ("identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("zstd", None) => Ok(Self::Zstd),
            _ => {
                let found = crate::domain::violation::quote(&name);
                let detail = format!("Content-Encoding must be one of gzip, zstd, identity; got {found}");
                Err(Failure::new(ErrorCode::UnsupportedEncoding, detail))
            }
        }
    }

    fn decode(self, bytes: Bytes, limit: usize) -> Result<Bytes, Failure> {
        let mut decoded = Vec::new();
        let most = limit as u64 + 1;
        // Reading stops one byte past the limit, however much more the body would unpack to.
        let result = match self {
            Self::Identity => return Ok(bytes),
            Self::Gzip => flate2::read::MultiGzDecoder::new(&*bytes).take(most).read_to_end(&mut decoded),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(&*bytes)
                .and_then(|mut decoder| decoder.window_log_max(WINDOW_LOG_MAX).map(|()| decoder))
                .and_then(|decoder| decoder.take(most).read_to_end(&mut decoded)),
        };
        result.map_err(|error| {
            let detail = format!("the body is not what Content-Encoding says: {error}");
            Failure::new(ErrorCode::UnsupportedEncoding, detail)
        })?;
        if decoded.len() > limit {
            return Err(too_large(limit));
        }
        Ok(decoded.into())
    }
}

/// The largest window that a zstd body may ask the decoder to keep: 2^23 bytes, the least that RFC 8878 recommends.
const WINDOW_LOG_MAX: u32 = 23;

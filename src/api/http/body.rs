//! Reads a request body: limited in size and time, and decompressed if necessary.

use std::{future::poll_fn, io::Read, pin::pin, task::Poll, time::Duration};

use axum::BoxError;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use super::{
    super::transport::{BudgetExhausted, Connection, HeldBytes},
    error_codes::{BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_ENCODING},
};
use crate::serving::ServeError;

/// A request body as it arrives.
pub trait RequestBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B> RequestBody for B where B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

/// A body that was fully received and decompressed.
pub(super) struct ReceivedBody {
    pub(super) bytes: Bytes,
    /// Holds the bytes against the budget for as long as the body lives.
    _held: Option<HeldBytes>,
}

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// The most bytes after decompression.
    pub(super) bytes: usize,
    /// How long the body may take to arrive.
    pub(super) timeout: Duration,
}

/// Reads the whole body.
pub(super) async fn read<B: RequestBody>(
    headers: &HeaderMap,
    body: B,
    limits: BodyLimits,
    connection: &Connection,
) -> Result<ReceivedBody, ServeError> {
    let limit = limits.bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let encoding = Encoding::of(headers)?;
    let mut reading = pin!(read_limited(body, limit, connection));
    // Nearly every body has already arrived with the head; a timer would cost more than reading it.
    let at_once = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    let received = match at_once {
        Poll::Ready(result) => result?,
        Poll::Pending => tokio::select! {
            biased;
            result = reading => result?,
            () = connection.client_timeout(limits.timeout) => return Err(timed_out(limits.timeout)),
        },
    };
    connection.received();
    encoding.decode(received, limit, connection)
}

fn too_large(limit: usize) -> ServeError {
    ServeError::new(BODY_TOO_LARGE, format!("the body may have at most {limit} bytes, after decompression"))
}

fn timed_out(limit: Duration) -> ServeError {
    let limit = limit.as_millis();
    let detail = format!("the body did not arrive within {limit} ms (less while the server has many connections)");
    ServeError::new(BODY_TIMEOUT, detail)
}

impl From<BudgetExhausted> for ServeError {
    fn from(_: BudgetExhausted) -> Self {
        Self::out_of_memory()
    }
}

async fn read_limited<B: RequestBody>(
    mut body: B,
    limit: usize,
    connection: &Connection,
) -> Result<ReceivedBody, ServeError> {
    let mut pieces = BodyChunks::new(limit, connection);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error: BoxError = error.into();
            ServeError::cut_off(error)
        })?;
        if let Ok(data) = frame.into_data() {
            pieces.push(data)?;
        }
    }
    pieces.whole()
}

/// The part of a body received so far, in blocks: a growing buffer would be copied repeatedly, and would leave its
/// smaller predecessors behind in the allocator.
struct BodyChunks<'a> {
    /// Nearly every body arrives in one chunk, which then need not be copied.
    first: Bytes,
    blocks: Vec<Vec<u8>>,
    size: usize,
    limit: usize,
    connection: &'a Connection,
    held: Option<HeldBytes>,
}

/// Size of a block in bytes.
const BLOCK: usize = 32 << 10;

impl<'a> BodyChunks<'a> {
    fn new(limit: usize, connection: &'a Connection) -> Self {
        Self { first: Bytes::new(), blocks: Vec::new(), size: 0, limit, connection, held: None }
    }

    fn push(&mut self, data: Bytes) -> Result<(), ServeError> {
        self.size += data.len();
        if self.size > self.limit {
            return Err(too_large(self.limit));
        }
        if self.size == data.len() {
            self.connection.hold_in(&mut self.held, self.size)?;
            self.first = data;
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        self.copy(&first)?;
        self.copy(&data)
    }

    fn copy(&mut self, mut data: &[u8]) -> Result<(), ServeError> {
        while !data.is_empty() {
            if self.blocks.last().is_none_or(|block| block.len() == block.capacity()) {
                self.connection.hold_in(&mut self.held, (self.blocks.len() + 1) * BLOCK)?;
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            let Some(block) = self.blocks.last_mut() else { break };
            let (now, later) = data.split_at(data.len().min(block.capacity() - block.len()));
            block.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// Returns the whole body as one buffer.
    fn whole(mut self) -> Result<ReceivedBody, ServeError> {
        let bytes = match self.blocks.len() {
            0 => self.first,
            1 => self.blocks.pop().unwrap_or_default().into(),
            blocks => {
                self.connection.hold_in(&mut self.held, blocks * BLOCK + self.size)?;
                let whole = Bytes::from(self.blocks.concat());
                drop(self.blocks);
                self.connection.hold_in(&mut self.held, whole.len())?;
                whole
            }
        };
        Ok(ReceivedBody { bytes, _held: self.held })
    }
}

/// Content encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, ServeError> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        let name = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match (name.as_str(), values.next()) {
            ("identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("zstd", None) => Ok(Self::Zstd),
            _ => {
                let found = crate::domain::text::quote(&name);
                let detail = format!("Content-Encoding must be one of gzip, zstd, identity; got {found}");
                Err(ServeError::new(UNSUPPORTED_ENCODING, detail))
            }
        }
    }

    fn decode(self, received: ReceivedBody, limit: usize, connection: &Connection) -> Result<ReceivedBody, ServeError> {
        let coded = &received.bytes[..];
        match self {
            Self::Identity => Ok(received),
            Self::Gzip => inflate(flate2::read::MultiGzDecoder::new(coded), limit, connection),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(coded)
                .and_then(|mut decoder| decoder.window_log_max(WINDOW_LOG_MAX).map(|()| decoder))
                .map_err(undecodable)
                .and_then(|decoder| inflate(decoder, limit, connection)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err as it is")]
fn undecodable(error: std::io::Error) -> ServeError {
    ServeError::new(UNSUPPORTED_ENCODING, format!("the body does not match its Content-Encoding: {error}"))
}

/// Decompresses a body chunk by chunk, up to the limit, however much larger it would become.
fn inflate(mut decoder: impl Read, limit: usize, connection: &Connection) -> Result<ReceivedBody, ServeError> {
    let mut pieces = BodyChunks::new(limit, connection);
    let mut buffer = [0; PIECE];
    loop {
        match decoder.read(&mut buffer).map_err(undecodable)? {
            0 => return pieces.whole(),
            count => pieces.push(Bytes::copy_from_slice(&buffer[..count]))?,
        }
    }
}

/// Bytes decompressed at a time.
const PIECE: usize = 8 << 10;

/// Maximum window that a zstd body may make the decoder keep: 2^23 bytes, the minimum that RFC 8878 recommends.
const WINDOW_LOG_MAX: u32 = 23;

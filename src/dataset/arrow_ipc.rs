//! Reads Arrow IPC, as a file or as a stream, message by message: memory is bounded by the largest record batch.
//!
//! A file is a stream between magic bytes, followed by a footer for random access, which is not needed here. The arrays
//! of a message are validated by `arrow-ipc`. The lengths that a message claims are checked here before it allocates
//! them: a damaged length must not end the process.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::{MessageHeader, reader::StreamDecoder, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};

use super::{
    arrow_cell,
    error::{RowLocation, TableError},
    row::{Row, Rows},
};

/// Whether the messages lie between magic bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    File,
    Stream,
}

/// The magic bytes at both ends of a file; at its start, two bytes of padding follow.
const MAGIC: &[u8] = b"ARROW1";
const START_BYTES: usize = 8;
/// What precedes the length of a message, except in old files.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The continuation and the length.
const PREFIX_BYTES: usize = 8;

/// A message cannot be read: why.
#[derive(Debug, thiserror::Error)]
enum IpcError {
    #[error("ends in the middle of a record batch: it is truncated; copy or download it again")]
    Truncated,
    #[error("cannot be read as Feather (Arrow IPC); is it damaged? {0}")]
    Damaged(String),
    #[error("uses a part of Arrow that is not read ({0}): write it again with the defaults of pandas")]
    Unsupported(String),
    #[error(transparent)]
    Read(#[from] io::Error),
}

impl From<ArrowError> for IpcError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::NotYetImplemented(what) => Self::Unsupported(what),
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// The record batches of a file, in order.
struct Batches {
    path: PathBuf,
    reader: BufReader<File>,
    decoder: StreamDecoder,
    ended: bool,
}

impl Batches {
    fn open(path: &Path, framing: Framing) -> Result<Self, TableError> {
        let failed = |source| TableError::Read { path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(failed)?;
        if framing == Framing::File {
            let mut end = Vec::new();
            let length = file.metadata().map_err(failed)?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(MAGIC.len() as u64))).map_err(failed)?;
            (&mut file).take(MAGIC.len() as u64).read_to_end(&mut end).map_err(failed)?;
            if end != MAGIC || length < START_BYTES as u64 {
                let detail = "does not end like a Feather (Arrow IPC) file: it is truncated; copy or download it again";
                return Err(TableError::Content { path: path.to_path_buf(), detail: detail.to_owned() });
            }
            file.seek(SeekFrom::Start(START_BYTES as u64)).map_err(failed)?;
        }
        let (reader, decoder) = (BufReader::new(file), StreamDecoder::new());
        Ok(Self { path: path.to_path_buf(), reader, decoder, ended: false })
    }

    /// Runs a step; a panic of `arrow-ipc` is reported as a damaged file.
    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, IpcError>) -> Result<T, TableError> {
        let outcome = catch_unwind(AssertUnwindSafe(|| step(self)));
        let outcome = outcome.unwrap_or_else(|_| Err(IpcError::Damaged("its reader failed".to_owned())));
        let path = self.path.clone();
        outcome.map_err(|error| match error {
            IpcError::Read(source) => TableError::Read { path, source },
            error => TableError::Content { path, detail: error.to_string() },
        })
    }

    fn schema(&mut self) -> Result<SchemaRef, TableError> {
        self.guarded(|batches| {
            loop {
                if let Some(schema) = batches.decoder.schema() {
                    return Ok(schema);
                }
                if batches.ended {
                    return Err(IpcError::Damaged("it has no schema".to_owned()));
                }
                batches.decode()?;
            }
        })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, TableError> {
        self.guarded(|batches| {
            while !batches.ended {
                if let Some(batch) = batches.decode()? {
                    return Ok(Some(batch));
                }
            }
            Ok(None)
        })
    }

    /// Decodes the next message. Returns its record batch, if it has one; otherwise it is a schema or a dictionary.
    fn decode(&mut self) -> Result<Option<RecordBatch>, IpcError> {
        let Some(length) = self.message_length()? else {
            self.ended = true;
            return Ok(None);
        };
        let mut text = CONTINUATION.to_vec();
        text.extend_from_slice(&length.to_le_bytes());
        self.append(&mut text, u64::from(length))?;
        let message = root_as_message(&text[PREFIX_BYTES..]).map_err(|why| IpcError::Damaged(why.to_string()))?;
        let body_length = u64::try_from(message.bodyLength())
            .map_err(|_| IpcError::Damaged("a message has a negative length".to_owned()))?;
        let body_start = text.len();
        let mut whole = text.clone();
        self.append(&mut whole, body_length)?;
        check_decompressed(message, &whole[body_start..])?;
        let mut buffer = Buffer::from_vec(whole);
        Ok(self.decoder.decode(&mut buffer)?)
    }

    /// Reads the length of the next message; `None` at the end of the stream.
    fn message_length(&mut self) -> Result<Option<u32>, IpcError> {
        let mut word = Vec::new();
        (&mut self.reader).take(4).read_to_end(&mut word)?;
        if word.is_empty() {
            return Ok(None);
        }
        if word == CONTINUATION {
            word.clear();
            (&mut self.reader).take(4).read_to_end(&mut word)?;
        }
        let length = <[u8; 4]>::try_from(word.as_slice()).map_err(|_| IpcError::Truncated)?;
        Ok(Some(u32::from_le_bytes(length)).filter(|length| *length > 0))
    }

    /// Appends exactly `count` bytes. Memory grows with what is there, not with what a message claims.
    fn append(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<(), IpcError> {
        let read = (&mut self.reader).take(count).read_to_end(bytes)?;
        if read as u64 == count { Ok(()) } else { Err(IpcError::Truncated) }
    }
}

/// Checks that there is memory for what the compressed buffers of a message claim to decompress to.
fn check_decompressed(message: arrow_ipc::Message<'_>, body: &[u8]) -> Result<(), IpcError> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => None,
    };
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else { return Ok(()) };
    for buffer in batch.buffers().into_iter().flatten() {
        let prefix = usize::try_from(buffer.offset()).ok().and_then(|start| body.get(start..)?.first_chunk());
        let claimed = prefix.map_or(0, |prefix| i64::from_le_bytes(*prefix));
        // Minus one marks a buffer that is not compressed.
        let length = usize::try_from(claimed.max(0)).unwrap_or(usize::MAX);
        if buffer.length() > 0 && Vec::<u8>::new().try_reserve_exact(length).is_err() {
            return Err(IpcError::Damaged(format!("a buffer claims to hold {claimed} bytes")));
        }
    }
    Ok(())
}

pub(super) fn columns(path: &Path, framing: Framing) -> Result<Vec<String>, TableError> {
    let schema = Batches::open(path, framing)?.schema()?;
    Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
}

struct BatchRows {
    batches: Batches,
    batch: Option<(RecordBatch, usize)>,
    row: u64,
    ended: bool,
}

pub(super) fn rows(path: &Path, framing: Framing) -> Result<Rows, TableError> {
    Ok(Box::new(BatchRows { batches: Batches::open(path, framing)?, batch: None, row: 0, ended: false }))
}

impl BatchRows {
    fn next_row(&mut self) -> Result<Option<Row>, TableError> {
        loop {
            if let Some((batch, next)) = &mut self.batch
                && *next < batch.num_rows()
            {
                let row = *next;
                *next += 1;
                self.row += 1;
                let place = RowLocation::Row(self.row);
                let batch = batch.clone();
                return self.batches.guarded(|_| {
                    let cells = batch.columns().iter().map(|column| arrow_cell::cell(column, row)).collect();
                    Ok(Some(Row { place, cells }))
                });
            }
            match self.batches.next()? {
                None => return Ok(None),
                Some(batch) => self.batch = Some((batch, 0)),
            }
        }
    }
}

impl Iterator for BatchRows {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.next_row().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

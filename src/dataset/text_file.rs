//! Opens the text of a table: as it is, or decompressed while it is read. The first bytes of the file decide, not its
//! name.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::error::TableError;

/// The compression of a whole text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that a file extension names.
    pub(super) fn named(extension: &str) -> Option<Self> {
        match extension {
            "gz" => Some(Self::Gzip),
            "zst" | "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The bytes at the start of a file that show what it is.
const HEAD_BYTES: usize = 64;

/// What a file is if it starts with these bytes, and what to do about it.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"BZh", "is compressed with bzip2, which is not read: compress it with gzip or zstd"),
    (b"\xfd7zXZ\0", "is compressed with xz, which is not read: compress it with gzip or zstd"),
    (b"\x04\x22\x4d\x18", "is compressed with lz4, which is not read: compress it with gzip or zstd"),
    (
        b"PK\x03\x04",
        "is a ZIP archive or a spreadsheet, not text: save the table as CSV, or compress it with gzip or zstd",
    ),
    (b"PAR1", "is a Parquet file, not text: name it .parquet"),
    (b"ARROW1", "is a Feather (Arrow IPC) file, not text: name it .feather"),
    (b"FEA1", "is a Feather V1 file, not text: write it as Feather V2 or Parquet"),
];

/// How the text of a table is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) compression: Option<Compression>,
    /// A sentence for the operator if the name of the file says something else.
    pub(super) note: Option<String>,
}

/// Finds out how the text of a file is stored. `named` is the compression that its name claims.
///
/// # Errors
/// Returns [`TableError`] if the file cannot be read, or is not text in a compression that is read.
pub(super) fn examine(path: &Path, named: Option<Compression>) -> Result<Storage, TableError> {
    let (_, head) = open(path)?;
    let content = |detail: String| TableError::Content { path: path.to_path_buf(), detail };
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(content((*what).to_owned()));
    }
    let compression = compression_of(&head);
    let note = match (named, compression) {
        (Some(named), None) if !is_text(&head) => {
            return Err(content(format!(
                "is named as {name} data, but does not start like it, nor like text: it is damaged; copy or download it \
                 again",
                name = named.name()
            )));
        }
        (Some(named), None) => Some(format!("the file is named as {} data, but is not compressed", named.name())),
        (named, Some(found)) if named != Some(found) => Some(match named {
            Some(named) => {
                format!("the file is named as {} data, but is compressed with {}", named.name(), found.name())
            }
            None => format!("the file is compressed with {}, which its name does not say", found.name()),
        }),
        _ => None,
    };
    let note = note.map(|note| format!("{}: {note}; it was read as what it is", path.display()));
    Ok(Storage { compression, note })
}

/// Opens a file and returns its first bytes too.
fn open(path: &Path) -> Result<(File, Vec<u8>), TableError> {
    let failed = |source| TableError::Read { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
    Ok((file, head))
}

fn compression_of(head: &[u8]) -> Option<Compression> {
    match head {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        // A frame, or a frame to skip before it, such as pzstd and seekable writers put there.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
        _ => None,
    }
}

/// Whether bytes may be the start of a text: no zeros, and UTF-8 up to a character that is cut off.
fn is_text(head: &[u8]) -> bool {
    !head.contains(&0) && std::str::from_utf8(head).err().is_none_or(|error| error.error_len().is_none())
}

/// The text of a table, decompressed.
pub(super) struct TextFile {
    path: PathBuf,
    compression: Option<Compression>,
    reader: Box<dyn Read>,
}

impl TextFile {
    /// Opens the file at its start.
    pub(super) fn open(path: &Path, compression: Option<Compression>) -> Result<Self, TableError> {
        let (file, head) = open(path)?;
        let whole = Cursor::new(head).chain(file);
        let reader: Box<dyn Read> = match compression {
            None => Box::new(whole),
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(whole)),
            Some(Compression::Zstd) => Box::new(
                zstd::stream::read::Decoder::new(whole)
                    .map_err(|source| TableError::Read { path: path.to_path_buf(), source })?,
            ),
        };
        Ok(Self { path: path.to_path_buf(), compression, reader })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Turns an error of reading into one that tells a failing disk from damaged data.
    pub(super) fn error(&self, source: io::Error) -> TableError {
        let path = self.path.clone();
        // Errors of the operating system have a code; those of the decompressors do not.
        let Some(compression) = self.compression.filter(|_| source.raw_os_error().is_none()) else {
            return TableError::Read { path, source };
        };
        let name = compression.name();
        let detail = if source.kind() == io::ErrorKind::UnexpectedEof {
            format!("ends in the middle of its {name} data: it is truncated; copy or download it again")
        } else {
            format!("its {name} data is damaged ({source}); copy or download it again")
        };
        TableError::Content { path, detail }
    }
}

impl Read for TextFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

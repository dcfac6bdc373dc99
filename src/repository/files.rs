//! Reads the files of a package into memory, and writes files durably. Accepts only regular files, up to a maximum size
//! per kind.
//!
//! A named pipe or a device in place of a file could block the reader or never end.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

/// Size limit of a text file: contract, golden cases, profile, calibration, settings.
pub(super) const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Size limit of a graph: what protobuf can hold. Larger weights are in separate files.
pub(super) const MAX_GRAPH_BYTES: u64 = (1 << 31) - 1;

/// Opens a regular file.
fn open(path: &Path) -> io::Result<File> {
    // Check before opening, since opening a device may have side effects, and again after it, since the file may have
    // been replaced in between.
    regular(fs::metadata(path)?.file_type())?;
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    regular(file.metadata()?.file_type())?;
    Ok(file)
}

fn regular(kind: FileType) -> io::Result<()> {
    let name = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe (FIFO)",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {name}; expected a regular file")))
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// Returns the OS error; also fails if the path is not a regular file, is too large, or changes its size while it is
/// read.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Arc<[u8]>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(io::Error::other(format!("it has {length} bytes; the limit is {most}")));
    }
    let length = usize::try_from(length).map_err(io::Error::other)?;
    // Read into the final allocation: a vector would have to be copied, and weights may take half of the memory.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let room = Arc::get_mut(&mut bytes).expect("no other has it yet");
    let changed = || io::Error::other("its size changed while reading");
    file.read_exact(room).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(),
        _ => error,
    })?;
    match file.read(&mut [0])? {
        0 => Ok(bytes),
        _ => Err(changed()),
    }
}

/// Reads a UTF-8 text file.
///
/// # Errors
/// As for [`read`]; also if the file is not UTF-8.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    text(&read(path, MAX_TEXT_BYTES)?)
}

/// Decodes bytes as UTF-8.
///
/// # Errors
/// Returns an error if the bytes are not UTF-8.
pub(super) fn text(bytes: &[u8]) -> io::Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(text.to_owned())
}

/// Writes a file and syncs it to disk.
pub(crate) fn write_and_sync(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Syncs the entries of a directory to disk. Errors of file systems without directory sync are ignored.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        settled => settled,
    }
}

/// Returns the parent directory of a path; `.` if the path has none.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the SHA-256 of a file of any size, in hexadecimal, without keeping its content in memory.
///
/// # Errors
/// Returns the OS error; also fails if the path is not a regular file.
pub(super) fn digest_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut piece) = (open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            read => hasher.update(&piece[..read]),
        }
    }
}

/// Returns the SHA-256 of the bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_fair_size_are_read() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file");
        fs::write(&file, "content").expect("written");
        assert_eq!(&*read(&file, 7).expect("read"), b"content");
        assert_eq!(digest_file(&file).expect("read"), digest(b"content"));
        let socket = root.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let cases = [
            (file.as_path(), 6, "it has 7 bytes; the limit is 6"),
            (root.path(), 7, "it is a directory; expected a regular file"),
            (&socket, 7, "it is a socket; expected a regular file"),
            (Path::new("/dev/zero"), 7, "it is a device; expected a regular file"),
        ];
        for (path, most, expected) in cases {
            let error = read(path, most).expect_err("refused");
            assert_eq!(error.to_string(), expected, "{}", path.display());
        }
    }
}

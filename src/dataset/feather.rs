//! Feather, which is Arrow IPC: tells what the file is, and gives it to the reader, which only a build with the feature
//! `arrow` has.

use std::{fs::File, io::Read as _, path::Path};

use super::{error::TableError, row::Rows};

/// The layout of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Magic {
    /// Feather V1, which is not Arrow IPC.
    FeatherV1,
    /// Arrow's IPC file, which is Feather V2.
    ArrowFile,
    /// Anything else: Arrow's IPC stream has no magic bytes.
    Other,
}

fn magic(path: &Path) -> Result<Magic, TableError> {
    let failed = |source| TableError::Read { path: path.to_path_buf(), source };
    let mut head = Vec::new();
    File::open(path).map_err(failed)?.take(6).read_to_end(&mut head).map_err(failed)?;
    Ok(match head.as_slice() {
        [b'F', b'E', b'A', b'1', ..] => Magic::FeatherV1,
        b"ARROW1" => Magic::ArrowFile,
        _ => Magic::Other,
    })
}

fn content(path: &Path, detail: &str) -> TableError {
    TableError::Content { path: path.to_path_buf(), detail: detail.to_owned() }
}

fn version_one(path: &Path) -> TableError {
    content(
        path,
        "is a Feather V1 file, which is not read: write it as Feather V2, the default of pandas, or as Parquet",
    )
}

#[cfg(feature = "arrow")]
fn framing(path: &Path) -> Result<super::arrow_ipc::Framing, TableError> {
    use super::arrow_ipc::Framing;
    match magic(path)? {
        Magic::FeatherV1 => Err(version_one(path)),
        Magic::ArrowFile => Ok(Framing::File),
        Magic::Other => Ok(Framing::Stream),
    }
}

#[cfg(feature = "arrow")]
pub(super) fn columns(path: &Path) -> Result<Vec<String>, TableError> {
    super::arrow_ipc::columns(path, framing(path)?)
}

#[cfg(feature = "arrow")]
pub(super) fn rows(path: &Path) -> Result<Rows, TableError> {
    super::arrow_ipc::rows(path, framing(path)?)
}

#[cfg(not(feature = "arrow"))]
fn refusal(path: &Path) -> TableError {
    match magic(path) {
        Err(error) => error,
        Ok(Magic::FeatherV1) => version_one(path),
        Ok(Magic::ArrowFile | Magic::Other) => content(
            path,
            "Feather (Arrow IPC) is not read by this build: write the table as Parquet, or build Candor with `--features \
             arrow`",
        ),
    }
}

#[cfg(not(feature = "arrow"))]
pub(super) fn columns(path: &Path) -> Result<Vec<String>, TableError> {
    Err(refusal(path))
}

#[cfg(not(feature = "arrow"))]
pub(super) fn rows(path: &Path) -> Result<Rows, TableError> {
    Err(refusal(path))
}

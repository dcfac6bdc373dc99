//! Reads the version of an ONNX Runtime shared library from its file: ONNX Runtime exposes its version only through a
//! pointer of its C API, which safe code cannot dereference.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use object::{
    Endianness,
    elf::{FileHeader64, VersionIndex},
    macho::MachHeader64,
    read::{ReadCache, ReadRef, elf::FileHeader as _, macho::MachHeader as _},
};

/// Prefix of ONNX Runtime's symbol version on Linux: `VERS_1.31.1`.
const SYMBOLS: &str = "VERS_";

/// Returns the version in the file at `path`. If `path` is only a name, reads the file of that name that is loaded in
/// this process.
pub(super) fn version(path: &Path) -> Option<String> {
    let path = if path.is_file() { path.to_path_buf() } else { loaded(path)? };
    // Reads only the parts that are needed: the file has hundreds of megabytes.
    let cache = ReadCache::new(File::open(path).ok()?);
    of_elf(&cache).or_else(|| of_macho(&cache))
}

/// Finds the file that the system's loader loaded for a name.
fn loaded(name: &Path) -> Option<PathBuf> {
    let name = name.to_str()?;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        path.rsplit('/').next()?.starts_with(name).then_some(path)
    });
    file.map(PathBuf::from)
}

fn of_elf<'d>(data: impl ReadRef<'d>) -> Option<String> {
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let versions = header.sections(endian, data).ok()?.versions(endian, data).ok()??;
    (0..=MAX_VERSIONS).find_map(|index| {
        let version = versions.version(VersionIndex(index)).ok()??;
        Some(std::str::from_utf8(version.name()).ok()?.strip_prefix(SYMBOLS)?.to_owned())
    })
}

/// A library defines a handful of versions; those that it requires from other libraries follow.
const MAX_VERSIONS: u16 = 64;

fn of_macho<'d>(data: impl ReadRef<'d>) -> Option<String> {
    let header = MachHeader64::<Endianness>::parse(data, 0).ok()?;
    let endian = header.endian().ok()?;
    let mut commands = header.load_commands(endian, data, 0).ok()?;
    while let Some(command) = commands.next().ok()? {
        if let Some(id) = command.dylib().ok()?.filter(|_| command.cmd() == object::macho::LC_ID_DYLIB) {
            let version = id.dylib.current_version.get(endian);
            return Some(format!("{}.{}.{}", version.major(), version.minor(), version.update()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_has_no_version() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = directory.path().join("libonnxruntime.so");
        fs::write(&text, "not a library").expect("written");
        assert_eq!(version(&text), None);
        assert_eq!(version(Path::new("libnowhere.so")), None);
        // A binary that is not ONNX Runtime.
        assert_eq!(version(&std::env::current_exe().expect("this program")), None);
    }
}

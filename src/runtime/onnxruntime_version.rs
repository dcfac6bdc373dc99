//! The version of a shared library of ONNX Runtime, as its file says it: ONNX Runtime tells its version only through a
//! pointer of its C interface, which safe code cannot follow.

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

/// How ONNX Runtime names the version of its symbols on Linux: `VERS_1.31.1`.
const SYMBOLS: &str = "VERS_";

/// The version in the file at `path`; where that is only a name, in the file of that name that this process has loaded.
pub(super) fn version(path: &Path) -> Option<String> {
    let path = if path.is_file() { path.to_path_buf() } else { loaded(path)? };
    // Reads the parts that are asked for, of a file of hundreds of megabytes.
    let cache = ReadCache::new(File::open(path).ok()?);
    of_elf(&cache).or_else(|| of_macho(&cache))
}

/// The file that the system's loader found for a name.
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

/// A library defines a handful of versions; those that it needs of others come after.
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
        // A program of somebody else.
        assert_eq!(version(&std::env::current_exe().expect("this program")), None);
    }
}

//! Recognizes, by its first bytes, a file that was given in place of an ONNX graph by mistake.

/// Number of leading bytes to look at.
const HEAD: usize = 64;

/// Describes what the file is instead of an ONNX graph and what to do about it; `None` if it is not recognized.
pub(super) fn describe_non_onnx(file: &[u8]) -> Option<&'static str> {
    file_kind(&file[..file.len().min(HEAD)])
}

fn file_kind(head: &[u8]) -> Option<&'static str> {
    let printable = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    match head {
        head if head.starts_with(b"version https://git-lfs") => {
            Some("it is a Git LFS pointer, not the file itself; run `git lfs pull`")
        }
        [0x80, 2..=5, ..] => Some("it is a Python pickle; export the model to ONNX, for example with skl2onnx"),
        [b'P', b'K', 3, 4, ..] => Some("it is a zip archive, as PyTorch and Keras write it; export the model to ONNX"),
        [0x89, b'H', b'D', b'F', ..] => Some("it is an HDF5 file, as Keras writes it; export the model to ONNX"),
        [] => None,
        // An ONNX graph starts with a protobuf tag for its format version, which is not a printable character.
        head if head.iter().all(printable) => Some("it is a text file, not an ONNX graph"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mistakes_are_told() {
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", Some("Git LFS")),
            (b"\x80\x04\x95\xb3\x00", Some("pickle")),
            (b"PK\x03\x04\x00\x00", Some("zip")),
            (b"\x89HDF\r\n\x1a\n", Some("HDF5")),
            ("age,größe\n1,2\n".as_bytes(), Some("a text")),
            (b"\x08\x0a\x12\x08skl2onnx", None),
            (b"\x00\x01", None),
            (b"", None),
        ];
        for (head, expected) in cases {
            let found = file_kind(head);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(same, "{head:?}: {found:?}");
        }
    }
}

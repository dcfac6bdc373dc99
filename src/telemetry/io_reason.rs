//! Explains in plain words why a file cannot be used.

use std::io::{self, ErrorKind};

/// Describes an I/O error: common causes in plain words, others in the words of the operating system.
pub fn reason(error: &io::Error) -> String {
    let plain = match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::IsADirectory => "it is a directory, not a file",
        ErrorKind::NotADirectory => "a part of the path is a file, not a directory",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::InvalidData => "it is not valid UTF-8",
        _ => return format!("cannot be read: {error}"),
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_causes_have_plain_words() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, [0xff]).expect("written");
        for (path, expected) in [
            (directory.path().join("nope"), "there is no such file or directory"),
            (directory.path().to_path_buf(), "it is a directory, not a file"),
            (file.join("below"), "a part of the path is a file, not a directory"),
            (file, "it is not valid UTF-8"),
        ] {
            let error = std::fs::read_to_string(path).expect_err("it cannot be read");
            assert_eq!(reason(&error), expected);
        }
        let other = reason(&io::Error::new(ErrorKind::TimedOut, "slow"));
        assert_eq!(other, "cannot be read: slow");
    }
}

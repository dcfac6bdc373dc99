//! Prints errors for people: the whole chain of causes, with plain words for the usual I/O errors.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

/// Joins an error and its causes with `: `. A `Display` does not repeat its source, so that each cause appears once.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = describe(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = describe(error);
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn describe(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref::<io::Error>().map_or_else(|| error.to_string(), reason)
}

/// Describes an I/O error: common causes in plain words, others in the words of the operating system.
pub fn reason(error: &io::Error) -> String {
    let plain = match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::IsADirectory => "it is a directory, not a file",
        ErrorKind::NotADirectory => "a part of the path is a file, not a directory",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::InvalidData => "it is not valid UTF-8",
        _ => return error.to_string(),
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner(#[source] io::Error);

        let error = Outer(Inner(ErrorKind::PermissionDenied.into()));
        assert_eq!(error_chain(&error), "outer: inner: permission denied");
    }

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
        assert_eq!(other, "slow");
    }
}

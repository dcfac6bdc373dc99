//! Standard output of the commands. A reader that closes the pipe early, as in `candor config | head -1`, ends the
//! output quietly; any other write error is reported and makes the exit code 1. The macros of the standard library
//! panic in both cases.

use std::{
    fmt,
    io::{self, ErrorKind, Stdout, Write},
    process::ExitCode,
};

/// Standard output until its reader goes away. The command still runs to its end, so that its exit code is correct.
pub(super) struct Terminal<W = Stdout> {
    sink: W,
    failed: Option<io::Error>,
}

impl Terminal {
    /// Writes to standard output.
    pub(super) fn standard() -> Self {
        Self { sink: io::stdout(), failed: None }
    }
}

impl<W: Write> Terminal<W> {
    /// Writes a line.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) {
        self.write(|sink| writeln!(sink, "{text}"));
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.write(|sink| sink.write_all(bytes));
    }

    /// Ends the output. Returns `code`, or a failure if the output could not be written for any reason but a closed
    /// pipe.
    pub(super) fn finish(mut self, code: ExitCode) -> ExitCode {
        self.write(Write::flush);
        match self.failed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                complain(format_args!("candor: the output cannot be written: {error}"));
                ExitCode::FAILURE
            }
            _ => code,
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut self.sink).err();
        }
    }
}

/// Writes a line to standard error. Errors are ignored: there is nowhere left to report them.
pub(super) fn complain(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts the given number of writes, then fails.
    struct Failing(usize, ErrorKind);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(self.1)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
        for (kind, code) in [(ErrorKind::BrokenPipe, ExitCode::from(3)), (ErrorKind::StorageFull, ExitCode::FAILURE)] {
            let mut output = Terminal { sink: Failing(1, kind), failed: None };
            output.bytes(b"one");
            assert!(output.failed.is_none());
            output.bytes(b"two");
            output.line(format_args!("three"));
            assert_eq!(output.finish(ExitCode::from(3)), code, "{kind}");
        }
    }
}

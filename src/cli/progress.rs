//! Progress of long work: one line on the terminal, shown after the first second. Nothing is shown without a terminal.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

use crate::authoring::ProgressEvent;

/// Work that takes less time shows no line.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// Time between two updates of the line.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// The progress line.
pub(super) struct Progress {
    terminal: bool,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// Writes to standard error, if that is a terminal.
    pub(super) fn on_terminal() -> Self {
        Self { terminal: stderr().is_terminal(), started: Instant::now(), shown: None }
    }

    /// Shows the current progress.
    pub(super) fn show(&mut self, step: ProgressEvent) {
        let now = Instant::now();
        let soon = now.duration_since(self.started) < SHOW_AFTER;
        let text = match step {
            ProgressEvent::Rows(_) if self.shown.is_some_and(|shown| now.duration_since(shown) < REFRESH_INTERVAL) => {
                return;
            }
            ProgressEvent::Rows(rows) => format!("{rows} rows"),
            ProgressEvent::Fit => "fitting and measuring".to_owned(),
        };
        if self.terminal && !soon {
            // A failed write is ignored: the line is not essential.
            let _ = write!(stderr(), "\r\x1b[K{text} …");
            self.shown = Some(now);
        }
    }

    /// Removes the line.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

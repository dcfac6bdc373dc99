//! How far long work has come: one line on the terminal, from the second second on; nothing where nobody looks.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

use crate::authoring::ProgressEvent;

/// Work that is shorter needs no line.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// How often the line changes.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// The line.
pub(super) struct Progress {
    terminal: bool,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// On standard error, where that is a terminal.
    pub(super) fn on_terminal() -> Self {
        Self { terminal: stderr().is_terminal(), started: Instant::now(), shown: None }
    }

    /// Shows how far it has come.
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
            // A line that cannot be shown is not missed.
            let _ = write!(stderr(), "\r\x1b[K{text} …");
            self.shown = Some(now);
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

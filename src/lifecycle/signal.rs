//! The signals that concern the process: SIGTERM and SIGINT stop it, SIGHUP does not.
//!
//! A process group often gets a signal twice: `timeout` sends it to its child and then to the group, and a supervisor and
//! a shell may both pass it on. So a second signal is taken for impatience only when it comes late enough after the first
//! to be a decision of its own.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// How long after the first a further signal still belongs to it.
const SAME_DECISION: Duration = Duration::from_secs(1);

/// A signal that is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Terminate,
    Interrupt,
    HangUp,
}

impl Signal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::HangUp => "SIGHUP",
        }
    }
}

/// What is known when a signal comes.
#[derive(Debug, Clone, Copy)]
struct Situation {
    /// The time since the first signal that asked to stop, where there was one.
    since_first: Option<Duration>,
    /// Whether the terminal that the process was started on is gone.
    terminal_gone: bool,
}

/// What a signal leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    /// Stop in order.
    Stop,
    /// Stop at once: somebody has waited and waits no longer.
    StopAtOnce,
    /// Nothing: it belongs to the first one.
    Repeated,
    /// Nothing: there is nothing to read again.
    NoReload,
}

fn respond(signal: Signal, situation: Situation) -> Response {
    // Without its terminal nobody could stop a process by hand; a hang-up from elsewhere usually asks for a reload.
    if signal == Signal::HangUp && !situation.terminal_gone {
        return Response::NoReload;
    }
    match situation.since_first {
        None => Response::Stop,
        Some(since) if since < SAME_DECISION || signal == Signal::HangUp => Response::Repeated,
        Some(_) => Response::StopAtOnce,
    }
}

/// The signals, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
    /// Whether the log went to a terminal at first.
    on_terminal: bool,
    /// When the first signal that asks to stop came.
    first: Option<Instant>,
}

impl Signals {
    /// Starts to catch the signals.
    ///
    /// # Errors
    /// The operating system's own.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            on_terminal: stderr().is_terminal(),
            first: None,
        })
    }

    /// Waits for the next signal that asks for something, and gives its name: the first one asks to stop, the next one to
    /// stop at once. Others are logged and passed over.
    pub async fn next(&mut self) -> &'static str {
        loop {
            let signal = tokio::select! {
                _ = self.terminate.recv() => Signal::Terminate,
                _ = self.interrupt.recv() => Signal::Interrupt,
                _ = self.hang_up.recv() => Signal::HangUp,
            };
            let name = signal.as_str();
            let situation = Situation {
                since_first: self.first.map(|first| first.elapsed()),
                terminal_gone: self.on_terminal && !stderr().is_terminal(),
            };
            match respond(signal, situation) {
                Response::Stop => {
                    self.first = Some(Instant::now());
                    return name;
                }
                Response::StopAtOnce => return name,
                Response::Repeated => tracing::info!(
                    signal = name,
                    "signal ignored: it came less than a second after the first one, and may be the same sent twice"
                ),
                Response::NoReload => tracing::warn!(
                    signal = name,
                    "signal ignored: models and configuration are read at start only, and there is no log file to open \
                     again, since the log goes to stderr"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_is_impatience_after_a_second_only() {
        let ms = |since| Some(Duration::from_millis(since));
        for (signal, since_first, terminal_gone, expected) in [
            (Signal::Terminate, None, false, Response::Stop),
            (Signal::Interrupt, None, false, Response::Stop),
            (Signal::Terminate, ms(0), false, Response::Repeated),
            (Signal::Terminate, ms(1), false, Response::Repeated),
            (Signal::Interrupt, ms(1), false, Response::Repeated),
            (Signal::Terminate, ms(999), false, Response::Repeated),
            (Signal::Terminate, ms(1000), false, Response::StopAtOnce),
            (Signal::Interrupt, ms(20_000), false, Response::StopAtOnce),
            (Signal::HangUp, None, false, Response::NoReload),
            (Signal::HangUp, ms(5000), false, Response::NoReload),
            // The terminal was closed: nobody could stop it by hand any more.
            (Signal::HangUp, None, true, Response::Stop),
            (Signal::HangUp, ms(5000), true, Response::Repeated),
            (Signal::Terminate, ms(5000), true, Response::StopAtOnce),
        ] {
            let situation = Situation { since_first, terminal_gone };
            assert_eq!(respond(signal, situation), expected, "{signal:?} {situation:?}");
        }
    }
}

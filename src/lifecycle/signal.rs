//! Signal handling: SIGTERM and SIGINT stop the process; SIGHUP asks it to look for changed models, and stops it only if
//! the terminal is gone.
//!
//! A process group often receives a signal twice: `timeout` sends it to its child and then to the group, and a
//! supervisor and a shell may both forward it. So a second signal stops the process at once only if it arrives long
//! enough after the first to be a separate decision.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// Within this time after the first signal, a further one is taken for a repetition.
const SAME_DECISION: Duration = Duration::from_secs(1);

/// A signal that is handled.
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

/// The state of the process when a signal arrives.
#[derive(Debug, Clone, Copy)]
struct Situation {
    /// The time since the first stop signal, if there was one.
    since_first: Option<Duration>,
    /// Whether the terminal that the process was started in is gone.
    terminal_gone: bool,
}

/// The response to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    /// Stop gracefully.
    Stop,
    /// Stop immediately: a user or a supervisor does not want to wait any longer.
    StopAtOnce,
    /// Ignore: it repeats the first signal.
    Repeated,
    /// Look for changed models.
    Reload,
}

fn respond(signal: Signal, situation: Situation) -> Response {
    // If the terminal is gone, nobody can stop the process by hand, so SIGHUP stops it. Otherwise SIGHUP is usually
    // meant as a request to reload.
    if signal == Signal::HangUp && !situation.terminal_gone {
        return Response::Reload;
    }
    match situation.since_first {
        None => Response::Stop,
        Some(since) if since < SAME_DECISION || signal == Signal::HangUp => Response::Repeated,
        Some(_) => Response::StopAtOnce,
    }
}

/// The signal handlers, active from construction.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
    /// Whether stderr was a terminal at the start.
    on_terminal: bool,
    /// When the first stop signal arrived.
    first: Option<Instant>,
}

impl Signals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    /// Returns the OS error if a handler cannot be installed.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            on_terminal: stderr().is_terminal(),
            first: None,
        })
    }

    /// Waits for the next stop signal and returns its name. The first signal asks for a graceful stop, the second one
    /// for an immediate stop. Repeated signals are logged and ignored. Calls `reload` for each SIGHUP that does not stop
    /// the process.
    pub async fn next(&mut self, reload: impl Fn()) -> &'static str {
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
                    "signal ignored: received less than a second after the first one, possibly as a duplicate"
                ),
                Response::Reload => {
                    tracing::info!(
                        signal = name,
                        "looking for changed models; the configuration is read at start only"
                    );
                    reload();
                }
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
            (Signal::HangUp, None, false, Response::Reload),
            (Signal::HangUp, ms(5000), false, Response::Reload),
            // The terminal was closed: nobody can stop the process by hand any more.
            (Signal::HangUp, None, true, Response::Stop),
            (Signal::HangUp, ms(5000), true, Response::Repeated),
            (Signal::Terminate, ms(5000), true, Response::StopAtOnce),
        ] {
            let situation = Situation { since_first, terminal_gone };
            assert_eq!(respond(signal, situation), expected, "{signal:?} {situation:?}");
        }
    }
}

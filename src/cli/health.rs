//! `candor health`: asks a running server over its socket, for containers that have no shell and no curl.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::Common;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask a running server whether it is alive; exit code 0 if it is.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask whether every required model is ready, rather than whether the process is alive.
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    common: Common,
}

impl Health {
    pub(super) fn run(self) -> ExitCode {
        let config = match self.common.load(Vec::new()) {
            Ok(loaded) => loaded.config.http.server,
            Err(code) => return code,
        };
        let host = match config.host {
            host if host.is_unspecified() => std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            host => host,
        };
        let address = SocketAddr::new(host, config.port);
        let path = if self.ready { "/readyz" } else { "/livez" };
        match ask(address, path) {
            Ok(status) if status.contains(" 200") => ExitCode::SUCCESS,
            Ok(status) => {
                eprintln!("candor: http://{address}{path} answered {}", status.trim());
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("candor: http://{address}{path} cannot be reached: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The status line of a GET.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    Ok(status)
}

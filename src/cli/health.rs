//! `candor health`: queries a running server over its socket, for containers that have no shell and no curl.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use http::Uri;

use super::output::complain;
use crate::{
    api::transport::Host,
    cli::{
        config_args::{ConfigArgs, warn},
        errors::print_problem,
    },
};

/// The address to check cannot be used: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct TargetError(String);

impl From<String> for TargetError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Check whether a running server is alive; exit code 0 if it is.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Check whether every required model is ready, instead of whether the process is alive.
    #[arg(long)]
    ready: bool,
    /// Address or name of the server (`http.host`; loopback if the server listens on every interface).
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port of the server (`http.port`).
    #[arg(long)]
    port: Option<u16>,
    /// Request this URL instead of the configured address: `http://host:port`, optionally with a path.
    #[arg(long, value_name = "URL", conflicts_with_all = ["host", "port"])]
    url: Option<Uri>,
    #[command(flatten)]
    common: ConfigArgs,
}

/// Address and path of the health check.
struct Target {
    host: Host,
    port: u16,
    path: String,
}

impl Health {
    pub(super) fn run(self) -> ExitCode {
        let target = match self.target() {
            Ok(target) => target,
            Err(code) => return code,
        };
        let url = format!("http://{}:{}{}", target.host, target.port, target.path);
        match get_status_line(&target) {
            Ok(status) if status.split(' ').nth(1) == Some("200") => return ExitCode::SUCCESS,
            Ok(status) => complain(format_args!("candor: {url} answered {}", status.trim())),
            Err(error) => complain(format_args!("candor: {url} cannot be reached: {error}")),
        }
        ExitCode::FAILURE
    }

    fn target(&self) -> Result<Target, ExitCode> {
        let route = if self.ready { "/readyz" } else { "/livez" };
        if let Some(url) = &self.url {
            return target_of(url, route).map_err(|reason| {
                print_problem(&reason);
                ExitCode::from(2)
            });
        }
        let flags = [("http.host", self.host.clone()), ("http.port", self.port.map(|port| port.to_string()))];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        let loaded = self.common.load(flags)?;
        warn(&loaded.warnings);
        let server = loaded.config.http.server;
        let host = match server.host {
            Host::Address(IpAddr::V4(address)) if address.is_unspecified() => Host::Address(Ipv4Addr::LOCALHOST.into()),
            Host::Address(IpAddr::V6(address)) if address.is_unspecified() => Host::Address(Ipv6Addr::LOCALHOST.into()),
            host => host,
        };
        Ok(Target { host, port: server.port, path: route.to_owned() })
    }
}

/// Returns the target of a URL: its own path, or `route` if it has none.
fn target_of(url: &Uri, route: &str) -> Result<Target, TargetError> {
    let wrong = || format!("--url expects http://host, http://host:port or http://host:port/path, found \"{url}\"");
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http")).ok_or_else(wrong)?;
    let host = authority.host().parse().map_err(|_| wrong())?;
    let path = url.path_and_query().map(http::uri::PathAndQuery::as_str).filter(|path| *path != "/");
    Ok(Target { host, port: authority.port_u16().unwrap_or(80), path: path.unwrap_or(route).to_owned() })
}

/// Sends a GET request to the first address that accepts a connection, and returns the status line.
fn get_status_line(target: &Target) -> io::Result<String> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for address in target.host.addresses(target.port)? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                let (host, port, path) = (&target.host, target.port, &target.path);
                write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n")?;
                let mut status = String::new();
                BufReader::new(stream).read_line(&mut status)?;
                return Ok(status);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_and_path() {
        for (url, expected) in [
            ("http://localhost", Some(("localhost", 80, "/livez"))),
            ("http://localhost:9000/", Some(("localhost", 9000, "/livez"))),
            ("http://[::1]:9000/readyz", Some(("[::1]", 9000, "/readyz"))),
            ("http://127.0.0.1:9000/models?x=1", Some(("127.0.0.1", 9000, "/models?x=1"))),
            ("https://localhost:9000", None),
            ("localhost:9000", None),
            ("/livez", None),
        ] {
            let target = target_of(&url.parse().expect("a URI"), "/livez").ok();
            let found = target.map(|target| (target.host.to_string(), target.port, target.path));
            assert_eq!(found, expected.map(|(host, port, path)| (host.to_owned(), port, path.to_owned())), "{url}");
        }
    }
}

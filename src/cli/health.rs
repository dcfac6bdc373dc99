//! `candor health`: queries a running server over its socket, for containers that have no shell and no curl.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use http::{Method, StatusCode, Uri};

use super::{
    http_client::{ClientRequest, Target, send},
    output::complain,
};
use crate::{
    cli::{
        config_args::{ConfigArgs, warn},
        errors::print_problem,
    },
    telemetry::error_chain,
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
struct HealthCheck {
    target: Target,
    path: String,
}

impl Health {
    pub(super) fn run(self) -> ExitCode {
        let check = match self.target() {
            Ok(check) => check,
            Err(code) => return code,
        };
        let HealthCheck { target, path } = check;
        let url = format!("http://{}:{}{path}", target.host, target.port);
        let request =
            ClientRequest { method: Method::GET, path: &path, token: None, body: String::new(), timeout: TIMEOUT };
        match send(&target, request) {
            Ok((status, _)) if status == StatusCode::OK => return ExitCode::SUCCESS,
            Ok((status, _)) => complain(format_args!("candor: {url} answered {status}")),
            Err(error) => complain(format_args!("candor: {url} {}", error_chain(&error))),
        }
        ExitCode::FAILURE
    }

    fn target(&self) -> Result<HealthCheck, ExitCode> {
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
        let target = Target { host: server.host.reachable(), port: server.port };
        Ok(HealthCheck { target, path: route.to_owned() })
    }
}

/// Returns the target of a URL: its own path, or `route` if it has none.
fn target_of(url: &Uri, route: &str) -> Result<HealthCheck, TargetError> {
    let wrong = || format!("--url expects http://host, http://host:port or http://host:port/path, found \"{url}\"");
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http")).ok_or_else(wrong)?;
    let host = authority.host().parse().map_err(|_| wrong())?;
    let path = url.path_and_query().map(http::uri::PathAndQuery::as_str).filter(|path| *path != "/");
    let target = Target { host, port: authority.port_u16().unwrap_or(80) };
    Ok(HealthCheck { target, path: path.unwrap_or(route).to_owned() })
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
            let found = target.map(|HealthCheck { target, path }| (target.host.to_string(), target.port, path));
            assert_eq!(found, expected.map(|(host, port, path)| (host.to_owned(), port, path.to_owned())), "{url}");
        }
    }
}

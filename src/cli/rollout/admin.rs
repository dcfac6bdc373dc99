//! The admin listener of a running server: its address, its token, and its answers.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode, Uri};
use serde_json::Value;

use super::super::{
    config_args::{ConfigArgs, warn},
    errors::print_problem,
    http_client::{ClientRequest, Target, send},
};
use crate::telemetry::{error_chain, reason};

/// The environment variable of the token.
const TOKEN_VARIABLE: &str = "CANDOR_ADMIN_TOKEN";

/// How long the server may take: a promotion may run the gate first.
const TIMEOUT: Duration = Duration::from_mins(2);

/// How to reach the admin listener.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// The admin listener, such as `http://127.0.0.1:8081` [default: `admin.host` and `admin.port` of the configuration].
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// A file with the bearer token of an administrator [default: the environment variable `CANDOR_ADMIN_TOKEN`].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    common: ConfigArgs,
}

/// A connection to the admin listener.
pub(super) struct Admin {
    target: Target,
    token: Option<String>,
}

impl AdminArgs {
    /// Resolves address and token.
    pub(super) fn connect(&self) -> Result<Admin, ExitCode> {
        let usage = |problem: String| {
            print_problem(&problem);
            ExitCode::from(2)
        };
        let token = match &self.token_file {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| usage(format!("{}: {}", path.display(), reason(&error))))?;
                Some(text.trim().to_owned())
            }
            None => std::env::var(TOKEN_VARIABLE).ok().map(|token| token.trim().to_owned()),
        };
        let target = if let Some(url) = &self.url {
            target_of(url).ok_or_else(|| usage(format!("--url expects http://host:port, found \"{url}\"")))?
        } else {
            let loaded = self.common.load(Vec::new())?;
            warn(&loaded.warnings);
            let admin = loaded.config.admin;
            Target { host: admin.host.reachable(), port: admin.port }
        };
        Ok(Admin { target, token: token.filter(|token| !token.is_empty()) })
    }
}

fn target_of(url: &Uri) -> Option<Target> {
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http") && matches!(url.path(), "" | "/"))?;
    Some(Target { host: authority.host().parse().ok()?, port: authority.port_u16().unwrap_or(80) })
}

impl Admin {
    /// Sends a request. Returns the JSON of a successful response; prints every other outcome.
    pub(super) fn request(&self, method: Method, path: &str, body: &Value) -> Result<Value, ExitCode> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = ClientRequest { method, path, token: self.token.as_deref(), body, timeout: TIMEOUT };
        let place = format!("http://{}:{}", self.target.host, self.target.port);
        match send(&self.target, request) {
            Ok((status, bytes)) if status.is_success() => serde_json::from_slice(&bytes)
                .map_err(|_| print_problem(&format_args!("{place}{path} is not the admin listener of Candor"))),
            Ok((status, bytes)) => Err(self.print_refusal(&place, status, &bytes)),
            Err(error) => {
                print_problem(&format_args!("{place} {}", error_chain(&error)));
                print_problem(&"is a server running, and does it have an admin listener (admin.tokens_file)?");
                Err(ExitCode::FAILURE)
            }
        }
    }

    fn print_refusal(&self, place: &str, status: StatusCode, bytes: &Bytes) -> ExitCode {
        let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("the response is not a problem of Candor");
        if status == StatusCode::UNAUTHORIZED {
            let known = if self.token.is_some() { "the token is unknown there" } else { "there is no token" };
            return print_problem(&format_args!(
                "{place} requires the token of an administrator, and {known}: give it with --token-file, or in the \
                 environment variable {TOKEN_VARIABLE}"
            ));
        }
        print_problem(&detail)
    }
}

/// Encodes a name as one segment of a path. Names need no escapes; anything else leads to no model.
pub(super) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(encoded).collect()
}

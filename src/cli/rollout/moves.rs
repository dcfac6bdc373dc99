//! `candor promote`, `canary`, `shadow`, `rollback`, `load`, `unload` and `reload`.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    super::output::Terminal,
    admin::{Admin, AdminArgs, segment},
    status::print_model,
};

/// Make a version stable: it serves every request that names no version.
///
/// The version must be ready, and must pass the gate: its contract must not break callers, and it must keep the limits in
/// `[gate]` of model.toml. `candor compare` shows the same offline. The stable version before it stays loaded, and
/// `candor rollback` returns to it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Promote {
    /// The model.
    model: String,
    /// The version.
    version: String,
    /// Promote it even if the gate refuses it; requires --why.
    #[arg(long, requires = "why")]
    force: bool,
    /// The reason, which the history keeps.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Let a version serve a share of the callers, beside the stable version.
///
/// The same caller gets the same version on every server. `[canary]` of model.toml says what identifies a caller, and
/// when the canary is taken back without asking.
#[derive(Debug, Args)]
pub(in crate::cli) struct CanaryCommand {
    #[command(flatten)]
    share: ShareArgs,
}

/// Send copies of requests to a version and compare its answers; callers get those of the stable version only.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShadowCommand {
    #[command(flatten)]
    share: ShareArgs,
}

#[derive(Debug, Args)]
struct ShareArgs {
    /// The model.
    model: String,
    /// The version.
    #[arg(required_unless_present = "off")]
    version: Option<String>,
    /// The share, in percent [default: that of model.toml].
    #[arg(long, value_name = "NUMBER")]
    percent: Option<f64>,
    /// End it.
    #[arg(long, conflicts_with_all = ["version", "percent"])]
    off: bool,
    /// The reason, which the history keeps.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// End the canary; without one, make the version stable that was stable before.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The model.
    model: String,
    /// Roll back only if this version is the canary or stable, so that repeating the command is harmless.
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    /// The reason, which the history keeps.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Load a version that model.toml does not select, or try one again that could not be loaded.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoadCommand {
    #[command(flatten)]
    version: VersionArgs,
}

/// Unload a version. It stays on disk, and `candor load` loads it again.
#[derive(Debug, Args)]
pub(in crate::cli) struct UnloadCommand {
    #[command(flatten)]
    version: VersionArgs,
}

#[derive(Debug, Args)]
struct VersionArgs {
    /// The model.
    model: String,
    /// The version.
    version: String,
    /// The reason, which the history keeps.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Look for changed models at once, instead of at the next interval (`repository.poll_interval_ms`).
#[derive(Debug, Args)]
pub(in crate::cli) struct Reload {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Returns a body of the members that have a value.
fn body<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Makes a move and prints the new state of the model.
fn make(admin: &AdminArgs, model: &str, name: &str, body: &Value) -> ExitCode {
    let made = admin.connect().and_then(|admin: Admin| {
        admin.request(Method::POST, &format!("/admin/models/{}/{name}", segment(model)), body)
    });
    match made {
        Err(code) => code,
        Ok(state) => {
            let mut terminal = Terminal::standard();
            if state["changed"] == json!(false) {
                terminal.line(format_args!("nothing to do: it is so already"));
            }
            print_model(&mut terminal, &state);
            terminal.finish(ExitCode::SUCCESS)
        }
    }
}

impl Promote {
    pub(in crate::cli) fn run(self) -> ExitCode {
        let members = [
            ("version", Some(json!(self.version))),
            ("force", self.force.then_some(json!(true))),
            ("why", self.why.map(Value::from)),
        ];
        make(&self.admin, &self.model, "promote", &body(members))
    }
}

impl ShareArgs {
    fn run(self, name: &str) -> ExitCode {
        let members = [
            ("version", self.version.map(Value::from)),
            ("percent", self.percent.map(Value::from)),
            ("off", self.off.then_some(json!(true))),
            ("why", self.why.map(Value::from)),
        ];
        make(&self.admin, &self.model, name, &body(members))
    }
}

impl CanaryCommand {
    pub(in crate::cli) fn run(self) -> ExitCode {
        self.share.run("canary")
    }
}

impl ShadowCommand {
    pub(in crate::cli) fn run(self) -> ExitCode {
        self.share.run("shadow")
    }
}

impl Rollback {
    pub(in crate::cli) fn run(self) -> ExitCode {
        let members = [("from", self.from.map(Value::from)), ("why", self.why.map(Value::from))];
        make(&self.admin, &self.model, "rollback", &body(members))
    }
}

impl VersionArgs {
    fn run(self, name: &str) -> ExitCode {
        let members = [("version", Some(json!(self.version))), ("why", self.why.map(Value::from))];
        make(&self.admin, &self.model, name, &body(members))
    }
}

impl LoadCommand {
    pub(in crate::cli) fn run(self) -> ExitCode {
        self.version.run("load")
    }
}

impl UnloadCommand {
    pub(in crate::cli) fn run(self) -> ExitCode {
        self.version.run("unload")
    }
}

impl Reload {
    pub(in crate::cli) fn run(self) -> ExitCode {
        match self.admin.connect().and_then(|admin| admin.request(Method::POST, "/admin/reload", &Value::Null)) {
            Err(code) => code,
            Ok(found) => {
                let mut terminal = Terminal::standard();
                terminal.line(format_args!("{} models", found["models"]));
                for reason in found["not_ready"].as_array().into_iter().flatten() {
                    terminal.line(format_args!("not ready: {}", reason.as_str().unwrap_or_default()));
                }
                terminal.finish(ExitCode::SUCCESS)
            }
        }
    }
}

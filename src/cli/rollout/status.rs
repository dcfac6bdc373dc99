//! `candor status`: which version of each model serves whom, as a table.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::{
    super::{output::Terminal, text_table::left_aligned},
    admin::{AdminArgs, segment},
};

/// The moves that are printed of each model.
const MOVES: usize = 5;

/// Show which version of each model serves whom, and the latest moves.
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Only this model.
    model: Option<String>,
    /// Print the JSON of the admin listener.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Status {
    pub(in crate::cli) fn run(self) -> ExitCode {
        let path = self
            .model
            .as_ref()
            .map_or_else(|| "/admin/models".to_owned(), |model| format!("/admin/models/{}", segment(model)));
        let found = match self.admin.connect().and_then(|admin| admin.request(Method::GET, &path, &Value::Null)) {
            Ok(found) => found,
            Err(code) => return code,
        };
        let mut terminal = Terminal::standard();
        if self.json {
            terminal.line(format_args!("{found:#}"));
        } else if let Some(models) = found["models"].as_array() {
            for (index, model) in models.iter().enumerate() {
                if index > 0 {
                    terminal.line(format_args!(""));
                }
                print_model(&mut terminal, model);
            }
        } else {
            print_model(&mut terminal, &found);
        }
        terminal.finish(ExitCode::SUCCESS)
    }
}

/// A number without a useless fraction.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Prints the versions of a model with their roles, and its latest moves.
pub(super) fn print_model(terminal: &mut Terminal, model: &Value) {
    terminal.line(format_args!("{}{}", text(&model["model"]), if model["ready"] == true { "" } else { "  NOT READY" }));
    if let Some(problem) = model["problem"].as_str() {
        terminal.line(format_args!("  problem: {problem}"));
    }
    for warning in model["warnings"].as_array().into_iter().flatten() {
        terminal.line(format_args!("  warning: {}", text(warning)));
    }
    let mut rows = vec![["VERSION", "STATE", "SERVES"].map(str::to_owned).to_vec()];
    let mut reasons = Vec::new();
    for version in model["versions"].as_array().into_iter().flatten() {
        let name = text(&version["version"]);
        rows.push(vec![name.to_owned(), text(&version["state"]).to_owned(), roles(model, version)]);
        let of_version = version["reasons"].as_array().into_iter().flatten();
        reasons.extend(of_version.map(|reason| format!("  version {name}: {}", text(reason))));
    }
    let shown =
        |name: &Value| model["versions"].as_array().is_some_and(|all| all.iter().any(|v| v["version"] == *name));
    for version in model["not_loaded"].as_array().into_iter().flatten().filter(|version| !shown(version)) {
        rows.push(vec![text(version).to_owned(), "not loaded".to_owned(), "–".to_owned()]);
    }
    for line in left_aligned(&rows).lines() {
        terminal.line(format_args!("  {line}"));
    }
    for reason in &reasons {
        terminal.line(format_args!("{reason}"));
    }
    print_guard(terminal, &model["guard"]);
    if model["pinned"] == false && model["ready"] == true {
        terminal.line(format_args!("  no move was made yet: the newest version at start is stable"));
    }
    for made in model["history"].as_array().into_iter().flatten().take(MOVES) {
        terminal.line(format_args!("  {}", described(made)));
    }
}

/// Prints what the guard has observed of a canary.
fn print_guard(terminal: &mut Terminal, guard: &Value) {
    if guard.is_null() {
        return;
    }
    let verdict = match text(&guard["verdict"]) {
        "hold" => "hold",
        "promote" => "within the limits",
        _ => "roll back",
    };
    terminal.line(format_args!(
        "  guard: {verdict} (sticky by {}, at least {} requests each)",
        text(&guard["sticky_by"]),
        guard["min_requests"]
    ));
    let observed = &guard["observed"];
    for arm in ["canary", "stable"] {
        let of = &observed[arm];
        let rate = of["error_rate"].as_f64().unwrap_or_default() * 100.0;
        let p99 = of["p99_ms"].as_f64().map(|p99| format!(", p99 {p99:.2} ms")).unwrap_or_default();
        let mean = of["mean_uncertainty"].as_f64().map(|mean| format!(", mean uncertainty {mean:.3}"));
        terminal.line(format_args!(
            "    {arm}: {} requests, errors {rate:.2} %{p99}{}",
            of["requests"],
            mean.unwrap_or_default()
        ));
    }
    if let Some(share) = observed["disagreement"].as_f64() {
        terminal.line(format_args!("    different answers: {:.1} % of {} rows", share * 100.0, observed["compared"]));
    }
}

/// What a version serves, in words.
fn roles(model: &Value, version: &Value) -> String {
    let share = |role: &Value| format!("{} % since {}", number(&role["percent"]), text(&role["since"]));
    let roles: Vec<String> = version["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|role| match text(role) {
            "stable" if model["canary"].is_null() => "stable: all callers".to_owned(),
            "stable" => "stable: all other callers".to_owned(),
            "canary" => format!("canary: {}", share(&model["canary"])),
            "shadow" => format!("shadow: copies of {} %", number(&model["shadow"]["percent"])),
            role => role.to_owned(),
        })
        .collect();
    match version["state"].as_str() {
        _ if !roles.is_empty() => roles.join(", "),
        Some("ready") => "by name only".to_owned(),
        _ => "–".to_owned(),
    }
}

/// One move of the history, as a line.
fn described(made: &Value) -> String {
    let name = text(&made["move"]).replace('_', " ");
    let to = if name == "rollback" { " to" } else { "" };
    let part = |before: &str, value: &Value, after: &str| match value {
        Value::Null => String::new(),
        value => format!("{before}{}{after}", value.as_str().map_or_else(|| number(value).to_string(), str::to_owned)),
    };
    let version = part(&format!("{to} "), &made["version"], "");
    let (share, from) = (part(" at ", &made["percent"], " %"), part(" (from ", &made["before"], ")"));
    // A reason may hold anything; a line break or an escape sequence must not forge lines of the table.
    let why = part(": ", &made["why"], "").replace(char::is_control, " ");
    format!("{}  {name}{version}{share}{from} by {}{why}", text(&made["at"]), text(&made["by"]))
}

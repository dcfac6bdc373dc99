//! docs/rollout.md: its commands are run as written, in order, against the program with the bundled models; what it shows
//! of their output is there; its tables and files are complete.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use candor::{
    domain::{
        comparison::GateLimits,
        name::VersionName,
        rollout::{CanaryPlan, CanaryRole, MoveRecord, Rollout, ShadowRole},
    },
    repository::{ModelSettings, ShadowSettings},
    telemetry,
};
use serde_json::{Value, json};

use crate::support::{external_tools::tool, packages::copy_models, paths::root, process::Process, wait::wait_until};

/// How often a block with a prediction is tried again.
const MAX_RETRIES: usize = 5;

fn page() -> String {
    fs::read_to_string(root().join("docs/rollout.md")).expect("the page")
}

/// The fenced blocks of a page with their languages, in order.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').expect("a block");
        let (text, after) = after.split_once("\n```\n").unwrap_or((after, ""));
        found.push((language, text));
        rest = after;
    }
    found
}

/// A person who follows the page: a directory with the bundled models, a shell, and a server once it is started.
struct Reader {
    directory: tempfile::TempDir,
    server: Option<Process>,
}

impl Reader {
    /// Runs a block in the shell and returns what it printed. It must succeed.
    fn run(&mut self, block: &str) -> String {
        if let Some(arguments) = block.strip_prefix("candor serve ") {
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            let arguments = [&arguments[..], &["--set", "admin.port=0"]].concat();
            let server = Process::with(&arguments, |command| _ = command.current_dir(self.directory.path()));
            self.server = Some(server);
            return String::new();
        }
        let mut output = self.shell(block);
        for _ in 0..MAX_RETRIES {
            // A prediction may miss its deadline on a busy machine; the moves around it can be repeated.
            if !output.status.success() && block.contains("/predict") {
                output = self.shell(block);
            }
        }
        let (printed, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{block}: {printed}{complaint}");
        // A person waits here until the table shows no `loading`.
        let status = "candor status --json";
        if let Some(server) = &self.server
            && self.shell("test -n \"${CANDOR_ADMIN_TOKEN:-}\"").status.success()
        {
            wait_until(&format!("all versions of {} are loaded", server.address), || {
                !String::from_utf8_lossy(&self.shell(status).stdout).contains("\"loading\"")
            });
        }
        printed.into_owned()
    }

    /// Runs a script where the one before it ended: variables are kept.
    fn shell(&self, script: &str) -> std::process::Output {
        let mut script = script.to_owned();
        let program = Path::new(env!("CARGO_BIN_EXE_candor")).parent().expect("its directory");
        let path = env::join_paths(
            [program.to_path_buf()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
        );
        let mut command = Command::new("sh");
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CANDOR_")) {
            command.env_remove(name);
        }
        if let Some(server) = &self.server {
            let admin = server.admin.expect("an admin listener");
            script = script.replace("localhost:8080", &server.address.to_string());
            script = script.replace("localhost:8081", &admin.to_string());
            command.env("CANDOR_ADMIN__PORT", admin.port().to_string());
        }
        let script = format!("if [ -f .session ]; then . ./.session; fi\nset -eu\n{script}\nexport -p > .session\n");
        command.env("PATH", path.expect("a path")).args(["-c", &script]).current_dir(self.directory.path());
        command.stdin(Stdio::null()).output().expect("a shell")
    }
}

/// A line of output without what differs from run to run: times, and numbers with a fraction or of requests.
fn steady(line: &str) -> String {
    let mut words = String::new();
    let mut rest = line.split(' ').peekable();
    while let Some(word) = rest.next() {
        let counted = rest.peek().is_some_and(|next| next.starts_with("requests"));
        let plain = word.trim_end_matches(',');
        let is_time = plain.len() > 20 && plain.ends_with('Z') && plain.contains('T');
        let is_number = plain.parse::<f64>().is_ok() && (plain.contains('.') || counted);
        let _ = write!(words, "{} ", if is_time || is_number { "#" } else { word });
    }
    words.trim_end().to_owned()
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let page = page();
    let mut reader = Reader { directory: tempfile::tempdir().expect("a directory"), server: None };
    let models = copy_models(&["churn", "wine"]);
    fs::rename(models.path(), reader.directory.path().join("models")).expect("moved");
    let (mut printed, mut ran) = (String::new(), 0);
    for (language, text) in blocks(&page) {
        match (language, text.strip_prefix("# models/churn/model.toml\n")) {
            ("sh", _) => {
                printed = reader.run(text);
                ran += 1;
            }
            ("toml", Some(settings)) => {
                fs::write(reader.directory.path().join("models/churn/model.toml"), settings).expect("written");
            }
            ("text", _) => {
                let mut lines = printed.lines().map(steady);
                for expected in text.lines() {
                    let wanted = steady(expected);
                    assert!(lines.any(|line| line.trim_end() == wanted), "no line {expected:?} in:\n{printed}");
                }
            }
            _ => {}
        }
    }
    assert!(ran >= 15, "{ran} blocks");
    let state = reader.shell("candor status churn --json");
    let state: Value = serde_json::from_slice(&state.stdout).expect("JSON");
    assert_eq!((&state["stable"], &state["canary"], &state["shadow"]), (&json!("1"), &Value::Null, &Value::Null));
    assert!(
        state["history"].as_array().is_some_and(|history| history.iter().all(|made| made["by"] == "eva")),
        "{state:#}"
    );
}

#[test]
fn the_files_of_the_page_are_complete_and_show_the_defaults() {
    let page = page();
    let (_, text) = page.split_once("\n## model.toml\n").expect("the section");
    let (_, text) = *blocks(text).iter().find(|(language, _)| *language == "toml").expect("the file");
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("model.toml"), text).expect("written");
    let shown = ModelSettings::read(Some(directory.path())).expect("good settings");
    assert_eq!(shown, ModelSettings { canary: Some(CanaryPlan::default()), ..ModelSettings::default() });
    assert_eq!((shown.shadow, shown.gate), (ShadowSettings::default(), GateLimits::default()));
    for table in ["gate", "canary", "canary.guard", "shadow", "experiment"] {
        fs::write(directory.path().join("model.toml"), format!("[{table}]\nunheard_of = 1\n")).expect("written");
        let error = ModelSettings::read(Some(directory.path())).expect_err("an unknown key").to_string();
        let known = error.split_once("expected ").expect("what would be right").1;
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).filter(|key| *key != "guard").collect();
        assert!(!known.is_empty(), "{error}");
        for key in known {
            let is_shown = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} = ")) || line.starts_with(&format!("{key}."))
            };
            assert!(text.lines().any(is_shown), "[{table}] {key} is not shown");
        }
    }

    let version = || VersionName::new("1").expect("a name");
    let record = MoveRecord {
        at: String::new(),
        by: String::new(),
        name: String::new(),
        version: Some(version()),
        before: Some(version()),
        percent: Some(1.0),
        why: "x".to_owned(),
    };
    let state = Rollout {
        canary: Some(CanaryRole { version: version(), percent: 1.0, since: String::new() }),
        shadow: Some(ShadowRole { version: version(), percent: 1.0 }),
        history: vec![record],
        ..Rollout::default()
    };
    let (_, table) = page.split_once("| key | meaning |").expect("the table");
    let table = table.split_once("\n\n").expect("its end").0;
    let state = serde_json::to_value(state).expect("JSON");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for key in [&state, &state["canary"], &state["shadow"], &state["history"][0]].into_iter().flat_map(keys) {
        assert!(table.contains(&format!("`{key}`")), "rollout.json: {key} is not described");
    }
}

#[test]
fn the_messages_metrics_and_links_of_the_page_exist() {
    let page = page();
    let sources = [
        "src/domain/rollout/moves.rs",
        "src/repository/move_request.rs",
        "src/api/http/moves.rs",
        "src/cli/rollout/admin.rs",
        "src/serving/pin.rs",
    ];
    let sources = sources.map(|path| fs::read_to_string(root().join(path)).expect("a source")).concat();
    let (_, table) = page.split_once("| message | what to do |").expect("the table");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let message = row.split('`').nth(1).expect("a message");
        for part in message.split('…').filter(|part| part.len() > 4) {
            assert!(sources.contains(part), "no message has the words {part:?}");
        }
    }
    let rules = tempfile::NamedTempFile::new().expect("a file");
    let (_, text) = *blocks(&page).iter().find(|(language, _)| *language == "yaml").expect("the rules");
    fs::write(rules.path(), text).expect("written");
    let remedy = "promtool comes with Debian's package prometheus: apt-get install prometheus";
    let checked = tool(Command::new("promtool").args(["check", "rules"]).arg(rules.path()), remedy, "");
    assert!(checked.contains("SUCCESS: 2 rules found"), "{checked}");
    let known = telemetry::markdown_reference();
    let is_name = |character: char| character.is_ascii_lowercase() || character == '_';
    for (start, _) in page.match_indices("candor_") {
        let name = page[start..].split(|character| !is_name(character)).next().unwrap_or_default();
        assert!(known.contains(&format!("`{name}`")), "there is no metric {name}");
    }
    for (start, _) in page.match_indices("](") {
        let target = page[start + 2..].split(')').next().unwrap_or_default();
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { "rollout.md" } else { file };
        let text = fs::read_to_string(root().join("docs").join(file)).unwrap_or_default();
        assert!(!text.is_empty(), "docs/rollout.md links to {file}, which does not exist");
        let anchors = text.lines().filter(|line| line.starts_with('#')).map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading.replace(' ', "-").replace(|character: char| !character.is_alphanumeric() && character != '-', "")
        });
        assert!(anchor.is_empty() || anchors.into_iter().any(|heading| heading == anchor), "no heading {target}");
    }
}

//! The program's output: pipes that close early, terminals and files, shells and `man`.

use std::{
    fs,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
};

use crate::support::{
    packages::copy_models,
    paths::root,
    process::{Process, candor},
};

#[path = "../../build/revision.rs"]
mod revision;

/// Runs the program with its output going to a pipe that nobody reads.
fn unread(arguments: &[&str], errors_too: bool) -> (Option<i32>, Option<i32>, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = candor(arguments);
    if errors_too {
        command.stderr(writer.try_clone().expect("a second end"));
    } else {
        command.stderr(Stdio::piped());
    }
    let mut child = command.stdout(writer).spawn().expect("it starts");
    // The command keeps an end of the pipe for itself.
    drop(command);
    let mut told = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut told).expect("UTF-8");
    }
    let status = child.wait().expect("it ends");
    (status.code(), status.signal(), told)
}

#[test]
fn a_closed_pipe_ends_the_output_quietly() {
    let pages = tempfile::tempdir().expect("a directory");
    let place = pages.path().display().to_string();
    for arguments in [
        &["config"][..],
        &["check", "models/churn"],
        &["completions", "bash"],
        &["man"],
        &["man", "--out", &place],
        &["--help"],
        &["--version"],
        &["calibrate", "--help"],
    ] {
        assert_eq!(unread(arguments, false), (Some(0), None, String::new()), "{arguments:?}");
    }
    // The exit code still tells the result.
    let models = copy_models(&["churn"]);
    fs::write(models.path().join("churn/1/golden.jsonl"), "broken\n").expect("written");
    let place = models.path().display().to_string();
    assert_eq!(unread(&["check", &place], false), (Some(1), None, String::new()));
    // The same if error messages cannot be written either.
    for (arguments, code) in [
        (&["config", "--set", "http.port=x"][..], 2),
        (&["check", "/nonexistent"], 1),
        (&["serve", "--port", "0", "/nonexistent"], 1),
        (&["init", "nope.onnx", "--data", "nope.csv"], 1),
        (&["health", "--port", "1"], 1),
    ] {
        assert_eq!(unread(arguments, true), (Some(code), None, String::new()), "{arguments:?}");
    }
}

#[test]
fn authoring_commands_survive_a_closed_pipe_and_write_their_files() {
    let models = copy_models(&["churn/1"]);
    let version = models.path().join("churn/1");
    let rows = models.path().join("rows.jsonl");
    let row = r#"{"tenure_months":4,"monthly_charge":79.5,"support_calls":1,"contract_months":12,"age":40,"plan":"basic","payment_method":"card","autopay":true}"#;
    fs::write(&rows, [row; 20].join("\n")).expect("written");
    fs::remove_file(version.join("profile.json")).expect("removed");
    let (version, rows) = (version.display().to_string(), rows.display().to_string());
    let (code, signal, told) = unread(&["profile", &version, "--data", &rows], false);
    assert_eq!((code, signal), (Some(0), None), "{told}");
    assert!(models.path().join("churn/1/profile.json").is_file());
}

#[test]
fn a_full_disk_is_told() {
    if !fs::exists("/dev/full").unwrap_or(false) {
        return;
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    let output = candor(&["config"]).stdout(full).stderr(Stdio::piped()).spawn().expect("it starts");
    let output = output.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.starts_with("candor: the output cannot be written"), "{told}");
}

/// Runs a server on a pseudo-terminal until it has loaded its models, and returns what the terminal showed.
fn on_a_terminal(variables: &[(&str, &str)], arguments: &[&str]) -> String {
    const SCRIPT: &str = "
import os, pty, select, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b''
while b'try: ' not in shown and select.select([terminal], [], [], 20)[0]:
    try:
        shown += os.read(terminal, 65536)
    except OSError:
        break
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
";
    let program = candor(&[]);
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(program.get_program()).args(arguments).current_dir(root());
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("ORT_DISABLE_TELEMETRY", "1");
    let output = command.envs(variables.iter().copied()).output().expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let serve = ["serve", "--port", "0", "models/churn"];
    let shown = on_a_terminal(&[], &serve);
    assert!(shown.contains("try: ") && shown.contains('\u{1b}'), "{shown:?}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let shown = on_a_terminal(&variables, &serve);
        assert!(shown.contains("try: ") && !shown.contains('\u{1b}'), "{variables:?} {shown:?}");
    }
    // Help and command line errors too.
    for arguments in [&["--help"][..], &["serve", "--prot", "1"]] {
        let shown = on_a_terminal(&[("NO_COLOR", "1")], arguments);
        assert!(!shown.contains('\u{1b}'), "{arguments:?} {shown:?}");
        let output = candor(arguments).output().expect("it ran");
        assert!(![output.stdout, output.stderr].concat().contains(&0x1b), "{arguments:?}");
    }
    // Output to a file has no escape codes.
    let child = candor(&["serve", "--port", "0", "--set", "telemetry.log_format=text", "/nonexistent"]).output();
    assert!(!child.expect("it ran").stderr.contains(&0x1b));
}

#[test]
fn the_long_version_tells_revision_runtime_and_features() {
    let output = candor(&["--version"]).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!(text.lines().next(), Some(concat!("candor ", env!("CARGO_PKG_VERSION"))));
    let revision = revision::find(root(), option_env!("CANDOR_REVISION")).revision;
    assert_eq!(line("revision"), Some(revision.as_str()));
    assert_eq!(line("onnxruntime"), Some("built for 1.31; loads this version or a newer one"));
    assert_eq!(line("execution providers"), Some("cpu, cuda, tensorrt, openvino, xnnpack"));
    let features = match (cfg!(feature = "arrow"), cfg!(feature = "object-store")) {
        (true, true) => "arrow,object-store",
        (true, false) => "arrow",
        (false, true) => "object-store",
        (false, false) => "none",
    };
    assert_eq!(line("features"), Some(features));
    assert!(line("target").is_some_and(|target| target.contains('-')), "{text}");

    let process = Process::starting(&["models/churn"]);
    let loaded = process.wait_for(|line| line["message"] == "ONNX Runtime loaded").expect("a line");
    let version = loaded["version"].as_str().expect("a version").to_owned();
    assert!(version.starts_with("1.") && version.split('.').count() == 3, "the library's own version: {version}");
    let metrics = crate::support::server::Server::shared().get("/metrics").text();
    let info = metrics.lines().find(|line| line.starts_with("candor_build_info{")).expect("the metric").to_owned();
    for label in [
        format!("revision=\"{revision}\""),
        format!("onnxruntime=\"{version}\""),
        "onnxruntime_built_for=\"1.31\"".to_owned(),
        format!("features=\"{}\"", if features == "none" { "" } else { features }),
    ] {
        assert!(info.contains(&label), "{label}\n{info}");
    }
}

#[test]
fn the_revision_is_found_in_trees_of_every_kind() {
    const ONE: &str = "0123456789abcdef0123456789abcdef01234567";
    const TWO: &str = "89abcdef0123456789abcdef0123456789abcdef";
    let root = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("branch/.git/HEAD", "ref: refs/heads/main\n");
    write("branch/.git/refs/heads/main", &format!("{ONE}\n"));
    write("packed/.git/HEAD", "ref: refs/heads/main\n");
    write(
        "packed/.git/packed-refs",
        &format!("# pack-refs\n{TWO} refs/heads/maintenance\n{ONE} refs/heads/main\n^{TWO}\n"),
    );
    write("detached/.git/HEAD", &format!("{TWO}\n"));
    write("main/.git/refs/heads/side", &format!("{TWO}\n"));
    write("main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
    write("main/.git/worktrees/side/commondir", "../..\n");
    write("side/.git", &format!("gitdir: {}\n", root.path().join("main/.git/worktrees/side").display()));
    write("unborn/.git/HEAD", "ref: refs/heads/main\n");
    write("crate/.cargo_vcs_info.json", &format!("{{\"git\": {{\"sha1\": \"{ONE}\"}}, \"path_in_vcs\": \"\"}}"));
    write("archive/Cargo.toml", "");
    for (tree, given, expected) in [
        ("branch", None, ONE),
        ("branch", Some(""), ONE),
        ("branch", Some("v1.2.3"), "v1.2.3"),
        ("packed", None, ONE),
        ("detached", None, TWO),
        ("side", None, TWO),
        ("unborn", None, revision::UNKNOWN),
        ("crate", None, ONE),
        ("archive", None, revision::UNKNOWN),
        ("archive", Some("0123abc"), "0123abc"),
    ] {
        let found = revision::find(&root.path().join(tree), given);
        assert_eq!(found.revision, expected, "{tree} {given:?}");
        let watched = found.files.iter().filter(|file| file.is_file()).count();
        assert_eq!(watched > 0, given.is_none_or(str::is_empty) && tree != "archive", "{tree}: {:?}", found.files);
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let help = String::from_utf8(candor(&["--help"]).output().expect("it ran").stdout).expect("UTF-8");
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        commands.contains(&"serve") && commands.contains(&"completions") && commands.contains(&"man"),
        "{commands:?}"
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = candor(&["completions", shell]).output().expect("it ran");
        let script = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && commands.iter().all(|name| script.contains(name)), "{shell}");
        assert!(script.contains("default-model"), "{shell}: flags of commands");
        if shell == "bash" {
            let checked = Command::new("bash").args(["-n", "-c", &script]).status().expect("bash");
            assert!(checked.success(), "bash accepts it");
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("man1");
    let output = candor(&["man", "--out"]).arg(&place).output().expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in &commands {
        let page = fs::read_to_string(place.join(format!("candor-{name}.1"))).expect("a page for each command");
        assert!(page.contains(&format!(".TH candor-{name} 1")), "{page}");
    }
    let main = fs::read_to_string(place.join("candor.1")).expect("the first page");
    assert!(fs::read_dir(&place).expect("a directory").count() == commands.len() + 1);
    assert!(main.contains("candor\\-serve(1)"), "{main}");
    assert_eq!(String::from_utf8(candor(&["man"]).output().expect("it ran").stdout).expect("UTF-8"), main);
    let file = directory.path().join("file");
    fs::write(&file, "").expect("written");
    let output = candor(&["man", "--out"]).arg(&file).output().expect("it ran");
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("cannot be written"));
}

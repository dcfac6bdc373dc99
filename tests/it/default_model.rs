//! The model of /predict: the first command of the README works however the server is started, and a user's own models
//! need no bundled ones.

use std::{fs, path::Path, process::Command};

use crate::support::{
    packages::copy_models,
    paths::root,
    process::{Process, candor},
};

/// Runs the first command of the README against another address, and returns what it printed.
fn first_command_of_the_readme(process: &Process) -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let block = readme.split_once("```console\n$ ").and_then(|(_, rest)| rest.split_once("```")).expect("a command").0;
    assert!(block.starts_with("curl") && block.contains("localhost:8080/predict "), "{block}");
    let command = block.replace("localhost:8080", &format!("127.0.0.1:{}", process.address.port()));
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell with curl");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A directory laid out like the image: what the Dockerfile copies, with these models.
fn image(models: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("config")).expect("made");
    fs::copy(root().join("config/candor.toml"), directory.path().join("config/candor.toml")).expect("copied");
    std::os::unix::fs::symlink(models, directory.path().join("models")).expect("linked");
    directory
}

/// The server as the container starts it: with the variables and the command of the Dockerfile, except for the port.
fn container(directory: &Path) -> Process {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).expect("the Dockerfile");
    let variables: Vec<(String, String)> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(variables.len() >= 3 && dockerfile.ends_with("CMD [\"serve\"]\n"), "{variables:?}");
    Process::with(&[], |command: &mut Command| {
        let library = root().join(".onnxruntime/libonnxruntime.so");
        command.env("ORT_DYLIB_PATH", std::env::var_os("ORT_DYLIB_PATH").unwrap_or(library.into()));
        command.current_dir(directory).envs(variables);
    })
}

#[test]
fn the_first_command_of_the_readme_works_in_all_three_ways() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    assert!(makefile.contains("\nARGS ?=\n"), "`make run` starts the same server as `candor serve`");
    let served = Process::serve(&[]);
    let directory = image(&root().join("models"));
    for process in [served, container(directory.path())] {
        let answer = first_command_of_the_readme(&process);
        assert!(answer.contains("\"prediction\":\"churn\""), "{answer}");
    }
}

#[test]
fn ones_own_models_in_the_image_need_none_of_ours() {
    let one = copy_models(&["wine"]);
    let directory = image(one.path());
    let process = container(directory.path());
    let address = format!("127.0.0.1:{}", process.address.port());
    let reply = crate::support::http_client::raw(
        address.parse().expect("an address"),
        format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
        false,
    );
    let text = String::from_utf8_lossy(&reply).into_owned();
    assert!(text.contains("/predict") && text.contains("the default"), "the only model is the default: {text}");
    drop(process);

    let several = copy_models(&["wine", "digits"]);
    let directory = image(several.path());
    let answer = first_command_of_the_readme(&container(directory.path()));
    assert!(answer.contains("there is no default model") && answer.contains("digits, wine"), "{answer}");
}

#[test]
fn a_name_that_leads_to_no_model_keeps_the_server_from_starting() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = directory.path().join("tokens.toml");
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    fs::write(
        &tokens,
        format!("[[caller]]\nname = \"shop\"\ntoken_sha256 = \"{digest}\"\nmodels = [\"churn\", \"wein\"]\n"),
    )
    .expect("written");
    let tokens = format!("security.tokens_file={}", tokens.display());
    let there = "There are: breast-cancer, churn, diabetes, digits, wine";
    let unknown = format!("repository.default_model: models holds no model \"chrun\"; did you mean \"churn\"? {there}");
    let callers = format!(
        "security.tokens_file, caller \"shop\": models holds no model \"wein\"; did you mean \"wine\"? {there}"
    );
    for (arguments, faults) in [
        (&["--default-model", "chrun"][..], vec![&unknown]),
        (&["--set", &tokens], vec![&callers]),
        (&["--default-model", "chrun", "--set", &tokens], vec![&unknown, &callers]),
    ] {
        let output = candor(&[&["serve", "--port", "0"], arguments].concat()).output().expect("it ran");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        for fault in faults {
            let is = |line: &str| line.trim_start_matches("candor: ").trim() == fault;
            assert!(told.lines().any(is), "{fault}\n{told}");
        }
    }
    // `candor check` reports everything that `serve` would refuse.
    let output =
        candor(&["check", "--set", "repository.default_model=chrun", "--set", &tokens]).output().expect("it ran");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && told.contains(&unknown) && told.contains(&callers), "{told}");
}

#[test]
fn two_models_that_both_say_that_they_are_the_default_are_refused() {
    let models = copy_models(&["churn", "wine"]);
    fs::write(models.path().join("wine/model.toml"), "default = true\n").expect("written");
    let output = candor(&["serve", "--port", "0"]).arg(models.path()).output().expect("it ran");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("only one model can be the default"), "{told}");
    // The configuration takes precedence, if it names a model.
    let place = models.path().display().to_string();
    let process = Process::serve(&["--default-model", "wine", &place]);
    assert!(process.address.port() > 0);
}

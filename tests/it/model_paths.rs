//! The MODELS argument of `serve` and `check`: a directory of models, of one model, of one version, or a file. If the
//! intent is unambiguous it is served; otherwise one line says what was found and what is expected.

use std::{fs, path::Path, process::Stdio};

use candor::runtime::OrtLibrary;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    http_client::{Reply, raw},
    matching::matches_pattern,
    packages::{add, copy_models},
    paths::{fixture, root},
    process::{Process, candor},
    server::config,
};

/// A directory with these graphs and these other files.
fn place(graphs: &[&str], files: &[&str]) -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let graph = fs::read(fixture("vector_input.onnx")).expect("a graph");
    let write = |path: &str, content: &[u8]| {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, content).expect("written");
    };
    for path in graphs {
        write(path, &graph);
    }
    for path in files {
        write(path, b"");
    }
    place
}

/// The models and versions that a server of this path reports as ready.
fn served(path: &Path) -> Vec<String> {
    let process = Process::serve(&[&path.display().to_string()]);
    let request = b"GET /models HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let reply = Reply::parse(&raw(process.address, request, false)).expect("an answer").json();
    let models = reply["models"].as_array().expect("models");
    let version = |model: &Value, version: &Value| {
        assert_eq!(version["state"], "ready", "{reply}");
        format!("{} {}", model["name"], version["version"]).replace('"', "")
    };
    let versions = |model: &Value| {
        let versions = model["versions"].as_array().expect("versions").clone();
        versions.iter().map(|one| version(model, one)).collect::<Vec<_>>()
    };
    models.iter().flat_map(versions).collect()
}

/// The versions that `check` finds valid.
fn checked(path: &Path) -> Vec<String> {
    let output = candor(&["check"]).arg(path).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    let names = text.lines().filter_map(|line| line.strip_prefix("ok      "));
    names.filter_map(|line| line.split_once("  ")).map(|(name, _)| name.to_owned()).collect()
}

/// The model's settings apply to a version that is served alone, except for the list of versions.
#[test]
fn a_version_alone_is_served_as_its_model_would_be() {
    let models = copy_models(&["digits"]);
    let settings = models.path().join("digits/model.toml");
    let coverage = fs::read_to_string(&settings).expect("the bundled model has settings");
    fs::write(&settings, format!("versions = [\"2\"]\n{coverage}")).expect("written");
    let output = candor(&["check"]).arg(models.path().join("digits/1")).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("temperature+lac at coverage 0.975"), "{text}");
    let output = candor(&["check"]).arg(models.path()).output().expect("it ran");
    assert!(!output.status.success(), "of the model as a whole, version 2 is missing");
}

#[test]
fn what_was_meant_is_served_where_it_is_certain() {
    let (flat, named) = (place(&["m/1/model.onnx", "m/2/model.onnx"], &[]), place(&["m/a/model.onnx"], &[]));
    fs::write(named.path().join("m/model.toml"), "").expect("written");
    let dated = place(&["m/2026-03-01/model.onnx", "m/v2/model.onnx", "m/notes/readme.md"], &["m/train.py"]);
    let beside = place(&["m/1/model.onnx", "n/1/model.onnx"], &["n/notes/readme.md", "n/contract.json"]);
    let models = root().join("models");
    for (path, expected) in [
        (models.join("wine"), &["wine 1", "wine 2"][..]),
        (models.join("wine/2"), &["wine 2"]),
        (models.join("wine/2/"), &["wine 2"]),
        (models.join("wine/../churn"), &["churn 1"]),
        (flat.path().join("m"), &["m 1", "m 2"]),
        (flat.path().to_path_buf(), &["m 1", "m 2"]),
        (dated.path().join("m"), &["m 2026-03-01", "m v2"]),
        (named.path().join("m"), &["m a"]),
        (named.path().to_path_buf(), &["m a"]),
        (beside.path().to_path_buf(), &["m 1", "n 1"]),
        (beside.path().join("n"), &["n 1"]),
        (fixture("vector_input.onnx"), &["vector-input 1"]),
    ] {
        assert_eq!(checked(&path), expected, "{}", path.display());
    }
    for (path, expected) in [("wine", &["wine 1", "wine 2"][..]), ("wine/2", &["wine 2"])] {
        assert_eq!(served(&models.join(path)), expected, "{path}");
    }
}

#[test]
fn the_directory_one_stands_in_has_a_name_too() {
    let library = OrtLibrary::load(&config().runtime.library).expect("ONNX Runtime");
    for (directory, expected) in [("models/wine", &["wine 1", "wine 2"][..]), ("models/wine/1", &["wine 1"])] {
        let mut command = candor(&["check", "."]);
        // The library is looked up relative to the working directory.
        command.env("ORT_DYLIB_PATH", library.path());
        let output = command.current_dir(root().join(directory)).output().expect("it ran");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(expected.iter().all(|name| text.contains(&format!("ok      {name}  "))), "{directory}: {text}");
    }
}

#[test]
fn where_there_is_no_model_one_line_says_what_is_there() {
    let graphless: &[&str] = &[];
    for (graphs, files, path, expected) in [
        (graphless, &[][..], "", "holds no model: it is empty; expected <model>/<version>/model.onnx"),
        (
            graphless,
            &["b.csv", "a/notes.txt", ".git/config", "c.py", "d", "e", "f"],
            "",
            "holds no model: found a, b.csv, c.py, d, e, …; expected <model>/<version>/model.onnx",
        ),
        (graphless, &["model.pkl"], "", "holds no model: found model.pkl; expected <model>/<version>/model.onnx"),
        (
            &["models/m/1/model.onnx"],
            &["docs/a.md"],
            "",
            "holds no model: found docs, models; expected <model>/<version>/model.onnx; did you mean {p}/models?",
        ),
        (
            &["churn/model.onnx", "wine/model.onnx"],
            &[],
            "",
            "holds model.onnx in churn, wine: if these are models, give each a version (churn/1/model.onnx); if they \
             are the versions of one model, add a model.toml next to them (it may be empty)",
        ),
        (
            &["no name/1/model.onnx"],
            &[],
            "",
            "holds no model that could be served: {p}/no name: \"no name\" is not a name…",
        ),
        (graphless, &[], "nothing", "there is no such file or directory"),
    ] {
        let place = place(graphs, files);
        let path = place.path().join(path).display().to_string();
        let path = path.trim_end_matches('/');
        let expected = format!("candor: {path}: {}", expected.replace("{p}", path));
        for command in [&["check"][..], &["serve", "--port", "0"]] {
            let output = candor(command).arg(path).stdout(Stdio::piped()).output().expect("it ran");
            let errors = String::from_utf8(output.stderr).expect("UTF-8");
            let said: Vec<&str> = errors.lines().filter(|line| !line.starts_with('{')).collect();
            assert_eq!(output.status.code(), Some(1), "{command:?} {said:?}");
            assert!(said.len() == 1 && matches_pattern(said[0], &expected), "{command:?} {said:#?}\n{expected}");
        }
    }
}

#[test]
fn what_looks_like_a_model_and_is_none_is_told_by_name() {
    let mixed = place(&["m/1/model.onnx", "flat/model.onnx"], &[]);
    let graphless = place(&[], &["m/1/contract.json"]);
    let texts = tempfile::tempdir().expect("a directory");
    add(texts.path(), "pointer", "vector_input", &[("model.onnx", "version https://git-lfs.github.com/spec/v1\n")]);
    add(texts.path(), "pickle", "vector_input", &[("model.onnx", "\u{80}")]);
    fs::write(texts.path().join("pickle/1/model.onnx"), b"\x80\x04\x95").expect("written");
    for (path, expected) in [
        (
            mixed.path().to_path_buf(),
            "{p}/flat: holds no version; expected flat/<version>/model.onnx; move model.onnx and the files next to it \
             to flat/1",
        ),
        (graphless.path().to_path_buf(), "{p}/m/1/model.onnx: there is no such file or directory"),
        (graphless.path().join("m"), "{p}/1/model.onnx: there is no such file or directory"),
        (graphless.path().join("m/1"), "{p}/model.onnx: there is no such file or directory"),
        (
            texts.path().join("pointer"),
            "{p}/1/model.onnx: ONNX Runtime cannot use it: … (it is a Git LFS pointer, not the file itself; run `git \
             lfs pull`)",
        ),
        (
            texts.path().join("pickle"),
            "{p}/1/model.onnx: ONNX Runtime cannot use it: … (it is a Python pickle; export the model to ONNX, for \
             example with skl2onnx)",
        ),
        (root().join("README.md"), "{p}: ONNX Runtime cannot use it: … (it is a text file, not an ONNX graph)"),
    ] {
        let expected = expected.replace("{p}", &path.display().to_string());
        let output = candor(&["check"]).arg(&path).output().expect("it ran");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().any(|line| matches_pattern(line.trim(), &expected)), "{expected}\n{text}");
        // A server logs the same and is not ready.
        let process = Process::starting(&[&path.display().to_string()]);
        let told =
            process.wait_for(|line| line["message"].as_str().is_some_and(|text| matches_pattern(text, &expected)));
        assert!(told.is_some(), "{expected}");
    }
}

//! The server keeps serving what it read and checked, even if the files change later.

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
};

use serde_json::{Value, json};

use super::{add_refused, add_table, index, reasons};
use crate::support::{http_client::Reply, packages::ask, process::Process, server::Server, wait::TEST_TIMEOUT};

/// The file with the external weights: a table of half numbers.
const TABLE: &str = "external_table.bin";

/// A repository with the one model `table`.
fn repository() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    add_table(&root.path().join("table/1"));
    root
}

fn value(server: &Server, at: i64) -> Value {
    let reply = ask(server, "table", &index(at));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["prediction"].clone()
}

#[test]
fn weights_that_are_overwritten_in_place_change_nothing() {
    let root = repository();
    let server = Server::over(root.path());
    assert_eq!([value(&server, 3), value(&server, 4095)], [1.5, 2047.5]);
    let path = root.path().join("table/1").join(TABLE);
    let length = fs::metadata(&path).expect("a file").len();
    let mut file = OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all(&vec![0x41; usize::try_from(length).expect("small")]).expect("written");
    file.sync_all().expect("on disk");
    assert_eq!([value(&server, 3), value(&server, 4095)], [1.5, 2047.5]);
}

/// Truncating a mapped file ends the process with SIGBUS, so this runs the program itself.
#[test]
fn weights_that_are_cut_off_do_not_end_the_process() {
    let root = repository();
    let mut process = Process::serve(&[&root.path().display().to_string()]);
    let ask = |at: i64| {
        let body = json!({ "features": index(at) }).to_string();
        let head = format!(
            "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(process.address).expect("a connection");
        stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        stream.write_all((head + &body).as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Reply::parse(&answer).expect("an answer").json()["prediction"].clone()
    };
    assert_eq!(ask(2000), 1000.0);
    let path = root.path().join("table/1").join(TABLE);
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0)).expect("cut off");
    for at in [3, 2000, 4095] {
        assert_eq!(ask(at), json!(f64::from(i32::try_from(at).expect("small")) / 2.0));
    }
    process.signal("TERM");
    assert_eq!(process.ended(), Some(0));
}

type Change = fn(&Path);

/// A change to the version's directory, and the reason that follows; `{v}` is the directory.
const REFUSED: &[(&str, Change, &str)] = &[
    (
        "missing",
        |version| fs::remove_file(version.join(TABLE)).expect("removed"),
        "{v}/model.onnx: stores weights in \"external_table.bin\", which cannot be read: No such file or directory \
         (os error 2); the file must be in the directory of the graph",
    ),
    (
        "linked",
        |version| {
            let outside = version.with_file_name(TABLE);
            fs::rename(version.join(TABLE), &outside).expect("moved");
            symlink(outside, version.join(TABLE)).expect("linked");
        },
        "{v}/model.onnx: stores weights in \"external_table.bin\", a symbolic link to a file outside the directory of \
         the graph; copy the file there",
    ),
    (
        "absolute",
        |version| rename_table(version, "/nowhere/table.bin"),
        "{v}/model.onnx: stores weights in \"/nowhere/table.bin\", which is outside the directory of the graph; save \
         the model again with its weights next to it",
    ),
    (
        "above",
        |version| rename_table(version, "../weigh/table.bin"),
        "{v}/model.onnx: stores weights in \"../weigh/table.bin\", which is outside the directory of the graph; save \
         the model again with its weights next to it",
    ),
    (
        "directory",
        |version| {
            fs::remove_file(version.join(TABLE)).expect("removed");
            fs::create_dir(version.join(TABLE)).expect("a directory");
        },
        "{v}/model.onnx: stores weights in \"external_table.bin\", which cannot be read: it is a directory; expected \
         a regular file; the file must be in the directory of the graph",
    ),
    (
        "listed",
        |version| {
            let files = json!({ "files": { TABLE: "sha256:00" } });
            fs::write(version.join("version.json"), files.to_string()).expect("written");
        },
        "{v}/external_table.bin: its digest is \
         sha256:{d}, version.json lists sha256:00; another graph is another version: create it with `candor init`",
    ),
];

/// Renames the table in the graph to another name of the same length.
fn rename_table(version: &Path, name: &str) {
    assert_eq!(name.len(), TABLE.len());
    let path = version.join("model.onnx");
    let mut bytes = fs::read(&path).expect("a graph");
    let place = bytes.windows(TABLE.len()).position(|window| window == TABLE.as_bytes()).expect("its name");
    bytes[place..place + TABLE.len()].copy_from_slice(name.as_bytes());
    fs::write(path, bytes).expect("written");
}

#[test]
fn weights_must_be_there_inside_of_the_directory_and_as_listed() {
    let root = tempfile::tempdir().expect("a directory");
    for (model, change, _) in REFUSED {
        let version = root.path().join(model).join("1");
        add_table(&version);
        change(&version);
    }
    add_refused(root.path(), "inner", "inner_data");
    let server = Server::over(root.path());
    let digest = digest();
    for (model, _, expected) in REFUSED {
        let version = root.path().join(model).join("1").display().to_string();
        let expected = expected.replace("{v}", &version).replace("{d}", &digest);
        assert_eq!(reasons(&server, model), [expected], "{model}");
    }
    let inner = reasons(&server, "inner").join("\n");
    assert!(
        inner.contains("stores weights of an inner graph") && inner.contains("save the model as one file"),
        "{inner}"
    );
}

/// The digest of the table, computed by another program.
fn digest() -> String {
    let path = crate::support::paths::fixture(TABLE);
    let output = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a digest").to_owned()
}

/// Kubernetes mounts a `ConfigMap` as links into a sibling directory, which is itself a link.
#[test]
fn a_directory_of_links_like_a_mounted_config_map_is_served() {
    let root = tempfile::tempdir().expect("a directory");
    let version = root.path().join("table/1");
    let content = version.join("..2026_03_01");
    add_table(&content);
    let listed = json!({ "files": { TABLE: format!("sha256:{}", digest()) } });
    fs::write(content.join("version.json"), listed.to_string()).expect("written");
    symlink("..2026_03_01", version.join("..data")).expect("linked");
    for name in ["model.onnx", TABLE, "version.json"] {
        symlink(Path::new("..data").join(name), version.join(name)).expect("linked");
    }
    let server = Server::over(root.path());
    assert_eq!(value(&server, 3), 1.5);

    // A version that is reached by a link works too.
    let linked = tempfile::tempdir().expect("a directory");
    fs::create_dir(linked.path().join("table")).expect("a directory");
    symlink(&version, linked.path().join("table/7")).expect("linked");
    assert_eq!(value(&Server::over(linked.path()), 3), 1.5);
}

/// ONNX Runtime looks for weights in the working directory if it loads a graph from bytes.
#[test]
fn weights_are_not_looked_for_elsewhere() {
    let root = tempfile::tempdir().expect("a directory");
    add_table(&root.path().join("lost/1"));
    fs::rename(root.path().join("lost/1").join(TABLE), root.path().join(TABLE)).expect("moved");
    let mut check = crate::support::process::candor(&["check", &root.path().join("lost").display().to_string()]);
    let library = crate::support::paths::root().join(".onnxruntime/libonnxruntime.so");
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        check.env("ORT_DYLIB_PATH", library);
    }
    let output = check.current_dir(root.path()).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && text.contains("No such file or directory"), "{text}");
}

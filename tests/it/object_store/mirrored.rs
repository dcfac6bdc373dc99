//! What a sync mirrors: whole repositories, and afterwards only what has changed.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use candor::repository::{ModelSettings, RemoteOptions};

use super::{names, only_directory, problems};
use crate::support::{
    loader::loader,
    paths::root,
    s3_server::{S3Server, open},
};

/// Without a settle time, so that every content counts as whole.
fn at_once(options: RemoteOptions) -> RemoteOptions {
    RemoteOptions { settle: Duration::ZERO, ..options }
}

/// The files of a directory: inode and content by path.
fn files(directory: &Path) -> BTreeMap<String, (u64, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let file = |path: std::path::PathBuf| {
        let inode = fs::metadata(&path).expect("its metadata").ino();
        (path.file_name().expect("a name").to_string_lossy().into_owned(), (inode, fs::read(&path).expect("a file")))
    };
    entries.map(file).collect()
}

#[test]
fn a_repository_is_mirrored_and_its_versions_load() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    for model in ["wine", "churn"] {
        server.upload(&root().join("models").join(model), &format!("prod/{model}"));
    }
    server.put("prod/notes/readme.md", b"no model".to_vec());
    server.put("production/other/1/model.onnx", b"another repository".to_vec());
    let store = open("prod", at_once(server.options(cache.path())));
    let result = store.sync().expect("a result");
    assert_eq!(names(&result), ["churn/1", "churn/2", "wine/1", "wine/2"]);
    let problems = problems(&result);
    assert_eq!(problems, ["s3://models/prod/notes: holds no version; expected notes/<version>/model.onnx"]);
    for model in &result.models {
        let original = root().join("models").join(model.name.as_str());
        let settings = fs::read(model.directory.as_ref().expect("a directory").join("model.toml"));
        assert_eq!(settings.ok(), fs::read(original.join("model.toml")).ok(), "{}", model.name);
        for version in &model.versions {
            let mirrored = files(version.directory.as_ref().expect("a directory"));
            for (name, (_, content)) in files(&original.join(version.name.as_str())) {
                assert_eq!(mirrored[&name].1, content, "{name}");
            }
            loader().verify_package(&model.name, version, &ModelSettings::default()).expect("it loads");
        }
    }
    // A second process finds everything in the cache.
    drop(store);
    let again = open("prod", server.options(cache.path())).sync().expect("a result");
    assert_eq!(format!("{:?}", again.models), format!("{:?}", result.models));
}

#[test]
fn a_change_makes_a_new_directory_and_downloads_only_what_changed() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.put("wine/1/model.onnx", b"graph".to_vec());
    server.put("wine/1/weights.bin", b"weights".to_vec());
    server.put("wine/1/golden.jsonl", b"first".to_vec());
    server.put("wine/model.toml", b"# first".to_vec());
    let store = open("", at_once(server.options(cache.path())));
    let result = store.sync().expect("a result");
    let (first, settings) = (only_directory(&result), result.models[0].directory.clone().expect("a directory"));
    assert_eq!(fs::read(settings.join("model.toml")).expect("a file"), b"# first");
    assert_eq!(only_directory(&store.sync().expect("a result")), first, "nothing has changed");

    server.put("wine/1/golden.jsonl", b"other".to_vec());
    server.put("wine/model.toml", b"# other".to_vec());
    let second = only_directory(&store.sync().expect("a result"));
    assert_ne!(second, first);
    let (before, after) = (files(&first), files(&second));
    assert_eq!(
        (before["golden.jsonl"].1.as_slice(), after["golden.jsonl"].1.as_slice()),
        (&b"first"[..], &b"other"[..])
    );
    for unchanged in ["model.onnx", "weights.bin"] {
        assert_eq!(before[unchanged], after[unchanged], "{unchanged} was not downloaded again");
    }
    assert_eq!(fs::read(settings.join("model.toml")).expect("a file"), b"# other");
    server.delete("wine/model.toml");
    store.sync().expect("a result");
    assert!(!settings.join("model.toml").exists());

    // A version in use stays until nobody uses it.
    assert_eq!(store.prune(std::slice::from_ref(&first)).expect("pruned"), 0);
    assert_eq!(store.prune(&[]).expect("pruned"), 1);
    assert!(!first.exists() && second.join("model.onnx").is_file());
}

#[test]
fn what_is_removed_from_the_store_leaves_the_result_and_then_the_cache() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    for key in ["wine/1/model.onnx", "wine/2/model.onnx", "churn/1/model.onnx"] {
        server.put(key, key.as_bytes().to_vec());
    }
    let store = open("", at_once(server.options(cache.path())));
    assert_eq!(store.prune(&[]).expect("nothing to do"), 0);
    assert_eq!(names(&store.sync().expect("a result")), ["churn/1", "wine/1", "wine/2"]);
    server.delete("wine/1/model.onnx");
    server.delete("churn/1/model.onnx");
    let result = store.sync().expect("a result");
    assert_eq!(names(&result), ["wine/2"]);
    assert!(cache.path().join("wine/1").exists() && cache.path().join("churn/1").exists());
    assert_eq!(store.prune(&[]).expect("pruned"), 2);
    assert!(!cache.path().join("wine/1").exists() && !cache.path().join("churn/1").exists());
    assert!(only_directory(&result).join("model.onnx").is_file());
    assert_eq!(fs::read_dir(cache.path().join(".blobs")).expect("a directory").count(), 1);
}

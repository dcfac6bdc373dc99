//! Versions that are still being uploaded wait.

use std::{fs, time::Duration};

use candor::repository::{RemoteOptions, RemoteStore};

use super::{names, only_directory};
use crate::support::{
    paths::root,
    s3_server::{S3Server, open},
};

/// With a settle time that no test reaches.
fn never_settled(options: RemoteOptions) -> RemoteOptions {
    RemoteOptions { settle: Duration::from_hours(24), ..options }
}

fn synced(store: &RemoteStore) -> Vec<String> {
    names(&store.sync().expect("a result"))
}

#[test]
fn a_half_uploaded_version_is_listed_when_it_is_whole() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    let store = open("", never_settled(server.options(cache.path())));
    let package = root().join("models/wine/2");
    let upload = |name: &str| server.put(&format!("wine/2/{name}"), fs::read(package.join(name)).expect("a file"));
    upload("version.json");
    upload("contract.json");
    for (name, waits_for) in [("calibration.json", "golden.jsonl"), ("golden.jsonl", "model.onnx")] {
        assert!(synced(&store).is_empty());
        upload(name);
        assert!(synced(&store).is_empty());
        let expected = format!("wine/2: version.json lists {waits_for}, which is not there yet");
        assert_eq!(store.waiting(), [expected]);
    }
    // All names are there, but one has the bytes of another upload.
    server.put("wine/2/model.onnx", b"of another version".to_vec());
    assert!(synced(&store).is_empty());
    assert_eq!(store.waiting(), ["wine/2: model.onnx does not have the digest in version.json yet"]);
    upload("model.onnx");
    assert_eq!(synced(&store), ["wine/2"]);
    assert!(store.waiting().is_empty());
}

#[test]
fn a_version_without_digests_waits_until_it_has_settled() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.put("wine/1/model.onnx", b"graph".to_vec());
    let store = open("", never_settled(server.options(cache.path())));
    assert!(synced(&store).is_empty());
    assert_eq!(store.waiting(), ["wine/1: its files changed less than the settle time ago"]);
    drop(store);
    let settled = RemoteOptions { settle: Duration::ZERO, ..server.options(cache.path()) };
    assert_eq!(synced(&open("", settled)), ["wine/1"]);
}

#[test]
fn a_version_that_is_being_replaced_keeps_its_content_until_then() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.upload(&root().join("models/wine/2"), "wine/2");
    let store = open("", never_settled(server.options(cache.path())));
    let first = only_directory(&store.sync().expect("a result"));
    server.put("wine/2/model.onnx", b"the first file of another upload".to_vec());
    assert_eq!(only_directory(&store.sync().expect("a result")), first);
    assert_eq!(store.waiting().len(), 1, "{:?}", store.waiting());
    assert_eq!(store.prune(&[]).expect("pruned"), 0);
    assert!(first.join("model.onnx").is_file());
}

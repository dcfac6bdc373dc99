//! A store that cannot be used: errors within the timeout, with the URL and the cause.

use std::{net::TcpListener, time::Duration};

use candor::{
    domain::name::ModelName,
    repository::{RemoteOptions, RemoteStore},
    telemetry::error_chain,
};

use super::{only_directory, problems};
use crate::support::s3_server::{S3Server, open};

/// Options for an endpoint, with keys that nobody checks.
fn at(endpoint: &str, cache: &tempfile::TempDir) -> RemoteOptions {
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    RemoteOptions { environment, ..RemoteOptions::new(cache.path().to_path_buf()) }
}

fn failure(url: &str, options: RemoteOptions) -> String {
    match RemoteStore::open(url, options) {
        Ok(store) => error_chain(&store.sync().expect_err("refused")),
        Err(error) => error_chain(&error),
    }
}

#[test]
fn a_store_that_is_down_at_the_start_is_named() {
    let cache = tempfile::tempdir().expect("a directory");
    // Bound and released, so nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let error = failure("s3://models/prod", at(&format!("http://{address}"), &cache));
    let expected = format!("s3://models/prod: GET http://{address}/models: Connection refused");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_store_that_does_not_answer_holds_nobody_up() {
    let cache = tempfile::tempdir().expect("a directory");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = silent.local_addr().expect("an address");
    let timeout = Duration::from_millis(300);
    let options = RemoteOptions { timeout, ..at(&format!("http://{address}"), &cache) };
    let store = RemoteStore::open("s3://models", options).expect("a repository");
    let model = ModelName::new("wine").expect("a name");
    let late = "the store did not answer within 300 ms";
    assert_eq!(error_chain(&store.sync().expect_err("late")), format!("s3://models: {late}"));
    let error = error_chain(&store.read_state(&model).expect_err("late"));
    assert_eq!(error, format!("s3://models/wine/rollout.json: {late}"));
    let error = error_chain(&store.write_state(&model, b"1", None).expect_err("late"));
    assert_eq!(error, format!("s3://models/wine/rollout.json: {late}"));
}

#[test]
fn a_store_that_goes_down_leaves_the_last_result() {
    let (mut server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.put("wine/1/model.onnx", b"graph".to_vec());
    let options = RemoteOptions { settle: Duration::ZERO, ..server.options(cache.path()) };
    let store = open("", options);
    let directory = only_directory(&store.sync().expect("a result"));
    server.stop();
    let error = error_chain(&store.sync().expect_err("it is down"));
    assert!(error.starts_with("s3://models: GET http://127.0.0.1:"), "{error}");
    assert_eq!(store.prune(&[]).expect("pruned"), 0);
    assert_eq!(std::fs::read(directory.join("model.onnx")).expect("a file"), b"graph");
}

#[test]
fn wrong_credentials_buckets_and_prefixes_are_named() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.put("prod/wine/1/model.onnx", b"graph".to_vec());
    let good = || server.options(cache.path());
    let with = |name: &str, value: &str| {
        let mut options = good();
        for variable in options.environment.iter_mut().filter(|variable| variable.0 == name) {
            value.clone_into(&mut variable.1);
        }
        options
    };
    for (url, options, expected) in [
        ("s3://nowhere", good(), vec!["s3://nowhere: does not exist", "NoSuchBucket"]),
        ("s3://models/empty", good(), vec!["s3://models/empty: holds no model: nothing was found"]),
        ("s3://models", good(), vec!["did you mean s3://models/prod?", "holds no"]),
        ("s3://models/prod/wine", good(), vec!["holds 1/model.onnx", "name the prefix above it"]),
        ("s3://models/prod", with("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN"), vec!["access was denied", "InvalidAccessKeyId"]),
        (
            "s3://models/prod",
            with("AWS_SECRET_ACCESS_KEY", "wrong"),
            vec!["s3://models/prod: access was denied: GET http://", "SignatureDoesNotMatch"],
        ),
        ("s3://models/prod", with("AWS_ALLOW_HTTP", "false"), vec!["set AWS_ALLOW_HTTP=true"]),
        ("s3://key:secret@models", good(), vec!["must not contain credentials"]),
        ("ftp://models", good(), vec!["has a scheme that is not supported"]),
    ] {
        let error = failure(url, options);
        assert!(expected.iter().all(|expected| error.contains(expected)), "{url}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn one_bad_model_does_not_hide_the_others() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    for key in ["wine/1/model.onnx", "bad name/1/model.onnx", "empty/readme.md"] {
        server.put(key, b"x".to_vec());
    }
    let store = open("", RemoteOptions { settle: Duration::ZERO, ..server.options(cache.path()) });
    let result = store.sync().expect("a result");
    only_directory(&result);
    let problems = problems(&result);
    assert!(problems.iter().any(|text| text.contains("\"bad name\" is not a name")), "{problems:?}");
    assert!(problems.iter().any(|text| text.contains("s3://models/empty: holds no version")), "{problems:?}");
}

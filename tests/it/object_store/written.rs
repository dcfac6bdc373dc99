//! The rollout state: of several writers, one wins, and the others learn it.

use std::thread;

use candor::{
    domain::name::ModelName,
    repository::{RemoteStore, StateTag, WriteStateError},
};

use crate::support::s3_server::{S3Server, open};

fn model() -> ModelName {
    ModelName::new("wine").expect("a name")
}

/// Two servers with one repository.
fn two(server: &S3Server) -> ([RemoteStore; 2], [tempfile::TempDir; 2]) {
    let caches = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    ([&caches[0], &caches[1]].map(|cache| open("prod", server.options(cache.path()))), caches)
}

#[test]
fn a_state_is_created_read_and_replaced() {
    let server = S3Server::start();
    let ([first, second], _caches) = two(&server);
    assert_eq!(first.read_state(&model()).expect("none"), None);
    let created = first.write_state(&model(), b"1", None).expect("created");
    let read = second.read_state(&model()).expect("a state").expect("it exists");
    assert_eq!((read.bytes.as_slice(), &read.tag), (&b"1"[..], &created));
    let replaced = second.write_state(&model(), b"2", Some(&read.tag)).expect("replaced");
    // The tag of a content that was replaced, and none for a state that exists, lose.
    for expected in [Some(&created), None] {
        let lost = first.write_state(&model(), b"3", expected).expect_err("lost");
        assert!(matches!(lost, WriteStateError::Conflict { .. }), "{lost:?}");
        assert_eq!(lost.to_string(), "s3://models/prod/wine/rollout.json: another server has changed it");
    }
    // The same write again, as after a lost answer, is no conflict.
    assert_eq!(second.write_state(&model(), b"2", Some(&read.tag)).expect("it is written"), replaced);
    assert_eq!(first.read_state(&model()).expect("a state").expect("it exists").bytes, b"2");
}

#[test]
fn of_two_writers_exactly_one_wins() {
    let server = S3Server::start();
    let (stores, _caches) = two(&server);
    let mut expected: Option<StateTag> = None;
    for round in 0..10 {
        let outcomes: Vec<Result<StateTag, WriteStateError>> = thread::scope(|scope| {
            let write = |(writer, store)| {
                let (expected, content) = (expected.as_ref(), format!("{round} by {writer}"));
                move || RemoteStore::write_state(store, &model(), content.as_bytes(), expected)
            };
            let writers: Vec<_> = stores.iter().enumerate().map(|writer| scope.spawn(write(writer))).collect();
            writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        });
        let winner = outcomes.iter().position(Result::is_ok).expect("one wins");
        let loser = &outcomes[1 - winner];
        assert!(matches!(loser, Err(WriteStateError::Conflict { .. })), "round {round}: {loser:?}");
        let state = stores[0].read_state(&model()).expect("a state").expect("it exists");
        assert_eq!(state.bytes, format!("{round} by {winner}").into_bytes());
        expected = Some(state.tag);
    }
}

#[test]
fn a_reader_is_refused_with_the_cause() {
    let (server, cache) = (S3Server::start(), tempfile::tempdir().expect("a directory"));
    server.put("wine/rollout.json", b"1".to_vec());
    let store = open("", server.reader_options(cache.path()));
    let state = store.read_state(&model()).expect("a state").expect("it exists");
    let refused = store.write_state(&model(), b"2", Some(&state.tag)).expect_err("refused");
    assert!(matches!(refused, WriteStateError::ReadOnly { .. }), "{refused:?}");
    let text = candor::telemetry::error_chain(&refused);
    for expected in ["s3://models/wine/rollout.json: cannot be written: access was denied: PUT ", "AccessDenied"] {
        assert!(text.contains(expected), "{text}");
    }
}

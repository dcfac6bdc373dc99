//! Several servers over one repository, repositories that cannot be written, and states that cannot be read.

mod killed;
mod read_only;
mod unreadable;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
};

use serde_json::{Value, json};

use super::answer;
use crate::support::{
    http_client::Reply,
    models_directory::{BODY, ModelsDirectory, make, predict, rollout},
    process::Process,
    wait::{TEST_TIMEOUT, wait_until},
};

/// Sends a request on a new connection; `None` if there is no whole answer, because the server is gone.
pub(super) fn send(address: SocketAddr, head: &str, body: &str) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TEST_TIMEOUT)).ok()?;
    let length = body.len();
    let request = format!(
        "{head}host: test\r\nconnection: close\r\nauthorization: Bearer foo\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let reply = Reply::parse(&bytes)?;
    (reply.header("content-length") == Some(&reply.body.len().to_string())).then_some(reply)
}

/// Asks for a prediction.
pub(super) fn post(address: SocketAddr, path: &str) -> Option<Reply> {
    send(address, &format!("POST {path} HTTP/1.1\r\n"), BODY)
}

/// Makes a move of the model `m`.
pub(super) fn request(admin: SocketAddr, name: &str, body: &Value) -> Option<Reply> {
    send(admin, &format!("POST /admin/models/m/{name} HTTP/1.1\r\n"), &body.to_string())
}

/// Promotes a version; the status, `None` if the server is gone.
pub(super) fn promote(admin: SocketAddr, model: &str, version: &str) -> Option<u16> {
    let head = format!("POST /admin/models/{model}/promote HTTP/1.1\r\n");
    send(admin, &head, &json!({ "version": version }).to_string()).map(|reply| reply.status)
}

/// The program over these models, with the address of its admin listener.
pub(super) fn process(models: &ModelsDirectory, settings: &[&str]) -> (Process, SocketAddr) {
    let tokens = format!("admin.tokens_file={}", models.administrators().display());
    let path = models.at("").display().to_string();
    let all = [&["admin.port=0", tokens.as_str()], settings].concat();
    let set = all.iter().flat_map(|setting| ["--set", *setting]);
    let arguments: Vec<&str> = [path.as_str()].into_iter().chain(set).collect();
    let process = Process::serve(&arguments);
    let admin = process.admin.expect("an admin listener");
    (process, admin)
}

#[test]
fn a_move_made_on_one_server_is_followed_by_the_other() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let first = models.serve(|_| {});
    let second = models.serve(|config| config.repository.poll_interval_ms = 20);
    for (name, body, stable) in [
        ("promote", json!({ "version": "1" }), ("1", 10.0)),
        ("promote", json!({ "version": "2" }), ("2", 20.0)),
        ("rollback", json!({}), ("1", 10.0)),
    ] {
        assert_eq!(make(&first, "m", name, &body).status, 200);
        assert_eq!(predict(&first, "m"), answer(stable.0, stable.1));
        wait_until("the other follows", || predict(&second, "m") == answer(stable.0, stable.1));
    }
    assert_eq!(make(&second, "m", "promote", &json!({ "version": "2" })).status, 200);
    first.reload();
    assert_eq!(predict(&first, "m"), answer("2", 20.0));
    assert_eq!(rollout(&first, "m"), rollout(&second, "m"));
}

#[test]
fn of_two_moves_at_once_one_wins_and_the_other_is_told() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0), ("m/3", 30.0)]);
    // Neither polls, so that the second server decides from an old state.
    let (first, second) = (models.serve(|_| {}), models.serve(|_| {}));
    assert_eq!(make(&first, "m", "promote", &json!({ "version": "2", "why": "I was first" })).status, 200);
    let reply = make(&second, "m", "promote", &json!({ "version": "1" }));
    assert_eq!((reply.status, reply.code().as_str()), (409, "move_conflict"));
    for phrase in ["promote 2", "by ops"] {
        assert!(reply.json()["detail"].as_str().is_some_and(|detail| detail.contains(phrase)), "{}", reply.text());
    }
    // The loser follows the winner at once, and may decide again.
    assert_eq!(predict(&second, "m"), answer("2", 20.0));
    assert_eq!(make(&second, "m", "promote", &json!({ "version": "1" })).status, 200);
    first.reload();
    assert_eq!(predict(&first, "m"), answer("1", 10.0));
    assert_eq!(rollout(&first, "m")["generation"], 2);
}

#[test]
fn no_move_is_lost_when_both_servers_make_them_all_the_time() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let (first, second) = (models.serve(|_| {}), models.serve(|_| {}));
    let moves = |server: &crate::support::server::Server| {
        let mut made = 0;
        for round in 0..20 {
            let reply = make(server, "m", "promote", &json!({ "version": (1 + round % 2).to_string() }));
            assert!([200, 409].contains(&reply.status), "{}", reply.text());
            made += u64::from(reply.json()["changed"] == true);
        }
        made
    };
    let made = thread::scope(|scope| {
        let (one, other) = (scope.spawn(|| moves(&first)), scope.spawn(|| moves(&second)));
        one.join().expect("made") + other.join().expect("made")
    });
    first.reload();
    second.reload();
    assert_eq!(rollout(&first, "m"), rollout(&second, "m"));
    assert_eq!(rollout(&first, "m")["generation"], made);
    assert!(made > 0);
}

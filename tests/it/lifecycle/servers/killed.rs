//! Servers that are killed in the midst of moves.

use std::{
    fs, iter,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use super::{post, process, promote, send};
use crate::support::{models_directory::ModelsDirectory, process::Process, wait::wait_until};

/// What a server says of the rollout of `m`: its stable version and its generation.
fn decided(admin: SocketAddr) -> Option<(Value, Value)> {
    let rollout = send(admin, "GET /admin/models/m HTTP/1.1\r\n", "")?.json();
    Some((rollout["stable"].clone(), rollout["generation"].clone()))
}

#[test]
fn servers_that_are_killed_amid_moves_come_back_to_one_state() {
    let rounds = if std::env::var_os("CANDOR_LONG").is_some_and(|value| value == "1") { 50 } else { 12 };
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let start = || process(&models, &["repository.poll_interval_ms=20", "http.threads=1"]);
    let mut servers: Vec<(Process, SocketAddr)> = iter::repeat_with(start).take(2).collect();
    let done = AtomicBool::new(false);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let addresses: Vec<SocketAddr> = servers.iter().map(|(_, admin)| *admin).collect();
        done.store(false, Ordering::Relaxed);
        let made: u64 = thread::scope(|scope| {
            let callers: Vec<_> = addresses
                .iter()
                .map(|admin| {
                    scope.spawn(|| {
                        let versions = ["1", "2"].into_iter().cycle();
                        let statuses = versions.map_while(|version| promote(*admin, "m", version));
                        let going_on = statuses.take_while(|_| !done.load(Ordering::Relaxed));
                        going_on.fold(0, |made, status| {
                            assert!([200, 409].contains(&status), "{status}");
                            made + u64::from(status == 200)
                        })
                    })
                })
                .collect();
            // Some moves later, at no particular point of one.
            let path = models.at("m/rollout.json");
            let generation = || generation(&fs::read(&path).unwrap_or_default()).unwrap_or_default();
            let before = generation();
            wait_until("moves are made", || generation() >= before + 2 + round % 3);
            let victim = &mut servers[usize::try_from(round % 2).expect("small")].0;
            victim.child.kill().expect("killed");
            victim.child.wait().expect("it ends");
            done.store(true, Ordering::Relaxed);
            callers.into_iter().map(|caller| caller.join().expect("no strange answer")).sum()
        });
        acknowledged += made;
        let content = fs::read(models.at("m/rollout.json")).expect("a state");
        assert!(generation(&content).is_some(), "{}", String::from_utf8_lossy(&content));
        servers[usize::try_from(round % 2).expect("small")] = start();
        wait_until("both are of one mind", || {
            let found: Vec<_> = servers.iter().map(|(_, admin)| decided(*admin)).collect();
            found[0].is_some() && found[0] == found[1]
        });
    }
    let (stable, last) = decided(servers[0].1).expect("an answer");
    // A promotion that changes nothing is acknowledged as well, so this only says that there were moves.
    assert!(acknowledged > 0 && last.as_u64() > Some(0));
    for (server, _) in &servers {
        let reply = post(server.address, "/models/m/predict").expect("an answer");
        assert_eq!(reply.json()["model_version"], stable);
    }
}

/// The generation of a state, if the bytes are one.
fn generation(content: &[u8]) -> Option<u64> {
    let state: Value = serde_json::from_slice(content).ok()?;
    assert_eq!(state["format"], json!(1));
    state["generation"].as_u64()
}

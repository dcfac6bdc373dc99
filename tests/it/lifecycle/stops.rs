//! A server that is stopped while versions load and moves are made.

use std::thread;

use serde_json::json;

use crate::support::models_directory::{ModelsDirectory, admin, files};

#[test]
fn a_server_that_is_stopped_amid_loads_and_moves_ends_cleanly() {
    for round in 0..4 {
        let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
        let server = models.serve(|config| {
            (config.repository.settle_ms, config.repository.poll_interval_ms) = (0, 5);
        });
        let address = server.admin_address();
        for version in 3..8 {
            models.write(&format!("m/{version}"), &files(10.0));
        }
        // Moves go on until the listener is gone; none is answered by half.
        let moving = thread::spawn(move || {
            let (mut made, mut version) = (0, 1);
            while let Some(status) = crate::lifecycle::servers::promote(address, "m", &version.to_string()) {
                assert!([200, 409, 503].contains(&status), "{status}");
                (made, version) = (made + 1, 3 - version);
            }
            made
        });
        if round % 2 == 0 {
            let reply = admin(&server, "POST", "/admin/reload", &json!({}));
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert!(server.drain(), "requests in flight were finished");
        moving.join().expect("no move was answered by half");
        let text = std::fs::read_to_string(models.at("m/rollout.json"));
        assert!(text.map_or(true, |text| serde_json::from_str::<serde_json::Value>(&text).is_ok()));
    }
}

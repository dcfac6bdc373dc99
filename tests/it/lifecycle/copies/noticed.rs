//! Changes that the operating system announces, with a poll interval that never passes.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::NEVER_MS;
use crate::{
    lifecycle::{answer, until},
    support::{
        models_directory::{ModelsDirectory, predict, sealed_files},
        server::Server,
        wait::wait_until,
    },
};

fn serve(models: &ModelsDirectory) -> Server {
    models.serve(|config| {
        (config.repository.settle_ms, config.repository.poll_interval_ms) = (NEVER_MS, NEVER_MS);
    })
}

#[test]
fn a_change_is_noticed_without_polling() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = serve(&models);
    models.write("m/2", &sealed_files(20.0));
    until(&server, "m/2", "ready");
    models.write("m/1", &sealed_files(11.0));
    wait_until("the new files serve", || predict(&server, "m") == answer("1", 11.0));
    // In a directory that is newer than the watch.
    models.write("new/1", &sealed_files(30.0));
    until(&server, "new/1", "ready");
    models.write("new/1", &sealed_files(31.0));
    wait_until("the new files serve", || predict(&server, "new") == answer("1", 31.0));
    fs::write(models.at("m/model.toml"), "versions = { latest = 1 }\n").expect("written");
    wait_until("the settings apply", || server.get("/models/m").json()["versions"].as_array().map(Vec::len) == Some(2));
    models.remove("m/2");
    until(&server, "m/2", "absent");
}

/// A large file that is copied for minutes must not hide every other change.
#[test]
fn a_change_is_noticed_while_another_file_is_written_all_the_time() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = serve(&models);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(models.at("large.partial"), "more").expect("written");
                thread::yield_now();
            }
        });
        models.write("m/2", &sealed_files(20.0));
        let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(&server, "m/2", "ready")));
        done.store(true, Ordering::Relaxed);
        noticed.expect("it is noticed");
    });
}

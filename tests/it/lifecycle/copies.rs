//! Directories that are being copied, in each order that copying programs have: never loaded half, always loaded in the
//! end.

mod links;
mod noticed;

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{answer, until};
use crate::support::{
    models_directory::{BODY, ModelsDirectory, VersionFiles, files, predict, read_answer, sealed_files, state},
    wait::wait_until,
};

/// A settle time that never passes during a test.
const NEVER_MS: u64 = 3_600_000;

/// The orders in which the files may come, as positions in the list of files. version.json is the last of them, the graph
/// the first.
const ORDERS: [[usize; 4]; 5] = [[0, 1, 2, 3], [3, 0, 1, 2], [3, 2, 1, 0], [1, 0, 3, 2], [2, 1, 0, 3]];

/// Copies files one by one, each in two halves, and calls `between` after each half but the last.
fn copy_slowly(models: &ModelsDirectory, version: &str, files: &VersionFiles, order: &[usize], between: impl Fn()) {
    fs::create_dir_all(models.at(version)).expect("a directory");
    for (step, place) in order.iter().enumerate() {
        let (name, content) = &files[*place];
        let path = models.at(version).join(name);
        fs::write(&path, &content[..content.len() / 2]).expect("written");
        between();
        fs::write(&path, content).expect("written");
        if step + 1 < order.len() {
            between();
        }
    }
}

#[test]
fn a_sealed_version_is_loaded_as_soon_as_it_is_whole_and_not_before() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = models.serve(|config| config.repository.settle_ms = NEVER_MS);
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    for (round, order) in ORDERS.into_iter().enumerate() {
        let (version, constant) = (format!("m/{}", round + 2), 20.0);
        copy_slowly(&models, &version, &sealed_files(constant), &order, || {
            server.reload();
            let found = state(&server, &version).0;
            assert!(found == "loading" || found == "absent", "{order:?}: {found}");
            assert_eq!(predict(&server, "m"), answer("1", 10.0), "{order:?}");
        });
        server.reload();
        until(&server, &version, "ready");
    }
}

#[test]
fn a_sealed_version_is_replaced_as_soon_as_it_is_whole_and_not_before() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = models.serve(|config| config.repository.settle_ms = NEVER_MS);
    let mut before = 10.0;
    for (order, constant) in ORDERS.into_iter().zip([20.0, 30.0, 40.0, 50.0, 60.0]) {
        copy_slowly(&models, "m/1", &sealed_files(constant), &order, || {
            server.reload();
            assert_eq!(predict(&server, "m"), answer("1", before), "{order:?}");
            assert_eq!(state(&server, "m/1"), ("ready".to_owned(), String::new()), "{order:?}");
        });
        server.reload();
        wait_until("the new files serve", || predict(&server, "m") == answer("1", constant));
        before = constant;
    }
}

#[test]
fn an_unsealed_version_waits_for_quiet() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = models.serve(|config| config.repository.settle_ms = NEVER_MS);
    for (version, order) in ["m/2", "m/3", "m/4", "m/5", "m/6"].into_iter().zip(ORDERS) {
        copy_slowly(&models, version, &files(20.0), &order, || {
            server.reload();
            let found = state(&server, version).0;
            assert!(found == "loading" || found == "absent", "{order:?}: {found}");
        });
        server.reload();
        assert_eq!(state(&server, version).0, "loading", "{order:?}: it has not been quiet");
        let reply = server.post(&format!("/models/{version}/predict").replace("m/", "m/versions/"), BODY);
        assert_eq!(reply.status, 503, "{}", reply.text());
    }
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}

/// Without golden cases and digests, nothing but the settle time keeps a mixture of two versions from being served.
#[test]
fn an_unsealed_version_is_replaced_once_it_is_quiet() {
    const SETTLE: Duration = Duration::from_millis(400);
    let bare = |constant| files(constant).into_iter().filter(|(name, _)| *name != "golden.jsonl").collect::<Vec<_>>();
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &bare(10.0));
    let server = models.serve(|config| {
        (config.repository.settle_ms, config.repository.poll_interval_ms) = (400, 10);
    });
    for (order, constant) in [[0, 1, 2], [2, 1, 0], [1, 2, 0]].into_iter().zip([20.0, 30.0, 40.0]) {
        // On a busy machine the copy itself may pause for longer than the settle time; then it is made again.
        loop {
            let last = std::cell::Cell::new(Instant::now());
            let longest = std::cell::Cell::new(Duration::ZERO);
            copy_slowly(&models, "m/1", &bare(constant), &order, || {
                longest.set(longest.get().max(last.replace(Instant::now()).elapsed()));
            });
            let paused = longest.get().max(last.get().elapsed()) >= SETTLE / 2;
            wait_until("the new files serve", || {
                let reply = server.post("/models/m/predict", BODY);
                if !paused {
                    // Panics on a mixture.
                    read_answer(&reply);
                }
                reply.json()["prediction"].as_f64() == Some(f64::from(constant) + 1.0)
            });
            if !paused {
                break;
            }
        }
        wait_until("all of them", || predict(&server, "m") == answer("1", constant));
    }
}

#[test]
fn a_truncated_version_is_loaded_when_it_is_completed() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let server = models.serve(|config| {
        (config.repository.settle_ms, config.repository.poll_interval_ms) = (50, 10);
    });
    let whole = files(20.0);
    let graph = &whole[0].1;
    models.write("m/2", &whole);
    // The copy stops for longer than the settle time at each of these lengths.
    for length in [0, 1, graph.len() / 2, graph.len() - 1] {
        models.write("m/2", &[("model.onnx", graph[..length].to_vec())]);
        until(&server, "m/2", "unavailable");
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{length}");
        models.write("m/2", &[("model.onnx", graph.clone())]);
        until(&server, "m/2", "ready");
        assert_eq!(predict(&server, "m/versions/2"), answer("2", 20.0), "{length}");
        models.remove("m/2");
        until(&server, "m/2", "absent");
        models.write("m/2", &whole);
    }
}

/// As `rsync` does: each file is written under a hidden name and renamed.
#[test]
fn files_that_are_renamed_one_by_one_are_loaded_in_the_end() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    let server = models.serve(|config| config.repository.settle_ms = NEVER_MS);
    for constant in [20.0, 30.0] {
        for (name, content) in sealed_files(constant) {
            let hidden = models.at("m/1").join(format!(".{name}.Ab3xYz"));
            fs::write(&hidden, &content).expect("written");
            server.reload();
            fs::rename(hidden, models.at("m/1").join(name)).expect("renamed");
        }
        server.reload();
        wait_until("the new files serve", || predict(&server, "m") == answer("1", constant));
    }
}

#[test]
fn a_directory_that_is_renamed_into_place_is_loaded() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let server = models.serve(|config| {
        (config.repository.settle_ms, config.repository.poll_interval_ms) = (50, 10);
    });
    models.put("m/.2.partial", 20.0);
    fs::rename(models.at("m/.2.partial"), models.at("m/2")).expect("renamed");
    until(&server, "m/2", "ready");
    // Two directories change places: no listing sees neither.
    models.put("m/.1.new", 11.0);
    fs::rename(models.at("m/1"), models.at("m/.1.old")).expect("renamed");
    fs::rename(models.at("m/.1.new"), models.at("m/1")).expect("renamed");
    wait_until("the new files serve", || predict(&server, "m") == answer("1", 11.0));
}

/// `rm -r m/1 && cp -r new m/1`, where the model has no other version: in between, the model has none.
#[test]
fn a_model_that_is_removed_and_copied_again_is_not_interrupted() {
    let models = ModelsDirectory::new(&[]);
    models.write("m/1", &sealed_files(10.0));
    models.write("other/1", &sealed_files(1.0));
    let server = models.serve(|config| config.repository.settle_ms = NEVER_MS);
    for (gone, constant) in [("m/1", 20.0), ("m", 30.0)] {
        let before = predict(&server, "m");
        models.remove(gone);
        for _ in 0..3 {
            server.reload();
            assert_eq!(predict(&server, "m"), before, "{gone} is gone for a moment");
        }
        copy_slowly(&models, "m/1", &sealed_files(constant), &ORDERS[0], || {
            server.reload();
            assert_eq!(predict(&server, "m"), before, "{gone} is being copied");
        });
        server.reload();
        wait_until("the new files serve", || predict(&server, "m") == answer("1", constant));
    }
}

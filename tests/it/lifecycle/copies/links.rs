//! Versions and repositories behind symbolic links that are replaced at once, as Kubernetes and git-sync do.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::NEVER_MS;
use crate::{
    lifecycle::answer,
    support::{
        models_directory::{ModelsDirectory, files, predict, sealed_files},
        wait::wait_until,
    },
};

/// Points a link at another target at once.
fn swap(link: &Path, target: &str) {
    let draft = link.with_file_name("..tmp");
    symlink(target, &draft).expect("a link");
    fs::rename(draft, link).expect("renamed");
}

/// A `ConfigMap`: each file is a link into `..data`, which is a link to a directory with a time in its name.
#[test]
fn a_version_in_a_config_map_is_replaced_at_once() {
    let models = ModelsDirectory::new(&[]);
    for files_of in [files, sealed_files] {
        let version = models.at("m/1");
        fs::create_dir_all(&version).expect("a directory");
        models.write("m/1/..2026_0", &files_of(10.0));
        swap(&version.join("..data"), "..2026_0");
        for (name, _) in files_of(10.0) {
            symlink(format!("..data/{name}"), version.join(name)).expect("a link");
        }
        let server = models.serve(|config| {
            (config.repository.settle_ms, config.repository.poll_interval_ms) = (30, 5);
        });
        assert_eq!(predict(&server, "m"), answer("1", 10.0));
        for (round, constant) in [(1, 20.0), (2, 30.0), (3, 10.0)] {
            models.write(&format!("m/1/..2026_{round}"), &files_of(constant));
            swap(&version.join("..data"), &format!("..2026_{round}"));
            models.remove(&format!("m/1/..2026_{}", round - 1));
            wait_until("the new files serve", || predict(&server, "m") == answer("1", constant));
        }
        drop(server);
        models.remove("m");
    }
}

/// git-sync: the repository is a link to a working tree, which is replaced as a whole.
#[test]
fn a_repository_behind_a_link_is_replaced_at_once() {
    let models = ModelsDirectory::new(&[]);
    let tree = |name: &str, versions: &[(&str, f32)]| {
        for (version, constant) in versions {
            models.write(&format!(".trees/{name}/{version}"), &sealed_files(*constant));
        }
    };
    tree("a", &[("m/1", 10.0), ("n/1", 1.0)]);
    let link = models.beside("current");
    swap(&link, "models/.trees/a");
    let server = models.serve(|config| {
        config.repository.models.clone_from(&link);
        config.repository.settle_ms = NEVER_MS;
    });
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    tree("b", &[("m/1", 11.0), ("m/2", 20.0), ("o/1", 5.0)]);
    swap(&link, "models/.trees/b");
    models.remove(".trees/a");
    server.reload();
    wait_until("the new tree serves", || predict(&server, "m") == answer("1", 11.0));
    wait_until("its models serve", || server.get("/models/o").json()["ready"] == true);
    crate::lifecycle::until(&server, "m/2", "ready");
    assert_eq!(predict(&server, "m/versions/2"), answer("2", 20.0));
}

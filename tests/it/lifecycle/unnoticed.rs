//! Constant load on three models while versions are added, promoted, rolled back, replaced, broken and removed: no request
//! fails, and each answer is wholly one version's.

mod load;

use std::fs;

use serde_json::json;

use self::load::Load;
use super::until;
use crate::support::{
    models_directory::{ModelsDirectory, files, make, sealed_files, state},
    server::Server,
    wait::wait_until,
};

const MODELS: [&str; 3] = ["a", "b", "c"];

/// The constant of a version: from it, the model and the version can be told, as well as which files of the version.
pub(super) fn constant(model: &str, version: u8, revision: u8) -> f32 {
    let model = MODELS.iter().position(|name| *name == model).expect("a model") + 1;
    let model = u8::try_from(model).expect("three models");
    f32::from(model) * 1000.0 + f32::from(version) * 10.0 + f32::from(revision)
}

/// One model in the hands of an operator.
struct Operator<'a> {
    models: &'a ModelsDirectory,
    server: &'a Server,
    load: &'a Load,
    model: &'static str,
    moves: usize,
}

impl Operator<'_> {
    fn place(&self, version: u8) -> String {
        format!("{}/{version}", self.model)
    }

    fn add(&mut self, version: u8, revision: u8) {
        self.models.write(&self.place(version), &sealed_files(constant(self.model, version, revision)));
        until(self.server, &self.place(version), "ready");
        self.moves += 1;
    }

    /// Makes a move and waits until the load is answered accordingly.
    fn make(&mut self, name: &str, version: u8, expected: (u8, u8)) {
        let body = match name {
            "rollback" => json!({ "from": version.to_string() }),
            _ => json!({ "version": version.to_string() }),
        };
        let reply = make(self.server, self.model, name, &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.load.wait_for(self.model, expected);
        self.moves += 1;
    }

    /// Replaces the files of a version that serves.
    fn replace(&mut self, version: u8, revision: u8) {
        self.models.write(&self.place(version), &sealed_files(constant(self.model, version, revision)));
        self.load.wait_for(self.model, (version, revision));
        self.moves += 1;
    }

    /// Adds a version that is broken in one of three ways, and one that serves is broken likewise.
    fn break_one(&mut self, new: u8, serving: u8) {
        let whole = if self.model == "b" { sealed_files } else { files };
        let mut broken = whole(constant(self.model, new, 0));
        match self.model {
            "a" => broken[0].1.truncate(60),
            "b" => broken[1].1.push(b' '),
            _ => broken[2].1 = files(0.0).remove(2).1,
        }
        self.models.write(&self.place(new), &broken);
        until(self.server, &self.place(new), "unavailable");
        self.models.write(&self.place(serving), &broken);
        let place = self.place(serving);
        wait_until("the damage is found", || !state(self.server, &place).1.is_empty());
        assert_eq!(state(self.server, &place).0, "ready");
        self.models.write(&place, &sealed_files(constant(self.model, serving, 5)));
        self.load.wait_for(self.model, (serving, 5));
        self.moves += 3;
    }

    fn remove(&mut self, version: u8) {
        self.models.remove(&self.place(version));
        until(self.server, &self.place(version), "absent");
        self.moves += 1;
    }

    fn work(&mut self) {
        self.add(2, 0);
        self.make("promote", 2, (2, 0));
        self.make("rollback", 2, (1, 0));
        self.make("promote", 2, (2, 0));
        self.replace(2, 1);
        self.break_one(3, 2);
        self.add(4, 0);
        self.make("promote", 4, (4, 0));
        self.remove(3);
        self.remove(1);
        // The files of the version that serves vanish.
        fs::remove_dir_all(self.models.at(&self.place(4))).expect("removed");
        self.make("rollback", 4, (2, 5));
    }
}

#[test]
fn nobody_notices() {
    let versions = MODELS.map(|model| (format!("{model}/1"), constant(model, 1, 0)));
    let models = ModelsDirectory::new(&[]);
    for (version, constant) in &versions {
        models.write(version, &sealed_files(*constant));
    }
    let server = models.serve(|config| {
        (config.repository.settle_ms, config.repository.poll_interval_ms) = (100, 20);
    });
    // Nothing is refused because a machine is busy.
    for model in MODELS {
        fs::write(models.at(model).join("model.toml"), "[limits]\ndeadline_ms = 20000\n").expect("written");
    }
    let load = Load::new(server.address);
    let (moves, seen) = load.run(&MODELS, || {
        let mut moves = 0;
        for model in MODELS {
            load.wait_for(model, (1, 0));
            let (models, server, load) = (&models, &server, &load);
            let mut operator = Operator { models, server, load, model, moves: 0 };
            operator.work();
            moves += operator.moves;
        }
        moves
    });
    assert!(moves >= 30, "{moves}");
    assert!(seen.count >= 200, "{seen:?}");
    assert_eq!(seen.failures, Vec::<String>::new());
    for model in MODELS {
        for (version, revision) in [(1, 0), (2, 0), (2, 1), (2, 5), (4, 0)] {
            assert!(seen.constants.contains(&format!("{}", constant(model, version, revision))), "{model}/{version}");
        }
    }
    assert!(server.drain());
}

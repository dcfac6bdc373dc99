//! The cases of tests/fixtures/matrix, and their held-out rows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use candor::{
    authoring::{CalibrateOptions, load_held_out},
    repository::Loader,
};
use serde::Deserialize;

use crate::rows::Rows;

/// A case of matrix.json; see tests/it/matrix/case.rs.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) kind: String,
    model: String,
    train: String,
    calibration: Option<String>,
    test: Option<String>,
    target: Option<String>,
    #[serde(default)]
    pub(crate) init: Vec<String>,
    pub(crate) outcome: String,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/matrix").join(name)
}

/// Reads the cases.
pub(crate) fn read() -> Vec<Case> {
    let text = fs::read_to_string(fixture("matrix.json")).expect("the cases");
    serde_json::from_str(&text).expect("JSON")
}

impl Case {
    /// Makes the package and runs its held-out rows; `None` if `init` refuses the model.
    pub(crate) fn held_out(&self, program: &Path, loader: &Loader) -> Option<Rows> {
        if self.outcome == "refused" {
            return None;
        }
        let place = tempfile::tempdir().expect("a directory");
        let version = place.path().join("model/1");
        let mut init = Command::new(program);
        init.arg("init").arg(fixture(&self.model)).arg("--data").arg(fixture(&self.train)).arg("--out").arg(&version);
        let target = self.target.clone().unwrap_or_else(|| "y".to_owned());
        init.args(self.target.iter().flat_map(|target| ["--target", target])).args(&self.init);
        let output = init.output().expect("it ran");
        assert!(output.status.success(), "{}: {}", self.kind, String::from_utf8_lossy(&output.stderr));
        let table = place.path().join("rows.csv");
        let read =
            |name: &Option<String>| fs::read_to_string(fixture(name.as_deref().expect("rows"))).expect("a table");
        let (first, second) = (read(&self.calibration), read(&self.test));
        let rest = second.split_once('\n').map_or("", |(_, rows)| rows);
        fs::write(&table, first.trim_end().to_owned() + "\n" + rest).expect("written");
        let options = CalibrateOptions { target: Some(target), ..CalibrateOptions::default() };
        Some(Rows::new(load_held_out(loader, &version, &table, &options).unwrap_or_else(|error| panic!("{error}"))))
    }
}

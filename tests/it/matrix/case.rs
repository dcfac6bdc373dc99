//! One case: a model, its tables, the flags of `init`, and what is documented to become of it.

use std::path::{Path, PathBuf};

use candor::{
    authoring::Instances,
    dataset::{Cell, ReadOptions, Table},
    domain::{
        calibration::{calibration_error, coverage_band},
        contract::Contract,
        float::Float,
        json::JsonValue,
        prediction::{Outcome, Prediction},
        uncertainty::{AssessContext, EceByChance},
    },
    repository::{Settings, VerifiedVersion, verify_all},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{loader::loader, packages::ask, paths::root, process::candor, server::Server};

/// How many rows are asked through the server and compared.
const ASKED: usize = 20;

/// A case of matrix.json.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    name: String,
    #[serde(rename = "kind")]
    _kind: String,
    model: String,
    train: String,
    calibration: Option<String>,
    test: Option<String>,
    target: Option<String>,
    #[serde(default)]
    init: Vec<String>,
    outcome: String,
    /// A regression's method.
    uncertainty: Option<String>,
    /// What the refusal says.
    says: Option<String>,
}

/// A case that serves.
pub(super) struct Package<'a> {
    case: &'a Case,
    version: PathBuf,
}

/// The answers to the rows that had no part.
#[derive(Debug)]
pub(super) struct Judged {
    /// The features and the answer of the first rows.
    asked: Vec<(JsonValue, Prediction)>,
    measured: Measured,
    said: bool,
}

#[derive(Debug)]
enum Measured {
    /// The calibration error before and after, and what chance allows after.
    Errors { before: (f64, EceByChance), after: (f64, EceByChance) },
    /// The share of covered rows, and the band in which it lies in 99 of 100 cases.
    Coverage { share: f64, band: (f64, f64) },
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/matrix").join(name)
}

impl Case {
    fn target(&self) -> &str {
        self.target.as_deref().unwrap_or("y")
    }

    /// Takes the model through `init`, `check` and `calibrate`; `None` if `init` refuses it, as documented.
    pub(super) fn package(&self, place: &Path) -> Option<Package<'_>> {
        let version = place.join(&self.name).join("1");
        let mut init = candor(&["init", "--out"]);
        init.arg(&version).arg("--data").arg(fixture(&self.train)).arg(fixture(&self.model)).args(&self.init);
        if let Some(target) = &self.target {
            init.args(["--target", target]);
        }
        let output = init.output().expect("it ran");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if let Some(says) = &self.says {
            assert!(!output.status.success() && error.contains(says.as_str()), "{}: {says:?} in {error}", self.name);
            return None;
        }
        assert!(output.status.success(), "{}: {error}", self.name);
        for command in [&["check"][..], &["calibrate", "--target", self.target(), "--data"]] {
            let mut run = candor(command);
            if command.len() > 1 {
                run.arg(fixture(self.calibration.as_deref().expect("rows")));
            }
            let output = run.arg(&version).output().expect("it ran");
            let error = String::from_utf8_lossy(&output.stderr);
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{} {command:?}: {error}{told}", self.name);
        }
        Some(Package { case: self, version })
    }
}

impl Package<'_> {
    pub(super) fn name(&self) -> &str {
        &self.case.name
    }

    fn load(&self) -> VerifiedVersion {
        let mut loaded = None;
        verify_all(&Settings::at(self.version.clone()), loader(), |_, outcome| loaded = Some(outcome))
            .expect("a repository");
        loaded.expect("a version").unwrap_or_else(|errors| panic!("{}: {errors:?}", self.case.name))
    }

    /// Answers the rows that had no part, before and after the calibration, and compares with their truth.
    pub(super) fn judge(&self) -> Judged {
        let mut version = self.load();
        let contract = version.contract.clone();
        let table =
            Table::open(&fixture(self.case.test.as_deref().expect("rows")), &ReadOptions::default()).expect("a table");
        let rows = Instances::new(&table, &contract, Some(self.case.target())).expect("the columns");
        let calibrated = version.calibrated.take().expect("a calibration");
        let said = calibrated.miscalibration.is_some();
        let (mut asked, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let row = row.unwrap_or_else(|error| panic!("{}: {error:?}", self.case.name));
            let features = contract.instance(&row.values);
            let inputs = version.admit(&features).unwrap_or_else(|error| panic!("{}: {error}", self.case.name));
            let (outputs, index) = version.run(&[&inputs]).remove(0).expect("it runs");
            let of = AssessContext { group: None, features_hash: "" };
            let answer = calibrated.assess(&contract, &outputs, index, of).expect("an answer");
            before.push(claim(&contract, &contract.interpret(&outputs, index).expect("an answer"), &row.target));
            after.push(claim(&contract, &answer, &row.target));
            if asked.len() < ASKED {
                asked.push((features, answer));
            }
        }
        let measured = if self.case.outcome == "classification" {
            Measured::Errors { before: calibration_error(&before), after: calibration_error(&after) }
        } else {
            let method = calibrated.calibrator.method();
            assert_eq!(Some(method), self.case.uncertainty.as_deref(), "{}", self.case.name);
            let covered = after.iter().filter(|(_, inside)| *inside).count();
            let rows = calibrated.calibration.report.conformal_rows;
            let band = coverage_band(calibrated.calibrator.coverage(), rows, after.len()).expect("a band");
            Measured::Coverage { share: covered as f64 / after.len() as f64, band }
        };
        Judged { asked, measured, said }
    }

    /// The server answers the same.
    pub(super) fn compare(&self, server: &Server, judged: &Judged) {
        for (features, answer) in &judged.asked {
            let features: Value = serde_json::to_value(features).expect("JSON");
            let found = ask(server, &self.case.name, &features).json();
            let uncertainty = serde_json::to_string(&answer.assessment.uncertainty).expect("JSON");
            let uncertainty: Value = serde_json::from_str(&uncertainty).expect("JSON");
            assert_eq!(found["uncertainty"], uncertainty, "{}: {found:#}", self.case.name);
            assert_eq!(found["uncertainty_method"], json!(answer.assessment.method), "{}", self.case.name);
            let warned = found["warnings"]
                .as_array()
                .expect("warnings")
                .iter()
                .any(|warning| warning["code"] == "miscalibrated");
            assert_eq!(warned, judged.said, "{}: {found:#}", self.case.name);
        }
    }
}

/// What an answer claims, and whether the truth agrees: the confidence and a right class, or the interval and a covered
/// value.
fn claim(contract: &Contract, answer: &Prediction, target: &Cell) -> (f64, bool) {
    let truth = target.text();
    let number = truth.trim().parse::<f64>().unwrap_or(f64::NAN);
    let Outcome::Classification { class, .. } = &answer.outcome else {
        let interval = answer.assessment.interval;
        return (0.0, interval.is_none_or(|(low, high)| (low.as_f64()..=high.as_f64()).contains(&number)));
    };
    let name = &contract.output.classes()[*class];
    let right = *name == truth.trim() || name.parse::<f64>().is_ok_and(|name| (name - number).abs() < 1e-9);
    (1.0 - answer.assessment.uncertainty.map_or(0.0, Float::as_f64), right)
}

impl Judged {
    pub(super) fn is_within_chance(&self) -> bool {
        match &self.measured {
            Measured::Errors { after, .. } => after.0 <= after.1.limit,
            Measured::Coverage { share, band } => (band.0..=band.1).contains(share),
        }
    }

    pub(super) fn says_so(&self) -> bool {
        self.said
    }

    /// Whether the calibration error grew by more than chance: beyond its limit, and by more than its mean.
    pub(super) fn is_worse_than_before(&self) -> bool {
        match &self.measured {
            Measured::Errors { before, after } => after.0 > after.1.limit && after.0 > before.0 + after.1.mean,
            Measured::Coverage { .. } => false,
        }
    }
}

//! What calibration costs on a request's road: the same outputs of a row as a prediction, without a calibration and with
//! each kind. The difference to `interpret` is the cost; its goal is 2 µs.

mod support;

use std::{collections::BTreeMap, hint::black_box, path::Path, sync::Arc};

use candor::{
    config::Config,
    domain::{
        calibration::{
            ClassificationOptions, ClassificationRows, MethodChoice, RegressionOptions, RegressionRows, RowGroups,
            ScaleSource, calibrate_classifier, calibrate_regressor,
        },
        contract::{Contract, DecisionRule, Grouping},
        json::JsonValue,
        tensor::{ElementType, Inputs, Tensor},
        uncertainty::{
            AssessContext, CalibrationDocument, CalibrationRule, CalibrationSource, Calibrator, Coverage, FORMAT,
            Report, ScoreKind, SetMethod,
        },
    },
    repository::ModelVersion,
    runtime::{Cancellation, Executor as _, ModelBytes, OrtExecutor, OrtLibrary, SessionOptions},
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Deserializer;
use support::body;

/// As many rows as a careful calibration has: tables are searched, so the number matters little.
const ROWS: usize = 2000;

/// As long as the fingerprints that the server makes.
const FEATURES_HASH: &str = "0123456789abcdef0123456789abcdef";

/// A version with what it answered to its own example.
struct Subject {
    version: Arc<ModelVersion>,
    inputs: Inputs,
    outputs: Vec<Tensor>,
}

impl Subject {
    fn new(config: &Config, version: Arc<ModelVersion>) -> Self {
        let library = OrtLibrary::load(&config.runtime.library).expect("it is loaded already");
        let graph = format!("models/{}/{}/model.onnx", version.model, version.version);
        let options = SessionOptions::new(&library, 1, &config.runtime.providers);
        let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join(graph);
        let model = ModelBytes::new(std::fs::read(&graph).expect("a model"));
        let mut executor = OrtExecutor::open(&library, &model, &options, &Cancellation::default()).expect("a session");
        executor.set_outputs(version.contract.output.requested());
        let body = body(&version);
        let inputs = version.contract.admit(&mut Deserializer::from_slice(&body)).expect("it is admitted").inputs;
        let outputs = executor.run(&inputs).expect("it runs");
        Self { version, inputs, outputs }
    }

    fn measure(&self, criterion: &mut Criterion, kinds: Vec<(&'static str, CalibrationDocument)>) {
        let contract: &Contract = &self.version.contract;
        let name = format!("calibrated/{}/{}", self.version.model, self.version.version);
        let mut group = criterion.benchmark_group(name);
        group.bench_function("interpret", |bencher| {
            bencher.iter(|| contract.interpret(black_box(&self.outputs), 0).expect("a prediction"));
        });
        for (name, calibration) in kinds {
            let calibrator = Calibrator::new(&calibration, Coverage::DEFAULT).expect("on the grid");
            assert_eq!(calibrator.method(), name, "it measures what it says");
            let grouping: Option<Grouping> = calibration.groups().map(|groups| {
                let values: Vec<JsonValue> = groups.groups.iter().map(|group| group.value.clone()).collect();
                contract.grouping(&groups.feature, &values).expect("groups of the contract")
            });
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let group = grouping.as_ref().and_then(|grouping| grouping.find(black_box(&self.inputs)));
                    let of = AssessContext { group, features_hash: FEATURES_HASH };
                    contract.assess(black_box(&self.outputs), 0, &calibrator, of).expect("a prediction")
                });
            });
        }
        group.finish();
    }
}

/// Numbers that are spread evenly between 0 and 1, another order for each step.
fn uniform(row: usize, step: f64) -> f64 {
    (f64::from(u32::try_from(row).expect("few")) * step).fract()
}

fn made((rule, report): (CalibrationRule, Report)) -> CalibrationDocument {
    let data = CalibrationSource { file: String::new(), sha256: String::new(), rows: ROWS, skipped: 0 };
    let (model_sha256, contract, created) = ("sha256:00".to_owned(), BTreeMap::new(), String::new());
    CalibrationDocument { format: FORMAT, model_sha256, contract, created, data, rule, report }
}

fn groups(feature: &str, values: Vec<JsonValue>) -> RowGroups {
    let of_row = (0..ROWS).map(|row| row % values.len()).collect();
    RowGroups { feature: feature.to_owned(), values, of_row }
}

/// A calibration of a classifier from made rows.
fn classified(
    classes: &[String],
    method: MethodChoice,
    sets: SetMethod,
    groups: Option<RowGroups>,
) -> CalibrationDocument {
    let likeliest = |row: usize| row % classes.len();
    let label = |row: usize| if uniform(row, 0.414_213_562) < 0.8 { likeliest(row) } else { (row / 7) % classes.len() };
    let others = f64::from(u32::try_from(classes.len() - 1).expect("few"));
    let scores = |row: usize| {
        let top = 0.5 + 0.5 * uniform(row, 0.618_033_989);
        (0..classes.len()).map(move |class| if class == likeliest(row) { top } else { (1.0 - top) / others })
    };
    let rows = ClassificationRows {
        classes: classes.to_vec(),
        kind: ScoreKind::Probabilities,
        decision: DecisionRule::Greatest,
        element: ElementType::F32,
        scores: (0..ROWS).flat_map(scores).collect(),
        labels: (0..ROWS).map(label).collect(),
        draws: (0..ROWS).map(|row| uniform(row, 0.732_050_808)).collect(),
        groups,
    };
    let options = ClassificationOptions { method, sets: Some(sets), force: true };
    made(calibrate_classifier(&rows, options).expect("a calibration"))
}

/// A calibration of a regression from made rows.
fn regressed(spread: ScaleSource, groups: Option<RowGroups>) -> CalibrationDocument {
    let values: Vec<f64> = (0..ROWS).map(|row| 200.0 * uniform(row, 0.618_033_989)).collect();
    let error = |row: usize| 100.0 * (uniform(row, 0.414_213_562) - 0.5);
    let targets = values.iter().enumerate().map(|(row, value)| value + error(row)).collect();
    let rows = RegressionRows { values, targets, spread, groups };
    made(calibrate_regressor(&rows, RegressionOptions::default()).expect("a calibration"))
}

fn benches(criterion: &mut Criterion) {
    use MethodChoice::{Isotonic, Temperature, Uncalibrated, VennAbers};
    use SetMethod::{Aps, Lac};

    let config = support::config();
    let (repository, _) = support::repository(&config);
    let subject = |model: &str| Subject::new(&config, support::stable(&repository, model));

    let churn = subject("churn");
    let two = churn.version.contract.output.classes();
    let plans = ["basic", "business", "plus"].map(|plan| JsonValue::Text(plan.to_owned()));
    churn.measure(
        criterion,
        vec![
            ("uncalibrated+lac", classified(two, Uncalibrated, Lac, None)),
            ("temperature+lac", classified(two, Temperature, Lac, None)),
            ("isotonic+lac", classified(two, Isotonic, Lac, None)),
            ("venn-abers+lac", classified(two, VennAbers, Lac, None)),
            ("temperature+aps", classified(two, Temperature, Aps, None)),
            ("venn-abers+aps", classified(two, VennAbers, Aps, None)),
            ("temperature+mondrian-lac", classified(two, Temperature, Lac, Some(groups("plan", plans.into())))),
        ],
    );
    let digits = subject("digits");
    let ten = digits.version.contract.output.classes();
    digits.measure(
        criterion,
        vec![
            ("temperature+lac", classified(ten, Temperature, Lac, None)),
            ("temperature+aps", classified(ten, Temperature, Aps, None)),
        ],
    );
    let sexes = [1, 2].map(|sex: u64| JsonValue::Number(sex.into()));
    // Two versions, and both are ready: one answers a value, the other quantiles.
    let version = |version: &str| {
        let catalog = repository.catalog();
        let found = catalog.resolve(Some("diabetes"), Some(version)).map(Arc::clone);
        Subject::new(&config, found.unwrap_or_else(|error| panic!("{}", error.detail)))
    };
    version("1").measure(
        criterion,
        vec![
            ("split-conformal", regressed(ScaleSource::None, None)),
            ("mondrian-split-conformal", regressed(ScaleSource::None, Some(groups("sex", sexes.into())))),
        ],
    );
    let quantiles = ScaleSource::Quantiles {
        levels: (0.05, 0.95),
        lower: (0..ROWS).map(|row| 200.0 * uniform(row, 0.618_033_989) - 40.0).collect(),
        upper: (0..ROWS).map(|row| 200.0 * uniform(row, 0.618_033_989) + 40.0).collect(),
    };
    version("2").measure(criterion, vec![("cqr", regressed(quantiles, None))]);
    repository.stop();
}

criterion_group!(calibrated, benches);
criterion_main!(calibrated);

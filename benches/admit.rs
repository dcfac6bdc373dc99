//! Bytes to tensors by the contract's one pass, beside what it replaces: parsing to `serde_json::Value` and validating
//! with the `jsonschema` crate, which has then filled no tensor yet.

mod support;

use std::hint::black_box;

use candor::{domain::contract::Contract, repository::ModelVersion};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jsonschema::{Draft, Validator};
use serde_json::{Deserializer, Value};
use support::body;

const MODELS: [&str; 5] = ["churn", "breast-cancer", "diabetes", "digits", "wine"];

fn admit(contract: &Contract, body: &[u8]) -> bool {
    let mut deserializer = Deserializer::from_str(std::str::from_utf8(body).expect("an example is UTF-8"));
    let admitted = contract.admit(&mut deserializer);
    deserializer.end().is_ok() && black_box(admitted).is_ok()
}

fn validator(version: &ModelVersion) -> Validator {
    let schema = serde_json::to_value(&version.document).expect("a contract is JSON");
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&schema).expect("a contract is a schema")
}

fn validate(validator: &Validator, body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).expect("an example is JSON");
    validator.is_valid(&black_box(body)["features"])
}

fn benches(criterion: &mut Criterion) {
    let (repository, _) = support::repository(&support::config());
    for model in MODELS {
        let version = support::stable(&repository, model);
        let (body, validator) = (body(&version), validator(&version));
        assert!(admit(&version.contract, &body) && validate(&validator, &body), "both accept the example of {model}");
        let mut group = criterion.benchmark_group(format!("admit/{model}"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("candor", |bencher| bencher.iter(|| admit(&version.contract, black_box(&body))));
        group.bench_function("value+jsonschema", |bencher| bencher.iter(|| validate(&validator, black_box(&body))));
        group.finish();
    }
    repository.stop();
}

criterion_group!(admits, benches);
criterion_main!(admits);

//! golden.jsonl: cases that a version must answer as written, before it may serve.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::{LoadError, not_an_object},
    schema::SchemaPass,
};
use crate::domain::{
    contract::{Contract, OutputPlan, Refusal},
    float::Nested,
    prediction::{Outcome, Prediction},
    tensor::Inputs,
    violation::Violations,
};

/// The tolerance of a case that names none.
const TOLERANCE: f64 = 1e-5;

/// One line of golden.jsonl.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The line in the file, from 1.
    #[serde(skip)]
    pub(super) line: usize,
    pub(super) features: Box<RawValue>,
    expect: Expect,
    #[serde(default = "default_tolerance")]
    tolerance: f64,
    /// Where the expected values come from, in words; `recorded` for the model's own answers.
    #[serde(default, rename = "source")]
    _source: Option<String>,
}

fn default_tolerance() -> f64 {
    TOLERANCE
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    prediction: Option<serde_json::Value>,
    probabilities: Option<BTreeMap<String, f64>>,
    outputs: Option<BTreeMap<String, serde_json::Value>>,
}

/// Reads the cases; every line that is none is told.
pub(super) fn read_cases(path: &Path, text: &str) -> Result<Vec<Case>, Vec<LoadError>> {
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let array = line.trim_start().starts_with('[');
        let read = if array { Err(not_an_object()) } else { serde_json::from_str::<Case>(line) };
        match read {
            Ok(case) => cases.push(Case { line: index + 1, ..case }),
            Err(error) => errors.push(wrong(path, index + 1, error.to_string())),
        }
    }
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}

pub(super) fn wrong(path: &Path, line: usize, detail: String) -> LoadError {
    LoadError::Golden { path: path.to_path_buf(), line, detail }
}

/// The inputs of every case; a case that the contract does not admit is an error.
pub(super) fn admit(
    golden: &(PathBuf, Vec<Case>),
    contract: &Contract,
    schema: Option<&SchemaPass>,
) -> Result<Vec<Inputs>, Vec<LoadError>> {
    let (path, cases) = golden;
    let mut rows = Vec::with_capacity(cases.len());
    let mut errors = Vec::new();
    for case in cases {
        let body = format!("{{\"features\":{}}}", case.features);
        match admit_body(&body, contract, schema) {
            Ok(inputs) => rows.push(inputs),
            Err(refusal) => errors.push(wrong(path, case.line, told(&refusal))),
        }
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

/// Why a body is not admitted, in words.
pub(super) fn told(refusal: &Refusal<serde_json::Error>) -> String {
    match refusal {
        Refusal::Malformed(error) => error.to_string(),
        Refusal::Violations(violations) => {
            let details: Vec<&str> = violations.listed().iter().map(|violation| violation.detail.as_str()).collect();
            format!("the contract does not admit it: {}", details.join("; "))
        }
    }
}

/// The inputs of a body, by both passes, as a request is admitted.
pub(super) fn admit_body(
    body: &str,
    contract: &Contract,
    schema: Option<&SchemaPass>,
) -> Result<Inputs, Refusal<serde_json::Error>> {
    let admitted = contract.admit(&mut serde_json::Deserializer::from_str(body))?;
    let mut violations = Violations::default();
    if let Some(schema) = schema {
        schema.check(contract, body.as_bytes(), &mut violations);
    }
    if violations.is_empty() { Ok(admitted.inputs) } else { Err(Refusal::Violations(violations)) }
}

/// Compares a prediction with a case. A number may differ by the tolerance times the greater of 1 and its size.
pub(super) fn compare(case: &Case, plan: &OutputPlan, prediction: &Prediction) -> Result<(), String> {
    let near = |expected: f64, found: f64| (expected - found).abs() <= case.tolerance * expected.abs().max(1.0);
    match (&prediction.outcome, plan) {
        (Outcome::Classification { class, probabilities }, OutputPlan::Classification { classes, .. }) => {
            if let Some(expected) =
                case.expect.prediction.as_ref().filter(|value| value.as_str() != Some(&classes[*class]))
            {
                return Err(format!("prediction must be {expected}; got {:?}", classes[*class]));
            }
            for (name, expected) in case.expect.probabilities.iter().flatten() {
                let index = classes.iter().position(|class| class == name);
                let found = index.map(|index| probabilities[index].as_f64());
                match found {
                    None => return Err(format!("expects a probability of {name:?}, which is no class")),
                    Some(found) if !near(*expected, found) => {
                        return Err(format!(
                            "probability of {name} must be {expected} within {}; got {found}",
                            case.tolerance
                        ));
                    }
                    Some(_) => {}
                }
            }
            Ok(())
        }
        (Outcome::Regression { value }, _) => match case.expect.prediction.as_ref().map(serde_json::Value::as_f64) {
            Some(Some(expected)) if !near(expected, value.as_f64()) => {
                Err(format!("prediction must be {expected} within {}; got {}", case.tolerance, value.as_f64()))
            }
            Some(None) => Err("prediction must be a number".to_owned()),
            _ => Ok(()),
        },
        (Outcome::Tensors { outputs }, plan) => {
            for (name, expected) in case.expect.outputs.iter().flatten() {
                let index = plan.requested().iter().position(|output| output == name);
                let tensor =
                    index.map(|index| &outputs[index]).ok_or_else(|| format!("there is no output {name:?}"))?;
                let nested = Nested { shape: &tensor.shape, buffer: &tensor.buffer, offset: 0 };
                let found = serde_json::to_value(nested).map_err(|error| error.to_string())?;
                if !same(expected, &found, &near) {
                    return Err(format!("output {name:?} differs by more than {}", case.tolerance));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn same(expected: &serde_json::Value, found: &serde_json::Value, near: &impl Fn(f64, f64) -> bool) -> bool {
    use serde_json::Value;
    match (expected, found) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right, near))
        }
        (Value::Number(left), Value::Number(right)) => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => near(left, right),
            _ => false,
        },
        (left, right) => left == right,
    }
}

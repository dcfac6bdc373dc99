//! golden.jsonl: cases that a version must answer as expected before it may serve.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    admit::admit_features,
    error::{LoadError, not_an_object},
    schema_validator::SchemaValidator,
};
use crate::domain::{
    contract::{Contract, OutputPlan},
    float::Nested,
    prediction::{Outcome, Prediction},
    tensor::Inputs,
};

/// A golden case is not reproduced: the expected and the actual value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct MismatchError(pub(super) String);

impl From<String> for MismatchError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Default tolerance of a case.
const TOLERANCE: f64 = 1e-5;

/// One line of golden.jsonl.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The line number in the file, from 1.
    #[serde(skip)]
    pub(super) line: usize,
    pub(super) features: Box<RawValue>,
    expect: Expect,
    #[serde(default = "default_tolerance")]
    tolerance: f64,
    /// The source of the expected values, in words; `recorded` for the model's own answers.
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

/// Parses the cases and reports every invalid line.
pub(super) fn read_cases(path: &Path, text: &str, errors: &mut Vec<LoadError>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let array = line.trim_start().starts_with('[');
        let read = if array { Err(not_an_object()) } else { serde_json::from_str::<Case>(line) };
        match read {
            Ok(case) => cases.push(Case { line: index + 1, ..case }),
            Err(error) => errors.push(golden_error(path, index + 1, error.to_string())),
        }
    }
    cases
}

pub(super) fn golden_error(path: &Path, line: usize, detail: String) -> LoadError {
    LoadError::Golden { path: path.to_path_buf(), line, detail }
}

/// Returns the inputs of every case that the contract admits. The others are reported as errors and removed.
pub(super) fn admit_cases(
    (path, cases): &mut (PathBuf, Vec<Case>),
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    errors: &mut Vec<LoadError>,
) -> Vec<Inputs> {
    let mut rows = Vec::with_capacity(cases.len());
    cases.retain(|case| match admit_features(contract, schema, &case.features) {
        Ok(inputs) => {
            rows.push(inputs);
            true
        }
        Err(refusal) => {
            errors.push(golden_error(path, case.line, refusal.to_string()));
            false
        }
    });
    rows
}

/// Compares a prediction with a case. A number may differ by the tolerance times the larger of 1 and the expected
/// magnitude.
pub(super) fn check_case(case: &Case, plan: &OutputPlan, prediction: &Prediction) -> Result<(), MismatchError> {
    let near = |expected: f64, found: f64| (expected - found).abs() <= case.tolerance * expected.abs().max(1.0);
    match (&prediction.outcome, plan) {
        (Outcome::Classification { class, probabilities }, OutputPlan::Classification { classes, .. }) => {
            if let Some(expected) =
                case.expect.prediction.as_ref().filter(|value| value.as_str() != Some(&classes[*class]))
            {
                return Err(format!("prediction must be {expected}; got {:?}", classes[*class]).into());
            }
            for (name, expected) in case.expect.probabilities.iter().flatten() {
                let index = classes.iter().position(|class| class == name);
                let found = index.map(|index| probabilities[index].as_f64());
                match found {
                    None => return Err(format!("expects a probability of {name:?}, which is not a class").into()),
                    Some(found) if !near(*expected, found) => {
                        return Err(format!(
                            "probability of {name} must be {expected} within {}; got {found}",
                            case.tolerance
                        )
                        .into());
                    }
                    Some(_) => {}
                }
            }
            Ok(())
        }
        (Outcome::Regression { value }, _) => match case.expect.prediction.as_ref().map(serde_json::Value::as_f64) {
            Some(Some(expected)) if !near(expected, value.as_f64()) => {
                Err(format!("prediction must be {expected} within {}; got {}", case.tolerance, value.as_f64()).into())
            }
            Some(None) => Err("prediction must be a number".to_owned().into()),
            _ => Ok(()),
        },
        (Outcome::Tensors { outputs }, plan) => {
            for (name, expected) in case.expect.outputs.iter().flatten() {
                let index = plan.requested().iter().position(|output| output == name);
                let tensor =
                    index.map(|index| &outputs[index]).ok_or_else(|| format!("there is no output {name:?}"))?;
                let nested = Nested { shape: &tensor.shape, buffer: &tensor.buffer, offset: 0 };
                let found = serde_json::to_value(nested).map_err(|error| error.to_string())?;
                if !json_equal(expected, &found, &near) {
                    return Err(format!("output {name:?} differs by more than {}", case.tolerance).into());
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn json_equal(expected: &serde_json::Value, found: &serde_json::Value, near: &impl Fn(f64, f64) -> bool) -> bool {
    use serde_json::Value;
    match (expected, found) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| json_equal(left, right, near))
        }
        (Value::Number(left), Value::Number(right)) => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => near(left, right),
            _ => false,
        },
        (left, right) => left == right,
    }
}

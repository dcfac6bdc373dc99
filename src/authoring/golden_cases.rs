//! Records golden.jsonl from rows of a table and the model's own predictions. The cases check that the model predicts
//! the same on other machines; they say nothing about its quality.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{error::AuthoringError, instances::Instance};
use crate::{
    authoring::error::DecisionError,
    domain::{
        contract::{Contract, OutputPlan},
        float::Nested,
        prediction::{Outcome, Prediction},
        tensor::Inputs,
    },
    repository::{VerifiedVersion, admit_features},
    runtime::{Executor, OrtExecutor},
};

/// The tolerance, relative to max(1, |value|). Kernels of other CPUs sum in a different order.
const TOLERANCE: f64 = 1e-5;

/// Returns the text of golden.jsonl, one line per instance.
pub(super) fn golden(
    graph: &Path,
    contract: &Contract,
    executor: &mut OrtExecutor,
    instances: &[Instance],
) -> Result<String, AuthoringError> {
    let mut text = String::new();
    for instance in instances {
        let prediction = predict(contract, executor, instance)
            .map_err(|detail| AuthoringError::Run { path: graph.to_path_buf(), detail: detail.to_string() })?;
        let case = json!({
            "features": contract.instance(&instance.values),
            "expect": expect(contract, &prediction),
            "tolerance": TOLERANCE,
            "source": "recorded",
        });
        let _ = writeln!(text, "{case}");
    }
    Ok(text)
}

/// Admits an instance as a request would be and returns its tensors. An error means that the row of the table is
/// invalid. Contracts made by `init` do not need full validation.
pub(super) fn inputs(contract: &Contract, instance: &Instance) -> Result<Inputs, DecisionError> {
    admit_features(contract, None, &contract.instance(&instance.values))
        .map_err(|refusal| DecisionError(refusal.to_string()))
}

/// Runs the model on one instance.
pub(super) fn predict(
    contract: &Contract,
    executor: &mut OrtExecutor,
    instance: &Instance,
) -> Result<Prediction, DecisionError> {
    let wrong = |detail: &dyn std::fmt::Display| DecisionError(format!("{}: {detail}", instance.place));
    let inputs = inputs(contract, instance).map_err(|error| wrong(&error))?;
    let outputs = executor.run(&inputs).map_err(|error| wrong(&error))?;
    contract.interpret(&outputs, 0).map_err(|error| wrong(&error))
}

/// Records the cases of golden.jsonl again: the same features, with what the model predicts now.
pub(super) fn record_again(prepared: &mut VerifiedVersion, path: &Path, text: &str) -> Result<String, AuthoringError> {
    let mut recorded = String::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = |detail: &dyn std::fmt::Display| {
            AuthoringError::NeedsDecision(format!("{}: case {}: {detail}", path.display(), index + 1))
        };
        let mut case: Value = serde_json::from_str(line).map_err(|error| place(&error))?;
        let features = serde_json::from_value(case["features"].clone()).map_err(|error| place(&error))?;
        let inputs = prepared.admit(&features).map_err(|error| place(&error))?;
        let (outputs, row) = prepared.run(&[&inputs]).remove(0).map_err(|error| place(&error))?;
        let prediction = prepared.contract.interpret(&outputs, row).map_err(|error| place(&error))?;
        case["expect"] = expect(&prepared.contract, &prediction);
        case["source"] = json!("recorded");
        let _ = writeln!(recorded, "{case}");
    }
    Ok(recorded)
}

fn expect(contract: &Contract, prediction: &Prediction) -> Value {
    match &prediction.outcome {
        Outcome::Classification { class, probabilities } => {
            let classes = contract.output.classes();
            let named: serde_json::Map<String, Value> =
                classes.iter().cloned().zip(probabilities.iter().map(shortest)).collect();
            json!({ "prediction": classes[*class], "probabilities": named })
        }
        Outcome::Regression { value } => json!({ "prediction": shortest(value) }),
        Outcome::Tensors { outputs } => {
            let names = match &contract.output {
                OutputPlan::Tensors { requested } => requested.clone(),
                _ => Vec::new(),
            };
            let tensors = outputs
                .iter()
                .map(|tensor| shortest(&Nested { shape: &tensor.shape, buffer: &tensor.buffer, offset: 0 }));
            let members: serde_json::Map<String, Value> = names.into_iter().zip(tensors).collect();
            json!({ "outputs": members })
        }
    }
}

/// Writes numbers as the shortest decimals that parse back to the same value in the graph's element type. Goes through
/// text, since a [`Value`] holds doubles only.
fn shortest(value: &impl serde::Serialize) -> Value {
    serde_json::to_string(value).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}

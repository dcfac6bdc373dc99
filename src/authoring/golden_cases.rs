//! golden.jsonl from rows of a table and the model's own answers to them. Recorded, not true: they show that the model
//! answers elsewhere as it did here, and nothing about how good it is.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{error::AuthoringError, instances::Instance};
use crate::{
    domain::{
        contract::{Contract, OutputPlan},
        float::Nested,
        prediction::{Outcome, Prediction},
        tensor::Inputs,
    },
    repository::{admit_features, refusal_reason},
    runtime::{Executor, OrtExecutor},
};

/// Kernels of other processors add in another order: a difference of this size, times the greater of 1 and the value, is none.
const TOLERANCE: f64 = 1e-5;

/// The text of golden.jsonl; one line an instance.
pub(super) fn golden(
    graph: &Path,
    contract: &Contract,
    executor: &mut OrtExecutor,
    instances: &[Instance],
) -> Result<String, AuthoringError> {
    let mut text = String::new();
    for instance in instances {
        let prediction = predict(contract, executor, instance)
            .map_err(|detail| AuthoringError::Run { path: graph.to_path_buf(), detail })?;
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

/// The tensors of an instance, admitted as a request is; a row that is refused is the table's fault. Contracts that `init`
/// makes need no second pass.
pub(super) fn inputs(contract: &Contract, instance: &Instance) -> Result<Inputs, String> {
    admit_features(contract, None, &contract.instance(&instance.values)).map_err(|refusal| refusal_reason(&refusal))
}

/// What the model says to one instance.
pub(super) fn predict(
    contract: &Contract,
    executor: &mut OrtExecutor,
    instance: &Instance,
) -> Result<Prediction, String> {
    let wrong = |detail: String| format!("{}: {detail}", instance.place);
    let inputs = inputs(contract, instance).map_err(wrong)?;
    let outputs = executor.run(&inputs).map_err(|error| wrong(error.to_string()))?;
    contract.interpret(&outputs, 0).map_err(|error| wrong(error.to_string()))
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

/// Numbers as the shortest decimals that read back to the same numbers of the graph's own type: by their text, since a
/// [`Value`] holds doubles only.
fn shortest(value: &impl serde::Serialize) -> Value {
    serde_json::to_string(value).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}

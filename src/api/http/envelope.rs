//! The envelope: every member always present and in this order, null where it does not apply.
//!
//! The members are written one after the other into one buffer: their names are known, so no serializer has to look for what
//! it must escape in them.

use serde::{Serialize, Serializer};

use crate::{
    domain::{
        contract::OutputPlan,
        float::{Float, Nested},
        prediction::Outcome,
        tensor::Tensor,
    },
    serving::Answer,
};

/// Room for the envelope of a small model; it grows where that is not enough.
const ENVELOPE_BYTES: usize = 768;

/// Writes the body of a 200.
///
/// # Errors
/// `serde_json`'s own; no answer that was interpreted makes one.
pub fn envelope(answer: &Answer, request_id: &str) -> serde_json::Result<Vec<u8>> {
    let mut members = Members(Vec::with_capacity(ENVELOPE_BYTES));
    let version = &answer.version;
    let assessment = &answer.prediction.assessment;
    let plan = &version.contract.output;
    let classes = plan.classes();
    match &answer.prediction.outcome {
        Outcome::Classification { class, probabilities } => {
            members.add("prediction", &classes[*class])?;
            members.add("probabilities", &Pairs(classes, probabilities))?;
        }
        Outcome::Regression { value } => members.add("prediction", value)?,
        Outcome::Tensors { outputs } => {
            members.add("prediction", &None::<Float>)?;
            members.add("outputs", &Outputs(plan.requested(), outputs))?;
        }
    }
    members.add("uncertainty", &assessment.uncertainty)?;
    members.add_plain("uncertainty_method", assessment.method);
    members.add("coverage", &assessment.coverage)?;
    match plan {
        OutputPlan::Classification { .. } => {
            let set = assessment.prediction_set.as_ref();
            let names: Option<Vec<&String>> = set.map(|set| set.iter().map(|class| &classes[*class]).collect());
            members.add("prediction_set", &names)?;
            members.add("probability_interval", &assessment.probability_interval)?;
        }
        OutputPlan::Regression { unit, .. } => {
            members.add("interval", &assessment.interval)?;
            members.add("unit", unit)?;
        }
        OutputPlan::Tensors { .. } => {}
    }
    members.add("explanation", &answer.explanation)?;
    members.add("warnings", &answer.warnings)?;
    members.add_plain("model", version.model.as_str());
    members.add_plain("model_version", version.version.as_str());
    members.add("training_data", &version.training_data())?;
    members.add_plain("contract", &version.contract_id);
    members.add_plain("features_hash", &answer.features_hash);
    members.add_plain("request_id", request_id);
    Ok(members.close())
}

/// A JSON object that is being written.
struct Members(Vec<u8>);

impl Members {
    fn name(&mut self, name: &'static str) {
        let Self(bytes) = self;
        bytes.extend_from_slice(if bytes.is_empty() { b"{\"" } else { b",\"" });
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
    }

    fn add<T: Serialize>(&mut self, name: &'static str, value: &T) -> serde_json::Result<()> {
        self.name(name);
        serde_json::to_writer(&mut self.0, value)
    }

    /// A text that by its kind holds nothing that needs an escape: the name of a model or a method, a digest, an id.
    fn add_plain(&mut self, name: &'static str, value: &str) {
        debug_assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'), "{value}");
        self.name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

/// Names and values side by side as a JSON object.
struct Pairs<'a, T>(&'a [String], &'a [T]);

impl<T: Serialize> Serialize for Pairs<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// The named outputs as nested arrays.
struct Outputs<'a>(&'a [String], &'a [Tensor]);

impl Serialize for Outputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .zip(self.1)
                .map(|(name, tensor)| (name, Nested { shape: &tensor.shape, buffer: &tensor.buffer, offset: 0 })),
        )
    }
}

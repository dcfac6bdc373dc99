//! The envelope: every member always present and in this order, null where it does not apply.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

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
    let mut bytes = Vec::with_capacity(ENVELOPE_BYTES);
    serde_json::to_writer(&mut bytes, &Envelope { answer, request_id })?;
    Ok(bytes)
}

/// The body of a 200.
struct Envelope<'a> {
    answer: &'a Answer,
    request_id: &'a str,
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

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let version = &self.answer.version;
        let assessment = &self.answer.prediction.assessment;
        let plan = &version.contract.output;
        let classes = plan.classes();
        let mut map = serializer.serialize_map(None)?;
        match &self.answer.prediction.outcome {
            Outcome::Classification { class, probabilities } => {
                map.serialize_entry("prediction", &classes[*class])?;
                map.serialize_entry("probabilities", &Pairs(classes, probabilities))?;
            }
            Outcome::Regression { value } => map.serialize_entry("prediction", value)?,
            Outcome::Tensors { outputs } => {
                map.serialize_entry("prediction", &None::<Float>)?;
                map.serialize_entry("outputs", &Outputs(plan.requested(), outputs))?;
            }
        }
        map.serialize_entry("uncertainty", &assessment.uncertainty)?;
        map.serialize_entry("uncertainty_method", assessment.method)?;
        map.serialize_entry("coverage", &assessment.coverage)?;
        match plan {
            OutputPlan::Classification { .. } => {
                let set = assessment.prediction_set.as_ref();
                let names: Option<Vec<&String>> = set.map(|set| set.iter().map(|class| &classes[*class]).collect());
                map.serialize_entry("prediction_set", &names)?;
                map.serialize_entry("probability_interval", &assessment.probability_interval)?;
            }
            OutputPlan::Regression { unit, .. } => {
                map.serialize_entry("interval", &assessment.interval)?;
                map.serialize_entry("unit", unit)?;
            }
            OutputPlan::Tensors { .. } => {}
        }
        map.serialize_entry("explanation", &None::<()>)?;
        map.serialize_entry("warnings", &self.answer.warnings)?;
        map.serialize_entry("model", version.model.as_str())?;
        map.serialize_entry("model_version", version.version.as_str())?;
        map.serialize_entry("training_data", &version.training_data())?;
        map.serialize_entry("contract", &version.contract_id)?;
        map.serialize_entry("features_hash", &self.answer.features_hash)?;
        map.serialize_entry("request_id", self.request_id)?;
        map.end()
    }
}

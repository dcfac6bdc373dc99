//! Response envelope: every member is always present and in this order, and null if it does not apply.
//!
//! The members are written one by one into one buffer: their names are known, so no serializer has to scan them for
//! characters to escape.

use std::{io, time::Instant};

use serde::{Serialize, Serializer};

use crate::{
    domain::{
        contract::OutputPlan,
        float::{Float, Nested},
        prediction::Outcome,
        tensor::Tensor,
    },
    serving::PredictResponse,
};

/// Initial capacity, enough for the envelope of a small model; it grows if necessary.
const ENVELOPE_BYTES: usize = 768;

/// Bytes written between two checks of the limits.
const DEADLINE_CHECK_INTERVAL: usize = 64 << 10;

/// Why a response was not written.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The response exceeds its maximum size.
    #[error("the response is too large")]
    TooLarge,
    /// The deadline passed while the response was written.
    #[error("the deadline passed")]
    Late,
    /// An error of `serde_json`; an interpreted answer causes none.
    #[error(transparent)]
    Json(serde_json::Error),
}

/// Writes the body of a 200 response, of at most `max_bytes` and before the deadline of the answer.
///
/// # Errors
/// Returns [`EnvelopeError`] if the response is too large, late, or cannot be serialized.
pub fn envelope(answer: &PredictResponse, request_id: &str, max_bytes: usize) -> Result<Vec<u8>, EnvelopeError> {
    let output = EnvelopeWriter {
        bytes: Vec::with_capacity(ENVELOPE_BYTES),
        look_at: DEADLINE_CHECK_INTERVAL.min(max_bytes),
        max_bytes,
        due: answer.due,
        stopped: None,
    };
    let mut members = ObjectWriter(output);
    let written = write(answer, request_id, &mut members);
    members.0.finish(written)
}

fn write(answer: &PredictResponse, request_id: &str, members: &mut ObjectWriter) -> serde_json::Result<()> {
    let version = &answer.version;
    let assessment = &answer.prediction.assessment;
    let plan = &version.contract.output;
    let classes = plan.classes();
    match &answer.prediction.outcome {
        Outcome::Classification { class, probabilities } => {
            members.add("prediction", &classes[*class])?;
            members.add("probabilities", &NamedValues(classes, probabilities))?;
            members.add_unescaped("probabilities_method", version.probabilities_method().unwrap_or_default());
        }
        Outcome::Regression { value } => members.add("prediction", value)?,
        Outcome::Tensors { outputs } => {
            members.add("prediction", &None::<Float>)?;
            members.add("outputs", &NamedOutputs(plan.requested(), outputs))?;
        }
    }
    members.add("uncertainty", &assessment.uncertainty)?;
    members.add_unescaped("uncertainty_method", assessment.method);
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
    members.add_unescaped("model", version.model.as_str());
    members.add_unescaped("model_version", version.version.as_str());
    members.add("training_data", &version.training_data())?;
    members.add_unescaped("contract", &version.contract_id);
    members.add_unescaped("features_hash", &answer.features_hash);
    members.add_unescaped("request_id", request_id);
    members.finish();
    Ok(())
}

/// Output buffer of a response, limited in size and time.
struct EnvelopeWriter {
    bytes: Vec<u8>,
    /// Length at which the limits are checked next.
    look_at: usize,
    max_bytes: usize,
    due: Instant,
    stopped: Option<EnvelopeError>,
}

impl EnvelopeWriter {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.bytes.len() + bytes.len();
        if length > self.look_at {
            self.check_deadline(length)?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn check_deadline(&mut self, length: usize) -> io::Result<()> {
        if length > self.max_bytes {
            self.stopped = Some(EnvelopeError::TooLarge);
        } else if Instant::now() > self.due {
            self.stopped = Some(EnvelopeError::Late);
        } else {
            self.look_at = (length + DEADLINE_CHECK_INTERVAL).min(self.max_bytes);
            return Ok(());
        }
        Err(io::ErrorKind::Other.into())
    }

    fn finish(self, written: serde_json::Result<()>) -> Result<Vec<u8>, EnvelopeError> {
        match (self.stopped, written) {
            (Some(stopped), _) => Err(stopped),
            (None, Err(error)) => Err(EnvelopeError::Json(error)),
            (None, Ok(())) if self.bytes.len() > self.max_bytes => Err(EnvelopeError::TooLarge),
            (None, Ok(())) => Ok(self.bytes),
        }
    }
}

impl io::Write for &mut EnvelopeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a JSON object.
struct ObjectWriter(EnvelopeWriter);

impl ObjectWriter {
    fn name(&mut self, name: &'static str) {
        let bytes = &mut self.0.bytes;
        bytes.extend_from_slice(if bytes.is_empty() { b"{\"" } else { b",\"" });
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
    }

    fn add<T: Serialize>(&mut self, name: &'static str, value: &T) -> serde_json::Result<()> {
        self.name(name);
        serde_json::to_writer(&mut self.0, value)
    }

    /// Adds a string that by its nature needs no escaping: the name of a model or a method, a digest, an id.
    fn add_unescaped(&mut self, name: &'static str, value: &str) {
        debug_assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'), "{value}");
        self.name(name);
        let bytes = &mut self.0.bytes;
        bytes.push(b'"');
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'"');
    }

    fn finish(&mut self) {
        self.0.bytes.push(b'}');
    }
}

/// Parallel slices of names and values, serialized as a JSON object.
struct NamedValues<'a, T>(&'a [String], &'a [T]);

impl<T: Serialize> Serialize for NamedValues<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// Named outputs, serialized as nested arrays.
struct NamedOutputs<'a>(&'a [String], &'a [Tensor]);

impl Serialize for NamedOutputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .zip(self.1)
                .map(|(name, tensor)| (name, Nested { shape: &tensor.shape, buffer: &tensor.buffer, offset: 0 })),
        )
    }
}

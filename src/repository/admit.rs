//! Bytes to tensors: the contract's one pass, and the second pass where a contract needs it. Requests, golden cases, the
//! instances that prove a version, the baselines of explanations and the rows of tables all come in here.

use serde::Serialize;
use serde_json::{Deserializer, de::Read};

use super::schema_validator::SchemaValidator;
use crate::domain::{
    contract::{AdmitError, Admitted, Contract},
    tensor::Inputs,
    violation::Violations,
};

/// Admits a body `{"features": …}` by both passes.
///
/// # Errors
/// [`AdmitError`]: what is wrong with the JSON, or all violations of both passes.
pub(super) fn admit(
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    body: &[u8],
) -> Result<Admitted, AdmitError<serde_json::Error>> {
    // Text that is UTF-8 as a whole need not be checked string by string; in what is not, the reader finds the place.
    let (admitted, end) = match std::str::from_utf8(body) {
        Ok(text) => read(contract, Deserializer::from_str(text)),
        Err(_) => read(contract, Deserializer::from_slice(body)),
    };
    // What follows the first value is a fault of the JSON, whatever that value was.
    if let Err(error) = end
        && !matches!(admitted, Err(AdmitError::Malformed(_)))
    {
        return Err(AdmitError::Malformed(error));
    }
    let Some(schema) = schema else { return admitted };
    let (admitted, mut violations) = match admitted {
        Ok(admitted) => (Some(admitted), Violations::default()),
        Err(AdmitError::Violations(violations)) => (None, violations),
        Err(malformed @ AdmitError::Malformed(_)) => return Err(malformed),
    };
    schema.check(contract, body, &mut violations);
    match admitted {
        Some(admitted) if violations.is_empty() => Ok(admitted),
        _ => Err(AdmitError::Violations(violations)),
    }
}

/// What the contract says of the first value, and what the JSON's end says.
fn read<'de, R: Read<'de>>(
    contract: &Contract,
    mut deserializer: Deserializer<R>,
) -> (Result<Admitted, AdmitError<serde_json::Error>>, serde_json::Result<()>) {
    let admitted = contract.admit(&mut deserializer);
    (admitted, deserializer.end())
}

/// The inputs of an instance's features, admitted as a request is.
///
/// # Errors
/// [`AdmitError`]: what is wrong with the JSON, or all violations of both passes.
pub fn admit_features(
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    features: &(impl Serialize + ?Sized),
) -> Result<Inputs, AdmitError<serde_json::Error>> {
    #[derive(Serialize)]
    struct Body<'a, F: ?Sized> {
        features: &'a F,
    }
    let body = serde_json::to_vec(&Body { features }).map_err(AdmitError::Malformed)?;
    admit(contract, schema, &body).map(|admitted| admitted.inputs)
}

/// The reason of a refusal, in one line.
pub fn refusal_reason(refusal: &AdmitError<serde_json::Error>) -> String {
    match refusal {
        AdmitError::Malformed(error) => error.to_string(),
        AdmitError::Violations(violations) => {
            let details: Vec<&str> = violations.first_n().iter().map(|violation| violation.detail.as_str()).collect();
            format!("the contract does not admit it: {}", details.join("; "))
        }
    }
}

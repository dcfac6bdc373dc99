//! Validates JSON and converts it to tensors: the contract's single-pass validation, then full validation if the
//! contract needs it. Requests, golden cases, the instances that verify a version, explanation baselines and table rows
//! all use it.

use serde::Serialize;
use serde_json::{Deserializer, de::Read};

use super::schema_validator::SchemaValidator;
use crate::domain::{
    contract::{AdmitError, Admitted, Contract},
    tensor::Inputs,
    violation::Violations,
};

/// Admits a body `{"features": …}`: single-pass validation, then full validation if there is a schema.
///
/// # Errors
/// Returns [`AdmitError`] with the JSON error, or with all violations of both validations.
pub(super) fn admit(
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    body: &[u8],
) -> Result<Admitted, AdmitError<serde_json::Error>> {
    // If the whole body is UTF-8, its strings need no further check. Otherwise the parser finds the invalid position.
    let (admitted, end) = match std::str::from_utf8(body) {
        Ok(text) => read(contract, Deserializer::from_str(text)),
        Err(_) => read(contract, Deserializer::from_slice(body)),
    };
    // Trailing characters after the first value are a JSON error, whatever that value is.
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

/// Returns the contract's result for the first value, and the parser's result for the end of the JSON.
fn read<'de, R: Read<'de>>(
    contract: &Contract,
    mut deserializer: Deserializer<R>,
) -> (Result<Admitted, AdmitError<serde_json::Error>>, serde_json::Result<()>) {
    let admitted = contract.admit(&mut deserializer);
    (admitted, deserializer.end())
}

/// Admits an instance's features in the same way as a request and returns the inputs.
///
/// # Errors
/// Returns [`AdmitError`] with the JSON error, or with all violations of both validations.
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

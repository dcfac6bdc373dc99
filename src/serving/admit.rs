//! Bytes to tensors: the contract's one pass, and the second pass where a contract needs it.

use serde_json::{Deserializer, de::Read};

use crate::{
    domain::{
        code::ErrorCode,
        contract::{Admitted, Contract, Refusal},
    },
    repository::ModelVersion,
    serving::Failure,
};

/// Admits the body of a request.
pub(super) fn admit(version: &ModelVersion, body: &[u8]) -> Result<Admitted, Failure> {
    // Text that is UTF-8 as a whole need not be checked string by string; in what is not, the reader finds the place.
    let (admitted, end) = match std::str::from_utf8(body) {
        Ok(text) => read(&version.contract, Deserializer::from_str(text)),
        Err(_) => read(&version.contract, Deserializer::from_slice(body)),
    };
    // What follows the first value is a fault of the JSON, whatever that value was.
    if let Err(error) = end
        && !matches!(admitted, Err(Refusal::Malformed(_)))
    {
        return Err(malformed(&error));
    }
    let violations = match admitted {
        Ok(admitted) => {
            let Some(schema) = &version.schema else { return Ok(admitted) };
            let mut violations = crate::domain::violation::Violations::default();
            schema.check(&version.contract, body, &mut violations);
            if violations.is_empty() {
                return Ok(admitted);
            }
            violations
        }
        Err(Refusal::Malformed(error)) => return Err(malformed(&error)),
        Err(Refusal::Violations(mut violations)) => {
            if let Some(schema) = &version.schema {
                schema.check(&version.contract, body, &mut violations);
            }
            violations
        }
    };
    let total = violations.total();
    let verb = if total == 1 { "violation of" } else { "violations of" };
    let listed = violations.listed().len();
    let cut = if total > listed { format!("; the first {listed} are listed") } else { String::new() };
    let detail = format!("{total} {verb} the contract of {}{cut}", version.model);
    Err(Failure { violations, ..Failure::new(ErrorCode::DataContractViolation, detail) })
}

/// What the contract says of the first value, and what the JSON's end says.
fn read<'de, R: Read<'de>>(
    contract: &Contract,
    mut deserializer: Deserializer<R>,
) -> (Result<Admitted, Refusal<serde_json::Error>>, serde_json::Result<()>) {
    let admitted = contract.admit(&mut deserializer);
    (admitted, deserializer.end())
}

fn malformed(error: &serde_json::Error) -> Failure {
    Failure::new(ErrorCode::MalformedJson, error.to_string())
}

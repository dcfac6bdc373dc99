//! Admits the body of a request: what is refused becomes a failure with all its violations.

use super::Failure;
use crate::{
    domain::{
        code::ErrorCode,
        contract::{Admitted, Refusal},
    },
    repository::ModelVersion,
};

pub(super) fn admit(version: &ModelVersion, body: &[u8]) -> Result<Admitted, Failure> {
    let violations = match version.admit(body) {
        Ok(admitted) => return Ok(admitted),
        Err(Refusal::Malformed(error)) => return Err(Failure::new(ErrorCode::MalformedJson, error.to_string())),
        Err(Refusal::Violations(violations)) => violations,
    };
    let total = violations.total();
    let verb = if total == 1 { "violation of" } else { "violations of" };
    let listed = violations.listed().len();
    let cut = if total > listed { format!("; the first {listed} are listed") } else { String::new() };
    let detail = format!("{total} {verb} the contract of {}{cut}", version.model);
    Err(Failure { violations, ..Failure::new(ErrorCode::DataContractViolation, detail) })
}

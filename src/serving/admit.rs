//! Validates the body of a request against the contract. A rejected body becomes an error with all its violations.

use super::ServeError;
use crate::{
    domain::{
        contract::{AdmitError, Admitted},
        error_code::ErrorCode,
    },
    repository::ModelVersion,
};

pub(super) fn admit(version: &ModelVersion, body: &[u8]) -> Result<Admitted, ServeError> {
    let violations = match version.admit(body) {
        Ok(admitted) => return Ok(admitted),
        Err(AdmitError::Malformed(error)) => return Err(ServeError::new(ErrorCode::MalformedJson, error.to_string())),
        Err(AdmitError::Violations(violations)) => violations,
    };
    let total = violations.total();
    let verb = if total == 1 { "violation of" } else { "violations of" };
    let listed = violations.first_n().len();
    let cut = if total > listed { format!("; the first {listed} are listed") } else { String::new() };
    let detail = format!("{total} {verb} the contract of {}{cut}", version.model);
    Err(ServeError { violations, ..ServeError::new(ErrorCode::DataContractViolation, detail) })
}

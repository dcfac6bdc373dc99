//! Predicts rows as the server would, for what is measured of a version.

use super::error::DecisionError;
use crate::{
    domain::{prediction::Prediction, tensor::Inputs, uncertainty::AssessContext},
    repository::VerifiedVersion,
    runtime::RowResult,
};

/// Predicts rows, together if they can share a run. Returns one result per row.
pub(super) fn answers(prepared: &mut VerifiedVersion, rows: &[&Inputs]) -> Vec<Result<Prediction, DecisionError>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let results = prepared.run(rows);
    rows.iter().zip(results).map(|(inputs, result)| prediction(prepared, inputs, result)).collect()
}

fn prediction(prepared: &VerifiedVersion, inputs: &Inputs, result: RowResult) -> Result<Prediction, DecisionError> {
    let (outputs, row) = result.map_err(|error| error.to_string())?;
    let found = match &prepared.calibrated {
        Some(calibrated) => {
            let hash = prepared.fingerprint().of(inputs);
            let of = AssessContext { group: calibrated.group(inputs), features_hash: &hash };
            calibrated.assess(&prepared.contract, &outputs, row, of)
        }
        None => prepared.contract.interpret(&outputs, row),
    };
    Ok(found.map_err(|error| error.to_string())?)
}

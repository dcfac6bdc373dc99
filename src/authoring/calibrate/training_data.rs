//! Recognises the table that a model was trained on, on which every model looks better than it is.

use crate::{
    dataset::{Table, TableError},
    repository::VerifiedVersion,
};

/// Returns the name of the file that lists this table as training data.
pub(in crate::authoring) fn trained_on(prepared: &VerifiedVersion, sha256: &str) -> Option<&'static str> {
    let profiled = prepared.profile().is_some_and(|profile| profile.source.sha256 == sha256);
    let data = prepared.provenance().training_data.as_ref();
    let listed = data.and_then(|data| data.sha256.as_deref());
    let trained = listed.is_some_and(|listed| listed.strip_prefix("sha256:").unwrap_or(listed) == sha256);
    match (profiled, trained) {
        (true, _) => Some("profile.json"),
        (_, true) => Some("version.json"),
        _ => None,
    }
}

/// Refuses a table that the model was trained on, if `trained_on` names a file that lists it.
pub(super) fn refuse_training_data(table: &Table, trained_on: Option<&str>) -> Result<(), TableError> {
    let Some(what) = trained_on else { return Ok(()) };
    Err(table.table_error(format!(
        "is the table that {what} names as training data: a model is more certain of rows that it was trained on than of \
         new ones. Use held-out rows, or pass --allow-training-data if the model was not trained on these"
    )))
}

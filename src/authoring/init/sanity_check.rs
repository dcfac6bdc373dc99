//! Compares predictions with the target on training rows. This does not measure quality, but it reveals columns in the
//! wrong order and classes with the wrong names.

use std::{collections::BTreeMap, path::Path};

use crate::{
    authoring::{
        error::AuthoringError,
        golden_cases,
        instances::Instance,
        target::{class_index, class_name, number, r_squared, text},
    },
    dataset::Cell,
    domain::{contract::Contract, prediction::Outcome},
    runtime::OrtExecutor,
};

/// The warning for a model that is worse than a constant prediction.
const WORSE_THAN_CONSTANT: &str = ": a constant does better; check the order of the columns and of the classes";

/// Describes the comparison; `None` if there is no target, or none that is comparable with the predictions.
pub(super) fn agreement(
    graph: &Path,
    contract: &Contract,
    executor: &mut OrtExecutor,
    instances: &[Instance],
) -> Result<Option<String>, AuthoringError> {
    let mut hits = 0;
    let mut truths: BTreeMap<String, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for instance in instances.iter().filter(|instance| instance.target != Cell::Missing) {
        let prediction = golden_cases::predict(contract, executor, instance)
            .map_err(|detail| AuthoringError::Run { path: graph.to_path_buf(), detail: detail.to_string() })?;
        match prediction.outcome {
            Outcome::Classification { class, .. } => {
                let truth = text(&instance.target);
                let found = class_index(contract.output.classes(), &truth).map(|(index, _)| index);
                hits += usize::from(found == Some(class));
                *truths.entry(class_name(&truth)).or_default() += 1;
            }
            Outcome::Regression { value } => {
                pairs.extend(number(&instance.target).map(|truth| (value.as_f64(), truth)));
            }
            Outcome::Tensors { .. } => return Ok(None),
        }
    }
    let known: usize = truths.values().sum();
    if let Some(most) = truths.values().max() {
        let doubt = if hits < *most { WORSE_THAN_CONSTANT } else { "" };
        let said = format!("the model predicts the class of the table in {hits} of {known} sampled rows{doubt}");
        return Ok(Some(said));
    }
    Ok(r_squared(&pairs).map(|share| {
        let doubt = if share < 0.0 { WORSE_THAN_CONSTANT } else { "" };
        let (percent, rows) = (share * 100.0, pairs.len());
        format!("the model explains {percent:.0} % of the target's variance in {rows} sampled rows{doubt}")
    }))
}

//! Compares predictions with the target on training rows. This does not measure quality, but it reveals columns in the
//! wrong order and classes with the wrong names.

use std::{collections::BTreeMap, path::Path};

use crate::{
    authoring::{
        error::AuthoringError,
        flag_value::list_argument,
        golden_cases,
        instances::Instance,
        target::{class_index, class_name, number, r_squared, text},
    },
    dataset::Cell,
    domain::{contract::Contract, prediction::Outcome},
    runtime::OrtExecutor,
};

/// The warning for a classification that is worse than a constant prediction.
const WORSE_THAN_CONSTANT: &str = ": a constant does better; check the order of the columns and of the classes";

/// The warning for a regression that is worse than a constant prediction.
const WORSE_THAN_MEAN: &str =
    ": their mean is closer; check the target, the column of the value (--value-column) and the order of the columns";

/// Describes the comparison; `None` if there is no target, or none that is comparable with the predictions.
pub(super) fn agreement(
    graph: &Path,
    contract: &Contract,
    executor: &mut OrtExecutor,
    instances: &[Instance],
) -> Result<Option<String>, AuthoringError> {
    let mut hits = 0;
    let mut truths: BTreeMap<String, usize> = BTreeMap::new();
    let (mut pairs, mut pairings) = (Vec::new(), Vec::new());
    for instance in instances.iter().filter(|instance| instance.target != Cell::Missing) {
        let prediction = golden_cases::predict(contract, executor, instance)
            .map_err(|detail| AuthoringError::Run { path: graph.to_path_buf(), detail: detail.to_string() })?;
        match prediction.outcome {
            Outcome::Classification { class, .. } => {
                let truth = text(&instance.target);
                let found = class_index(contract.output.classes(), &truth).map(|(index, _)| index);
                hits += usize::from(found == Some(class));
                pairings.extend(found.map(|found| (class, found)));
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
        let order = better_order(contract.output.classes(), &pairings, hits).unwrap_or_default();
        let said = format!("the model predicts the class of the table in {hits} of {known} sampled rows{doubt}{order}");
        return Ok(Some(said));
    }
    Ok(r_squared(&pairs).map(|share| {
        let doubt = if share < 0.0 { WORSE_THAN_MEAN } else { "" };
        let (percent, rows) = (share * 100.0, pairs.len());
        format!("the model explains {percent:.0} % of the target's variance in {rows} sampled rows{doubt}")
    }))
}

/// Suggests another order of the classes, if it agrees with the table in clearly more rows. `pairings` are the predicted
/// and the true class of each row.
fn better_order(classes: &[String], pairings: &[(usize, usize)], hits: usize) -> Option<String> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for pairing in pairings {
        *counts.entry(*pairing).or_default() += 1;
    }
    let mut ranked: Vec<((usize, usize), usize)> = counts.into_iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    // The most frequent pairs first, each class once; classes that are left keep their order.
    let (mut order, mut taken, mut better) = (vec![None; classes.len()], vec![false; classes.len()], 0);
    for ((predicted, truth), count) in ranked {
        if order[predicted].is_none() && !taken[truth] {
            order[predicted] = Some(truth);
            taken[truth] = true;
            better += count;
        }
    }
    let mut left = (0..classes.len()).filter(|class| !taken[*class]);
    let names: Vec<&String> =
        order.into_iter().filter_map(|class| class.or_else(|| left.next())).map(|class| &classes[class]).collect();
    (better > hits + pairings.len() / 10)
        .then(|| format!("; with --classes {} it would be {better}", list_argument(names)))
}

//! Decides what to fit, from the contract and the options. Reports all conflicts before any row is read.

use super::{CalibrateOptions, CalibrationMethod, SetChoice};
use crate::{
    authoring::error::DecisionError,
    domain::{
        calibration::{ClassificationOptions, MethodChoice, RegressionOptions},
        contract::{Contract, Task},
        uncertainty::SetMethod,
    },
};

/// What to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CalibrationPlan {
    Classification(ClassificationOptions),
    Regression(RegressionOptions),
}

/// Makes the plan, or returns all conflicts.
pub(super) fn plan(contract: &Contract, options: &CalibrateOptions) -> Result<CalibrationPlan, Vec<DecisionError>> {
    let mut problems = Vec::new();
    let plan = match contract.output.task() {
        Task::Classification => classification(contract.output.classes().len(), options, &mut problems),
        Task::Regression => regression(options, &mut problems),
        Task::Tensors => {
            return Err(vec![
                "its task is tensors: there are no true values to compare them with, so nothing can be calibrated"
                    .to_owned()
                    .into(),
            ]);
        }
    };
    if let Some(feature) = &options.group {
        problems.extend(contract.grouping(feature, &[]).err().map(|detail| format!("--group-by: {detail}")));
    }
    if let Some(target) = options.target.as_ref().filter(|name| contract.features.iter().any(|own| own.name == **name))
    {
        problems.push(format!("--target: {target:?} is a feature of the contract, so it cannot be the target"));
    }
    if problems.is_empty() { Ok(plan) } else { Err(problems.into_iter().map(DecisionError).collect()) }
}

fn classification(classes: usize, options: &CalibrateOptions, problems: &mut Vec<String>) -> CalibrationPlan {
    let method = match options.method {
        None => MethodChoice::Auto,
        Some(CalibrationMethod::Classifier(method)) => method,
        Some(CalibrationMethod::SplitConformal) => {
            problems.push("--method split-conformal is for a regression; this is a classification".to_owned());
            MethodChoice::Auto
        }
    };
    if classes != 2 && method.two_classes_only() {
        let method = method.as_str();
        problems.push(format!(
            "--method {method} is for two classes, the contract has {classes}; use top-label-{method}, temperature, or \
             auto"
        ));
    }
    let sets = match options.sets {
        None | Some(SetChoice::Lac) => Some(SetMethod::Lac),
        Some(SetChoice::Aps) => Some(SetMethod::Aps),
        Some(SetChoice::None) => None,
    };
    match (&options.group, sets) {
        (Some(_), Some(SetMethod::Aps)) => {
            problems.push("--group-by requires --prediction-sets lac; aps does not support it".to_owned());
        }
        (Some(_), None) => {
            problems.push(
                "--group-by computes quantiles per group, but --prediction-sets none computes no quantiles: remove one \
                 of them"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if method == MethodChoice::Uncalibrated && sets.is_none() {
        problems.push("--method uncalibrated with --prediction-sets none leaves nothing to calibrate".to_owned());
    }
    CalibrationPlan::Classification(ClassificationOptions { method, sets, force: options.force })
}

fn regression(options: &CalibrateOptions, problems: &mut Vec<String>) -> CalibrationPlan {
    if let Some(CalibrationMethod::Classifier(method)) = options.method {
        let method = method.as_str();
        problems.push(format!(
            "--method {method} is for a classification; this is a regression, whose intervals are determined by its \
             outputs (or, with split-conformal, by its value alone)"
        ));
    }
    if options.sets.is_some() {
        problems.push("--prediction-sets is for a classification; a regression gets intervals".to_owned());
    }
    CalibrationPlan::Regression(RegressionOptions {
        force_split_conformal: options.method == Some(CalibrationMethod::SplitConformal),
    })
}

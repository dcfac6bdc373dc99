//! Checks that a calibration was made for this contract: the same task, classes, roles of outputs, features of inputs
//! and grouping feature.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    contract::{Contract, Grouping, OutputPlan, PointEstimate, ScoreEncoding},
    json::JsonValue,
    uncertainty::{CalibrationDocument, CalibrationRule, Intervals, Scale, ScoreKind},
};

impl Contract {
    /// Checks a calibration against the contract. Returns the grouping that finds an instance's group, if the
    /// calibration has groups.
    ///
    /// # Errors
    /// Returns every difference; each message names what the calibration has and what the contract has.
    pub fn check_calibration(&self, calibration: &CalibrationDocument) -> Result<Option<Grouping>, Vec<String>> {
        let mut differences = Vec::new();
        match (&calibration.rule, &self.output) {
            (
                CalibrationRule::Classification { classes: known, scores, .. },
                OutputPlan::Classification { classes, .. },
            ) => {
                if known != classes {
                    let (known, classes) = (known.join(", "), classes.join(", "));
                    differences.push(format!("it is for the classes {known}; the contract has {classes}"));
                }
                let kind = self.score_kind();
                if kind.is_some_and(|kind| kind != *scores) {
                    let (known, kind) = (scores.as_str(), kind.map_or("none", ScoreKind::as_str));
                    differences.push(format!("it is for {known}; the contract has {kind}"));
                }
            }
            (CalibrationRule::Regression { intervals, .. }, OutputPlan::Regression { .. }) => {
                differences.extend(self.interval_difference(*intervals));
            }
            (rule, plan) => {
                let known = match rule {
                    CalibrationRule::Classification { .. } => "classification",
                    CalibrationRule::Regression { .. } => "regression",
                };
                differences.push(format!("it is for a {known}; the contract's task is {}", plan.task().as_str()));
            }
        }
        if differences.is_empty() {
            differences.extend(self.basis_differences(&calibration.contract));
        }
        let grouping = calibration.groups().map(|groups| {
            let values: Vec<JsonValue> = groups.groups.iter().map(|group| group.value.clone()).collect();
            self.grouping(&groups.feature, &values)
        });
        match grouping.transpose() {
            Ok(grouping) if differences.is_empty() => return Ok(grouping),
            Ok(_) => {}
            Err(difference) => differences.push(difference.to_string()),
        }
        Err(differences)
    }

    /// What a calibration depends on besides the model and the classes: the role of each output and the features of each
    /// input, as text. An edit of these changes what the outputs mean, and so makes the calibration stale.
    pub fn calibration_basis(&self) -> BTreeMap<String, String> {
        let mut basis = BTreeMap::new();
        let mut add = |key: &str, value: String| basis.insert(key.to_owned(), value);
        match &self.output {
            OutputPlan::Classification { classes, requested, scores, decision, .. } => {
                add("scores", format!("{} {:?}", scores.as_str(), requested[0]));
                add("decision", decision.describe(classes));
            }
            OutputPlan::Regression { requested, point, auxiliary, .. } => {
                let value = match point {
                    PointEstimate::Column(column) => format!("{:?}, column {column}", requested[0]),
                    PointEstimate::Mean => format!("the mean of {:?}", requested[0]),
                };
                add("value", value);
                if let Some((output, column)) = auxiliary.sigma {
                    add("sigma", format!("{:?}, column {column}", requested[output]));
                }
                if let Some(band) = &auxiliary.band {
                    let (lower, upper) = band.levels;
                    add("quantiles", format!("{:?}, levels {lower} and {upper}", requested[band.output]));
                }
                if let Some(members) = auxiliary.members {
                    add("members", format!("{:?}", requested[members]));
                }
            }
            OutputPlan::Tensors { .. } => {}
        }
        for (index, input) in self.inputs.iter().enumerate() {
            let features = self.features.iter().filter(|feature| feature.tensor == index);
            let names: Vec<&str> = features.map(|feature| feature.name.as_str()).collect();
            add(&format!("input {}", input.name), names.join(", "));
        }
        basis
    }

    fn basis_differences(&self, known: &BTreeMap<String, String>) -> Vec<String> {
        let here = self.calibration_basis();
        let keys: BTreeSet<&String> = known.keys().chain(here.keys()).collect();
        let text =
            |basis: &BTreeMap<String, String>, key: &str| basis.get(key).map_or("none", String::as_str).to_owned();
        let differing = keys.into_iter().filter(|key| known.get(*key) != here.get(*key));
        differing
            .map(|key| format!("it was made with {key}: {}; the contract has {}", text(known, key), text(&here, key)))
            .collect()
    }

    /// Returns the kind of a classification's scores; `None` for other tasks.
    pub fn score_kind(&self) -> Option<ScoreKind> {
        match &self.output {
            OutputPlan::Classification { scores: ScoreEncoding::Logits, .. } => Some(ScoreKind::Logits),
            OutputPlan::Classification { .. } => Some(ScoreKind::Probabilities),
            _ => None,
        }
    }

    fn interval_difference(&self, intervals: Intervals) -> Option<String> {
        let OutputPlan::Regression { auxiliary: beside, .. } = &self.output else { return None };
        match intervals {
            Intervals::NormalizedConformal { scale: Scale::Sigma } if beside.sigma.is_none() => {
                Some("it needs the output sigma, which the contract does not name".to_owned())
            }
            Intervals::NormalizedConformal { scale: Scale::Members } if beside.members.is_none() => {
                Some("it needs the output members, which the contract does not name".to_owned())
            }
            Intervals::Cqr { lower, upper } => match beside.band {
                Some(band) if band.levels == (lower, upper) => None,
                Some(band) => Some(format!(
                    "it is for the quantiles {lower} and {upper}; the contract has {} and {}",
                    band.levels.0, band.levels.1
                )),
                None => Some("it needs the output quantiles, which the contract does not name".to_owned()),
            },
            _ => None,
        }
    }
}

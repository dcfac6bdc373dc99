//! Runs many instances of a version, interprets the outputs as for requests, and derives errors and warnings from them.

use std::time::{Duration, Instant};

use super::{error::LoadError, served_calibration::ServedCalibration};
use crate::{
    domain::{
        contract::{
            Contract, ContractProblem, DecisionRule, Labels, OutputPlan, ProbabilitySummary, ScoreEncoding, label_text,
            numbers, remedy,
        },
        json::JsonValue,
        prediction::{InterpretError, Prediction},
        tensor::{Inputs, Tensor},
        uncertainty::AssessContext,
    },
    runtime::Executor,
};

/// Time limit: no further random instance is run after it, once there are [`MIN_ROWS`].
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// Minimum number of instances that are run, however long they take.
const MIN_ROWS: usize = 4;

/// Minimum number of labels needed to reject a version.
const MIN_LABELLED_ROWS: usize = 8;

/// Limits the memory for outputs: no further random instance is run once the outputs hold this many values.
const MAX_VALUES: usize = 2_000_000;

/// The remedy for scores in 0 to 1 whose rows do not sum to 1.
const UNNORMALIZED: &str = "If exactly one class is true per row, add \"normalize\": true to `probabilities`; several \
                            labels at once (multi-label) are not supported. ";

/// The source of an instance, which decides what its failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrigin {
    /// The contract's `examples`; the model must answer them.
    Example,
    /// golden.jsonl; each case is checked separately.
    Golden,
    /// The background rows of profile.json.
    Background,
    /// Generated at random from the contract.
    Drawn,
}

/// An instance and its inputs.
pub(super) struct EvidenceRow {
    pub(super) origin: RowOrigin,
    pub(super) instance: JsonValue,
    pub(super) inputs: Inputs,
}

/// The result of running an instance.
pub(super) enum RunOutcome {
    /// It was answered from these outputs.
    Answered(Vec<Tensor>),
    /// The run failed.
    Failed(String),
    /// The outputs are not a valid answer.
    Unreadable(InterpretError),
}

/// All instances that were run, with their results.
pub(super) struct Evidence {
    pub(super) rows: Vec<(EvidenceRow, RunOutcome)>,
    summary: Option<ProbabilitySummary>,
    labels: Labels,
}

/// Interprets the outputs of one row as for a request.
pub(super) fn read(
    contract: &Contract,
    calibrated: Option<&ServedCalibration>,
    inputs: &Inputs,
    (outputs, row): (&[Tensor], usize),
) -> Result<Prediction, InterpretError> {
    match calibrated {
        Some(calibrated) => {
            let of = AssessContext { group: calibrated.group(inputs), features_hash: "" };
            calibrated.assess(contract, outputs, row, of)
        }
        None => contract.interpret(outputs, row),
    }
}

impl Evidence {
    /// Runs each row alone. The executor must return the outputs that the contract requests, then its label if it has one.
    pub(super) fn gather(
        contract: &Contract,
        calibrated: Option<&ServedCalibration>,
        executor: &mut impl Executor,
        rows: Vec<EvidenceRow>,
    ) -> Self {
        let (started, mut room) = (Instant::now(), MAX_VALUES);
        let mut evidence = Self { rows: Vec::with_capacity(rows.len()), summary: None, labels: Labels::default() };
        let (mut scores, mut element): (Vec<Vec<f64>>, _) = (Vec::new(), None);
        for row in rows {
            let enough = room == 0 || started.elapsed() > TIME_LIMIT;
            if enough && evidence.rows.len() >= MIN_ROWS && row.origin == RowOrigin::Drawn {
                break;
            }
            let outcome = match executor.run(&row.inputs) {
                Err(error) => RunOutcome::Failed(error.to_string()),
                Ok(outputs) => {
                    room = room.saturating_sub(outputs.iter().map(|output| output.buffer.len()).sum());
                    if let (OutputPlan::Classification { .. }, Some(first)) = (&contract.output, outputs.first()) {
                        let values = numbers(first);
                        let all = of_both(contract, &values);
                        // Rows with another number of scores are reported as unreadable.
                        if all.len() == contract.output.classes().len() {
                            element = Some(first.buffer.element());
                            evidence.labels.add(&all, outputs.get(1).and_then(label_text));
                            scores.push(values);
                        }
                    }
                    match read(contract, calibrated, &row.inputs, (&outputs, 0)) {
                        Ok(_) => RunOutcome::Answered(outputs),
                        Err(error) => RunOutcome::Unreadable(error),
                    }
                }
            };
            evidence.rows.push((row, outcome));
        }
        evidence.summary = element.map(|element| ProbabilitySummary::of(element, scores.iter().map(Vec::as_slice)));
        evidence
    }

    /// The answered rows with their outputs.
    pub(super) fn answered(&self) -> impl Iterator<Item = (&EvidenceRow, &[Tensor])> {
        self.rows.iter().filter_map(|(row, outcome)| match outcome {
            RunOutcome::Answered(outputs) => Some((row, outputs.as_slice())),
            _ => None,
        })
    }

    /// Whether the probabilities of any row are invalid.
    pub(super) fn has_invalid_probabilities(&self) -> bool {
        self.rows
            .iter()
            .any(|(_, outcome)| matches!(outcome, RunOutcome::Unreadable(InterpretError::NotProbabilities { .. })))
    }

    /// Problems of the contract's `x-output`: invalid probabilities, or a label that contradicts them.
    pub(super) fn score_problems(&self, contract: &Contract) -> Vec<ContractProblem> {
        let OutputPlan::Classification { classes, requested: [name], label, scores, .. } = &contract.output else {
            return Vec::new();
        };
        let normalized = *scores == ScoreEncoding::NormalizedProbabilities;
        let right = if normalized {
            "scores to normalize must be between 0 and 1, and not all of them 0"
        } else {
            "probabilities must be between 0 and 1 and sum to 1 over all classes"
        };
        let sigmoids = !normalized && self.summary.as_ref().is_some_and(ProbabilitySummary::are_unnormalized);
        let hint = if sigmoids { UNNORMALIZED } else { "" };
        let mut problems = Vec::new();
        if self.has_invalid_probabilities()
            && let Some(summary) = &self.summary
        {
            let distances =
                if self.labels.follow_minimum() { ", and the label is the class with the lowest score" } else { "" };
            problems.push(ContractProblem {
                pointer: "/x-output/probabilities".to_owned(),
                detail: format!(
                    "the output {name:?} does not hold probabilities: {summary}, over {} instances{distances}; \
                     {right}. {hint}{}; for other scores use the task \"tensors\"",
                    summary.rows,
                    remedy(&self.labels)
                ),
            });
            return problems;
        }
        let (differing, judged) = (self.labels.differing(classes), self.labels.rows());
        if let Some(label) = label
            && judged >= MIN_LABELLED_ROWS
            && differing * 2 > judged
            && !self.labels.one_sided(classes)
        {
            problems.push(self.label_problem(label, (differing, judged), classes));
        }
        problems
    }

    fn label_problem(&self, label: &str, (differing, judged): (usize, usize), classes: &[String]) -> ContractProblem {
        let names = self.labels.names();
        let seen: Vec<String> = names.iter().map(|(column, name)| format!("column {column} is {name}")).collect();
        let hint = if self.labels.disagree() {
            "the graph does not decide by these scores.".to_owned()
        } else {
            format!("according to the label, {}: are the classes in the order of the graph's columns?", seen.join(", "))
        };
        ContractProblem {
            pointer: "/x-output/label".to_owned(),
            detail: format!(
                "the graph's label {label:?} differs from the likeliest class of {} in {differing} of {judged} instances; \
                 {hint} Omit `label` if the graph decides by a different rule",
                classes.join(", ")
            ),
        }
    }

    /// Returns other reasons to reject the version: an example that is not answered, or no answer at all. `derived`
    /// means that there is no contract.json.
    pub(super) fn refusals(&self, path: &std::path::Path, derived: bool) -> Vec<LoadError> {
        let content = |detail: String| LoadError::Content { path: path.to_path_buf(), detail };
        let examples = self.rows.iter().filter(|(row, _)| row.origin == RowOrigin::Example);
        let mut errors: Vec<LoadError> = examples
            .enumerate()
            .filter_map(|(index, (_, outcome))| Some((index, reason(outcome)?)))
            .map(|(index, reason)| content(format!("does not answer example {} of the contract: {reason}", index + 1)))
            .collect();
        if errors.is_empty() && self.answered().next().is_none() {
            let unreadable = self.rows.iter().find(|(_, outcome)| matches!(outcome, RunOutcome::Unreadable(_)));
            let failed = self.rows.iter().find(|_| !derived);
            let first = unreadable.or(failed).and_then(|(_, outcome)| reason(outcome));
            errors.extend(first.map(|reason| {
                content(format!(
                    "answers none of the {} instances that were run; first error: {reason}; if the model needs \
                     particular values or lengths, add a valid instance to `examples` in contract.json",
                    self.rows.len()
                ))
            }));
        }
        errors
    }

    /// Returns warnings for the operator about a version that serves.
    pub(super) fn warnings(&self, contract: &Contract) -> Vec<String> {
        let mut warnings = Vec::new();
        let made = self.rows.iter().filter(|(row, _)| row.origin == RowOrigin::Drawn);
        let reasons: Vec<String> = made.clone().filter_map(|(_, outcome)| reason(outcome)).collect();
        let all = made.count();
        if let Some(first) = reasons.first() {
            let failed = reasons.len();
            warnings.push(if self.answered().next().is_some() {
                format!(
                    "{failed} of {all} generated instances cannot be answered; first error: {first}; with narrower \
                     bounds in contract.json, such requests are rejected with a 400"
                )
            } else {
                format!(
                    "the version was not verified: none of {all} generated instances could be run; first error: \
                     {first}; write a contract.json with `examples`, which are run first"
                )
            });
        }
        let background = self.rows.iter().filter(|(row, _)| row.origin == RowOrigin::Background);
        let lost: Vec<String> = background.filter_map(|(_, outcome)| reason(outcome)).collect();
        warnings.extend(
            lost.first().map(|first| {
                format!("{} rows of the training data cannot be answered; first error: {first}", lost.len())
            }),
        );
        if let OutputPlan::Classification { classes, label: Some(label), decision: DecisionRule::Greatest, .. } =
            &contract.output
        {
            let (differing, judged) = (self.labels.differing(classes), self.labels.rows());
            if differing > 0 {
                warnings.push(format!(
                    "the graph's label {label:?} differs from the likeliest class in {differing} of {judged} \
                     instances; predictions are the likeliest class; for a threshold, set `positive` and `threshold`"
                ));
            }
        }
        warnings
    }
}

/// Returns the scores of both classes if the graph outputs only that of the second.
fn of_both(contract: &Contract, values: &[f64]) -> Vec<f64> {
    match (values, &contract.output) {
        ([logit], OutputPlan::Classification { scores: ScoreEncoding::Logits, .. }) => vec![0.0, *logit],
        ([positive], _) => vec![1.0 - positive, *positive],
        _ => values.to_vec(),
    }
}

/// Why an instance was not answered.
fn reason(outcome: &RunOutcome) -> Option<String> {
    match outcome {
        RunOutcome::Answered(_) => None,
        RunOutcome::Failed(said) => Some(format!("the run failed: {said}")),
        RunOutcome::Unreadable(error) => Some(error.to_string()),
    }
}

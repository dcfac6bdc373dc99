//! Runs the rows of a table through the graph in batches, as requests would be. Keeps only what a calibration needs of
//! each row (scores, target, group), so that a table may be larger than memory.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use super::{
    CalibrateOptions,
    plan::CalibrationPlan,
    targets::{Targets, Truth},
};
use crate::{
    authoring::{
        error::{AuthoringError, DecisionError},
        instances::{Instance, InstanceError, Instances},
        invalid_rows::refused_cells,
    },
    dataset::{RowLocation, Table},
    domain::{
        calibration::{
            CalibrationErrors, ClassificationOptions, ClassificationRows, RegressionOptions, RegressionRows, RowGroups,
            ScaleSource, calibrate_classifier, calibrate_regressor,
        },
        contract::{Contract, InputHasher, OutputPlan},
        json::JsonValue,
        tensor::{ElementType, Inputs, Tensor},
        text::did_you_mean,
        uncertainty::{ApsRandomizer, CalibrationRule, RegressionOutputs, Report, ScoreKind, SetMethod},
    },
    repository::VerifiedVersion,
};

/// The maximum number of groups. A feature with more values is a continuous number or an identifier.
const MAX_GROUPS: usize = 1000;

/// The collected rows of a table and the options of the fit.
pub enum CalibrationRows {
    /// Rows of a classifier.
    Classification(ClassificationRows, ClassificationOptions),
    /// Rows of a regression.
    Regression(RegressionRows, RegressionOptions),
}

impl CalibrationRows {
    /// Fits the calibration and measures it.
    pub(super) fn fit(&self) -> Result<(CalibrationRule, Report), CalibrationErrors> {
        match self {
            Self::Classification(rows, options) => calibrate_classifier(rows, *options),
            Self::Regression(rows, options) => calibrate_regressor(rows, *options),
        }
    }

    /// Returns the number of rows of each class.
    pub(super) fn classes(&self) -> Vec<(String, usize)> {
        let Self::Classification(rows, _) = self else { return Vec::new() };
        let mut counts = vec![0; rows.classes.len()];
        for label in &rows.labels {
            counts[*label] += 1;
        }
        rows.classes.iter().cloned().zip(counts).collect()
    }
}

/// The current batch: rows that are admitted but not yet run.
pub(super) type PendingRows = Vec<(RowLocation, Inputs)>;

/// Accumulates what a calibration needs of the rows.
struct RowCollector {
    contract: Contract,
    graph: PathBuf,
    /// Classification: the scores in row-major order, and their element type.
    scores: Vec<f64>,
    element: ElementType,
    fingerprint: InputHasher,
    /// The fingerprints of all rows so far.
    fingerprints: HashSet<String>,
    /// The number of rows whose features equal those of an earlier row.
    copies: u64,
    /// The random draws of APS, one per row, if sets are built by APS.
    draws: Option<(ApsRandomizer, Vec<f64>)>,
    /// Regression: the outputs of the model.
    measured: Vec<RegressionOutputs>,
    groups: Option<GroupIndex>,
}

/// The distinct values of the grouping feature, in order of appearance.
struct GroupIndex {
    feature: String,
    values: Vec<JsonValue>,
    /// Maps the JSON text of each value to its index.
    known: HashMap<String, usize>,
    of_row: Vec<usize>,
}

/// Checks that the target is given and is a column of the table.
pub(super) fn check_target(table: &Table, target: Option<&str>) -> Result<(), AuthoringError> {
    let columns = table.columns().join(", ");
    match target {
        None => Err(table
            .table_error(format!("--target is required: the column with the true values, one of: {columns}"))
            .into()),
        Some(target) if !table.columns().iter().any(|column| column == target) => {
            let near = did_you_mean(target, table.columns().iter().map(String::as_str));
            Err(table
                .table_error(format!("--target: the table has no column {target:?}{near}; it has: {columns}"))
                .into())
        }
        Some(_) => Ok(()),
    }
}

/// Reads the whole table and collects what a calibration needs of its rows.
pub(super) fn collect_rows(
    prepared: &mut VerifiedVersion,
    table: &Table,
    plan: CalibrationPlan,
    options: &CalibrateOptions,
    seen: &mut dyn FnMut(u64),
) -> Result<(CalibrationRows, Targets), AuthoringError> {
    let contract = prepared.contract.clone();
    let mut collected = RowCollector::new(prepared, &contract, plan, options);
    let target = options.target.as_deref().unwrap_or_default();
    let mut run = |prepared: &mut VerifiedVersion, waiting: &mut PendingRows| collected.run(prepared, table, waiting);
    let mut truths = run_rows(prepared, table, (target, options.skip_invalid), seen, &mut run)?;
    truths.copies = collected.copies;
    let rows = collected.rows(plan, &mut truths);
    Ok((rows, truths))
}

/// Reads the whole table and passes its rows to `run` in batches, in order. All problems of the rows are reported
/// together; if invalid rows are skipped, they are left out and counted.
pub(super) fn run_rows(
    prepared: &mut VerifiedVersion,
    table: &Table,
    (target, skip_invalid): (&str, bool),
    seen: &mut dyn FnMut(u64),
    run: &mut dyn FnMut(&mut VerifiedVersion, &mut PendingRows) -> Result<(), AuthoringError>,
) -> Result<Targets, AuthoringError> {
    let contract = prepared.contract.clone();
    let mut truths = Targets::new(&contract, target);
    let (most, mut waiting) = (prepared.max_rows().max(1), PendingRows::new());
    for instance in Instances::new(table, &contract, Some(target))? {
        match instance {
            Ok(instance) => {
                if let Some((truth, inputs)) = usable(prepared, &contract, &instance, &mut truths) {
                    truths.keep(truth);
                    waiting.push((instance.place, inputs));
                }
            }
            Err(InstanceError::Cells(place, cells)) => truths.invalid.add(place, cells),
            Err(InstanceError::Table(error)) => return Err(error.into()),
        }
        seen(truths.rows());
        // If an invalid row prevents the calibration, nothing more is run, but the table is read to its end to report
        // every problem.
        if truths.mixes_names_and_numbers() || (truths.invalid.count() > 0 && !skip_invalid) {
            waiting.clear();
        } else if waiting.len() == most {
            run(prepared, &mut waiting)?;
        }
    }
    let problems = truths.problems(table, skip_invalid);
    if !problems.is_empty() {
        return Err(AuthoringError::NeedsDecision(problems.join("\n")));
    }
    run(prepared, &mut waiting)?;
    Ok(truths)
}

/// Returns the truth and the inputs of a row; `None` if the row is invalid, which is then counted.
fn usable(
    prepared: &VerifiedVersion,
    contract: &Contract,
    instance: &Instance,
    truths: &mut Targets,
) -> Option<(Truth, Inputs)> {
    let truth = truths.read(instance.place, &instance.target);
    let inputs = prepared.admit(&contract.instance(&instance.values));
    match (truth, inputs) {
        (Ok(truth), Ok(inputs)) => Some((truth, inputs)),
        (truth, inputs) => {
            let refused = inputs.err().map(|error| refused_cells(&error)).unwrap_or_default();
            truths.invalid.add(instance.place, truth.err().into_iter().chain(refused).collect());
            None
        }
    }
}

impl RowCollector {
    fn new(prepared: &VerifiedVersion, contract: &Contract, plan: CalibrationPlan, options: &CalibrateOptions) -> Self {
        let by_aps = matches!(plan, CalibrationPlan::Classification(options) if options.sets == Some(SetMethod::Aps));
        let draws = by_aps.then(|| (ApsRandomizer::new(&prepared.model_sha256()), Vec::new()));
        let group = |feature: &String| GroupIndex {
            feature: feature.clone(),
            values: Vec::new(),
            known: HashMap::new(),
            of_row: Vec::new(),
        };
        Self {
            contract: contract.clone(),
            graph: prepared.graph().to_path_buf(),
            scores: Vec::new(),
            element: ElementType::F32,
            fingerprint: prepared.fingerprint(),
            fingerprints: HashSet::new(),
            copies: 0,
            draws,
            measured: Vec::new(),
            groups: options.group.as_ref().map(group),
        }
    }

    /// Runs the batch and stores what is needed of each row.
    fn run(
        &mut self,
        prepared: &mut VerifiedVersion,
        table: &Table,
        waiting: &mut PendingRows,
    ) -> Result<(), AuthoringError> {
        let inputs: Vec<&Inputs> = waiting.iter().map(|(_, inputs)| inputs).collect();
        if inputs.is_empty() {
            return Ok(());
        }
        for ((place, inputs), result) in waiting.iter().zip(prepared.run(&inputs)) {
            let kept = match result {
                Ok((outputs, row)) => self.store(inputs, &outputs, row),
                Err(error) => Err(DecisionError(error.to_string())),
            };
            kept.map_err(|detail| AuthoringError::Run {
                path: self.graph.clone(),
                detail: format!("{place}: {detail}"),
            })?;
            self.add_group(inputs).map_err(|detail| {
                AuthoringError::NeedsDecision(table.row_error(*place, detail.to_string()).to_string())
            })?;
        }
        waiting.clear();
        Ok(())
    }

    fn store(&mut self, inputs: &Inputs, outputs: &[Tensor], row: usize) -> Result<(), DecisionError> {
        if let OutputPlan::Classification { .. } = self.contract.output {
            let (_, scores) = self.contract.scores(outputs, row).map_err(|error| error.to_string())?;
            self.scores.extend(scores);
            self.element = outputs[0].buffer.element();
        } else {
            self.measured.push(self.contract.regression_outputs(outputs, row).map_err(|error| error.to_string())?);
        }
        let fingerprint = self.fingerprint.of(inputs);
        if let Some((key, draws)) = &mut self.draws {
            draws.push(key.uniform(&fingerprint));
        }
        self.copies += u64::from(!self.fingerprints.insert(fingerprint));
        Ok(())
    }

    /// Adds the row to its group.
    fn add_group(&mut self, inputs: &Inputs) -> Result<(), DecisionError> {
        let Some(groups) = &mut self.groups else { return Ok(()) };
        let value = self.contract.group_value(&groups.feature, inputs);
        groups.add(value.map_err(|error| DecisionError(format!("--group-by: {error}")))?)
    }

    fn rows(self, plan: CalibrationPlan, truths: &mut Targets) -> CalibrationRows {
        let groups = self.groups.map(GroupIndex::sorted);
        match plan {
            CalibrationPlan::Classification(options) => {
                let rows = ClassificationRows {
                    classes: self.contract.output.classes().to_vec(),
                    kind: self.contract.score_kind().unwrap_or(ScoreKind::Probabilities),
                    scores: self.scores,
                    labels: std::mem::take(&mut truths.labels),
                    decision: self.contract.output.decision(),
                    element: self.element,
                    draws: self.draws.map(|(_, draws)| draws).unwrap_or_default(),
                    groups,
                };
                CalibrationRows::Classification(rows, options)
            }
            CalibrationPlan::Regression(options) => {
                let rows = RegressionRows {
                    values: self.measured.iter().map(|measured| measured.value).collect(),
                    targets: std::mem::take(&mut truths.numbers),
                    spread: spread(&self.contract, &self.measured),
                    groups,
                };
                CalibrationRows::Regression(rows, options)
            }
        }
    }
}

/// Returns the model's own measure of uncertainty: its quantiles, else its standard deviation, else the standard
/// deviation of its ensemble members.
fn spread(contract: &Contract, measured: &[RegressionOutputs]) -> ScaleSource {
    let column = |pick: fn(&RegressionOutputs) -> Option<f64>| measured.iter().map(pick).collect::<Option<Vec<f64>>>();
    let OutputPlan::Regression { auxiliary: beside, .. } = &contract.output else { return ScaleSource::None };
    let band = beside.band.map(|band| band.levels);
    let quantiles = band.zip(column(|row| row.band.map(|band| band.0)).zip(column(|row| row.band.map(|band| band.1))));
    if let Some((levels, (lower, upper))) = quantiles {
        return ScaleSource::Quantiles { levels, lower, upper };
    }
    let sigma = beside.sigma.and_then(|_| column(|row| row.sigma)).map(ScaleSource::Sigma);
    let members = || beside.members.and_then(|_| column(|row| row.spread)).map(ScaleSource::Members);
    sigma.or_else(members).unwrap_or(ScaleSource::None)
}

impl GroupIndex {
    fn add(&mut self, value: JsonValue) -> Result<(), DecisionError> {
        let text = serde_json::to_string(&value).unwrap_or_default();
        let next = self.values.len();
        let index = *self.known.entry(text).or_insert(next);
        if index == next {
            if next == MAX_GROUPS {
                let feature = &self.feature;
                return Err(format!(
                    "--group-by: {feature:?} has more than {MAX_GROUPS} values; {value} is one too many. Choose a \
                     feature with few values: a category, a boolean or a code"
                )
                .into());
            }
            self.values.push(value);
        }
        self.of_row.push(index);
        Ok(())
    }

    /// Sorts the groups by value, so that the order of the rows does not matter: numbers by size, texts alphabetically,
    /// a missing value last.
    fn sorted(self) -> RowGroups {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|left, right| compare(&self.values[*left], &self.values[*right]));
        let mut place = vec![0; order.len()];
        for (to, from) in order.iter().enumerate() {
            place[*from] = to;
        }
        RowGroups {
            feature: self.feature,
            values: order.iter().map(|index| self.values[*index].clone()).collect(),
            of_row: self.of_row.iter().map(|index| place[*index]).collect(),
        }
    }
}

fn compare(left: &JsonValue, right: &JsonValue) -> std::cmp::Ordering {
    match (left, right) {
        (JsonValue::Number(left), JsonValue::Number(right)) => left.as_f64().total_cmp(&right.as_f64()),
        (JsonValue::Null, JsonValue::Null) => std::cmp::Ordering::Equal,
        (JsonValue::Null, _) => std::cmp::Ordering::Greater,
        (_, JsonValue::Null) => std::cmp::Ordering::Less,
        (left, right) => left.to_string().cmp(&right.to_string()),
    }
}

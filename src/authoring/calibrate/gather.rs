//! The rows of a table through the graph, in batches, as requests would go. Kept of each is what a calibration is made of:
//! scores, target, group; so a table may be larger than memory.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use super::{CalibrationWishes, plan::Plan, truths::Truths};
use crate::{
    authoring::{error::AuthoringError, instances::Instances, target::explained},
    dataset::{Place, Table},
    domain::{
        calibration::{
            ClassificationOptions, ClassificationRows, Faults, RegressionOptions, RegressionRows, RowGroups, Spread,
            classification, regression,
        },
        contract::{Contract, Fingerprint, Literal, OutputPlan},
        tensor::{Inputs, Tensor},
        uncertainty::{DrawKey, Measured, Report, Rule, ScoreKind, SetMethod},
    },
    repository::Prepared,
};

/// Groups beyond these are no groups: the feature is a number that varies, or a name.
const MOST_GROUPS: usize = 1000;

/// How many rows are told of those that the contract does not admit.
const MOST_TOLD: usize = 5;

/// The rows of a table, and what is to be fitted to them.
pub enum Rows {
    /// Of a classifier.
    Classification(ClassificationRows, ClassificationOptions),
    /// Of a regression.
    Regression(RegressionRows, RegressionOptions),
}

impl Rows {
    /// Fits and measures.
    pub(super) fn fit(&self) -> Result<(Rule, Report), Faults> {
        match self {
            Self::Classification(rows, options) => classification(rows, *options),
            Self::Regression(rows, options) => regression(rows, *options),
        }
    }

    /// The share of a regression's variance that its values explain.
    pub(super) fn explained(&self) -> Option<f64> {
        let Self::Regression(rows, _) = self else { return None };
        explained(&rows.values.iter().copied().zip(rows.targets.iter().copied()).collect::<Vec<_>>())
    }

    /// How many rows each class has.
    pub(super) fn classes(&self) -> Vec<(String, usize)> {
        let Self::Classification(rows, _) = self else { return Vec::new() };
        let mut counts = vec![0; rows.classes.len()];
        for label in &rows.labels {
            counts[*label] += 1;
        }
        rows.classes.iter().cloned().zip(counts).collect()
    }
}

/// Rows that wait for their run.
type Waiting = Vec<(Place, Inputs)>;

/// Collects what is kept of the rows.
struct Collected {
    contract: Contract,
    graph: PathBuf,
    /// Classification: the scores, row by row.
    scores: Vec<f64>,
    fingerprint: Fingerprint,
    /// The fingerprints of the rows so far.
    fingerprints: HashSet<String>,
    /// Rows whose features an earlier row has too.
    copies: u64,
    /// The draws of APS, where sets are made so.
    draws: Option<(DrawKey, Vec<f64>)>,
    /// Regression: what the model says.
    measured: Vec<Measured>,
    groups: Option<GroupsSeen>,
}

/// The values of a feature that makes groups, as they come.
struct GroupsSeen {
    feature: String,
    values: Vec<Literal>,
    /// The index of each value, by its JSON.
    known: HashMap<String, usize>,
    of_row: Vec<usize>,
}

/// Reads the whole table, and runs its rows. Problems of the rows are told all together.
pub(super) fn gather(
    prepared: &mut Prepared,
    table: &Table,
    plan: Plan,
    wishes: &CalibrationWishes,
    seen: &mut dyn FnMut(u64),
) -> Result<(Rows, Truths), AuthoringError> {
    let contract = prepared.contract.clone();
    let target = wishes.target.as_deref().unwrap_or_default();
    let mut truths = Truths::new(&contract, target);
    let mut refused = Refused::default();
    let mut collected = Collected::new(prepared, &contract, plan, wishes);
    let (most, mut waiting) = (prepared.max_rows().max(1), Waiting::new());
    for instance in Instances::new(table, &contract, Some(target))? {
        let instance = instance?;
        truths.add(instance.place, &instance.target);
        seen(truths.rows());
        match prepared.admit(&contract.instance(&instance.values)) {
            Ok(inputs) => waiting.push((instance.place, inputs)),
            Err(detail) => refused.add(instance.place, detail),
        }
        // What cannot be used is not run; the table is read to its end, so that everything is told.
        if !truths.are_sound() || refused.count > 0 {
            waiting.clear();
        } else if waiting.len() == most {
            collected.run(prepared, &mut waiting)?;
        }
    }
    let mut problems = truths.problems(table);
    problems.extend(refused.problems(table));
    if !problems.is_empty() {
        return Err(AuthoringError::Undecided(problems.join("\n")));
    }
    collected.run(prepared, &mut waiting)?;
    truths.copies = collected.copies;
    let rows = collected.rows(plan, &mut truths);
    Ok((rows, truths))
}

/// Rows that the contract does not admit.
#[derive(Default)]
struct Refused {
    count: u64,
    first: Vec<(Place, String)>,
}

impl Refused {
    fn add(&mut self, place: Place, detail: String) {
        self.count += 1;
        if self.first.len() < MOST_TOLD {
            self.first.push((place, detail));
        }
    }

    fn problems(self, table: &Table) -> Vec<String> {
        let mut told: Vec<String> =
            self.first.into_iter().map(|(place, detail)| table.wrong(place, detail).to_string()).collect();
        if self.count > MOST_TOLD as u64 {
            let detail = format!("the contract does not admit {} rows in all; those above are the first", self.count);
            told.push(table.unfit(detail).to_string());
        }
        told
    }
}

impl Collected {
    fn new(prepared: &Prepared, contract: &Contract, plan: Plan, wishes: &CalibrationWishes) -> Self {
        let by_aps = matches!(plan, Plan::Classification(options) if options.sets == Some(SetMethod::Aps));
        let draws = by_aps.then(|| (DrawKey::new(&prepared.model_sha256()), Vec::new()));
        let group = |feature: &String| GroupsSeen {
            feature: feature.clone(),
            values: Vec::new(),
            known: HashMap::new(),
            of_row: Vec::new(),
        };
        Self {
            contract: contract.clone(),
            graph: prepared.graph().to_path_buf(),
            scores: Vec::new(),
            fingerprint: prepared.fingerprint(),
            fingerprints: HashSet::new(),
            copies: 0,
            draws,
            measured: Vec::new(),
            groups: wishes.group.as_ref().map(group),
        }
    }

    /// Runs the rows that wait, and keeps what is needed of each.
    fn run(&mut self, prepared: &mut Prepared, waiting: &mut Waiting) -> Result<(), AuthoringError> {
        let inputs: Vec<&Inputs> = waiting.iter().map(|(_, inputs)| inputs).collect();
        if inputs.is_empty() {
            return Ok(());
        }
        for ((place, inputs), result) in waiting.iter().zip(prepared.run(&inputs)) {
            let kept = match result {
                Ok((outputs, row)) => self.keep(inputs, &outputs, row),
                Err(error) => Err(error.to_string()),
            };
            kept.map_err(|detail| AuthoringError::Run {
                path: self.graph.clone(),
                detail: format!("{place}: {detail}"),
            })?;
        }
        waiting.clear();
        Ok(())
    }

    fn keep(&mut self, inputs: &Inputs, outputs: &[Tensor], row: usize) -> Result<(), String> {
        if let OutputPlan::Classification { .. } = self.contract.output {
            let (_, scores) = self.contract.scores(outputs, row).map_err(|error| error.to_string())?;
            self.scores.extend(scores);
        } else {
            self.measured.push(self.contract.measure(outputs, row).map_err(|error| error.to_string())?);
        }
        let fingerprint = self.fingerprint.of(inputs);
        if let Some((key, draws)) = &mut self.draws {
            draws.push(key.draw(&fingerprint));
        }
        self.copies += u64::from(!self.fingerprints.insert(fingerprint));
        match &mut self.groups {
            Some(groups) => groups.add(self.contract.group_value(&groups.feature, inputs)?),
            None => Ok(()),
        }
    }

    fn rows(self, plan: Plan, truths: &mut Truths) -> Rows {
        let groups = self.groups.map(GroupsSeen::sorted);
        match plan {
            Plan::Classification(options) => {
                let rows = ClassificationRows {
                    classes: self.contract.output.classes().to_vec(),
                    kind: self.contract.score_kind().unwrap_or(ScoreKind::Probabilities),
                    scores: self.scores,
                    labels: std::mem::take(&mut truths.labels),
                    draws: self.draws.map(|(_, draws)| draws).unwrap_or_default(),
                    groups,
                };
                Rows::Classification(rows, options)
            }
            Plan::Regression(options) => {
                let rows = RegressionRows {
                    values: self.measured.iter().map(|measured| measured.value).collect(),
                    targets: std::mem::take(&mut truths.numbers),
                    spread: spread(&self.contract, &self.measured),
                    groups,
                };
                Rows::Regression(rows, options)
            }
        }
    }
}

/// What the model says beside its value: its quantiles, else its deviation, else that of its members.
fn spread(contract: &Contract, measured: &[Measured]) -> Spread {
    let column = |pick: fn(&Measured) -> Option<f64>| measured.iter().map(pick).collect::<Option<Vec<f64>>>();
    let OutputPlan::Regression { beside, .. } = &contract.output else { return Spread::None };
    let band = beside.band.map(|band| band.levels);
    let quantiles = band.zip(column(|row| row.band.map(|band| band.0)).zip(column(|row| row.band.map(|band| band.1))));
    if let Some((levels, (lower, upper))) = quantiles {
        return Spread::Quantiles { levels, lower, upper };
    }
    let sigma = beside.sigma.and_then(|_| column(|row| row.sigma)).map(Spread::Sigma);
    let members = || beside.members.and_then(|_| column(|row| row.spread)).map(Spread::Members);
    sigma.or_else(members).unwrap_or(Spread::None)
}

impl GroupsSeen {
    fn add(&mut self, value: Literal) -> Result<(), String> {
        let text = serde_json::to_string(&value).unwrap_or_default();
        let next = self.values.len();
        let index = *self.known.entry(text).or_insert(next);
        if index == next {
            if next == MOST_GROUPS {
                let feature = &self.feature;
                return Err(format!(
                    "--group: {feature:?} has more than {MOST_GROUPS} values; choose a feature of few values"
                ));
            }
            self.values.push(value);
        }
        self.of_row.push(index);
        Ok(())
    }

    /// The groups in the order of their values, so that the order of the rows changes nothing: numbers by size, texts by
    /// their letters, a missing value last.
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

fn compare(left: &Literal, right: &Literal) -> std::cmp::Ordering {
    match (left, right) {
        (Literal::Number(left), Literal::Number(right)) => left.as_f64().total_cmp(&right.as_f64()),
        (Literal::Null, Literal::Null) => std::cmp::Ordering::Equal,
        (Literal::Null, _) => std::cmp::Ordering::Greater,
        (_, Literal::Null) => std::cmp::Ordering::Less,
        (left, right) => left.to_string().cmp(&right.to_string()),
    }
}

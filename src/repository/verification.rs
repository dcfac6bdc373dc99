//! Verifies a version before it serves: runs given and random instances, alone and in batches, and interprets the
//! outputs as for requests. Problems reject the version or warn the operator.

use super::{
    admit::admit_features,
    error::LoadError,
    evidence::{Evidence, EvidenceRow, RowOrigin, RunOutcome, read},
    golden,
    shape_trial::{SEED, ShapeTrial},
    verified_version::VerifiedVersion,
};
use crate::{
    domain::{
        contract::{InstanceSampler, OutputPlan, Style, lengths_of},
        json::JsonValue,
        random::SplitMix64,
        tensor::{Inputs, Tensor},
    },
    runtime::{self, Cancellation, Cost, Executor, Probe},
};

/// Maximum number of rows that the probe uses.
const PROBE_ROWS: usize = 32;

/// Maximum number of random instances, and maximum number of values in all of them.
const RANDOM_ROWS: usize = 64;
const MAX_RANDOM_VALUES: usize = 200_000;

/// Maximum number of background rows of profile.json that are run.
const BACKGROUND_ROWS: usize = 32;

/// Maximum number of golden cases that are run as instances; all of them are checked.
const GOLDEN_ROWS: usize = 64;

/// Maximum number of the contract's examples that are run.
const EXAMPLES: usize = 16;

/// Tolerance between a row's outputs in a batch and alone (relative, absolute below 1). Above it, rows influence each
/// other.
const MAX_BATCH_DIFFERENCE: f64 = 0.05;

/// Assumed cost of a version that could not be run: high enough to keep it off the callers' threads.
const UNPROVEN: Cost = Cost { per_run: 1e-3, per_row: 1e-3 };

impl VerifiedVersion {
    /// Runs the whole verification and collects all errors.
    pub(super) fn verify(&mut self, load: &Cancellation, errors: &mut Vec<LoadError>) {
        // If the load was cancelled, runs fail at once and their results are discarded.
        let _ = load.enter("running instances");
        match &mut self.package.golden {
            Some(golden) => self.rows = golden::admit_cases(golden, &self.contract, self.schema.as_ref(), errors),
            None => {
                self.notes
                    .push("there is no golden.jsonl: predictions were not compared with expected values".to_owned());
            }
        }
        let rows = self.instances();
        self.detect_batch_axis(&rows);
        let evidence = self.gather(rows);
        self.detect_batching(&evidence);
        let problems = evidence.score_problems(&self.contract);
        let scores_are_sound = problems.is_empty();
        let derived = self.package.contract.is_none();
        let path = self.package.contract.as_ref().map_or(&self.package.graph, |file| &file.path);
        errors.extend(problems.into_iter().map(|problem| LoadError::Contract { path: path.clone(), problem }));
        if scores_are_sound {
            let refusals = evidence.refusals(&self.package.graph, derived);
            if refusals.is_empty() {
                self.warnings.extend(evidence.warnings(&self.contract));
            }
            errors.extend(refusals);
            let _ = load.enter("running the golden cases");
            self.run_golden_cases(errors);
        }
        let shown = evidence.answered().filter(|(row, _)| row.origin != RowOrigin::Background);
        if let Some((row, _)) = shown.min_by_key(|(row, _)| row.origin == RowOrigin::Golden) {
            self.example = row.instance.clone();
        }
        if errors.is_empty() {
            let _ = load.enter("measuring what rows cost");
            self.measure(&evidence, errors);
        }
    }

    /// The instances to run: from the contract, golden.jsonl and profile.json, then random ones.
    fn instances(&mut self) -> Vec<EvidenceRow> {
        let mut rows = self.examples();
        let golden = self.package.golden.iter().flat_map(|(_, cases)| cases).zip(&self.rows).take(GOLDEN_ROWS);
        rows.extend(golden.filter_map(|(case, inputs)| {
            let instance = serde_json::from_str(case.features.get()).ok()?;
            Some(EvidenceRow { origin: RowOrigin::Golden, instance, inputs: inputs.clone() })
        }));
        let (contract, schema) = (&self.contract, self.schema.as_ref());
        let admit = |instance: &JsonValue| admit_features(contract, schema, instance).ok();
        let row = |origin, instance: JsonValue| admit(&instance).map(|inputs| EvidenceRow { origin, instance, inputs });
        let lengths = if let Some(written) = rows.first() {
            lengths_of(contract, &written.instance)
        } else {
            let symbols = self.executor.symbols().to_vec();
            let found = ShapeTrial { contract, symbols: &symbols, admit: &admit }.find(&mut self.executor);
            let made = found.instance.unwrap_or_else(|| contract.example());
            rows.extend(row(RowOrigin::Drawn, made));
            found.lengths
        };
        let profile = self.package.profile.as_ref().map(|(_, profile)| profile);
        let known = profile.filter(|profile| contract.profile_mismatches(profile).is_empty());
        let background = known.iter().flat_map(|profile| profile.background.iter().take(BACKGROUND_ROWS));
        rows.extend(background.filter_map(|values| row(RowOrigin::Background, contract.instance(values))));
        let drawing = InstanceSampler::new(contract, known, &lengths);
        let most = (MAX_RANDOM_VALUES / drawing.width().max(1)).clamp(2, RANDOM_ROWS);
        let mut random = SplitMix64::new(SEED);
        let drawn = std::iter::repeat_with(|| drawing.draw(&mut random, Style::Varied)).take(most);
        rows.extend(drawn.filter_map(|instance| row(RowOrigin::Drawn, instance)));
        rows
    }

    /// Returns the contract's examples. Warns about those that the contract itself rejects.
    fn examples(&mut self) -> Vec<EvidenceRow> {
        let Some(JsonValue::List(examples)) = self.document.get("examples") else { return Vec::new() };
        let mut rows = Vec::new();
        for (index, instance) in examples.iter().take(EXAMPLES).enumerate() {
            match self.admit(instance) {
                Ok(inputs) => rows.push(EvidenceRow { origin: RowOrigin::Example, instance: instance.clone(), inputs }),
                Err(refusal) => self.warnings.push(format!("contract.json: /examples/{index}: {refusal}")),
            }
        }
        rows
    }

    /// Runs the instances and also reads the graph's label output, if it has one.
    fn gather(&mut self, rows: Vec<EvidenceRow>) -> Evidence {
        let mut outputs = self.contract.output.requested().to_vec();
        if let OutputPlan::Classification { label, .. } = &self.contract.output {
            outputs.extend(label.clone());
        }
        self.executor.set_outputs(&outputs);
        let evidence = Evidence::gather(&self.contract, self.calibrated.as_ref(), &mut self.executor, rows);
        self.executor.set_outputs(self.contract.output.requested());
        evidence
    }

    /// Checks that the outputs of one row have a batch axis of size 1.
    fn detect_batch_axis(&mut self, rows: &[EvidenceRow]) {
        let ran = rows.iter().find_map(|row| self.executor.run(&row.inputs).ok());
        if let Some(outputs) = ran.filter(|_| self.contract.batched)
            && let Some(output) = lacks_batch_axis(&outputs, 1)
        {
            self.contract.batched = false;
            let name = &self.contract.output.requested()[output];
            self.notes.push(format!("the output {name:?} has no batch axis: rows are run one at a time"));
        }
    }

    /// Runs the answered rows in batches and compares the outputs. A graph with an open first dimension may still lack
    /// a batch axis in an output, fail for several rows, or let rows influence each other.
    fn detect_batching(&mut self, evidence: &Evidence) {
        if !self.contract.batched {
            return;
        }
        let answered: Vec<(&EvidenceRow, &[Tensor])> = evidence.answered().collect();
        if answered.is_empty() {
            // There is no evidence that rows can share a run.
            self.limits.max_batch_rows = 1;
            return;
        }
        for chunk in answered.chunks(self.max_rows().max(2)) {
            // Pair a single row with itself.
            let chunk = if chunk.len() == 1 { &[chunk[0], chunk[0]] } else { chunk };
            let rows: Vec<&Inputs> = chunk.iter().map(|(row, _)| &row.inputs).collect();
            let Some(batch) = runtime::merge(&rows) else { continue };
            let why = match self.run_merged(&batch, chunk) {
                Ok(()) => continue,
                Err(BatchFault::NoAxis(output)) => {
                    self.contract.batched = false;
                    format!("the output {output:?} has no batch axis")
                }
                Err(BatchFault::Other(why)) => {
                    self.limits.max_batch_rows = 1;
                    why
                }
            };
            self.notes.push(format!("{why}: rows are run one at a time"));
            return;
        }
    }

    /// Runs rows as one batch.
    ///
    /// # Errors
    /// Returns the reason why rows must not share a run.
    fn run_merged(&mut self, batch: &Inputs, rows: &[(&EvidenceRow, &[Tensor])]) -> Result<(), BatchFault> {
        let names = self.contract.output.requested();
        let outputs = self
            .executor
            .run(batch)
            .map_err(|error| BatchFault::Other(format!("rows cannot share a run ({error})")))?;
        if let Some(output) = lacks_batch_axis(&outputs, rows.len()) {
            return Err(BatchFault::NoAxis(names[output].clone()));
        }
        for (index, (row, alone)) in rows.iter().enumerate() {
            read(&self.contract, self.calibrated.as_ref(), &row.inputs, (&outputs, index)).map_err(|error| {
                BatchFault::Other(format!("a row that is answered alone fails in a batch ({error})"))
            })?;
            for ((whole, single), name) in outputs.iter().zip(*alone).zip(names) {
                if differ(&runtime::row_values(whole, index), &runtime::row_values(single, 0)) {
                    return Err(BatchFault::Other(format!("the rows of a run change each other's output {name:?}")));
                }
            }
        }
        Ok(())
    }

    /// Runs every golden case alone, then all of them in batches. Compares with the uncalibrated predictions, so that
    /// the cases stay valid when the calibration changes.
    fn run_golden_cases(&mut self, errors: &mut Vec<LoadError>) {
        let Some((path, cases)) = &self.package.golden else { return };
        let mut check = |case: &golden::Case, outputs: &[Tensor], row: usize, how: &str| {
            let verdict = self.contract.interpret(outputs, row).map_err(|error| error.to_string());
            let verdict = verdict.and_then(|prediction| {
                golden::check_case(case, &self.contract.output, &prediction).map_err(|error| error.to_string())
            });
            if let Err(detail) = verdict {
                errors.push(golden::golden_error(path, case.line, format!("{how}: {detail}")));
            }
        };
        let mut failed = Vec::new();
        for (case, inputs) in cases.iter().zip(&self.rows) {
            match self.executor.run(inputs) {
                Ok(outputs) => check(case, &outputs, 0, "alone"),
                Err(error) => failed.push(golden::golden_error(path, case.line, format!("alone: run failed: {error}"))),
            }
        }
        if self.contract.batched && failed.is_empty() {
            let size = self.limits.max_batch_rows;
            for (cases, rows) in cases.chunks(size).zip(self.rows.chunks(size)) {
                let chosen: Vec<&Inputs> = rows.iter().collect();
                let Some(batch) = runtime::merge(&chosen) else { continue };
                match self.executor.run(&batch) {
                    Ok(outputs) => {
                        cases.iter().enumerate().for_each(|(row, case)| check(case, &outputs, row, "in a batch"));
                    }
                    Err(error) => {
                        failed.extend(cases.iter().map(|case| {
                            golden::golden_error(path, case.line, format!("in a batch: run failed: {error}"))
                        }));
                    }
                }
            }
        }
        errors.extend(failed);
    }

    /// Measures the cost of rows with the golden cases, or else with the first answered instance.
    fn measure(&mut self, evidence: &Evidence, errors: &mut Vec<LoadError>) {
        let golden: Vec<Inputs> = self.rows.iter().take(PROBE_ROWS).cloned().collect();
        let first = evidence.rows.iter().find(|(_, outcome)| matches!(outcome, RunOutcome::Answered(_)));
        let rows =
            if golden.is_empty() { first.map(|(row, _)| row.inputs.clone()).into_iter().collect() } else { golden };
        if rows.is_empty() {
            self.probe = Probe { sizes: Vec::new(), seconds: Vec::new(), cost: UNPROVEN, largest_difference: 0.0 };
            return;
        }
        let limit = self.max_rows();
        match runtime::probe(&mut self.executor, &rows, limit) {
            Ok(probe) => self.probe = probe,
            Err(source) => errors.push(LoadError::Run { path: self.package.graph.clone(), source }),
        }
    }
}

/// Returns the index of the first output whose first dimension is not the number of rows.
fn lacks_batch_axis(outputs: &[Tensor], rows: usize) -> Option<usize> {
    outputs.iter().position(|output| output.shape.first() != Some(&rows))
}

/// Why rows must not share a run.
enum BatchFault {
    /// This output has no batch axis.
    NoAxis(String),
    /// Any other reason, in words.
    Other(String),
}

/// Whether the outputs of a row differ between a batch and a run alone.
fn differ(together: &[f64], alone: &[f64]) -> bool {
    let far = |(one, other): (&f64, &f64)| (one - other).abs() > MAX_BATCH_DIFFERENCE * other.abs().max(1.0);
    together.len() != alone.len() || together.iter().zip(alone).any(far)
}

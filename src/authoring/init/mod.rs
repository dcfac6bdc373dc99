//! The `init` command: creates a package from an ONNX graph and a table. It decides what is certain; for anything else
//! it returns an error that names the flag to set. The files are moved into place together, after the package has been
//! loaded and verified.

mod inputs;
mod options;
mod output;
mod plan;
mod sanity_check;
mod schema;

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub use options::{InitOptions, OpenCategories, QuantileOption};
use output::{OutputColumns, assign_output_roles};
use plan::plan;
use sanity_check::agreement;
use serde_json::{Value, json};

use super::{
    error::AuthoringError,
    files::StagedDirectory,
    golden_cases,
    instances::Instance,
    profile::{profile_table, text},
    target::class_name,
};
use crate::{
    dataset::{Column, Table, describe, sha256},
    domain::{
        contract::{self, Contract, OutputPlan, PointEstimate, Task},
        json::JsonValue,
        name::{ModelName, VersionName},
        profile::Profile,
        signature::Signature,
        tensor::Tensor,
    },
    repository::{GOLDEN, Loader, ModelSettings, Opened, PROFILE, Snapshot, VersionDirectory},
    runtime::{Executor, OrtExecutor},
};

/// The number of golden cases.
const GOLDEN_ROWS: usize = 24;

/// The result of `init`.
pub struct InitReport {
    /// The directory of the package.
    pub directory: PathBuf,
    /// The external weight files of the graph.
    pub weights: Vec<String>,
    /// Its contract.
    pub contract: Contract,
    /// Its profile.
    pub profile: Profile,
    /// How each input was matched to its features, one line per input.
    pub inputs: Vec<String>,
    /// How the outputs were interpreted.
    pub output: String,
    /// Points for the operator to check, one sentence each.
    pub notes: Vec<String>,
    /// An example instance from the table.
    pub example: JsonValue,
    /// The number of cases in golden.jsonl.
    pub golden: usize,
    /// How the predictions compare with the target on some training rows. Not a measure of quality, but it reveals
    /// columns in the wrong order.
    pub agreement: Option<String>,
}

/// Creates a package from `graph` and `data` at `out`, by default at `models/<name>/1`.
///
/// # Errors
/// Returns [`AuthoringError`] if the package cannot be made; nothing is written in that case.
pub fn init(
    loader: &Loader,
    graph: &Path,
    data: &Path,
    out: Option<&Path>,
    options: &InitOptions,
) -> Result<InitReport, AuthoringError> {
    let name = model_name(graph, out, options)?;
    let out = out.map_or_else(|| Path::new("models").join(name.as_str()).join("1"), Path::to_path_buf);
    let version = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version =
        VersionName::new(&version).map_err(|error| AuthoringError::NeedsDecision(format!("--out: {error}")))?;
    StagedDirectory::ensure_vacant(&out, options.force)?;
    let Opened { snapshot, mut executor } = loader.open(graph).map_err(|errors| AuthoringError::refused(&errors))?;
    let signature = executor.signature().clone();
    let table = Table::open(data, &options.reading)?;
    let columns = describe(&table)?;

    let target = columns.columns.iter().find(|column| Some(&column.name) == options.target.as_ref());
    let observe =
        |rows| OutputColumns { rows, target: target.and_then(class_names), has_target: options.target.is_some() };
    let mut plan = plan(&signature, &columns, options).map_err(|mut problems| {
        // What the outputs leave open without a run is reported together with the columns.
        problems.extend(assign_output_roles(&signature, &observe(Vec::new()), options).err().unwrap_or_default());
        needs_decision(&table, &problems)
    })?;
    let provisional = compile(&plan.document(&name, &signature, &json!({ "task": "tensors" }), None), &signature)?;
    let (profile, drawn) = profile_table(&table, &provisional, options.target.as_deref())?;
    let rows = answers(graph, &provisional, &signature, &mut executor, &drawn)?;
    let (output, notes) = assign_output_roles(&signature, &observe(rows), options)
        .map_err(|problems| needs_decision(&table, &problems))?;
    plan.notes.extend(notes);
    plan.notes.extend_from_slice(table.notes());
    let example = drawn.first().map_or(JsonValue::Null, |instance| provisional.instance(&instance.values));
    let document = plan.document(&name, &signature, &output, Some(&example));
    let contract = compile(&document, &signature)?;
    executor.set_outputs(contract.output.requested());
    // Take cases across the whole table, which may be sorted by its target.
    let cases: Vec<Instance> = drawn.iter().step_by(drawn.len().div_ceil(GOLDEN_ROWS)).cloned().collect();
    let golden = golden_cases::golden(graph, &contract, &mut executor, &cases)?;
    let agreement = agreement(graph, &contract, &mut executor, &drawn)?;

    let profile_text = text(&profile).map_err(|error| needs_decision(&table, &[error.to_string()]))?;
    let texts = [("contract.json", pretty(&document)?), (PROFILE, profile_text), (GOLDEN, golden)];
    let version_json = version_json(&snapshot, &profile, &document, &texts);
    let draft = stage(&out, &snapshot, &texts, &pretty(&version_json)?)?;
    prove(loader, &name, &version, &draft)?;
    draft.commit()?;
    Ok(InitReport {
        directory: out,
        weights: snapshot.weights().map(|(place, _)| place.display().to_string()).collect(),
        inputs: plan.lines(&signature),
        output: describe_output(&contract),
        notes: plan.notes,
        contract,
        profile,
        example,
        golden: cases.len(),
        agreement,
    })
}

/// Writes the files of the package to a hidden directory.
fn stage(
    out: &Path,
    snapshot: &Snapshot,
    texts: &[(&str, String)],
    version_json: &str,
) -> Result<StagedDirectory, AuthoringError> {
    let draft = StagedDirectory::create(out)?;
    draft.write_bytes(Path::new("model.onnx"), &snapshot.model().graph)?;
    for (place, bytes) in snapshot.weights() {
        draft.write_bytes(place, bytes)?;
    }
    for (file, text) in texts {
        draft.write(file, text)?;
    }
    draft.write("version.json", version_json)?;
    Ok(draft)
}

fn needs_decision(table: &Table, problems: &[impl ToString]) -> AuthoringError {
    let lines: Vec<String> =
        problems.iter().map(|problem| table.table_error(problem.to_string()).to_string()).collect();
    AuthoringError::NeedsDecision(lines.join("\n"))
}

/// Returns the model name: from the options, else from the model directory, else from the file name of the graph.
fn model_name(graph: &Path, out: Option<&Path>, options: &InitOptions) -> Result<ModelName, AuthoringError> {
    let above = out.and_then(|out| out.parent()?.file_name()).map(|name| name.to_string_lossy().into_owned());
    let stem = graph.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = options.name.clone().or(above).unwrap_or(stem);
    ModelName::new(&name).map_err(|error| AuthoringError::NeedsDecision(format!("{error}; give one with --name")))
}

fn compile(document: &Value, signature: &Signature) -> Result<Contract, AuthoringError> {
    let literal: JsonValue =
        serde_json::from_value(document.clone()).map_err(|error| AuthoringError::NeedsDecision(error.to_string()))?;
    contract::compile(&literal, signature).map_err(|problems| {
        let questions: Vec<String> =
            problems.iter().map(|problem| format!("the contract does not fit: {problem}")).collect();
        AuthoringError::NeedsDecision(questions.join("\n"))
    })
}

/// Runs the model on some rows and returns all outputs.
fn answers(
    graph: &Path,
    contract: &Contract,
    signature: &Signature,
    executor: &mut OrtExecutor,
    instances: &[Instance],
) -> Result<Vec<Vec<Tensor>>, AuthoringError> {
    let outputs: Vec<String> = signature.outputs.iter().map(|spec| spec.name().to_owned()).collect();
    executor.set_outputs(&outputs);
    let failed = |instance: &Instance, error: &dyn std::error::Error| AuthoringError::Run {
        path: graph.to_path_buf(),
        detail: format!("{}: {error}", instance.place),
    };
    let mut answer = |instance: &Instance| {
        let inputs = golden_cases::inputs(contract, instance).map_err(|error| failed(instance, &error))?;
        executor.run(&inputs).map_err(|error| failed(instance, &error))
    };
    instances.iter().map(&mut answer).collect()
}

/// Returns the distinct values of the target as class names.
fn class_names(column: &Column) -> Option<std::collections::BTreeSet<String>> {
    column.values.as_ref().map(|values| values.iter().map(|value| class_name(value)).collect())
}

fn describe_output(contract: &Contract) -> String {
    match contract.output.task() {
        Task::Classification => format!(
            "classification from {:?}: {}",
            contract.output.requested()[0],
            contract.output.classes().join(", ")
        ),
        Task::Regression => describe_regression(&contract.output),
        Task::Tensors => format!("the tensors {}", contract.output.requested().join(", ")),
    }
}

fn describe_regression(output: &OutputPlan) -> String {
    let OutputPlan::Regression { requested, point, auxiliary, .. } = output else { return String::new() };
    let point = match point {
        PointEstimate::Column(0) => String::new(),
        PointEstimate::Column(column) => format!(", column {column}"),
        PointEstimate::Mean => ", the mean of its columns".to_owned(),
    };
    let sigma = auxiliary.sigma.map(|(output, _)| format!("; sigma from {:?}", requested[output]));
    let quantiles = auxiliary.band.map(|band| format!("; quantiles from {:?}", requested[band.output]));
    let beside = [sigma, quantiles].into_iter().flatten().collect::<String>();
    format!("regression from {:?}{point}{beside}", requested[0])
}

fn pretty(value: &Value) -> Result<String, AuthoringError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| AuthoringError::NeedsDecision(error.to_string()))?;
    Ok(text + "\n")
}

/// Builds version.json: creation time, training data, the digests of the other files, and the contract that they are of.
fn version_json(snapshot: &Snapshot, profile: &Profile, contract: &Value, files: &[(&str, String)]) -> Value {
    let mut digests = serde_json::Map::new();
    digests.insert("model.onnx".to_owned(), json!(format!("sha256:{}", snapshot.graph_digest())));
    for (place, bytes) in snapshot.weights() {
        digests.insert(place.display().to_string(), json!(format!("sha256:{}", sha256(bytes))));
    }
    for (name, text) in files {
        digests.insert((*name).to_owned(), json!(format!("sha256:{}", sha256(text.as_bytes()))));
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let created = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    json!({
        "created": created.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        "training_data": { "tag": profile.source.file, "rows": profile.rows, "sha256": profile.source.sha256 },
        "files": digests,
        "notes": "Created by candor init. The golden cases are recorded: they are the model's own predictions for rows \
                  of the table.",
        "contract": contract,
    })
}

/// Loads the new package as `serve` would; a package that does not load is not kept.
fn prove(
    loader: &Loader,
    name: &ModelName,
    version: &VersionName,
    draft: &StagedDirectory,
) -> Result<(), AuthoringError> {
    let directory = draft.directory.clone();
    let version =
        VersionDirectory { name: version.clone(), graph: directory.join("model.onnx"), directory: Some(directory) };
    let outcome = loader.verify_package(name, &version, &ModelSettings::default());
    outcome.map(|_| ()).map_err(|errors| AuthoringError::refused(&errors))
}

//! `candor init`: creates a package from a model and a table. Not interactive; prints what it decided, what to check,
//! and the next steps.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{
    output::Terminal,
    table_args::{TableArgs, print_features, table_help},
};
use crate::{
    authoring::{InitOptions, InitReport, OpenCategories, QuantileOption, init, parse_list, shell_quoted},
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{is_file, print_error, print_problem},
        table_args::UsageError,
    },
    domain::contract::Task,
};

/// The roles of the graph's outputs. Each implies the task.
#[derive(Debug, Args)]
struct RoleArgs {
    /// Output that holds the value of a regression.
    #[arg(long, value_name = "OUTPUT")]
    value: Option<String>,
    /// Column of that output, from 0. A model of several targets becomes one package per target.
    #[arg(long, value_name = "N")]
    value_column: Option<usize>,
    /// Output that holds the predicted standard deviation of a regression.
    #[arg(long, value_name = "OUTPUT")]
    sigma: Option<String>,
    /// Levels of the quantiles that the columns of an output hold: `0.05,0.5,0.95`, or `q=0.05,0.5,0.95` if several
    /// outputs have as many columns.
    #[arg(long, value_name = "[OUTPUT=]LEVEL,…")]
    quantiles: Option<String>,
    /// Output with one column per ensemble member.
    #[arg(long, value_name = "OUTPUT")]
    members: Option<String>,
    /// Output that holds the class probabilities, or the probability of the second of two classes.
    #[arg(long, value_name = "OUTPUT")]
    probabilities: Option<String>,
    /// Output that holds the logits (log-odds) of the classes, or that of the second of two classes.
    #[arg(long, value_name = "OUTPUT")]
    logits: Option<String>,
    /// Divide the probabilities of each row by their sum, for scores of exclusive classes that do not sum to 1.
    #[arg(long)]
    normalize: bool,
    // Refused by name: people look for it.
    #[arg(long, hide = true)]
    joint: bool,
}

impl RoleArgs {
    fn quantiles(&self) -> Result<Option<QuantileOption>, UsageError> {
        let Some(text) = &self.quantiles else { return Ok(None) };
        // A level has no `=`, an output may.
        let (output, levels) =
            text.rsplit_once('=').map_or((None, text.as_str()), |(output, rest)| (Some(output), rest));
        let levels =
            levels.split(',').map(|level| level.trim().parse::<f64>().ok().filter(|level| (0.0..=1.0).contains(level)));
        let levels: Option<Vec<f64>> = levels.collect();
        match levels.filter(|levels| levels.is_sorted()) {
            Some(levels) => Ok(Some(QuantileOption { output: output.map(str::to_owned), levels })),
            None => Err(UsageError(format!(
                "--quantiles expects levels from 0 to 1 in ascending order, such as 0.05,0.5,0.95, found {text:?}"
            ))),
        }
    }
}

/// Create a package from an ONNX model and a table: contract, profile, version and golden cases.
///
/// Whatever the model and the table determine is decided and printed. Anything ambiguous is an error that names the
/// flag to decide it. The files are written together, after the package has been loaded the way `serve` would load it,
/// or not at all.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// ONNX model.
    #[arg(value_name = "MODEL.ONNX")]
    graph: PathBuf,
    #[arg(long, value_name = "FILE", help = table_help("Table that the model was trained on"))]
    data: PathBuf,
    /// Column that the model predicts; it is not a feature.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Name of the model [default: the name of the directory above --out, or of the ONNX file].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Directory to create the package in [default: models/NAME/1].
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Columns that are not features, as a CSV record (`'"a,b",c'` for names with commas). May be repeated.
    #[arg(long, value_name = "COLUMN,…")]
    ignore: Vec<String>,
    /// Features, in the order in which the model takes them, as a CSV record [default: all other columns, in the order
    /// of the table]. May be repeated.
    #[arg(long, value_name = "COLUMN,…")]
    features: Vec<String>,
    /// Columns of one input of a graph that has several inputs: `numeric=age,income`. May be repeated.
    #[arg(long, value_name = "INPUT=COLUMN,…")]
    input: Vec<String>,
    /// Default for the missing values of a column: `plan=basic`. A string that the table does not contain is added to
    /// the accepted ones. May be repeated.
    #[arg(long, value_name = "COLUMN=VALUE")]
    fill: Vec<String>,
    /// Accept any string in these columns (without a value: in every column of strings), for models that ignore unknown
    /// categories. Strings that the table does not contain cause a warning instead of a 400.
    #[arg(
        long,
        value_name = "COLUMN,…",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        action = clap::ArgAction::Append
    )]
    open_categories: Vec<String>,
    /// Names of the classes, in the order in which the graph outputs them, as a CSV record. May be repeated.
    #[arg(long, value_name = "NAME,…")]
    classes: Vec<String>,
    /// Task of the model, if its outputs can be interpreted in more than one way.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskFlag>,
    #[command(flatten)]
    roles: RoleArgs,
    /// Replace an existing package.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TaskFlag {
    Classification,
    Regression,
    Tensors,
}

fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), UsageError> {
    text.split_once('=').ok_or_else(|| format!("{flag} expects NAME=VALUE, found {text:?}")).map_err(UsageError)
}

/// Joins the lists of a flag that may be repeated.
fn lists(flag: &str, values: &[String]) -> Result<Vec<String>, UsageError> {
    let mut all = Vec::new();
    for value in values {
        all.extend(parse_list(value).map_err(|error| UsageError(format!("{flag} {error}")))?);
    }
    Ok(all)
}

impl Init {
    pub(super) fn run(self) -> ExitCode {
        let made = loader(&self.common).and_then(|loader| {
            is_file(&self.graph)?;
            let options = self.options().map_err(|problem| print_problem(&problem))?;
            init(&loader, &self.graph, &self.data, self.out.as_deref(), &options).map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => {
                let mut output = Terminal::standard();
                print(&mut output, &made, self.target.as_deref());
                output.finish(ExitCode::SUCCESS)
            }
            Err(code) => code,
        }
    }

    fn open_categories(&self) -> Result<OpenCategories, UsageError> {
        let named: Vec<String> = self.open_categories.iter().filter(|list| !list.is_empty()).cloned().collect();
        Ok(match self.open_categories.as_slice() {
            [] => OpenCategories::None,
            given if named.len() < given.len() => OpenCategories::All,
            _ => OpenCategories::Columns(lists("--open-categories", &named)?),
        })
    }

    fn options(&self) -> Result<InitOptions, UsageError> {
        let inputs = self.input.iter().map(|text| {
            let (name, columns) = pair("--input", text)?;
            Ok((name.to_owned(), lists("--input", &[columns.to_owned()])?))
        });
        let defaults = self.fill.iter().map(|text| {
            let (name, value) = pair("--fill", text)?;
            Ok((name.to_owned(), value.to_owned()))
        });
        if self.roles.joint {
            return Err(UsageError(
                "--joint: several targets at once (multi-output, multi-step) are not supported: make one package per \
                 target, each with --value-column N"
                    .to_owned(),
            ));
        }
        Ok(InitOptions {
            target: self.target.clone(),
            ignore: lists("--ignore", &self.ignore)?,
            features: lists("--features", &self.features)?,
            inputs: inputs.collect::<Result<_, UsageError>>()?,
            defaults: defaults.collect::<Result<_, UsageError>>()?,
            classes: lists("--classes", &self.classes)?,
            task: self.task.map(|task| match task {
                TaskFlag::Classification => Task::Classification,
                TaskFlag::Regression => Task::Regression,
                TaskFlag::Tensors => Task::Tensors,
            }),
            value: self.roles.value.clone(),
            value_column: self.roles.value_column,
            sigma: self.roles.sigma.clone(),
            quantiles: self.roles.quantiles()?,
            members: self.roles.members.clone(),
            probabilities: self.roles.probabilities.clone(),
            logits: self.roles.logits.clone(),
            normalize: self.roles.normalize,
            open_categories: self.open_categories()?,
            name: self.name.clone(),
            reading: self.table.reading()?,
            force: self.force,
        })
    }
}

fn print(output: &mut Terminal, made: &InitReport, target: Option<&str>) {
    for line in &made.inputs {
        output.line(format_args!("input   {line}"));
    }
    output.line(format_args!("output  {}", made.output));
    if let Some(agreement) = &made.agreement {
        output.line(format_args!("        {agreement}"));
    }
    output.line(format_args!(""));
    print_features(output, &made.profile);
    output.line(format_args!(""));
    for note in &made.notes {
        output.line(format_args!("check   {note}"));
    }
    let directory = made.directory.display();
    output.line(format_args!(
        "check   the ranges are soft (x-expected): add hard ones (minimum, maximum), units and descriptions to \
         contract.json by hand, then accept the edit with `candor seal {directory}`"
    ));
    output.line(format_args!(
        "check   profile.json and golden.jsonl contain rows of the table: treat both as confidentially as the table"
    ));
    output.line(format_args!(""));
    let weights = made.weights.iter().map(String::as_str);
    let texts = ["contract.json", "profile.json", "version.json", "golden.jsonl"];
    let files: Vec<&str> = std::iter::once("model.onnx").chain(weights).chain(texts).collect();
    output.line(format_args!("wrote   {directory}: {}", files.join(", ")));
    output.line(format_args!("loads   as `candor serve` would; {} golden cases reproduced", made.golden));
    output.line(format_args!(""));
    let body = serde_json::json!({ "features": made.example }).to_string().replace('\'', "'\\''");
    let package = shell_quoted(&directory.to_string());
    let target = shell_quoted(target.unwrap_or("COLUMN"));
    output.line(format_args!("next    candor serve {package}"));
    output.line(format_args!("        curl -s localhost:8080/predict -H 'content-type: application/json' -d '{body}'"));
    output.line(format_args!("        candor calibrate --data HOLDOUT --target {target} {package}"));
}

//! `candor init`: creates a package from a model and a table. Not interactive; prints what it decided, what to check,
//! and the next steps.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{
    output::Terminal,
    table_args::{TableArgs, print_features},
};
use crate::{
    authoring::{InitOptions, InitReport, init},
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{is_file, print_error, print_problem},
        table_args::UsageError,
    },
    domain::contract::Task,
};

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
    /// Table that the model was trained on: .csv, .tsv, .jsonl, .ndjson or .parquet.
    #[arg(long, value_name = "FILE")]
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
    /// Columns that are not features. May be repeated.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Features, in the order in which the model takes them [default: all other columns, in the order of the table].
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    features: Vec<String>,
    /// Columns of one input of a graph that has several inputs: `numeric=age,income`. May be repeated.
    #[arg(long, value_name = "INPUT=COLUMN,…")]
    input: Vec<String>,
    /// Default for the missing values of a column: `plan=basic`. May be repeated.
    #[arg(long, value_name = "COLUMN=VALUE")]
    fill: Vec<String>,
    /// Names of the classes, in the order in which the graph outputs them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    classes: Vec<String>,
    /// Task of the model, if its outputs can be interpreted in more than one way.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskFlag>,
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

    fn options(&self) -> Result<InitOptions, UsageError> {
        let inputs = self.input.iter().map(|text| {
            let (name, columns) = pair("--input", text)?;
            Ok((name.to_owned(), columns.split(',').map(str::to_owned).collect()))
        });
        let defaults = self.fill.iter().map(|text| {
            let (name, value) = pair("--fill", text)?;
            Ok((name.to_owned(), value.to_owned()))
        });
        Ok(InitOptions {
            target: self.target.clone(),
            ignore: self.ignore.clone(),
            features: self.features.clone(),
            inputs: inputs.collect::<Result<_, UsageError>>()?,
            defaults: defaults.collect::<Result<_, UsageError>>()?,
            classes: self.classes.clone(),
            task: self.task.map(|task| match task {
                TaskFlag::Classification => Task::Classification,
                TaskFlag::Regression => Task::Regression,
                TaskFlag::Tensors => Task::Tensors,
            }),
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
        "check   the ranges are soft (x-expected): add hard ones (minimum, maximum), units and descriptions by hand"
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
    output.line(format_args!("next    candor serve {directory}"));
    output.line(format_args!("        curl -s localhost:8080/predict -H 'content-type: application/json' -d '{body}'"));
    output.line(format_args!(
        "        candor calibrate --data HOLDOUT --target {} {directory}",
        target.unwrap_or("COLUMN")
    ));
}

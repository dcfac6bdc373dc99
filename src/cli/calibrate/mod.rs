//! `candor calibrate`: creates calibration.json of a version from rows that it was not trained on. Prints how certain
//! the model may claim to be, and what to check.

mod report;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};

use super::{output::Terminal, progress::Progress};
use crate::{
    authoring::{CalibrateOptions, CalibrationMethod, SetChoice, calibrate},
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{exists, print_error, print_problem},
        table_args::{TableArgs, UsageError, table_help},
    },
    domain::calibration::MethodChoice,
};

/// Environment variable with the creation time to write into files, in seconds since 1970 (reproducible-builds.org).
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The last second of the year 9999: later times cannot be written.
const MAX_TIMESTAMP: i64 = 253_402_300_799;

/// Calibrate a version on rows that it was not trained on, and write its calibration.json.
///
/// Prints a report: the probabilities before and after, the methods tried, and the coverage of prediction sets or
/// intervals at each level. calibration.json and its plots are written together, after the version has been verified to
/// serve with them, or not at all; they replace those of an earlier calibration. The creation time in the file is that of `SOURCE_DATE_EPOCH`, if it is set.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct Calibrate {
    /// Directory of the version, such as `models/churn/1`, or of a model that has a single version.
    #[arg(value_name = "VERSION")]
    version: PathBuf,
    #[arg(long, value_name = "FILE", help = table_help("Held-out rows that the model was not trained on"))]
    data: PathBuf,
    /// Column with the true values: class names or class numbers, or the target of a regression.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Calibration method [default: auto for classification; for regression the method that the model's outputs allow].
    #[arg(long, value_name = "METHOD")]
    method: Option<MethodFlag>,
    /// Method of the prediction sets [default: lac].
    #[arg(long, value_name = "SETS")]
    prediction_sets: Option<PredictionSetsFlag>,
    /// Feature with few distinct values, each of which gets its own quantiles (Mondrian conformal prediction).
    #[arg(long, value_name = "FEATURE")]
    group_by: Option<String>,
    /// Accept the table even if profile.json or version.json names it as training data.
    #[arg(long)]
    allow_training_data: bool,
    /// Leave out rows that cannot be used, such as rows with missing values, and report how many.
    #[arg(long)]
    skip_invalid: bool,
    /// Use the requested method even if it makes the answers worse.
    #[arg(long)]
    force: bool,
    /// Print the report without writing any file.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodFlag {
    /// Starts from the model's own probabilities and moves to a more flexible method only on evidence.
    Auto,
    /// Temperature scaling: a single parameter that sharpens or softens all probabilities.
    Temperature,
    /// Vector scaling: a scale and a bias for each class, for classes that are reported too often or too rarely.
    VectorScaling,
    /// Beta calibration: a curve of three parameters, for two classes.
    Beta,
    /// Isotonic regression: a non-decreasing curve, for two classes.
    Isotonic,
    /// Venn-Abers: two non-decreasing curves that bound the probability, for two classes.
    VennAbers,
    /// Beta calibration of the confidence of the predicted class; the probabilities stay as they are.
    TopLabelBeta,
    /// Isotonic regression of the confidence of the predicted class; the probabilities stay as they are.
    TopLabelIsotonic,
    /// Venn-Abers on the confidence of the predicted class; the probabilities stay as they are.
    TopLabelVennAbers,
    /// The probabilities of the model, unchanged.
    Uncalibrated,
    /// For regression: intervals of constant width around the prediction, even if the model outputs more than a value.
    SplitConformal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PredictionSetsFlag {
    /// Every class whose probability is high enough: the smallest sets.
    Lac,
    /// The most likely classes until their total probability is high enough: larger sets for harder instances.
    Aps,
    /// No prediction sets.
    None,
}

impl Calibrate {
    pub(in crate::cli) fn run(self) -> ExitCode {
        let mut progress = Progress::on_terminal();
        let made = loader(&self.common).and_then(|loader| {
            exists(&self.version)?;
            let options = self.options().map_err(|problem| print_problem(&problem))?;
            let made = calibrate(&loader, &self.version, &self.data, &options, &mut |step| progress.show(step));
            progress.clear();
            made.map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => {
                let mut output = Terminal::standard();
                output.bytes(report::text(&made).as_bytes());
                output.finish(ExitCode::SUCCESS)
            }
            Err(code) => code,
        }
    }

    fn options(&self) -> Result<CalibrateOptions, UsageError> {
        Ok(CalibrateOptions {
            target: self.target.clone(),
            method: self.method.map(|method| match method {
                MethodFlag::Auto => CalibrationMethod::Classifier(MethodChoice::Auto),
                MethodFlag::Temperature => CalibrationMethod::Classifier(MethodChoice::Temperature),
                MethodFlag::VectorScaling => CalibrationMethod::Classifier(MethodChoice::VectorScaling),
                MethodFlag::Beta => CalibrationMethod::Classifier(MethodChoice::Beta),
                MethodFlag::Isotonic => CalibrationMethod::Classifier(MethodChoice::Isotonic),
                MethodFlag::VennAbers => CalibrationMethod::Classifier(MethodChoice::VennAbers),
                MethodFlag::TopLabelBeta => CalibrationMethod::Classifier(MethodChoice::TopLabelBeta),
                MethodFlag::TopLabelIsotonic => CalibrationMethod::Classifier(MethodChoice::TopLabelIsotonic),
                MethodFlag::TopLabelVennAbers => CalibrationMethod::Classifier(MethodChoice::TopLabelVennAbers),
                MethodFlag::Uncalibrated => CalibrationMethod::Classifier(MethodChoice::Uncalibrated),
                MethodFlag::SplitConformal => CalibrationMethod::SplitConformal,
            }),
            sets: self.prediction_sets.map(|sets| match sets {
                PredictionSetsFlag::Lac => SetChoice::Lac,
                PredictionSetsFlag::Aps => SetChoice::Aps,
                PredictionSetsFlag::None => SetChoice::None,
            }),
            group: self.group_by.clone(),
            reading: self.table.reading()?,
            allow_training_data: self.allow_training_data,
            skip_invalid: self.skip_invalid,
            force: self.force,
            dry_run: self.dry_run,
            created: created()?,
        })
    }
}

/// Returns the time of `SOURCE_DATE_EPOCH`, or the current time, in seconds since 1970.
fn created() -> Result<i64, UsageError> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match std::env::var(SOURCE_DATE_EPOCH) {
        Ok(text) => {
            let seconds = text.parse().ok().filter(|seconds| (0..=MAX_TIMESTAMP).contains(seconds));
            seconds
                .ok_or_else(|| format!("{SOURCE_DATE_EPOCH} expects seconds since 1970, found {text:?}"))
                .map_err(UsageError)
        }
        Err(_) => Ok(i64::try_from(now()).unwrap_or(i64::MAX)),
    }
}

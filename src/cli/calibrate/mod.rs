//! `candor calibrate`: calibration.json of a version, from rows that it was not trained on. Prints how sure the model may
//! be, and what to look at.

mod report;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};

use super::{ConfigArgs, exists, init::TableArgs, loader, output::Output, print_error, progress::Progress};
use crate::{
    authoring::{CalibrateOptions, Method, SetChoice, calibrate},
    domain::calibration::MethodChoice,
};

/// The time that files are to say they were made at, in seconds since 1970 (reproducible-builds.org).
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The last second of the year 9999: later ones cannot be written.
const MAX_TIMESTAMP: i64 = 253_402_300_799;

/// Measure how sure a version may be, on rows that it was not trained on, and write its calibration.json.
///
/// Prints a report: the probabilities before and after, the methods that were tried, the coverage of sets or intervals at
/// each level. calibration.json and its plots appear together, after the version was found to serve with them, or not at
/// all. The time in the file is that of `SOURCE_DATE_EPOCH`, where that is set.
#[derive(Debug, Args)]
pub(in crate::cli) struct Calibrate {
    /// The directory of the version, such as `models/churn/1`, or of a model that has one version.
    #[arg(value_name = "VERSION")]
    version: PathBuf,
    /// Rows that the model was not trained on: .csv, .tsv, .jsonl, .ndjson or .parquet.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The column that holds the truth: the names of classes or their numbers, or the value of a regression.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// How uncertainty is made [default: auto for a classification; for a regression what its outputs allow].
    #[arg(long, value_name = "METHOD")]
    method: Option<MethodFlag>,
    /// How sets of classes are made [default: lac].
    #[arg(long, value_name = "SETS")]
    prediction_sets: Option<PredictionSetsFlag>,
    /// A feature of few values, each of which gets quantiles of its own (Mondrian).
    #[arg(long, value_name = "FEATURE")]
    group_by: Option<String>,
    /// Take the table although profile.json or version.json names it as what the model was trained on.
    #[arg(long)]
    allow_training_data: bool,
    /// Print the report and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodFlag {
    /// The method of least log loss on rows that it was not fitted to.
    Auto,
    /// Temperature scaling: one number sharpens or softens all probabilities.
    Temperature,
    /// A rising curve, for two classes.
    Isotonic,
    /// Two rising curves that bound the probability, for two classes.
    VennAbers,
    /// The probabilities of the model as they are.
    Uncalibrated,
    /// For a regression: intervals of one width around its value, also where the model says more.
    SplitConformal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PredictionSetsFlag {
    /// Every class that is likely enough: the smallest sets.
    Lac,
    /// The likeliest classes until they are likely enough together: sets that are larger where the instance is hard.
    Aps,
    /// No sets.
    None,
}

impl Calibrate {
    pub(in crate::cli) fn run(self) -> ExitCode {
        let mut progress = Progress::on_terminal();
        let made = loader(&self.common).and_then(|loader| {
            exists(&self.version)?;
            let wishes = self.options().map_err(|problem| print_error(&problem))?;
            let made = calibrate(&loader, &self.version, &self.data, &wishes, &mut |step| progress.show(step));
            progress.clear();
            made.map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => {
                let mut output = Output::standard();
                output.bytes(report::text(&made).as_bytes());
                output.finish(ExitCode::SUCCESS)
            }
            Err(code) => code,
        }
    }

    fn options(&self) -> Result<CalibrateOptions, String> {
        Ok(CalibrateOptions {
            target: self.target.clone(),
            method: self.method.map(|method| match method {
                MethodFlag::Auto => Method::Classifier(MethodChoice::Auto),
                MethodFlag::Temperature => Method::Classifier(MethodChoice::Temperature),
                MethodFlag::Isotonic => Method::Classifier(MethodChoice::Isotonic),
                MethodFlag::VennAbers => Method::Classifier(MethodChoice::VennAbers),
                MethodFlag::Uncalibrated => Method::Classifier(MethodChoice::Uncalibrated),
                MethodFlag::SplitConformal => Method::SplitConformal,
            }),
            sets: self.prediction_sets.map(|sets| match sets {
                PredictionSetsFlag::Lac => SetChoice::Lac,
                PredictionSetsFlag::Aps => SetChoice::Aps,
                PredictionSetsFlag::None => SetChoice::None,
            }),
            group: self.group_by.clone(),
            reading: self.table.reading()?,
            allow_training_data: self.allow_training_data,
            dry_run: self.dry_run,
            created: created()?,
        })
    }
}

/// The time of `SOURCE_DATE_EPOCH`, or now; in seconds since 1970.
fn created() -> Result<i64, String> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match std::env::var(SOURCE_DATE_EPOCH) {
        Ok(text) => {
            let seconds = text.parse().ok().filter(|seconds| (0..=MAX_TIMESTAMP).contains(seconds));
            seconds.ok_or_else(|| format!("{SOURCE_DATE_EPOCH} wants seconds since 1970, found {text:?}"))
        }
        Err(_) => Ok(i64::try_from(now()).unwrap_or(i64::MAX)),
    }
}

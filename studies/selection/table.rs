//! The results as a table.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{datasets::Recipe, trial::Trial};

/// A calibration error that grew by less than this is the same: it is a tenth of a percentage point.
const SAME: f64 = 0.001;

const HEAD: &str = "\
| model | classes | rows | selected | ECE before | after | worse | by | beyond chance before | after |
|---|---|---|---|---|---|---|---|---|---|";

/// The line of one recipe.
pub(crate) fn row(recipe: Recipe, trials: &[Trial]) -> String {
    let share =
        |test: &dyn Fn(&Trial) -> bool| trials.iter().filter(|trial| test(trial)).count() as f64 / trials.len() as f64;
    let mean = |of: &dyn Fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / trials.len() as f64;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in trials {
        *counts.entry(&trial.method).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let selected: Vec<String> = counts
        .iter()
        .map(|(method, count)| format!("{method} {}", percent(*count as f64 / trials.len() as f64)))
        .collect();
    let worse: Vec<f64> =
        trials.iter().map(|trial| trial.after - trial.before).filter(|change| *change > SAME).collect();
    let by = if worse.is_empty() {
        "-".to_owned()
    } else {
        format!("{:.3}", worse.iter().sum::<f64>() / worse.len() as f64)
    };
    format!(
        "| {} | {} | {} | {} | {:.3} | {:.3} | {} | {by} | {} | {} |",
        recipe.distortion.name(),
        recipe.classes,
        recipe.rows,
        selected.join(", "),
        mean(&|trial| trial.before),
        mean(&|trial| trial.after),
        percent(worse.len() as f64 / trials.len() as f64),
        percent(share(&|trial| trial.said_before)),
        percent(share(&|trial| trial.said_after)),
    )
}

/// The whole document.
pub(crate) fn markdown(times: usize, done: &[(Recipe, Vec<Trial>)]) -> String {
    let mut text = format!(
        "# What `auto` selects\n\n{times} data sets of each kind ({} of those with 10,000 rows), calibrated as `candor calibrate` does by default (half of \
         the rows fit the probabilities), and measured on 2,000 new rows whose true class probabilities are known. The \
         table shows the share of data sets for which each method was selected, the mean top-label ECE of the model's own \
         confidence and of the calibrated one, the share of data sets in which it grew by more than {SAME} and by how much \
         on average, and the share whose report says that the ECE is beyond chance. *Votes* are shares of 20 votes with \
         many exact zeros; *shifted* adds a constant to the logit of each class, which no temperature corrects. \
         `make selection-study` writes this page.\n\n{HEAD}\n",
        times * 3 / 10
    );
    for (recipe, trials) in done {
        let _ = writeln!(text, "{}", row(*recipe, trials));
    }
    text
}

//! The text of a comparison, in the order in which a reviewer asks: what is it, whom does it break, what changes, for
//! whom, and does it pass.

use std::fmt::Write as _;

use super::super::text_table::{decimals, format_sig, left_aligned, percent, table};
use crate::{
    authoring::{CompareReport, ComparedVersion},
    domain::{
        comparison::{
            BriefPrediction, Comparison, DifferenceDistribution, DifferingRow, MIN_SLICE_ROWS, PairStatistics,
            PairedMeans, RefusedBy, SliceStatistics, is_judged,
        },
        json::JsonValue,
    },
};

/// The number of changes that are listed of each kind.
const MAX_CHANGES: usize = 40;

/// The number of rows that are listed of those that differ most. `--json` has more.
const ROWS_SHOWN: usize = 5;

/// The number of features that are listed of a row.
const FEATURES_SHOWN: usize = 8;

/// Returns the whole report.
pub(super) fn text(made: &CompareReport) -> String {
    let comparison = &made.comparison;
    let mut sections = vec![versions(made), contract(comparison), rows(made)];
    if comparison.whole.rows > 0 {
        sections.push(differences(made));
        sections.push(means(made));
        if !comparison.slices.is_empty() {
            sections.push(slices(made));
        }
        if !comparison.differing_rows.is_empty() {
            sections.push(differing_rows(made));
        }
    }
    sections.push(gate(made));
    sections.join("\n")
}

fn versions(made: &CompareReport) -> String {
    let (old, new) = (&made.old, &made.new);
    let row = |name: &str, of: &dyn Fn(&ComparedVersion) -> Option<String>| {
        let (before, after) = (of(old), of(new));
        (before.is_some() || after.is_some()).then(|| {
            let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            vec![name.to_owned(), text(before), text(after)]
        })
    };
    let data = |version: &ComparedVersion| version.provenance.training_data.clone();
    let mut rows = vec![vec![made.model.clone(), old.version.clone(), new.version.clone()]];
    rows.extend(row("created", &|version| version.provenance.created.clone()));
    rows.extend(row("author", &|version| version.provenance.author.clone()));
    rows.extend(row("trained on", &|version| data(version)?.tag));
    rows.extend(row("training rows", &|version| Some(data(version)?.rows?.to_string())));
    rows.extend(row("calibration", &|version| Some(version.calibration.as_ref()?.method.to_owned())));
    rows.extend(row("  rows", &|version| Some(version.calibration.as_ref()?.rows.to_string())));
    rows.extend(row("decides for", &|version| version.decision.clone()).filter(|row| row[1] != row[2]));
    let metrics = old.provenance.metrics.keys().chain(new.provenance.metrics.keys());
    let mut names: Vec<&String> = metrics.collect();
    names.sort();
    names.dedup();
    for name in names {
        rows.extend(row(name, &|version| version.provenance.metrics.get(name).map(ToString::to_string)));
    }
    rows.extend(row("golden cases", &|version| Some(version.golden_cases.to_string())));
    rows.extend(row("ms a row, alone", &|version| version.row_ms.map(milliseconds)));
    rows.extend(row("ms a row, batched", &|version| version.batched_row_ms.map(milliseconds)));
    left_aligned(&rows)
}

/// Formats milliseconds with two significant digits, since they vary from run to run.
fn milliseconds(time: f64) -> String {
    let rounded: f64 = format!("{time:.1e}").parse().unwrap_or(time);
    rounded.to_string()
}

fn contract(comparison: &Comparison) -> String {
    let changes = &comparison.contract;
    let breaking = changes.iter().filter(|change| change.breaking).count();
    let mut text = match (changes.len(), breaking) {
        (0, _) => "contract  no change that a caller could notice\n".to_owned(),
        (1, 0) => "contract  1 change, which breaks no caller\n".to_owned(),
        (all, 0) => format!("contract  {all} changes, which break no caller\n"),
        (1, _) => "contract  1 change, BREAKING for callers\n".to_owned(),
        (all, some) => format!("contract  {all} changes, {some} of them BREAKING for callers\n"),
    };
    let mut sorted: Vec<_> = changes.iter().collect();
    sorted.sort_by_key(|change| !change.breaking);
    let cells = sorted.iter().take(MAX_CHANGES).map(|change| {
        let effect = if change.breaking { "  breaking" } else { "  compatible" };
        vec![effect.to_owned(), change.subject.clone(), change.detail.clone()]
    });
    text += &left_aligned(&cells.collect::<Vec<_>>());
    if changes.len() > MAX_CHANGES {
        let _ = writeln!(text, "  and {} more; --json lists all", changes.len() - MAX_CHANGES);
    }
    text
}

fn rows(made: &CompareReport) -> String {
    let (rows, whole) = (&made.rows, &made.comparison.whole);
    let source = rows.file.as_ref().map_or_else(
        || "the golden cases and background rows of both packages: few and chosen; --data compares more".to_owned(),
        |file| format!("rows of {file}"),
    );
    let mut text = format!("rows      {} {source}\n", rows.read);
    if rows.read != whole.rows {
        let _ = writeln!(text, "          {} of them are compared", whole.rows);
    }
    for refused in &made.comparison.uncomparable {
        let versions = match refused.by {
            RefusedBy::Old => format!("version {} refuses", made.old.version),
            RefusedBy::New => format!("version {} refuses", made.new.version),
            RefusedBy::Both => "both versions refuse".to_owned(),
        };
        let (rows, reason, first) = (refused.rows, &refused.reason, &refused.first);
        let _ = writeln!(text, "          {rows} not comparable: {versions} them ({reason}), the first is {first}");
    }
    if let Some(unlabelled) = rows.unlabelled.filter(|unlabelled| *unlabelled > 0) {
        let _ = writeln!(text, "          {unlabelled} have no true outcome");
    }
    for note in &made.notes {
        let _ = writeln!(text, "check     {note}");
    }
    text
}

/// Agreement, and the distribution of the differences.
fn differences(made: &CompareReport) -> String {
    let whole = &made.comparison.whole;
    let mut text = match whole.disagreement() {
        Some(share) if made.task == "regression" => format!(
            "agreement {} within half the interval's width ({} of {} are not)\n",
            percent(1.0 - share),
            whole.disagreements,
            whole.judged
        ),
        Some(share) => format!(
            "agreement {} get the same class ({} of {} do not)\n",
            percent(1.0 - share),
            whole.disagreements,
            whole.judged
        ),
        None => "agreement not defined: there are neither classes nor intervals\n".to_owned(),
    };
    let title = |what: &str| [what, "mean", "median", "90 %", "99 %", "largest", ""].map(str::to_owned).to_vec();
    let row = |name: &str, found: &DifferenceDistribution, text: fn(f64) -> String| {
        let values = [found.mean, found.median, found.p90, found.p99, found.maximum].map(text);
        std::iter::once(name.to_owned()).chain(values).chain([String::new()]).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    if !whole.classes.is_empty() {
        rows.push(title("|difference of the probability|"));
        // Of two classes, both have the same differences.
        let shown = if whole.classes.len() == 2 { &whole.classes[1..] } else { &whole.classes[..] };
        rows.extend(shown.iter().map(|class| row(&format!("  {}", class.class), &class.difference, decimals)));
    }
    if let Some(found) = &whole.difference {
        rows.push(title("|difference|"));
        rows.push(row(&format!("  {}", made.unit.as_deref().unwrap_or("of the value")), found, format_sig));
    }
    if let Some(found) = &whole.relative_difference {
        rows.push(row("  in half interval widths", found, decimals));
    }
    text += &table(&rows);
    text
}

/// How a mean and its change are written.
#[derive(Clone, Copy)]
enum MeanFormat {
    /// A share, in percent; its change in percentage points.
    Share,
    /// A number between 0 and 1 or so, with four decimals.
    Decimals,
    /// A number of any size, with four significant digits.
    Digits,
}

impl MeanFormat {
    fn value(self, value: f64) -> String {
        match self {
            Self::Share => percent(value),
            Self::Decimals => decimals(value),
            Self::Digits => format_sig(value),
        }
    }

    fn change(self, change: f64) -> String {
        match self {
            Self::Share => format!("{:+.2} points", change * 100.0),
            Self::Decimals => format!("{change:+.4}"),
            Self::Digits => {
                let sign = if change < 0.0 { "-" } else { "+" };
                format!("{sign}{}", format_sig(change.abs()))
            }
        }
    }
}

/// The means of both versions and their change.
fn means(made: &CompareReport) -> String {
    let whole = &made.comparison.whole;
    let (old, new) = (&made.old.version, &made.new.version);
    let mut rows = vec![vec![String::new(), old.clone(), new.clone(), "change".to_owned(), String::new()]];
    let mut add = |name: &str, means: PairedMeans, format: MeanFormat, note: String| {
        if means.old.is_some() || means.new.is_some() {
            let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format.value(value));
            let change = means.old.zip(means.new).map(|(old, new)| format.change(new - old));
            let change = change.unwrap_or_else(|| "-".to_owned());
            rows.push(vec![name.to_owned(), shown(means.old), shown(means.new), change, note]);
        }
    };
    let (only_old, only_new) = (whole.right_only_old, whole.right_only_new);
    let right = format!("only {old} is right on {only_old} rows, only {new} on {only_new}");
    let size = if made.task == "regression" { MeanFormat::Digits } else { MeanFormat::Decimals };
    add("accuracy", whole.accuracy, MeanFormat::Share, right);
    add("log loss", whole.log_loss, MeanFormat::Decimals, "0 is best".to_owned());
    add("mean absolute error", whole.mean_absolute_error, MeanFormat::Digits, String::new());
    add("root mean square error", whole.root_mean_square_error, MeanFormat::Digits, String::new());
    add("coverage", whole.coverage, MeanFormat::Share, claim(whole.claimed_coverage));
    add("mean uncertainty", whole.uncertainty, size, String::new());
    add("mean set size", whole.set_size, MeanFormat::Decimals, String::new());
    add("mean interval width", whole.interval_width, MeanFormat::Digits, String::new());
    table(&rows)
}

/// The coverage that each version claims.
fn claim(claimed: PairedMeans) -> String {
    let text = |level: Option<f64>| level.map_or_else(|| "none".to_owned(), format_sig);
    let (old, new) = (text(claimed.old), text(claimed.new));
    if old == new { format!("claimed: {new}") } else { format!("claimed: {old} and {new}") }
}

fn slices(made: &CompareReport) -> String {
    let slices = &made.comparison.slices;
    let labelled = slices.iter().any(|slice| slice.statistics.labelled > 0);
    let regression = made.task == "regression";
    let (old, new) = (&made.old.version, &made.new.version);
    let mut text = String::new();
    let mut features: Vec<&str> = slices.iter().map(|slice| slice.feature.as_str()).collect();
    features.dedup();
    for feature in features {
        let mut titles = vec![feature.to_owned(), "rows".to_owned(), "agree".to_owned()];
        let size = if regression { "width" } else { "set size" };
        if labelled {
            let quality = if regression { "error" } else { "accuracy" };
            titles.extend([format!("{quality} {old}"), new.clone(), "worse by".to_owned()]);
            titles.extend([format!("coverage {old}"), new.clone()]);
        }
        titles.extend([format!("{size} {old}"), new.clone(), String::new()]);
        let own = slices.iter().filter(|slice| slice.feature == feature);
        let rows: Vec<Vec<String>> =
            std::iter::once(titles).chain(own.map(|slice| slice_row(slice, labelled, regression))).collect();
        text += &table(&rows);
    }
    text
}

fn slice_row(slice: &SliceStatistics, labelled: bool, regression: bool) -> Vec<String> {
    let found: &PairStatistics = &slice.statistics;
    let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let pair = |means: PairedMeans, text: fn(f64) -> String| [dash(means.old.map(text)), dash(means.new.map(text))];
    let value = slice.value.as_ref().map_or_else(|| "other values".to_owned(), ToString::to_string);
    let agree = dash(found.disagreement().map(|share| percent(1.0 - share)));
    let mut row = vec![format!("  {value}"), found.rows.to_string(), agree];
    if labelled {
        let quality =
            if regression { pair(found.mean_absolute_error, format_sig) } else { pair(found.accuracy, percent) };
        row.extend(quality);
        let worse = found.accuracy_drop().map(|drop| MeanFormat::Share.change(drop + 0.0));
        let worse = worse.map(|text| if regression { text.replace("points", "%") } else { text });
        row.push(dash(worse));
        row.extend(pair(found.coverage, percent));
    }
    row.extend(pair(if regression { found.interval_width } else { found.set_size }, format_sig));
    let small = labelled && !is_judged(slice);
    row.push(if small { format!("under {MIN_SLICE_ROWS} rows: not judged") } else { String::new() });
    row
}

fn differing_rows(made: &CompareReport) -> String {
    let rows = &made.comparison.differing_rows;
    let mut text = "the rows that differ most\n".to_owned();
    for row in rows.iter().take(ROWS_SHOWN) {
        let (before, after) = (brief(&row.old), brief(&row.new));
        let _ = writeln!(text, "  {}: {before} -> {after}", row.row);
        let features = features(row);
        if !features.is_empty() {
            let _ = writeln!(text, "    {features}");
        }
    }
    text
}

fn brief(prediction: &BriefPrediction) -> String {
    match (&prediction.class, prediction.probability, prediction.value) {
        (Some(class), Some(probability), _) => format!("{class} {:.3}", probability.as_f64()),
        (_, _, Some(value)) => {
            let interval = prediction.uncertainty.map(|half| format!(" ± {}", format_sig(half.as_f64())));
            format!("{}{}", format_sig(value.as_f64()), interval.unwrap_or_default())
        }
        _ => "tensors".to_owned(),
    }
}

/// The features of a row that may be shown and have a value.
fn features(row: &DifferingRow) -> String {
    let JsonValue::Object(members) = &row.features else { return String::new() };
    let given = members.iter().filter(|(_, value)| *value != JsonValue::Null);
    let given: Vec<String> = given.map(|(name, value)| format!("{name} {value}")).collect();
    let more = if given.len() > FEATURES_SHOWN { ", …" } else { "" };
    given[..given.len().min(FEATURES_SHOWN)].join(", ") + more
}

fn gate(made: &CompareReport) -> String {
    let limits = &made.limits;
    let set = [limits.max_disagreement, limits.max_accuracy_drop, limits.max_coverage_drop, limits.max_group_gap];
    let count = set.iter().flatten().count();
    let mut text = String::new();
    if made.failures.is_empty() {
        let checked = count - made.unchecked.len();
        let contract = if limits.allow_breaking_contract { "" } else { "; the contract breaks no caller" };
        let _ = match (count, checked) {
            (0, _) => writeln!(text, "gate      passed: [gate] in model.toml sets no limit{contract}"),
            (1, 1) => writeln!(text, "gate      passed: the limit is kept{contract}"),
            _ => writeln!(text, "gate      passed: {checked} of {count} limits are checked and kept{contract}"),
        };
    } else {
        text += "gate      FAILED\n";
    }
    for failure in &made.failures {
        let _ = writeln!(text, "  failed       {}: {}", failure.limit, failure.detail);
    }
    for unchecked in &made.unchecked {
        let _ = writeln!(text, "  not checked  {}: {}", unchecked.limit, unchecked.reason);
    }
    text
}

//! Builds a profile from rows in one pass, in memory that does not grow with the table.
//!
//! Counts, means, extremes and category shares are exact. Quantiles and histograms come from a uniform sample of the
//! values. Up to the sample size they are exact, which covers most tables; above it the rank of a quantile is off by at
//! most about 1 % (three standard errors of 65,536 draws are 0.6 %).

use std::collections::HashMap;

use super::{
    document::{CategoryProfile, FeatureProfile, NumberProfile, OpaqueProfile, Profile, ProfileSource, number},
    reservoir::Reservoir,
};
use crate::domain::json::JsonValue;

/// Maximum sample size per numeric feature.
const MAX_SAMPLE_PER_FEATURE: usize = 65_536;
/// Minimum sample size per numeric feature, regardless of the number of features.
const MIN_SAMPLE_PER_FEATURE: usize = 2_048;
/// Sample size budget over all numeric features: 32 MiB.
const TOTAL_SAMPLE_BUDGET: usize = 4_194_304;
/// Number of background rows.
const BACKGROUND_ROWS: usize = 32;
/// Maximum number of scalars in the background. Rows larger than their share of it are not kept.
const BACKGROUND_SCALARS: usize = 2_048;
/// Maximum number of categories counted individually. Values first seen after that count as `other`.
const MAX_COUNTED_CATEGORIES: usize = 4_096;
/// Maximum number of categories listed in the profile.
const MAX_LISTED_CATEGORIES: usize = 100;
/// Maximum length of a category text, in bytes; longer texts count as `other`.
const MAX_CATEGORY_BYTES: usize = 256;
/// The quantile levels in a profile.
const QUANTILES: [f64; 13] = [0.0, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99, 1.0];
/// Number of histogram bins: deciles, fewer if values repeat.
const BINS: u32 = 10;

/// How a feature is summarized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// By quantiles and a histogram.
    Number,
    /// By category shares.
    Category,
    /// Counted only.
    Opaque,
}

/// A feature to profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSpec {
    /// The name in the contract.
    pub name: String,
    /// How it is summarized.
    pub kind: FeatureKind,
    /// Whether its values must not appear in the background rows.
    pub sensitive: bool,
}

/// Builds a profile from rows.
#[derive(Debug)]
pub struct ProfileBuilder {
    rows: u64,
    features: Vec<FeatureSpec>,
    columns: Vec<ColumnBuilder>,
    background: Reservoir<Vec<JsonValue>>,
}

#[derive(Debug)]
enum ColumnBuilder {
    Number { count: u64, whole: bool, extremes: (f64, f64), mean: f64, sample: Reservoir<f64> },
    Category { count: u64, seen: HashMap<CellValue, u64>, other: u64 },
    Opaque { count: u64 },
}

/// A category as a hash map key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CellValue {
    Bool(bool),
    /// The bit pattern of the double.
    Number(u64),
    Text(String),
}

impl ProfileBuilder {
    /// Creates a builder for these features.
    pub fn new(features: Vec<FeatureSpec>) -> Self {
        let numbers = features.iter().filter(|feature| feature.kind == FeatureKind::Number).count().max(1);
        let room = (TOTAL_SAMPLE_BUDGET / numbers).clamp(MIN_SAMPLE_PER_FEATURE, MAX_SAMPLE_PER_FEATURE);
        let column = |(feature, seed): (&FeatureSpec, u64)| match feature.kind {
            FeatureKind::Number => ColumnBuilder::Number {
                count: 0,
                whole: true,
                extremes: (f64::INFINITY, f64::NEG_INFINITY),
                mean: 0.0,
                sample: Reservoir::new(room, seed),
            },
            FeatureKind::Category => ColumnBuilder::Category { count: 0, seen: HashMap::new(), other: 0 },
            FeatureKind::Opaque => ColumnBuilder::Opaque { count: 0 },
        };
        let columns = features.iter().zip(1..).map(column).collect();
        Self { rows: 0, features, columns, background: Reservoir::new(BACKGROUND_ROWS, 0) }
    }

    /// Adds a row: one value per feature, in feature order; null if missing. A value of the wrong kind counts as
    /// missing.
    pub fn add(&mut self, row: &[JsonValue]) {
        self.rows += 1;
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.add(value);
        }
        if row.iter().map(scalars).sum::<usize>() * BACKGROUND_ROWS
            <= BACKGROUND_SCALARS.max(BACKGROUND_ROWS * row.len())
        {
            self.background.add_with(|| row.to_vec());
        }
    }

    /// Returns the profile of all rows added.
    pub fn finish(self, source: ProfileSource) -> Profile {
        let rows = self.rows;
        let profiles: Vec<FeatureProfile> = self.columns.into_iter().map(|column| column.finish(rows)).collect();
        let mut background = self.background.into_items();
        for (index, (feature, profile)) in self.features.iter().zip(&profiles).enumerate() {
            let stand_in = profile.baseline().filter(|_| feature.sensitive);
            for row in background.iter_mut().filter(|_| feature.sensitive) {
                row[index] = stand_in.clone().unwrap_or(JsonValue::Null);
            }
        }
        let features = self.features.into_iter().map(|feature| feature.name).zip(profiles).collect();
        Profile { rows, source, features, background }
    }
}

fn scalars(value: &JsonValue) -> usize {
    match value {
        JsonValue::List(items) => items.iter().map(scalars).sum(),
        _ => 1,
    }
}

impl ColumnBuilder {
    fn add(&mut self, value: &JsonValue) {
        match self {
            Self::Number { count, whole, extremes, mean, sample } => {
                let JsonValue::Number(found) = value else { return };
                let value = found.as_f64();
                if !value.is_finite() {
                    return;
                }
                *count += 1;
                *whole &= found.is_whole();
                *extremes = (extremes.0.min(value), extremes.1.max(value));
                // Welford's update: avoids a sum that could overflow or lose small values.
                *mean += (value - *mean) / float(*count);
                sample.add_with(|| value);
            }
            Self::Category { count, seen, other } => {
                let key = match value {
                    JsonValue::Bool(flag) => CellValue::Bool(*flag),
                    // Adding 0.0 turns -0.0 into 0.0, so both are the same category.
                    JsonValue::Number(number) => CellValue::Number((number.as_f64() + 0.0).to_bits()),
                    JsonValue::Text(text) if text.len() <= MAX_CATEGORY_BYTES => CellValue::Text(text.clone()),
                    JsonValue::Text(_) => {
                        *count += 1;
                        *other += 1;
                        return;
                    }
                    _ => return,
                };
                *count += 1;
                let full = seen.len() >= MAX_COUNTED_CATEGORIES;
                match seen.get_mut(&key) {
                    Some(times) => *times += 1,
                    None if full => *other += 1,
                    None => {
                        seen.insert(key, 1);
                    }
                }
            }
            Self::Opaque { count } => *count += u64::from(*value != JsonValue::Null),
        }
    }

    fn finish(self, rows: u64) -> FeatureProfile {
        let missing = |count: u64| share(rows - count, rows);
        match self {
            Self::Number { count: 0, .. } | Self::Category { count: 0, .. } => {
                FeatureProfile::Opaque(OpaqueProfile { count: 0, missing: missing(0) })
            }
            Self::Opaque { count } => FeatureProfile::Opaque(OpaqueProfile { count, missing: missing(count) }),
            Self::Number { count, whole, extremes: (minimum, maximum), mean, sample } => {
                let mut values = sample.into_items();
                values.sort_by(f64::total_cmp);
                let quantile = |p: f64| match p {
                    0.0 => minimum,
                    1.0 => maximum,
                    p => order_statistic(&values, p),
                };
                let edges = edges(&values, minimum, maximum);
                FeatureProfile::Number(NumberProfile {
                    count,
                    missing: missing(count),
                    whole,
                    minimum,
                    maximum,
                    // Rounding may push the mean of equal values beyond them.
                    mean: mean.clamp(minimum, maximum),
                    median: quantile(0.5),
                    quantiles: QUANTILES.iter().map(|p| (*p, quantile(*p))).collect(),
                    shares: shares(&values, &edges),
                    edges,
                })
            }
            Self::Category { count, seen, other } => {
                let mut counted: Vec<(JsonValue, u64)> =
                    seen.into_iter().map(|(value, times)| (value.literal(), times)).collect();
                // Break ties by text, so that the order does not depend on the hash map.
                counted.sort_by(|left, right| {
                    right.1.cmp(&left.1).then_with(|| left.0.to_string().cmp(&right.0.to_string()))
                });
                let rest: u64 = counted.iter().skip(MAX_LISTED_CATEGORIES).map(|(_, times)| times).sum();
                counted.truncate(MAX_LISTED_CATEGORIES);
                let categories = counted.into_iter().map(|(value, times)| (value, share(times, count))).collect();
                let other = share(rest + other, count);
                FeatureProfile::Category(CategoryProfile { count, missing: missing(count), categories, other })
            }
        }
    }
}

impl CellValue {
    fn literal(self) -> JsonValue {
        match self {
            Self::Bool(flag) => JsonValue::Bool(flag),
            Self::Number(bits) => JsonValue::Number(number(f64::from_bits(bits), f64::from_bits(bits).fract() == 0.0)),
            Self::Text(text) => JsonValue::Text(text),
        }
    }
}

/// The ⌈np⌉-th of n sorted values.
fn order_statistic(sorted: &[f64], p: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is within it")]
    let rank = (float(sorted.len() as u64) * p).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Histogram edges: the extremes and the distinct deciles between them.
fn edges(sorted: &[f64], minimum: f64, maximum: f64) -> Vec<f64> {
    let mut edges = vec![minimum];
    for bin in 1..BINS {
        let decile = order_statistic(sorted, f64::from(bin) / f64::from(BINS));
        if edges.last().is_some_and(|last| decile > *last) && decile < maximum {
            edges.push(decile);
        }
    }
    edges.push(maximum);
    edges
}

fn shares(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let below = |edge: f64| sorted.partition_point(|value| *value < edge);
    let mut bounds: Vec<usize> = edges[..edges.len() - 1].iter().map(|edge| below(*edge)).collect();
    bounds.push(sorted.len());
    bounds.windows(2).map(|pair| share((pair[1] - pair[0]) as u64, sorted.len() as u64)).collect()
}

/// A share, rounded to six decimals to keep noise out of the file.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (float(part) / float(whole) * 1e6).round() / 1e6 }
}

fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> ProfileSource {
        ProfileSource { file: "train.csv".to_owned(), sha256: String::new() }
    }

    fn profile(kind: FeatureKind, values: &[JsonValue]) -> FeatureProfile {
        let described = FeatureSpec { name: "x".to_owned(), kind, sensitive: false };
        let mut profiler = ProfileBuilder::new(vec![described]);
        for value in values {
            profiler.add(std::slice::from_ref(value));
        }
        let profile = profiler.finish(source());
        assert!(profile.faults().is_empty(), "{:?}", profile.faults());
        profile.features.into_iter().next().expect("a feature").1
    }

    fn numbers(values: &[f64]) -> Vec<JsonValue> {
        values.iter().map(|value| JsonValue::Number((*value).into())).collect()
    }

    #[test]
    fn numbers_are_described_by_values_that_occurred() {
        let mut values = numbers(&(1..=100).map(f64::from).collect::<Vec<_>>());
        values.extend(vec![JsonValue::Null; 100]);
        let FeatureProfile::Number(found) = profile(FeatureKind::Number, &values) else { panic!("a number") };
        assert_eq!((found.count, found.missing, found.whole), (100, 0.5, true));
        assert_eq!((found.minimum, found.maximum, found.mean, found.median), (1.0, 100.0, 50.5, 50.0));
        assert_eq!(found.quantiles[1], (0.01, 1.0));
        assert_eq!(found.edges, [1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]);
        assert_eq!(found.shares, [0.09, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.11]);
    }

    #[test]
    fn repeated_and_constant_values_have_fewer_bins() {
        let FeatureProfile::Number(found) = profile(FeatureKind::Number, &numbers(&[0.0, 0.0, 0.0, 1.0, 7.0])) else {
            panic!("a number")
        };
        assert_eq!((found.edges, found.shares), (vec![0.0, 1.0, 7.0], vec![0.6, 0.4]));
        let FeatureProfile::Number(found) = profile(FeatureKind::Number, &numbers(&[0.1, 0.1, 0.1])) else {
            panic!("a number")
        };
        assert_eq!((found.edges, found.shares, found.whole), (vec![0.1, 0.1], vec![1.0], false));
    }

    #[test]
    fn categories_are_listed_by_share() {
        let text = |text: &str| JsonValue::Text(text.to_owned());
        let mut values = vec![text("b"), text("a"), text("b"), JsonValue::Null, text(&"long".repeat(100))];
        let FeatureProfile::Category(found) = profile(FeatureKind::Category, &values) else { panic!("a category") };
        assert_eq!((found.count, found.missing, found.other), (4, 0.2, 0.25));
        assert_eq!(found.categories, [(text("b"), 0.5), (text("a"), 0.25)]);
        values = (0..10_000).map(|index| text(&index.to_string())).collect();
        let FeatureProfile::Category(found) = profile(FeatureKind::Category, &values) else { panic!("a category") };
        assert_eq!((found.categories.len(), found.other), (MAX_LISTED_CATEGORIES, 0.99));
    }

    #[test]
    fn a_feature_without_a_value_is_counted_only() {
        let found = profile(FeatureKind::Number, &[JsonValue::Null, JsonValue::Null]);
        assert_eq!(found, FeatureProfile::Opaque(OpaqueProfile { count: 0, missing: 1.0 }));
        assert_eq!(found.baseline(), Some(JsonValue::Null));
    }

    #[test]
    fn a_long_table_takes_bounded_memory_and_stays_near_the_truth() {
        let rows = 400_000_u32;
        let described =
            |name: &str, sensitive| FeatureSpec { name: name.to_owned(), kind: FeatureKind::Number, sensitive };
        let mut profiler = ProfileBuilder::new(vec![described("x", false), described("age", true)]);
        for row in 0..rows {
            // A full-cycle walk, so that the order is unrelated to the value.
            let value = (u64::from(row) * 7_919) % u64::from(rows);
            profiler.add(&[JsonValue::Number(value.into()), JsonValue::Number(value.into())]);
        }
        let ColumnBuilder::Number { sample, .. } = &profiler.columns[0] else { panic!("a number") };
        assert_eq!(sample.items().len(), MAX_SAMPLE_PER_FEATURE);
        let profile = profiler.finish(source());
        let Some(FeatureProfile::Number(found)) = profile.feature("x") else { panic!("a number") };
        assert_eq!((found.minimum, found.maximum, found.mean.round()), (0.0, 399_999.0, 200_000.0));
        for (p, value) in &found.quantiles {
            assert!((value / f64::from(rows) - p).abs() < 0.01, "{p}: {value}");
        }
        assert_eq!(profile.background.len(), BACKGROUND_ROWS);
        let stand_in = profile.baseline("age");
        assert!(profile.background.iter().all(|row| Some(&row[1]) == stand_in.as_ref()), "ages are not kept");
    }
}

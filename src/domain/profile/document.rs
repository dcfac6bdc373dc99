//! profile.json: per-feature statistics of the training data. Reference for warnings, baselines and drift.
//!
//! Holds the statistics and a few background rows. `builder` computes them from rows, `repository` reads them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::domain::{json::JsonValue, number::Number};

/// Reference statistics of a version's training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Number of rows in the table.
    pub rows: u64,
    /// The table that the profile was made from.
    pub source: ProfileSource,
    /// The features by name, in contract order.
    #[serde(serialize_with = "write_features", deserialize_with = "read_features")]
    pub features: Vec<(String, FeatureProfile)>,
    /// A uniform sample of rows, each in contract order; null where a value is missing. Empty if rows are too large to
    /// keep. The values of sensitive features are replaced by the baseline.
    pub background: Vec<Vec<JsonValue>>,
}

/// The table that a profile was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSource {
    /// The file name, without its directory.
    pub file: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// The distribution of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FeatureProfile {
    /// A number.
    Number(NumberProfile),
    /// A category: a string, a boolean or an enumerated number.
    Category(CategoryProfile),
    /// An array, or a feature without any value: counted, but not described.
    Opaque(OpaqueProfile),
}

/// The distribution of a numeric feature.
///
/// Quantiles are order statistics: the p-quantile of n sorted values is the ⌈np⌉-th (inverse of the empirical
/// distribution; Hyndman and Fan's definition 1), so each is a value that occurred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberProfile {
    /// Number of rows with a value.
    pub count: u64,
    /// The share of rows without a value, in [0, 1].
    pub missing: f64,
    /// Whether every value is an integer.
    pub whole: bool,
    /// The minimum.
    pub minimum: f64,
    /// The maximum.
    pub maximum: f64,
    /// The mean.
    pub mean: f64,
    /// The 0.5 quantile.
    pub median: f64,
    /// Quantiles as (share, value) pairs, in ascending order.
    pub quantiles: Vec<(f64, f64)>,
    /// The edges of the histogram, ascending. Each bin includes its lower edge; the last bin also its upper edge.
    pub edges: Vec<f64>,
    /// The share of values in each bin; the shares sum to 1.
    pub shares: Vec<f64>,
}

/// The distribution of a categorical feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryProfile {
    /// Number of rows with a value.
    pub count: u64,
    /// The share of rows without a value, in [0, 1].
    pub missing: f64,
    /// The categories with their share of the present values, largest first.
    pub categories: Vec<(JsonValue, f64)>,
    /// The share of the present values whose category is not listed.
    pub other: f64,
}

/// A feature that is only counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpaqueProfile {
    /// Number of rows with a value.
    pub count: u64,
    /// The share of rows without a value, in [0, 1].
    pub missing: f64,
}

impl FeatureProfile {
    /// Number of rows with a value.
    pub fn count(&self) -> u64 {
        match self {
            Self::Number(profile) => profile.count,
            Self::Category(profile) => profile.count,
            Self::Opaque(profile) => profile.count,
        }
    }

    /// The share of rows without a value, in [0, 1].
    pub fn missing(&self) -> f64 {
        match self {
            Self::Number(profile) => profile.missing,
            Self::Category(profile) => profile.missing,
            Self::Opaque(profile) => profile.missing,
        }
    }

    /// The neutral reference value: the median of a number, the most frequent category, or null if most rows have no
    /// value. `None` for an array.
    pub fn baseline(&self) -> Option<JsonValue> {
        if self.missing() > 0.5 {
            return Some(JsonValue::Null);
        }
        match self {
            Self::Number(profile) => Some(JsonValue::Number(number(profile.median, profile.whole))),
            Self::Category(profile) => profile.categories.first().map(|(value, _)| value.clone()),
            Self::Opaque(_) => None,
        }
    }
}

/// Converts a double to a JSON number. If `whole`, values up to 2^53 become exact integers.
pub(in crate::domain) fn number(value: f64, whole: bool) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let rounded = value.round();
    if whole && rounded.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Number::from(rounded as i64);
    }
    Number::from(value)
}

impl Profile {
    /// The statistics of one feature.
    pub fn feature(&self, name: &str) -> Option<&FeatureProfile> {
        self.features.iter().find(|(found, _)| found == name).map(|(_, profile)| profile)
    }

    /// The baseline of a feature; see [`FeatureProfile::baseline`].
    pub fn baseline(&self, feature: &str) -> Option<JsonValue> {
        self.feature(feature).and_then(FeatureProfile::baseline)
    }

    /// Inconsistencies of the profile, one sentence each; empty if it is usable.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, profile) in &self.features {
            let fault = profile.fault(self.rows);
            faults.extend(fault.map(|fault| format!("feature {name:?}: {fault}")));
        }
        let width = self.features.len();
        for (index, row) in self.background.iter().enumerate().filter(|(_, row)| row.len() != width) {
            faults.push(format!("background row {}: holds {} values for {width} features", index + 1, row.len()));
        }
        faults
    }
}

impl FeatureProfile {
    fn fault(&self, rows: u64) -> Option<String> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        if self.count() > rows {
            return Some(format!("has {} values, but the table has {rows} rows", self.count()));
        }
        if !share(self.missing()) {
            return Some(format!("missing must be a share between 0 and 1, found {}", self.missing()));
        }
        match self {
            Self::Number(profile) => profile.fault(),
            Self::Category(profile) => {
                let sum = profile.other + profile.categories.iter().map(|(_, share)| share).sum::<f64>();
                let shares = profile.categories.iter().all(|(_, found)| share(*found)) && share(profile.other);
                (!shares || (sum - 1.0).abs() > ROUNDING).then(|| format!("its shares must sum to 1, found {sum}"))
            }
            Self::Opaque(_) => None,
        }
    }
}

/// Tolerance for sums of shares, which are written with six decimals.
const ROUNDING: f64 = 1e-3;

impl NumberProfile {
    fn fault(&self) -> Option<String> {
        if self.edges.len() != self.shares.len() + 1 || self.shares.is_empty() {
            return Some(format!("{} edges do not match {} shares", self.edges.len(), self.shares.len()));
        }
        if !self.edges.is_sorted() || !self.quantiles.is_sorted_by(|left, right| left.0 < right.0 && left.1 <= right.1)
        {
            return Some("edges and quantiles must be in ascending order".to_owned());
        }
        let sum: f64 = self.shares.iter().sum();
        if (sum - 1.0).abs() > ROUNDING || self.shares.iter().any(|share| *share < 0.0) {
            return Some(format!("its shares must sum to 1, found {sum}"));
        }
        let within = |value: f64| value >= self.minimum && value <= self.maximum;
        (!within(self.mean) || !within(self.median)).then(|| {
            format!(
                "mean {} and median {} must be between {} and {}",
                self.mean, self.median, self.minimum, self.maximum
            )
        })
    }
}

fn write_features<S: Serializer>(features: &[(String, FeatureProfile)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(features.len()))?;
    for (name, profile) in features {
        map.serialize_entry(name, profile)?;
    }
    map.end()
}

fn read_features<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, FeatureProfile)>, D::Error> {
    struct Features;

    impl<'de> Visitor<'de> for Features {
        type Value = Vec<(String, FeatureProfile)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object with one member per feature")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut features: Vec<(String, FeatureProfile)> = Vec::new();
            let mut known = std::collections::HashSet::new();
            while let Some(name) = object.next_key::<String>()? {
                if !known.insert(name.clone()) {
                    return Err(A::Error::custom(format!("the feature {name:?} appears twice")));
                }
                features.push((name, object.next_value()?));
            }
            Ok(features)
        }
    }

    deserializer.deserialize_map(Features)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "rows": 4,
        "source": { "file": "train.csv", "sha256": "ab" },
        "features": {
            "tenure": { "kind": "number", "count": 4, "missing": 0.0, "whole": true, "minimum": 1.0, "maximum": 9.0,
                        "mean": 4.0, "median": 3.0, "quantiles": [[0.5, 3.0]], "edges": [1.0, 4.0, 9.0], "shares": [0.75, 0.25] },
            "charge": { "kind": "number", "count": 1, "missing": 0.75, "whole": false, "minimum": 1.5, "maximum": 1.5,
                        "mean": 1.5, "median": 1.5, "quantiles": [], "edges": [1.5, 1.5], "shares": [1.0] },
            "plan": { "kind": "category", "count": 4, "missing": 0.0, "categories": [["plus", 0.75], ["basic", 0.25]], "other": 0.0 },
            "image": { "kind": "opaque", "count": 4, "missing": 0.0 }
        },
        "background": [[1, null, "plus", [[0.5]]]]
    }"#;

    #[test]
    fn what_is_written_is_read_again() {
        let profile: Profile = serde_json::from_str(TEXT).expect("a profile");
        let written = serde_json::to_string(&profile).expect("written");
        assert_eq!(serde_json::from_str::<Profile>(&written).expect("read"), profile);
        let names: Vec<&str> = profile.features.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tenure", "charge", "plan", "image"]);
        assert!(profile.faults().is_empty(), "{:?}", profile.faults());
    }

    #[test]
    fn the_baseline_is_the_median_the_mode_or_null() {
        let profile: Profile = serde_json::from_str(TEXT).expect("a profile");
        assert_eq!(profile.baseline("tenure"), Some(JsonValue::Number(3_i64.into())));
        assert_eq!(profile.baseline("charge"), Some(JsonValue::Null));
        assert_eq!(profile.baseline("plan"), Some(JsonValue::Text("plus".into())));
        assert_eq!(profile.baseline("image"), None);
        assert_eq!(profile.baseline("nothing"), None);
    }

    #[test]
    fn a_profile_that_contradicts_itself_says_where() {
        let cases = [
            (r#""shares": [0.75, 0.25]"#, r#""shares": [0.75]"#, "feature \"tenure\": 3 edges do not match 1 shares"),
            (
                "[1.0, 4.0, 9.0]",
                "[1.0, 40.0, 9.0]",
                "feature \"tenure\": edges and quantiles must be in ascending order",
            ),
            ("[0.75, 0.25]", "[0.75, 0.5]", "feature \"tenure\": its shares must sum to 1, found 1.25"),
            (r#""other": 0.0"#, r#""other": 0.5"#, "feature \"plan\": its shares must sum to 1, found 1.5"),
            (r#""rows": 4"#, r#""rows": 3"#, "feature \"tenure\": has 4 values, but the table has 3 rows"),
            (r#"[[1, null, "plus", [[0.5]]]]"#, "[[1]]", "background row 1: holds 1 values for 4 features"),
        ];
        for (found, replaced, expected) in cases {
            let profile: Profile = serde_json::from_str(&TEXT.replace(found, replaced)).expect("a profile");
            assert_eq!(profile.faults().first().map(String::as_str), Some(expected));
        }
        let twice = r#"{"rows":0,"source":{"file":"","sha256":""},"background":[],"features":{"a":{"kind":"opaque","count":0,"missing":0},"a":{"kind":"opaque","count":0,"missing":0}}}"#;
        let error = serde_json::from_str::<Profile>(twice).expect_err("refused").to_string();
        assert!(error.contains("the feature \"a\" appears twice"), "{error}");
    }
}

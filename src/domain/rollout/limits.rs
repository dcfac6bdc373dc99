//! `[canary.guard]` in model.toml: the limits beyond which a canary is taken back without asking.
//!
//! A limit that is absent has its default; `false` switches it off.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::domain::setting::SettingError;

/// The limits of the guard. `None` is a limit that is switched off: it neither takes a canary back nor keeps one from
/// being promoted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardLimits {
    /// A canary is promoted only after this many requests of its own, and as many of stable. It is taken back before if
    /// a limit is certainly exceeded.
    pub min_requests: u64,
    /// By how much the canary's error rate may be above that of stable: 0.005 is half a percentage point.
    #[serde(deserialize_with = "number_or_false")]
    pub max_error_increase: Option<f64>,
    /// The greatest ratio of the canary's p99 latency to that of stable.
    #[serde(deserialize_with = "number_or_false")]
    pub max_p99_ratio: Option<f64>,
    /// By how much the canary's mean uncertainty, from 0 to 1, may be above that of stable.
    #[serde(deserialize_with = "number_or_false")]
    pub max_uncertainty_increase: Option<f64>,
    /// The greatest share of compared rows on which the canary's answer differs from that of stable.
    #[serde(deserialize_with = "number_or_false")]
    pub max_disagreement: Option<f64>,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            min_requests: 500,
            max_error_increase: Some(0.005),
            max_p99_ratio: Some(1.25),
            max_uncertainty_increase: Some(0.05),
            max_disagreement: Some(0.20),
        }
    }
}

impl GuardLimits {
    /// The limits that are out of range, by their keys in model.toml.
    pub fn errors(&self) -> Vec<SettingError> {
        let shares = [
            ("canary.guard.max_error_increase", self.max_error_increase),
            ("canary.guard.max_uncertainty_increase", self.max_uncertainty_increase),
            ("canary.guard.max_disagreement", self.max_disagreement),
        ];
        let requests = SettingError::out_of_range(
            "canary.guard.min_requests",
            self.min_requests,
            &(1..=1_000_000_000),
            "with 0, a canary would be promoted unseen",
        );
        let shares = shares.into_iter().filter_map(|(key, limit)| {
            SettingError::out_of_range(key, limit?, &(0.0..=1.0), "it is a share of 1; false switches the limit off")
        });
        let ratio = self.max_p99_ratio.and_then(|ratio| {
            SettingError::out_of_range(
                "canary.guard.max_p99_ratio",
                ratio,
                &(1.0..=1000.0),
                "1 is as fast as stable; false switches the limit off",
            )
        });
        requests.into_iter().chain(shares).chain(ratio).collect()
    }
}

fn number_or_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(LimitVisitor)
}

struct LimitVisitor;

impl de::Visitor<'_> for LimitVisitor {
    type Value = Option<f64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or false to switch the limit off")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_value(de::Unexpected::Bool(true), &self)) } else { Ok(None) }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_defaults() {
        let read = |text: &str| toml::from_str::<GuardLimits>(text);
        assert_eq!(read(""), Ok(GuardLimits::default()));
        let some = read("min_requests = 50\nmax_p99_ratio = 2\nmax_disagreement = false");
        let expected = GuardLimits {
            min_requests: 50,
            max_p99_ratio: Some(2.0),
            max_disagreement: None,
            ..GuardLimits::default()
        };
        assert_eq!(some, Ok(expected));
        for (text, phrase) in [
            ("max_p99_ratio = true", "a number, or false"),
            ("max_p99_ratio = \"off\"", "a number, or false"),
            ("max_latency = 1", "unknown field"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(phrase), "{text}: {error}");
        }
    }

    #[test]
    fn limits_out_of_range_are_all_named() {
        assert_eq!(GuardLimits::default().errors(), []);
        let wrong = GuardLimits {
            min_requests: 0,
            max_error_increase: Some(-0.1),
            max_p99_ratio: Some(0.9),
            max_uncertainty_increase: Some(f64::NAN),
            max_disagreement: Some(20.0),
        };
        let keys: Vec<&str> = wrong.errors().iter().map(|error| error.key).collect();
        let expected =
            ["min_requests", "max_error_increase", "max_uncertainty_increase", "max_disagreement", "max_p99_ratio"];
        assert_eq!(keys, expected.map(|key| format!("canary.guard.{key}")));
    }
}

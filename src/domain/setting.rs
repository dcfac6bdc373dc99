//! Validation errors of settings, as reported by the module that owns the setting.

use std::{fmt::Display, ops::RangeInclusive};

/// Maximum duration of a setting in milliseconds: one day. Keeps deadlines within the range of the clock.
pub const MAX_WAIT_MS: u64 = 86_400_000;

/// Maximum number of threads per pool.
pub const MAX_THREADS: usize = 1024;

/// An invalid setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// The key within the module's table, such as `cors.origins`.
    pub key: &'static str,
    /// What is expected and what was found, phrased to follow the key: `must be from 1 to 10, found 0`.
    pub reason: String,
}

impl SettingError {
    /// Creates an error for `key`.
    pub fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }

    /// Checks a number against its range; `None` if it is inside. `because` states the consequence of the value.
    pub fn out_of_range<N>(key: &'static str, value: N, range: &RangeInclusive<N>, because: &str) -> Option<Self>
    where
        N: Copy + PartialOrd + Display,
    {
        let (least, most) = (range.start(), range.end());
        (!range.contains(&value))
            .then(|| Self::new(key, format!("must be from {least} to {most}, found {value}: {because}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_of_its_range_is_told_with_the_range() {
        assert_eq!(SettingError::out_of_range("port", 1, &(1..=2), "nothing"), None);
        assert_eq!(SettingError::out_of_range("port", 2, &(1..=2), "nothing"), None);
        for wrong in [0, 3] {
            let fault = SettingError::out_of_range("port", wrong, &(1..=2), "nothing would listen").expect("a fault");
            assert_eq!(fault.reason, format!("must be from 1 to 2, found {wrong}: nothing would listen"));
        }
    }
}

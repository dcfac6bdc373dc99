//! What can be wrong with the value of a setting, as the module that owns the setting says it.

use std::{fmt::Display, ops::RangeInclusive};

/// The longest time that a setting may ask for, in milliseconds: a day. Deadlines stay points in time that a clock has.
pub const MAX_WAIT_MS: u64 = 86_400_000;

/// The most threads of one kind.
pub const MAX_THREADS: usize = 1024;

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// The key inside the module's own table, such as `cors.origins`.
    pub key: &'static str,
    /// What would be right and what was found, to be read after the key: `must be from 1 to 10, found 0`.
    pub reason: String,
}

impl SettingError {
    /// A fault of `key`.
    pub fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }

    /// A number outside of its range; `None` where it lies inside. `because` says what the number would lead to.
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

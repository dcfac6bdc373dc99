//! A JSON number as written: integers stay exact, other numbers are doubles. Comparisons between the two are exact.

use std::{cmp::Ordering, fmt};

/// A number from a JSON text.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A non-negative integer.
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// A number with a fraction or exponent, or an integer beyond 64 bits.
    Float(f64),
}

/// Integers up to 2^53 are exact in a double.
pub const MAX_EXACT: u64 = 1 << 53;

impl Number {
    /// Converts to a double, rounding to nearest.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Unsigned(value) => value as f64,
            Self::Negative(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Whether the value is an integer; `1.0` and `1e3` are, as in JSON Schema.
    pub fn is_whole(self) -> bool {
        match self {
            Self::Unsigned(_) | Self::Negative(_) => true,
            Self::Float(value) => value.fract() == 0.0,
        }
    }

    /// The exact integer value, if there is one. `None` for floats beyond 2^53, because parsing may have rounded them.
    #[expect(clippy::cast_possible_truncation, reason = "guarded by the bound of 2^53")]
    pub fn as_whole(self) -> Option<i128> {
        match self {
            Self::Unsigned(value) => Some(value.into()),
            Self::Negative(value) => Some(value.into()),
            Self::Float(value) if value.fract() == 0.0 && value.abs() <= MAX_EXACT as f64 => Some(value as i128),
            Self::Float(_) => None,
        }
    }

    /// Compares two numbers by their exact values, without rounding.
    #[inline]
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            // JSON has no NaN, so two doubles are always comparable; 0.0 equals -0.0.
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            (Self::Unsigned(left), Self::Unsigned(right)) => left.cmp(&right),
            (Self::Negative(left), Self::Negative(right)) => left.cmp(&right),
            (Self::Negative(_), Self::Unsigned(_)) => Ordering::Less,
            (Self::Unsigned(_), Self::Negative(_)) => Ordering::Greater,
            (Self::Float(left), right) => compare_whole(right.exact(), left).reverse(),
            (left, Self::Float(right)) => compare_whole(left.exact(), right),
        }
    }

    /// Whether the number is a multiple of `divisor`, which must not be 0.
    pub fn is_multiple_of(self, divisor: u64) -> bool {
        match self {
            Self::Unsigned(value) => value % divisor == 0,
            Self::Negative(value) => value.unsigned_abs() % divisor == 0,
            Self::Float(value) => value % (divisor as f64) == 0.0,
        }
    }

    fn exact(self) -> i128 {
        match self {
            Self::Unsigned(value) => value.into(),
            Self::Negative(value) => value.into(),
            Self::Float(_) => 0,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a double within the range of 64 bits is floored first")]
fn compare_whole(whole: i128, float: f64) -> Ordering {
    // 2^65 exceeds every integer variant of `Number`.
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float <= -BEYOND {
        return Ordering::Greater;
    }
    let floor = float.floor();
    whole.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => value.fmt(formatter),
            Self::Negative(value) => value.fmt(formatter),
            Self::Float(value) => write!(formatter, "{value:?}"),
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Negative(value), Self::Unsigned)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl serde::Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Unsigned(value) => serializer.serialize_u64(value),
            Self::Negative(value) => serializer.serialize_i64(value),
            Self::Float(value) => serializer.serialize_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_exact() {
        let cases = [
            (Number::from(1_u64), Number::from(1.0), Ordering::Equal),
            (Number::from(0.0), Number::from(-0.0), Ordering::Equal),
            (Number::from((1_u64 << 53) + 1), Number::from(9_007_199_254_740_992.0), Ordering::Greater),
            (Number::from(u64::MAX), Number::from(18_446_744_073_709_551_616.0), Ordering::Less),
            (Number::from(i64::MIN), Number::from(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (Number::from(-3_i64), Number::from(-2.5), Ordering::Less),
            (Number::from(-2_i64), Number::from(-2.5), Ordering::Greater),
            (Number::from(-1_i64), Number::from(0_u64), Ordering::Less),
            (Number::from(5_u64), Number::from(1e300), Ordering::Less),
            (Number::from(5_u64), Number::from(-1e300), Ordering::Greater),
        ];
        for (left, right, expected) in cases {
            assert_eq!(left.compare(right), expected, "{left} and {right}");
            assert_eq!(right.compare(left), expected.reverse(), "{right} and {left}");
        }
    }

    #[test]
    fn whole_values_are_exact_or_none() {
        assert_eq!(Number::from(1e3).as_whole(), Some(1000));
        assert_eq!(Number::from(u64::MAX).as_whole(), Some(i128::from(u64::MAX)));
        assert_eq!(Number::from(0.5).as_whole(), None);
        assert_eq!(Number::from(1e17).as_whole(), None);
    }
}

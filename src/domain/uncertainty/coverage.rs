//! A coverage level in parts per million, and the rank of its conformal quantile. Uses integers throughout: in floating
//! point, `0.9 × 10` may exceed 9.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const MILLION: u32 = 1_000_000;

/// The probability with which a set or interval should contain the truth, between 0 and 1 exclusive, in parts per
/// million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coverage(u32);

impl Coverage {
    /// The levels for which every calibration has quantiles.
    pub const GRID: [Self; 9] = [
        Self(500_000),
        Self(600_000),
        Self(700_000),
        Self(800_000),
        Self(850_000),
        Self(900_000),
        Self(950_000),
        Self(975_000),
        Self(990_000),
    ];

    /// The default level.
    pub const DEFAULT: Self = Self(900_000);

    /// Creates a level between 0 and 1 exclusive with at most six decimals; `None` for any other number.
    pub fn new(level: f64) -> Option<Self> {
        let parts = (level * f64::from(MILLION)).round();
        let exact = parts > 0.0 && parts < f64::from(MILLION) && (parts / f64::from(MILLION) - level).abs() < 1e-12;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and a million")]
        exact.then_some(Self(parts as u32))
    }

    /// The level as a number between 0 and 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(MILLION)
    }

    /// The rank, from 1, of the conformal quantile among `rows` scores: `⌈(n + 1)(1 − α)⌉`. `None` if it exceeds
    /// `rows`, so that the score of a further row has no bound (Vovk, Gammerman, Shafer 2005).
    pub fn rank(self, rows: usize) -> Option<usize> {
        let rank = ((rows as u128 + 1) * u128::from(self.0)).div_ceil(u128::from(MILLION));
        usize::try_from(rank).ok().filter(|rank| *rank <= rows)
    }

    /// Minimum number of rows for a finite quantile: 9 for 0.9, 19 for 0.95, 99 for 0.99.
    pub fn rows_needed(self) -> usize {
        self.0.div_ceil(MILLION - self.0) as usize
    }

    /// The grid levels as a list, for messages.
    pub fn grid_text() -> String {
        Self::GRID.map(|level| level.as_f64().to_string()).join(", ")
    }
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Coverage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = f64::deserialize(deserializer)?;
        Self::new(level).ok_or_else(|| {
            D::Error::custom(format!("a coverage must be between 0 and 1, with at most six decimals; found {level}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_in_whole_numbers() {
        let level = |level| Coverage::new(level).expect("a level");
        // For 0.9 and n = 9 the rank is 9, and not 10 by a rounding error.
        for (coverage, rows, rank) in [
            (0.9, 9, Some(9)),
            (0.9, 8, None),
            (0.9, 10, Some(10)),
            (0.9, 99, Some(90)),
            (0.95, 19, Some(19)),
            (0.99, 99, Some(99)),
            (0.99, 98, None),
            (0.7, 9, Some(7)),
            (0.5, 1, Some(1)),
            (0.5, 0, None),
        ] {
            assert_eq!(level(coverage).rank(rows), rank, "{coverage} of {rows}");
        }
        for coverage in Coverage::GRID {
            let needed = coverage.rows_needed();
            assert!(coverage.rank(needed).is_some() && coverage.rank(needed - 1).is_none(), "{coverage:?}");
        }
        assert_eq!([0.9, 0.95, 0.99].map(|coverage| level(coverage).rows_needed()), [9, 19, 99]);
    }

    #[test]
    fn only_levels_between_0_and_1_are_read() {
        for wrong in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY, 0.123_456_7] {
            assert_eq!(Coverage::new(wrong), None, "{wrong}");
        }
        assert_eq!(Coverage::new(0.123_456).map(Coverage::as_f64), Some(0.123_456));
    }
}

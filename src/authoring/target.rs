//! Interprets target cells as a class (by name, by number, or by true and false) or as a number, and computes the R² of
//! numeric predictions.

use crate::{
    dataset::{Cell, ParsedText},
    domain::json::JsonValue,
};

/// How the table encodes a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassEncoding {
    /// By class name.
    Name,
    /// By class number, from 0; false and true are 0 and 1.
    Number,
}

/// Formats a target value as a class name; a whole number loses its fraction (`1.0` becomes `1`).
pub(super) fn class_name(value: &str) -> String {
    match value.trim().parse::<f64>() {
        Ok(number) if number.fract() == 0.0 => format!("{number:.0}"),
        _ => value.trim().to_owned(),
    }
}

/// Returns the index of the class that a target value denotes: by class name first, then by class number. True and false
/// match class names in any case; else they are the numbers 1 and 0.
pub(super) fn class_index(classes: &[String], value: &str) -> Option<(usize, ClassEncoding)> {
    let find = |value: &str| classes.iter().position(|name| name == value);
    let short = class_name(value);
    if let Some(index) = find(value).or_else(|| find(&short)) {
        return Some((index, ClassEncoding::Name));
    }
    let parsed = ParsedText::read(value);
    if let ParsedText::Boolean(_) = parsed
        && let Some(index) = classes.iter().position(|name| ParsedText::read(name) == parsed)
    {
        return Some((index, ClassEncoding::Name));
    }
    let index = match parsed {
        ParsedText::Boolean(flag) if classes.len() == 2 => Some(usize::from(flag)),
        _ => short.parse().ok(),
    };
    index.filter(|index| *index < classes.len()).map(|index| (index, ClassEncoding::Number))
}

/// Returns the full text of a cell; [`Cell::text`] truncates it.
pub(super) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Untyped(text) => text.trim().to_owned(),
        Cell::Value(value) => value.to_string(),
        Cell::Missing | Cell::Unsupported(_) => String::new(),
    }
}

/// Returns the number in a cell, or `None` if it is not a finite number.
pub(super) fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Untyped(text) => match ParsedText::read(text) {
            ParsedText::Integer(number) | ParsedText::Number(number) => Some(number.as_f64()),
            _ => None,
        },
        Cell::Value(JsonValue::Number(number)) => Some(number.as_f64()),
        _ => None,
    }
}

/// Returns the coefficient of determination (R²), 1 - residual / total sum of squares, of pairs of prediction and
/// truth; `None` if the truth does not vary.
pub(super) fn r_squared(pairs: &[(f64, f64)]) -> Option<f64> {
    let mean = pairs.iter().map(|(_, truth)| truth).sum::<f64>() / pairs.len().max(1) as f64;
    let total: f64 = pairs.iter().map(|(_, truth)| (truth - mean).powi(2)).sum();
    let residual: f64 = pairs.iter().map(|(value, truth)| (truth - value).powi(2)).sum();
    (total > 0.0).then(|| 1.0 - residual / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_its_name_else_its_number() {
        let named = ["no", "yes", "0"].map(str::to_owned);
        let two = ["stay", "churn"].map(str::to_owned);
        let flags = ["True", "False"].map(str::to_owned);
        let zero_one = ["0", "1"].map(str::to_owned);
        for (classes, value, expected) in [
            (named.as_slice(), "yes", Some((1, ClassEncoding::Name))),
            (&named, "1", Some((1, ClassEncoding::Number))),
            (&named, "1.0", Some((1, ClassEncoding::Number))),
            (&named, "0", Some((2, ClassEncoding::Name))),
            (&named, "0.0", Some((2, ClassEncoding::Name))),
            (&named, "3", None),
            (&named, "true", None),
            (&two, "True", Some((1, ClassEncoding::Number))),
            (&two, "false", Some((0, ClassEncoding::Number))),
            (&flags, "true", Some((0, ClassEncoding::Name))),
            (&flags, "FALSE", Some((1, ClassEncoding::Name))),
            (&zero_one, "true", Some((1, ClassEncoding::Number))),
            (&zero_one, "False", Some((0, ClassEncoding::Number))),
            (&two, "0.5", None),
            (&two, "", None),
            (&two, "-1", None),
        ] {
            assert_eq!(class_index(classes, value), expected, "{value}");
        }
        assert_eq!((class_name("1.0"), class_name(" a ")), ("1".to_owned(), "a".to_owned()));
        assert_eq!(number(&Cell::Untyped("1e999".to_owned())), None);
    }

    #[test]
    fn shares_of_variance() {
        assert_eq!(r_squared(&[(1.0, 1.0), (3.0, 3.0)]), Some(1.0));
        assert_eq!(r_squared(&[(2.0, 1.0), (2.0, 3.0)]), Some(0.0));
        assert_eq!(r_squared(&[(2.0, 2.0), (1.0, 2.0)]), None);
    }
}

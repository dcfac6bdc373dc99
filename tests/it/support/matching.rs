//! Comparisons looser than equality: JSON with a tolerance, and text with wildcards.

use serde_json::Value;

/// Whether `found` contains `expected`: objects may have more members, and floats may differ by 1e-6 times the greater
/// of 1 and their magnitude. Integers must be equal.
pub(crate) fn json_contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|other| json_contains(other, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| json_contains(found, expected))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let (left, right) = (left.as_f64().expect("a number"), right.as_f64().expect("a number"));
            (left - right).abs() <= 1e-6 * right.abs().max(1.0)
        }
        (found, expected) => found == expected,
    }
}

/// Whether a text matches a pattern, in which `…` stands for any text.
pub(crate) fn matches_pattern(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

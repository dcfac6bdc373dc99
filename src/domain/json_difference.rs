//! The differences of two JSON values, for people to review.

use super::{json::JsonValue, violation::escape_pointer};

/// A place in which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<'a> {
    /// The place, as a JSON Pointer.
    pub pointer: String,
    /// The old value; `None` if it was added.
    pub old: Option<&'a JsonValue>,
    /// The new value; `None` if it was removed.
    pub new: Option<&'a JsonValue>,
}

/// Lists the differences. Members that moved within an object do not differ.
pub fn differences<'a>(old: &'a JsonValue, new: &'a JsonValue) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut found);
    found
}

fn compare<'a>(
    pointer: String,
    old: Option<&'a JsonValue>,
    new: Option<&'a JsonValue>,
    found: &mut Vec<Difference<'a>>,
) {
    match (old, new) {
        (Some(before @ JsonValue::Object(members)), Some(after @ JsonValue::Object(others))) => {
            let added = others.iter().filter(|(name, _)| before.get(name).is_none());
            for (name, _) in members.iter().chain(added) {
                compare(format!("{pointer}/{}", escape_pointer(name)), before.get(name), after.get(name), found);
            }
        }
        (Some(JsonValue::List(before)), Some(JsonValue::List(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(format!("{pointer}/{index}"), Some(before), Some(after), found);
            }
        }
        _ if old == new => {}
        _ => found.push(Difference { pointer, old, new }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_has_its_place() {
        let read = |text: &str| serde_json::from_str::<JsonValue>(text).expect("JSON");
        let old =
            read(r#"{"a/b": {"type": "number"}, "list": [1, 2], "grown": [1], "gone": true, "same": {"x": null}}"#);
        let new =
            read(r#"{"same": {"x": null}, "a/b": {"type": "integer"}, "list": [1, 3], "grown": [1, 2], "new": {}}"#);
        let found: Vec<(String, bool, bool)> = differences(&old, &new)
            .into_iter()
            .map(|difference| (difference.pointer, difference.old.is_some(), difference.new.is_some()))
            .collect();
        let expected = [
            ("/a~1b/type", true, true),
            ("/list/1", true, true),
            ("/grown", true, true),
            ("/gone", true, false),
            ("/new", false, true),
        ];
        assert_eq!(found, expected.map(|(place, old, new)| (place.to_owned(), old, new)));
        assert!(differences(&old, &old).is_empty());
    }
}

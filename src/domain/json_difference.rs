//! The differences of two JSON values, for people to review.

use super::{json::JsonValue, violation::escape_pointer};

/// Lists the differences: the place as a JSON Pointer, then the old and the new value. Members that moved within an object
/// do not differ.
pub fn differences(old: &JsonValue, new: &JsonValue) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(place: &str, old: &JsonValue, new: &JsonValue, found: &mut Vec<String>) {
    match (old, new) {
        (JsonValue::Object(before), JsonValue::Object(after)) => {
            for (name, value) in before {
                let place = format!("{place}/{}", escape_pointer(name));
                match new.get(name) {
                    Some(changed) => compare(&place, value, changed, found),
                    None => found.push(format!("{place}: {value} removed")),
                }
            }
            for (name, value) in after.iter().filter(|(name, _)| old.get(name).is_none()) {
                found.push(format!("{place}/{}: {value} added", escape_pointer(name)));
            }
        }
        (JsonValue::List(before), JsonValue::List(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{place}/{index}"), before, after, found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{place}: {old} -> {new}")),
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
        assert_eq!(
            differences(&old, &new),
            [
                r#"/a~1b/type: "number" -> "integer""#,
                "/list/1: 2 -> 3",
                "/grown: [1] -> [1,2]",
                "/gone: true removed",
                "/new: {} added",
            ]
        );
        assert!(differences(&old, &old).is_empty());
    }
}

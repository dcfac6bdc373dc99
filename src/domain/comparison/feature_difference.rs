//! The changes of one feature that both contracts have.

use super::contract_change::{ChangeKind, ContractChange};
use crate::domain::{
    contract::{AdmittedValues, Dimension, Feature, Limit},
    json::JsonValue,
    text::truncate,
};

/// The maximum number of values that one sentence lists.
const MAX_LISTED: usize = 8;

/// Lists the changes of a feature.
pub(super) fn feature_changes(old: &Feature, new: &Feature) -> Vec<ContractChange> {
    let (before, after) = (old.admitted_values(), new.admitted_values());
    let name = old.name.as_str();
    let mut changes = Vec::new();
    changes.extend(types(name, &before, &after));
    changes.extend(arrays(name, &old.dimensions, &new.dimensions));
    changes.extend(range(name, &before, &after));
    changes.extend(choices(name, before.choices.as_deref(), after.choices.as_deref()));
    changes.extend(formats(name, &before, &after));
    changes.extend(requirement(old, new));
    if old.unit != new.unit {
        let unit = |unit: &Option<String>| unit.clone().unwrap_or_else(|| "none".to_owned());
        changes.push(match &old.unit {
            Some(before) => {
                let detail = format!("unit {}, was {before}: a value means something else", unit(&new.unit));
                ContractChange::breaking(name, ChangeKind::Unit, detail)
            }
            // To name the unit of a feature that had none changes no value.
            None => {
                ContractChange::compatible(name, ChangeKind::Unit, format!("unit {}, it had none", unit(&new.unit)))
            }
        });
    }
    if before.null && after.null && before.null_becomes != after.null_becomes {
        let text = |values: &AdmittedValues| values.null_becomes.unwrap_or("nothing");
        let detail = format!("null becomes {}, was {}", text(&after), text(&before));
        changes.push(ContractChange::compatible(name, ChangeKind::Default, detail));
    }
    if before.default != after.default {
        let text = |value: &Option<JsonValue>| value.as_ref().map_or_else(|| "none".to_owned(), shown);
        let detail = format!("default {}, was {}", text(&after.default), text(&before.default));
        changes.push(ContractChange::compatible(name, ChangeKind::Default, detail));
    }
    if before.expected != after.expected {
        let text = |expected: &Option<String>| expected.clone().unwrap_or_else(|| "any value".to_owned());
        let detail =
            format!("expected {}, was {}: other values cause a warning", text(&after.expected), text(&before.expected));
        changes.push(ContractChange::compatible(name, ChangeKind::Expected, detail));
    }
    if old.sensitive != new.sensitive {
        let detail = if new.sensitive { "its values are no longer shown" } else { "its values may be shown" };
        changes.push(ContractChange::compatible(name, ChangeKind::Sensitive, detail));
    }
    changes
}

/// Compares types. A number admits every integer.
fn types(name: &str, old: &AdmittedValues, new: &AdmittedValues) -> Option<ContractChange> {
    if old.types == new.types && old.null == new.null {
        return None;
    }
    let admitted =
        |kind: &&'static str| new.types.contains(kind) || (*kind == "integer" && new.types.contains(&"number"));
    let lost = old.types.iter().any(|kind| !admitted(kind)) || (old.null && !new.null);
    let text = |of: &AdmittedValues| {
        let null = of.null.then_some("null");
        of.types.iter().copied().chain(null).collect::<Vec<_>>().join(" or ")
    };
    let detail = format!("{}, was {}", text(new), text(old));
    Some(ContractChange::new(lost, name, ChangeKind::Types, detail))
}

/// Compares the levels of arrays: other nesting, fewer or more elements.
fn arrays(name: &str, old: &[Dimension], new: &[Dimension]) -> Option<ContractChange> {
    if old == new {
        return None;
    }
    let text = |levels: &[Dimension]| {
        let level = |level: &Dimension| match level.max {
            Some(max) if max == level.min => max.to_string(),
            Some(max) => format!("{} to {max}", level.min),
            None => format!("{} or more", level.min),
        };
        let lengths: Vec<String> = levels.iter().map(level).collect();
        if lengths.is_empty() { "no array".to_owned() } else { format!("an array of {}", lengths.join(" by ")) }
    };
    let holds = |(before, after): (&Dimension, &Dimension)| {
        after.min <= before.min && after.max.is_none_or(|max| before.max.is_some_and(|before| before <= max))
    };
    let wider = old.len() == new.len() && old.iter().zip(new).all(holds);
    Some(ContractChange::new(!wider, name, ChangeKind::Types, format!("{}, was {}", text(new), text(old))))
}

fn range(name: &str, old: &AdmittedValues, new: &AdmittedValues) -> Option<ContractChange> {
    if old.minimum == new.minimum && old.maximum == new.maximum {
        return None;
    }
    let tighter = |before: Option<Limit>, after: Option<Limit>, lower: bool| {
        after.is_some_and(|after| before.is_none_or(|before| after.is_tighter(before, lower)))
    };
    let narrowed = tighter(old.minimum, new.minimum, true) || tighter(old.maximum, new.maximum, false);
    let word = if narrowed { "narrowed" } else { "widened" };
    let detail = format!("range {word} to {}, was {}", range_text(new), range_text(old));
    Some(ContractChange::new(narrowed, name, ChangeKind::Range, detail))
}

fn range_text(of: &AdmittedValues) -> String {
    let lower = of.minimum.map(|limit| format!("{} {}", if limit.exclusive { ">" } else { "≥" }, limit.value));
    let upper = of.maximum.map(|limit| format!("{} {}", if limit.exclusive { "<" } else { "≤" }, limit.value));
    let ends: Vec<String> = lower.into_iter().chain(upper).collect();
    if ends.is_empty() { "any".to_owned() } else { ends.join(", ") }
}

fn choices(name: &str, old: Option<&[JsonValue]>, new: Option<&[JsonValue]>) -> Option<ContractChange> {
    let change =
        |breaking: bool, detail: String| Some(ContractChange::new(breaking, name, ChangeKind::Choices, detail));
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => change(true, format!("must be one of {}; any value was accepted", list(new.iter()))),
        (Some(old), None) => change(false, format!("any value is accepted, was one of {}", list(old.iter()))),
        (Some(old), Some(new)) => {
            let gone: Vec<&JsonValue> = old.iter().filter(|value| !new.contains(value)).collect();
            let more: Vec<&JsonValue> = new.iter().filter(|value| !old.contains(value)).collect();
            let refused = (!gone.is_empty()).then(|| format!("no longer accepts {}", list(gone.iter().copied())));
            let accepted = (!more.is_empty()).then(|| format!("also accepts {}", list(more.iter().copied())));
            let detail: Vec<String> = refused.into_iter().chain(accepted).collect();
            if detail.is_empty() { None } else { change(!gone.is_empty(), detail.join("; ")) }
        }
    }
}

fn list<'a>(values: impl ExactSizeIterator<Item = &'a JsonValue>) -> String {
    let count = values.len();
    let listed: Vec<String> = values.take(MAX_LISTED).map(shown).collect();
    let more = if count > MAX_LISTED { format!(" and {} others", count - MAX_LISTED) } else { String::new() };
    listed.join(", ") + &more
}

fn shown(value: &JsonValue) -> String {
    truncate(&value.to_string()).into_owned()
}

/// Compares lengths, the pattern and the multiple.
fn formats(name: &str, old: &AdmittedValues, new: &AdmittedValues) -> Vec<ContractChange> {
    let mut changes = Vec::new();
    let mut add = |breaking: bool, detail: String| {
        changes.push(ContractChange::new(breaking, name, ChangeKind::Format, detail));
    };
    if old.lengths != new.lengths {
        let ((least, most), (new_least, new_most)) = (old.lengths, new.lengths);
        let narrowed =
            new_least.unwrap_or(0) > least.unwrap_or(0) || new_most.unwrap_or(usize::MAX) < most.unwrap_or(usize::MAX);
        let text = |(least, most): (Option<usize>, Option<usize>)| {
            let most = most.map_or_else(|| "any number".to_owned(), |most| most.to_string());
            format!("{} to {most}", least.unwrap_or(0))
        };
        add(narrowed, format!("{} characters, was {}", text(new.lengths), text(old.lengths)));
    }
    if old.pattern != new.pattern {
        let text = |pattern: &Option<String>| {
            pattern.as_ref().map_or_else(|| "none".to_owned(), |text| truncate(text).into_owned())
        };
        add(new.pattern.is_some(), format!("pattern {}, was {}", text(&new.pattern), text(&old.pattern)));
    }
    if old.multiple_of != new.multiple_of {
        let text = |of: Option<u64>| of.map_or_else(|| "any".to_owned(), |step| step.to_string());
        let divides = |step: u64| old.multiple_of.is_some_and(|before| before % step == 0);
        let narrowed = new.multiple_of.is_some_and(|step| !divides(step));
        add(narrowed, format!("multiple of {}, was {}", text(new.multiple_of), text(old.multiple_of)));
    }
    changes
}

fn requirement(old: &Feature, new: &Feature) -> Option<ContractChange> {
    match (old.required, new.required) {
        (false, true) => Some(ContractChange::breaking(
            &old.name,
            ChangeKind::Required,
            "required, was optional: a request without it is refused",
        )),
        (true, false) => Some(ContractChange::compatible(&old.name, ChangeKind::Required, "optional, was required")),
        _ => None,
    }
}

//! Generates contracts with matching graphs, and instances near the edges of each contract.
//!
//! An instance consists of the witnesses of all rules, with a few edits.

use candor::domain::{
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select, subsequence},
};
use serde_json::{Map, Value, json};

use super::rule::{Rule, booleans, numbers, parsed, texts, with_types};

/// Names that need escaping in pointers, in JSON or in searches.
const NAMES: &[&str] = &["a", "b", "a/b", "c~d", "é", "two words", "features", "", "𝒳", "~1", "0"];

/// Names that are in no contract.
const STRANGERS: &[&str] = &["A", "aa", "z/~", "feature", "😀", "~0", "00"];

/// A rule, and the dimensions of an instance of it; empty for a scalar.
type Shaped = (Rule, Vec<Option<usize>>);

/// One property of a contract.
#[derive(Debug, Clone)]
struct Property {
    name: &'static str,
    rule: Rule,
    dimensions: Vec<Option<usize>>,
    required: bool,
}

/// A contract, its graph, and the material for instances.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) document: String,
    pub(super) signature: Signature,
    properties: Vec<Property>,
}

/// The edits to the witnesses.
#[derive(Debug, Clone)]
pub(super) struct Edits {
    changes: Vec<(Index, Index)>,
    removed: Option<Index>,
    stranger: Option<&'static str>,
    first: Index,
    reversed: bool,
}

impl Edits {
    /// The same changes with exactly the contract's features.
    pub(super) fn without_gaps(&self) -> Self {
        Self { removed: None, stranger: None, ..self.clone() }
    }

    /// The same members in reverse order.
    pub(super) fn reversed(&self) -> Self {
        Self { reversed: !self.reversed, ..self.clone() }
    }
}

impl Case {
    /// A handwritten contract, whose only feature feeds doubles to a tensor `t` with this many open dimensions.
    pub(super) fn plain(document: String, dimensions: usize) -> Self {
        let input = TensorSpec { name: "t".into(), element: ElementType::F64, shape: vec![None; dimensions] };
        Self { document, signature: Signature { inputs: vec![input], outputs: Vec::new() }, properties: Vec::new() }
    }

    fn values(&self, edits: &Edits) -> Vec<(&'static str, String)> {
        let mut values: Vec<_> =
            self.properties.iter().map(|property| (property.name, property.rule.witness.clone())).collect();
        for (property, value) in &edits.changes {
            let property = property.index(self.properties.len());
            values[property].1.clone_from(value.get(&self.properties[property].rule.near));
        }
        if let Some(removed) = edits.removed {
            values.remove(removed.index(values.len()));
        }
        values.extend(edits.stranger.map(|name| (name, "[1, {}]".to_owned())));
        let first = edits.first.index(values.len().max(1));
        values.rotate_left(first);
        if edits.reversed {
            values.reverse();
        }
        values
    }

    /// The features by name.
    pub(super) fn instance(&self, edits: &Edits) -> String {
        let members: Vec<String> =
            self.values(edits).into_iter().map(|(name, value)| format!("{}: {value}", json!(name))).collect();
        format!("{{{}}}", members.join(", "))
    }

    /// The features by position, in the given order of names.
    pub(super) fn positional(&self, edits: &Edits, order: &[&str]) -> String {
        let values = self.values(edits);
        let find = |name: &&str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        format!("[{}]", order.iter().filter_map(find).collect::<Vec<_>>().join(", "))
    }
}

/// Wraps a rule into arrays, innermost first; only the outermost may have an open length.
fn nested(items: Rule, sizes: &[usize], open: Option<(usize, usize)>, nullable: bool) -> Shaped {
    let mut rule = items;
    let mut dimensions = Vec::new();
    for (level, size) in sizes.iter().enumerate() {
        let outermost = level + 1 == sizes.len();
        let mut schema = with_types(if outermost && nullable { &["array", "null"] } else { &["array"] });
        let (least, most) = open
            .filter(|_| outermost)
            .map_or((*size, *size), |(below, above)| (size.saturating_sub(below), size + above));
        schema.insert("minItems".into(), json!(least));
        schema.insert("maxItems".into(), json!(most));
        schema.insert("items".into(), Value::Object(rule.schema.clone()));
        let list = |length: usize, last: &str| {
            let mut items = vec![rule.witness.as_str(); length];
            if let Some(item) = items.last_mut() {
                *item = last;
            }
            format!("[{}]", items.join(", "))
        };
        let mut near: Vec<String> = rule.near.iter().map(|item| list(*size, item)).collect();
        near.extend([least.saturating_sub(1), least, most, most + 1].map(|length| list(length, &rule.witness)));
        near.extend([rule.witness.clone(), format!("[{}]", list(*size, &rule.witness))]);
        near.extend(["null", "{}", "\"text\"", "[]", "1"].map(str::to_owned));
        dimensions.insert(0, Some(*size).filter(|_| least == most));
        rule = Rule { schema, element: rule.element, witness: list(*size, &rule.witness), near };
    }
    (rule, dimensions)
}

fn properties() -> impl Strategy<Value = Shaped> {
    let scalars = || prop_oneof![3 => numbers(), 1 => booleans(), 2 => texts()];
    let open = option::of((0..2_usize, 0..3_usize));
    let arrays = (scalars(), vec(1..4_usize, 1..=3), open, prop::bool::weighted(0.2)).prop_map(
        |(mut items, sizes, open, nullable)| {
            // Null in an array is NaN; tensors of other types cannot hold it, so compilation refuses such a contract.
            if items.nullable() && items.element != ElementType::F64 {
                items.schema.insert(
                    "type".into(),
                    json!(if items.element == ElementType::Text { "string" } else { "boolean" }),
                );
            }
            let inner_null = items.nullable();
            let (mut rule, dimensions) = nested(items, &sizes, open, nullable);
            if inner_null {
                rule.schema.insert("x-missing".into(), json!("nan"));
            }
            (rule, dimensions)
        },
    );
    prop_oneof![4 => scalars().prop_map(|rule| (rule, Vec::new())), 1 => arrays]
}

fn assemble(properties: Vec<Property>, closed: Option<bool>, together: bool) -> Case {
    let mut schemas = Map::new();
    let mut signature = Signature { inputs: Vec::new(), outputs: Vec::new() };
    let mut inputs: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, property) in properties.iter().enumerate() {
        schemas.insert(property.name.into(), Value::Object(property.rule.schema.clone()));
        let joins = together && property.rule.element == ElementType::F64 && property.dimensions.is_empty();
        let tensor = if joins { "numeric".to_owned() } else { format!("tensor {index}") };
        if let Some((_, names)) = inputs.iter_mut().find(|(name, _)| *name == tensor) {
            names.push(property.name);
            continue;
        }
        let shape =
            [None].into_iter().chain(property.dimensions.iter().copied()).chain(joins.then_some(None)).collect();
        signature.inputs.push(TensorSpec { name: tensor.clone(), element: property.rule.element, shape });
        inputs.push((tensor, vec![property.name]));
    }
    let value = TensorSpec { name: "value".into(), element: ElementType::F32, shape: vec![None, Some(1)] };
    signature.outputs.push(OutputSpec::Tensor(value));
    let inputs: Vec<Value> =
        inputs.into_iter().map(|(tensor, features)| json!({"tensor": tensor, "features": features})).collect();
    let required: Vec<&str> =
        properties.iter().filter(|property| property.required).map(|property| property.name).collect();
    let mut document = json!({
        "type": "object", "properties": schemas, "required": required, "x-inputs": inputs,
        "x-output": {"task": "regression", "value": {"tensor": "value"}},
    });
    if let Some(closed) = closed {
        document["additionalProperties"] = json!(!closed);
    }
    Case { document: document.to_string(), signature, properties }
}

/// Gives a feature the replacement that it needs if it can be null or left out.
fn complete(
    name: &'static str,
    (mut rule, dimensions): Shaped,
    (required, has_default, nan): (bool, bool, bool),
) -> Property {
    let nan = nan && rule.element == ElementType::F64 && dimensions.is_empty() && rule.nullable();
    if nan {
        rule.schema.insert("x-missing".into(), json!("nan"));
    }
    if has_default || !(nan || (required && !rule.nullable())) {
        rule.schema.insert("default".into(), parsed(&rule.witness));
    }
    Property { name, rule, dimensions, required }
}

/// Contracts of one to six properties.
pub(super) fn case() -> impl Strategy<Value = Case> {
    let named = (1..=6_usize)
        .prop_flat_map(|count| (subsequence(NAMES, count), vec((properties(), any::<(bool, bool, bool)>()), count)));
    (named, option::weighted(0.8, prop::bool::weighted(0.8)), any::<bool>()).prop_map(
        |((names, rules), closed, together)| {
            let properties = names.into_iter().zip(rules).map(|(name, (shaped, flags))| complete(name, shaped, flags));
            assemble(properties.collect(), closed, together)
        },
    )
}

/// Up to three changed values, and sometimes one member more or less.
pub(super) fn edits() -> impl Strategy<Value = Edits> {
    let any_index = any::<Index>;
    (
        vec((any_index(), any_index()), 0..=3),
        option::weighted(0.15, any_index()),
        option::weighted(0.1, select(STRANGERS)),
        any_index(),
        any::<bool>(),
    )
        .prop_map(|(changes, removed, stranger, first, reversed)| Edits {
            changes,
            removed,
            stranger,
            first,
            reversed,
        })
}

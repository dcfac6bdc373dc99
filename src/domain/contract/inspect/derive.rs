//! Derives a contract for a bare graph from its signature and its observed outputs, with notes on the limits of such a
//! contract.

use super::infer_output::{ObservedOutputs, has_label_and_scores, infer_output};
use crate::domain::{
    json::JsonValue,
    number::Number,
    signature::{Signature, TensorSpec},
    tensor::ElementType,
};

/// A derived contract.
#[derive(Debug, Clone)]
pub struct DerivedContract {
    /// The contract, in the format of contract.json.
    pub document: JsonValue,
    /// What was inferred and what is unknown, one sentence each, for the start-up log.
    pub notes: Vec<String>,
}

fn count(value: usize) -> JsonValue {
    JsonValue::Number(Number::Unsigned(value as u64))
}

/// Derives a contract. An input `[N, k]` yields k scalar features if it is the only input and does not hold texts; any
/// other input yields one feature of its shape. The inferred meaning of the outputs is checked against the observed
/// outputs.
pub fn derive(title: &str, signature: &Signature, observed: ObservedOutputs<'_>) -> DerivedContract {
    let rows = signature.fixed_rows().filter(|_| has_label_and_scores(signature));
    let signature = &rows.map_or_else(|| signature.clone(), |_| signature.with_open_rows());
    let mut properties = Vec::new();
    let mut inputs = Vec::new();
    let mut required = Vec::new();
    for spec in &signature.inputs {
        let mut names = Vec::new();
        for (name, schema) in features_of(spec, signature.inputs.len() == 1, observed.open_vectors) {
            names.push(JsonValue::Text(name.clone()));
            required.push(JsonValue::Text(name.clone()));
            properties.push((name, schema));
        }
        inputs.push(JsonValue::object(vec![
            ("tensor", JsonValue::text(&spec.name)),
            ("features", JsonValue::List(names)),
        ]));
    }
    let recognised = infer_output(signature, observed);
    let document = JsonValue::object(vec![
        ("$schema", JsonValue::text("https://json-schema.org/draft/2020-12/schema")),
        ("title", JsonValue::text(title)),
        ("description", JsonValue::text("Derived from the graph's signature alone: names, element types and shapes.")),
        ("type", JsonValue::text("object")),
        ("properties", JsonValue::Object(properties)),
        ("required", JsonValue::List(required)),
        ("additionalProperties", JsonValue::Bool(false)),
        ("x-inputs", JsonValue::List(inputs)),
        ("x-output", recognised.output),
    ]);
    let mut notes = recognised.notes;
    notes.extend(
        rows.map(|rows| format!("the graph takes exactly {rows} rows per run: runs with fewer rows are padded")),
    );
    notes.push(
        "without a contract.json there are no ranges, categories or units: a value in the wrong column or unit is not \
         detected"
            .to_owned(),
    );
    DerivedContract { document, notes }
}

fn features_of(spec: &TensorSpec, only: bool, open_vectors: bool) -> Vec<(String, JsonValue)> {
    let scalar = JsonValue::object(vec![("type", JsonValue::text(json_type(spec.element)))]);
    let shape = match spec.shape.as_slice() {
        [None] if open_vectors => &spec.shape,
        _ => spec.instance_shape(),
    };
    match shape {
        [] | [Some(1)] => vec![(spec.name.clone(), scalar)],
        [Some(columns)] if only && spec.element != ElementType::Text => {
            (0..*columns).map(|column| (format!("{}_{column}", spec.name), scalar.clone())).collect()
        }
        shape => {
            let array = shape.iter().rev().fold(scalar, |items, size| {
                let mut members = vec![("type", JsonValue::text("array")), ("items", items)];
                if let Some(size) = size {
                    members.extend([("minItems", count(*size)), ("maxItems", count(*size))]);
                }
                JsonValue::object(members)
            });
            vec![(spec.name.clone(), array)]
        }
    }
}

fn json_type(element: ElementType) -> &'static str {
    match element {
        ElementType::Bool => "boolean",
        ElementType::Text => "string",
        element if element.is_float() => "number",
        _ => "integer",
    }
}

//! A contract for a bare graph, from nothing but its signature, and what such a contract does not protect against.

use super::literal::Literal;
use crate::domain::{
    number::Number,
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
};

/// A derived contract.
#[derive(Debug, Clone)]
pub struct Derived {
    /// The contract, as contract.json would hold it.
    pub document: Literal,
    /// What was recognised and what is not known, a sentence each, for the start-up log.
    pub notes: Vec<String>,
}

fn object(members: Vec<(&str, Literal)>) -> Literal {
    Literal::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(value: &str) -> Literal {
    Literal::Text(value.to_owned())
}

fn count(value: usize) -> Literal {
    Literal::Number(Number::Unsigned(value as u64))
}

/// Derives a contract: a matrix `[N, k]` gives k scalar features, any other input one feature of its shape.
pub fn derive(title: &str, signature: &Signature) -> Derived {
    let mut properties = Vec::new();
    let mut inputs = Vec::new();
    let mut required = Vec::new();
    for spec in &signature.inputs {
        let mut names = Vec::new();
        for (name, schema) in features_of(spec, signature.inputs.len() == 1) {
            names.push(Literal::Text(name.clone()));
            required.push(Literal::Text(name.clone()));
            properties.push((name, schema));
        }
        inputs.push(object(vec![("tensor", text(&spec.name)), ("features", Literal::List(names))]));
    }
    let (output, recognised) = recognise(signature);
    let document = object(vec![
        ("$schema", text("https://json-schema.org/draft/2020-12/schema")),
        ("title", text(title)),
        ("description", text("Derived from the graph's signature alone: names, element types and shapes.")),
        ("type", text("object")),
        ("properties", Literal::Object(properties)),
        ("required", Literal::List(required)),
        ("additionalProperties", Literal::Bool(false)),
        ("x-inputs", Literal::List(inputs)),
        ("x-output", output),
    ]);
    let notes = vec![
        recognised,
        "without a contract.json there are no ranges, categories or units: a value in the wrong column or the wrong unit is answered like any other".to_owned(),
    ];
    Derived { document, notes }
}

fn features_of(spec: &TensorSpec, only: bool) -> Vec<(String, Literal)> {
    let scalar = object(vec![("type", text(json_type(spec.element)))]);
    match spec.instance_shape() {
        [] | [Some(1)] => vec![(spec.name.clone(), scalar)],
        [Some(columns)] if only && spec.element != ElementType::Text => {
            (0..*columns).map(|column| (format!("{}_{column}", spec.name), scalar.clone())).collect()
        }
        shape => {
            let array = shape.iter().rev().fold(scalar, |items, size| {
                let mut members = vec![("type", text("array")), ("items", items)];
                if let Some(size) = size {
                    members.extend([("minItems", count(*size)), ("maxItems", count(*size))]);
                }
                object(members)
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

/// What an output looks like, for guessing its role.
fn columns(spec: &OutputSpec) -> Option<usize> {
    match spec {
        OutputSpec::Tensor(TensorSpec { shape, .. }) if shape.len() == 2 => shape[1],
        OutputSpec::Tensor(TensorSpec { shape, .. }) if matches!(shape.as_slice(), [None | Some(1)]) => Some(1),
        OutputSpec::ZipMap { keys, .. } => Some(keys.len()).filter(|count| *count > 0),
        OutputSpec::Tensor(_) => None,
    }
}

fn recognise(signature: &Signature) -> (Literal, String) {
    let outputs = &signature.outputs;
    let label = outputs.iter().find(|spec| {
        matches!(spec, OutputSpec::Tensor(tensor) if tensor.element.is_integer() || tensor.element == ElementType::Text)
    });
    let zipmap = outputs.iter().find(|spec| matches!(spec, OutputSpec::ZipMap { .. }));
    let matrix =
        outputs.iter().find(|spec| spec.element().is_float() && columns(spec).is_some_and(|columns| columns > 1));
    if let (Some(label), Some(scores)) = (label, zipmap.or(matrix))
        && let Some(classes) = columns(scores)
    {
        let names: Vec<String> = match scores {
            OutputSpec::ZipMap { keys, .. } => keys.clone(),
            OutputSpec::Tensor(_) => (0..classes).map(|class| class.to_string()).collect(),
        };
        let note = format!(
            "output {scores} beside {label} was taken as the probabilities of the classes {}",
            names.join(", ")
        );
        let output = object(vec![
            ("task", text("classification")),
            ("classes", Literal::List(names.into_iter().map(Literal::Text).collect())),
            ("probabilities", object(vec![("tensor", text(scores.name()))])),
            ("label", object(vec![("tensor", text(label.name()))])),
        ]);
        return (output, note);
    }
    if let [single] = outputs.as_slice()
        && single.element().is_float()
        && columns(single) == Some(1)
    {
        let output =
            object(vec![("task", text("regression")), ("value", object(vec![("tensor", text(single.name()))]))]);
        return (output, format!("output {single} was taken as the value of a regression"));
    }
    let names: Vec<String> = outputs.iter().map(ToString::to_string).collect();
    (
        object(vec![("task", text("tensors"))]),
        format!("the outputs were not recognised and are passed on as they are: {}", names.join("; ")),
    )
}

//! The contract as tables: invalid contracts, rejected requests, the contents of tensors, contracts derived from raw
//! graphs, interpretation of outputs. No server, and no files except the bundled contracts.

mod coalition_inputs;
mod derived;
mod interpreted;
mod malformed;
mod outputs;
mod placement;
mod problems;
mod violations;

use candor::domain::{
    contract::{AdmitError, Admitted, Contract, ContractProblem, schema::compile},
    json::JsonValue,
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
    violation::Violations,
};
use serde_json::Value;

/// Parses a tensor as messages write it, `x float32[?, 3]`; `x zipmap[a, b]` is a `ZipMap` with its keys.
fn spec(text: &str) -> (TensorSpec, Option<Vec<String>>) {
    const ELEMENTS: [ElementType; 8] = [
        ElementType::F16,
        ElementType::F32,
        ElementType::F64,
        ElementType::I32,
        ElementType::I64,
        ElementType::U8,
        ElementType::Bool,
        ElementType::Text,
    ];
    let (name, rest) = text.split_once(' ').expect("a name and a type");
    let (kind, list) = rest.trim_end_matches(']').split_once('[').expect("dimensions in brackets");
    let items: Vec<&str> = list.split(", ").filter(|item| !item.is_empty()).collect();
    if kind == "zipmap" {
        let spec = TensorSpec { name: name.into(), element: ElementType::F32, shape: Vec::new() };
        return (spec, Some(items.into_iter().map(str::to_owned).collect()));
    }
    let element = ELEMENTS.into_iter().find(|element| element.as_str() == kind).expect("a known element type");
    (TensorSpec { name: name.into(), element, shape: items.iter().map(|size| size.parse().ok()).collect() }, None)
}

fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
    let output = |text: &&str| match spec(text) {
        (spec, None) => OutputSpec::Tensor(spec),
        (spec, Some(keys)) => OutputSpec::ZipMap { name: spec.name, element: spec.element, keys },
    };
    Signature {
        inputs: inputs.iter().map(|text| spec(text).0).collect(),
        outputs: outputs.iter().map(output).collect(),
    }
}

fn literal(document: &Value) -> JsonValue {
    serde_json::from_str(&document.to_string()).expect("a document is JSON")
}

fn problems(document: &Value, signature: &Signature) -> Vec<ContractProblem> {
    compile(&literal(document), signature).err().unwrap_or_default()
}

fn compiled(document: &Value, signature: &Signature) -> Contract {
    compile(&literal(document), signature).unwrap_or_else(|problems| panic!("{problems:#?}\n{document:#}"))
}

/// A contract with one feature `x`, which alone feeds the only input of the graph.
fn single(schema: &Value, input: &str) -> (Value, Signature) {
    let signature = signature(&[input], &["value float32[?, 1]"]);
    let document = serde_json::json!({
        "type": "object", "properties": {"x": schema}, "required": ["x"], "additionalProperties": false,
        "x-inputs": [{"tensor": signature.inputs[0].name, "features": ["x"]}],
        "x-output": {"task": "regression", "value": {"tensor": "value"}},
    });
    (document, signature)
}

/// Admits a whole body, as the server does: trailing data is an error.
fn admit(contract: &Contract, body: &[u8]) -> Result<Admitted, AdmitError<serde_json::Error>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let admitted = contract.admit(&mut deserializer);
    deserializer.end().map_err(AdmitError::Malformed)?;
    admitted
}

fn admitted(contract: &Contract, body: &str) -> Admitted {
    admit(contract, body.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal:?}\n{body}"))
}

fn refused(contract: &Contract, body: &str) -> Violations {
    match admit(contract, body.as_bytes()) {
        Err(AdmitError::Violations(violations)) => violations,
        other => panic!("{other:?}\n{body}"),
    }
}

/// Violations as text, one per line.
fn listed(violations: &Violations) -> String {
    let line = |violation: &candor::domain::violation::Violation| {
        format!("{} | {} | {}", violation.pointer, violation.code.as_str(), violation.detail)
    };
    violations.first_n().iter().map(line).collect::<Vec<_>>().join("\n")
}

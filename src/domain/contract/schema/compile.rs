//! Compiles contract.json and the graph's signature into a [`Contract`]. Collects all problems and reports them
//! together.

use std::collections::{HashMap, HashSet};

use super::{
    feature::{Dimension, Feature, NullHandling},
    keywords::{self, Position},
    read_output,
    schema_reader::{ContractProblem, SchemaNode},
};
use crate::domain::{
    contract::{Contract, InputPlan},
    json::JsonValue,
    signature::{Signature, TensorSpec},
    tensor::{Buffer, Inputs, Tensor},
    text::did_you_mean,
};

/// Compiles a contract for a graph.
///
/// # Errors
/// Returns every problem found: unknown keywords, features and tensors that do not fit each other, inputs fed twice or
/// never.
pub fn compile(document: &JsonValue, signature: &Signature) -> Result<Contract, Vec<ContractProblem>> {
    let problems = match compile_for(document, signature) {
        Ok(contract) => return Ok(contract),
        Err(problems) => problems,
    };
    // A fixed first dimension may be the batch size, so retry with that dimension open.
    let Some(rows) = signature.fixed_rows() else { return Err(problems) };
    let contract = compile_for(document, &signature.with_open_rows()).map_err(|_| problems)?;
    Ok(Contract { fixed_rows: Some(rows), ..contract })
}

fn compile_for(document: &JsonValue, signature: &Signature) -> Result<Contract, Vec<ContractProblem>> {
    let mut problems = Vec::new();
    let node = SchemaNode::root(document);
    if !matches!(document, JsonValue::Object(_)) {
        node.problem(&mut problems, format!("a contract is a JSON object, found {}", document.kind()));
        return Err(problems);
    }
    let mut full_validation_keywords: Vec<String> =
        keywords::classify_keywords(&node, Position::Instance, &mut problems).into_iter().map(str::to_owned).collect();
    if node.child("type").is_none_or(|kind| kind.as_text() != Some("object")) {
        problems.push(ContractProblem {
            pointer: "/type".into(),
            detail: "must be \"object\": a contract describes one instance".into(),
        });
    }
    let additional = node.child("additionalProperties").map(|node| node.value);
    if additional.is_some_and(|value| !matches!(value, JsonValue::Bool(_))) {
        full_validation_keywords.push("additionalProperties".into());
    }
    let mut features = read_inputs(&node, signature, &mut problems);
    apply_required(&node, &mut features, &mut problems);
    let coverage = read_output::read_coverage(&node, &mut problems);
    let output = read_output::read(&node, signature, &mut problems);
    full_validation_keywords.extend(features.iter().flat_map(|feature| feature.full_validation_keywords.clone()));
    let Some(output) = output.filter(|_| problems.is_empty()) else { return Err(problems) };
    full_validation_keywords.sort();
    full_validation_keywords.dedup();
    let by_name = features.iter().enumerate().map(|(index, feature)| (feature.name.clone(), index)).collect();
    let inputs = plan_inputs(signature, &features);
    let default_row = default_row(&inputs, &features);
    Ok(Contract {
        title: node.child("title").and_then(|title| title.as_text()).map(str::to_owned),
        description: node.child("description").and_then(|text| text.as_text()).map(str::to_owned),
        // An array feature that fills the first dimension too leaves no batch axis.
        batched: signature.is_batched() && inputs.iter().all(|input| input.leading == 1),
        fixed_rows: None,
        denies_additional: matches!(additional, Some(JsonValue::Bool(false))),
        none_given: vec![false; features.len()],
        features,
        by_name,
        inputs,
        default_row,
        output,
        coverage,
        full_validation_keywords,
    })
}

/// Reads `properties` in the order of `x-inputs` and assigns each feature its tensor and offset.
fn read_inputs(node: &SchemaNode<'_>, signature: &Signature, problems: &mut Vec<ContractProblem>) -> Vec<Feature> {
    let properties: Vec<(&str, SchemaNode<'_>)> = node.object("properties", problems).unwrap_or_default();
    let schemas: HashMap<&str, &SchemaNode<'_>> = properties.iter().map(|(name, schema)| (*name, schema)).collect();
    let Some(inputs) = node.list("x-inputs", problems) else {
        node.problem(problems, "x-inputs is missing: it defines which features feed which input tensor of the graph");
        return Vec::new();
    };
    let mut features: Vec<Feature> = Vec::new();
    let mut fed = HashSet::new();
    let mut used = HashSet::new();
    for input in inputs {
        input.deny_unknown(&["tensor", "features"], problems);
        let name = input.text("tensor", problems).unwrap_or_default();
        let listed = input.texts("features", problems).unwrap_or_default();
        let Some(tensor) = signature.inputs.iter().position(|spec| spec.name == name) else {
            let known = signature.inputs.iter().map(|spec| spec.name.as_str());
            input.problem(problems, format!("the graph has no input {name:?}{}", did_you_mean(name, known)));
            // Report only the wrong tensor name, not its features as well.
            used.extend(listed);
            continue;
        };
        if !fed.insert(tensor) {
            input.problem(problems, format!("the tensor {name:?} is fed twice"));
        }
        let mut group = Vec::new();
        for feature in listed {
            let Some(schema) = schemas.get(feature) else {
                input.problem(
                    problems,
                    format!("{feature:?} is not in properties{}", did_you_mean(feature, schemas.keys().copied())),
                );
                continue;
            };
            if !used.insert(feature) {
                input.problem(problems, format!("the feature {feature:?} is used twice"));
            }
            group.push((*schema, feature));
        }
        features.extend(assign_offsets(&input, &signature.inputs[tensor], tensor, &group, problems));
    }
    for (index, spec) in signature.inputs.iter().enumerate() {
        if !fed.contains(&index) {
            problems.push(ContractProblem {
                pointer: "/x-inputs".into(),
                detail: format!("nothing feeds the graph's input {spec}"),
            });
        }
    }
    for (name, schema) in &properties {
        if !used.contains(name) {
            schema
                .problem(problems, format!("the feature {name:?} feeds no tensor: name it in x-inputs, or remove it"));
        }
    }
    features
}

/// Assigns offsets to the features of one tensor, and reports if their number or shape does not fit it.
fn assign_offsets(
    input: &SchemaNode<'_>,
    spec: &TensorSpec,
    tensor: usize,
    group: &[(&SchemaNode<'_>, &str)],
    problems: &mut Vec<ContractProblem>,
) -> Vec<Feature> {
    let mut features: Vec<Feature> = Vec::with_capacity(group.len());
    for (schema, name) in group {
        let mut feature = Feature::read(schema, name, spec, problems);
        feature.tensor = tensor;
        feature.offset = features.len();
        features.push(feature);
    }
    match features.as_mut_slice() {
        [array] if !array.dimensions.is_empty() => check_array_shape(group[0].0, array, spec, problems),
        scalars if scalars.iter().all(|feature| feature.dimensions.is_empty()) => {
            let room = scalar_count(spec, scalars.len());
            if room != Some(scalars.len()) {
                let array = spec.instance_shape().len() > 1;
                let takes = match room {
                    Some(room) if array => format!("one array feature of its shape or {room} scalar features"),
                    Some(room) => format!("{room} scalar features"),
                    None => "one array feature of its shape".to_owned(),
                };
                input.problem(
                    problems,
                    format!(
                        "the tensor {spec} takes {takes}, but x-inputs gives it {} scalar feature{}",
                        scalars.len(),
                        if scalars.len() == 1 { "" } else { "s" },
                    ),
                );
            }
        }
        _ => {
            input.problem(
                problems,
                format!("the tensor {spec} takes either scalar features only, or a single array feature"),
            );
        }
    }
    for ((schema, _), feature) in group.iter().zip(&features) {
        feature.check_default(schema, spec.element, problems);
    }
    features
}

/// Returns the number of scalar features that a tensor takes, in row-major order: its elements per instance; any number
/// but zero for an open width. `None` if the number of elements is open in several dimensions.
fn scalar_count(spec: &TensorSpec, given: usize) -> Option<usize> {
    match spec.instance_shape() {
        [None] => Some(given.max(1)),
        shape => shape.iter().try_fold(1_usize, |count, size| count.checked_mul((*size)?)),
    }
}

/// Checks the lengths of an array feature against the tensor's dimensions, and sets those that the tensor fixes.
fn check_array_shape(
    schema: &SchemaNode<'_>,
    array: &mut Feature,
    spec: &TensorSpec,
    problems: &mut Vec<ContractProblem>,
) {
    let shape = shape_for(spec, array);
    if array.dimensions.len() != shape.len() {
        schema.problem(
            problems,
            format!(
                "an array of {} levels does not fit the tensor {spec}, which needs {}",
                array.dimensions.len(),
                shape.len()
            ),
        );
        return;
    }
    for (level, (dimension, size)) in array.dimensions.iter_mut().zip(shape).enumerate() {
        let Some(size) = *size else { continue };
        if size < dimension.min || dimension.max.is_some_and(|max| size > max) {
            schema.problem(
                problems,
                format!(
                    "level {level} allows {} to {} elements, but the tensor {spec} needs exactly {size}",
                    dimension.min,
                    dimension.max.map_or_else(|| "any number of".to_owned(), |max| max.to_string()),
                ),
            );
        }
        *dimension = Dimension { min: size, max: Some(size) };
    }
}

/// Returns the tensor dimensions that an array feature fills: those of one instance, or all of them if the array has as
/// many levels as the tensor has dimensions. The latter applies to a tensor whose open first dimension is a length, not
/// a batch axis.
fn shape_for<'s>(spec: &'s TensorSpec, array: &Feature) -> &'s [Option<usize>] {
    let whole = spec.has_batch_axis() && array.dimensions.len() == spec.shape.len();
    if whole { &spec.shape } else { spec.instance_shape() }
}

fn apply_required(node: &SchemaNode<'_>, features: &mut [Feature], problems: &mut Vec<ContractProblem>) {
    let required = node.texts("required", problems).unwrap_or_default();
    let properties = node.child("properties");
    for name in &required {
        match features.iter_mut().find(|feature| feature.name == *name) {
            Some(feature) => feature.required = true,
            // `read_inputs` has already reported that it feeds no tensor.
            None if properties.as_ref().is_some_and(|schemas| schemas.child(name).is_some()) => {}
            None => problems.push(ContractProblem {
                pointer: "/required".into(),
                detail: format!(
                    "{name:?} is not a feature{}",
                    did_you_mean(name, features.iter().map(|feature| feature.name.as_str()))
                ),
            }),
        }
    }
    for feature in features.iter().filter(|feature| !feature.required) {
        let has_default = feature.default.as_ref().is_some_and(|value| *value != JsonValue::Null);
        if !has_default && feature.null == NullHandling::Refused {
            problems.push(ContractProblem {
                pointer: "/required".into(),
                detail: format!(
                    "{:?} must be listed here, have a default, or allow null: otherwise it has no value when it is \
                     missing",
                    feature.name
                ),
            });
        }
    }
}

/// Plans how each input of the graph is filled.
fn plan_inputs(signature: &Signature, features: &[Feature]) -> Vec<InputPlan> {
    let plan = |(index, spec): (usize, &TensorSpec)| {
        let mine: Vec<&Feature> = features.iter().filter(|feature| feature.tensor == index).collect();
        let width = match mine.as_slice() {
            [array] if !array.dimensions.is_empty() => array.width(),
            scalars => Some(scalars.len()),
        };
        let shape = match mine.as_slice() {
            [array] if !array.dimensions.is_empty() => shape_for(spec, array),
            _ => spec.instance_shape(),
        };
        let leading = usize::from(shape.len() < spec.shape.len());
        let mut sizes = vec![1; leading];
        match mine.as_slice() {
            [array] if !array.dimensions.is_empty() => {
                sizes.extend(array.dimensions.iter().map(|dimension| dimension.min));
            }
            scalars => sizes.extend(shape.iter().map(|size| size.unwrap_or(scalars.len()))),
        }
        InputPlan { name: spec.name.clone(), element: spec.element, leading, shape: sizes, width }
    };
    signature.inputs.iter().enumerate().map(plan).collect()
}

/// Builds the inputs of an instance without any feature given: defaults and NaN where features have them, zeros
/// elsewhere.
fn default_row(inputs: &[InputPlan], features: &[Feature]) -> Inputs {
    let mut tensors: Vec<Tensor> = inputs
        .iter()
        .map(|input| Tensor {
            shape: input.shape.clone(),
            buffer: Buffer::zeros(input.element, input.width.unwrap_or(0)),
        })
        .collect();
    for feature in features {
        let tensor = &mut tensors[feature.tensor];
        match &feature.default {
            Some(value) if *value != JsonValue::Null => {
                let end = feature.write_default(value, &mut tensor.buffer, feature.offset, &mut Vec::new());
                if inputs[feature.tensor].width.is_none() {
                    set_shape(value, &mut tensor.shape[inputs[feature.tensor].leading..]);
                }
                debug_assert!(end <= tensor.buffer.len(), "a default was checked to fit");
            }
            _ if feature.null == NullHandling::Nan => {
                // Cannot fail: only features of floating-point tensors have `NullHandling::Nan`.
                let _ = tensor.buffer.put_nan(feature.offset);
            }
            _ => {}
        }
    }
    Inputs { tensors, rows: 1 }
}

fn set_shape(value: &JsonValue, shape: &mut [usize]) {
    if let (JsonValue::List(items), Some((first, rest))) = (value, shape.split_first_mut()) {
        *first = items.len();
        if let Some(item) = items.first() {
            set_shape(item, rest);
        }
    }
}

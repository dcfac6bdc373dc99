//! Plans the contract except for its output: which columns feed which input, and the schema of each feature.

use serde_json::{Map, Value, json};

use super::{
    inputs::{InputBinding, MatchedBy, assign_columns},
    options::{InitOptions, OpenCategories},
    schema::{self, ColumnOptions, Schema},
};
use crate::{
    authoring::error::DecisionError,
    dataset::{Column, ColumnInference},
    domain::{json::JsonValue, name::ModelName, signature::Signature},
};

/// The parts of the contract other than its output.
pub(super) struct PackagePlan {
    placed: Vec<InputBinding>,
    /// The features of each input: name and schema.
    features: Vec<Vec<(String, Schema)>>,
    pub(super) notes: Vec<String>,
}

/// Assigns every column to an input and infers its schema.
///
/// # Errors
/// Returns every problem of the columns, inputs and options.
pub(super) fn plan(
    signature: &Signature,
    columns: &ColumnInference,
    options: &InitOptions,
) -> Result<PackagePlan, Vec<DecisionError>> {
    let (placed, mut problems) = assign_columns(signature, &columns.columns, options);
    let assigned = problems.is_empty();
    let mut notes = left_out(columns, &placed, options);
    let mut features = Vec::new();
    for input in &placed {
        let spec = &signature.inputs[input.tensor];
        if input.how == MatchedBy::Order && input.columns.len() > 1 {
            notes.push(format!(
                "the columns feed {spec} in the order of the table, which must be the order used in training"
            ));
        }
        let mut group = Vec::new();
        for index in &input.columns {
            let column = &columns.columns[*index];
            let default = options.defaults.iter().find(|(name, _)| *name == column.name).map(|(_, text)| text.as_str());
            let wishes = ColumnOptions { default, open: options.open_categories.includes(&column.name) };
            let made = if input.array { schema::array(column, spec) } else { schema::scalar(column, spec, wishes) };
            match made {
                Ok(mut schema) => {
                    notes.append(&mut schema.notes);
                    group.push((column.name.clone(), schema));
                }
                Err(problem) => problems.push(problem),
            }
        }
        features.push(group);
    }
    if assigned {
        problems.extend(misplaced(&placed, &columns.columns, &features, options));
    }
    if problems.is_empty() { Ok(PackagePlan { placed, features, notes }) } else { Err(problems) }
}

/// Returns the columns that `--fill` and `--open-categories` name although they cannot apply to them.
fn misplaced(
    placed: &[InputBinding],
    columns: &[Column],
    features: &[Vec<(String, Schema)>],
    options: &InitOptions,
) -> Vec<DecisionError> {
    let used = |name: &str| placed.iter().flat_map(|input| &input.columns).any(|index| columns[*index].name == name);
    let unused = options.defaults.iter().filter(|(name, _)| !used(name));
    let mut problems: Vec<DecisionError> =
        unused.map(|(name, _)| format!("--fill: {name:?} is not a feature").into()).collect();
    let text = |(_, schema): &(String, Schema)| {
        schema.members.get("type").is_some_and(|types| types.to_string().contains("\"string\""))
    };
    let complete = placed.iter().map(|input| input.columns.len()).sum::<usize>() == features.iter().flatten().count();
    if options.open_categories == OpenCategories::All && complete && !features.iter().flatten().any(text) {
        problems.push("--open-categories: no feature is a column of strings".to_owned().into());
    }
    let OpenCategories::Columns(opened) = &options.open_categories else { return problems };
    for name in opened {
        let made = features.iter().flatten().find(|(feature, _)| feature == name);
        let types = made.filter(|made| !text(made)).and_then(|(_, schema)| schema.members.get("type"));
        match types {
            Some(types) => problems.push(
                format!("--open-categories: {name:?} is of type {types}: only a column of strings has categories")
                    .into(),
            ),
            None if !used(name) => {
                problems.push(format!("--open-categories: {name:?} is not a feature").into());
            }
            _ => {}
        }
    }
    problems
}

/// Returns a note on each index of pandas that is neither used nor mentioned by the operator.
fn left_out(columns: &ColumnInference, placed: &[InputBinding], options: &InitOptions) -> Vec<String> {
    let used = |index: usize| placed.iter().any(|input| input.columns.contains(&index));
    let mentioned = |name: &String| options.target.as_ref() == Some(name) || options.ignore.contains(name);
    let indexes = columns.columns.iter().enumerate().filter(|(index, column)| column.is_index && !used(*index));
    let note = |(_, column): (usize, &Column)| {
        format!(
            "left out the pandas index {}: it numbers the rows or names them; if the model takes it, list it with \
             --features or --input",
            column.name
        )
    };
    indexes.filter(|(_, column)| !mentioned(&column.name)).map(note).collect()
}

impl PackagePlan {
    /// Returns contract.json with the given `x-output`.
    pub(super) fn document(
        &self,
        name: &ModelName,
        signature: &Signature,
        output: &Value,
        example: Option<&JsonValue>,
    ) -> Value {
        let properties: Map<String, Value> = self
            .features
            .iter()
            .flatten()
            .map(|(feature, schema)| (feature.clone(), Value::Object(schema.members.clone())))
            .collect();
        let required: Vec<&String> =
            self.features.iter().flatten().filter(|(_, schema)| schema.required).map(|(feature, _)| feature).collect();
        let mut document = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": name.as_str(),
            "description": "Created by `candor init` from a table: types, ranges and categories are those of the \
                            table.",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        if let Some(example) = example {
            document["examples"] = json!([example]);
        }
        document["x-inputs"] = self.inputs(signature);
        document["x-output"] = output.clone();
        document
    }

    fn inputs(&self, signature: &Signature) -> Value {
        let input = |(placed, features): (&InputBinding, &Vec<(String, Schema)>)| {
            let names: Vec<&String> = features.iter().map(|(name, _)| name).collect();
            json!({ "tensor": signature.inputs[placed.tensor].name, "features": names })
        };
        self.placed.iter().zip(&self.features).map(input).collect()
    }

    /// Describes how each input was matched to its columns.
    pub(super) fn lines(&self, signature: &Signature) -> Vec<String> {
        let line = |(placed, features): (&InputBinding, &Vec<(String, Schema)>)| {
            let how = match placed.how {
                MatchedBy::Name => "by name",
                MatchedBy::Order => "in the order of the table",
                MatchedBy::Flag => "by --input",
            };
            let names: Vec<&str> = features.iter().map(|(name, _)| name.as_str()).collect();
            format!("{} <- {} ({how})", signature.inputs[placed.tensor], names.join(", "))
        };
        self.placed.iter().zip(&self.features).map(line).collect()
    }
}

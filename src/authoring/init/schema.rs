//! Infers the JSON schema of one feature from the tensor and the column, with notes on what to check.

use serde_json::{Map, Value, json};

use crate::{
    authoring::{error::DecisionError, flag_value::shell_quoted},
    dataset::{Column, ColumnKind, MAX_DISTINCT_VALUES},
    domain::{number::Number, signature::TensorSpec, tensor::ElementType},
};

/// The schema of a feature, with notes on what to check.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) members: Map<String, Value>,
    pub(super) notes: Vec<String>,
    /// Whether a request must give the feature.
    pub(super) required: bool,
}

/// What the operator decided about a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ColumnOptions<'a> {
    /// The value from `--fill`.
    pub(super) default: Option<&'a str>,
    /// Whether any string is accepted, from `--open-categories`.
    pub(super) open: bool,
}

/// Infers the schema of a column of scalars.
///
/// # Errors
/// Returns why the column cannot feed the tensor, and what would fix it.
pub(super) fn scalar(column: &Column, spec: &TensorSpec, options: ColumnOptions<'_>) -> Result<Schema, DecisionError> {
    let (name, default) = (&column.name, options.default);
    let kind = json_type(column, spec)?;
    let mut notes = Vec::new();
    let mut members = Map::new();
    let mut types = json!(kind);
    let mut required = true;
    if let Some(text) = default {
        members.insert(
            "default".to_owned(),
            literal(kind, text).ok_or_else(|| format!("--fill {name}={text}: the feature is of type {kind}"))?,
        );
        required = false;
    }
    if column.missing > 0 {
        types = json!([kind, "null"]);
        if default.is_none() && spec.element.is_float() {
            members.insert("x-missing".to_owned(), json!("nan"));
            required = false;
        } else if default.is_none() {
            return Err(format!(
                "column {name:?} has no value in {} rows, and the input {spec} cannot hold NaN: set a default with \
                 --fill {}",
                column.missing,
                shell_quoted(&format!("{name}=VALUE"))
            )
            .into());
        }
    }
    members.insert("type".to_owned(), types);
    match (kind, column.range) {
        ("integer" | "number", Some((low, high))) => {
            members.insert("x-expected".to_owned(), json!({ "minimum": low, "maximum": high }));
            if low == high {
                notes.push(format!("{name}: is {low} in every row; any other value causes a warning"));
            }
        }
        ("string", _) => categories(column, options, &mut members, &mut notes),
        _ => {}
    }
    if kind == "integer" && spec.element.is_float() {
        notes.push(format!(
            "{name}: typed as integer because no row has a fraction; if fractions can occur, change the type to number"
        ));
    }
    Ok(Schema { members: ordered(members), notes, required })
}

/// Adds the strings of a column: as an `enum`, or as the expected ones if any string is accepted.
fn categories(column: &Column, options: ColumnOptions<'_>, members: &mut Map<String, Value>, notes: &mut Vec<String>) {
    let name = &column.name;
    let Some(values) = &column.values else {
        notes.push(format!(
            "{name}: more than {MAX_DISTINCT_VALUES} different strings, or long ones; any string is accepted"
        ));
        return;
    };
    let mut listed: Vec<Value> = values.iter().map(|value| json!(value)).collect();
    let unseen = options.default.filter(|default| !values.contains(*default));
    if options.open {
        listed.extend(unseen.map(|default| json!(default)));
        members.insert("x-expected".to_owned(), json!({ "enum": listed }));
        notes.push(format!(
            "{name}: any string is accepted (--open-categories); one that the table does not contain causes a warning"
        ));
        return;
    }
    if let Some(default) = unseen {
        notes.push(format!(
            "{name}: no row contains {default:?}, the value of --fill; it is added to the accepted values, and the \
             graph must know it"
        ));
        listed.push(json!(default));
    } else if let [only] = listed.as_slice() {
        notes.push(format!("{name}: is {only} in every row; no other value is accepted"));
    }
    let null = (column.missing > 0).then_some(Value::Null);
    members.insert("enum".to_owned(), listed.into_iter().chain(null).collect());
}

/// Orders the members as people write them, with `type` first.
fn ordered(mut members: Map<String, Value>) -> Map<String, Value> {
    let mut ordered = Map::new();
    for key in ["type", "enum", "default", "x-missing", "x-expected"] {
        ordered.extend(members.remove(key).map(|value| (key.to_owned(), value)));
    }
    ordered.extend(members);
    ordered
}

/// Returns the JSON type of a column that feeds a tensor.
fn json_type(column: &Column, spec: &TensorSpec) -> Result<&'static str, DecisionError> {
    let name = &column.name;
    let odd = column.odd.as_ref().map(|(place, text)| format!(" ({text:?} at {place})")).unwrap_or_default();
    let kind = match (column.kind, spec.element) {
        (ColumnKind::Empty, _) => {
            return Err(format!("column {name:?} has no value in any row: its type cannot be inferred").into());
        }
        (ColumnKind::Foreign, _) => {
            return Err(format!("column {name:?} holds values that no request can hold{odd}").into());
        }
        (ColumnKind::List, _) => {
            return Err(format!("column {name:?} holds arrays, but the input {spec} takes one value").into());
        }
        (_, ElementType::Text) => "string",
        (ColumnKind::Boolean, _) => "boolean",
        (ColumnKind::Integer, ElementType::Bool) if bits(column.range) => "boolean",
        (ColumnKind::Integer, element) if element != ElementType::Bool => "integer",
        (ColumnKind::Number, element) if element.is_integer() && column.whole => "integer",
        (ColumnKind::Number, element) if element.is_float() => "number",
        (kind, _) => {
            return Err(format!(
                "column {name:?} holds {}{odd}, which the input {spec} cannot take: encode them in the table as they \
                 were in training, choose another column with --input, or exclude this one with --ignore",
                kind.describe()
            )
            .into());
        }
    };
    Ok(kind)
}

fn bits(range: Option<(Number, Number)>) -> bool {
    range.is_some_and(|(low, high)| low.as_f64() >= 0.0 && high.as_f64() <= 1.0)
}

fn literal(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "string" => Some(json!(text)),
        "boolean" => text.parse::<bool>().ok().map(|flag| json!(flag)),
        "integer" => text.parse::<i64>().ok().map(|value| json!(value)),
        _ => text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| json!(value)),
    }
}

/// Infers the schema of a column of arrays.
pub(super) fn array(column: &Column, spec: &TensorSpec) -> Result<Schema, DecisionError> {
    if column.kind != ColumnKind::List || column.missing > 0 {
        return Err(format!("column {:?} must hold an array in every row for the input {spec}", column.name).into());
    }
    let scalar = match spec.element {
        ElementType::Text => "string",
        ElementType::Bool => "boolean",
        element if element.is_float() => "number",
        _ => "integer",
    };
    let schema = spec.instance_shape().iter().rev().fold(json!({ "type": scalar }), |items, size| match size {
        Some(size) => json!({ "type": "array", "minItems": size, "maxItems": size, "items": items }),
        None => json!({ "type": "array", "items": items }),
    });
    let Value::Object(members) = schema else {
        return Err(format!("the input {spec} has no axis for an array").into());
    };
    Ok(Schema { members, notes: Vec::new(), required: true })
}

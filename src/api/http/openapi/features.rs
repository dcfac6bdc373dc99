//! Features of a request in the OpenAPI document: the contract, with the limits of the graph's tensors added.

use serde_json::{Map, Value, json};

use crate::{
    domain::{
        contract::Feature,
        tensor::{ElementType, HALF_OVERFLOW},
        violation::escape_pointer,
    },
    repository::ModelVersion,
};

/// Returns the reference to the schema of the features by name.
pub(super) fn reference(version: &ModelVersion) -> String {
    format!("#/components/schemas/{}.features", version.model.as_str())
}

/// Returns the contract as a schema embedded in another document, with the bounds of the tensors' element types.
pub(super) fn by_name(version: &ModelVersion) -> Value {
    let mut schema = serde_json::to_value(&version.document).unwrap_or_default();
    let Value::Object(members) = &mut schema else { return schema };
    members.remove("$schema");
    // A reference inside the contract (`$ref`, under any keyword of the full validation) resolves against the contract,
    // not against the surrounding document.
    if !version.contract.full_validation_keywords.is_empty() {
        members.entry("$id").or_insert_with(|| json!(format!("/models/{}/contract", version.model.as_str())));
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for feature in &version.contract.features {
            if let Some(schema) = properties.get_mut(&feature.name) {
                bound(feature, version.contract.inputs[feature.tensor].element, schema);
            }
        }
    }
    schema
}

/// Returns the schema of the features as an array, in the contract's order.
pub(super) fn by_position(version: &ModelVersion) -> Value {
    let features = &version.contract.features;
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let place = reference(version);
    let items = names.iter().map(|name| json!({ "$ref": format!("{place}/properties/{}", fragment(name)) }));
    json!({
        "type": "array", "minItems": names.len(), "maxItems": names.len(),
        "prefixItems": items.collect::<Vec<_>>(), "items": false,
        "title": "by position", "description": format!("In this order: {}", names.join(", ")),
    })
}

/// Encodes a name as one step of a JSON Pointer in a URI fragment (RFC 6901, section 6).
fn fragment(name: &str) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in escape_pointer(name).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Adds the limits of its tensor to the schema of a feature, or to that of the elements of an array.
fn bound(feature: &Feature, element: ElementType, schema: &mut Value) {
    let mut scalar = schema;
    for _ in &feature.dimensions {
        let Some(items) = scalar.get_mut("items") else { return };
        scalar = items;
    }
    let Value::Object(scalar) = scalar else { return };
    if !feature.accepts_number() || ["enum", "const", "$ref"].iter().any(|keyword| scalar.contains_key(*keyword)) {
        return;
    }
    if !scalar.contains_key("type") {
        scalar.insert("type".into(), json!(if feature.accepts_whole_only() { "integer" } else { "number" }));
    }
    let Some(range) = NumberRange::of(element) else { return };
    // The format of a float does not apply to an integer.
    if let Some(format) = range.format.filter(|_| range.whole || !feature.accepts_whole_only()) {
        scalar.entry("format").or_insert_with(|| json!(format));
    }
    if range.whole && !feature.accepts_whole_only() {
        scalar.entry("multipleOf").or_insert_with(|| json!(1));
    }
    let (mut least, mut most) = (["minimum", "exclusiveMinimum"], ["maximum", "exclusiveMaximum"]);
    if range.exclusive {
        least.reverse();
        most.reverse();
    }
    tighten(scalar, least, range.least, |bound, limit| bound < limit);
    tighten(scalar, most, range.most, |bound, limit| bound > limit);
}

/// Sets a bound with the first of two keywords, unless either of them already sets a bound that is at least as tight.
fn tighten(
    scalar: &mut Map<String, Value>,
    [wanted, other]: [&str; 2],
    limit: Value,
    is_wider: impl Fn(f64, f64) -> bool,
) {
    let at = limit.as_f64().unwrap_or_default();
    let mut there = [wanted, other].into_iter().filter_map(|keyword| scalar.get(keyword)?.as_f64());
    if there.any(|bound| !is_wider(bound, at)) {
        return;
    }
    scalar.remove(other);
    scalar.insert(wanted.to_owned(), limit);
}

/// Values that the elements of a tensor can hold.
struct NumberRange {
    /// The smallest and the largest value.
    least: Value,
    most: Value,
    /// Whether these two values are themselves rejected.
    exclusive: bool,
    /// Whether fractions are rejected.
    whole: bool,
    /// Name of the type in the OpenAPI format registry.
    format: Option<&'static str>,
}

impl NumberRange {
    fn of(element: ElementType) -> Option<Self> {
        let within = |least, most, whole, format| Some(Self { least, most, exclusive: false, whole, format });
        match element {
            ElementType::I8 => within(json!(i8::MIN), json!(i8::MAX), true, Some("int8")),
            ElementType::I16 => within(json!(i16::MIN), json!(i16::MAX), true, Some("int16")),
            ElementType::I32 => within(json!(i32::MIN), json!(i32::MAX), true, Some("int32")),
            ElementType::I64 => within(json!(i64::MIN), json!(i64::MAX), true, Some("int64")),
            ElementType::U8 => within(json!(0), json!(u8::MAX), true, Some("uint8")),
            ElementType::U16 => within(json!(0), json!(u16::MAX), true, Some("uint16")),
            ElementType::U32 => within(json!(0), json!(u32::MAX), true, Some("uint32")),
            ElementType::U64 => within(json!(0), json!(u64::MAX), true, Some("uint64")),
            ElementType::Bool => within(json!(0), json!(1), true, None),
            // The shortest decimals that parse as the largest float.
            ElementType::F32 => within(json!(-3.402_823_5e38), json!(3.402_823_5e38), false, Some("float")),
            ElementType::F16 => Some(Self {
                least: json!(-HALF_OVERFLOW),
                most: json!(HALF_OVERFLOW),
                exclusive: true,
                whole: false,
                format: None,
            }),
            // A double holds every number that JSON input can contain here.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_set_where_none_is_as_tight() {
        let cases = [
            (json!({}), json!({ "minimum": 0 })),
            (json!({ "minimum": -1 }), json!({ "minimum": 0 })),
            (json!({ "minimum": 1 }), json!({ "minimum": 1 })),
            (json!({ "exclusiveMinimum": 0 }), json!({ "exclusiveMinimum": 0 })),
            (json!({ "exclusiveMinimum": -0.5 }), json!({ "minimum": 0 })),
        ];
        for (given, expected) in cases {
            let Value::Object(mut scalar) = given.clone() else { panic!("an object") };
            let keywords = ["minimum", "exclusiveMinimum"];
            tighten(&mut scalar, keywords, json!(0), |bound, limit| bound < limit);
            assert_eq!(Value::Object(scalar), expected, "{given}");
        }
    }

    #[test]
    fn a_name_is_a_step_of_a_fragment() {
        assert_eq!(fragment("a/b~c d%é"), "a~1b~0c%20d%25%C3%A9");
    }
}

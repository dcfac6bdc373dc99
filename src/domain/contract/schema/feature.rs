//! One feature of a contract: its compiled schema, its position in a tensor, and its handling of null and missing
//! values.

use super::{
    enum_values::EnumValues,
    keywords::{self, Position},
    rule::{FastRange, ScalarRule, TypeSet},
    schema_reader::{ContractProblem, SchemaNode},
};
use crate::domain::{
    json::JsonValue,
    number::Number,
    signature::TensorSpec,
    tensor::{Buffer, ElementType, NotRepresentable},
};

/// The deepest nesting of an array feature.
const MAX_RANK: usize = 8;

/// Keywords that apply to a whole feature and would be ignored in the items of an array.
const FEATURE_ONLY_KEYWORDS: &[&str] = &["default", "x-unit", "x-expected", "x-missing", "x-codes", "x-sensitive"];

/// The number of elements that one level of a nested array may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension {
    /// The minimum number of elements.
    pub min: usize,
    /// The maximum number of elements, if limited.
    pub max: Option<usize>,
}

/// How null is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::contract) enum NullHandling {
    Refused,
    Nan,
    Default,
}

/// The soft rule `x-expected`: a value outside it causes a warning, not a rejection.
#[derive(Debug, Clone, Default)]
pub(in crate::domain::contract) struct Expected {
    pub(in crate::domain::contract) minimum: Option<Number>,
    pub(in crate::domain::contract) maximum: Option<Number>,
    pub(in crate::domain::contract) choices: Option<EnumValues>,
}

/// A compiled feature: validates a value and writes it to its tensor.
#[derive(Debug, Clone)]
pub struct Feature {
    /// The name in the contract.
    pub name: String,
    /// The unit of the value (`x-unit`), if the contract has one.
    pub unit: Option<String>,
    /// Whether the value must never be shown (`x-sensitive`).
    pub sensitive: bool,
    /// Whether the feature is required.
    pub required: bool,
    /// The index of the graph input that it feeds.
    pub tensor: usize,
    /// The index of its first element in one instance of that tensor.
    pub offset: usize,
    /// The levels of an array, outermost first; empty for a scalar.
    pub dimensions: Vec<Dimension>,
    pub(in crate::domain::contract) rule: ScalarRule,
    /// The numbers that the fast path accepts; `None` if the feature has no fast path.
    pub(in crate::domain::contract) fast_range: Option<FastRange>,
    pub(in crate::domain::contract) null: NullHandling,
    pub(in crate::domain::contract) default: Option<JsonValue>,
    pub(in crate::domain::contract) expected: Option<Expected>,
    pub(in crate::domain::contract) codes: Vec<(String, Number)>,
    /// The keywords that need full validation.
    pub(in crate::domain::contract) full_validation_keywords: Vec<String>,
}

impl Feature {
    /// Compiles the schema of one feature for its tensor. If it adds a problem, the feature must not be used.
    pub(in crate::domain::contract) fn read(
        node: &SchemaNode<'_>,
        name: &str,
        spec: &TensorSpec,
        problems: &mut Vec<ContractProblem>,
    ) -> Self {
        let mut full_validation_keywords: Vec<String> = Vec::new();
        let mut dimensions = Vec::new();
        let mut inner = node.clone();
        let outer_types = TypeSet::read(node, problems);
        let mut types = outer_types;
        loop {
            full_validation_keywords.extend(
                keywords::classify_keywords(&inner, Position::Feature, problems).into_iter().map(str::to_owned),
            );
            let Some(array_types) = types.filter(|types| types.has(TypeSet::ARRAY)) else { break };
            let beside = if dimensions.is_empty() { TypeSet::ARRAY.with(TypeSet::NULL) } else { TypeSet::ARRAY };
            if !array_types.without(beside).is_empty() {
                inner.problem(
                    problems,
                    format!("the tensor takes either arrays or scalars, found {}", array_types.describe()),
                );
            }
            // The compiled plan compares only scalars; full validation compares whole arrays.
            full_validation_keywords
                .extend(["enum", "const"].iter().filter(|key| inner.child(key).is_some()).map(ToString::to_string));
            dimensions.push(Dimension {
                min: inner.count("minItems", problems).unwrap_or(0),
                max: inner.count("maxItems", problems),
            });
            let Some(items) = inner.child("items").filter(|_| dimensions.len() <= MAX_RANK) else {
                inner.problem(problems, format!("an array needs items, at most {MAX_RANK} levels deep"));
                break;
            };
            items.deny(FEATURE_ONLY_KEYWORDS, "belongs to the feature, not to its items", problems);
            types = TypeSet::read(&items, problems);
            inner = items;
        }
        let scalar_types = types.unwrap_or_else(|| natural_types(spec.element));
        let mut rule = ScalarRule::read(&inner, scalar_types, problems);
        full_validation_keywords.extend(rule.deferred.drain(..).map(str::to_owned));
        let null_admitted = outer_types.is_some_and(|types| types.has(TypeSet::NULL));
        let mut feature = Self {
            name: name.to_owned(),
            unit: node.text("x-unit", problems).map(str::to_owned),
            sensitive: node.flag("x-sensitive", problems).unwrap_or(false),
            required: false,
            tensor: 0,
            offset: 0,
            dimensions,
            rule,
            fast_range: None,
            null: NullHandling::Refused,
            default: node.child("default").map(|value| value.value.clone()),
            expected: read_expected(node, problems),
            codes: read_codes(node, spec.element, problems),
            full_validation_keywords,
        };
        feature.read_null(node, null_admitted, spec.element, problems);
        feature.check_types(node, spec, problems);
        feature.read_choices_of_codes(node, problems);
        feature.fast_range = feature.fast_range(spec.element);
        feature
    }

    fn read_null(
        &mut self,
        node: &SchemaNode<'_>,
        admitted: bool,
        element: ElementType,
        problems: &mut Vec<ContractProblem>,
    ) {
        let missing = node.text("x-missing", problems);
        if let Some(other) = missing.filter(|word| *word != "nan") {
            problems.push(ContractProblem {
                pointer: node.pointer_to("x-missing"),
                detail: format!("must be \"nan\", found {other:?}"),
            });
        }
        let has_default = self.default.as_ref().is_some_and(|value| *value != JsonValue::Null);
        self.null = match (admitted, missing.is_some() && element.is_float() && self.dimensions.is_empty(), has_default)
        {
            (false, _, _) => NullHandling::Refused,
            (true, true, _) => NullHandling::Nan,
            (true, false, true) => NullHandling::Default,
            (true, false, false) => {
                node.problem(
                    problems,
                    format!(
                        "null is allowed, but its tensor value is not defined: give a default{}",
                        if element.is_float() {
                            ", or \"x-missing\": \"nan\""
                        } else {
                            "; the tensor is not a floating-point one, so it cannot be NaN"
                        }
                    ),
                );
                NullHandling::Refused
            }
        };
        if self.rule.types.without(TypeSet::NULL).is_empty() {
            node.problem(problems, "a feature must allow values other than null");
        }
        if !self.dimensions.is_empty()
            && self.rule.types.has(TypeSet::NULL)
            && !(missing.is_some() && element.is_float())
        {
            node.problem(
                problems,
                "its items allow null, which needs \"x-missing\": \"nan\" and a floating-point tensor",
            );
        }
    }

    fn fast_range(&self, element: ElementType) -> Option<FastRange> {
        let quiet = self.rule.fast_range(element);
        match &self.expected {
            Some(Expected { choices: Some(_), .. }) => None,
            Some(Expected { minimum, maximum, .. }) => quiet.map(|quiet| quiet.within(*minimum, *maximum)),
            None => quiet,
        }
    }

    /// Reports JSON types that the tensor's element type cannot hold.
    fn check_types(&self, node: &SchemaNode<'_>, spec: &TensorSpec, problems: &mut Vec<ContractProblem>) {
        let text_feeds_number =
            !self.codes.is_empty() && !matches!(spec.element, ElementType::Text | ElementType::Bool);
        let takes = match spec.element {
            ElementType::Text => TypeSet::TEXT,
            ElementType::Bool => TypeSet::BOOLEAN,
            _ if text_feeds_number => TypeSet::TEXT,
            _ => TypeSet::NUMBER.with(TypeSet::INTEGER).with(TypeSet::BOOLEAN),
        };
        let beside = self.rule.types.without(takes).without(TypeSet::NULL);
        if !beside.is_empty() {
            let hint = if beside.has(TypeSet::TEXT) { "; x-codes can map strings to numbers" } else { "" };
            node.problem(
                problems,
                format!("{} cannot feed the tensor {:?} of {}{hint}", beside.describe(), spec.name, spec.element),
            );
        }
    }

    /// Makes the texts of `x-codes` the choices, or checks that each listed text has a code: a text without one cannot
    /// be converted.
    fn read_choices_of_codes(&mut self, node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) {
        if self.codes.is_empty() {
            return;
        }
        let texts: Vec<JsonValue> = self.codes.iter().map(|(text, _)| JsonValue::Text(text.clone())).collect();
        let Some(choices) = &self.rule.choices else {
            let null = self.rule.types.has(TypeSet::NULL).then_some(JsonValue::Null);
            self.rule.choices = Some(EnumValues::new(&texts.into_iter().chain(null).collect::<Vec<_>>()));
            return;
        };
        for choice in choices.literals().iter().filter(|choice| matches!(choice, JsonValue::Text(_))) {
            if !texts.contains(choice) {
                node.problem(problems, format!("x-codes has no code for {choice}, which enum or const allows"));
            }
        }
    }

    /// Checks the default against the feature's own rule. Call it after `check_array_shape`, which fixes the
    /// dimensions.
    pub(in crate::domain::contract) fn check_default(
        &self,
        node: &SchemaNode<'_>,
        element: ElementType,
        problems: &mut Vec<ContractProblem>,
    ) {
        let Some(value) = self.default.as_ref().filter(|value| **value != JsonValue::Null) else { return };
        let mut faults = Vec::new();
        if !is_shaped(value, &self.dimensions, &mut vec![None; self.dimensions.len()]) {
            faults.push(format!("{value} does not have the shape that the tensor needs"));
        }
        let mut buffer = Buffer::with_capacity(element, 0);
        self.write_default(value, &mut buffer, 0, &mut faults);
        if let Some(fault) = faults.first() {
            problems.push(ContractProblem {
                pointer: node.pointer_to("default"),
                detail: format!("violates the feature's own rule: {fault}"),
            });
        }
    }

    /// Checks a literal against the rule and writes its scalars to `buffer`, starting at `index` and growing the buffer
    /// if needed. Returns the index after the last one written.
    pub(in crate::domain::contract) fn write_default(
        &self,
        value: &JsonValue,
        buffer: &mut Buffer,
        index: usize,
        faults: &mut Vec<String>,
    ) -> usize {
        if let JsonValue::List(items) = value {
            return items.iter().fold(index, |next, item| self.write_default(item, buffer, next, faults));
        }
        if buffer.len() <= index {
            buffer.extend_default(index + 1 - buffer.len());
        }
        let mut report = |_, detail: String| faults.push(detail);
        let placed = match value {
            JsonValue::Number(number) => {
                self.rule.check_number(*number, &mut report);
                buffer.put_number(index, *number)
            }
            JsonValue::Text(text) => {
                self.rule.check_text(text, &mut report);
                self.put_text(buffer, index, text)
            }
            JsonValue::Bool(flag) => {
                self.rule.check_bool(*flag, &mut report);
                buffer.put_bool(index, *flag)
            }
            JsonValue::Null => {
                self.rule.check_null(&mut report);
                buffer.put_nan(index)
            }
            JsonValue::List(_) | JsonValue::Object(_) => Err(NotRepresentable),
        };
        if placed.is_err() {
            faults.push(format!("{value} does not fit a tensor of {}", buffer.element()));
        }
        index + 1
    }

    /// Writes a text, or its number in `x-codes`.
    pub(in crate::domain::contract) fn put_text(
        &self,
        buffer: &mut Buffer,
        index: usize,
        text: &str,
    ) -> Result<(), NotRepresentable> {
        if self.codes.is_empty() {
            return buffer.put_text(index, text);
        }
        let found = self.codes.binary_search_by(|(code, _)| code.as_str().cmp(text)).map_err(|_| NotRepresentable)?;
        buffer.put_number(index, self.codes[found].1)
    }

    /// Whether it accepts only booleans, or booleans and null.
    pub(in crate::domain::contract) fn is_flag(&self) -> bool {
        self.rule.types.has(TypeSet::BOOLEAN)
            && self.rule.types.without(TypeSet::BOOLEAN.with(TypeSet::NULL)).is_empty()
    }

    /// The number of elements in one instance, if it is fixed.
    pub fn width(&self) -> Option<usize> {
        self.dimensions
            .iter()
            .try_fold(1, |width, dimension| (dimension.max == Some(dimension.min)).then_some(width * dimension.min))
    }
}

/// Whether a literal has the nesting and lengths of `dimensions` and is rectangular. `sizes` holds the length found so
/// far at each level.
fn is_shaped(value: &JsonValue, dimensions: &[Dimension], sizes: &mut [Option<usize>]) -> bool {
    let JsonValue::List(items) = value else { return dimensions.is_empty() };
    let (Some((dimension, inner)), Some((size, deeper))) = (dimensions.split_first(), sizes.split_first_mut()) else {
        return false;
    };
    let length = items.len();
    length >= dimension.min
        && dimension.max.is_none_or(|max| length <= max)
        && *size.get_or_insert(length) == length
        && items.iter().all(|item| is_shaped(item, inner, deeper))
}

fn natural_types(element: ElementType) -> TypeSet {
    match element {
        ElementType::Text => TypeSet::TEXT,
        ElementType::Bool => TypeSet::BOOLEAN,
        element if element.is_integer() => TypeSet::INTEGER,
        _ => TypeSet::NUMBER,
    }
}

fn read_expected(node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) -> Option<Expected> {
    let soft = node.child("x-expected")?;
    soft.deny_unknown(&["minimum", "maximum", "enum"], problems);
    Some(Expected {
        minimum: soft.number("minimum", problems),
        maximum: soft.number("maximum", problems),
        choices: soft
            .list("enum", problems)
            .map(|items| EnumValues::new(&items.iter().map(|item| item.value.clone()).collect::<Vec<_>>())),
    })
}

fn read_codes(
    node: &SchemaNode<'_>,
    element: ElementType,
    problems: &mut Vec<ContractProblem>,
) -> Vec<(String, Number)> {
    let mut codes = Vec::new();
    for (text, value) in node.object("x-codes", problems).unwrap_or_default() {
        match value.value {
            JsonValue::Number(number) if Buffer::zeros(element, 1).put_number(0, *number).is_err() => {
                value.problem(problems, format!("the code {number} does not fit a tensor of {element}"));
            }
            JsonValue::Number(number) => codes.push((text.to_owned(), *number)),
            other => value.problem(problems, format!("a code must be a number, found {}", other.kind())),
        }
    }
    codes.sort_by(|left, right| left.0.cmp(&right.0));
    codes
}

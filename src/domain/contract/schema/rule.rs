//! The rule for one scalar, compiled from a schema: types, bounds, choices, lengths and pattern. It validates values,
//! and [`FastRange`] is the fast path for numbers.

use super::{
    enum_values::EnumValues,
    regex::{Pattern, Undecided, portable_regex},
    schema_reader::{ContractProblem, SchemaNode},
};
use crate::domain::{
    json::JsonValue,
    number::Number,
    tensor::{Buffer, ElementType},
    violation::ViolationCode,
};

/// The JSON types that a schema admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::domain::contract) struct TypeSet(u8);

impl TypeSet {
    pub(in crate::domain::contract) const NUMBER: Self = Self(1);
    pub(in crate::domain::contract) const INTEGER: Self = Self(2);
    pub(in crate::domain::contract) const BOOLEAN: Self = Self(4);
    pub(in crate::domain::contract) const TEXT: Self = Self(8);
    pub(in crate::domain::contract) const NULL: Self = Self(16);
    pub(in crate::domain::contract) const ARRAY: Self = Self(32);

    pub(in crate::domain::contract) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(in crate::domain::contract) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(in crate::domain::contract) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(in crate::domain::contract) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Describes the types, such as `an integer or null`.
    pub(in crate::domain::contract) fn describe(self) -> String {
        let names = [
            (Self::NUMBER, "a number"),
            (Self::INTEGER, "an integer"),
            (Self::BOOLEAN, "a boolean"),
            (Self::TEXT, "a string"),
            (Self::ARRAY, "an array"),
            (Self::NULL, "null"),
        ];
        let words: Vec<&str> = names.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, name)| *name).collect();
        words.join(" or ")
    }

    /// Reads the `type` keyword; `None` if it is absent or invalid.
    pub(in crate::domain::contract) fn read(
        node: &SchemaNode<'_>,
        problems: &mut Vec<ContractProblem>,
    ) -> Option<Self> {
        let value = node.child("type")?;
        let names: Vec<&str> = match value.value {
            JsonValue::Text(name) => vec![name],
            JsonValue::List(_) => node.texts("type", problems)?,
            _ => {
                value.problem(problems, format!("must be a type or a list of types, found {}", value.value.kind()));
                return None;
            }
        };
        let mut types = Self::default();
        for name in names {
            types =
                types.with(match name {
                    "number" => Self::NUMBER,
                    "integer" => Self::INTEGER,
                    "boolean" => Self::BOOLEAN,
                    "string" => Self::TEXT,
                    "null" => Self::NULL,
                    "array" => Self::ARRAY,
                    _ => {
                        value.problem(problems, format!(
                        "{name:?} is not a type of a feature; use number, integer, boolean, string, array or null"
                    ));
                        return None;
                    }
                });
        }
        Some(types)
    }
}

/// A bound of a number.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::domain::contract) struct Bound {
    pub(in crate::domain::contract) limit: Number,
    pub(in crate::domain::contract) kind: BoundKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::contract) enum BoundKind {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

impl Bound {
    fn admits(&self, number: Number) -> bool {
        let order = number.compare(self.limit);
        match self.kind {
            BoundKind::Minimum => order.is_ge(),
            BoundKind::Maximum => order.is_le(),
            BoundKind::ExclusiveMinimum => order.is_gt(),
            BoundKind::ExclusiveMaximum => order.is_lt(),
        }
    }
}

/// The fast path for numbers: a number in this range satisfies every rule of the feature. A number outside may still be
/// valid, which the rules decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::domain::contract) struct FastRange {
    low: f64,
    high: f64,
    whole: bool,
}

impl FastRange {
    /// Up to this magnitude an f64 is exactly the number sent, if it is whole, and every float type can approximate it.
    const MAX_RANGE: f64 = (crate::domain::number::MAX_EXACT - 1) as f64;

    fn narrow(&mut self, bound: &Bound) {
        let limit = bound.limit.as_f64();
        match bound.kind {
            BoundKind::Minimum => self.low = self.low.max(limit),
            BoundKind::Maximum => self.high = self.high.min(limit),
            BoundKind::ExclusiveMinimum => self.low = self.low.max(limit.next_up()),
            BoundKind::ExclusiveMaximum => self.high = self.high.min(limit.next_down()),
        }
    }

    /// Narrows the range to the soft limits as well.
    pub(in crate::domain::contract) fn within(mut self, minimum: Option<Number>, maximum: Option<Number>) -> Self {
        let soft = [(minimum, BoundKind::Minimum), (maximum, BoundKind::Maximum)];
        for (limit, kind) in soft {
            if let Some(limit) = limit {
                self.narrow(&Bound { limit, kind });
            }
        }
        self
    }

    /// Writes the number to its element if it lies in the range and the element type has a fast path. Returns whether
    /// it did.
    #[inline]
    pub(in crate::domain::contract) fn write_if_within(
        self,
        number: Number,
        buffer: &mut Buffer,
        index: usize,
    ) -> bool {
        let value = number.as_f64();
        #[expect(clippy::cast_possible_truncation, reason = "within 2^53 only a fraction can be lost, which is seen")]
        let whole = value as i64;
        #[expect(clippy::float_cmp, reason = "exact within 2^53")]
        let fits = self.low <= value && value <= self.high && (!self.whole || whole as f64 == value);
        if fits {
            match buffer {
                #[expect(clippy::cast_possible_truncation, reason = "rounding is the conversion asked for")]
                Buffer::F32(vector) => vector[index] = value as f32,
                Buffer::F64(vector) => vector[index] = value,
                Buffer::I64(vector) => vector[index] = whole,
                _ => return false,
            }
        }
        fits
    }
}

/// The rule for a scalar.
#[derive(Debug, Clone, Default)]
pub(in crate::domain::contract) struct ScalarRule {
    pub(in crate::domain::contract) types: TypeSet,
    pub(in crate::domain::contract) bounds: Vec<Bound>,
    pub(in crate::domain::contract) multiple_of: Option<u64>,
    pub(in crate::domain::contract) choices: Option<EnumValues>,
    pub(in crate::domain::contract) min_length: Option<usize>,
    pub(in crate::domain::contract) max_length: Option<usize>,
    pub(in crate::domain::contract) pattern: Option<Pattern>,
    /// Keywords in use whose exact check is left to full validation.
    pub(in crate::domain::contract) deferred: Vec<&'static str>,
}

impl ScalarRule {
    /// Compiles the keywords of a scalar's schema. `types` comes from the `type` keyword, or else from the tensor.
    pub(in crate::domain::contract) fn read(
        node: &SchemaNode<'_>,
        types: TypeSet,
        problems: &mut Vec<ContractProblem>,
    ) -> Self {
        let mut rule = Self { types, ..Self::default() };
        for (key, kind) in [
            ("minimum", BoundKind::Minimum),
            ("maximum", BoundKind::Maximum),
            ("exclusiveMinimum", BoundKind::ExclusiveMinimum),
            ("exclusiveMaximum", BoundKind::ExclusiveMaximum),
        ] {
            rule.bounds.extend(node.number(key, problems).map(|limit| Bound { limit, kind }));
        }
        rule.min_length = node.count("minLength", problems);
        rule.max_length = node.count("maxLength", problems);
        rule.read_multiple(node, problems);
        rule.read_pattern(node, problems);
        rule.read_choices(node, problems);
        rule
    }

    fn read_multiple(&mut self, node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) {
        let Some(step) = node.number("multipleOf", problems) else { return };
        let largest = i128::from(crate::domain::number::MAX_EXACT);
        match step.as_whole().filter(|whole| *whole <= largest).map(u64::try_from) {
            Some(Ok(whole)) if whole > 0 => self.multiple_of = Some(whole),
            // A fractional step needs decimal arithmetic, which full validation provides.
            None if step.as_f64() > 0.0 => self.deferred.push("multipleOf"),
            _ => problems.push(ContractProblem {
                pointer: node.pointer_to("multipleOf"),
                detail: format!("must be above zero, found {step}"),
            }),
        }
    }

    fn read_pattern(&mut self, node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) {
        let Some(pattern) = node.text("pattern", problems) else { return };
        match portable_regex(pattern).map(|plain| Pattern::new(&plain)) {
            Some(Ok(compiled)) => self.pattern = Some(compiled),
            // Unicode classes and similar: full validation translates them from ECMA-262.
            _ => self.deferred.push("pattern"),
        }
    }

    fn read_choices(&mut self, node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) {
        let listed =
            node.list("enum", problems).map(|items| items.iter().map(|item| item.value.clone()).collect::<Vec<_>>());
        let single = node.child("const").map(|value| vec![value.value.clone()]);
        let choices = match (listed, single) {
            (Some(listed), Some(single)) => listed.into_iter().filter(|value| single.contains(value)).collect(),
            (Some(values), None) | (None, Some(values)) => values,
            (None, None) => return,
        };
        if choices.is_empty() {
            node.problem(problems, "enum and const have no value in common");
        }
        self.choices = Some(EnumValues::new(&choices));
    }

    /// Returns the fast path for a tensor of this type; `None` if each number needs the full check.
    pub(in crate::domain::contract) fn fast_range(&self, element: ElementType) -> Option<FastRange> {
        let plain = self.choices.is_none() && self.multiple_of.is_none();
        let fractions = self.types.has(TypeSet::NUMBER) && element.is_float();
        if !plain || !(self.types.has(TypeSet::NUMBER) || self.types.has(TypeSet::INTEGER)) {
            return None;
        }
        let mut quiet = FastRange { low: -FastRange::MAX_RANGE, high: FastRange::MAX_RANGE, whole: !fractions };
        self.bounds.iter().for_each(|bound| quiet.narrow(bound));
        Some(quiet)
    }

    /// Reports each violation by a number: the code and what was expected.
    #[inline]
    pub(in crate::domain::contract) fn check_number(
        &self,
        number: Number,
        mut report: impl FnMut(ViolationCode, String),
    ) {
        if !(self.types.has(TypeSet::NUMBER) || self.types.has(TypeSet::INTEGER) && number.is_whole()) {
            return report(ViolationCode::WrongType, self.expectation());
        }
        for bound in &self.bounds {
            if !bound.admits(number) {
                let (code, words) = match bound.kind {
                    BoundKind::Minimum => (ViolationCode::BelowMinimum, "must be at least"),
                    BoundKind::ExclusiveMinimum => (ViolationCode::BelowMinimum, "must be above"),
                    BoundKind::Maximum => (ViolationCode::AboveMaximum, "must be at most"),
                    BoundKind::ExclusiveMaximum => (ViolationCode::AboveMaximum, "must be below"),
                };
                report(code, format!("{words} {}", bound.limit));
            }
        }
        if let Some(step) = self.multiple_of
            && !number.is_multiple_of(step)
        {
            report(ViolationCode::NotMultiple, format!("must be a multiple of {step}"));
        }
        if let Some(choices) = &self.choices
            && !choices.has_number(number)
        {
            report(ViolationCode::NotInEnum, choices.describe());
        }
    }

    /// Reports each violation by a text. Lengths are counted in characters, as in JSON Schema.
    #[inline]
    pub(in crate::domain::contract) fn check_text(&self, text: &str, mut report: impl FnMut(ViolationCode, String)) {
        if !self.types.has(TypeSet::TEXT) {
            return report(ViolationCode::WrongType, self.expectation());
        }
        if let Some(choices) = &self.choices
            && !choices.has_text(text)
        {
            report(ViolationCode::NotInEnum, choices.describe());
        }
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = text.chars().count();
            if let Some(least) = self.min_length.filter(|least| length < *least) {
                report(ViolationCode::TooShort, format!("must have at least {least} characters"));
            }
            if let Some(most) = self.max_length.filter(|most| length > *most) {
                report(ViolationCode::TooLong, format!("must have at most {most} characters"));
            }
        }
        if let Some(pattern) = &self.pattern {
            match pattern.is_match(text) {
                Ok(true) => {}
                Ok(false) => report(ViolationCode::PatternMismatch, format!("must match the pattern {pattern}")),
                Err(Undecided) => {
                    let detail = format!("must match the pattern {pattern}, which takes too many steps to decide");
                    report(ViolationCode::PatternMismatch, detail);
                }
            }
        }
    }

    /// Reports each violation by a boolean.
    pub(in crate::domain::contract) fn check_bool(&self, value: bool, mut report: impl FnMut(ViolationCode, String)) {
        if !self.types.has(TypeSet::BOOLEAN) {
            return report(ViolationCode::WrongType, self.expectation());
        }
        if let Some(choices) = &self.choices
            && !choices.has_bool(value)
        {
            report(ViolationCode::NotInEnum, choices.describe());
        }
    }

    /// Reports the violation by null, if any.
    pub(in crate::domain::contract) fn check_null(&self, mut report: impl FnMut(ViolationCode, String)) {
        if !self.types.has(TypeSet::NULL) {
            report(ViolationCode::NullNotAllowed, format!("cannot be null; it {}", self.expectation()));
        } else if let Some(choices) = &self.choices
            && !choices.has_null()
        {
            report(ViolationCode::NotInEnum, choices.describe());
        }
    }

    /// Whether the rule admits a value.
    pub(in crate::domain::contract) fn admits(&self, value: &JsonValue) -> bool {
        let mut fine = true;
        let report = |_, _| fine = false;
        match value {
            JsonValue::Null => self.check_null(report),
            JsonValue::Bool(flag) => self.check_bool(*flag, report),
            JsonValue::Number(number) => self.check_number(*number, report),
            JsonValue::Text(text) => self.check_text(text, report),
            JsonValue::List(_) | JsonValue::Object(_) => fine = false,
        }
        fine
    }

    /// Describes what is expected: `must be an integer`, or the list of choices.
    pub(in crate::domain::contract) fn expectation(&self) -> String {
        match &self.choices {
            Some(choices) => choices.describe(),
            None => format!("must be {}", self.types.describe()),
        }
    }

    /// Returns the lower and the upper bound. An exclusive bound counts as its limit.
    pub(in crate::domain::contract) fn range(&self) -> (Option<f64>, Option<f64>) {
        let (mut low, mut high): (Option<f64>, Option<f64>) = (None, None);
        for bound in &self.bounds {
            let limit = bound.limit.as_f64();
            match bound.kind {
                BoundKind::Minimum | BoundKind::ExclusiveMinimum => low = Some(low.map_or(limit, |low| low.max(limit))),
                BoundKind::Maximum | BoundKind::ExclusiveMaximum => {
                    high = Some(high.map_or(limit, |high| high.min(limit)));
                }
            }
        }
        (low, high)
    }
}

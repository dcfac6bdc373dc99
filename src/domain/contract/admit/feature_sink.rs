//! The sink for one feature: validates the value received and writes it to its elements of the tensor.

use serde::de::{MapAccess, SeqAccess};

use super::json_sink::{JsonSink, Scalar, SinkSeed, Skip};
use crate::domain::{
    contract::{
        Contract, Feature,
        schema::{enum_values::EnumValues, feature::NullHandling, rule::FastRange},
    },
    number::Number,
    prediction::{Warning, WarningCode},
    tensor::{Buffer, Inputs},
    text::quote,
    violation::{Violation, ViolationCode, Violations, escape_pointer},
};

/// The nesting depth of a feature's value: inside `features`, inside the body.
const FEATURE_DEPTH: usize = 2;

/// The state while a body is read.
#[derive(Debug)]
pub(in crate::domain::contract) struct AdmitState<'c> {
    pub(in crate::domain::contract) contract: &'c Contract,
    pub(in crate::domain::contract) inputs: Inputs,
    pub(in crate::domain::contract) given: Vec<bool>,
    pub(in crate::domain::contract) violations: Violations,
    pub(in crate::domain::contract) warnings: Vec<Warning>,
    /// Whether features are given by position; JSON Pointers then use indices instead of names.
    pub(in crate::domain::contract) positional: bool,
}

impl AdmitState<'_> {
    /// Returns the JSON Pointer of a feature, or of an element of it.
    pub(in crate::domain::contract) fn pointer(&self, index: usize, path: &[usize]) -> String {
        use std::fmt::Write as _;

        let mut pointer = if self.positional {
            format!("/features/{index}")
        } else {
            format!("/features/{}", escape_pointer(&self.contract.features[index].name))
        };
        for step in path {
            let _ = write!(pointer, "/{step}");
        }
        pointer
    }

    /// Records a violation of a feature. The message is the feature's name followed by `detail`.
    #[cold]
    pub(in crate::domain::contract) fn reject(
        &mut self,
        index: usize,
        path: &[usize],
        code: ViolationCode,
        detail: &str,
    ) {
        if self.violations.is_full() {
            return self.violations.count();
        }
        let name = &self.contract.features[index].name;
        self.violations.push(Violation {
            pointer: self.pointer(index, path),
            code,
            detail: format!("{name} {detail}"),
            feature: Some(name.clone()),
        });
    }

    /// Validates a scalar and writes it to element `at` of the feature's tensor. Numbers in the fast range skip the
    /// rules.
    #[inline]
    fn write(&mut self, index: usize, at: usize, path: &[usize], value: Scalar<'_>) {
        let feature = &self.contract.features[index];
        if let (Scalar::Number(number), Some(quiet)) = (value, feature.fast_range)
            && quiet.write_if_within(number, &mut self.inputs.tensors[feature.tensor].buffer, at)
        {
            return;
        }
        self.write_checked(index, at, path, value);
    }

    /// Like `write`, but checks every rule.
    fn write_checked(&mut self, index: usize, at: usize, path: &[usize], value: Scalar<'_>) {
        let contract = self.contract;
        let feature = &contract.features[index];
        let buffer = &mut self.inputs.tensors[feature.tensor].buffer;
        let mut faults: Vec<(ViolationCode, String)> = Vec::new();
        let report = |code, wanted| faults.push((code, wanted));
        let placed = match value {
            Scalar::Number(number) => {
                feature.rule.check_number(number, report);
                buffer.put_number(at, number)
            }
            Scalar::Text(text) => {
                feature.rule.check_text(text, report);
                feature.put_text(buffer, at, text)
            }
            Scalar::Bool(flag) => {
                feature.rule.check_bool(flag, report);
                buffer.put_bool(at, flag)
            }
            Scalar::Null => {
                feature.rule.check_null(report);
                // If null means the default, the default row already holds it.
                if feature.null == NullHandling::Nan || !feature.dimensions.is_empty() {
                    buffer.put_nan(at)
                } else {
                    Ok(())
                }
            }
        };
        if !faults.is_empty() || placed.is_err() {
            if faults.is_empty() {
                let element = contract.inputs[feature.tensor].element;
                faults.push((ViolationCode::NotRepresentable, format!("must fit the model's tensor of {element}")));
            }
            for (code, wanted) in faults {
                let unit = feature.unit.as_ref().filter(|_| matches!(value, Scalar::Number(_)));
                let unit = unit.map(|unit| format!(" ({unit})")).unwrap_or_default();
                self.reject(index, path, code, &format!("{wanted}{unit}; got {}", display_value(feature, value)));
            }
        } else if feature.expected.is_some() {
            self.compare_with_expected(index, path, value);
        }
    }

    /// Checks the soft rule `x-expected`: a value outside it is accepted with a warning.
    fn compare_with_expected(&mut self, index: usize, path: &[usize], value: Scalar<'_>) {
        let feature = &self.contract.features[index];
        let Some(expected) = &feature.expected else { return };
        let beyond =
            |limit: Option<Number>, number: Number, order| limit.filter(|limit| number.compare(*limit) == order);
        let wanted = match value {
            Scalar::Number(number) => {
                let least = beyond(expected.minimum, number, std::cmp::Ordering::Less);
                let most = beyond(expected.maximum, number, std::cmp::Ordering::Greater);
                least
                    .map(|limit| format!("is usually at least {limit}"))
                    .or_else(|| most.map(|limit| format!("is usually at most {limit}")))
                    .or_else(|| outside_expected(expected.choices.as_ref(), |choices| choices.has_number(number)))
            }
            Scalar::Text(text) => outside_expected(expected.choices.as_ref(), |choices| choices.has_text(text)),
            Scalar::Bool(flag) => outside_expected(expected.choices.as_ref(), |choices| choices.has_bool(flag)),
            Scalar::Null => None,
        };
        if let Some(wanted) = wanted.filter(|_| self.warnings.len() < crate::domain::violation::MAX_LISTED) {
            let detail = format!("{} {wanted}; got {}", feature.name, display_value(feature, value));
            let pointer = self.pointer(index, path);
            self.warnings.push(Warning {
                pointer,
                code: WarningCode::OutsideExpected,
                detail,
                feature: Some(feature.name.clone()),
            });
        }
    }
}

fn outside_expected(choices: Option<&EnumValues>, has: impl Fn(&EnumValues) -> bool) -> Option<String> {
    choices.filter(|choices| !has(choices)).map(|choices| choices.describe().replace("must be", "is usually"))
}

/// Formats a value for a message: truncated, and hidden for a sensitive feature.
fn display_value(feature: &Feature, value: Scalar<'_>) -> String {
    if feature.sensitive {
        return "a value that is not shown".to_owned();
    }
    match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(flag) => flag.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => quote(text),
    }
}

/// The sink for one feature's value.
pub(in crate::domain::contract) struct FeatureSink<'f, 'c> {
    pub(in crate::domain::contract) state: &'f mut AdmitState<'c>,
    pub(in crate::domain::contract) index: usize,
}

impl<'de> JsonSink<'de> for FeatureSink<'_, '_> {
    #[inline]
    fn scalar(self, value: Scalar<'_>) {
        let feature = &self.state.contract.features[self.index];
        if feature.dimensions.is_empty() {
            return self.state.write(self.index, feature.offset, &[], value);
        }
        match value {
            // The default row already holds the default.
            Scalar::Null if feature.null == NullHandling::Default => {}
            Scalar::Null => {
                self.state.reject(
                    self.index,
                    &[],
                    ViolationCode::NullNotAllowed,
                    "cannot be null; it must be an array",
                );
            }
            _ => {
                let detail = format!("must be an array; got {}", display_value(feature, value));
                self.state.reject(self.index, &[], ViolationCode::WrongType, &detail);
            }
        }
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let feature = &self.state.contract.features[self.index];
        if feature.dimensions.is_empty() {
            let detail = format!("{}; got an array", feature.rule.expectation());
            self.state.reject(self.index, &[], ViolationCode::WrongType, &detail);
            return Skip(FEATURE_DEPTH).list(list);
        }
        let plan = &self.state.contract.inputs[feature.tensor];
        let buffer = &mut self.state.inputs.tensors[feature.tensor].buffer;
        if plan.width.is_none() {
            // The default row may hold a default of another length.
            *buffer = Buffer::with_capacity(plan.element, 0);
        }
        let rank = feature.dimensions.len();
        let mut array = ArrayCursor {
            sizes: vec![None; rank],
            path: Vec::with_capacity(rank),
            next: feature.offset,
            room: buffer.len(),
            grows: plan.width.is_none(),
            rank,
            tensor: feature.tensor,
            quiet: feature.fast_range,
        };
        ArraySink { filling: &mut *self.state, index: self.index, array: &mut array }.list(list)?;
        // An array of open length determines the tensor's dimensions.
        if plan.width.is_none() {
            let shape = &mut self.state.inputs.tensors[feature.tensor].shape[plan.leading..];
            for ((size, found), dimension) in shape.iter_mut().zip(&array.sizes).zip(&feature.dimensions) {
                // Levels below an empty array have no observed size, but the tensor may need a fixed size there.
                *size = found.unwrap_or(dimension.min);
            }
        }
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let feature = &self.state.contract.features[self.index];
        let wanted =
            if feature.dimensions.is_empty() { feature.rule.expectation() } else { "must be an array".to_owned() };
        self.state.reject(self.index, &[], ViolationCode::WrongType, &format!("{wanted}; got an object"));
        Skip(FEATURE_DEPTH).object(object)
    }
}

/// The position while a nested array is read.
struct ArrayCursor {
    /// The size of each level, known once the first array of that level has been read.
    sizes: Vec<Option<usize>>,
    /// The indices of the value being read, outermost first.
    path: Vec<usize>,
    /// The index of the next element of the tensor.
    next: usize,
    /// The current number of elements of the tensor.
    room: usize,
    /// Whether the tensor grows with the array, because its length is open.
    grows: bool,
    /// The number of levels.
    rank: usize,
    /// The feature's tensor. It and `quiet` are copied from the feature to avoid a lookup per element of long arrays.
    tensor: usize,
    quiet: Option<FastRange>,
}

/// The sink for an array at some level of a feature, or for one element of the innermost level.
struct ArraySink<'a, 'f, 'c> {
    filling: &'f mut AdmitState<'c>,
    index: usize,
    array: &'a mut ArrayCursor,
}

impl ArraySink<'_, '_, '_> {
    fn feature(&self) -> &Feature {
        &self.filling.contract.features[self.index]
    }

    fn is_innermost(&self) -> bool {
        self.array.path.len() == self.array.rank
    }

    fn reject(&mut self, code: ViolationCode, detail: &str) {
        self.filling.reject(self.index, &self.array.path, code, detail);
    }

    /// Whether the tensor has room for the next element. A tensor of open length grows by one element.
    #[inline]
    fn reserve(&mut self) -> bool {
        if self.array.next < self.array.room {
            return true;
        }
        if self.array.grows {
            let tensor = self.feature().tensor;
            self.filling.inputs.tensors[tensor].buffer.extend_default(1);
            self.array.room += 1;
        }
        self.array.grows
    }

    /// Writes one element without the fast path of `scalar`.
    fn write_scalar_checked(mut self, value: Scalar<'_>) {
        if !self.is_innermost() {
            let detail = format!(
                "must be nested {} levels deep; got {} here",
                self.feature().dimensions.len(),
                display_value(self.feature(), value)
            );
            return self.reject(ViolationCode::WrongShape, &detail);
        }
        if self.reserve() {
            self.filling.write(self.index, self.array.next, &self.array.path, value);
        }
        self.array.next += 1;
    }

    fn check_length(&mut self, level: usize, length: usize) {
        let dimension = self.feature().dimensions[level];
        if length < dimension.min || dimension.max.is_some_and(|max| length > max) {
            let wanted = match dimension.max {
                Some(max) if max == dimension.min => format!("{max} elements"),
                Some(max) => format!("{} to {max} elements", dimension.min),
                None => format!("at least {} elements", dimension.min),
            };
            self.reject(ViolationCode::WrongLength, &format!("must have {wanted} here; got {length}"));
        } else if let Some(first) = self.array.sizes[level].filter(|first| *first != length) {
            self.reject(
                ViolationCode::WrongShape,
                &format!("must be rectangular: {first} elements before, {length} here"),
            );
        } else {
            self.array.sizes[level] = Some(length);
        }
    }
}

impl<'de> JsonSink<'de> for ArraySink<'_, '_, '_> {
    #[inline]
    fn scalar(self, value: Scalar<'_>) {
        let array = &mut *self.array;
        if let (Scalar::Number(number), Some(quiet)) = (value, array.quiet)
            && array.path.len() == array.rank
            && array.next < array.room
            && quiet.write_if_within(number, &mut self.filling.inputs.tensors[array.tensor].buffer, array.next)
        {
            array.next += 1;
        } else {
            self.write_scalar_checked(value);
        }
    }

    fn list<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let level = self.array.path.len();
        if self.is_innermost() {
            let detail = format!("must be nested only {level} levels deep; got an array here");
            self.reject(ViolationCode::WrongShape, &detail);
            return Skip(FEATURE_DEPTH + level).list(list);
        }
        let most = self.feature().dimensions[level].max.unwrap_or(usize::MAX);
        let mut length = 0;
        self.array.path.push(0);
        loop {
            self.array.path[level] = length;
            let more = if length < most {
                let inner = ArraySink { filling: &mut *self.filling, index: self.index, array: &mut *self.array };
                list.next_element_seed(SinkSeed(inner))?
            } else {
                list.next_element_seed(SinkSeed(Skip(FEATURE_DEPTH + level + 1)))?
            };
            if more.is_none() {
                break;
            }
            length += 1;
        }
        self.array.path.pop();
        self.check_length(level, length);
        Ok(())
    }

    fn object<A: MapAccess<'de>>(mut self, object: A) -> Result<(), A::Error> {
        self.reject(ViolationCode::WrongType, "must not contain objects");
        Skip(FEATURE_DEPTH + self.array.path.len()).object(object)
    }
}

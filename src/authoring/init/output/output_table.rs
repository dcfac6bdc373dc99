//! The outputs of the graph as declared and as observed on rows of the table: which can hold a value, the scores of
//! classes or a label, and which one a flag names.

use std::collections::BTreeSet;

use crate::{
    authoring::{
        error::DecisionError,
        flag_value::{list_argument, shell_quoted},
        init::options::InitOptions,
    },
    domain::{
        contract::{ProbabilitySummary, numbers},
        signature::{OutputSpec, Signature, TensorSpec},
        tensor::{ElementType, Tensor},
        text::did_you_mean,
    },
};

/// The outputs of the model for some rows: for each row, one tensor per output of the signature.
pub(in crate::authoring::init) struct OutputColumns {
    /// Empty if the model could not be run, since the inputs are undecided.
    pub(in crate::authoring::init) rows: Vec<Vec<Tensor>>,
    /// The distinct values of the target in the whole table, if they can be listed; `None` without a target.
    pub(in crate::authoring::init) target: Option<BTreeSet<String>>,
    /// Whether a target was given.
    pub(in crate::authoring::init) has_target: bool,
}

/// What an output can hold, by its type and shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputShape {
    /// One float per row.
    Single,
    /// Several floats per row, or a map.
    Several,
    /// One integer or string per row.
    Label,
    /// Anything else.
    Other,
}

/// The outputs, and what decides their roles.
#[derive(Clone, Copy)]
pub(super) struct OutputTable<'a> {
    pub(super) signature: &'a Signature,
    pub(super) observed: &'a OutputColumns,
    pub(super) options: &'a InitOptions,
}

impl<'a> OutputTable<'a> {
    pub(super) fn spec(self, index: usize) -> &'a OutputSpec {
        &self.signature.outputs[index]
    }

    pub(super) fn name(self, index: usize) -> &'a str {
        self.spec(index).name()
    }

    /// Whether the model was run.
    pub(super) fn is_observed(self) -> bool {
        !self.observed.rows.is_empty()
    }

    /// The number of columns that the graph declares; `None` if it is open or if there is another axis.
    pub(super) fn declared(self, index: usize) -> Option<usize> {
        match self.spec(index) {
            OutputSpec::ZipMap { keys, .. } => Some(keys.len()).filter(|count| *count > 0),
            OutputSpec::Tensor(TensorSpec { shape, .. }) => match shape.as_slice() {
                [] | [_] => Some(1),
                [_, columns] => *columns,
                _ => None,
            },
        }
    }

    /// The number of columns: as observed, else as declared.
    pub(super) fn width(self, index: usize) -> Option<usize> {
        let observed = self.observed.rows.first().map(|row| row[index].buffer.len());
        observed.or_else(|| self.declared(index))
    }

    pub(super) fn shape(self, index: usize) -> OutputShape {
        let spec = self.spec(index);
        let flat = match spec {
            OutputSpec::ZipMap { .. } => true,
            OutputSpec::Tensor(TensorSpec { shape, .. }) => shape.len() <= 2,
        };
        let integral = spec.element().is_integer() || spec.element() == ElementType::Text;
        match (flat, self.width(index)) {
            (true, Some(1)) if spec.element().is_float() && self.declared(index) != Some(2) => OutputShape::Single,
            (true, _) if spec.element().is_float() => OutputShape::Several,
            (true, Some(1)) if integral => OutputShape::Label,
            _ => OutputShape::Other,
        }
    }

    /// The outputs of a shape, in the graph's order.
    pub(super) fn shaped(self, shape: OutputShape) -> Vec<usize> {
        (0..self.signature.outputs.len()).filter(|index| self.shape(*index) == shape).collect()
    }

    /// The outputs that hold floats, in the graph's order.
    pub(super) fn floats(self) -> Vec<usize> {
        let float = |index: &usize| matches!(self.shape(*index), OutputShape::Single | OutputShape::Several);
        (0..self.signature.outputs.len()).filter(float).collect()
    }

    /// The values of an output, by row.
    pub(super) fn values(self, index: usize) -> Vec<Vec<f64>> {
        self.observed.rows.iter().map(|row| numbers(&row[index])).collect()
    }

    pub(super) fn summary(self, index: usize) -> ProbabilitySummary {
        let values = self.values(index);
        ProbabilitySummary::of(self.spec(index).element(), values.iter().map(Vec::as_slice))
    }

    /// Finds the output that a flag names.
    pub(super) fn find(self, flag: &str, name: Option<&str>) -> Result<Option<usize>, DecisionError> {
        let Some(name) = name else { return Ok(None) };
        let found = self.signature.outputs.iter().position(|spec| spec.name() == name);
        if found.is_none() {
            let near = did_you_mean(name, self.signature.outputs.iter().map(OutputSpec::name));
            let listed = self.listed();
            return Err(format!("{flag}: the graph has no output {name:?}{near}; it has: {listed}").into());
        }
        Ok(found)
    }

    /// All outputs, for messages.
    pub(super) fn listed(self) -> String {
        self.signature.outputs.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Writes a flag that names an output, to be pasted.
    pub(super) fn flag(self, flag: &str, index: usize) -> String {
        format!("{flag} {}", shell_quoted(self.name(index)))
    }

    /// Whether the target is a class rather than a number.
    pub(super) fn has_class_target(self) -> bool {
        let two = self.observed.target.as_ref().is_some_and(|values| values.len() <= 2);
        let text = self.observed.target.iter().flatten().any(|value| value.parse::<f64>().is_err());
        self.observed.has_target && (two || text)
    }

    /// Suggests `--classes` for this many classes, to be pasted: the values of the target if they are as many.
    pub(super) fn classes_flag(self, count: usize) -> String {
        let values = self.observed.target.as_ref().filter(|values| self.observed.has_target && values.len() == count);
        match values {
            Some(values) => format!("--classes {}", list_argument(values)),
            None if count > 2 => "--classes NAME,NAME,…".to_owned(),
            None => "--classes NAME,NAME".to_owned(),
        }
    }

    /// Returns an error if an output does not have as many columns as it declares.
    pub(super) fn check_width(self, index: usize) -> Result<(), DecisionError> {
        match (self.is_observed().then(|| self.width(index)).flatten(), self.declared(index)) {
            (Some(found), Some(declared)) if found != declared => Err(format!(
                "the output {} declares {declared} columns, but each row has {found} values: correct its shape in the \
                 graph, in Python with model.graph.output[{index}].type.tensor_type.shape.dim[1].dim_value = {found}",
                self.spec(index)
            )
            .into()),
            _ => Ok(()),
        }
    }
}

//! Inputs and outputs of a graph, as the graph declares them.

use std::fmt;

use super::tensor::ElementType;

/// A tensor declared by a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// The tensor name in the graph.
    pub name: String,
    /// The element type.
    pub element: ElementType,
    /// The dimensions; `None` for a dynamic dimension.
    pub shape: Vec<Option<usize>>,
}

impl TensorSpec {
    /// Whether the first dimension is dynamic, so that rows can be batched.
    pub fn has_batch_axis(&self) -> bool {
        self.shape.first() == Some(&None)
    }

    /// The dimensions of one instance: all but the batch axis, which is a dynamic first dimension or a fixed one of 1.
    pub fn instance_shape(&self) -> &[Option<usize>] {
        match self.shape.first() {
            Some(None) => &self.shape[1..],
            Some(Some(1)) if self.shape.len() > 1 => &self.shape[1..],
            _ => &self.shape,
        }
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimensions: Vec<String> =
            self.shape.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string())).collect();
        write!(formatter, "{} {}[{}]", self.name, self.element, dimensions.join(", "))
    }
}

/// A graph output: a tensor, or the sequence of maps from class to probability that scikit-learn exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputSpec {
    /// A plain tensor.
    Tensor(TensorSpec),
    /// A `ZipMap` output: one map per row. It is converted to a tensor `[N, C]` with the columns in the order of
    /// `keys`.
    ZipMap {
        /// The output name in the graph.
        name: String,
        /// The element type of the probabilities.
        element: ElementType,
        /// The keys, in order; empty if a trial run could not determine them.
        keys: Vec<String>,
    },
}

impl OutputSpec {
    /// The output name in the graph.
    pub fn name(&self) -> &str {
        match self {
            Self::Tensor(spec) => &spec.name,
            Self::ZipMap { name, .. } => name,
        }
    }

    /// The element type.
    pub fn element(&self) -> ElementType {
        match self {
            Self::Tensor(spec) => spec.element,
            Self::ZipMap { element, .. } => *element,
        }
    }
}

impl fmt::Display for OutputSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(spec) => spec.fmt(formatter),
            Self::ZipMap { name, .. } => write!(formatter, "{name} sequence of maps (ZipMap)"),
        }
    }
}

/// Inputs and outputs of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The inputs, in graph order.
    pub inputs: Vec<TensorSpec>,
    /// The outputs, in graph order.
    pub outputs: Vec<OutputSpec>,
}

impl Signature {
    /// Whether every input has a batch axis, which is required to batch rows.
    pub fn is_batched(&self) -> bool {
        !self.inputs.is_empty() && self.inputs.iter().all(TensorSpec::has_batch_axis)
    }

    /// The fixed number of rows per run: all inputs have the same fixed first dimension above 1 and further dimensions,
    /// and every output has the same first dimension or a dynamic one. The dimension may also belong to a single
    /// instance; only the contract can tell.
    pub fn fixed_rows(&self) -> Option<usize> {
        let first = |shape: &[Option<usize>]| shape.first().copied().flatten().filter(|rows| *rows > 1);
        let rows = self.inputs.first().and_then(|spec| first(&spec.shape))?;
        let inputs = self.inputs.iter().all(|spec| spec.shape.len() > 1 && first(&spec.shape) == Some(rows));
        let outputs = self.outputs.iter().all(|spec| match spec {
            OutputSpec::Tensor(spec) => matches!(spec.shape.first(), Some(None)) || first(&spec.shape) == Some(rows),
            OutputSpec::ZipMap { .. } => true,
        });
        (inputs && outputs).then_some(rows)
    }

    /// The same signature with the first dimension of every tensor made dynamic.
    #[must_use]
    pub fn with_open_rows(&self) -> Self {
        let mut open = self.clone();
        let outputs = open.outputs.iter_mut().filter_map(|spec| match spec {
            OutputSpec::Tensor(spec) => Some(spec),
            OutputSpec::ZipMap { .. } => None,
        });
        for size in open.inputs.iter_mut().chain(outputs).filter_map(|spec| spec.shape.first_mut()) {
            *size = None;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_shape_leaves_the_batch_axis_out() {
        let spec =
            |shape: &[Option<usize>]| TensorSpec { name: "x".into(), element: ElementType::F32, shape: shape.to_vec() };
        assert_eq!(spec(&[None, Some(3)]).instance_shape(), [Some(3)]);
        assert_eq!(spec(&[Some(1), Some(3)]).instance_shape(), [Some(3)]);
        assert_eq!(spec(&[Some(3)]).instance_shape(), [Some(3)]);
        assert_eq!(spec(&[None]).instance_shape(), []);
        assert_eq!(spec(&[]).instance_shape(), []);
    }
}

//! Reads the declared inputs and outputs of a session into a signature.

use ort::{
    session::Session,
    value::{Outlet, TensorElementType, ValueType},
};

use super::{OpenError, convert::element};
use crate::domain::{
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
};

/// The inputs and outputs of a session.
pub(super) struct SessionIo {
    pub(super) signature: Signature,
    /// The symbolic dimension names of each input; an empty name for a dimension without one.
    pub(super) symbols: Vec<Vec<String>>,
    /// Outputs whose type is not supported, each as name and type.
    pub(super) unread: Vec<String>,
}

impl SessionIo {
    /// Reads the inputs and outputs. Inputs with an initializer are not included: they keep the initializer's value.
    ///
    /// # Errors
    /// Returns [`OpenError::Unsupported`] if an input has an unsupported type, or if no output can be read.
    pub(super) fn read(session: &Session) -> Result<Self, OpenError> {
        let mut inputs = session.inputs().iter().map(input_spec).collect::<Result<Vec<_>, _>>()?;
        let symbols: Vec<Vec<String>> = session.inputs().iter().map(symbols).collect();
        fix_single_row_inputs(&mut inputs, &symbols);
        let (mut outputs, mut unread, mut last) = (Vec::new(), Vec::new(), None);
        for outlet in session.outputs() {
            if let Some(spec) = output_spec(outlet) {
                outputs.push(spec);
            } else {
                unread.push(format!("{} {}", outlet.name(), outlet.dtype()));
                last = Some(outlet);
            }
        }
        if let Some(outlet) = last.filter(|_| outputs.is_empty()) {
            return Err(OpenError::Unsupported {
                what: "output",
                name: outlet.name().to_owned(),
                kind: outlet.dtype().to_string(),
                verb: "read",
                remedy: "outputs must be tensors or maps of scikit-learn's ZipMap",
            });
        }
        Ok(Self { signature: Signature { inputs, outputs }, symbols, unread })
    }
}

/// The tensor type of an outlet; for an optional, that of its content.
fn tensor_type(dtype: &ValueType) -> Option<(TensorElementType, &ValueType)> {
    match dtype {
        ValueType::Tensor { ty, .. } => Some((*ty, dtype)),
        ValueType::Optional(inner) => tensor_type(inner),
        ValueType::Sequence(_) | ValueType::Map { .. } => None,
    }
}

fn tensor_spec(outlet: &Outlet) -> Option<TensorSpec> {
    let (ty, dtype) = tensor_type(outlet.dtype())?;
    let shape = dtype.tensor_shape()?.iter().map(|size| usize::try_from(*size).ok()).collect();
    Some(TensorSpec { name: outlet.name().to_owned(), element: element(ty)?, shape })
}

fn symbols(outlet: &Outlet) -> Vec<String> {
    match tensor_type(outlet.dtype()) {
        Some((_, ValueType::Tensor { dimension_symbols, .. })) => dimension_symbols.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

fn input_spec(outlet: &Outlet) -> Result<TensorSpec, OpenError> {
    tensor_spec(outlet).ok_or_else(|| OpenError::Unsupported {
        what: "input",
        name: outlet.name().to_owned(),
        kind: outlet.dtype().to_string(),
        verb: "feed",
        remedy: "inputs must be tensors of numbers, booleans or strings; export the model with a tensor instead",
    })
}

fn output_spec(outlet: &Outlet) -> Option<OutputSpec> {
    match outlet.dtype() {
        ValueType::Tensor { .. } => tensor_spec(outlet).map(OutputSpec::Tensor),
        ValueType::Sequence(inner) => match inner.as_ref() {
            ValueType::Map {
                key: TensorElementType::String | TensorElementType::Int64,
                value: TensorElementType::Float32,
            } => {
                let name = outlet.name().to_owned();
                Some(OutputSpec::ZipMap { name, element: ElementType::F32, keys: Vec::new() })
            }
            _ => None,
        },
        _ => None,
    }
}

/// Fixes the batch axis at 1 if it is also an inner dimension of another input, such as a recurrent state `[2, batch,
/// 128]` next to `[batch, …]`: then rows cannot be concatenated along the first dimension. A dimension counts as the
/// batch axis only if its name says so.
fn fix_single_row_inputs(inputs: &mut [TensorSpec], symbols: &[Vec<String>]) {
    let says_batch = |name: &str| name.eq_ignore_ascii_case("n") || name.to_ascii_lowercase().contains("batch");
    let leads = |name: &String| symbols.iter().any(|names| names.first() == Some(name));
    let inner = |names: &Vec<String>| {
        let behind = names.iter().skip(1).filter(|name| names.first() != Some(name));
        behind.filter(|name| says_batch(name) && leads(name)).cloned().collect::<Vec<_>>()
    };
    let batch: Vec<String> = symbols.iter().flat_map(inner).collect();
    for (spec, names) in inputs.iter_mut().zip(symbols) {
        for (size, _) in spec.shape.iter_mut().zip(names).filter(|(_, name)| batch.contains(name)) {
            *size = Some(1);
        }
    }
}

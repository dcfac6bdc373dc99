//! Converts between Candor's tensors and ONNX Runtime's values.

use half::{bf16, f16};
use ort::{
    environment::Environment,
    session::{Session, SessionInputValue},
    value::{DynValue, MapValueType, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType},
};

use super::{RunError, onnx};
use crate::domain::tensor::{Buffer, ElementType, Tensor};

pub(super) fn to_run_error(error: impl std::fmt::Display) -> RunError {
    RunError::Failed(error.to_string())
}

/// Maps ONNX Runtime's element type to Candor's; `None` if it is not supported.
pub(super) fn element(of: TensorElementType) -> Option<ElementType> {
    Some(match of {
        TensorElementType::Bfloat16 => ElementType::BF16,
        TensorElementType::Float16 => ElementType::F16,
        TensorElementType::Float32 => ElementType::F32,
        TensorElementType::Float64 => ElementType::F64,
        TensorElementType::Int8 => ElementType::I8,
        TensorElementType::Int16 => ElementType::I16,
        TensorElementType::Int32 => ElementType::I32,
        TensorElementType::Int64 => ElementType::I64,
        TensorElementType::Uint8 => ElementType::U8,
        TensorElementType::Uint16 => ElementType::U16,
        TensorElementType::Uint32 => ElementType::U32,
        TensorElementType::Uint64 => ElementType::U64,
        TensorElementType::Bool => ElementType::Bool,
        TensorElementType::String => ElementType::Text,
        _ => return None,
    })
}

/// Borrows a tensor as an ONNX Runtime value; only strings are copied.
pub(super) fn to_value<'t>(tensor: &'t Tensor, environment: &Environment) -> Result<SessionInputValue<'t>, RunError> {
    macro_rules! view {
        ($vector:expr) => {
            TensorRef::from_array_view((tensor.shape.as_slice(), $vector.as_slice())).map_err(to_run_error)?.into()
        };
    }
    Ok(match &tensor.buffer {
        Buffer::BF16(vector) => view!(vector),
        Buffer::F16(vector) => view!(vector),
        Buffer::F32(vector) => view!(vector),
        Buffer::F64(vector) => view!(vector),
        Buffer::I8(vector) => view!(vector),
        Buffer::I16(vector) => view!(vector),
        Buffer::I32(vector) => view!(vector),
        Buffer::I64(vector) => view!(vector),
        Buffer::U8(vector) => view!(vector),
        Buffer::U16(vector) => view!(vector),
        Buffer::U32(vector) => view!(vector),
        Buffer::U64(vector) => view!(vector),
        Buffer::Bool(vector) => view!(vector),
        Buffer::Text(vector) => {
            match OrtTensor::from_string_array((tensor.shape.as_slice(), vector.as_slice())) {
                Ok(value) => value.into(),
                // ONNX Runtime takes C strings, which end at the first NUL.
                Err(_) if vector.iter().any(|text| text.contains('\0')) => {
                    strings(&tensor.shape, vector, environment)?.into()
                }
                Err(error) => return Err(to_run_error(error)),
            }
        }
    })
}

/// The number of elements of an output. A sequence of maps counts as 0: it cannot be large.
pub(super) fn elements(value: &DynValue) -> usize {
    let ValueType::Tensor { shape, .. } = value.dtype() else { return 0 };
    shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).product()
}

/// Makes a tensor of strings that contain NULs. No function of ONNX Runtime's API takes string lengths, but a graph
/// stores them: the strings become the constant output of a small graph. This takes a fraction of a millisecond, for
/// such strings only.
fn strings(shape: &[usize], texts: &[String], environment: &Environment) -> Result<DynValue, RunError> {
    let builder = Session::builder(environment).map_err(to_run_error)?;
    let mut builder = builder.with_intra_threads(1).map_err(to_run_error)?;
    let mut session = builder.commit_from_memory(&onnx::constant(shape, texts)).map_err(to_run_error)?;
    let nothing: [SessionInputValue<'_>; 0] = [];
    let mut outputs = session.run(nothing).map_err(to_run_error)?;
    outputs.remove(onnx::CONSTANT).ok_or_else(|| to_run_error("the session returned no strings"))
}

/// Converts an output to a tensor; a `ZipMap` sequence becomes `[rows, classes]`.
pub(super) fn from_value(value: &DynValue) -> Result<Tensor, RunError> {
    match value.dtype() {
        ValueType::Tensor { ty, .. } => from_tensor(value, *ty),
        ValueType::Sequence(inner) => match inner.as_ref() {
            ValueType::Map { key: TensorElementType::String, .. } => {
                from_maps::<String>(value).map(|(tensor, _)| tensor)
            }
            ValueType::Map { .. } => from_maps::<i64>(value).map(|(tensor, _)| tensor),
            other => Err(to_run_error(format!("unsupported output type: sequence of {other}"))),
        },
        other => Err(to_run_error(format!("unsupported output type: {other}"))),
    }
}

fn from_tensor(value: &DynValue, ty: TensorElementType) -> Result<Tensor, RunError> {
    macro_rules! copy {
        ($kind:ty, $variant:ident) => {{
            let (shape, data) = value.try_extract_tensor::<$kind>().map_err(to_run_error)?;
            (shape.to_vec(), Buffer::$variant(data.to_vec()))
        }};
    }
    let (shape, buffer) = match ty {
        TensorElementType::Bfloat16 => copy!(bf16, BF16),
        TensorElementType::Float16 => copy!(f16, F16),
        TensorElementType::Float32 => copy!(f32, F32),
        TensorElementType::Float64 => copy!(f64, F64),
        TensorElementType::Int8 => copy!(i8, I8),
        TensorElementType::Int16 => copy!(i16, I16),
        TensorElementType::Int32 => copy!(i32, I32),
        TensorElementType::Int64 => copy!(i64, I64),
        TensorElementType::Uint8 => copy!(u8, U8),
        TensorElementType::Uint16 => copy!(u16, U16),
        TensorElementType::Uint32 => copy!(u32, U32),
        TensorElementType::Uint64 => copy!(u64, U64),
        TensorElementType::Bool => copy!(bool, Bool),
        TensorElementType::String => {
            let (shape, texts) = value.try_extract_strings().map_err(to_run_error)?;
            (shape.to_vec(), Buffer::Text(texts))
        }
        other => return Err(to_run_error(format!("unsupported output type: tensor of {other}"))),
    };
    let shape = shape.into_iter().map(|size| usize::try_from(size).unwrap_or(0)).collect();
    Ok(Tensor { shape, buffer })
}

/// A key type of a `ZipMap` output.
pub(super) trait MapKey:
    ort::value::IntoTensorElementType + Clone + Ord + std::hash::Hash + std::fmt::Debug + ToString
{
}

impl MapKey for String {}
impl MapKey for i64 {}

/// Converts a sequence of one map per row to a matrix whose columns follow the sorted keys. Returns the matrix and the
/// keys.
pub(super) fn from_maps<K: MapKey + 'static>(value: &DynValue) -> Result<(Tensor, Vec<String>), RunError> {
    let maps = value.try_extract_sequence::<MapValueType<K, f32>>().map_err(to_run_error)?;
    let rows = maps.len();
    let mut keys = Vec::new();
    let mut values = Vec::new();
    for map in &maps {
        let mut entries = map.try_extract_key_values::<K, f32>().map_err(to_run_error)?;
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        if keys.is_empty() {
            keys = entries.iter().map(|(key, _)| key.to_string()).collect();
        }
        values.extend(entries.into_iter().map(|(_, value)| value));
    }
    let columns = values.len().checked_div(rows).unwrap_or(0);
    Ok((Tensor { shape: vec![rows, columns], buffer: Buffer::F32(values) }, keys))
}

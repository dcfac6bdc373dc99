//! Stacks rows into the inputs of one run, and slices rows out of its outputs.

use half::{bf16, f16};
use ndarray::{ArrayView1, ArrayView2, Axis, Slice, concatenate};

use crate::domain::{
    float::Float,
    tensor::{Buffer, Inputs, Tensor},
};

/// The type of a tensor's elements.
trait Element: Clone + Sized {
    /// The elements of a tensor in row-major order; `None` if it has another type.
    fn elements(tensor: &Tensor) -> Option<ArrayView1<'_, Self>>;

    fn buffer(elements: Vec<Self>) -> Buffer;
}

/// Implements [`Element`] for each variant of a buffer, and a macro that calls a generic function by the type of a tensor.
macro_rules! elements {
    ($dollar:tt $($kind:ty: $variant:ident),*) => {
        $(impl Element for $kind {
            fn elements(tensor: &Tensor) -> Option<ArrayView1<'_, Self>> {
                let Buffer::$variant(vector) = &tensor.buffer else { return None };
                Some(ArrayView1::from(vector.as_slice()))
            }

            fn buffer(elements: Vec<Self>) -> Buffer {
                Buffer::$variant(elements)
            }
        })*

        macro_rules! by_element {
            ($dollar tensor:expr, $dollar function:ident($dollar($dollar argument:expr),*)) => {
                match &$dollar tensor.buffer {
                    $(Buffer::$variant(_) => $dollar function::<$kind>($dollar($dollar argument),*),)*
                }
            };
        }
    };
}

elements!(
    $ bf16: BF16, f16: F16, f32: F32, f64: F64, i8: I8, i16: I16, i32: I32, i64: I64, u8: U8, u16: U16, u32: U32,
    u64: U64, bool: Bool, String: Text
);

/// Stacks rows of equal shapes along the batch axis. Returns `None` if there are no rows or their shapes differ.
pub fn merge(rows: &[&Inputs]) -> Option<Inputs> {
    let first = rows.first()?;
    if rows.iter().any(|row| row.tensors.len() != first.tensors.len()) {
        return None;
    }
    let stacked = |input: usize| stack(&rows.iter().map(|row| &row.tensors[input]).collect::<Vec<_>>());
    let tensors = (0..first.tensors.len()).map(stacked).collect::<Option<_>>()?;
    Some(Inputs { tensors, rows: rows.iter().map(|row| row.rows).sum() })
}

/// Stacks tensors along their first axis. Returns `None` if there are none, or their types or other dimensions differ.
fn stack(parts: &[&Tensor]) -> Option<Tensor> {
    by_element!(parts.first()?, stack_elements(parts))
}

fn stack_elements<E: Element>(parts: &[&Tensor]) -> Option<Tensor> {
    let dimensions = parts.first()?.shape.get(1..)?;
    if parts.iter().any(|part| part.shape.get(1..) != Some(dimensions)) {
        return None;
    }
    // Along the first axis, stacking is concatenating the elements. Arrays of dynamic dimensions would do the same at
    // several times the cost, for every batch.
    let elements = parts.iter().map(|part| E::elements(part)).collect::<Option<Vec<_>>>()?;
    let stacked = concatenate(Axis(0), &elements).ok()?;
    let rows = parts.iter().map(|part| part.shape[0]).sum();
    let shape = std::iter::once(rows).chain(dimensions.iter().copied()).collect();
    Some(Tensor { shape, buffer: E::buffer(stacked.into_raw_vec_and_offset().0) })
}

/// Copies the rows of a tensor in this range of its first axis.
fn slice(tensor: &Tensor, range: Slice) -> Option<Tensor> {
    by_element!(tensor, slice_elements(tensor, range))
}

fn slice_elements<E: Element>(tensor: &Tensor, range: Slice) -> Option<Tensor> {
    let (rows, dimensions) = tensor.shape.split_first()?;
    let elements = E::elements(tensor)?;
    let array = ArrayView2::from_shape((*rows, dimensions.iter().product()), elements.as_slice()?).ok()?;
    let kept = array.slice_axis(Axis(0), range).to_owned();
    let shape = std::iter::once(kept.nrows()).chain(dimensions.iter().copied()).collect();
    Some(Tensor { shape, buffer: E::buffer(kept.into_raw_vec_and_offset().0) })
}

/// Pads the inputs to `rows` rows by repeating the last row. Inputs that have as many rows or more are returned
/// unchanged.
pub fn pad(inputs: &Inputs, rows: usize) -> Inputs {
    let missing = rows.saturating_sub(inputs.rows);
    let padded = |tensor: &Tensor| {
        let last = slice(tensor, Slice::from(-1..))?;
        stack(&[&[tensor], vec![&last; missing].as_slice()].concat())
    };
    let tensors = inputs.tensors.iter().map(|tensor| padded(tensor).unwrap_or_else(|| tensor.clone()));
    Inputs { tensors: tensors.collect(), rows: inputs.rows + missing }
}

/// Keeps the first `rows` rows of an output. An output with fewer rows is returned unchanged.
pub(super) fn trim(tensor: Tensor, rows: usize) -> Tensor {
    let is_longer = tensor.shape.first().is_some_and(|count| *count > rows);
    let kept = is_longer.then(|| slice(&tensor, Slice::from(..rows))).flatten();
    kept.unwrap_or(tensor)
}

/// The elements of row `index` of a tensor with a batch axis, as doubles; empty for strings and booleans.
pub fn row_values(tensor: &Tensor, index: usize) -> Vec<f64> {
    let width: usize = tensor.shape.get(1..).unwrap_or(&[]).iter().product();
    let element = |at| Float::at(&tensor.buffer, at).map(Float::as_f64);
    (index * width..(index + 1) * width).filter_map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(values: &[f32], texts: &[&str]) -> Inputs {
        Inputs {
            tensors: vec![
                Tensor { shape: vec![1, values.len()], buffer: Buffer::F32(values.to_vec()) },
                Tensor { shape: vec![1, 1], buffer: Buffer::Text(texts.iter().map(ToString::to_string).collect()) },
            ],
            rows: 1,
        }
    }

    #[test]
    fn merged_rows_keep_their_order_and_split_back() {
        let merged = merge(&[&inputs(&[1.0, 2.0], &["a"]), &inputs(&[3.0, 4.0], &["b"])]).expect("equal shapes");
        assert_eq!((merged.rows, merged.tensors[0].shape.as_slice()), (2, [2, 2].as_slice()));
        assert_eq!(row_values(&merged.tensors[0], 1), [3.0, 4.0]);
        assert_eq!(merged.tensors[1].buffer, Buffer::Text(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn padded_rows_repeat_the_last_and_are_cut_off_again() {
        let two = merge(&[&inputs(&[1.0, 2.0], &["a"]), &inputs(&[3.0, 4.0], &["b"])]).expect("equal shapes");
        let four = pad(&two, 4);
        assert_eq!((four.rows, four.tensors[0].shape.as_slice()), (4, [4, 2].as_slice()));
        assert_eq!(four.tensors[0].buffer, Buffer::F32(vec![1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0]));
        for (whole, part) in four.tensors.into_iter().zip(two.tensors) {
            assert_eq!(trim(whole, 2), part);
        }
    }

    #[test]
    fn rows_of_other_shapes_do_not_merge() {
        assert!(merge(&[]).is_none());
        assert!(merge(&[&inputs(&[1.0], &["a"]), &inputs(&[1.0, 2.0], &["a"])]).is_none());
    }
}

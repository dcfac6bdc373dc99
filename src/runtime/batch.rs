//! Merges rows into the inputs of one run, and extracts one row of its outputs.

use crate::domain::tensor::{Buffer, Inputs, Tensor, each_buffer};

/// Concatenates rows of equal shapes along the batch axis. Returns `None` if there are no rows or their shapes differ.
pub fn merge(rows: &[&Inputs]) -> Option<Inputs> {
    let (first, rest) = rows.split_first()?;
    let mut merged = (*first).clone();
    for inputs in rest {
        if inputs.tensors.len() != merged.tensors.len() {
            return None;
        }
        for (whole, part) in merged.tensors.iter_mut().zip(&inputs.tensors) {
            if whole.shape.get(1..) != part.shape.get(1..) || !append(&mut whole.buffer, &part.buffer) {
                return None;
            }
            *whole.shape.first_mut()? += part.shape.first()?;
        }
        merged.rows += inputs.rows;
    }
    Some(merged)
}

fn append(whole: &mut Buffer, part: &Buffer) -> bool {
    macro_rules! extend {
        ($($variant:ident),*) => {
            match (whole, part) {
                $((Buffer::$variant(whole), Buffer::$variant(part)) => whole.extend_from_slice(part),)*
                _ => return false,
            }
        };
    }
    extend!(BF16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, Text);
    true
}

/// Pads the inputs to `rows` rows by repeating the last row. Inputs that have as many rows or more are returned
/// unchanged.
pub fn pad(inputs: &Inputs, rows: usize) -> Inputs {
    let mut padded = inputs.clone();
    let missing = rows.saturating_sub(inputs.rows);
    for tensor in &mut padded.tensors {
        let Some(count) = tensor.shape.first_mut() else { continue };
        *count += missing;
        each_buffer!(&mut tensor.buffer, vector => {
            let (end, width) = (vector.len(), vector.len() / inputs.rows.max(1));
            for _ in 0..missing {
                vector.extend_from_within(end - width..end);
            }
        });
    }
    padded.rows += missing;
    padded
}

/// Keeps the first `rows` rows of an output. An output with fewer rows is returned unchanged.
pub(super) fn trim(mut tensor: Tensor, rows: usize) -> Tensor {
    if let Some(count) = tensor.shape.first_mut().filter(|count| **count > rows) {
        let kept = tensor.buffer.len() / *count * rows;
        *count = rows;
        each_buffer!(&mut tensor.buffer, vector => vector.truncate(kept));
    }
    tensor
}

/// The elements of row `index` of a tensor with a batch axis, as doubles; empty for strings and booleans.
pub fn row_values(tensor: &Tensor, index: usize) -> Vec<f64> {
    let width: usize = tensor.shape.get(1..).unwrap_or(&[]).iter().product();
    let element = |at| crate::domain::float::Float::at(&tensor.buffer, at).map(crate::domain::float::Float::as_f64);
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

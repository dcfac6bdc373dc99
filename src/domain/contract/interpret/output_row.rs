//! Reads one row of a run's outputs as numbers or as a tensor.

use super::probability::{check_all, check_single, normalize};
use crate::domain::{
    contract::ScoreEncoding,
    float::Float,
    prediction::InterpretError,
    tensor::{Buffer, Tensor, each_buffer},
    uncertainty::{ScoreKind, softmax},
};

/// Returns the requested output at `index`.
pub(in crate::domain::contract) fn output<'t>(
    outputs: &'t [Tensor],
    index: usize,
    name: &str,
) -> Result<&'t Tensor, InterpretError> {
    outputs.get(index).ok_or_else(|| InterpretError::Shape {
        tensor: name.to_owned(),
        found: Vec::new(),
        element: crate::domain::tensor::ElementType::F32,
        expected: "the output itself".to_owned(),
    })
}

pub(in crate::domain::contract) fn shape_error(tensor: &Tensor, name: &str, expected: String) -> InterpretError {
    InterpretError::Shape {
        tensor: name.to_owned(),
        found: tensor.shape.clone(),
        element: tensor.buffer.element(),
        expected,
    }
}

pub(in crate::domain::contract) fn mean(values: &[Float], tensor: &Tensor) -> Option<Float> {
    let sum: f64 = values.iter().map(|value| value.as_f64()).sum();
    (!values.is_empty()).then(|| Float::round(sum / values.len() as f64, tensor.buffer.element()))
}

/// One row of an output.
#[derive(Clone, Copy)]
pub(in crate::domain::contract) struct OutputRow<'a> {
    pub(in crate::domain::contract) tensor: &'a Tensor,
    pub(in crate::domain::contract) name: &'a str,
    /// The row's index.
    pub(in crate::domain::contract) index: usize,
    pub(in crate::domain::contract) batched: bool,
}

impl OutputRow<'_> {
    /// Returns the index of the row's first element in the buffer and its number of elements.
    fn span(self) -> (usize, usize) {
        if !self.batched {
            return (0, self.tensor.buffer.len());
        }
        let width = self.tensor.shape.get(1..).unwrap_or(&[]).iter().product();
        (self.index * width, width)
    }

    /// Returns the row as floats, all of them finite. `expected` is the required number of values, if it is known.
    pub(in crate::domain::contract) fn floats(self, expected: Option<usize>) -> Result<Vec<Float>, InterpretError> {
        let (start, width) = self.span();
        if expected.is_some_and(|expected| expected != width) {
            let wanted = expected.map_or_else(String::new, |expected| format!("{expected} values per row"));
            return Err(shape_error(self.tensor, self.name, wanted));
        }
        let mut floats = Vec::with_capacity(width);
        for index in 0..width {
            let value = Float::at(&self.tensor.buffer, start + index)
                .ok_or_else(|| shape_error(self.tensor, self.name, format!("{width} numbers per row")))?;
            if !value.as_f64().is_finite() {
                return Err(InterpretError::NonFinite { tensor: self.name.to_owned(), index, value: value.as_f64() });
            }
            floats.push(value);
        }
        Ok(floats)
    }

    pub(in crate::domain::contract) fn probabilities(
        self,
        scores: ScoreEncoding,
        classes: usize,
    ) -> Result<Vec<Float>, InterpretError> {
        let element = self.tensor.buffer.element();
        let (_, width) = self.span();
        match scores {
            ScoreEncoding::Probabilities => {
                let mut values = self.floats(Some(classes))?;
                check_all(&mut values).map_err(|found| self.not_probabilities(found.to_string()))?;
                Ok(values)
            }
            ScoreEncoding::NormalizedProbabilities => {
                let values = self.floats(Some(classes))?;
                normalize(&values, element).map_err(|found| self.not_probabilities(found.to_string()))
            }
            ScoreEncoding::PositiveProbability => {
                let positive = self.floats(Some(1))?[0];
                let positive = check_single(positive).map_err(|found| self.not_probabilities(found.to_string()))?;
                Ok(vec![positive.complement(), positive])
            }
            ScoreEncoding::Logits if width == 1 && classes == 2 => {
                let logit = self.floats(Some(1))?[0].as_f64();
                Ok(softmax(vec![0.0, logit]).into_iter().map(|value| Float::round(value, element)).collect())
            }
            ScoreEncoding::Logits => {
                let logits: Vec<f64> = self.floats(Some(classes))?.into_iter().map(Float::as_f64).collect();
                Ok(softmax(logits).into_iter().map(|value| Float::round(value, element)).collect())
            }
        }
    }

    #[cold]
    fn not_probabilities(self, found: String) -> InterpretError {
        InterpretError::NotProbabilities { tensor: self.name.to_owned(), found }
    }

    /// Returns the scores in f64, in the form that a calibration takes: logits remain logits.
    pub(in crate::domain::contract) fn scores(
        self,
        scores: ScoreEncoding,
        classes: usize,
    ) -> Result<(ScoreKind, Vec<f64>), InterpretError> {
        let (_, width) = self.span();
        if scores != ScoreEncoding::Logits {
            let probabilities = self.probabilities(scores, classes)?;
            return Ok((ScoreKind::Probabilities, probabilities.into_iter().map(Float::as_f64).collect()));
        }
        if width == 1 && classes == 2 {
            return Ok((ScoreKind::Logits, vec![0.0, self.floats(Some(1))?[0].as_f64()]));
        }
        let logits = self.floats(Some(classes))?;
        Ok((ScoreKind::Logits, logits.into_iter().map(Float::as_f64).collect()))
    }

    /// Copies the row into a tensor without the batch axis.
    pub(in crate::domain::contract) fn tensor(self) -> Result<Tensor, InterpretError> {
        let (start, width) = self.span();
        if start + width > self.tensor.buffer.len() {
            return Err(shape_error(self.tensor, self.name, format!("a row {}", self.index)));
        }
        if self.tensor.buffer.element().is_float() {
            self.floats(None)?;
        }
        let shape = self.tensor.shape.get(usize::from(self.batched)..).unwrap_or(&[]).to_vec();
        Ok(Tensor { shape, buffer: slice(&self.tensor.buffer, start, width) })
    }
}

fn slice(buffer: &Buffer, start: usize, width: usize) -> Buffer {
    let mut part = buffer.clone();
    each_buffer!(&mut part, vector => {
        vector.drain(..start);
        vector.truncate(width);
    });
    part
}

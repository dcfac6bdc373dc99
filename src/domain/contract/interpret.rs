//! From a run's outputs to a prediction for each row.

use super::{Contract, Decision, OutputPlan, Point, Scores};
use crate::domain::{
    float::Float,
    prediction::{InterpretError, Outcome, Prediction},
    tensor::{Buffer, Tensor, each_buffer},
    uncertainty::Assessment,
};

impl Contract {
    /// Makes the prediction for row `row` of the outputs, which come in the order of `output.requested()`.
    ///
    /// # Errors
    /// [`InterpretError`] when a value is not finite, or an output has not the shape that the contract needs.
    pub fn interpret(&self, outputs: &[Tensor], row: usize) -> Result<Prediction, InterpretError> {
        match &self.output {
            OutputPlan::Classification { classes, requested, scores, decision, .. } => {
                let tensor = first(outputs, &requested[0])?;
                let row = Row { tensor, name: &requested[0], index: row, batched: self.batched };
                let probabilities = row.probabilities(*scores, classes.len())?;
                let class = decide(&probabilities, *decision);
                let assessment = Assessment::uncalibrated(probabilities[class]);
                Ok(Prediction { outcome: Outcome::Classification { class, probabilities }, assessment })
            }
            OutputPlan::Regression { requested, point, .. } => {
                let tensor = first(outputs, &requested[0])?;
                let values = Row { tensor, name: &requested[0], index: row, batched: self.batched }.floats(None)?;
                let value = match point {
                    Point::Column(column) => values.get(*column).copied(),
                    Point::Mean => mean(&values, tensor),
                };
                let value = value.ok_or_else(|| shape_error(tensor, &requested[0], "a value a row".to_owned()))?;
                Ok(Prediction { outcome: Outcome::Regression { value }, assessment: Assessment::none() })
            }
            OutputPlan::Tensors { requested } => {
                let rows = requested
                    .iter()
                    .zip(outputs)
                    .map(|(name, tensor)| Row { tensor, name, index: row, batched: self.batched }.tensor());
                let outputs = rows.collect::<Result<Vec<_>, _>>()?;
                Ok(Prediction { outcome: Outcome::Tensors { outputs }, assessment: Assessment::none() })
            }
        }
    }
}

fn first<'t>(outputs: &'t [Tensor], name: &str) -> Result<&'t Tensor, InterpretError> {
    outputs.first().ok_or_else(|| InterpretError::Shape {
        tensor: name.to_owned(),
        found: Vec::new(),
        element: crate::domain::tensor::ElementType::F32,
        expected: "the output itself".to_owned(),
    })
}

fn shape_error(tensor: &Tensor, name: &str, expected: String) -> InterpretError {
    InterpretError::Shape {
        tensor: name.to_owned(),
        found: tensor.shape.clone(),
        element: tensor.buffer.element(),
        expected,
    }
}

#[expect(clippy::cast_precision_loss, reason = "an ensemble has far fewer than 2^53 members")]
fn mean(values: &[Float], tensor: &Tensor) -> Option<Float> {
    let sum: f64 = values.iter().map(|value| value.as_f64()).sum();
    (!values.is_empty()).then(|| Float::round(sum / values.len() as f64, tensor.buffer.element()))
}

/// One row of an output.
#[derive(Clone, Copy)]
struct Row<'a> {
    tensor: &'a Tensor,
    name: &'a str,
    /// Which row.
    index: usize,
    batched: bool,
}

impl Row<'_> {
    /// Where the row lies in the buffer: the first element and the number of elements.
    fn span(self) -> (usize, usize) {
        if !self.batched {
            return (0, self.tensor.buffer.len());
        }
        let width = self.tensor.shape.get(1..).unwrap_or(&[]).iter().product();
        (self.index * width, width)
    }

    /// The floats of the row, all finite; `expected` is their number, where it matters.
    fn floats(self, expected: Option<usize>) -> Result<Vec<Float>, InterpretError> {
        let (start, width) = self.span();
        if expected.is_some_and(|expected| expected != width) {
            let wanted = expected.map_or_else(String::new, |expected| format!("{expected} values a row"));
            return Err(shape_error(self.tensor, self.name, wanted));
        }
        let mut floats = Vec::with_capacity(width);
        for index in 0..width {
            let value = Float::at(&self.tensor.buffer, start + index)
                .ok_or_else(|| shape_error(self.tensor, self.name, format!("{width} numbers a row")))?;
            if !value.as_f64().is_finite() {
                return Err(InterpretError::NonFinite { tensor: self.name.to_owned(), index, value: value.as_f64() });
            }
            floats.push(value);
        }
        Ok(floats)
    }

    fn probabilities(self, scores: Scores, classes: usize) -> Result<Vec<Float>, InterpretError> {
        let element = self.tensor.buffer.element();
        let (_, width) = self.span();
        match scores {
            Scores::Probabilities => self.floats(Some(classes)),
            Scores::PositiveProbability => {
                let positive = self.floats(Some(1))?[0];
                Ok(vec![positive.complement(), positive])
            }
            Scores::Logits if width == 1 && classes == 2 => {
                let logit = self.floats(Some(1))?[0].as_f64();
                Ok(softmax(&[0.0, logit]).into_iter().map(|value| Float::round(value, element)).collect())
            }
            Scores::Logits => {
                let logits: Vec<f64> = self.floats(Some(classes))?.into_iter().map(Float::as_f64).collect();
                Ok(softmax(&logits).into_iter().map(|value| Float::round(value, element)).collect())
            }
        }
    }

    /// The row as a tensor of its own, without the batch axis.
    fn tensor(self) -> Result<Tensor, InterpretError> {
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

/// Softmax with the greatest logit subtracted first, so that no exponential overflows.
fn softmax(logits: &[f64]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - greatest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

fn decide(probabilities: &[Float], decision: Decision) -> usize {
    let greatest = |skipped: Option<usize>| {
        let mut best: Option<usize> = None;
        for (index, probability) in probabilities.iter().enumerate() {
            let better = best.is_none_or(|best| probability.as_f64() > probabilities[best].as_f64());
            if better && Some(index) != skipped {
                best = Some(index);
            }
        }
        best.unwrap_or(0)
    };
    // Compared in the graph's own type: 0.7 there is not the double 0.7, and the caller reads 0.7.
    let reaches = |value: Float, threshold: f64| value.as_f64() >= Float::round(threshold, value.element()).as_f64();
    match decision {
        Decision::Greatest => greatest(None),
        Decision::Threshold { positive, threshold } if reaches(probabilities[positive], threshold) => positive,
        Decision::Threshold { positive, .. } => greatest(Some(positive)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        let probabilities = softmax(&[1000.0, 1000.0, -1000.0]);
        assert!((probabilities[0] - 0.5).abs() < 1e-12 && probabilities[2] < 1e-12);
    }

    #[test]
    fn the_decision_keeps_its_rule() {
        let p = |values: &[f32]| values.iter().map(|value| Float::F32(*value)).collect::<Vec<_>>();
        let low = Decision::Threshold { positive: 1, threshold: 0.3 };
        let cases = [
            (p(&[0.5, 0.5]), Decision::Greatest, 0),
            (p(&[0.2, 0.8]), Decision::Greatest, 1),
            (p(&[0.7, 0.3]), low, 1),
            (p(&[0.3, 0.7]), Decision::Threshold { positive: 1, threshold: 0.7 }, 1),
            (p(&[0.71, 0.29]), low, 0),
            (p(&[0.69, 0.31]), low, 1),
            (p(&[0.1, 0.29, 0.61]), low, 2),
        ];
        for (probabilities, decision, class) in cases {
            assert_eq!(decide(&probabilities, decision), class, "{probabilities:?} {decision:?}");
        }
    }
}

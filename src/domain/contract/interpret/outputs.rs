//! Converts the outputs of a run into a prediction for each row.

use super::output_row::{OutputRow, mean, output, shape_error};
use crate::domain::{
    contract::{Contract, DecisionRule, OutputPlan, PointEstimate},
    float::Float,
    prediction::{InterpretError, Outcome, Prediction},
    tensor::{ElementType, Tensor},
    uncertainty::{
        AssessContext, Assessment, AssessmentNotice, CalibratedClassification, Calibrator, Interval, RegressionOutputs,
        ScoreKind, Scores, method,
    },
};

impl Contract {
    /// Makes the prediction for row `row` from the graph's outputs alone, without a calibration. `outputs` are in the
    /// order of `output.requested()`.
    ///
    /// # Errors
    /// Returns [`InterpretError`] if a value is not finite, an output does not have the shape that the contract needs,
    /// or the scores are not probabilities although the contract says so.
    pub fn interpret(&self, outputs: &[Tensor], row: usize) -> Result<Prediction, InterpretError> {
        match &self.output {
            OutputPlan::Classification { classes, scores, decision, .. } => {
                let probabilities = self.row(outputs, row, 0)?.probabilities(*scores, classes.len())?;
                let class = decide_class(&probabilities, *decision);
                let assessment = Assessment::uncalibrated(probabilities[class]);
                Ok(Prediction { outcome: Outcome::Classification { class, probabilities }, assessment })
            }
            OutputPlan::Regression { .. } => {
                let value = self.value(outputs, row)?;
                let assessment = self.ensemble(outputs, row, value)?;
                Ok(Prediction { outcome: Outcome::Regression { value }, assessment })
            }
            OutputPlan::Tensors { requested } => {
                let rows = requested
                    .iter()
                    .zip(outputs)
                    .map(|(name, tensor)| OutputRow { tensor, name, index: row, batched: self.batched }.tensor());
                let outputs = rows.collect::<Result<Vec<_>, _>>()?;
                Ok(Prediction { outcome: Outcome::Tensors { outputs }, assessment: Assessment::none() })
            }
        }
    }

    /// Makes the prediction for row `row` with a calibration that passed [`Contract::check_calibration`].
    ///
    /// # Errors
    /// Returns the same errors as [`Contract::interpret`].
    pub fn assess(
        &self,
        outputs: &[Tensor],
        row: usize,
        calibrator: &Calibrator,
        of: AssessContext<'_>,
    ) -> Result<Prediction, InterpretError> {
        match &self.output {
            OutputPlan::Classification { decision, .. } => {
                let (kind, values) = self.scores(outputs, row)?;
                let Some(found) = calibrator.classify(Scores { kind, values: &values }, of) else {
                    return self.interpret(outputs, row);
                };
                let element = outputs[0].buffer.element();
                let probabilities: Vec<Float> =
                    found.probabilities.iter().map(|value| Float::round(*value, element)).collect();
                let class = decide_class(&probabilities, *decision);
                let confidence = calibrator.confidence(&found, class);
                let assessment = assess_class(found, confidence, element);
                Ok(Prediction { outcome: Outcome::Classification { class, probabilities }, assessment })
            }
            OutputPlan::Regression { .. } => {
                let Some(found) = calibrator.regress(self.regression_outputs(outputs, row)?, of) else {
                    return self.interpret(outputs, row);
                };
                let value = self.value(outputs, row)?;
                Ok(Prediction { outcome: Outcome::Regression { value }, assessment: assess_value(found, value) })
            }
            OutputPlan::Tensors { .. } => self.interpret(outputs, row),
        }
    }

    /// Returns the scores of one row of a classification, in the form that a calibration takes.
    ///
    /// # Errors
    /// Returns the same errors as [`Contract::interpret`], and [`InterpretError::Shape`] if the model has another task.
    pub fn scores(&self, outputs: &[Tensor], row: usize) -> Result<(ScoreKind, Vec<f64>), InterpretError> {
        let reading = self.row(outputs, row, 0)?;
        match &self.output {
            OutputPlan::Classification { classes, scores, .. } => reading.scores(*scores, classes.len()),
            _ => Err(shape_error(reading.tensor, reading.name, "the scores of a classification".to_owned())),
        }
    }

    /// Returns the outputs of one row of a regression, in the form that a calibration takes.
    ///
    /// # Errors
    /// Returns the same errors as [`Contract::interpret`], and [`InterpretError::Shape`] if the model has another task.
    pub fn regression_outputs(&self, outputs: &[Tensor], row: usize) -> Result<RegressionOutputs, InterpretError> {
        let value = self.value(outputs, row)?.as_f64();
        let OutputPlan::Regression { auxiliary: beside, .. } = &self.output else {
            return Ok(RegressionOutputs { value, ..RegressionOutputs::default() });
        };
        let column = |output: usize, column: usize| -> Result<f64, InterpretError> {
            let reading = self.row(outputs, row, output)?;
            let found = reading.floats(None)?.get(column).copied().map(Float::as_f64);
            found.ok_or_else(|| shape_error(reading.tensor, reading.name, format!("{} values per row", column + 1)))
        };
        let sigma = beside.sigma.map(|(output, place)| column(output, place)).transpose()?;
        let band = match beside.band {
            Some(band) => Some((column(band.output, 0)?, column(band.output, band.upper)?)),
            None => None,
        };
        Ok(RegressionOutputs { value, sigma, spread: self.spread(outputs, row)?, band })
    }

    /// Returns one row of the requested output at `index`.
    fn row<'a>(&'a self, outputs: &'a [Tensor], row: usize, index: usize) -> Result<OutputRow<'a>, InterpretError> {
        let name = self.output.requested().get(index).map_or("", String::as_str);
        Ok(OutputRow { tensor: output(outputs, index, name)?, name, index: row, batched: self.batched })
    }

    fn value(&self, outputs: &[Tensor], row: usize) -> Result<Float, InterpretError> {
        let reading = self.row(outputs, row, 0)?;
        let wrong = || shape_error(reading.tensor, reading.name, "one value per row".to_owned());
        let OutputPlan::Regression { point, .. } = &self.output else { return Err(wrong()) };
        let values = reading.floats(None)?;
        let value = match point {
            PointEstimate::Column(column) => values.get(*column).copied(),
            PointEstimate::Mean => mean(&values, reading.tensor),
        };
        value.ok_or_else(wrong)
    }

    /// Returns the sample standard deviation of the ensemble members, if there are at least two.
    fn spread(&self, outputs: &[Tensor], row: usize) -> Result<Option<f64>, InterpretError> {
        let OutputPlan::Regression { auxiliary: beside, .. } = &self.output else { return Ok(None) };
        let Some(members) = beside.members else { return Ok(None) };
        let values = self.row(outputs, row, members)?.floats(None)?;
        let count = values.len() as f64;
        let mean = values.iter().map(|value| value.as_f64()).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value.as_f64() - mean).powi(2)).sum();
        Ok((values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()))
    }

    /// Assesses an uncalibrated ensemble: an interval of one standard deviation of the members to both sides of the
    /// value, with no coverage claimed.
    fn ensemble(&self, outputs: &[Tensor], row: usize, value: Float) -> Result<Assessment, InterpretError> {
        let Some(spread) = self.spread(outputs, row)? else { return Ok(Assessment::none()) };
        let middle = value.as_f64();
        let interval = Float::outward_interval((middle - spread, middle + spread), value.element());
        let uncertainty = Some(Float::round(spread, value.element()));
        Ok(Assessment { uncertainty, method: method::ENSEMBLE, interval, ..Assessment::none() })
    }
}

/// Builds the assessment of a calibrated class from the probability that it is right, and its bounds.
fn assess_class(
    found: CalibratedClassification,
    (confidence, bounds): (f64, Option<(f64, f64)>),
    element: ElementType,
) -> Assessment {
    Assessment {
        // Computed in f64: the complement of a float32 near 1 would lose its digits.
        uncertainty: Some(Float::round(1.0 - confidence, element).at_least_zero()),
        method: found.method,
        coverage: found.coverage,
        prediction_set: found.set,
        interval: None,
        probability_interval: bounds.and_then(|bounds| Float::outward_interval(bounds, element)),
        notices: found.notices,
    }
}

/// Builds the assessment of a calibrated value.
fn assess_value(found: Interval, value: Float) -> Assessment {
    let interval = found.ends.and_then(|ends| Float::outward_interval(ends, value.element()));
    let mut notices = found.notices;
    if interval.is_none() && !notices.contains(&AssessmentNotice::UnboundedInterval) {
        notices.push(AssessmentNotice::UnboundedInterval);
    }
    Assessment {
        uncertainty: interval.and(found.ends).map(|(low, high)| Float::round((high - low) / 2.0, value.element())),
        method: found.method,
        coverage: Some(found.coverage),
        prediction_set: None,
        interval,
        probability_interval: None,
        notices,
    }
}

fn decide_class(probabilities: &[Float], decision: DecisionRule) -> usize {
    let element = probabilities.first().map_or(ElementType::F32, |probability| probability.element());
    decision.decide(probabilities.len(), element, |class| probabilities[class].as_f64())
}

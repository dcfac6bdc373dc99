//! The predictions of two versions for one instance, and how much they differ.

use crate::domain::{
    contract::{OutputPlan, Task, numbers},
    json::JsonValue,
    prediction::{Outcome, Prediction},
    tensor::Tensor,
};

/// The true outcome of an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrueOutcome {
    /// The class, as an index into [`OutcomeScheme::classes`].
    Class(usize),
    /// The value.
    Value(f64),
}

/// The predictions of both versions for one instance.
#[derive(Clone, Copy)]
pub struct PredictionPair<'a> {
    /// Where the instance comes from, such as `line 12`.
    pub row: &'a dyn std::fmt::Display,
    /// The features that may be shown; sensitive values are null.
    pub features: &'a JsonValue,
    /// The value of each slice feature, in the order that the tally was made with.
    pub slices: &'a [JsonValue],
    /// The old version's prediction.
    pub old: &'a Prediction,
    /// The new version's prediction.
    pub new: &'a Prediction,
    /// The true outcome, if it is known.
    pub truth: Option<TrueOutcome>,
}

/// Two versions have different tasks, so that their predictions cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task of the old version is {}, that of the new one is {}: only versions with one task can be compared",
    old.as_str(), new.as_str())]
pub struct TaskMismatchError {
    /// The old version's task.
    pub old: Task,
    /// The new version's task.
    pub new: Task,
}

/// The outcomes of two versions on one scale: classes by name, whatever their order in each contract.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeScheme {
    task: Task,
    classes: Vec<String>,
    old: Vec<usize>,
    new: Vec<usize>,
}

/// How much two predictions differ.
#[derive(Debug, Clone, PartialEq)]
pub struct PairDifference {
    /// |difference of the probability| of each class, |difference of the value|, or the largest difference of any
    /// element of raw tensors. Empty if the tensors have different shapes.
    pub absolute: Vec<f64>,
    /// Regression: the difference in units of half the interval's width, that of the old version if it has one.
    pub relative: Option<f64>,
    /// Whether the predictions agree: the same class, or a difference of at most half the interval's width. `None` if
    /// that is undefined.
    pub agree: Option<bool>,
}

impl PairDifference {
    /// The size by which rows are ranked: the largest difference.
    pub fn size(&self) -> f64 {
        self.relative.unwrap_or_else(|| self.absolute.iter().copied().fold(0.0, f64::max))
    }
}

impl OutcomeScheme {
    /// Matches the outputs of two versions.
    ///
    /// # Errors
    /// Returns [`TaskMismatchError`] if they have different tasks.
    pub fn new(old: &OutputPlan, new: &OutputPlan) -> Result<Self, TaskMismatchError> {
        if old.task() != new.task() {
            return Err(TaskMismatchError { old: old.task(), new: new.task() });
        }
        let task = old.task();
        let mut classes = old.classes().to_vec();
        classes.extend(new.classes().iter().filter(|class| !old.classes().contains(class)).cloned());
        let place = |class: &String| classes.iter().position(|known| known == class).unwrap_or(0);
        let (old, new) = (old.classes().iter().map(place).collect(), new.classes().iter().map(place).collect());
        Ok(Self { task, classes, old, new })
    }

    /// The task.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The classes of both versions: those of the old one, then those that only the new one has.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The old version's index of a class in [`OutcomeScheme::classes`].
    pub(super) fn old_class(&self, class: usize) -> usize {
        self.old.get(class).copied().unwrap_or(class)
    }

    /// The new version's index of a class in [`OutcomeScheme::classes`].
    pub(super) fn new_class(&self, class: usize) -> usize {
        self.new.get(class).copied().unwrap_or(class)
    }

    /// Compares two predictions. `None` if they are of different tasks, which a scheme rules out.
    pub fn difference(&self, old: &Prediction, new: &Prediction) -> Option<PairDifference> {
        match (&old.outcome, &new.outcome) {
            (
                Outcome::Classification { class: old_class, probabilities: before },
                Outcome::Classification { class: new_class, probabilities: after },
            ) => {
                // A class that a version does not have has probability 0.
                let mut absolute = vec![0.0; self.classes.len()];
                for (index, probability) in before.iter().enumerate() {
                    absolute[self.old_class(index)] = probability.as_f64();
                }
                for (index, probability) in after.iter().enumerate() {
                    absolute[self.new_class(index)] -= probability.as_f64();
                }
                for difference in &mut absolute {
                    *difference = difference.abs();
                }
                let agree = self.old_class(*old_class) == self.new_class(*new_class);
                Some(PairDifference { absolute, relative: None, agree: Some(agree) })
            }
            (Outcome::Regression { value: before }, Outcome::Regression { value: after }) => {
                let difference = (before.as_f64() - after.as_f64()).abs();
                let half = half_width(old).or_else(|| half_width(new));
                let relative = half.and_then(|half| in_units(difference, half));
                let agree = half.map(|half| difference <= half);
                Some(PairDifference { absolute: vec![difference], relative, agree })
            }
            (Outcome::Tensors { outputs: before }, Outcome::Tensors { outputs: after }) => {
                let absolute = largest_difference(before, after).into_iter().collect();
                Some(PairDifference { absolute, relative: None, agree: None })
            }
            _ => None,
        }
    }
}

/// Half the width of the interval; `None` without one, or if it has no bound.
fn half_width(prediction: &Prediction) -> Option<f64> {
    prediction.assessment.interval.map(|(low, high)| (high.as_f64() - low.as_f64()) / 2.0)
}

/// A difference in units; `None` if the unit is 0 and the difference is not.
fn in_units(difference: f64, unit: f64) -> Option<f64> {
    if difference == 0.0 { Some(0.0) } else { Some(difference / unit).filter(|units| units.is_finite()) }
}

/// The largest difference of any two elements; `None` if the shapes differ. Texts and booleans differ by 1.
fn largest_difference(old: &[Tensor], new: &[Tensor]) -> Option<f64> {
    let mut largest = 0.0_f64;
    if old.len() != new.len() {
        return None;
    }
    for (before, after) in old.iter().zip(new) {
        let (before_values, after_values) = (numbers(before), numbers(after));
        if before.shape != after.shape || before_values.len() != after_values.len() {
            return None;
        }
        if before_values.is_empty() && before.buffer != after.buffer {
            largest = largest.max(1.0);
        }
        let pairs = before_values.iter().zip(&after_values);
        largest = pairs.map(|(before, after)| (before - after).abs()).fold(largest, f64::max);
    }
    Some(largest)
}

//! The plan of the outputs: which outputs of the graph make the prediction, and how.

use crate::domain::{float::Float, tensor::ElementType};

/// The kind of prediction that a model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number, optionally with a unit.
    Regression,
    /// The outputs, unchanged.
    Tensors,
}

impl Task {
    /// Returns the name of the task in contract.json.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Tensors => "tensors",
        }
    }
}

/// The encoding of a classifier's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreEncoding {
    /// One probability per class.
    Probabilities,
    /// One score in 0 to 1 per class; divided by their sum, they are the probabilities.
    NormalizedProbabilities,
    /// The probability of the second of two classes.
    PositiveProbability,
    /// One logit per class, or the logit of the second of two classes.
    Logits,
}

/// How a class is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DecisionRule {
    /// The class with the greatest probability; the first one in a tie.
    Greatest,
    /// The positive class if its probability reaches a threshold, else the most probable other class.
    Threshold {
        /// The index of the positive class.
        positive: usize,
        /// The minimum probability of the positive class, in [0, 1].
        threshold: f64,
    },
}

impl ScoreEncoding {
    /// Describes the encoding.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::NormalizedProbabilities => "normalized probabilities",
            Self::PositiveProbability => "probability of the second class",
            Self::Logits => "logits",
        }
    }
}

impl DecisionRule {
    /// Describes the rule for these classes.
    pub fn describe(self, classes: &[String]) -> String {
        match self {
            Self::Greatest => "the most likely class".to_owned(),
            Self::Threshold { positive, threshold } => {
                format!("{:?} from a probability of {threshold}", classes.get(positive).map_or("", String::as_str))
            }
        }
    }

    /// Returns the predicted class of `classes` probabilities, given as values of the element type.
    pub fn decide(self, classes: usize, element: ElementType, probability: impl Fn(usize) -> f64) -> usize {
        let greatest = |skipped: Option<usize>| {
            let mut best: Option<usize> = None;
            for class in (0..classes).filter(|class| Some(*class) != skipped) {
                if best.is_none_or(|best| probability(class) > probability(best)) {
                    best = Some(class);
                }
            }
            best.unwrap_or(0)
        };
        match self {
            Self::Greatest => greatest(None),
            // Compare in the element type: the float32 0.7 differs from the double 0.7, and the caller sees 0.7.
            Self::Threshold { positive, threshold }
                if probability(positive) >= Float::round(threshold, element).as_f64() =>
            {
                positive
            }
            Self::Threshold { positive, .. } => greatest(Some(positive)),
        }
    }
}

/// How a regression's value is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointEstimate {
    /// A column of the output.
    Column(usize),
    /// The mean of all columns, one per ensemble member.
    Mean,
}

/// The outputs of a regression other than its value. Each output is an index into the plan's `requested`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuxiliaryOutputs {
    /// The predicted standard deviation: the output and its column.
    pub sigma: Option<(usize, usize)>,
    /// The lowest and the highest quantile.
    pub band: Option<QuantilePair>,
    /// The output with one column per ensemble member.
    pub members: Option<usize>,
}

/// The lowest and the highest of the model's quantiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantilePair {
    /// The output; its first column is the lower quantile.
    pub output: usize,
    /// The column of the upper quantile.
    pub upper: usize,
    /// The levels of the lower and the upper quantile.
    pub levels: (f64, f64),
}

/// The meaning of the outputs. `requested` names the graph outputs to fetch from a run; all others are ignored.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputPlan {
    /// One of several classes.
    Classification {
        /// The class names, in the order of the graph's classes.
        classes: Vec<String>,
        /// The output that holds the scores.
        requested: [String; 1],
        /// The encoding of the scores.
        scores: ScoreEncoding,
        /// How the class is chosen.
        decision: DecisionRule,
        /// The output that holds the graph's own label. Checks compare it with the class; predictions do not use it.
        label: Option<String>,
    },
    /// A number.
    Regression {
        /// The output that holds the value, then the auxiliary outputs.
        requested: Vec<String>,
        /// How the value is computed from the first output.
        point: PointEstimate,
        /// The auxiliary outputs.
        auxiliary: AuxiliaryOutputs,
        /// The unit of the value.
        unit: Option<String>,
    },
    /// The outputs, unchanged.
    Tensors {
        /// All outputs; a `ZipMap` yields its values in the order of its keys.
        requested: Vec<String>,
    },
}

impl OutputPlan {
    /// Returns the task.
    pub fn task(&self) -> Task {
        match self {
            Self::Classification { .. } => Task::Classification,
            Self::Regression { .. } => Task::Regression,
            Self::Tensors { .. } => Task::Tensors,
        }
    }

    /// Returns the names of the graph outputs to fetch from a run.
    pub fn requested(&self) -> &[String] {
        match self {
            Self::Classification { requested, .. } => requested,
            Self::Regression { requested, .. } | Self::Tensors { requested } => requested,
        }
    }

    /// How a classification's class is chosen.
    pub fn decision(&self) -> DecisionRule {
        match self {
            Self::Classification { decision, .. } => *decision,
            _ => DecisionRule::Greatest,
        }
    }

    /// The unit of a regression's value.
    pub fn unit(&self) -> Option<&str> {
        match self {
            Self::Regression { unit, .. } => unit.as_deref(),
            _ => None,
        }
    }

    /// Returns the class names; empty unless the task is classification.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Classification { classes, .. } => classes,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_keeps_its_rule() {
        let low = DecisionRule::Threshold { positive: 1, threshold: 0.3 };
        let cases: [(&[f32], DecisionRule, usize); 7] = [
            (&[0.5, 0.5], DecisionRule::Greatest, 0),
            (&[0.2, 0.8], DecisionRule::Greatest, 1),
            (&[0.7, 0.3], low, 1),
            (&[0.3, 0.7], DecisionRule::Threshold { positive: 1, threshold: 0.7 }, 1),
            (&[0.71, 0.29], low, 0),
            (&[0.69, 0.31], low, 1),
            (&[0.1, 0.29, 0.61], low, 2),
        ];
        for (probabilities, rule, class) in cases {
            let decided = rule.decide(probabilities.len(), ElementType::F32, |class| probabilities[class].into());
            assert_eq!(decided, class, "{probabilities:?} {rule:?}");
        }
    }
}

//! The plan of the outputs: which outputs of the graph make the prediction, and how.

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

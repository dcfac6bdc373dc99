//! The calibration methods of a classifier, and how each is fitted.

use super::rows::ClassificationRows;
use crate::domain::uncertainty::{
    Beta, ConfidenceMap, Isotonic, MAX_CLASSES, ProbabilityMap, Temperature, VectorScaling, VennAbers,
    positive_probability,
};

/// A method cannot be fitted to the rows: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct FitError(pub(super) String);

impl From<String> for FitError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A method that the user can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MethodChoice {
    /// Starts from the graph's own probabilities and moves to a more flexible method only on evidence.
    #[default]
    Auto,
    /// The graph's probabilities, unchanged.
    Uncalibrated,
    /// Temperature scaling.
    Temperature,
    /// Vector scaling: a scale and a bias for each class.
    VectorScaling,
    /// A beta curve, for two classes.
    Beta,
    /// Isotonic regression, for two classes.
    Isotonic,
    /// Venn-Abers prediction, for two classes.
    VennAbers,
    /// A beta curve on the confidence of the predicted class.
    TopLabelBeta,
    /// Isotonic regression on the confidence of the predicted class.
    TopLabelIsotonic,
    /// Venn-Abers prediction on the confidence of the predicted class.
    TopLabelVennAbers,
}

impl MethodChoice {
    /// Every choice, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Auto,
        Self::Uncalibrated,
        Self::Temperature,
        Self::VectorScaling,
        Self::Beta,
        Self::Isotonic,
        Self::VennAbers,
        Self::TopLabelBeta,
        Self::TopLabelIsotonic,
        Self::TopLabelVennAbers,
    ];

    /// The methods of the probabilities to try for so many rows, beside the model's own probabilities, simplest first.
    pub(super) fn probability_candidates(&self, classes: usize, rows: usize) -> &[Self] {
        match self {
            Self::Auto if classes == 2 => {
                enough(&[Self::Temperature, Self::Beta, Self::VennAbers, Self::Isotonic], rows)
            }
            Self::Auto if classes <= MAX_CLASSES => enough(&[Self::Temperature, Self::VectorScaling], rows),
            Self::Auto => &[Self::Temperature],
            Self::Uncalibrated => &[],
            top_label if top_label.is_top_label() => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The top-label methods to try for so many rows, simplest first.
    pub(super) fn confidence_candidates(&self, rows: usize) -> &[Self] {
        match self {
            Self::Auto => enough(&[Self::TopLabelBeta, Self::TopLabelVennAbers, Self::TopLabelIsotonic], rows),
            top_label if top_label.is_top_label() => std::slice::from_ref(self),
            _ => &[],
        }
    }

    /// Whether the method fits probabilities.
    pub(super) fn fits_probabilities(self) -> bool {
        self != Self::Uncalibrated && !self.is_top_label()
    }

    /// The choice as written on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Uncalibrated => "uncalibrated",
            Self::Temperature => "temperature",
            Self::VectorScaling => "vector-scaling",
            Self::Beta => "beta",
            Self::Isotonic => "isotonic",
            Self::VennAbers => "venn-abers",
            Self::TopLabelBeta => "top-label-beta",
            Self::TopLabelIsotonic => "top-label-isotonic",
            Self::TopLabelVennAbers => "top-label-venn-abers",
        }
    }

    /// Parses the text form of a choice.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }

    /// Whether the method needs exactly two classes.
    pub fn two_classes_only(self) -> bool {
        matches!(self, Self::Beta | Self::Isotonic | Self::VennAbers)
    }

    /// Whether the method has a fixed number of parameters.
    fn is_parametric(self) -> bool {
        matches!(self, Self::Temperature | Self::Beta | Self::TopLabelBeta)
    }

    /// Whether the method calibrates the uncertainty alone.
    fn is_top_label(self) -> bool {
        matches!(self, Self::TopLabelBeta | Self::TopLabelIsotonic | Self::TopLabelVennAbers)
    }
}

/// The methods that this many rows are enough for: with few rows, a curve of free form, or a parameter for each class,
/// follows their noise.
fn enough(methods: &'static [MethodChoice], rows: usize) -> &'static [MethodChoice] {
    const MIN_CURVE_ROWS: usize = 200;
    let simple = methods.iter().take_while(|method| method.is_parametric()).count();
    if rows < MIN_CURVE_ROWS { &methods[..simple] } else { methods }
}

/// Fits a top-label method to rows of a confidence and whether the prediction is right.
pub(super) fn fit_confidence(
    method: MethodChoice,
    rows: impl Iterator<Item = (f64, bool)>,
) -> Result<ConfidenceMap, FitError> {
    let rows: Vec<(f64, bool)> = rows.collect();
    let right = rows.iter().filter(|row| row.1).count();
    if right == 0 || right == rows.len() {
        let all = if right == 0 { "wrong" } else { "right" };
        return Err(format!("the model is {all} on every row to fit it on").into());
    }
    let rows = rows.into_iter();
    Ok(match method {
        MethodChoice::TopLabelIsotonic => ConfidenceMap::TopLabelIsotonic(Isotonic::fit(rows)),
        MethodChoice::TopLabelVennAbers => ConfidenceMap::TopLabelVennAbers(VennAbers::fit(rows)),
        _ => ConfidenceMap::TopLabelBeta(Beta::fit(rows)),
    })
}

/// Fits a method of the probabilities to the chosen rows.
pub(super) fn fit_probabilities(
    method: MethodChoice,
    rows: &ClassificationRows,
    chosen: &[usize],
) -> Result<ProbabilityMap, FitError> {
    let positives = chosen.iter().filter(|row| rows.labels[**row] == 1).count();
    if method.two_classes_only() && (positives == 0 || positives == chosen.len()) {
        return Err("the rows to fit it on have only one class".to_owned().into());
    }
    let scored = chosen.iter().map(|row| (positive_probability(rows.scores(*row)), rows.labels[*row] == 1));
    if method == MethodChoice::VectorScaling && rows.classes.len() > MAX_CLASSES {
        let classes = rows.classes.len();
        return Err(format!("vector-scaling is for at most {MAX_CLASSES} classes, the contract has {classes}").into());
    }
    let labelled = chosen.iter().map(|row| (rows.scores(*row), rows.labels[*row]));
    Ok(match method {
        MethodChoice::VectorScaling => ProbabilityMap::VectorScaling(VectorScaling::fit(labelled)),
        MethodChoice::Temperature => ProbabilityMap::Temperature(Temperature::fit(labelled)),
        MethodChoice::Beta => ProbabilityMap::Beta(Beta::fit(scored)),
        MethodChoice::Isotonic => ProbabilityMap::Isotonic(Isotonic::fit(scored)),
        MethodChoice::VennAbers => ProbabilityMap::VennAbers(VennAbers::fit(scored)),
        _ => ProbabilityMap::Uncalibrated,
    })
}

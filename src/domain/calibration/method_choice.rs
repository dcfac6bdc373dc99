//! The calibration methods of a classifier, and how each is fitted.

use super::{assessed_row::ClassifierMaps, rows::ClassificationRows};
use crate::domain::uncertainty::{
    Beta, ConfidenceMap, Isotonic, ProbabilityMap, Temperature, VennAbers, positive_probability,
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
    /// The simplest method that no other improves by more than chance.
    #[default]
    Auto,
    /// The graph's probabilities, unchanged.
    Uncalibrated,
    /// Temperature scaling.
    Temperature,
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
    pub const ALL: [Self; 9] = [
        Self::Auto,
        Self::Uncalibrated,
        Self::Temperature,
        Self::Beta,
        Self::Isotonic,
        Self::VennAbers,
        Self::TopLabelBeta,
        Self::TopLabelIsotonic,
        Self::TopLabelVennAbers,
    ];

    /// The candidates of `auto` for so many rows, beside the model's own probabilities, simplest first. For two classes,
    /// the curve of one probability calibrates the uncertainty too.
    pub(super) fn candidates(classes: usize, rows: usize) -> &'static [Self] {
        /// With fewer rows, a curve without a fixed form follows their noise.
        const MIN_CURVE_ROWS: usize = 200;
        let all = if classes == 2 {
            &[Self::Temperature, Self::Beta, Self::VennAbers, Self::Isotonic]
        } else {
            &[Self::Temperature, Self::TopLabelBeta, Self::TopLabelVennAbers, Self::TopLabelIsotonic]
        };
        if rows < MIN_CURVE_ROWS { &all[..2] } else { all }
    }

    /// The choice as written on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Uncalibrated => "uncalibrated",
            Self::Temperature => "temperature",
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

    /// Whether the method calibrates the uncertainty alone.
    fn is_top_label(self) -> bool {
        matches!(self, Self::TopLabelBeta | Self::TopLabelIsotonic | Self::TopLabelVennAbers)
    }
}

/// The method of the probabilities, and that of the uncertainty if it has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MethodPair {
    pub(super) probabilities: MethodChoice,
    pub(super) confidence: Option<MethodChoice>,
}

impl MethodPair {
    /// The graph's own probabilities.
    pub(super) const UNCALIBRATED: Self = Self { probabilities: MethodChoice::Uncalibrated, confidence: None };

    /// This pair with another method: a top-label method keeps the probabilities.
    pub(super) fn extended_by(self, method: MethodChoice) -> Self {
        if method.is_top_label() {
            Self { confidence: Some(method), ..self }
        } else {
            Self { probabilities: method, confidence: None }
        }
    }

    /// The names of the uncertainty's method and of the probabilities' method.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        (self.confidence.unwrap_or(self.probabilities).as_str(), self.probabilities.as_str())
    }

    /// Fits both methods to the chosen rows.
    pub(super) fn fit(self, rows: &ClassificationRows, chosen: &[usize]) -> Result<ClassifierMaps, FitError> {
        let probabilities = fit_probabilities(self.probabilities, rows, chosen)?;
        let base = ClassifierMaps { probabilities, confidence: None };
        let Some(method) = self.confidence else { return Ok(base) };
        let assessed = || chosen.iter().map(|row| base.assess(rows, *row)).map(|row| (row.confidence, row.right));
        let right = assessed().filter(|row| row.1).count();
        if right == 0 || right == chosen.len() {
            let all = if right == 0 { "wrong" } else { "right" };
            return Err(format!("the model is {all} on every row to fit it on").into());
        }
        let confidence = match method {
            MethodChoice::TopLabelIsotonic => ConfidenceMap::TopLabelIsotonic(Isotonic::fit(assessed())),
            MethodChoice::TopLabelVennAbers => ConfidenceMap::TopLabelVennAbers(VennAbers::fit(assessed())),
            _ => ConfidenceMap::TopLabelBeta(Beta::fit(assessed())),
        };
        Ok(ClassifierMaps { confidence: Some(confidence), ..base })
    }
}

fn fit_probabilities(
    method: MethodChoice,
    rows: &ClassificationRows,
    chosen: &[usize],
) -> Result<ProbabilityMap, FitError> {
    let positives = chosen.iter().filter(|row| rows.labels[**row] == 1).count();
    if method.two_classes_only() && (positives == 0 || positives == chosen.len()) {
        return Err("the rows to fit it on have only one class".to_owned().into());
    }
    let scored = chosen.iter().map(|row| (positive_probability(rows.scores(*row)), rows.labels[*row] == 1));
    Ok(match method {
        MethodChoice::Temperature => {
            let labelled = chosen.iter().map(|row| (rows.scores(*row), rows.labels[*row]));
            ProbabilityMap::Temperature(Temperature::fit(labelled))
        }
        MethodChoice::Beta => ProbabilityMap::Beta(Beta::fit(scored)),
        MethodChoice::Isotonic => ProbabilityMap::Isotonic(Isotonic::fit(scored)),
        MethodChoice::VennAbers => ProbabilityMap::VennAbers(VennAbers::fit(scored)),
        _ => ProbabilityMap::Uncalibrated,
    })
}

//! Selects the calibration method by cross-fitting: each candidate is fitted to all folds but one and evaluated on that
//! fold, in turn; the one with the lowest log loss wins.

use super::{
    calibration_metrics::log_loss,
    error::{CalibrationError, CalibrationErrors},
    rows::ClassificationRows,
    split::folds,
};
use crate::domain::uncertainty::{Candidate, Isotonic, ProbabilityMap, Scores, Temperature, VennAbers};

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
    /// The method with the lowest cross-fitted log loss.
    #[default]
    Auto,
    /// The graph's probabilities, unchanged.
    Uncalibrated,
    /// Temperature scaling.
    Temperature,
    /// Isotonic regression, for two classes.
    Isotonic,
    /// Venn-Abers prediction, for two classes.
    VennAbers,
}

impl MethodChoice {
    /// Every choice, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Uncalibrated, Self::Temperature, Self::Isotonic, Self::VennAbers];

    /// The candidates of `auto`, simplest first; ties go to the first.
    const METHODS: [Self; 4] = [Self::Uncalibrated, Self::Temperature, Self::VennAbers, Self::Isotonic];

    /// The choice as written on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Uncalibrated => "uncalibrated",
            Self::Temperature => "temperature",
            Self::Isotonic => "isotonic",
            Self::VennAbers => "venn-abers",
        }
    }

    /// Parses the text form of a choice.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }

    fn two_classes_only(self) -> bool {
        matches!(self, Self::Isotonic | Self::VennAbers)
    }

    /// Fits the method to the chosen rows.
    fn fit(self, rows: &ClassificationRows, chosen: &[usize]) -> Result<ProbabilityMap, FitError> {
        let positives = chosen.iter().filter(|row| rows.labels[**row] == 1).count();
        if self.two_classes_only() && (positives == 0 || positives == chosen.len()) {
            return Err("the rows to fit it on have only one class".to_owned().into());
        }
        let scored = chosen
            .iter()
            .map(|row| (crate::domain::uncertainty::positive_probability(rows.scores(*row)), rows.labels[*row] == 1));
        Ok(match self {
            Self::Auto | Self::Uncalibrated => ProbabilityMap::Uncalibrated,
            Self::Temperature => {
                let logits: Vec<f64> = chosen.iter().flat_map(|row| rows.scores(*row).logits()).collect();
                let labels: Vec<usize> = chosen.iter().map(|row| rows.labels[*row]).collect();
                ProbabilityMap::Temperature(Temperature::fit(&logits, rows.classes.len(), &labels))
            }
            Self::Isotonic => ProbabilityMap::Isotonic(Isotonic::fit(scored)),
            Self::VennAbers => ProbabilityMap::VennAbers(VennAbers::fit(scored)),
        })
    }
}

/// A fitted method with its evaluation.
pub(super) struct FittedMethod {
    pub(super) map: ProbabilityMap,
    /// All candidates tried.
    pub(super) candidates: Vec<Candidate>,
    /// Out-of-fold probabilities of the chosen rows, in their order.
    pub(super) cross_fitted: Vec<Vec<f64>>,
}

/// Selects and fits a method on the chosen rows, which must be in shuffled order.
pub(super) fn select_method(
    rows: &ClassificationRows,
    chosen: &[usize],
    choice: MethodChoice,
) -> Result<FittedMethod, CalibrationErrors> {
    let classes = rows.classes.len();
    if choice.two_classes_only() && classes != 2 {
        return Err(CalibrationError::TwoClassesOnly { method: choice.as_str(), classes }.into());
    }
    let mut tried: Vec<(Candidate, Vec<Vec<f64>>)> = Vec::new();
    for method in MethodChoice::METHODS {
        let wanted = choice == MethodChoice::Auto || choice == method || method == MethodChoice::Uncalibrated;
        if !wanted || (method.two_classes_only() && classes != 2) {
            continue;
        }
        let (log_loss, unusable, probabilities) = match cross_fit(rows, chosen, method) {
            Ok(probabilities) => (Some(mean_loss(rows, chosen, &probabilities)), None, probabilities),
            Err(reason) => (None, Some(reason), Vec::new()),
        };
        let method = method.as_str().to_owned();
        tried.push((
            Candidate { method, log_loss, chosen: false, unusable: unusable.map(|error| error.0) },
            probabilities,
        ));
    }
    let eligible = tried
        .iter()
        .enumerate()
        .filter(|(_, (candidate, _))| choice == MethodChoice::Auto || candidate.method == choice.as_str());
    let losses = eligible.filter_map(|(index, (candidate, _))| Some((index, candidate.log_loss?)));
    let Some((best, _)) = losses.min_by(|left, right| left.1.total_cmp(&right.1)) else {
        let reason = tried.iter().find_map(|(candidate, _)| candidate.unusable.clone()).unwrap_or_default();
        return Err(CalibrationError::Unusable { method: choice.as_str().to_owned(), reason }.into());
    };
    tried[best].0.chosen = true;
    let method = MethodChoice::parse(&tried[best].0.method).unwrap_or_default();
    let map = method.fit(rows, chosen).map_err(|reason| {
        CalibrationErrors::from(CalibrationError::Unusable {
            method: method.as_str().to_owned(),
            reason: reason.to_string(),
        })
    })?;
    let cross_fitted = std::mem::take(&mut tried[best].1);
    Ok(FittedMethod { map, candidates: tried.into_iter().map(|(candidate, _)| candidate).collect(), cross_fitted })
}

/// The out-of-fold probabilities of the chosen rows: each from a fit without its fold.
fn cross_fit(rows: &ClassificationRows, chosen: &[usize], method: MethodChoice) -> Result<Vec<Vec<f64>>, FitError> {
    let mut probabilities = vec![Vec::new(); chosen.len()];
    for (held, left) in folds(chosen.len()) {
        let left: Vec<usize> = left.into_iter().map(|position| chosen[position]).collect();
        let map = method.fit(rows, &left)?;
        for position in held {
            let scores: Scores<'_> = rows.scores(chosen[position]);
            probabilities[position] = map.apply(scores).0;
        }
    }
    Ok(probabilities)
}

fn mean_loss(rows: &ClassificationRows, chosen: &[usize], probabilities: &[Vec<f64>]) -> f64 {
    let losses = chosen.iter().zip(probabilities).map(|(row, values)| log_loss(values, rows.labels[*row]));
    losses.sum::<f64>() / chosen.len() as f64
}

//! A calibration compiled for one coverage, so that each row costs a few comparisons.

use super::{
    ApsRandomizer, CalibrationDocument, CalibrationRule, ConfidenceMap, Coverage, Groups, Intervals, ProbabilityMap,
    Quantiles, Scale, Scores, SetMethod, aps_set, cqr, lac_set, method, normalized, quantiles::InvalidCalibrationError,
    split,
};

/// A notice that accompanies an assessment; it becomes a warning in the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssessmentNotice {
    /// The prediction set is empty.
    EmptySet,
    /// The interval has no bound.
    UnboundedInterval,
    /// The instance's group is unknown or has too few rows, so the pooled quantile was used.
    PooledGroup,
}

/// Per-instance context of an assessment: Mondrian group and APS seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AssessContext<'a> {
    /// The group, as an index into the calibration's groups; `None` if the instance is in none of them.
    pub group: Option<usize>,
    /// The hash of the features, from which APS derives its random number.
    pub features_hash: &'a str,
}

/// The outputs of a regression for one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RegressionOutputs {
    /// The predicted value.
    pub value: f64,
    /// The standard deviation that the model outputs, if any.
    pub sigma: Option<f64>,
    /// The standard deviation of the ensemble members, if any.
    pub spread: Option<f64>,
    /// The lowest and highest quantile that the model outputs, if any.
    pub band: Option<(f64, f64)>,
}

/// A calibrated classification.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibratedClassification {
    /// One probability per class.
    pub probabilities: Vec<f64>,
    /// The lower and upper probability of the second of two classes (Venn-Abers only).
    pub bounds: Option<(f64, f64)>,
    /// The prediction set, as class indices.
    pub set: Option<Vec<usize>>,
    /// The method name.
    pub method: &'static str,
    /// The coverage of the set; `None` without sets.
    pub coverage: Option<f64>,
    /// Notices for the caller.
    pub notices: Vec<AssessmentNotice>,
}

/// The interval of a regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// The ends; `None` if the interval has no bound.
    pub ends: Option<(f64, f64)>,
    /// The method name.
    pub method: &'static str,
    /// The coverage.
    pub coverage: f64,
    /// Notices for the caller.
    pub notices: Vec<AssessmentNotice>,
}

/// A calibration compiled for one coverage.
#[derive(Debug, Clone)]
pub struct Calibrator {
    coverage: Coverage,
    rule: CompiledRule,
    /// A typical half-width: the reference of the buckets of the uncertainty histogram.
    width: Option<f64>,
    /// Quantiles of the predicted values: the buckets of the value histogram.
    values: Vec<f64>,
}

#[derive(Debug, Clone)]
enum CompiledRule {
    Classification {
        map: ProbabilityMap,
        confidence: Option<Box<ConfidenceMap>>,
        sets: Option<(SetMethod, Thresholds, ApsRandomizer)>,
    },
    Regression {
        intervals: Intervals,
        bounds: Thresholds,
    },
}

/// The quantiles at the chosen coverage; infinite if there is no bound.
#[derive(Debug, Clone)]
struct Thresholds {
    pooled: f64,
    /// One bound per group, and whether it is the group's own; `None` if there are no groups.
    by_group: Option<Vec<(f64, bool)>>,
}

impl Thresholds {
    fn new(
        quantiles: &Quantiles,
        groups: Option<&Groups>,
        coverage: Coverage,
    ) -> Result<Self, InvalidCalibrationError> {
        let at = |quantiles: &Quantiles| {
            quantiles.at(coverage).ok_or_else(|| {
                let (level, grid) = (coverage.as_f64(), Coverage::grid_text());
                format!("coverage {level} is not on the calibration's grid; choose one of {grid}")
            })
        };
        let pooled = at(quantiles)?;
        let group = |groups: &Groups| {
            let own =
                |group: &super::Group| Ok(group.quantiles.group_or_pooled(coverage, at(&group.quantiles)?, pooled));
            groups.groups.iter().map(own).collect::<Result<_, InvalidCalibrationError>>()
        };
        Ok(Self { pooled, by_group: groups.map(group).transpose()? })
    }

    /// The quantile for an instance, and whether it is its own group's.
    fn of(&self, group: Option<usize>) -> (f64, bool) {
        self.by_group.as_ref().and_then(|bounds| bounds.get(group?)).copied().unwrap_or((self.pooled, false))
    }

    fn notices(&self, grouped: bool) -> Vec<AssessmentNotice> {
        if self.by_group.is_some() && !grouped { vec![AssessmentNotice::PooledGroup] } else { Vec::new() }
    }
}

impl Calibrator {
    /// Compiles a calibration for one coverage.
    ///
    /// # Errors
    /// Returns a message if the coverage is not on the grid; the message lists the grid.
    pub fn new(calibration: &CalibrationDocument, coverage: Coverage) -> Result<Self, InvalidCalibrationError> {
        let rule = match &calibration.rule {
            CalibrationRule::Classification { probabilities, confidence, sets, .. } => {
                let key = ApsRandomizer::new(&calibration.model_sha256);
                let bounds = |sets: &super::Sets| {
                    Thresholds::new(&sets.quantiles, sets.groups.as_ref(), coverage)
                        .map(|bounds| (sets.method, bounds, key))
                };
                CompiledRule::Classification {
                    map: probabilities.clone(),
                    confidence: confidence.clone(),
                    sets: sets.as_ref().map(bounds).transpose()?,
                }
            }
            CalibrationRule::Regression { intervals, quantiles, groups } => CompiledRule::Regression {
                intervals: *intervals,
                bounds: Thresholds::new(quantiles, groups.as_ref(), coverage)?,
            },
        };
        let width = calibration.report.levels.iter().filter(|level| level.coverage <= coverage);
        let width = width.filter_map(|level| level.mean_size).next_back().map(|size| size / 2.0);
        Ok(Self { coverage, rule, width, values: calibration.report.values.clone() })
    }

    /// The coverage of sets and intervals.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The coverage claimed in responses; `None` for a classification without sets.
    pub fn claimed_coverage(&self) -> Option<Coverage> {
        match &self.rule {
            CompiledRule::Classification { sets: None, .. } => None,
            _ => Some(self.coverage),
        }
    }

    /// The method name, marked as grouped if the calibration has groups.
    pub fn method(&self) -> &'static str {
        match &self.rule {
            CompiledRule::Classification { map, confidence, sets } => {
                let grouped = sets.as_ref().is_some_and(|(_, bounds, _)| bounds.by_group.is_some());
                method::classification(map, confidence.as_deref(), sets.as_ref().map(|sets| sets.0), grouped)
            }
            CompiledRule::Regression { intervals, bounds } => method::regression(intervals, bounds.by_group.is_some()),
        }
    }

    /// The calibrated probabilities and the set of one row; `None` if the calibration is for a regression.
    pub fn classify(&self, scores: Scores<'_>, of: AssessContext<'_>) -> Option<CalibratedClassification> {
        let CompiledRule::Classification { map, confidence, sets } = &self.rule else { return None };
        let (probabilities, bounds) = map.apply(scores);
        let named = |sets, grouped| method::classification(map, confidence.as_deref(), sets, grouped);
        let Some((set_method, quantiles, key)) = sets else {
            return Some(CalibratedClassification {
                probabilities,
                bounds,
                set: None,
                method: named(None, false),
                coverage: None,
                notices: Vec::new(),
            });
        };
        let (quantile, grouped) = quantiles.of(of.group);
        let set = match set_method {
            SetMethod::Lac => lac_set(&probabilities, quantile),
            SetMethod::Aps => aps_set(&probabilities, key.uniform(of.features_hash), quantile),
        };
        let mut notices = quantiles.notices(grouped);
        if set.is_empty() {
            notices.push(AssessmentNotice::EmptySet);
        }
        Some(CalibratedClassification {
            probabilities,
            bounds,
            set: Some(set),
            method: named(Some(*set_method), grouped),
            coverage: Some(self.coverage.as_f64()),
            notices,
        })
    }

    /// The method of the probabilities; `None` for a regression.
    pub fn probabilities_method(&self) -> Option<&'static str> {
        match &self.rule {
            CompiledRule::Classification { map, .. } => Some(map.name()),
            CompiledRule::Regression { .. } => None,
        }
    }

    /// The probability that the prediction of a class is right, with its bounds if the method has them.
    pub fn confidence(&self, found: &CalibratedClassification, class: usize) -> (f64, Option<(f64, f64)>) {
        let probability = found.probabilities[class];
        if let CompiledRule::Classification { confidence: Some(map), .. } = &self.rule {
            return map.apply(probability);
        }
        // The bounds belong to the second class; those of the first are their complements.
        let of_class = |(low, high): (f64, f64)| if class == 1 { (low, high) } else { (1.0 - high, 1.0 - low) };
        (probability, found.bounds.map(of_class))
    }

    /// The interval of one row; `None` if the calibration is for a classification.
    pub fn regress(&self, measured: RegressionOutputs, of: AssessContext<'_>) -> Option<Interval> {
        let CompiledRule::Regression { intervals, bounds } = &self.rule else { return None };
        let (quantile, grouped) = bounds.of(of.group);
        let mut notices = bounds.notices(grouped);
        let ends = intervals.ends(measured, quantile);
        if ends.is_none() {
            notices.push(AssessmentNotice::UnboundedInterval);
        }
        let method = method::regression(intervals, grouped);
        Some(Interval { ends, method, coverage: self.coverage.as_f64(), notices })
    }

    /// Histogram bucket bounds for the half-widths of a regression, in the target's unit, around the mean half-width of
    /// the calibration. `None` for a classification, or if no interval has a bound.
    pub fn uncertainty_buckets(&self) -> Option<Vec<f64>> {
        const AROUND: [f64; 13] = [0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0];
        let width = self.typical_uncertainty()?;
        Some(AROUND.iter().map(|factor| short_number(width * factor)).collect())
    }
}

impl Calibrator {
    /// A typical uncertainty of a regression, in the target's unit. `None` for a classification.
    pub fn typical_uncertainty(&self) -> Option<f64> {
        let regression = matches!(self.rule, CompiledRule::Regression { .. });
        self.width.filter(|width| regression && *width > 0.0)
    }

    /// Histogram bucket bounds for the predicted values of a regression, in the target's unit: the quantiles of the
    /// values seen in calibration. `None` for a classification.
    pub fn value_buckets(&self) -> Option<Vec<f64>> {
        let bounds: Vec<f64> = self.values.iter().copied().map(short_number).collect();
        (!bounds.is_empty()).then_some(bounds)
    }
}

/// Rounds to three significant digits, because bucket bounds become metric labels and should be readable.
fn short_number(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

impl Intervals {
    /// The interval of one row; `None` if it has no bound, or the row lacks an output that the method needs.
    pub(in crate::domain) fn ends(self, measured: RegressionOutputs, quantile: f64) -> Option<(f64, f64)> {
        match self {
            Self::SplitConformal => split(measured.value, quantile),
            Self::NormalizedConformal { scale } => normalized(measured.value, measured.scale(scale)?, quantile),
            Self::Cqr { .. } => measured.band.and_then(|(lower, upper)| cqr(lower, upper, quantile)),
        }
    }

    /// The conformity score of one row; infinite if the row lacks an output that the method needs.
    pub(in crate::domain) fn score(self, measured: RegressionOutputs, target: f64) -> f64 {
        let score = match self {
            Self::SplitConformal => Some(super::split_score(target, measured.value)),
            Self::NormalizedConformal { scale } => {
                measured.scale(scale).map(|sigma| super::normalized_score(target, measured.value, sigma))
            }
            Self::Cqr { .. } => measured.band.map(|(lower, upper)| super::cqr_score(target, lower, upper)),
        };
        score.unwrap_or(f64::INFINITY)
    }
}

impl RegressionOutputs {
    fn scale(self, scale: Scale) -> Option<f64> {
        match scale {
            Scale::Sigma => self.sigma,
            Scale::Members => self.spread,
        }
    }
}

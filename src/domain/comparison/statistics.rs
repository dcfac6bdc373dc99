//! The statistics of a set of rows: agreement, differences, uncertainty, sizes, and quality where the truth is known.

use serde::Serialize;

use super::{
    distribution::DifferenceDistribution,
    pair::{OutcomeScheme, PairDifference, PredictionPair, TrueOutcome},
};
use crate::domain::{
    float::Float,
    prediction::{Outcome, Prediction},
    uncertainty::MIN_PROBABILITY,
};

/// A mean of each version; `None` if the version has no such value on any row.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct PairedMeans {
    /// The old version's.
    pub old: Option<f64>,
    /// The new version's.
    pub new: Option<f64>,
}

/// |difference of the probability| of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassDifference {
    /// The class.
    pub class: String,
    /// The distribution over the rows.
    pub difference: DifferenceDistribution,
}

/// The statistics of a set of rows. Members that do not apply are `None` or empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PairStatistics {
    /// Number of rows that both versions answered.
    pub rows: u64,
    /// Number of rows whose predictions agree or disagree: all rows of a classification, the rows with an interval of a
    /// regression.
    pub judged: u64,
    /// Number of rows whose predictions disagree: another class, or values further apart than half the interval's width.
    pub disagreements: u64,
    /// Classification: the differences of the probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassDifference>,
    /// Regression and tensors: the absolute differences of the value, or of any element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<DifferenceDistribution>,
    /// Regression: the differences in units of half the interval's width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_difference: Option<DifferenceDistribution>,
    /// The mean uncertainty.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub uncertainty: PairedMeans,
    /// The mean number of classes in a prediction set.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub set_size: PairedMeans,
    /// The mean width of the intervals that have bounds.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub interval_width: PairedMeans,
    /// The coverage claimed; the mean if it is not the same for all rows.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub claimed_coverage: PairedMeans,
    /// Number of rows whose true outcome is known.
    pub labelled: u64,
    /// Classification: the share of labelled rows whose class is right.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub accuracy: PairedMeans,
    /// Classification: number of labelled rows that only the old version has right.
    pub right_only_old: u64,
    /// Classification: number of labelled rows that only the new version has right.
    pub right_only_new: u64,
    /// Classification: the mean negative log probability of the true class, in nats.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub log_loss: PairedMeans,
    /// Regression: the mean absolute error.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub mean_absolute_error: PairedMeans,
    /// Regression: the root mean square error.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub root_mean_square_error: PairedMeans,
    /// The share of labelled rows whose set or interval holds the true outcome.
    #[serde(skip_serializing_if = "PairedMeans::is_empty")]
    pub coverage: PairedMeans,
}

impl PairedMeans {
    fn is_empty(&self) -> bool {
        self.old.is_none() && self.new.is_none()
    }
}

impl PairStatistics {
    /// The share of judged rows whose predictions disagree.
    pub fn disagreement(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.disagreements as f64 / self.judged as f64)
    }

    /// How much worse the new version is: the drop of the accuracy, or for a regression the rise of the mean absolute
    /// error as a share of the old one. Negative if it is better; `None` without labelled rows.
    pub fn accuracy_drop(&self) -> Option<f64> {
        if let (Some(_), Some(_)) = (self.accuracy.old, self.accuracy.new) {
            // The difference of the counts is exact, that of the shares is not.
            return Some((self.right_only_old as f64 - self.right_only_new as f64) / self.labelled as f64);
        }
        let (old, new) = (self.mean_absolute_error.old?, self.mean_absolute_error.new?);
        if old > 0.0 { Some((new - old) / old) } else { Some(if new > 0.0 { 1.0 } else { 0.0 }) }
    }

    /// The drop of the coverage. That of a version that claims none is 0; `None` if the old version claims none, or
    /// without labelled rows.
    pub fn coverage_drop(&self) -> Option<f64> {
        Some(self.coverage.old? - self.coverage.new.unwrap_or(0.0))
    }
}

/// A sum and the number of its terms.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: u64,
}

impl Sum {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.total += value;
            self.count += 1;
        }
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.total / self.count as f64)
    }
}

/// The sums of one version.
#[derive(Debug, Clone, Copy, Default)]
struct VersionSums {
    uncertainty: Sum,
    set_size: Sum,
    width: Sum,
    claimed: Sum,
    right: Sum,
    log_loss: Sum,
    absolute_error: Sum,
    squared_error: Sum,
    covered: Sum,
}

/// Accumulates the statistics, one pair of predictions at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct StatisticsBuilder {
    rows: u64,
    judged: u64,
    disagreements: u64,
    labelled: u64,
    right_only_old: u64,
    right_only_new: u64,
    /// The differences of each class, of the value, or of the tensors.
    absolute: Vec<Vec<f64>>,
    relative: Vec<f64>,
    old: VersionSums,
    new: VersionSums,
}

impl StatisticsBuilder {
    pub(super) fn add(&mut self, scheme: &OutcomeScheme, pair: &PredictionPair<'_>, difference: &PairDifference) {
        self.rows += 1;
        self.judged += u64::from(difference.agree.is_some());
        self.disagreements += u64::from(difference.agree == Some(false));
        self.absolute.resize(self.absolute.len().max(difference.absolute.len()), Vec::new());
        for (all, one) in self.absolute.iter_mut().zip(&difference.absolute) {
            all.push(*one);
        }
        self.relative.extend(difference.relative);
        self.labelled += u64::from(pair.truth.is_some());
        let old = self.old.add(pair.old, pair.truth, |class| scheme.old_class(class));
        let new = self.new.add(pair.new, pair.truth, |class| scheme.new_class(class));
        self.right_only_old += u64::from(old == Some(true) && new == Some(false));
        self.right_only_new += u64::from(old == Some(false) && new == Some(true));
    }

    pub(super) fn finish(self, scheme: &OutcomeScheme) -> PairStatistics {
        let (old, new) = (self.old, self.new);
        let means = |of: fn(&VersionSums) -> Sum| PairedMeans { old: of(&old).mean(), new: of(&new).mean() };
        let roots = |means: PairedMeans| PairedMeans { old: means.old.map(f64::sqrt), new: means.new.map(f64::sqrt) };
        let mut distributions = self.absolute.into_iter().map(DifferenceDistribution::of);
        let (classes, difference) = if scheme.classes().is_empty() {
            (Vec::new(), distributions.next().flatten())
        } else {
            let named = scheme.classes().iter().zip(distributions);
            let classes =
                named.filter_map(|(class, found)| Some(ClassDifference { class: class.clone(), difference: found? }));
            (classes.collect(), None)
        };
        PairStatistics {
            rows: self.rows,
            judged: self.judged,
            disagreements: self.disagreements,
            classes,
            difference,
            relative_difference: DifferenceDistribution::of(self.relative),
            uncertainty: means(|sums| sums.uncertainty),
            set_size: means(|sums| sums.set_size),
            interval_width: means(|sums| sums.width),
            claimed_coverage: means(|sums| sums.claimed),
            labelled: self.labelled,
            accuracy: means(|sums| sums.right),
            right_only_old: self.right_only_old,
            right_only_new: self.right_only_new,
            log_loss: means(|sums| sums.log_loss),
            mean_absolute_error: means(|sums| sums.absolute_error),
            root_mean_square_error: roots(means(|sums| sums.squared_error)),
            coverage: means(|sums| sums.covered),
        }
    }
}

impl VersionSums {
    /// Adds a prediction. Returns whether its class is right, if that is known. `place` maps a class of the version to
    /// the classes of both.
    fn add(
        &mut self,
        prediction: &Prediction,
        truth: Option<TrueOutcome>,
        place: impl Fn(usize) -> usize,
    ) -> Option<bool> {
        let assessment = &prediction.assessment;
        self.uncertainty.add(assessment.uncertainty.map(Float::as_f64));
        self.set_size.add(assessment.prediction_set.as_ref().map(|set| set.len() as f64));
        self.width.add(assessment.interval.map(|(low, high)| high.as_f64() - low.as_f64()));
        self.claimed.add(assessment.coverage);
        match (&prediction.outcome, truth?) {
            (Outcome::Classification { class, probabilities }, TrueOutcome::Class(label)) => {
                let right = place(*class) == label;
                self.right.add(Some(f64::from(u8::from(right))));
                let own = (0..probabilities.len()).find(|class| place(*class) == label);
                let probability = own.map_or(0.0, |class| probabilities[class].as_f64());
                self.log_loss.add(Some(-probability.clamp(MIN_PROBABILITY, 1.0).ln()));
                if let Some(set) = &assessment.prediction_set {
                    let covered = set.iter().any(|class| place(*class) == label);
                    self.covered.add(Some(f64::from(u8::from(covered))));
                }
                Some(right)
            }
            (Outcome::Regression { value }, TrueOutcome::Value(target)) => {
                let error = value.as_f64() - target;
                self.absolute_error.add(Some(error.abs()));
                self.squared_error.add(Some(error * error));
                if assessment.coverage.is_some() {
                    // An interval without a bound holds every value.
                    let inside = |(low, high): (Float, Float)| (low.as_f64()..=high.as_f64()).contains(&target);
                    let covered = assessment.interval.is_none_or(inside);
                    self.covered.add(Some(f64::from(u8::from(covered))));
                }
                None
            }
            _ => None,
        }
    }
}

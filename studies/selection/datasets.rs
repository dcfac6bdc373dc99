//! Data sets whose true class probabilities are known, and models that report them with some distortion.

use candor::domain::{random::SplitMix64, uncertainty::softmax};

/// How a model's probabilities differ from the true ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distortion {
    /// Not at all.
    Calibrated,
    /// Logits doubled: overconfident.
    Over,
    /// Logits halved: underconfident.
    Under,
    /// The shares of 20 votes drawn from the true probabilities, as forests and neighbours give: many exact zeros.
    Votes,
    /// A constant added to the logit of each class, as after a change of the class frequencies.
    Shifted,
}

impl Distortion {
    pub(crate) const ALL: [Self; 5] = [Self::Calibrated, Self::Over, Self::Under, Self::Votes, Self::Shifted];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calibrated => "calibrated",
            Self::Over => "overconfident",
            Self::Under => "underconfident",
            Self::Votes => "votes",
            Self::Shifted => "shifted",
        }
    }
}

/// One kind of data set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) distortion: Distortion,
    pub(crate) classes: usize,
    pub(crate) rows: usize,
}

/// Rows of true and reported probabilities, with the class that was drawn from the true ones.
pub(crate) struct Rows {
    pub(crate) truth: Vec<Vec<f64>>,
    pub(crate) reported: Vec<Vec<f64>>,
    pub(crate) labels: Vec<usize>,
}

const VOTES: usize = 20;

/// The spread of the true logits: accuracies of 0.6 to 0.85.
const SPREAD: f64 = 2.5;

/// Draws rows of a recipe. All rows of a data set share its `shifts`.
pub(crate) fn draw(recipe: Recipe, rows: usize, shifts: &[f64], random: &mut SplitMix64) -> Rows {
    let mut drawn = Rows { truth: Vec::new(), reported: Vec::new(), labels: Vec::new() };
    for _ in 0..rows {
        let logits: Vec<f64> = (0..recipe.classes).map(|_| SPREAD * normal(random)).collect();
        let truth = softmax(logits.clone());
        let scaled = |factor: f64| softmax(logits.iter().map(|logit| factor * logit).collect());
        let reported = match recipe.distortion {
            Distortion::Calibrated => truth.clone(),
            Distortion::Over => scaled(2.0),
            Distortion::Under => scaled(0.5),
            Distortion::Votes => {
                let mut shares = vec![0.0; recipe.classes];
                for _ in 0..VOTES {
                    shares[pick(&truth, random)] += 1.0 / VOTES as f64;
                }
                shares
            }
            Distortion::Shifted => softmax(logits.iter().zip(shifts).map(|(logit, shift)| logit + shift).collect()),
        };
        drawn.labels.push(pick(&truth, random));
        drawn.truth.push(truth);
        drawn.reported.push(reported);
    }
    drawn
}

/// Draws the shifts of a data set.
pub(crate) fn shifts(recipe: Recipe, random: &mut SplitMix64) -> Vec<f64> {
    (0..recipe.classes).map(|_| normal(random)).collect()
}

fn pick(probabilities: &[f64], random: &mut SplitMix64) -> usize {
    let mut left = random.next_unit();
    let found = probabilities.iter().position(|probability| {
        left -= probability;
        left < 0.0
    });
    found.unwrap_or(probabilities.len() - 1)
}

fn normal(random: &mut SplitMix64) -> f64 {
    // Box–Muller; 1 − u keeps the logarithm finite.
    (-2.0 * (1.0 - random.next_unit()).ln()).sqrt() * (std::f64::consts::TAU * random.next_unit()).cos()
}

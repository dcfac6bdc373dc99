//! What the splits gave at one level, and the exact law of what they should give.
//!
//! Where rows are split at random, the number of covered rows is beta-binomial, whatever the model and the rows are, so long
//! as no two scores tie. Ties can only add.

use std::collections::{BTreeMap, BTreeSet};

use candor::domain::{
    calibration::coverage_band,
    uncertainty::{Coverage, softmax},
};

use crate::rows::{Asked, real};

/// The levels that are measured.
const LEVELS: [f64; 4] = [0.8, 0.9, 0.95, 0.99];

/// One version and method, over all rows or over those of a group.
pub(crate) struct Series {
    /// The version, as `model/version`.
    pub(crate) version: &'static str,
    /// Whether groups have quantiles of their own.
    pub(crate) grouped: bool,
    /// The group; `None` for all rows.
    pub(crate) group: Option<String>,
    /// The names of the methods that were taken.
    pub(crate) methods: BTreeSet<&'static str>,
    pub(crate) levels: Vec<Tally>,
}

/// One level.
pub(crate) struct Tally {
    pub(crate) coverage: Coverage,
    /// How many splits had so many rows for the quantile and so many rows asked.
    laws: BTreeMap<(usize, usize), usize>,
    /// The covered share of each split.
    shares: Vec<f64>,
    /// The mean size of each split; none where some row had no bound.
    sizes: Vec<f64>,
}

/// Rows of one split.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    rows: usize,
    covered: usize,
    bounded: usize,
    size: f64,
}

impl Count {
    pub(crate) fn add(&mut self, asked: &Asked) {
        self.rows += 1;
        self.covered += usize::from(asked.covered);
        self.bounded += usize::from(asked.size.is_some());
        self.size += asked.size.unwrap_or(0.0);
    }
}

impl Series {
    pub(crate) fn new(version: &'static str, grouped: bool, group: Option<String>) -> Self {
        let level = |level: f64| Tally {
            coverage: Coverage::new(level).expect("a level"),
            laws: BTreeMap::new(),
            shares: Vec::new(),
            sizes: Vec::new(),
        };
        Self { version, grouped, group, methods: BTreeSet::new(), levels: LEVELS.map(level).into() }
    }

    /// The kind of sets or intervals; which probabilities they are made of may differ from split to split.
    pub(crate) fn kind(&self) -> String {
        let kinds: BTreeSet<&str> =
            self.methods.iter().map(|name| name.split_once('+').map_or(*name, |(_, sets)| sets)).collect();
        kinds.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl Tally {
    pub(crate) fn add(&mut self, quantile_rows: usize, count: Count) {
        if count.rows == 0 {
            return;
        }
        *self.laws.entry((quantile_rows, count.rows)).or_default() += 1;
        self.shares.push(real(count.covered) / real(count.rows));
        if count.bounded == count.rows && self.coverage.rank(quantile_rows).is_some() {
            self.sizes.push(count.size / real(count.rows));
        }
    }

    /// The rows of the quantile and the rows asked, in the middle split.
    pub(crate) fn rows(&self) -> (usize, usize) {
        self.laws.keys().copied().nth(self.laws.len() / 2).unwrap_or_default()
    }

    /// Mean and standard deviation of the covered share.
    pub(crate) fn measured(&self) -> (f64, f64) {
        moments(self.shares.iter().map(|share| (*share, 1.0)))
    }

    /// Mean and standard deviation of the law; `None` where nothing bounds in some split.
    pub(crate) fn expected(&self) -> Option<(f64, f64)> {
        let mut weighted = Vec::new();
        for ((rows, asked), splits) in &self.laws {
            let law = law(self.coverage, *rows, *asked)?;
            weighted.extend(law.into_iter().map(|(share, weight)| (share, weight * real(*splits))));
        }
        Some(moments(weighted.into_iter()))
    }

    /// The share of splits within the band that holds 99 % of the law; `None` where nothing bounds.
    pub(crate) fn inside(&self) -> Option<f64> {
        let (rows, asked) = self.rows();
        let (low, high) = coverage_band(self.coverage, rows, asked)?;
        let inside = self.shares.iter().filter(|share| (low - 1e-9..=high + 1e-9).contains(*share)).count();
        Some(real(inside) / real(self.shares.len()))
    }

    /// The mean number of classes, or width; `None` where nothing bounds.
    pub(crate) fn size(&self) -> Option<f64> {
        (self.sizes.len() == self.shares.len()).then(|| moments(self.sizes.iter().map(|size| (*size, 1.0))).0)
    }

    /// The covered shares in bins of `counts` rows, as the share in the middle of each bin with the measured and the lawful
    /// probability.
    pub(crate) fn histogram(&self, counts: usize) -> Vec<(f64, f64, f64)> {
        let (rows, asked) = self.rows();
        let Some(law) = law(self.coverage, rows, asked) else { return Vec::new() };
        let bins = law.chunks(counts).map(|part| {
            let (first, last) = (part[0].0, part[part.len() - 1].0);
            let inside = |share: &&f64| (first - 1e-9..=last + 1e-9).contains(*share);
            let measured = real(self.shares.iter().filter(inside).count()) / real(self.shares.len());
            (f64::midpoint(first, last), measured, part.iter().map(|(_, weight)| weight).sum())
        });
        bins.collect()
    }
}

/// The probability of each covered share; `None` where nothing bounds.
fn law(coverage: Coverage, rows: usize, asked: usize) -> Option<Vec<(f64, f64)>> {
    let rank = coverage.rank(rows)?;
    let (a, b, all) = (real(rank), real(rows + 1 - rank), real(asked));
    let mut logarithms = vec![0.0];
    for count in (0..asked).map(real) {
        let last = logarithms[logarithms.len() - 1];
        logarithms.push(last + ((all - count) * (count + a)).ln() - ((count + 1.0) * (all - count - 1.0 + b)).ln());
    }
    Some(softmax(logarithms).into_iter().enumerate().map(|(count, weight)| (real(count) / all, weight)).collect())
}

fn moments(weighted: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut weights, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (value, weight) in weighted {
        weights += weight;
        sum += weight * value;
        squares += weight * value * value;
    }
    let mean = sum / weights;
    (mean, (squares / weights - mean * mean).max(0.0).sqrt())
}

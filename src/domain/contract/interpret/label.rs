//! Compares the graph's own label with its scores over many instances at load: whether the label is the arg max, the
//! arg min or neither, and which label belongs to which column.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    float::Float,
    tensor::{Buffer, Tensor},
};

/// Scores closer than this (relative) are a tie, which is not evidence for any column.
const TIE: f64 = 1e-6;

/// Returns the numbers of a tensor as f64; empty for strings and booleans.
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.buffer.len()).filter_map(|index| Float::at(&tensor.buffer, index)).map(Float::as_f64).collect()
}

/// Returns the label in a tensor of one row, as text.
pub fn label_text(tensor: &Tensor) -> Option<String> {
    match &tensor.buffer {
        Buffer::Text(texts) => texts.first().cloned(),
        buffer => Float::at(buffer, 0).map(|label| label.as_f64().to_string()),
    }
}

/// Counts the labels seen with each column.
#[derive(Debug, Clone, Default)]
struct LabelCounts(BTreeMap<usize, BTreeMap<String, usize>>);

impl LabelCounts {
    /// Assigns each column a different label, the most frequent pairs first. Also returns the number of rows that these
    /// pairs cover.
    fn names(&self) -> (BTreeMap<usize, String>, usize) {
        let mut pairs: Vec<(usize, &String, usize)> = Vec::new();
        for (column, labels) in &self.0 {
            pairs.extend(labels.iter().map(|(label, count)| (*column, label, *count)));
        }
        pairs.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        let (mut names, mut taken, mut covered) = (BTreeMap::new(), BTreeSet::new(), 0);
        for (column, label, count) in pairs {
            if !names.contains_key(&column) && taken.insert(label) {
                names.insert(column, label.clone());
                covered += count;
            }
        }
        (names, covered)
    }
}

/// Labels and scores of many rows.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    greatest: LabelCounts,
    least: LabelCounts,
    judged: usize,
}

impl Labels {
    /// Adds a row. Ignores it if a score is not finite or if the greatest score is a tie.
    pub fn add(&mut self, scores: &[f64], label: Option<String>) {
        let Some(label) = label.filter(|_| scores.iter().all(|score| score.is_finite())) else { return };
        let Some(greatest) = extreme(scores, 1.0) else { return };
        self.judged += 1;
        *self.greatest.0.entry(greatest).or_default().entry(label.clone()).or_default() += 1;
        if let Some(least) = extreme(scores, -1.0) {
            *self.least.0.entry(least).or_default().entry(label).or_default() += 1;
        }
    }

    /// The number of rows that were added and not ignored.
    pub fn rows(&self) -> usize {
        self.judged
    }

    /// The number of labels that differ from the arg max, under the best assignment of labels to columns.
    pub fn disagreeing(&self) -> usize {
        self.judged - self.greatest.names().1
    }

    /// Whether the label differs from the arg max in at least half of the rows.
    pub fn disagree(&self) -> bool {
        self.judged > 0 && self.disagreeing() * 2 >= self.judged
    }

    /// Whether the label is the arg min instead: the scores are then distances.
    pub fn follow_minimum(&self) -> bool {
        self.disagreeing() > 0 && self.least.names().1 == self.judged
    }

    /// The labels of the columns that were the arg max of some row.
    pub fn names(&self) -> BTreeMap<usize, String> {
        self.greatest.names().0
    }

    /// Whether there are two classes and the label differs from the arg max for one column only, as with a threshold.
    pub fn one_sided(&self, classes: &[String]) -> bool {
        let differs = |(column, labels): &(&usize, &BTreeMap<String, usize>)| {
            labels.keys().any(|label| class_of(classes, label) != Some(**column))
        };
        classes.len() == 2 && self.greatest.0.iter().filter(differs).count() < 2
    }

    /// The number of labels that differ from the class with the greatest score. An integer label is the name of a
    /// class, or else an index.
    pub fn differing(&self, classes: &[String]) -> usize {
        let differs = |(column, labels): (&usize, &BTreeMap<String, usize>)| {
            let other = labels.iter().filter(|(label, _)| class_of(classes, label) != Some(*column));
            other.map(|(_, count)| count).sum::<usize>()
        };
        self.greatest.0.iter().map(differs).sum()
    }
}

/// The index of the class that a label names.
fn class_of(classes: &[String], label: &str) -> Option<usize> {
    let named = classes.iter().position(|class| class == label);
    named.or_else(|| label.parse().ok().filter(|index| *index < classes.len()))
}

/// The column of the greatest score (sign 1) or the least score (sign -1), unless there is a tie.
fn extreme(scores: &[f64], sign: f64) -> Option<usize> {
    let (best, score) =
        scores.iter().map(|score| score * sign).enumerate().max_by(|left, right| left.1.total_cmp(&right.1))?;
    let near = |(index, other): (usize, &f64)| index != best && score - other * sign <= TIE * score.abs().max(1e-3);
    (!scores.iter().enumerate().any(near)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: &[(&[f64], &str)]) -> Labels {
        let mut labels = Labels::default();
        for (scores, label) in rows {
            labels.add(scores, Some((*label).to_owned()));
        }
        labels
    }

    #[test]
    fn labels_follow_the_greatest_score_or_they_do_not() {
        let usual = labels(&[(&[0.7, 0.2, 0.1], "a"), (&[0.1, 0.8, 0.1], "b"), (&[0.5, 0.5, 0.0], "b")]);
        assert_eq!((usual.rows(), usual.disagreeing()), (2, 0), "a tie says nothing");
        assert_eq!(usual.names().into_values().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(usual.differing(&["b".into(), "a".into(), "c".into()]), 2);

        let distances = labels(&[
            (&[3.4, 0.1, 5.0], "1"),
            (&[0.1, 3.0, 5.0], "0"),
            (&[4.0, 3.0, 0.1], "2"),
            (&[0.2, 3.0, 2.0], "0"),
        ]);
        assert!(distances.follow_minimum());
        assert_eq!(distances.differing(&["0".into(), "1".into(), "2".into()]), 4);

        let mut rows = vec![(&[0.7, 0.3][..], "no"), (&[0.2, 0.8], "yes"), (&[0.1, 0.9], "yes")];
        rows.push((&[0.6, 0.4], "yes"));
        let threshold = labels(&rows);
        assert!(
            threshold.one_sided(&["no".into(), "yes".into()]) && !threshold.one_sided(&["yes".into(), "no".into()])
        );
        assert!(!threshold.disagree() && threshold.disagreeing() == 1, "{threshold:?}");
        assert!(!Labels::default().disagree());
    }
}

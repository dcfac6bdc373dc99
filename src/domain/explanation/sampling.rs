//! Which coalitions to ask for next, and when to stop. It can be stopped at any time with what is reached by then.
//!
//! Whole permutations are asked for first, each with its reverse, also where every coalition will be asked for in the end:
//! that costs no row more, and whoever runs out of time in the middle has an unbiased estimate with its error instead of
//! nothing. Makes no rows and reads no clock.

use std::collections::{HashMap, VecDeque};

use super::{
    Coalition, Estimate, Method,
    permutations::PermutationSampler,
    shapley::{RunningStats, exact, largest},
};

/// Up to so many players every coalition is asked for: 2^10 rows are about as many as sampling would need.
pub const MAX_EXACT_PLAYERS: usize = 10;

/// Sampling is good enough when the standard error of the largest contribution is within this share of the range.
const TOLERANCE: f64 = 0.01;

/// The fewest pairs of permutations before a standard error is believed. Of fewer it is itself a guess: with 8, features
/// of the bundled models that matter in few orders only were reported as 0 ± 0.
const MIN_PAIRS: usize = 32;

/// The most pairs, where coalitions repeat and a further pair costs no row.
const MAX_PAIRS: usize = 10_000;

/// The most players: a plan keeps a bit a player for every row, and more names than this explain nothing to a person.
const MAX_PLAYERS: usize = 4096;

/// The range that precision is measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// So wide, whatever is seen: 1 for probabilities.
    Fixed(f64),
    /// From the least to the greatest worth seen so far: for values in a unit. Contributions that cancel out are then
    /// measured by what moved, and not by how little is left.
    Observed,
}

/// What is to be shared out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapleyProblem<'a> {
    /// How many players there are.
    pub players: usize,
    /// What all of them together are worth: the prediction that was answered.
    pub worth: f64,
    /// The range that precision is measured by.
    pub range: Range,
    /// The most coalitions that may be asked for.
    pub rows: usize,
    /// Where permutations are drawn from; the same seed gives the same plan.
    pub seed: &'a [u8],
}

/// The coalitions that an explanation needs, in the order in which they are of use.
#[derive(Debug, Clone)]
pub struct SamplingPlan {
    players: usize,
    range: Range,
    rows: usize,
    exact: bool,
    shuffle: PermutationSampler,
    /// What each coalition is worth; `None` where it was asked for and is not answered yet.
    worth: HashMap<Coalition, Option<f64>>,
    answered: usize,
    least: f64,
    greatest: f64,
    /// Asked for by the plan, not yet by [`Plan::next`].
    pending: VecDeque<Coalition>,
    /// Permutations, of which each stands for its reverse too, that are not counted yet.
    open: VecDeque<Vec<usize>>,
    tally: RunningStats,
    drawn: usize,
    /// Whether nothing more will be drawn.
    drained: bool,
}

impl SamplingPlan {
    /// A plan for a game. Every coalition is asked for where there are at most [`MAX_EXACT_PLAYERS`] and rows for them.
    pub fn new(game: &ShapleyProblem<'_>) -> Self {
        let full = Coalition::full(game.players);
        let mut plan = Self {
            players: game.players,
            range: game.range,
            rows: game.rows,
            exact: game.players <= MAX_EXACT_PLAYERS && (1 << game.players) - 1 <= game.rows,
            shuffle: PermutationSampler::new(game.seed),
            worth: HashMap::from([(full, Some(game.worth))]),
            answered: 0,
            least: game.worth,
            greatest: game.worth,
            pending: VecDeque::new(),
            open: VecDeque::new(),
            tally: RunningStats::new(game.players),
            drawn: 0,
            drained: false,
        };
        plan.drained = !plan.is_possible();
        if !plan.drained {
            plan.ask(Coalition::empty(game.players));
        }
        plan
    }

    /// The next coalitions to ask for, at most so many; none when the explanation is complete, or the rows are used up.
    pub fn next(&mut self, most: usize) -> Vec<Coalition> {
        self.count_answered();
        while self.pending.len() < most && !self.drained {
            self.draw();
        }
        self.pending.drain(..most.min(self.pending.len())).collect()
    }

    /// Takes what a coalition is worth.
    pub fn record(&mut self, coalition: Coalition, worth: f64) {
        self.least = self.least.min(worth);
        self.greatest = self.greatest.max(worth);
        if self.worth.insert(coalition, Some(worth)).flatten().is_none() {
            self.answered += 1;
        }
    }

    /// What is reached by now. `None` where not a single pair of permutations is.
    pub fn estimate(&mut self) -> Option<Estimate> {
        self.count_answered();
        let base_value = self.value(&Coalition::empty(self.players))?;
        if let Some(worth) = self.table() {
            return Some(Estimate {
                method: Method::Exact,
                base_value,
                contributions: exact(self.players, &worth),
                standard_errors: vec![Some(0.0); self.players],
                rows: self.answered,
                complete: true,
            });
        }
        (self.tally.pairs > 0).then(|| Estimate {
            method: Method::Permutation,
            base_value,
            contributions: self.tally.means.clone(),
            standard_errors: (0..self.players).map(|player| self.tally.standard_error(player)).collect(),
            rows: self.answered,
            complete: self.is_precise(),
        })
    }

    /// The fewest rows from which anything can be said: the baseline, and one permutation with its reverse.
    pub fn min_rows(&self) -> usize {
        match self.players {
            0 => 0,
            players => 1 + 2 * (players - 1),
        }
    }

    /// Whether there are rows enough to say anything, and not too many players; else no coalition is asked for.
    pub fn is_possible(&self) -> bool {
        self.players <= MAX_PLAYERS && self.min_rows() <= self.rows
    }

    fn value(&self, coalition: &Coalition) -> Option<f64> {
        self.worth.get(coalition).copied().flatten()
    }

    /// The worth of every coalition by its mask, where all are to be known and are.
    fn table(&self) -> Option<Vec<f64>> {
        if !self.exact {
            return None;
        }
        (0..1_u64 << self.players).map(|mask| self.value(&Coalition::of_mask(self.players, mask))).collect()
    }

    /// Draws the next permutation, or asks for all that is left. Nothing is asked for twice.
    fn draw(&mut self) {
        if !self.exact && (self.is_precise() || self.drawn == MAX_PAIRS) {
            self.drained = true;
            return;
        }
        // As many pairs as sampling needs at the least; of so few players the rest is few.
        if self.exact && self.drawn == MIN_PAIRS {
            (0..1_u64 << self.players).for_each(|mask| self.ask(Coalition::of_mask(self.players, mask)));
            self.drained = true;
            return;
        }
        let order = self.shuffle.permutation(self.players);
        let steps: Vec<Coalition> =
            self.prefixes(order.iter()).into_iter().chain(self.prefixes(order.iter().rev())).collect();
        let new = steps.iter().filter(|step| !self.worth.contains_key(step)).count();
        // A pair of which half is asked for says nothing.
        if self.request() + new > self.rows {
            self.drained = true;
            return;
        }
        for step in steps {
            self.ask(step);
        }
        self.open.push_back(order);
        self.drawn += 1;
        self.count_answered();
    }

    /// How many coalitions were asked for; the full one was not.
    fn request(&self) -> usize {
        self.worth.len() - usize::from(self.players > 0)
    }

    fn ask(&mut self, coalition: Coalition) {
        if !self.worth.contains_key(&coalition) {
            self.worth.insert(coalition.clone(), None);
            self.pending.push_back(coalition);
        }
    }

    /// The coalitions that grow from the empty one to the full one, player by player.
    fn prefixes<'o>(&self, order: impl Iterator<Item = &'o usize>) -> Vec<Coalition> {
        let mut grown = Coalition::empty(self.players);
        let steps = order.map(|player| {
            grown.insert(*player);
            grown.clone()
        });
        std::iter::once(Coalition::empty(self.players)).chain(steps).collect()
    }

    /// Counts the permutations of which every coalition is answered, in the order in which they were drawn: which are
    /// counted must not depend on what they say.
    fn count_answered(&mut self) {
        while let Some(sample) = self.open.front().and_then(|order| self.sample(order)) {
            self.tally.add(&sample);
            self.open.pop_front();
        }
    }

    /// What a permutation and its reverse say of each player, on average.
    fn sample(&self, order: &[usize]) -> Option<Vec<f64>> {
        let mut sample = vec![0.0; self.players];
        let reverse: Vec<usize> = order.iter().rev().copied().collect();
        for order in [order, &reverse] {
            let worth: Option<Vec<f64>> = self.prefixes(order.iter()).iter().map(|step| self.value(step)).collect();
            for (player, step) in order.iter().zip(worth?.windows(2)) {
                sample[*player] += (step[1] - step[0]) / 2.0;
            }
        }
        Some(sample)
    }

    fn is_precise(&self) -> bool {
        let range = match self.range {
            Range::Fixed(range) => range,
            Range::Observed => self.greatest - self.least,
        };
        let error = largest(&self.tally.means).and_then(|player| self.tally.standard_error(player));
        self.tally.pairs >= MIN_PAIRS && error.is_some_and(|error| error <= TOLERANCE * range)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn game(players: usize, worth: f64, rows: usize) -> ShapleyProblem<'static> {
        ShapleyProblem { players, worth, range: Range::Fixed(1.0), rows, seed: b"test" }
    }

    /// Plays a game to its end, `most` coalitions at a time; each may be asked for once.
    fn play(game: &ShapleyProblem<'_>, most: usize, worth: impl Fn(&Coalition) -> f64) -> (SamplingPlan, usize) {
        let mut plan = SamplingPlan::new(game);
        let mut asked = HashSet::new();
        loop {
            let batch = plan.next(most);
            assert!(batch.len() <= most);
            if batch.is_empty() {
                return (plan, asked.len());
            }
            for coalition in batch {
                assert!(asked.insert(coalition.clone()), "asked twice: {coalition:?}");
                let value = worth(&coalition);
                plan.record(coalition, value);
            }
        }
    }

    /// A worth with interactions of every order.
    fn rugged(players: usize, coalition: &Coalition) -> f64 {
        let sum: f64 =
            (1_u32..).zip(0..players).filter(|(_, p)| coalition.contains(*p)).map(|(n, _)| f64::from(n).sqrt()).sum();
        sum.sin() + sum / 10.0
    }

    #[test]
    fn up_to_ten_players_every_coalition_is_asked_for_once() {
        for players in 0..=10 {
            let worth = rugged(players, &Coalition::full(players));
            let (mut plan, asked) = play(&game(players, worth, 4096), 32, |c| rugged(players, c));
            let estimate = plan.estimate().expect("an estimate");
            assert_eq!((asked, estimate.method, estimate.complete), ((1 << players) - 1, Method::Exact, true));
            assert_eq!(estimate.rows, asked, "the full coalition is the prediction, which is there already");
            let sum: f64 = estimate.contributions.iter().sum();
            assert!((estimate.base_value + sum - worth).abs() < 1e-14, "{players}");
        }
    }

    #[test]
    fn above_ten_players_it_stops_when_precise_or_at_the_budget() {
        let additive = |c: &Coalition| (0..11).map(|p| f64::from(u8::from(c.contains(p)))).sum();
        let (mut plan, asked) = play(&game(11, 11.0, 4096), 7, additive);
        let estimate = plan.estimate().expect("an estimate");
        assert!(estimate.complete && asked <= 1 + 20 * (MIN_PAIRS + 1), "of players alike nothing is left to learn");
        assert!(estimate.standard_errors.iter().all(|error| *error == Some(0.0)), "{estimate:?}");

        for rows in [39, 40, 100, 1000] {
            let (mut plan, asked) = play(&game(20, 1.0, rows), 32, |c| rugged(20, c));
            let estimate = plan.estimate().expect("an estimate");
            assert!(asked <= rows && rows - asked < 38, "{rows}: whole pairs, as many as fit; asked {asked}");
            assert!(!estimate.complete && estimate.method == Method::Permutation);
            assert_eq!(estimate.standard_errors[0].is_none(), rows <= 40, "{rows}: one pair has no standard error");
        }
        let (mut plan, asked) = play(&game(20, 1.0, 38), 32, |c| rugged(20, c));
        assert_eq!((asked, plan.estimate(), plan.min_rows(), plan.is_possible()), (0, None, 39, false));
        assert!(!SamplingPlan::new(&game(1_000_000, 1.0, usize::MAX)).is_possible(), "nothing is laid out for so many");
    }

    #[test]
    fn a_plan_that_is_stopped_says_what_is_reached() {
        let worth = rugged(10, &Coalition::full(10));
        let mut plan = SamplingPlan::new(&game(10, worth, 4096));
        assert_eq!(plan.estimate(), None);
        for coalition in plan.next(60) {
            let value = rugged(10, &coalition);
            plan.record(coalition, value);
        }
        let estimate = plan.estimate().expect("three pairs");
        assert!(!estimate.complete && estimate.method == Method::Permutation && estimate.rows == 60);
        assert!(estimate.standard_errors.iter().all(|error| error.is_some_and(|error| error > 0.0)));
        let sum: f64 = estimate.contributions.iter().sum();
        assert!((estimate.base_value + sum - worth).abs() < 1e-14, "an estimate adds up too");
    }

    #[test]
    fn a_hole_in_the_answers_leaves_out_what_needs_it() {
        let mut plan = SamplingPlan::new(&game(12, 1.0, 4096));
        let batch = plan.next(1 + 22 * 3);
        for coalition in batch.into_iter().enumerate().filter(|(place, _)| *place != 30).map(|(_, c)| c) {
            let value = rugged(12, &coalition);
            plan.record(coalition, value);
        }
        let estimate = plan.estimate().expect("the pair before the hole");
        assert!(estimate.standard_errors.iter().all(Option::is_none), "only what comes before the hole counts");
    }

    #[test]
    fn the_range_is_given_or_seen() {
        let scaled = |scale: f64, range| {
            let worth = move |c: &Coalition| rugged(12, c) * scale;
            let game = ShapleyProblem { range, ..game(12, rugged(12, &Coalition::full(12)) * scale, 100_000) };
            play(&game, 32, worth).1
        };
        assert_eq!(scaled(1.0, Range::Observed), scaled(1e6, Range::Observed), "the unit does not matter");
        assert!(scaled(1e-6, Range::Fixed(1.0)) < scaled(1.0, Range::Fixed(1.0)), "what moves nothing is soon known");
    }
}

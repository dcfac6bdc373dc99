//! Decides which coalitions to evaluate next and when to stop. An estimate is available at any time.
//!
//! Evaluates whole permutations first, each with its reverse, even if every coalition will be evaluated in the end.
//! That costs no extra rows, and a plan that runs out of time has an unbiased estimate with a standard error instead of
//! nothing. Builds no rows and reads no clock.

use std::collections::{HashMap, VecDeque};

use super::{
    Coalition, Estimate, ShapleyMethod,
    permutations::PermutationSampler,
    shapley::{RunningStats, exact, largest},
};

/// Up to this number of players, every coalition is evaluated: 2^10 rows are about as many as sampling would need.
pub const MAX_EXACT_PLAYERS: usize = 10;

/// Sampling stops when the standard error of the largest contribution is at most this fraction of the range.
const TOLERANCE: f64 = 0.01;

/// Minimum number of permutation pairs before a standard error is trusted; with fewer it is itself a rough guess. With
/// 8, features of the bundled models that matter only in few orders were reported as 0 ± 0.
const MIN_PAIRS: usize = 32;

/// Maximum number of permutation pairs, for games in which coalitions repeat and further pairs cost no rows.
const MAX_PAIRS: usize = 10_000;

/// Maximum number of players. A plan stores one bit per player and row, and a longer list of features would not be
/// readable.
const MAX_PLAYERS: usize = 4096;

/// The range that the tolerance is relative to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRange {
    /// A fixed range: 1 for probabilities.
    Fixed(f64),
    /// The range of worths seen so far, for values with a unit. If contributions cancel out, precision is then relative
    /// to the values that occurred and not to the small net difference.
    Observed,
}

/// The game whose worth is attributed to its players.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapleyProblem<'a> {
    /// Number of players.
    pub players: usize,
    /// The worth of the full coalition: the prediction in the response.
    pub worth: f64,
    /// The range that the tolerance is relative to.
    pub range: ValueRange,
    /// Maximum number of coalitions to evaluate.
    pub rows: usize,
    /// Seed of the permutations; the same seed gives the same plan.
    pub seed: &'a [u8],
}

/// The coalitions to evaluate for an explanation, most useful first.
#[derive(Debug, Clone)]
pub struct SamplingPlan {
    players: usize,
    range: ValueRange,
    rows: usize,
    exact: bool,
    shuffle: PermutationSampler,
    /// Worth of each coalition; `None` while requested but not yet evaluated.
    worth: HashMap<Coalition, Option<f64>>,
    answered: usize,
    least: f64,
    greatest: f64,
    /// Requested coalitions not yet returned by [`SamplingPlan::next`].
    pending: VecDeque<Coalition>,
    /// Permutations not yet counted in `tally`; each also represents its reverse.
    open: VecDeque<Vec<usize>>,
    tally: RunningStats,
    drawn: usize,
    /// Whether no further permutations will be drawn.
    drained: bool,
}

impl SamplingPlan {
    /// Creates a plan for a game. Every coalition is evaluated if there are at most [`MAX_EXACT_PLAYERS`] players and
    /// enough rows.
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

    /// The next coalitions to evaluate, at most `most`. Empty if the explanation is complete or the row budget is used
    /// up.
    pub fn next(&mut self, most: usize) -> Vec<Coalition> {
        self.count_answered();
        while self.pending.len() < most && !self.drained {
            self.draw();
        }
        self.pending.drain(..most.min(self.pending.len())).collect()
    }

    /// Records the worth of a coalition.
    pub fn record(&mut self, coalition: Coalition, worth: f64) {
        self.least = self.least.min(worth);
        self.greatest = self.greatest.max(worth);
        if self.worth.insert(coalition, Some(worth)).flatten().is_none() {
            self.answered += 1;
        }
    }

    /// The current estimate; `None` if not a single pair of permutations is complete.
    pub fn estimate(&mut self) -> Option<Estimate> {
        self.count_answered();
        let base_value = self.value(&Coalition::empty(self.players))?;
        if let Some(worth) = self.table() {
            return Some(Estimate {
                method: ShapleyMethod::Exact,
                base_value,
                contributions: exact(self.players, &worth),
                standard_errors: vec![Some(0.0); self.players],
                rows: self.answered,
                complete: true,
            });
        }
        (self.tally.pairs > 0).then(|| Estimate {
            method: ShapleyMethod::Permutation,
            base_value,
            contributions: self.tally.means.clone(),
            standard_errors: (0..self.players).map(|player| self.tally.standard_error(player)).collect(),
            rows: self.answered,
            complete: self.is_precise(),
        })
    }

    /// Minimum number of rows for an estimate: the baseline, and one permutation with its reverse.
    pub fn min_rows(&self) -> usize {
        match self.players {
            0 => 0,
            players => 1 + 2 * (players - 1),
        }
    }

    /// Whether the rows suffice for an estimate and the number of players is within the limit. If not, no coalition is
    /// requested.
    pub fn is_possible(&self) -> bool {
        self.players <= MAX_PLAYERS && self.min_rows() <= self.rows
    }

    fn value(&self, coalition: &Coalition) -> Option<f64> {
        self.worth.get(coalition).copied().flatten()
    }

    /// The worth of every coalition by mask, if the plan is exact and all of them are evaluated.
    fn table(&self) -> Option<Vec<f64>> {
        if !self.exact {
            return None;
        }
        (0..1_u64 << self.players).map(|mask| self.value(&Coalition::of_mask(self.players, mask))).collect()
    }

    /// Draws the next permutation, or requests all remaining coalitions. No coalition is requested twice.
    fn draw(&mut self) {
        if !self.exact && (self.is_precise() || self.drawn == MAX_PAIRS) {
            self.drained = true;
            return;
        }
        // After the minimum number of pairs, request the rest: with so few players little remains.
        if self.exact && self.drawn == MIN_PAIRS {
            (0..1_u64 << self.players).for_each(|mask| self.ask(Coalition::of_mask(self.players, mask)));
            self.drained = true;
            return;
        }
        let order = self.shuffle.permutation(self.players);
        let steps: Vec<Coalition> =
            self.prefixes(order.iter()).into_iter().chain(self.prefixes(order.iter().rev())).collect();
        let new = steps.iter().filter(|step| !self.worth.contains_key(step)).count();
        // Half a pair is useless, so only request pairs that fit completely.
        if self.request_count() + new > self.rows {
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

    /// Number of coalitions requested; excludes the full one, whose worth is given.
    fn request_count(&self) -> usize {
        self.worth.len() - usize::from(self.players > 0)
    }

    fn ask(&mut self, coalition: Coalition) {
        if !self.worth.contains_key(&coalition) {
            self.worth.insert(coalition.clone(), None);
            self.pending.push_back(coalition);
        }
    }

    /// The coalitions from the empty to the full one, adding one player at a time in the given order.
    fn prefixes<'o>(&self, order: impl Iterator<Item = &'o usize>) -> Vec<Coalition> {
        let mut grown = Coalition::empty(self.players);
        let steps = order.map(|player| {
            grown.insert(*player);
            grown.clone()
        });
        std::iter::once(Coalition::empty(self.players)).chain(steps).collect()
    }

    /// Counts the permutations whose coalitions are all evaluated, in the order in which they were drawn, so that which
    /// ones are counted does not depend on their values.
    fn count_answered(&mut self) {
        while let Some(sample) = self.open.front().and_then(|order| self.sample(order)) {
            self.tally.add(&sample);
            self.open.pop_front();
        }
    }

    /// The contribution of each player, averaged over a permutation and its reverse.
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
            ValueRange::Fixed(range) => range,
            ValueRange::Observed => self.greatest - self.least,
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
        ShapleyProblem { players, worth, range: ValueRange::Fixed(1.0), rows, seed: b"test" }
    }

    /// Plays a game to its end, `most` coalitions at a time; fails if a coalition is requested twice.
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
            assert_eq!((asked, estimate.method, estimate.complete), ((1 << players) - 1, ShapleyMethod::Exact, true));
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
            assert!(!estimate.complete && estimate.method == ShapleyMethod::Permutation);
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
        assert!(!estimate.complete && estimate.method == ShapleyMethod::Permutation && estimate.rows == 60);
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
        assert_eq!(scaled(1.0, ValueRange::Observed), scaled(1e6, ValueRange::Observed), "the unit does not matter");
        assert!(
            scaled(1e-6, ValueRange::Fixed(1.0)) < scaled(1.0, ValueRange::Fixed(1.0)),
            "what moves nothing is soon known"
        );
    }
}

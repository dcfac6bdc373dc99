//! The four axioms that define Shapley values, for arbitrary games; and independence of the order of features.

use std::collections::HashMap;

use candor::domain::explanation::{Coalition, Estimate, SamplingPlan, ShapleyMethod, ShapleyProblem, ValueRange};
use proptest::prelude::*;

/// The largest number of players.
const MOST: usize = 6;

/// The worth of each coalition, indexed by its mask.
type Worth = Vec<f64>;

fn games() -> impl Strategy<Value = (usize, Worth)> {
    (1..=MOST).prop_flat_map(|players| (Just(players), prop::collection::vec(-10.0..10.0, 1 << players)))
}

fn mask(players: usize, coalition: &Coalition) -> usize {
    (0..players).filter(|player| coalition.contains(*player)).map(|player| 1 << player).sum()
}

/// Plays a game with this many rows; if they are fewer than the coalitions, these are sampled.
fn play(players: usize, worth: impl Fn(usize) -> f64, rows: usize) -> Estimate {
    let full = worth((1 << players) - 1);
    let mut plan =
        SamplingPlan::new(&ShapleyProblem { players, worth: full, range: ValueRange::Observed, rows, seed: b"games" });
    loop {
        let batch = plan.next(7);
        if batch.is_empty() {
            return plan.estimate().expect("rows enough");
        }
        for coalition in batch {
            let value = worth(mask(players, &coalition));
            plan.record(coalition, value);
        }
    }
}

fn exact(players: usize, worth: impl Fn(usize) -> f64) -> Vec<f64> {
    let estimate = play(players, worth, 4096);
    assert_eq!(estimate.method, ShapleyMethod::Exact);
    estimate.contributions
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("few"))
}

fn near(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| (left - right).abs() < 1e-9)
}

/// A coalition with renamed players: player `i` becomes `names[i]`.
fn renamed(names: &[usize], mask: usize) -> usize {
    names.iter().enumerate().filter(|(player, _)| mask >> player & 1 == 1).map(|(_, name)| 1 << name).sum()
}

proptest! {
    #[test]
    fn efficiency_they_add_up((players, worth) in games(), rows in 11_usize..80) {
        let gain = worth[worth.len() - 1] - worth[0];
        for estimate in [play(players, |mask| worth[mask], 4096), play(players, |mask| worth[mask], rows)] {
            prop_assert!((estimate.contributions.iter().sum::<f64>() - gain).abs() < 1e-9);
            prop_assert!(estimate.base_value.to_bits() == worth[0].to_bits() && estimate.rows < worth.len());
            prop_assert!(estimate.method == ShapleyMethod::Exact || !estimate.complete || estimate.rows <= rows);
        }
    }

    #[test]
    fn dummy_who_changes_nothing_has_exactly_nothing((players, worth) in games(), dummy in 0..MOST, rows in 11_usize..80) {
        prop_assume!(dummy < players);
        let blind = |mask: usize| worth[mask & !(1 << dummy)];
        for estimate in [play(players, blind, 4096), play(players, blind, rows)] {
            prop_assert_eq!((estimate.contributions[dummy], estimate.standard_errors[dummy].unwrap_or(0.0)), (0.0, 0.0));
        }
    }

    #[test]
    fn symmetry_players_alike_have_the_same((players, worth) in games(), one in 0..MOST, other in 0..MOST) {
        prop_assume!(one < players && other < players);
        let mut names: Vec<usize> = (0..players).collect();
        names.swap(one, other);
        let found = exact(players, |mask| worth[mask] + worth[renamed(&names, mask)]);
        prop_assert!((found[one] - found[other]).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn linearity_a_sum_of_games_is_shared_as_the_games_are((players, worth) in games(), scale in -3.0..3.0) {
        let other = |mask: usize| float(mask).sin() * 5.0;
        let (one, two) = (exact(players, |mask| worth[mask]), exact(players, other));
        let both: Vec<f64> = one.iter().zip(&two).map(|(one, two)| one + scale * two).collect();
        prop_assert!(near(&exact(players, |mask| worth[mask] + scale * other(mask)), &both));
    }

    #[test]
    fn names_do_not_matter((players, worth) in games(), names in Just((0..MOST).collect::<Vec<_>>()).prop_shuffle()) {
        let names: Vec<usize> = names.into_iter().filter(|name| *name < players).collect();
        let (own, other) = (exact(players, |mask| worth[renamed(&names, mask)]), exact(players, |mask| worth[mask]));
        let back: Vec<f64> = names.iter().map(|name| other[*name]).collect();
        prop_assert!(near(&own, &back), "{own:?} {back:?}");
    }
}

/// The Shapley value as the mean over all orders, an equivalent definition.
fn over_all_orders(players: usize, worth: &dyn Fn(usize) -> f64) -> Vec<f64> {
    fn walk(mask: usize, left: &[usize], worth: &dyn Fn(usize) -> f64, sums: &mut [f64]) -> f64 {
        if left.is_empty() {
            return 1.0;
        }
        let mut orders = 0.0;
        for (place, player) in left.iter().enumerate() {
            let rest = [&left[..place], &left[place + 1..]].concat();
            let below = walk(mask | 1 << player, &rest, worth, sums);
            sums[*player] += below * (worth(mask | 1 << player) - worth(mask));
            orders += below;
        }
        orders
    }
    let mut sums = vec![0.0; players];
    let orders = walk(0, &(0..players).collect::<Vec<_>>(), worth, &mut sums);
    sums.iter().map(|sum| sum / orders).collect()
}

#[test]
fn the_definition_agrees_with_the_mean_over_all_orders() {
    for players in 1..=7 {
        let worth = |mask: usize| (float(mask) * 0.7).sin() + f64::from(mask.count_ones());
        assert!(near(&exact(players, worth), &over_all_orders(players, &worth)), "{players} players");
    }
}

#[test]
fn the_standard_error_tells_how_far_the_estimate_is() {
    // Twelve players with interactions: over many samples the mean error, in standard errors, must be about one.
    let players = 12;
    let table: HashMap<usize, f64> = (0..1 << players)
        .map(|mask: usize| (mask, (float(mask) * 0.37).sin() + f64::from(mask.count_ones() % 3)))
        .collect();
    let exact = by_definition(players, &table);
    let mut squares = Vec::new();
    for seed in 0..40_u8 {
        let game =
            ShapleyProblem { players, worth: table[&0xfff], range: ValueRange::Fixed(0.0), rows: 700, seed: &[seed] };
        let mut plan = SamplingPlan::new(&game);
        loop {
            let batch = plan.next(64);
            if batch.is_empty() {
                break;
            }
            for coalition in batch {
                let value = table[&mask(players, &coalition)];
                plan.record(coalition, value);
            }
        }
        let estimate = plan.estimate().expect("an estimate");
        for ((found, error), truth) in estimate.contributions.iter().zip(&estimate.standard_errors).zip(&exact) {
            squares.push(((found - truth) / error.expect("several pairs")).powi(2));
        }
    }
    // Of 480 squares of about standard normal errors (slightly wider, since the standard errors are estimated from
    // thirty pairs).
    let mean = squares.iter().sum::<f64>() / float(squares.len());
    assert!((0.75..1.4).contains(&mean), "{mean}");
}

fn by_definition(players: usize, table: &HashMap<usize, f64>) -> Vec<f64> {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let count = u32::try_from(players).expect("few");
    let weight = |size: u32| factorial(size) * factorial(count - size - 1) / factorial(count);
    (0..players)
        .map(|player| {
            let without = table.keys().filter(|mask| *mask >> player & 1 == 0);
            without.map(|mask| weight(mask.count_ones()) * (table[&(mask | 1 << player)] - table[mask])).sum()
        })
        .collect()
}

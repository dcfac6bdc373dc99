//! What `auto` selects, and whether it makes a classifier better: data sets whose true class probabilities are known,
//! answered by models that are calibrated, over- or underconfident, or wrong in other ways.
//!
//! `make selection-study` runs it. It takes the file to write and how many data sets to make of each kind.

mod datasets;
mod table;
mod trial;

use std::sync::atomic::{AtomicUsize, Ordering};

use datasets::{Distortion, Recipe};
use trial::{Trial, run};

const CLASSES: [usize; 3] = [2, 5, 20];
const ROWS: [usize; 4] = [100, 300, 1000, 10_000];

/// Beyond this, a data set takes so long that three tenths of them are made.
const MANY_ROWS: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, times] = arguments.as_slice() else { panic!("usage: selection OUT DATASETS") };
    let times: usize = times.parse().expect("the number of data sets is a whole number");
    let mut recipes = Vec::new();
    for distortion in Distortion::ALL {
        for classes in CLASSES {
            recipes.extend(ROWS.map(|rows| Recipe { distortion, classes, rows }));
        }
    }
    let done: Vec<(Recipe, Vec<Trial>)> = recipes
        .into_iter()
        .map(|recipe| {
            let trials = repeat(recipe, if recipe.rows > MANY_ROWS { times * 3 / 10 } else { times });
            eprintln!("{}", table::row(recipe, &trials));
            (recipe, trials)
        })
        .collect();
    std::fs::write(out, table::markdown(times, &done)).unwrap_or_else(|error| panic!("{out}: {error}"));
    eprintln!("wrote {out}");
}

/// Runs the trials of one recipe on all processors.
fn repeat(recipe: Recipe, times: usize) -> Vec<Trial> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            let mut trials = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= times {
                    return trials;
                }
                trials.push(run(recipe, seed as u64));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("a trial")).collect()
    })
}

//! Finds an instance that a graph accepts if the package has none: tries lengths of open arrays and styles of values
//! until a run succeeds.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    domain::{
        contract::{Contract, InstanceSampler, Style, lengths_of},
        json::JsonValue,
        random::SplitMix64,
        tensor::Inputs,
    },
    runtime::Executor,
};

/// Seed of all random instances at load, so that every start verifies with the same ones.
pub(super) const SEED: u64 = 20_260_301;

/// Lengths to try for an open dimension, including those that audio and text models need.
const LENGTHS: [usize; 12] = [4, 1, 16, 64, 128, 512, 256, 2, 8, 32, 576, 3];

/// Lengths to try for the height and width of an image.
const SIDES: [usize; 12] = [64, 224, 32, 640, 128, 256, 48, 112, 96, 299, 320, 512];

/// Maximum number of values in an instance: larger ones take seconds to build and gigabytes to run.
const MAX_VALUES: usize = 2_000_000;

/// Time limit of the search: no further length is tried after it.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Maximum number of combinations of lengths that are tried.
const MAX_TRIALS: usize = 96;

/// The search for an instance.
pub(super) struct ShapeTrial<'a> {
    pub(super) contract: &'a Contract,
    /// The dimension names of each input.
    pub(super) symbols: &'a [Vec<String>],
    /// Converts an instance to inputs; `None` if the contract does not admit it.
    pub(super) admit: &'a dyn Fn(&JsonValue) -> Option<Inputs>,
}

/// The result of the search.
pub(super) struct FoundShape {
    /// The array lengths of each feature, outermost first.
    pub(super) lengths: Vec<Vec<usize>>,
    /// The instance that ran.
    pub(super) instance: Option<JsonValue>,
}

/// A dimension whose length the contract leaves open.
struct OpenDimensions {
    feature: usize,
    level: usize,
    /// Dimensions with the same name share a key, and so their length.
    key: usize,
    side: bool,
}

impl ShapeTrial<'_> {
    /// Tries the contract's plain example first, then other lengths, each with random values, zeros and ones.
    pub(super) fn find(&self, executor: &mut impl Executor) -> FoundShape {
        let started = Instant::now();
        let plain = self.contract.example();
        let mut runs =
            |instance: &JsonValue| (self.admit)(instance).is_some_and(|inputs| executor.run(&inputs).is_ok());
        let lengths = lengths_of(self.contract, &plain);
        if runs(&plain) {
            return FoundShape { lengths, instance: Some(plain) };
        }
        let mut random = SplitMix64::new(SEED);
        for lengths in self.candidates(&lengths) {
            let drawing = InstanceSampler::new(self.contract, None, &lengths);
            if drawing.width() > MAX_VALUES || started.elapsed() > TIME_LIMIT {
                continue;
            }
            for style in [Style::Varied, Style::Zeros, Style::Ones] {
                let instance = drawing.draw(&mut random, style);
                if runs(&instance) {
                    return FoundShape { lengths, instance: Some(instance) };
                }
            }
        }
        FoundShape { lengths, instance: None }
    }

    /// Returns the lengths to try, small instances first: all open dimensions with the same length, or one of them long
    /// and the others 1.
    fn candidates(&self, plain: &[Vec<usize>]) -> Vec<Vec<Vec<usize>>> {
        let (open, keys) = self.open();
        let with = |length: &dyn Fn(&OpenDimensions) -> usize| {
            let mut lengths = plain.to_vec();
            for dimension in &open {
                if let Some(place) = lengths[dimension.feature].get_mut(dimension.level) {
                    *place = length(dimension);
                }
            }
            lengths
        };
        let of = |dimension: &OpenDimensions, index: usize| if dimension.side { SIDES[index] } else { LENGTHS[index] };
        let mut candidates: Vec<Vec<Vec<usize>>> = vec![plain.to_vec()];
        if !open.is_empty() {
            candidates.extend((0..LENGTHS.len()).map(|index| with(&|dimension| of(dimension, index))));
        }
        if keys > 1 {
            for index in 0..LENGTHS.len() {
                let long = |key: usize| {
                    move |dimension: &OpenDimensions| if dimension.key == key { of(dimension, index) } else { 1 }
                };
                candidates.extend((0..keys).map(|key| with(&long(key))));
            }
        }
        candidates.truncate(MAX_TRIALS);
        // Small instances fail faster.
        candidates.sort_by_key(|lengths| InstanceSampler::new(self.contract, None, lengths).width());
        candidates
    }

    /// Returns the open dimensions and the number of distinct keys.
    fn open(&self) -> (Vec<OpenDimensions>, usize) {
        let mut keys: BTreeMap<String, usize> = BTreeMap::new();
        let mut open = Vec::new();
        for (index, feature) in self.contract.features.iter().enumerate() {
            let input = &self.contract.inputs[feature.tensor];
            let fixed: Vec<Option<usize>> =
                feature.dimensions.iter().map(|level| level.max.filter(|max| *max == level.min)).collect();
            for level in (0..fixed.len()).filter(|level| fixed[*level].is_none()) {
                let names = self.symbols.get(feature.tensor);
                let symbol = names.and_then(|names| names.get(input.leading + level)).filter(|name| !name.is_empty());
                let name = symbol.cloned().unwrap_or_else(|| format!("{index}/{level}"));
                let next = keys.len();
                let key = *keys.entry(name).or_insert(next);
                open.push(OpenDimensions { feature: index, level, key, side: is_side(&fixed, level) });
            }
        }
        (open, keys.len())
    }
}

/// Whether a level is the height or width of an image: one of three levels, with 1, 3 or 4 channels in another.
fn is_side(fixed: &[Option<usize>], level: usize) -> bool {
    let channels = |level: usize| matches!(fixed.get(level), Some(Some(1 | 3 | 4)));
    fixed.len() == 3 && ((channels(0) && level > 0) || (channels(2) && level < 2))
}

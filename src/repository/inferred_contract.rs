//! Derives the contract of a bare graph from its signature and from its outputs for random instances.

use std::time::{Duration, Instant};

use super::{
    admit::admit_features,
    shape_trial::{SEED, ShapeTrial},
};
use crate::{
    domain::{
        contract::{self, Contract, DerivedContract, InstanceSampler, ObservedOutputs, Style},
        json::JsonValue,
        random::SplitMix64,
        signature::Signature,
        tensor::{Inputs, Tensor},
    },
    runtime::{Executor, ModelBytes, OrtExecutor},
};

/// Maximum number of instances that are run to infer the meaning of the outputs.
const MAX_ROWS: usize = 128;

/// Maximum number of values in all these instances together.
const MAX_VALUES: usize = 500_000;

/// Time limit: no further instance is run after it.
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// Derives the contract of a graph. The executor is a session of it and is left with all outputs requested.
pub(super) fn derive(name: &str, model: &ModelBytes, executor: &mut OrtExecutor) -> DerivedContract {
    let signature = executor.signature().clone();
    let outputs: Vec<String> = signature.outputs.iter().map(|spec| spec.name().to_owned()).collect();
    executor.set_outputs(&outputs);
    let class_lists = || model.class_lists();
    // An input [?] is one value per row, unless the graph only accepts longer arrays.
    let vectors = signature.inputs.iter().any(|spec| spec.shape == [None]);
    for open_vectors in [false, true].into_iter().take(1 + usize::from(vectors)) {
        let observed = ObservedOutputs { open_vectors, ..ObservedOutputs::NOTHING };
        let derived = contract::derive(name, &signature, observed);
        // The caller compiles the contract again and reports the problems.
        let Ok(contract) = contract::compile(&derived.document, &signature) else { continue };
        executor.fix_rows(contract.fixed_rows);
        let rows = observe(&contract, &signature, executor);
        if !rows.is_empty() {
            let observed = ObservedOutputs { rows: &rows, class_lists: &class_lists, open_vectors };
            return contract::derive(name, &signature, observed);
        }
    }
    contract::derive(name, &signature, ObservedOutputs::NOTHING)
}

/// Runs varied random instances. Returns no rows if no instance is found that the graph accepts.
fn observe(contract: &Contract, signature: &Signature, executor: &mut OrtExecutor) -> Vec<Vec<Tensor>> {
    let admit = |instance: &JsonValue| admit_drawn(contract, instance);
    let symbols = executor.symbols().to_vec();
    let found = ShapeTrial { contract, symbols: &symbols, admit: &admit }.find(executor);
    if found.instance.is_none() {
        return Vec::new();
    }
    let started = Instant::now();
    let drawing = InstanceSampler::new(contract, None, &found.lengths);
    let most = (MAX_VALUES / drawing.width().max(1)).clamp(2, MAX_ROWS);
    let mut random = SplitMix64::new(SEED);
    let mut rows = Vec::new();
    // A few rows are enough for large outputs such as images.
    let mut room = MAX_VALUES;
    let columns: usize = signature.outputs.len();
    for _ in 0..most {
        let inputs = admit(&drawing.draw(&mut random, Style::Varied));
        let Some(Ok(outputs)) = inputs.map(|inputs| executor.run(&inputs)) else { continue };
        if outputs.len() != columns {
            continue;
        }
        room = room.saturating_sub(outputs.iter().map(|output| output.buffer.len()).sum());
        rows.push(outputs);
        if room == 0 || started.elapsed() > TIME_LIMIT {
            break;
        }
    }
    rows
}

fn admit_drawn(contract: &Contract, instance: &JsonValue) -> Option<Inputs> {
    admit_features(contract, None, instance).ok()
}

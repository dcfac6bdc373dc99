//! What a contract says of itself, of a profile and of a graph.

mod accepts;
mod admitted_values;
mod calibration_fit;
mod coalition_inputs;
mod derive;
mod example;
mod group;
mod infer_output;
mod input_hasher;
mod instance_sampler;
mod output_name;
mod projection;

pub use admitted_values::{AdmittedValues, Limit};
pub use derive::{DerivedContract, derive};
pub use group::Grouping;
pub use infer_output::{ObservedOutputs, remedy};
pub use input_hasher::InputHasher;
pub use instance_sampler::{InstanceSampler, Style, lengths_of};
pub use output_name::{names_deviation, names_variance};

//! The contract of a model: the schema of one instance, its mapping to input tensors, and the mapping of output tensors
//! to a prediction.
//!
//! It is compiled once, at load, from contract.json and the graph's signature. Requests only execute the compiled plan.

pub mod inspect; // what a contract says of itself, of a profile, of a graph: examples, groups, coalitions, inference

pub mod admit; // bytes to validated features to tensors, in one pass
pub mod interpret; // outputs to a prediction with its uncertainty

pub mod schema; // contract.json compiled: features, rules, the plan of inputs and outputs

pub use admit::{AdmitError, Admitted, EntityId, MAX_ENTITY_ID};
pub use inspect::{
    AdmittedValues, DerivedContract, Grouping, InputHasher, InstanceSampler, Limit, ObservedOutputs, Style, derive,
    lengths_of, names_deviation, names_variance, remedy,
};
pub use interpret::{Labels, ProbabilitySummary, label_text, numbers};
pub use schema::{
    AuxiliaryOutputs, Contract, ContractProblem, DecisionRule, Dimension, FULL_VALIDATION_KEYWORDS, Feature, InputPlan,
    OutputPlan, Pattern, PointEstimate, QuantilePair, ScoreEncoding, Task, Undecided, compile, is_known, unbounded,
};

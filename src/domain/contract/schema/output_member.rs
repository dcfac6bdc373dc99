//! Finds the outputs of the graph that the members of `x-output` name.

use super::schema_reader::{ContractProblem, SchemaNode};
use crate::domain::{
    signature::{OutputSpec, Signature, TensorSpec},
    text::did_you_mean,
};

/// Finds the output that a member of the form `{"tensor": …}` names.
pub(in crate::domain::contract) fn find<'s>(
    node: &SchemaNode<'_>,
    key: &str,
    signature: &'s Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<&'s OutputSpec> {
    let member = node.child(key)?;
    let known: &[&str] =
        if key == "probabilities" { &["tensor", "normalize"] } else { &["tensor", "column", "levels"] };
    member.deny_unknown(known, problems);
    let Some(name) = member.text("tensor", problems) else {
        member.problem(problems, "must be an object with the member \"tensor\"");
        return None;
    };
    let found = signature.outputs.iter().find(|spec| spec.name() == name);
    if found.is_none() {
        let known = signature.outputs.iter().map(OutputSpec::name);
        member.problem(problems, format!("the graph has no output {name:?}{}", did_you_mean(name, known)));
    }
    found
}

/// Returns the declared number of columns of an output: `Some(None)` if it is open, `None` if the output has more than
/// two dimensions.
#[expect(clippy::option_option, reason = "open and impossible are two different answers")]
pub(in crate::domain::contract) fn columns(spec: &OutputSpec) -> Option<Option<usize>> {
    match spec {
        OutputSpec::ZipMap { keys, .. } => Some(Some(keys.len()).filter(|count| *count > 0)),
        OutputSpec::Tensor(TensorSpec { shape, .. }) => match shape.as_slice() {
            [] | [_] => Some(Some(1)),
            [_, columns] => Some(*columns),
            _ => None,
        },
    }
}

//! Reads `x-output` of a regression: which output holds the value, and which auxiliary outputs there are.

use super::{
    output::{AuxiliaryOutputs, OutputPlan, PointEstimate, QuantilePair},
    output_member::{columns, find},
    schema_reader::{ContractProblem, SchemaNode},
};
use crate::domain::{
    json::JsonValue,
    signature::{OutputSpec, Signature},
    tensor::ElementType,
};

pub(in crate::domain::contract) fn read_regression(
    node: &SchemaNode<'_>,
    signature: &Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<OutputPlan> {
    node.deny_unknown(&["task", "value", "unit", "sigma", "quantiles", "members", "coverage"], problems);
    let unit = node.text("unit", problems).map(str::to_owned);
    let value = find(node, "value", signature, problems);
    let quantiles = find(node, "quantiles", signature, problems);
    let members = find(node, "members", signature, problems);
    let sigma = find(node, "sigma", signature, problems);
    let levels = node.child("quantiles").and_then(|member| read_levels(&member, problems)).unwrap_or_default();
    let (spec, point) = find_point(node, (value, members, quantiles), &levels, problems)?;
    let column = if let PointEstimate::Column(column) = point { column } else { 0 };
    check_column(node, "a value", (spec, column), problems);
    if let Some(spec) = quantiles.filter(|spec| columns(spec).flatten().is_some_and(|found| found != levels.len())) {
        node.problem(
            problems,
            format!("quantiles lists {} levels, but the output {spec} has a different number of columns", levels.len()),
        );
    }
    let mut requested = vec![spec.name().to_owned()];
    let beside = AuxiliaryOutputs {
        sigma: sigma.map(|spec| {
            let column = node.child("sigma").and_then(|member| member.count("column", problems)).unwrap_or(0);
            check_column(node, "sigma", (spec, column), problems);
            (output(&mut requested, spec), column)
        }),
        band: quantiles.filter(|_| levels.len() > 1).map(|spec| QuantilePair {
            output: output(&mut requested, spec),
            upper: levels.len() - 1,
            levels: (levels[0], levels[levels.len() - 1]),
        }),
        members: members.map(|spec| output(&mut requested, spec)),
    };
    Some(OutputPlan::Regression { requested, point, auxiliary: beside, unit })
}

/// The outputs that `value`, `members` and `quantiles` name.
type Named<'s> = (Option<&'s OutputSpec>, Option<&'s OutputSpec>, Option<&'s OutputSpec>);

/// Finds the output that holds the point estimate: `value`, else the mean of the members, else the median.
fn find_point<'s>(
    node: &SchemaNode<'_>,
    found: Named<'s>,
    levels: &[f64],
    problems: &mut Vec<ContractProblem>,
) -> Option<(&'s OutputSpec, PointEstimate)> {
    match found {
        (Some(spec), _, _) => {
            let column = node.child("value").and_then(|member| member.count("column", problems)).unwrap_or(0);
            Some((spec, PointEstimate::Column(column)))
        }
        (None, Some(spec), _) => Some((spec, PointEstimate::Mean)),
        #[expect(clippy::float_cmp, reason = "the median's level is written as 0.5")]
        (None, None, Some(spec)) => {
            if let Some(column) = levels.iter().position(|level| *level == 0.5) {
                Some((spec, PointEstimate::Column(column)))
            } else {
                node.problem(problems, "without a value, the levels of quantiles must hold the median, 0.5");
                None
            }
        }
        // `find` has already reported a member that names no output.
        (None, None, None) if ["value", "members", "quantiles"].iter().any(|key| node.child(key).is_some()) => None,
        (None, None, None) => {
            node.problem(problems, "a regression needs a value, members, or quantiles with the median");
            None
        }
    }
}

/// Reports a column that does not exist or does not hold numbers.
fn check_column(
    node: &SchemaNode<'_>,
    what: &str,
    (spec, column): (&OutputSpec, usize),
    problems: &mut Vec<ContractProblem>,
) {
    if let Some(Some(found)) = columns(spec)
        && column >= found
    {
        node.problem(problems, format!("column {column} does not exist: the output {spec} has {found}"));
    }
    if columns(spec).is_none() || matches!(spec.element(), ElementType::Text | ElementType::Bool) {
        node.problem(problems, format!("{what} must be one number per row, but the graph has {spec}"));
    }
}

/// Returns the index of an output in `requested`, after adding it if needed.
fn output(requested: &mut Vec<String>, spec: &OutputSpec) -> usize {
    requested.iter().position(|name| name == spec.name()).unwrap_or_else(|| {
        requested.push(spec.name().to_owned());
        requested.len() - 1
    })
}

fn read_levels(member: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) -> Option<Vec<f64>> {
    let mut levels = Vec::new();
    for item in member.list("levels", problems)? {
        match item.value {
            JsonValue::Number(level) if (0.0..=1.0).contains(&level.as_f64()) => levels.push(level.as_f64()),
            other => item.problem(problems, format!("a level must be a number between 0 and 1, found {other}")),
        }
    }
    if !levels.is_sorted() {
        member.problem(problems, "levels must be in ascending order");
    }
    Some(levels)
}

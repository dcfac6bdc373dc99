//! Finds the outputs of a regression: the value, and its standard deviation, quantiles or ensemble members. Several
//! columns or outputs are never resolved without a flag or a certain name.

use serde_json::{Value, json};

use super::output_table::{OutputShape, OutputTable};
use crate::{
    authoring::{error::DecisionError, flag_value::shell_quoted},
    domain::contract::{names_deviation, names_variance},
};

/// The outputs that flags name, as indices.
struct FlaggedOutputs {
    value: Option<usize>,
    sigma: Option<usize>,
    quantiles: Option<usize>,
    members: Option<usize>,
}

/// Returns `x-output` of a regression, and notes on what to check.
pub(super) fn regression(table: OutputTable<'_>) -> Result<(Value, Vec<String>), Vec<DecisionError>> {
    let flagged = find_flagged(table)?;
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let mut output = json!({ "task": "regression" });
    let column = table.options.value_column;
    let value = find_value(table, &flagged).map_err(|problem| problems.push(problem)).unwrap_or_default();
    if let Some(value) = value {
        match check_column(table, value, column) {
            Ok(()) => {
                output["value"] = json!({ "tensor": table.name(value) });
                if let Some(column) = column.filter(|_| table.width(value) != Some(1)) {
                    output["value"]["column"] = json!(column);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if let (Some(index), Some(quantiles)) = (flagged.quantiles, &table.options.quantiles) {
        match check_quantiles(table, index, &quantiles.levels, value.is_some()) {
            Ok(note) => notes.extend(note),
            Err(problem) => problems.push(problem),
        }
        output["quantiles"] = json!({ "tensor": table.name(index), "levels": quantiles.levels });
    }
    if let Some(index) = flagged.members {
        problems.extend(check_members(table, index).err());
        output["members"] = json!({ "tensor": table.name(index) });
    }
    if problems.is_empty() {
        match find_sigma(table, &flagged, value, &mut notes) {
            Ok(sigma) => sigma.into_iter().for_each(|sigma| output["sigma"] = sigma),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let described = match (value, flagged.members) {
        (Some(value), _) => match output["value"].get("column") {
            Some(column) => format!("column {column} of the output {:?}", table.name(value)),
            None => format!("the output {:?}", table.name(value)),
        },
        (None, Some(members)) => format!("the mean of the columns of the output {:?}", table.name(members)),
        (None, None) => "the median of the quantiles".to_owned(),
    };
    notes.insert(0, format!("{described} is the predicted value: add its unit as x-output.unit"));
    Ok((output, notes))
}

/// Finds the outputs that the flags name. `--quantiles` may leave its output out if only one has as many columns.
fn find_flagged(table: OutputTable<'_>) -> Result<FlaggedOutputs, Vec<DecisionError>> {
    let options = table.options;
    let mut problems = Vec::new();
    let mut find = |flag: &str, name: Option<&str>| {
        let found = table.find(flag, name).and_then(|found| match found {
            Some(index) if !matches!(table.shape(index), OutputShape::Single | OutputShape::Several) => {
                Err(format!("{flag}: the output {} does not hold floats per row", table.spec(index)).into())
            }
            found => Ok(found),
        });
        found.map_err(|problem| problems.push(problem)).unwrap_or_default()
    };
    let value = find("--value", options.value.as_deref());
    let sigma = find("--sigma", options.sigma.as_deref());
    let members = find("--members", options.members.as_deref());
    let named = options.quantiles.as_ref().and_then(|quantiles| quantiles.output.as_deref());
    let mut quantiles = find("--quantiles", named);
    if let Some(wanted) = options.quantiles.as_ref().filter(|wanted| wanted.output.is_none()) {
        match quantiles_by_width(table, &wanted.levels, [sigma, members]) {
            Ok(found) => quantiles = found,
            Err(problem) => problems.push(problem),
        }
    }
    let flagged = FlaggedOutputs { value, sigma, quantiles, members };
    problems.extend(shared_outputs(&flagged));
    if problems.is_empty() { Ok(flagged) } else { Err(problems) }
}

/// Finds the only output with as many columns as there are levels; `None` if that can only be told from rows.
fn quantiles_by_width(
    table: OutputTable<'_>,
    levels: &[f64],
    taken: [Option<usize>; 2],
) -> Result<Option<usize>, DecisionError> {
    let count = levels.len();
    let fits = |index: &usize| table.width(*index) == Some(count) && !taken.contains(&Some(*index));
    let fitting: Vec<usize> = table.floats().into_iter().filter(fits).collect();
    let unknown = !table.is_observed() && table.floats().iter().any(|index| table.width(*index).is_none());
    match fitting.as_slice() {
        [only] => Ok(Some(*only)),
        [] if unknown => Ok(None),
        [] => {
            let listed = table.listed();
            Err(format!("--quantiles lists {count} levels, but no output has {count} columns: {listed}").into())
        }
        several => {
            let levels = levels.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let value = |index: &usize| shell_quoted(&format!("{}={levels}", table.name(*index)));
            let flags: Vec<String> = several.iter().map(|index| format!("--quantiles {}", value(index))).collect();
            Err(format!("more than one output has {count} columns: choose with {}", flags.join(" or ")).into())
        }
    }
}

/// Names the flags that give one output two roles. A column of the quantiles or of the members can be the value.
fn shared_outputs(flagged: &FlaggedOutputs) -> Vec<DecisionError> {
    let FlaggedOutputs { value, sigma, quantiles, members } = *flagged;
    let pairs = [
        ("--value and --sigma", value, sigma),
        ("--sigma and --quantiles", sigma, quantiles),
        ("--sigma and --members", sigma, members),
        ("--quantiles and --members", quantiles, members),
    ];
    let shared = pairs.into_iter().filter(|(_, left, right)| left.is_some() && left == right);
    shared.map(|(flags, ..)| format!("{flags} name the same output: each role needs its own").into()).collect()
}

/// Finds the output of the value; `None` if the members or the quantiles give it.
fn find_value(table: OutputTable<'_>, flagged: &FlaggedOutputs) -> Result<Option<usize>, DecisionError> {
    if let Some(value) = flagged.value {
        return Ok(Some(value));
    }
    let other = |index: &usize| ![flagged.sigma, flagged.quantiles, flagged.members].contains(&Some(*index));
    let free: Vec<usize> = table.floats().into_iter().filter(other).collect();
    if table.options.value_column.is_none() && (flagged.members.is_some() || flagged.quantiles.is_some()) {
        return Ok(None);
    }
    let named = |index: &usize| names_deviation(table.name(*index)) && table.shape(*index) == OutputShape::Single;
    let values: Vec<usize> = free.iter().copied().filter(|index| free.len() == 1 || !named(index)).collect();
    let values = if values.is_empty() { free.clone() } else { values };
    match values.as_slice() {
        [only] => Ok(Some(*only)),
        [] => match flagged.quantiles.or(flagged.members) {
            Some(index) => Ok(Some(index)),
            None => Err(format!("no output can hold the value of a regression: {}", table.listed()).into()),
        },
        several => {
            let roles: Vec<String> = several.iter().map(|index| table.flag("--value", *index)).collect();
            let singles = several.iter().filter(|index| table.shape(**index) == OutputShape::Single);
            let sigmas: Vec<String> = singles.map(|index| table.flag("--sigma", *index)).collect();
            let hint = match several.iter().find(|index| names_variance(table.name(**index))) {
                Some(variance) => format!("; {}", not_a_deviation(table, *variance)),
                None if flagged.sigma.is_none() && !free.iter().any(named) && !sigmas.is_empty() => format!(
                    "; and if one of them is the standard deviation, name it with {} (the outputs that no flag names \
                     are not used)",
                    sigmas.join(" or ")
                ),
                None => "; the outputs that no flag names are not used".to_owned(),
            };
            let roles = roles.join(" or ");
            Err(format!("more than one output can hold the value of a regression: choose with {roles}{hint}").into())
        }
    }
}

fn not_a_deviation(table: OutputTable<'_>, index: usize) -> String {
    format!(
        "{} is named as a variance, which is the square of a standard deviation: append Sqrt in the graph to use it as \
         sigma",
        table.spec(index)
    )
}

/// Checks that a column of the value's output was chosen if there are several.
fn check_column(table: OutputTable<'_>, value: usize, column: Option<usize>) -> Result<(), DecisionError> {
    table.check_width(value)?;
    let spec = table.spec(value);
    match (table.width(value), column) {
        (Some(width), Some(column)) if column >= width => Err(format!(
            "--value-column {column} does not exist: the output {spec} has {width} columns, numbered from 0"
        )
        .into()),
        (Some(1) | None, _) | (_, Some(_)) => Ok(()),
        (Some(width), None) => Err(several_columns(table, value, width).into()),
    }
}

/// The choices for an output of several columns.
fn several_columns(table: OutputTable<'_>, index: usize, width: usize) -> String {
    let level = vec!["LEVEL"; width.min(3)].join(",");
    let level = if width > 3 { format!("{level},…") } else { level };
    format!(
        "the output {} has {width} columns, and a regression predicts one number. Choose one with --value-column N (0 \
         to {}) if each column is a target: several targets at once (multi-output, multi-step, joint) are not \
         supported, so make one package per target; --quantiles {level} if the columns are quantiles; {} if they are \
         the members of an ensemble",
        table.spec(index),
        width - 1,
        table.flag("--members", index)
    )
}

/// Checks the quantiles against the rows. Returns a note if some rows cross.
fn check_quantiles(
    table: OutputTable<'_>,
    index: usize,
    levels: &[f64],
    has_value: bool,
) -> Result<Option<String>, DecisionError> {
    table.check_width(index)?;
    let (spec, count) = (table.spec(index), levels.len());
    if let Some(width) = table.width(index).filter(|width| *width != count) {
        return Err(format!("--quantiles lists {count} levels, but the output {spec} has {width} columns").into());
    }
    if !has_value && !levels.contains(&0.5) {
        return Err(format!(
            "--quantiles: without the median (0.5), the value must be another output: name it with --value OUTPUT; the \
             graph has {}",
            table.listed()
        )
        .into());
    }
    let rows = table.values(index);
    let crossed = rows.iter().filter(|row| !row.is_sorted()).count();
    if crossed * 2 > rows.len() {
        return Err(format!(
            "--quantiles: the columns of the output {spec} do not rise with their levels in {crossed} of {} rows: are \
             they quantiles, in the order of the levels?",
            rows.len()
        )
        .into());
    }
    Ok((crossed > 0).then(|| format!("the quantiles of {spec} cross in {crossed} of {} rows", rows.len())))
}

fn check_members(table: OutputTable<'_>, index: usize) -> Result<(), DecisionError> {
    table.check_width(index)?;
    if table.width(index) == Some(1) {
        return Err(format!(
            "--members: the output {} has one column; an ensemble has one column per member, at least two",
            table.spec(index)
        )
        .into());
    }
    Ok(())
}

/// Finds the standard deviation: by flag, or by a name that is certain.
fn find_sigma(
    table: OutputTable<'_>,
    flagged: &FlaggedOutputs,
    value: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Option<Value>, DecisionError> {
    let Some(index) = flagged.sigma.map_or_else(|| named_sigma(table, flagged, value), |sigma| Ok(Some(sigma)))? else {
        return Ok(None);
    };
    let spec = table.spec(index);
    let column = sigma_column(table, index, value)?;
    if names_variance(table.name(index)) {
        notes.push(format!("--sigma: {}", not_a_deviation(table, index)));
    }
    let values = table.values(index);
    let least = values.iter().filter_map(|row| row.get(column.unwrap_or(0))).copied().fold(f64::INFINITY, f64::min);
    if least < 0.0 && flagged.sigma.is_none() && flagged.value.is_some() {
        notes.push(format!("the output {spec} is named as a standard deviation, but holds {least}: it is not sigma"));
        return Ok(None);
    }
    if least < 0.0 {
        let other = value.filter(|_| flagged.sigma.is_none());
        let other = other
            .map(|value| format!("; to leave the output out, name the value with {}", table.flag("--value", value)));
        return Err(format!(
            "the output {spec} holds {least}, but sigma is a standard deviation, at least 0{}",
            other.unwrap_or_default()
        )
        .into());
    }
    if flagged.sigma.is_none() {
        notes.push(format!("the output {spec} is taken as the standard deviation of the value, by its name"));
    }
    let mut sigma = json!({ "tensor": table.name(index) });
    if let Some(column) = column {
        sigma["column"] = json!(column);
    }
    Ok(Some(sigma))
}

/// Finds the one output that is named as a standard deviation.
fn named_sigma(
    table: OutputTable<'_>,
    flagged: &FlaggedOutputs,
    value: Option<usize>,
) -> Result<Option<usize>, DecisionError> {
    let free = |index: &usize| ![value, flagged.quantiles, flagged.members].contains(&Some(*index));
    let named = |index: &usize| free(index) && names_deviation(table.name(*index));
    let named: Vec<usize> = table.shaped(OutputShape::Single).into_iter().filter(named).collect();
    if let [] | [_] = named.as_slice() {
        return Ok(named.first().copied());
    }
    let flags: Vec<String> = named.iter().map(|index| table.flag("--sigma", *index)).collect();
    let flags = flags.join(" or ");
    Err(format!("more than one output is named as a standard deviation: choose with {flags}").into())
}

/// Returns the column of sigma: that of the value, if there is one standard deviation per target.
fn sigma_column(table: OutputTable<'_>, index: usize, value: Option<usize>) -> Result<Option<usize>, DecisionError> {
    table.check_width(index)?;
    let width = table.width(index);
    let column = table.options.value_column.filter(|_| width > Some(1));
    let beside = value.is_some_and(|value| value != index && table.width(value) == width);
    if width > Some(1) && !(beside && column.is_some()) {
        return Err(format!(
            "--sigma: the output {} has {} columns; it must hold one number per row, or one per column of the value",
            table.spec(index),
            width.unwrap_or_default()
        )
        .into());
    }
    Ok(column)
}

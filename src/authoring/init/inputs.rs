//! Assigns columns to the inputs of the graph: by flag, by name or by order, and never by a guess.

use super::InitOptions;
use crate::{
    authoring::{error::DecisionError, flag_value::shell_quoted},
    dataset::{Column, ColumnKind},
    domain::{
        signature::{Signature, TensorSpec},
        text::did_you_mean,
    },
};

/// How the columns of an input were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchedBy {
    Name,
    Order,
    Flag,
}

/// The columns of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputBinding {
    /// The index of the input in the signature.
    pub(super) tensor: usize,
    /// The column indices, in the tensor's order.
    pub(super) columns: Vec<usize>,
    /// Whether the input takes a single column of arrays.
    pub(super) array: bool,
    pub(super) how: MatchedBy,
}

/// The number of columns that an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InputArity {
    Scalars(usize),
    /// Any number of columns.
    Open,
    /// One column of arrays.
    Array,
}

fn input_arity(spec: &TensorSpec) -> InputArity {
    match spec.instance_shape() {
        [] => InputArity::Scalars(1),
        [None] => InputArity::Open,
        // An array of fixed shape takes its elements as columns, too.
        shape => {
            let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul((*size)?));
            elements.map_or(InputArity::Array, InputArity::Scalars)
        }
    }
}

/// Assigns columns to the inputs. Returns the inputs that have their columns, and every unassigned column and input,
/// each with the flag that decides it.
pub(super) fn assign_columns(
    signature: &Signature,
    columns: &[Column],
    options: &InitOptions,
) -> (Vec<InputBinding>, Vec<DecisionError>) {
    let mut table =
        UnassignedColumns { columns, has_target: options.target.is_some(), left: Vec::new(), problems: Vec::new() };
    table.choose(options);
    let mut placed: Vec<InputBinding> = Vec::new();
    table.by_flag(signature, options, &mut placed);
    if !table.problems.is_empty() {
        return (Vec::new(), table.problems.into_iter().map(DecisionError).collect());
    }
    for (tensor, spec) in signature.inputs.iter().enumerate() {
        let done = placed.iter().any(|placed| placed.tensor == tensor);
        if let Some(column) = table.named(spec).filter(|_| !done) {
            table.left.retain(|free| *free != column);
            let array = columns[column].kind == ColumnKind::List;
            placed.push(InputBinding { tensor, columns: vec![column], array, how: MatchedBy::Name });
        }
    }
    let left: Vec<usize> =
        (0..signature.inputs.len()).filter(|tensor| placed.iter().all(|placed| placed.tensor != *tensor)).collect();
    match left.as_slice() {
        [] if table.left.is_empty() => {}
        [] => table.problems.push(format!(
            "no input of the graph takes {}: name the target with --target, and exclude the others with --ignore",
            table.names(&table.left)
        )),
        [tensor] => placed.extend(table.unassigned(*tensor, &signature.inputs[*tensor])),
        several => {
            for tensor in several {
                let spec = &signature.inputs[*tensor];
                table.problems.push(format!(
                    "no column is named like the input {spec}: choose its columns with --input {}{}",
                    shell_quoted(&format!("{}=COLUMN", spec.name)),
                    if input_arity(spec) == InputArity::Scalars(1) { "" } else { ",COLUMN" }
                ));
            }
            let left = table.names(&table.left);
            table.problems.push(format!("columns without an input: {}", if left.is_empty() { "none" } else { &left }));
        }
    }
    placed.sort_by_key(|placed| placed.tensor);
    (placed, table.problems.into_iter().map(DecisionError).collect())
}

/// The columns that are not assigned yet.
struct UnassignedColumns<'a> {
    columns: &'a [Column],
    has_target: bool,
    left: Vec<usize>,
    problems: Vec<String>,
}

impl UnassignedColumns<'_> {
    fn find(&mut self, flag: &str, name: &str) -> Option<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        if found.is_none() {
            let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            let near = did_you_mean(name, known.iter().copied());
            self.problems.push(format!("{flag}: the table has no column {name:?}{near}; it has: {}", known.join(", ")));
        }
        found
    }

    /// Selects the feature columns according to the flags.
    fn choose(&mut self, options: &InitOptions) {
        let target = options.target.as_deref().and_then(|name| self.find("--target", name));
        let ignored: Vec<usize> = options.ignore.iter().filter_map(|name| self.find("--ignore", name)).collect();
        let chosen: Vec<usize> = options.features.iter().filter_map(|name| self.find("--features", name)).collect();
        if let Some(target) = target.filter(|target| chosen.contains(target)) {
            self.problems.push(format!(
                "{:?} is the target, but --features lists it: the target cannot be a feature",
                self.columns[target].name
            ));
        }
        // An index of pandas is a feature only if it is named.
        let data = || (0..self.columns.len()).filter(|column| !self.columns[*column].is_index).collect();
        let all = if chosen.is_empty() { data() } else { chosen };
        self.left = all.into_iter().filter(|column| Some(*column) != target && !ignored.contains(column)).collect();
    }

    fn by_flag(&mut self, signature: &Signature, options: &InitOptions, placed: &mut Vec<InputBinding>) {
        for (name, listed) in &options.inputs {
            let Some(tensor) = signature.inputs.iter().position(|spec| spec.name == *name) else {
                let known: Vec<String> = signature.inputs.iter().map(ToString::to_string).collect();
                self.problems.push(format!("--input: the graph has no input {name:?}; it has: {}", known.join(", ")));
                continue;
            };
            let columns: Vec<usize> = listed.iter().filter_map(|column| self.find("--input", column)).collect();
            self.left.retain(|free| !columns.contains(free));
            let array = matches!(columns.as_slice(), [only] if self.columns[*only].kind == ColumnKind::List);
            if let InputArity::Scalars(width) = input_arity(&signature.inputs[tensor])
                && width != columns.len()
                && !array
                // A column that the table does not have is already reported.
                && columns.len() == listed.len()
            {
                let spec = &signature.inputs[tensor];
                let (given, plural) = (columns.len(), if columns.len() == 1 { "" } else { "s" });
                self.problems.push(format!("--input gives {given} column{plural} to {spec}, which takes {width}"));
            }
            placed.push(InputBinding { tensor, columns, array, how: MatchedBy::Flag });
        }
    }

    /// Returns the unassigned column with the name of the input. Characters other than letters and digits compare as
    /// `_`, which is how converters write names.
    fn named(&self, spec: &TensorSpec) -> Option<usize> {
        let plain = |name: &str| -> String {
            name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect()
        };
        let fits = |column: &Column| match input_arity(spec) {
            InputArity::Scalars(1) => true,
            _ => column.kind == ColumnKind::List,
        };
        let same = |column: &&usize| {
            let column = &self.columns[**column];
            fits(column) && (column.name == spec.name || plain(&column.name) == plain(&spec.name))
        };
        self.left.iter().find(same).copied()
    }

    /// Assigns the remaining columns, in table order, to the only remaining input.
    fn unassigned(&mut self, tensor: usize, spec: &TensorSpec) -> Option<InputBinding> {
        let array = matches!(self.left.as_slice(), [only] if self.columns[*only].kind == ColumnKind::List);
        let found = self.left.len();
        let fits = match input_arity(spec) {
            InputArity::Scalars(width) => width == found || array,
            InputArity::Open => found > 0,
            InputArity::Array => array,
        };
        if fits {
            let how = MatchedBy::Order;
            return Some(InputBinding { tensor, columns: std::mem::take(&mut self.left), array, how });
        }
        let names = self.names(&self.left);
        let problem = match input_arity(spec) {
            InputArity::Array => format!(
                "the input {spec} takes one column of arrays, but the remaining columns are {names}: a JSON, Parquet \
                 or Feather table can hold arrays; name the column with --input {}",
                shell_quoted(&format!("{}=COLUMN", spec.name))
            ),
            InputArity::Scalars(width) if found > width => format!(
                "{found} columns are left for the input {spec}, which takes {width}: {names}. {}, or list the {width} \
                 in order with --features",
                if self.has_target {
                    "Exclude identifiers and other targets with --ignore"
                } else {
                    "Name the target with --target, exclude others with --ignore"
                }
            ),
            InputArity::Scalars(width) if spec.instance_shape().len() > 1 => format!(
                "the input {spec} takes one column of arrays, or {width} columns of single values in row-major order, \
                 but the remaining columns are {names}: a JSON, Parquet or Feather table can hold arrays; name the \
                 columns with --input {}=COLUMN,COLUMN",
                spec.name
            ),
            _ => format!("the input {spec} takes more columns than the {found} that remain: {names}"),
        };
        self.problems.push(problem);
        None
    }

    fn names(&self, columns: &[usize]) -> String {
        columns.iter().map(|column| self.columns[*column].name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

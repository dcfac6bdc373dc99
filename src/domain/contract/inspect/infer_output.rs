//! Infers the meaning of a bare graph's outputs from their names and shapes, and checks it against the graph's outputs
//! for random instances. Scores count as probabilities only if these outputs prove it, or if no instance could be run
//! and there is a label.

use super::output_name::{names_deviation, names_variance};
use crate::domain::{
    contract::interpret::{Labels, ProbabilitySummary, label_text, numbers},
    json::JsonValue,
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::{ElementType, Tensor},
};

/// The minimum number of observed rows that prove an output whose name says nothing.
const MIN_ROWS: usize = 8;

/// The observed outputs of a bare graph, and the class names in its file.
#[derive(Clone, Copy)]
pub struct ObservedOutputs<'a> {
    /// For each instance, one tensor of one row per output of the signature.
    pub rows: &'a [Vec<Tensor>],
    /// Reads the lists of possible class names from the graph's file; called only if they are needed.
    pub class_lists: &'a dyn Fn() -> Vec<Vec<String>>,
    /// Whether an input `[?]` takes an array of any length instead of one value per row.
    pub open_vectors: bool,
}

impl ObservedOutputs<'_> {
    /// No observations.
    pub const NOTHING: Self = Self { rows: &[], class_lists: &Vec::new, open_vectors: false };
}

/// The `x-output` of a derived contract, and notes about it.
pub(in crate::domain::contract) struct InferredOutput {
    pub(in crate::domain::contract) output: JsonValue,
    pub(in crate::domain::contract) notes: Vec<String>,
}

/// An output that may hold one score per class.
struct ScoreColumns<'a> {
    spec: &'a OutputSpec,
    /// The number of columns: as declared, else as observed.
    width: usize,
    summary: ProbabilitySummary,
    rows: Vec<Vec<f64>>,
}

impl ScoreColumns<'_> {
    fn named(&self, part: &str) -> bool {
        self.spec.name().to_ascii_lowercase().contains(part)
    }

    /// Whether all rows are probabilities, with as many columns as declared.
    fn are_sound(&self) -> bool {
        self.summary.are_probabilities() && self.summary.width == self.width
    }

    fn keys(&self) -> Option<&[String]> {
        match self.spec {
            OutputSpec::ZipMap { keys, .. } if keys.len() == self.width => Some(keys),
            _ => None,
        }
    }
}

/// Infers the task and the roles of the outputs.
pub(in crate::domain::contract) fn infer_output(
    signature: &Signature,
    observed: ObservedOutputs<'_>,
) -> InferredOutput {
    let outputs = &signature.outputs;
    let scores: Vec<ScoreColumns<'_>> =
        outputs.iter().enumerate().filter_map(|(index, spec)| scores_of(index, spec, observed)).collect();
    let label = outputs.iter().position(is_label);
    if let Some(label) = label
        && let Some(scores) = beside_label(&scores)
    {
        return with_label(signature, label, scores, observed);
    }
    if label.is_none()
        && let Some(scores) = alone(&scores)
    {
        return probabilities_alone(scores);
    }
    single_output(outputs, observed).or_else(|| value_and_sigma(outputs, observed)).unwrap_or_else(|| {
        let names: Vec<String> = outputs.iter().map(ToString::to_string).collect();
        let mut unrecognised =
            tensors(format!("the outputs were not recognised and are passed on as they are: {}", names.join("; ")));
        let untrue = scores.iter().filter(|scores| scores.named("prob") && scores.summary.rows > 0);
        unrecognised.notes.extend(
            untrue
                .map(|scores| format!("output {} does not hold class probabilities: {}", scores.spec, scores.summary)),
        );
        unrecognised
    })
}

/// Probabilities without a label: the classes have numbers for names.
fn probabilities_alone(scores: &ScoreColumns<'_>) -> InferredOutput {
    let names: Vec<String> = (0..scores.width).map(|class| class.to_string()).collect();
    let note = format!(
        "output {} holds probabilities in all {} instances and is interpreted as those of the classes {}; a \
         contract.json can name them",
        scores.spec,
        scores.summary.rows,
        names.join(", ")
    );
    InferredOutput { output: classification("probabilities", &names, scores.spec, None), notes: vec![note] }
}

/// A single output of one column: a regression if it holds one number a row.
fn single_output(outputs: &[OutputSpec], observed: ObservedOutputs<'_>) -> Option<InferredOutput> {
    let [single] = outputs else { return None };
    if columns(single) != Some(1) {
        return None;
    }
    let one_number = |row: &Vec<Tensor>| row.first().is_none_or(|value| value.buffer.len() == 1);
    if single.element().is_float() && observed.rows.iter().all(one_number) {
        let output = JsonValue::object(vec![
            ("task", JsonValue::text("regression")),
            ("value", JsonValue::object(vec![("tensor", JsonValue::text(single.name()))])),
        ]);
        return Some(InferredOutput {
            output,
            notes: vec![format!("output {single} is interpreted as the value of a regression")],
        });
    }
    let width = observed.rows.first().and_then(|row| row.first()).map(|value| value.buffer.len())?;
    Some(tensors(format!("output {single} has {width} values per row and is passed on as it is")))
}

/// Two outputs of one float per row, one of them named as a standard deviation: a regression with sigma.
fn value_and_sigma(outputs: &[OutputSpec], observed: ObservedOutputs<'_>) -> Option<InferredOutput> {
    let [first, second] = outputs else { return None };
    let (value, sigma, index) = match (names_deviation(first.name()), names_deviation(second.name())) {
        (false, true) => (first, second, 1),
        (true, false) => (second, first, 0),
        _ => return None,
    };
    let single = |spec: &OutputSpec| columns(spec) == Some(1) && spec.element().is_float();
    let one_number = |row: &Vec<Tensor>| {
        row.iter().all(|output| output.buffer.len() == 1)
            && row.get(index).is_none_or(|sigma| numbers(sigma).iter().all(|number| *number >= 0.0))
    };
    if names_variance(value.name()) || !single(value) || !single(sigma) || !observed.rows.iter().all(one_number) {
        return None;
    }
    let member = |spec: &OutputSpec| JsonValue::object(vec![("tensor", JsonValue::text(spec.name()))]);
    let output = JsonValue::object(vec![
        ("task", JsonValue::text("regression")),
        ("value", member(value)),
        ("sigma", member(sigma)),
    ]);
    let note = format!(
        "output {value} is interpreted as the value of a regression, and {sigma} as its standard deviation, by its name"
    );
    Some(InferredOutput { output, notes: vec![note] })
}

/// Whether a signature has a label and scores. If so, its first dimension is the batch, even if it is fixed.
pub(in crate::domain::contract) fn has_label_and_scores(signature: &Signature) -> bool {
    let wide = |spec: &OutputSpec| {
        spec.element().is_float() && (matches!(spec, OutputSpec::ZipMap { .. }) || columns(spec) > Some(1))
    };
    signature.outputs.iter().any(is_label) && signature.outputs.iter().any(wide)
}

fn tensors(note: String) -> InferredOutput {
    InferredOutput { output: JsonValue::object(vec![("task", JsonValue::text("tensors"))]), notes: vec![note] }
}

fn classification(kind: &'static str, names: &[String], scores: &OutputSpec, label: Option<&OutputSpec>) -> JsonValue {
    let mut members = vec![
        ("task", JsonValue::text("classification")),
        ("classes", JsonValue::List(names.iter().map(|name| JsonValue::text(name)).collect())),
        (kind, JsonValue::object(vec![("tensor", JsonValue::text(scores.name()))])),
    ];
    members.extend(label.map(|label| ("label", JsonValue::object(vec![("tensor", JsonValue::text(label.name()))]))));
    JsonValue::object(members)
}

fn is_label(spec: &OutputSpec) -> bool {
    let single = |shape: &[Option<usize>]| shape.len() < 2 || matches!(shape, [_, Some(1)]);
    matches!(spec, OutputSpec::Tensor(tensor)
        if (tensor.element.is_integer() || tensor.element == ElementType::Text) && single(&tensor.shape))
}

/// The number of columns that an output declares.
fn columns(spec: &OutputSpec) -> Option<usize> {
    match spec {
        OutputSpec::Tensor(TensorSpec { shape, .. }) if shape.len() == 2 => shape[1],
        OutputSpec::Tensor(TensorSpec { shape, .. }) if matches!(shape.as_slice(), [None | Some(1)]) => Some(1),
        OutputSpec::ZipMap { keys, .. } => Some(keys.len()).filter(|count| *count > 0),
        OutputSpec::Tensor(_) => None,
    }
}

/// Reads an output as scores: floats `[N, C]` with at least two columns, or a `ZipMap`.
fn scores_of<'a>(index: usize, spec: &'a OutputSpec, observed: ObservedOutputs<'_>) -> Option<ScoreColumns<'a>> {
    let shaped = match spec {
        OutputSpec::Tensor(tensor) => tensor.shape.len() == 2,
        OutputSpec::ZipMap { .. } => true,
    };
    if !shaped || !spec.element().is_float() {
        return None;
    }
    let rows: Vec<Vec<f64>> =
        observed.rows.iter().map(|outputs| outputs.get(index).map(numbers).unwrap_or_default()).collect();
    let summary = ProbabilitySummary::of(spec.element(), rows.iter().map(Vec::as_slice));
    let width = columns(spec).unwrap_or(summary.width);
    (width > 1).then_some(ScoreColumns { spec, width, summary, rows })
}

/// Picks the scores that belong to a label: a `ZipMap`, else an output whose name contains `prob`, else valid
/// probabilities, else the first candidate.
fn beside_label<'s, 'a>(scores: &'s [ScoreColumns<'a>]) -> Option<&'s ScoreColumns<'a>> {
    let map = scores.iter().find(|scores| matches!(scores.spec, OutputSpec::ZipMap { .. }));
    map.or_else(|| scores.iter().find(|scores| scores.named("prob")))
        .or_else(|| scores.iter().find(|scores| scores.are_sound()))
        .or_else(|| scores.first())
}

/// Picks probabilities if there is no label: the one valid output whose name contains `prob`, or the only candidate if
/// it is valid.
fn alone<'s, 'a>(scores: &'s [ScoreColumns<'a>]) -> Option<&'s ScoreColumns<'a>> {
    let mut named = scores.iter().filter(|scores| scores.named("prob") && scores.are_sound());
    if let (Some(only), None) = (named.next(), named.next()) {
        return Some(only);
    }
    match scores {
        // Without fractions, it is more likely a one-hot encoder.
        [only] if only.are_sound() && only.summary.rows >= MIN_ROWS && only.summary.fractional => Some(only),
        _ => None,
    }
}

fn with_label(
    signature: &Signature,
    label: usize,
    scores: &ScoreColumns<'_>,
    observed: ObservedOutputs<'_>,
) -> InferredOutput {
    let spec = &signature.outputs[label];
    let mut labels = Labels::default();
    for (row, values) in observed.rows.iter().zip(&scores.rows) {
        labels.add(values, row.get(label).and_then(label_text));
    }
    let unproven = scores.summary.rows == 0;
    let sound = scores.are_sound() && !labels.disagree();
    if !unproven && !sound {
        let logits = scores.named("logit") && labels.rows() >= MIN_ROWS && labels.disagreeing() == 0;
        if logits {
            let (names, note) = class_names(scores, (spec, &labels), observed);
            let said = format!(
                "output {} next to {spec} is interpreted as the logits of the classes {}{note}",
                scores.spec,
                { names.join(", ") }
            );
            return InferredOutput {
                output: classification("logits", &names, scores.spec, Some(spec)),
                notes: vec![said],
            };
        }
        return tensors(no_probabilities(scores, spec, &labels));
    }
    let (names, note) = class_names(scores, (spec, &labels), observed);
    let mut notes = vec![format!(
        "output {} next to {spec} is interpreted as the probabilities of the classes {}{note}",
        scores.spec,
        names.join(", ")
    )];
    if unproven {
        notes.push(format!(
            "output {} could not be verified to hold probabilities: no instance could be run",
            scores.spec
        ));
    } else if labels.disagreeing() > 0 {
        notes.push(format!(
            "the graph's own label differs from the most likely class in {} of {} instances; predictions are the most \
             likely class; for a threshold, write a contract.json with `positive` and `threshold`",
            labels.disagreeing(),
            labels.rows()
        ));
    }
    InferredOutput { output: classification("probabilities", &names, scores.spec, Some(spec)), notes }
}

/// Explains why scores are not probabilities, and how to get probabilities.
fn no_probabilities(scores: &ScoreColumns<'_>, label: &OutputSpec, labels: &Labels) -> String {
    let (width, declared) = (scores.summary.width, scores.width);
    let found = if width != declared {
        format!("it declares {declared} columns but returns {width}")
    } else if labels.follow_minimum() {
        format!("the label is the class with the lowest value, so these are distances ({})", scores.summary)
    } else if scores.summary.are_probabilities() {
        let (disagreeing, judged) = (labels.disagreeing(), labels.rows());
        format!("the label differs from the most likely class in {disagreeing} of {judged} instances")
    } else {
        scores.summary.to_string()
    };
    format!(
        "output {} next to {label} does not hold class probabilities: {found}. The outputs are passed on as they are, \
         without uncertainty. {}",
        scores.spec,
        remedy(labels)
    )
}

/// How to get probabilities from a model that outputs other scores.
pub fn remedy(labels: &Labels) -> &'static str {
    if labels.follow_minimum() {
        "For a class with its probability, export a classifier"
    } else {
        "For probabilities, export a model that returns them (scikit-learn: wrap it in CalibratedClassifierCV; \
         skl2onnx: leave the option raw_scores at False); declare scores that are logits as `logits` in a contract.json"
    }
}

/// Returns the class names and a note. The names are the keys of a `ZipMap`, else column numbers if the labels are
/// such, else a list in the graph's file that agrees with the observed labels, else the observed labels.
fn class_names(
    scores: &ScoreColumns<'_>,
    (label, labels): (&OutputSpec, &Labels),
    observed: ObservedOutputs<'_>,
) -> (Vec<String>, &'static str) {
    if let Some(keys) = scores.keys() {
        return (keys.to_vec(), "");
    }
    let seen = labels.names();
    let numbered: Vec<String> = (0..scores.width).map(|class| class.to_string()).collect();
    let fits = |names: &[String]| seen.iter().all(|(column, name)| names.get(*column) == Some(name));
    let texts = matches!(label, OutputSpec::Tensor(spec) if spec.element == ElementType::Text);
    if !texts && fits(&numbered) {
        return (numbered, "");
    }
    let listed = (observed.class_lists)().into_iter().find(|names| names.len() == scores.width && fits(names));
    if let Some(names) = listed {
        return (names, "");
    }
    let named: Vec<String> =
        (0..scores.width).map(|class| seen.get(&class).unwrap_or(&numbered[class]).clone()).collect();
    let distinct: std::collections::BTreeSet<&String> = named.iter().collect();
    if distinct.len() < named.len() {
        return (numbered, " (the graph uses other names; write a contract.json to name the classes)");
    }
    let note = if seen.len() == scores.width { "" } else { " (unknown names are replaced by numbers)" };
    (named, note)
}

//! Properties of the accumulator: the order of rows does not matter, slices add up, versions that agree do not differ.

use candor::domain::{
    comparison::{
        Comparison, ContractSource, GateLimits, MAX_DIFFERING_ROWS, MAX_SLICES, PairTally, PredictionPair,
        SliceFeature, TrueOutcome, gate,
    },
    contract::{Contract, compile},
    float::Float,
    json::JsonValue,
    prediction::{Outcome, Prediction},
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
    uncertainty::Assessment,
};
use proptest::prelude::*;
use serde_json::json;

/// A row: the probability of the second class by each version, the true class if it is known, and the slice.
type Row = (f64, f64, Option<usize>, u8);

fn contract(classes: &[&str]) -> (Contract, JsonValue) {
    let document = json!({
        "type": "object", "properties": { "x": { "type": "number" } }, "required": ["x"],
        "x-inputs": [{ "tensor": "x", "features": ["x"] }],
        "x-output": { "task": "classification", "classes": classes, "probabilities": { "tensor": "p" } },
    });
    let spec =
        |name: &str, width| TensorSpec { name: name.into(), element: ElementType::F64, shape: vec![None, width] };
    let outputs = vec![OutputSpec::Tensor(spec("p", Some(classes.len())))];
    let signature = Signature { inputs: vec![spec("x", Some(1))], outputs };
    let document: JsonValue = serde_json::from_value(document).expect("a literal");
    (compile(&document, &signature).expect("a good contract"), document)
}

fn prediction(positive: f64) -> Prediction {
    let probabilities = vec![Float::F64(1.0 - positive), Float::F64(positive)];
    let class = usize::from(positive > 0.5);
    let assessment = Assessment::uncalibrated(probabilities[class]);
    Prediction { outcome: Outcome::Classification { class, probabilities }, assessment }
}

fn compared(rows: &[Row]) -> Comparison {
    let (contract, document) = contract(&["no", "yes"]);
    let source = ContractSource { contract: &contract, document: &document };
    let mut tally = PairTally::new(source, source, vec![SliceFeature::by_value("group")]).expect("one task");
    for (index, (old, new, truth, group)) in rows.iter().enumerate() {
        tally.add(&PredictionPair {
            row: &index,
            features: &JsonValue::Null,
            slices: &[JsonValue::Number(u64::from(*group).into())],
            old: &prediction(*old),
            new: &prediction(*new),
            truth: truth.map(TrueOutcome::Class),
        });
    }
    tally.finish()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0.0..=1.0, 0.0..=1.0, proptest::option::of(0_usize..2), any::<u8>());
    proptest::collection::vec(row, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slices_add_up_to_the_whole(rows in rows()) {
        let found = compared(&rows);
        let whole = &found.whole;
        let sum = |of: fn(&candor::domain::comparison::PairStatistics) -> u64| -> u64 {
            found.slices.iter().map(|slice| of(&slice.statistics)).sum()
        };
        prop_assert_eq!(sum(|slice| slice.rows), whole.rows);
        prop_assert_eq!(sum(|slice| slice.disagreements), whole.disagreements);
        prop_assert_eq!(sum(|slice| slice.labelled), whole.labelled);
        prop_assert_eq!(sum(|slice| slice.right_only_new), whole.right_only_new);
        // One more slice holds further values.
        prop_assert!(found.slices.len() <= MAX_SLICES + 1);
        prop_assert!(found.differing_rows.len() <= MAX_DIFFERING_ROWS);
        prop_assert!(found.differing_rows.is_sorted_by(|one, next| one.difference >= next.difference));
        let largest = whole.classes[1].difference.maximum;
        let first = found.differing_rows.first().map_or(0.0, |row| row.difference);
        // The differences of the two classes are rounded apart.
        prop_assert!((first - largest).abs() < 1e-12);
        let drop = whole.accuracy.old.zip(whole.accuracy.new).map(|(old, new)| old - new);
        prop_assert!(whole.accuracy_drop().zip(drop).is_none_or(|(one, other)| (one - other).abs() < 1e-12));
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(rows in rows()) {
        let rows: Vec<Row> = rows.into_iter().map(|(old, new, truth, group)| (old, new, truth, group % 4)).collect();
        let mut reversed = rows.clone();
        reversed.reverse();
        let (one, other) = (compared(&rows), compared(&reversed));
        prop_assert_eq!(one.whole.disagreements, other.whole.disagreements);
        let p90 = |found: &Comparison| found.whole.classes[0].difference.p90;
        prop_assert!((p90(&one) - p90(&other)).abs() < 1e-12);
        let names = |found: &Comparison| found.slices.iter().map(|slice| slice.value.clone()).collect::<Vec<_>>();
        prop_assert_eq!(names(&one), names(&other));
    }

    #[test]
    fn a_version_passes_the_strictest_gate_against_itself(rows in rows()) {
        let same: Vec<Row> = rows.into_iter().map(|(old, _, truth, group)| (old, old, truth, group % 3)).collect();
        let found = compared(&same);
        prop_assert!(found.differing_rows.is_empty() && found.contract.is_empty());
        let none = Some(0.0);
        let limits = GateLimits {
            max_disagreement: none,
            max_accuracy_drop: none,
            max_coverage_drop: none,
            max_group_gap: none,
            allow_breaking_contract: false,
        };
        prop_assert_eq!(gate(&found, &limits), vec![]);
    }
}

#[test]
fn classes_are_matched_by_name() {
    let ((old, old_document), (new, new_document)) = (contract(&["no", "yes"]), contract(&["yes", "no"]));
    let source = |contract, document| ContractSource { contract, document };
    let mut tally =
        PairTally::new(source(&old, &old_document), source(&new, &new_document), Vec::new()).expect("one task");
    // `no` at 0.8 by both, as the first and as the second class.
    tally.add(&PredictionPair {
        row: &"only",
        features: &JsonValue::Null,
        slices: &[],
        old: &prediction(0.2),
        new: &prediction(0.8),
        truth: Some(TrueOutcome::Class(0)),
    });
    let whole = tally.finish().whole;
    assert_eq!((whole.disagreements, whole.accuracy.old, whole.accuracy.new), (0, Some(1.0), Some(1.0)));
    assert!(whole.classes.iter().all(|class| class.difference.maximum < 1e-12), "{whole:?}");
}

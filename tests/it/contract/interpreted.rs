//! Interpretation of outputs, per task: the prediction, outputs that cannot be one, and the requested row.

use candor::domain::{
    contract::Contract,
    float::Float,
    prediction::{InterpretError, Outcome},
    tensor::{Buffer, Tensor},
    uncertainty::method,
};
use half::f16;
use serde_json::{Value, json};

use super::{compiled, signature};

/// A contract with one numeric feature and these outputs.
fn contract(output: &Value, outputs: &[&str]) -> Contract {
    contract_of("x float32[?, 1]", output, outputs)
}

fn contract_of(input: &str, output: &Value, outputs: &[&str]) -> Contract {
    let signature = signature(&[input], outputs);
    let document = json!({
        "type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"],
        "x-inputs": [{"tensor": "x", "features": ["x"]}], "x-output": output,
    });
    compiled(&document, &signature)
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor { shape: shape.to_vec(), buffer: Buffer::F32(values.to_vec()) }
}

/// The class and the probabilities of one row.
fn class(contract: &Contract, tensor: Tensor, row: usize) -> (usize, Vec<f64>) {
    let prediction = contract.interpret(&[tensor], row).unwrap_or_else(|error| panic!("{error}"));
    let Outcome::Classification { class, probabilities } = prediction.outcome else { panic!("not a classification") };
    let uncertainty = prediction.assessment.uncertainty.expect("a classifier is never without");
    assert_eq!(uncertainty, probabilities[class].complement());
    assert_eq!((prediction.assessment.method, prediction.assessment.coverage), (method::UNCALIBRATED, None));
    (class, probabilities.into_iter().map(Float::as_f64).collect())
}

fn value(contract: &Contract, tensor: Tensor, row: usize) -> Result<f64, InterpretError> {
    let prediction = contract.interpret(&[tensor], row)?;
    assert_eq!(prediction.assessment.uncertainty.is_some(), prediction.assessment.method == method::ENSEMBLE);
    assert_eq!(prediction.assessment.coverage, None);
    match prediction.outcome {
        Outcome::Regression { value } => Ok(value.as_f64()),
        other => panic!("{other:?}"),
    }
}

fn scores(key: &str) -> Value {
    json!({"task": "classification", "classes": ["stay", "churn"], key: {"tensor": "p"}})
}

#[test]
fn probabilities_are_taken_row_by_row() {
    let both = contract(&scores("probabilities"), &["p float32[?, 2]"]);
    let rows = floats(&[3, 2], &[0.75, 0.25, 0.25, 0.75, 0.5, 0.5]);
    assert_eq!(class(&both, rows.clone(), 0), (0, vec![0.75, 0.25]));
    assert_eq!(class(&both, rows.clone(), 1), (1, vec![0.25, 0.75]));
    assert_eq!(class(&both, rows, 2), (0, vec![0.5, 0.5]), "ties go to the first class");
    for (outputs, shape) in [("p float32[?, 1]", vec![2, 1]), ("p float32[?]", vec![2])] {
        let positive = contract(&scores("probabilities"), &[outputs]);
        assert_eq!(class(&positive, floats(&shape, &[0.25, 0.75]), 0), (0, vec![0.75, 0.25]), "{outputs}");
        assert_eq!(class(&positive, floats(&shape, &[0.25, 0.75]), 1), (1, vec![0.25, 0.75]), "{outputs}");
    }
    let zipmap = contract(&scores("probabilities"), &["p zipmap[stay, churn]"]);
    assert_eq!(class(&zipmap, floats(&[1, 2], &[0.25, 0.75]), 0).0, 1);
}

#[test]
fn logits_become_probabilities() {
    let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    let both = contract(&scores("logits"), &["p float32[?, 2]"]);
    // They differ by ln 3, so the ratio is 1 to 3.
    let (class_of_both, probabilities) = class(&both, floats(&[1, 2], &[100.0, 101.098_61]), 0);
    assert!(class_of_both == 1 && close(&probabilities, &[0.25, 0.75]), "{probabilities:?}");
    let single = contract(&scores("logits"), &["p float32[?, 1]"]);
    let (class_of_one, probabilities) = class(&single, floats(&[2, 1], &[9.0, -1.098_612_3]), 1);
    assert!(class_of_one == 0 && close(&probabilities, &[0.75, 0.25]), "{probabilities:?}");
    let half = contract(&scores("logits"), &["p float16[?, 2]"]);
    let tensor = Tensor { shape: vec![1, 2], buffer: Buffer::F16(vec![f16::ZERO, f16::ZERO]) };
    let prediction = half.interpret(&[tensor], 0).expect("it is finite");
    assert!(
        matches!(prediction.outcome, Outcome::Classification { probabilities, .. } if probabilities[0] == Float::F16(f16::from_f32(0.5)))
    );
}

#[test]
fn a_threshold_decides_for_the_positive_class() {
    let mut output = scores("probabilities");
    output["positive"] = json!("churn");
    // Not a float32: the threshold is compared in the graph's own type, as the caller reads both.
    output["threshold"] = json!(0.7);
    let contract = contract(&output, &["p float32[?, 2]"]);
    for (positive, expected) in [(0.71, 1), (0.7, 1), (0.69, 0)] {
        assert_eq!(class(&contract, floats(&[1, 2], &[1.0 - positive, positive]), 0).0, expected, "{positive}");
    }
}

#[test]
fn a_regression_has_one_value_a_row() {
    let column = contract(&json!({"task": "regression", "value": {"tensor": "v", "column": 1}}), &["v float32[?, 2]"]);
    assert_eq!(value(&column, floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), 1), Ok(4.0));
    let flat = contract(&json!({"task": "regression", "value": {"tensor": "v"}}), &["v float32[?]"]);
    assert_eq!(value(&flat, floats(&[2], &[1.0, 2.0]), 1), Ok(2.0));
    let members = contract(&json!({"task": "regression", "members": {"tensor": "v"}}), &["v float32[?, 4]"]);
    assert_eq!(value(&members, floats(&[2, 4], &[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 6.0]), 1), Ok(3.0));
    let levels = json!({"task": "regression", "quantiles": {"tensor": "v", "levels": [0.05, 0.5, 0.95]}});
    let median = contract(&levels, &["v float32[?, 3]"]);
    assert_eq!(value(&median, floats(&[1, 3], &[1.0, 2.0, 9.0]), 0), Ok(2.0));
    let whole = contract(&json!({"task": "regression", "value": {"tensor": "v"}}), &["v int64[?, 1]"]);
    assert_eq!(value(&whole, Tensor { shape: vec![1, 1], buffer: Buffer::I64(vec![-7]) }, 0), Ok(-7.0));
    let alone = contract_of("x float32[1]", &json!({"task": "regression", "value": {"tensor": "v"}}), &["v float32[]"]);
    assert_eq!(value(&alone, floats(&[], &[5.0]), 0), Ok(5.0), "a graph without a batch axis");
}

#[test]
fn tensors_are_cut_to_their_row() {
    let contract =
        contract(&json!({"task": "tensors"}), &["a float32[?, 2]", "b string[?]", "z zipmap[k]", "c int64[?, 1, 1]"]);
    assert_eq!(contract.output.requested(), ["a", "b", "z", "c"], "a ZipMap is a tensor of its values");
    let outputs = [
        floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        Tensor { shape: vec![2], buffer: Buffer::Text(vec!["p".into(), "q".into()]) },
        floats(&[2, 1], &[0.25, 0.75]),
        Tensor { shape: vec![2, 1, 1], buffer: Buffer::I64(vec![5, 6]) },
    ];
    let Ok(Outcome::Tensors { outputs }) = contract.interpret(&outputs, 1).map(|prediction| prediction.outcome) else {
        panic!("not tensors")
    };
    let expected = [
        floats(&[2], &[3.0, 4.0]),
        Tensor { shape: vec![], buffer: Buffer::Text(vec!["q".into()]) },
        floats(&[1], &[0.75]),
        Tensor { shape: vec![1, 1], buffer: Buffer::I64(vec![6]) },
    ];
    assert_eq!(outputs, expected);
}

#[test]
fn what_is_no_distribution_is_no_answer() {
    let both = contract(&scores("probabilities"), &["p float32[?, 2]"]);
    let positive = contract(&scores("probabilities"), &["p float32[?, 1]"]);
    for (contract, shape, values, found) in [
        (&both, vec![2, 2], vec![0.5, 0.5, 2.2, -1.2], "values from -1.2 to 2.2 that sum to 1"),
        (&both, vec![2, 2], vec![0.5, 0.5, 0.5, 0.25], "values from 0.25 to 0.5 that sum to 0.75"),
        (&positive, vec![2, 1], vec![0.5, 1.5], "1.5"),
    ] {
        let tensor = floats(&shape, &values);
        assert!(contract.interpret(std::slice::from_ref(&tensor), 0).is_ok());
        let expected = InterpretError::NotProbabilities { tensor: "p".to_owned(), found: found.to_owned() };
        assert_eq!(contract.interpret(std::slice::from_ref(&tensor), 1), Err(expected.clone()));
        assert_eq!(contract.scores(&[tensor], 1), Err(expected), "nor for a calibration");
    }
    // Values outside the range by rounding only are clamped.
    assert_eq!(class(&both, floats(&[1, 2], &[-1e-7, 1.000_000_1]), 0), (1, vec![0.0, 1.0]));
    assert_eq!(class(&positive, floats(&[1, 1], &[1.000_000_1]), 0), (1, vec![0.0, 1.0]));
}

#[test]
fn what_is_not_finite_is_no_answer() {
    let classes = contract(&scores("probabilities"), &["p float32[?, 2]"]);
    let single = contract(&json!({"task": "regression", "value": {"tensor": "p"}}), &["p float32[?, 2]"]);
    let tensors = contract(&json!({"task": "tensors"}), &["p float32[?, 2]"]);
    for contract in [&classes, &contract(&scores("logits"), &["p float32[?, 2]"]), &single, &tensors] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let rows = floats(&[2, 2], &[0.5, 0.5, 0.5, bad]);
            assert!(
                contract.interpret(std::slice::from_ref(&rows), 0).is_ok(),
                "an error in another row does not affect this one"
            );
            let error = contract.interpret(&[rows], 1).expect_err("it is not finite");
            assert!(matches!(&error, InterpretError::NonFinite { tensor, index: 1, .. } if tensor == "p"), "{error}");
        }
    }
}

#[test]
fn outputs_of_another_shape_are_no_answer() {
    let classes = contract(&scores("probabilities"), &["p float32[?, 2]"]);
    let regression =
        contract(&json!({"task": "regression", "value": {"tensor": "p", "column": 1}}), &["p float32[?, ?]"]);
    let members = contract(&json!({"task": "regression", "members": {"tensor": "p"}}), &["p float32[?, ?]"]);
    let tensors = contract(&json!({"task": "tensors"}), &["p float32[?, 2]"]);
    let text = Tensor { shape: vec![1, 2], buffer: Buffer::Text(vec!["a".into(), "b".into()]) };
    let cases = [
        (&classes, vec![], 0),
        (&classes, vec![floats(&[1, 3], &[0.1, 0.2, 0.7])], 0),
        (&classes, vec![floats(&[1, 2], &[0.5, 0.5])], 1),
        (&classes, vec![floats(&[2], &[0.5, 0.5])], 0),
        (&classes, vec![floats(&[], &[0.5])], 0),
        (&classes, vec![text.clone()], 0),
        (&regression, vec![floats(&[1, 1], &[1.0])], 0),
        (&regression, vec![text], 0),
        (&members, vec![floats(&[1, 0], &[])], 0),
        (&tensors, vec![floats(&[1, 2], &[0.5, 0.5])], 1),
    ];
    for (contract, outputs, row) in cases {
        let error = contract.interpret(&outputs, row).expect_err("it has another shape");
        assert!(matches!(error, InterpretError::Shape { .. }), "{outputs:?}: {error}");
    }
    // A graph may return a value without dimensions next to its rows; it is not sliced.
    let scalar = tensors.interpret(&[floats(&[], &[0.5])], 0).map(|prediction| prediction.outcome);
    assert_eq!(scalar, Ok(Outcome::Tensors { outputs: vec![floats(&[], &[0.5])] }));
}

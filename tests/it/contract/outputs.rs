//! Everything in `x-output` that makes a contract invalid: one row per problem.

use serde_json::{Value, json};

use super::problems::{REMOVED, check, edit};

/// The pointer of all these problems.
const PLACE: &str = "/x-output";

/// An `x-output` with some members added or removed.
fn edited(mut whole: Value, members: &Value) -> Value {
    for (key, value) in members.as_object().into_iter().flatten() {
        edit(&mut whole, &format!("/{key}"), value.clone());
    }
    whole
}

#[test]
fn classifications() {
    let classes = |members: Value| {
        let whole = json!({"task": "classification", "classes": ["stay", "churn"], "probabilities": {"tensor": "probabilities"}});
        edited(whole, &members)
    };
    check(vec![
        (PLACE, json!(REMOVED), "", "x-output is missing"),
        (PLACE, json!({"task": "ranking"}), PLACE, "found \"ranking\""),
        (PLACE, json!({}), PLACE, "found nothing"),
        (PLACE, json!({"task": "tensors", "unit": "m"}), "/x-output/unit", "unknown member"),
        (PLACE, classes(json!({"labels": 1})), "/x-output/labels", "did you mean \"label\"?"),
        (PLACE, classes(json!({"classes": ["stay"]})), PLACE, "at least two different names, found 1"),
        (PLACE, classes(json!({"classes": ["a", "a"]})), PLACE, "at least two different names"),
        (
            PLACE,
            classes(json!({"classes": ["a", "b", "c"]})),
            PLACE,
            "lists 3 names, the output probabilities float32[?, 2] has 2 columns",
        ),
        (PLACE, classes(json!({"probabilities": REMOVED})), PLACE, "give either probabilities or logits"),
        (PLACE, classes(json!({"logits": {"tensor": "score"}})), PLACE, "give either probabilities or logits"),
        (
            PLACE,
            classes(json!({"probabilities": {"tensor": "probabilitys"}})),
            "/x-output/probabilities",
            "did you mean \"probabilities\"?",
        ),
        (
            PLACE,
            classes(json!({"probabilities": "probabilities"})),
            "/x-output/probabilities",
            "must be an object with the member \"tensor\"",
        ),
        (PLACE, classes(json!({"probabilities": {"tensor": "label"}})), PLACE, "must be a floating-point output"),
        (PLACE, classes(json!({"probabilities": {"tensor": "image"}})), PLACE, "must have the dimensions [N, 2]"),
        (
            PLACE,
            classes(json!({"label": {"tensor": "labels"}})),
            "/x-output/label",
            "no output \"labels\"; did you mean \"label\"?",
        ),
        (
            PLACE,
            classes(json!({"probabilities": {"tensor": "probabilities", "normalize": "yes"}})),
            "/x-output/probabilities/normalize",
            "must be true or false, found a string",
        ),
        (
            PLACE,
            classes(json!({"probabilities": {"tensor": "score", "normalize": true}})),
            PLACE,
            "normalize divides by the sum of all classes, but the output score",
        ),
        (
            PLACE,
            classes(json!({"probabilities": REMOVED, "logits": {"tensor": "probabilities", "normalize": true}})),
            "/x-output/logits/normalize",
            "unknown member",
        ),
        (PLACE, classes(json!({"positive": "churn"})), PLACE, "positive and threshold belong together"),
        (PLACE, classes(json!({"threshold": 0.3})), PLACE, "positive and threshold belong together"),
        (PLACE, classes(json!({"positive": "left", "threshold": 0.3})), PLACE, "one of the classes, found \"left\""),
        (
            PLACE,
            classes(json!({"positive": "churn", "threshold": 30})),
            PLACE,
            "threshold must be between 0 and 1, found 30",
        ),
    ]);
}

#[test]
fn regressions() {
    let value = |members: Value| edited(json!({"task": "regression"}), &members);
    check(vec![
        (PLACE, value(json!({})), PLACE, "a regression needs a value, members, or quantiles"),
        (PLACE, value(json!({"value": {"tensor": "score", "column": 1}})), PLACE, "column 1 does not exist"),
        (
            PLACE,
            value(json!({"value": {"tensor": "score", "colum": 1}})),
            "/x-output/value/colum",
            "did you mean \"column\"?",
        ),
        (PLACE, value(json!({"value": {"tensor": "image"}})), PLACE, "a value must be one number per row"),
        (PLACE, value(json!({"value": {"tensor": "words"}})), PLACE, "a value must be one number per row"),
        (
            PLACE,
            value(json!({"quantiles": {"tensor": "probabilities", "levels": [0.1, 0.9]}})),
            PLACE,
            "must hold the median, 0.5",
        ),
        (PLACE, value(json!({"quantiles": {"tensor": "probabilities", "levels": [0.5]}})), PLACE, "lists 1 levels"),
        (
            PLACE,
            value(json!({"quantiles": {"tensor": "probabilities", "levels": [0.9, 0.5]}})),
            "/x-output/quantiles",
            "levels must be in ascending order",
        ),
        (
            PLACE,
            value(json!({"quantiles": {"tensor": "probabilities", "levels": [0.5, 2]}})),
            "/x-output/quantiles/levels/1",
            "a level must be a number between 0 and 1",
        ),
        (
            PLACE,
            value(json!({"value": {"tensor": "score"}, "sigma": {"tensor": "sigma"}})),
            "/x-output/sigma",
            "no output \"sigma\"",
        ),
        (PLACE, value(json!({"value": {"tensor": "score"}, "unit": 1})), "/x-output/unit", "must be a string"),
        (
            PLACE,
            value(json!({"value": {"tensor": "score"}, "sigma": {"tensor": "score", "column": 2}})),
            PLACE,
            "column 2 does not exist",
        ),
        (
            PLACE,
            value(json!({"value": {"tensor": "score"}, "sigma": {"tensor": "words"}})),
            PLACE,
            "sigma must be one number per row",
        ),
        (
            PLACE,
            value(json!({"value": {"tensor": "score"}, "coverage": 0.42})),
            "/x-output/coverage",
            "coverage must be one of 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99; found 0.42",
        ),
    ]);
}

//! Values of a wrong type, range or shape, for every bundled model.

use super::{Case, Expect, request};

/// The model, the features, and the violation that must be listed: pointer and code.
const CASES: &[(&str, &str, &str, &str)] = &[
    // churn: mixed features.
    ("churn", r"{}", "/features/tenure_months", "missing"),
    ("churn", r#"{"tenure_months":"4"}"#, "/features/tenure_months", "wrong_type"),
    ("churn", r#"{"tenure_months":4.5}"#, "/features/tenure_months", "wrong_type"),
    ("churn", r#"{"tenure_months":null}"#, "/features/tenure_months", "null_not_allowed"),
    ("churn", r#"{"tenure_months":true}"#, "/features/tenure_months", "wrong_type"),
    ("churn", r#"{"tenure_months":[4]}"#, "/features/tenure_months", "wrong_type"),
    ("churn", r#"{"tenure_months":{"value":4}}"#, "/features/tenure_months", "wrong_type"),
    ("churn", r#"{"tenure_months":-1}"#, "/features/tenure_months", "below_minimum"),
    ("churn", r#"{"tenure_months":721}"#, "/features/tenure_months", "above_maximum"),
    ("churn", r#"{"tenure_months":9223372036854775808}"#, "/features/tenure_months", "above_maximum"),
    ("churn", r#"{"tenure_months":1e300}"#, "/features/tenure_months", "above_maximum"),
    ("churn", r#"{"monthly_charge":-0.001}"#, "/features/monthly_charge", "below_minimum"),
    ("churn", r#"{"monthly_charge":1e39}"#, "/features/monthly_charge", "not_representable"),
    ("churn", r#"{"monthly_charge":"79,5"}"#, "/features/monthly_charge", "wrong_type"),
    ("churn", r#"{"contract_months":6}"#, "/features/contract_months", "not_in_enum"),
    ("churn", r#"{"contract_months":null}"#, "/features/contract_months", "null_not_allowed"),
    ("churn", r#"{"support_calls":1001}"#, "/features/support_calls", "above_maximum"),
    ("churn", r#"{"age":-1}"#, "/features/age", "below_minimum"),
    ("churn", r#"{"age":"thirty"}"#, "/features/age", "wrong_type"),
    ("churn", r#"{"plan":"pro"}"#, "/features/plan", "not_in_enum"),
    ("churn", r#"{"plan":"Basic"}"#, "/features/plan", "not_in_enum"),
    ("churn", r#"{"plan":"basic "}"#, "/features/plan", "not_in_enum"),
    ("churn", r#"{"plan":""}"#, "/features/plan", "not_in_enum"),
    ("churn", r#"{"plan":1}"#, "/features/plan", "wrong_type"),
    ("churn", r#"{"plan":["basic"]}"#, "/features/plan", "wrong_type"),
    ("churn", r#"{"autopay":"true"}"#, "/features/autopay", "wrong_type"),
    ("churn", r#"{"autopay":1}"#, "/features/autopay", "wrong_type"),
    ("churn", r#"{"autopay":null}"#, "/features/autopay", "null_not_allowed"),
    ("churn", r#"{"plan":"basic","plan":"plus"}"#, "/features/plan", "duplicate"),
    ("churn", r#"{"plan":"basic","\u0070lan":"basic"}"#, "/features/plan", "duplicate"),
    ("churn", r#"{"Plan":"basic"}"#, "/features/Plan", "unknown_feature"),
    ("churn", r#"{"":0}"#, "/features/", "unknown_feature"),
    ("churn", r#"{"x/y":0}"#, "/features/x~1y", "unknown_feature"),
    ("churn", r#"{"x":0,"x":0}"#, "/features/x", "duplicate"),
    ("churn", r#"[4,79.5,3,1,37,"basic","card"]"#, "/features", "wrong_length"),
    ("churn", r#"[4,79.5,3,1,37,"basic","card",false,0]"#, "/features", "wrong_length"),
    ("churn", r#"["basic",79.5,3,1,37,4,"card",false]"#, "/features/0", "wrong_type"),
    // breast-cancer: 30 numbers.
    ("breast-cancer", r"{}", "/features/worst_fractal_dimension", "missing"),
    ("breast-cancer", r#"{"mean_radius":-1}"#, "/features/mean_radius", "below_minimum"),
    ("breast-cancer", r#"{"mean_radius":"20"}"#, "/features/mean_radius", "wrong_type"),
    ("breast-cancer", r#"{"mean_radius":1e300}"#, "/features/mean_radius", "not_representable"),
    ("breast-cancer", r"[1,2,3]", "/features", "wrong_length"),
    // diabetes: numbers with units, an enum of integers.
    ("diabetes", r#"{"sex":3}"#, "/features/sex", "not_in_enum"),
    ("diabetes", r#"{"sex":"1"}"#, "/features/sex", "wrong_type"),
    ("diabetes", r#"{"age":0}"#, "/features/age", "below_minimum"),
    ("diabetes", r#"{"age":41.5}"#, "/features/age", "wrong_type"),
    ("diabetes", r#"{"bmi":0}"#, "/features/bmi", "below_minimum"),
    ("diabetes", r#"{"glucose":null}"#, "/features/glucose", "null_not_allowed"),
    // digits: one array of 8 by 8.
    ("digits", r"{}", "/features/image", "missing"),
    ("digits", r#"{"image":null}"#, "/features/image", "null_not_allowed"),
    ("digits", r#"{"image":0}"#, "/features/image", "wrong_type"),
    ("digits", r#"{"image":"AAAA"}"#, "/features/image", "wrong_type"),
    ("digits", r#"{"image":{}}"#, "/features/image", "wrong_type"),
    ("digits", r#"{"image":[]}"#, "/features/image", "wrong_length"),
    ("digits", r#"{"image":[[],[],[],[],[],[],[],[]]}"#, "/features/image/0", "wrong_length"),
    ("digits", r#"{"image":[0,0,0,0,0,0,0,0]}"#, "/features/image/0", "wrong_shape"),
    ("digits", r#"{"image":[[[0]]]}"#, "/features/image", "wrong_length"),
    // wine: numbers, by name and by position.
    ("wine", r#"{"alcohol":"strong"}"#, "/features/alcohol", "wrong_type"),
    ("wine", r#"{"hue":[1.03]}"#, "/features/hue", "wrong_type"),
    ("wine", r"[1,2,3,4,5,6,7,8,9,10,11,12]", "/features", "wrong_length"),
    ("wine", r"[1,2,3,4,5,6,7,8,9,10,11,12,13,14]", "/features", "wrong_length"),
    ("wine", r"[-1,2,3,4,5,6,7,8,9,10,11,12,13]", "/features/0", "below_minimum"),
];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = CASES
        .iter()
        .map(|(model, features, pointer, code)| of(model, features, Expect::Lists(pointer, code)))
        .collect();
    cases.extend(images());
    let path = "/models/wine/versions/2/predict";
    let body = request(path, "", br#"{"features":{"ash":-2}}"#);
    cases.push(Case::new("wine, the version in the path", body, Expect::Lists("/features/ash", "below_minimum")));
    cases
}

fn of(model: &str, features: &str, expect: Expect) -> Case {
    let body = format!(r#"{{"features":{features}}}"#);
    let name = format!("{model}: {}", &features[..features.floor_char_boundary(80)]);
    Case::new(name, request(&format!("/models/{model}/predict"), "", body.as_bytes()), expect)
}

/// Images for digits that are wrong in one row or one pixel.
fn images() -> Vec<Case> {
    let row = |pixel: &str| format!("[{}]", [pixel; 8].join(","));
    let image = |rows: &[String]| format!(r#"{{"image":[{}]}}"#, rows.join(","));
    let with = |index: usize, other: &str| {
        let mut rows = vec![row("1"); 8];
        other.clone_into(&mut rows[index]);
        image(&rows)
    };
    [
        (image(&vec![row("2"); 7]), "/features/image", "wrong_length"),
        (image(&vec![row("3"); 9]), "/features/image", "wrong_length"),
        (image(&vec![row("17"); 8]), "/features/image/0/0", "above_maximum"),
        (image(&vec![row("-1"); 8]), "/features/image/0/0", "below_minimum"),
        (image(&vec![row("[4]"); 8]), "/features/image/0/0", "wrong_shape"),
        (with(0, "[1,1,1,1,1,1,1,\"1\"]"), "/features/image/0/7", "wrong_type"),
        (with(1, "[1,1,1,1,1,1,1]"), "/features/image/1", "wrong_length"),
        (with(2, "[1,1,1,1,1,1,1,1,1]"), "/features/image/2", "wrong_length"),
        (with(3, "[1,1,1,null,1,1,1,1]"), "/features/image/3/3", "null_not_allowed"),
        (with(4, "null"), "/features/image/4", "wrong_shape"),
        (with(5, "{}"), "/features/image/5", "wrong_type"),
        (with(6, "[1,1,1,1,1,1,{},1]"), "/features/image/6/6", "wrong_type"),
        (with(7, "[1,1,1,1,1,1,1,true]"), "/features/image/7/7", "wrong_type"),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (features, pointer, code))| {
        let case = of("digits", &features, Expect::Lists(pointer, code));
        Case { name: format!("digits: image {index}"), ..case }
    })
    .collect()
}

//! `candor compare`: what a reviewer is told of a new version, and whether the gate lets it pass.

mod contracts;
mod gated;
mod numbers;
mod properties;
mod refused;
mod rows;

use std::process::Output;

use serde_json::Value;

use crate::support::process::candor;

const WINE: &str = "tests/vectors/comparison/wine.csv";
const DIABETES: &str = "tests/vectors/comparison/diabetes.csv";
const CHURN: &str = "tests/fixtures/churn/held-out.csv";

/// Runs `candor compare` with these arguments.
fn compare(arguments: &[&str]) -> Output {
    candor(&[&["compare"], arguments].concat()).output().expect("it runs")
}

/// The same with `--json`, parsed; the exit code must be `code`.
fn compare_json(arguments: &[&str], code: i32) -> Value {
    let output = compare(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The text of a report, without the times, which vary.
fn text(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let lines = text.lines().map(|line| match line.split_once(", alone").or_else(|| line.split_once(", batched")) {
        Some((start, _)) if line.starts_with("ms a row") => format!("{start}: …"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_reviewer_reads_the_report_at_a_glance() {
    let cases: [(&str, &[&str]); 4] = [
        ("wine", &["models/wine/1", "models/wine/2", "--data", WINE, "--target", "target"]),
        ("wine_without_a_table", &["models/wine/1", "models/wine/2"]),
        ("diabetes", &["models/diabetes/1", "models/diabetes/2", "--data", DIABETES, "--target", "target"]),
        (
            "churn",
            &[
                "models/churn/1",
                "models/churn/2",
                "--data",
                CHURN,
                "--target",
                "churned",
                "--slice",
                "plan",
                "--slice",
                "tenure_months",
            ],
        ),
    ];
    for (name, arguments) in cases {
        let output = compare(arguments);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        insta::assert_snapshot!(name, text(&output));
    }
}

#[test]
fn sensitive_values_are_never_shown_with_rows() {
    // Ages and sexes are sensitive in these contracts.
    for (model, data, target, hidden) in
        [("churn", CHURN, "churned", &["age"][..]), ("diabetes", DIABETES, "target", &["age", "sex"][..])]
    {
        let (old, new) = (format!("models/{model}/1"), format!("models/{model}/2"));
        let arguments = [old.as_str(), &new, "--data", data, "--target", target];
        let found = compare_json(&arguments, 0);
        let rows = found["comparison"]["differing_rows"].as_array().expect("rows");
        assert_eq!(rows.len(), 10);
        for row in rows {
            for name in hidden {
                assert_eq!(row["features"].get(name), Some(&Value::Null), "{row}");
            }
        }
        for line in text(&compare(&arguments)).lines().skip_while(|line| !line.starts_with("the rows that differ")) {
            assert!(!hidden.iter().any(|name| line.contains(&format!("{name} "))), "{line}");
        }
    }
}

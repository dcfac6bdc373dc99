//! `candor init` by the program: which outputs make the prediction, by flag and by certain names, and what the server
//! then answers.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::json;
use crate::support::{
    http_client::raw,
    packages::{ask, package},
    paths::fixture,
    process::{Process, candor},
    server::Server,
};

/// Two features, and a target of many numbers.
const NUMBERS: &str = "a,b,y\n1,2,0.5\n2,1,1.5\n0,1,2.5\n4,4,3.5\n";

/// Two features, and a target of two classes.
const CLASSES: &str = "a,b,y\n0,0,no\n4,4,yes\n0,1,no\n5,4,yes\n0,8,no\n";

/// What `candor init` printed and wrote.
struct Made {
    place: TempDir,
    told: String,
    refused: String,
}

impl Made {
    fn new(graph: &str, table: &str, flags: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("t.csv");
        fs::write(&data, table).expect("written");
        let (graph, out) = (fixture(&format!("{graph}.onnx")), place.path().join("models/m/1"));
        let mut command = candor(&["init"]);
        command.arg(graph).arg("--data").arg(&data).arg("--out").arg(&out).args(flags);
        let output = command.output().expect("it ran");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let refused = if output.status.success() { String::new() } else { text(output.stderr) };
        Self { place, told: text(output.stdout), refused }
    }

    fn models(&self) -> PathBuf {
        self.place.path().join("models")
    }

    fn contract(&self) -> Value {
        assert_eq!(self.refused, "", "it is a package");
        json(&self.models().join("m/1/contract.json"))
    }

    fn output(&self) -> Value {
        self.contract()["x-output"].clone()
    }

    #[track_caller]
    fn says(&self, line: &str) {
        assert!(self.told.lines().any(|told| told == line), "{line}\n{}", self.told);
    }

    #[track_caller]
    fn refuses(&self, expected: &str) {
        assert!(self.refused.contains(expected), "expected {expected}\nfound {}\n{}", self.refused, self.told);
        assert!(!self.models().exists(), "nothing is left behind");
    }
}

#[test]
fn a_regression_has_the_roles_that_its_flags_and_names_say() {
    let y = ["--target", "y"];
    let sigma = |name: &str, value: &str| json!({ "task": "regression", "value": { "tensor": value }, "sigma": { "tensor": name } });
    let flags = |more: &[&'static str]| [&y[..], more].concat();
    for (graph, more, expected) in [
        ("sigma", &[][..], sigma("sigma", "value")),
        ("bayesian_ridge", &[], sigma("std", "variable")),
        ("gaussian_process", &[], sigma("GPcovstd", "GPmean")),
        ("two_values", &["--sigma", "other"], sigma("other", "value")),
        ("two_values", &["--value", "other"], json!({ "task": "regression", "value": { "tensor": "other" } })),
        ("std_and_more", &["--value", "value"], sigma("y_std", "value")),
        (
            "quantiles",
            &["--quantiles", "0.05,0.5,0.95"],
            json!({ "task": "regression", "quantiles": { "tensor": "q", "levels": [0.05, 0.5, 0.95] } }),
        ),
        (
            "quantiles",
            &["--quantiles", "q=0.1,0.5,0.9", "--task", "regression"],
            json!({ "task": "regression", "quantiles": { "tensor": "q", "levels": [0.1, 0.5, 0.9] } }),
        ),
        ("members", &["--members", "m"], json!({ "task": "regression", "members": { "tensor": "m" } })),
        (
            "two_targets",
            &["--value-column", "1"],
            json!({ "task": "regression", "value": { "tensor": "y", "column": 1 } }),
        ),
    ] {
        assert_eq!(Made::new(graph, NUMBERS, &flags(more)).output(), expected, "{graph} {more:?}");
    }
    let made = Made::new("std_and_more", NUMBERS, &flags(&["--value", "value"]));
    made.says("output  regression from \"value\"; sigma from \"y_std\"");
    made.says("check   the output y_std float32[?, 1] is taken as the standard deviation of the value, by its name");
    made.says("check   the output hidden float32[?, 2] is not used");
    let made = Made::new("two_targets", NUMBERS, &flags(&["--value-column", "1"]));
    made.says("output  regression from \"y\", column 1");
    let reply = ask(&Server::over(&made.models()), "m", &json!({ "a": 1, "b": 2 }));
    assert_eq!(reply.json()["prediction"], -6.0, "{}", reply.text());
}

#[test]
fn the_roles_are_those_that_the_calibration_uses() {
    for (graph, flags, method) in [
        ("quantiles", &["--quantiles", "0.05,0.5,0.95"][..], "cqr"),
        ("members", &["--members", "m"], "normalized-conformal"),
        ("bayesian_ridge", &[], "normalized-conformal"),
    ] {
        let made = Made::new(graph, "a,b,y\n1.5,2.5,0.5\n2,1,1.5\n0,1,2.5\n", &[&["--target", "y"], flags].concat());
        let held_out = made.place.path().join("held_out.csv");
        let rows = (0..400).map(|row| {
            let (a, b) = (f64::from(row % 20) / 5.0, f64::from(row % 17) / 4.0);
            format!("{a},{b},{}", 2.0 * a - b + 3.0 + f64::from(row % 7) / 3.0 - 1.0)
        });
        fs::write(&held_out, format!("a,b,y\n{}\n", rows.collect::<Vec<_>>().join("\n"))).expect("written");
        let mut command = candor(&["calibrate", "--target", "y", "--data"]);
        let output = command.arg(&held_out).arg(made.models().join("m/1")).output().expect("it ran");
        assert!(output.status.success(), "{graph}: {}", String::from_utf8_lossy(&output.stderr));
        let server = Server::over(&made.models());
        let reply = ask(&server, "m", &json!({ "a": 1, "b": 2 })).json();
        assert_eq!(reply["uncertainty_method"], method, "{graph}: {reply:#}");
        server.drain();
    }
}

#[test]
fn outputs_that_nothing_decides_are_refused_with_every_choice() {
    let y = ["--target", "y"];
    for (graph, more, expected) in [
        ("two_targets", &[][..], "--value-column N (one package per target), --quantiles LEVEL,LEVEL, --members y or"),
        (
            "quantiles",
            &["--task", "regression"],
            "the output q float32[?, 3] has 3 columns, and a regression predicts one number. Choose one with \
             --value-column N (0 to 2) if each column is a target: several targets at once (multi-output, multi-step, \
             joint) are not supported",
        ),
        ("quantiles", &["--quantiles", "0.05,0.95"], "lists 2 levels, but no output has 2 columns: q float32[?, 3]"),
        ("quantiles", &["--quantiles", "0.9,0.5,0.1"], "--quantiles expects levels from 0 to 1 in ascending order"),
        ("quantiles", &["--quantiles", "5,50,95"], "such as 0.05,0.5,0.95, found \"5,50,95\""),
        ("two_targets", &["--joint"], "--joint: several targets at once (multi-output, multi-step) are not supported"),
        ("two_values", &[], "choose with --value value or --value other"),
        ("variance", &[], "variance float32[?, 1] is named as a variance"),
        ("negative_std", &[], "but sigma is a standard deviation, at least 0; to leave the output out, name the value"),
        ("std_and_more", &[], "choose with --value value or --value hidden"),
        (
            "lying_width",
            &["--task", "regression"],
            "the output variable float32[?, 1] declares 1 columns, but each row",
        ),
        ("sigma", &["--sigma", "sigmas"], "--sigma: the graph has no output \"sigmas\"; did you mean \"sigma\"?"),
        ("sigma", &["--sigma", "sigma", "--logits", "value"], "--logits belongs to --task classification, but --sigma"),
    ] {
        Made::new(graph, NUMBERS, &[&y[..], more].concat()).refuses(expected);
    }
}

#[test]
fn scores_become_probabilities_only_as_their_flags_say() {
    let y = ["--target", "y", "--classes", "no,yes"];
    for graph in ["logit_single", "logit_vector"] {
        Made::new(graph, CLASSES, &y).refuses("Pass --logits z if they are logits");
        Made::new(graph, CLASSES, &[&y[..], &["--task", "classification"]].concat()).refuses("Pass --logits z if");
        let made = Made::new(graph, CLASSES, &[&y[..], &["--logits", "z"]].concat());
        assert_eq!(
            made.output(),
            json!({ "task": "classification", "classes": ["no", "yes"], "logits": { "tensor": "z" } })
        );
        assert!(made.told.contains("are scores, not log-odds: run `candor calibrate` before `uncertainty` means"));
        let reply = ask(&Server::over(&made.models()), "m", &json!({ "a": 1, "b": 1 })).json();
        let yes = reply["probabilities"]["yes"].as_f64().expect("a number");
        assert!((yes - 1.0 / (1.0 + (-0.5_f64).exp())).abs() < 1e-6, "{reply:#}");
    }
    let probability = Made::new("binary_single", CLASSES, &[&y[..], &["--probabilities", "p"]].concat());
    assert_eq!(probability.output()["probabilities"], json!({ "tensor": "p" }));
}

#[test]
fn decision_values_are_accepted_as_logits_and_follow_the_label() {
    let two = "a,b,y\n0,0,0\n4,4,1\n0,1,0\n5,4,1\n0,8,0\n";
    let three = "a,b,y\n0,0,0\n4,4,1\n0,8,2\n5,4,1\n1,8,2\n0,1,0\n";
    for (graph, table, output) in [
        ("linear_svc_binary", two, "probabilities"),
        ("ridge_binary", two, "probabilities"),
        ("linear_svc", three, "probabilities"),
        ("ridge_classifier", three, "probabilities"),
    ] {
        let y = ["--target", "y"];
        Made::new(graph, table, &y).refuses(&format!("--logits {output}"));
        let made = Made::new(graph, table, &[&y[..], &["--logits", output]].concat());
        let found = made.output();
        assert_eq!(
            (&found["logits"], &found["label"]),
            (&json!({ "tensor": output }), &json!({ "tensor": "label" })),
            "{graph}"
        );
        let rows = table.lines().count() - 1;
        made.says(&format!("        the model predicts the class of the table in {rows} of {rows} sampled rows"));
        let reply = ask(&Server::over(&made.models()), "m", &json!({ "a": 4, "b": 4 }));
        assert_eq!(reply.json()["prediction"], "1", "{graph}: {}", reply.text());
    }
    let made = Made::new("kmeans", three, &["--target", "y", "--logits", "scores"]);
    made.refuses("is the class with the lowest value, as for distances");
}

#[test]
fn sigmoids_are_normalized_by_flag_or_refused_as_multi_label() {
    let table = "a,b,y\n0,0,x\n4,4,y\n0,1,z\n";
    let flags = ["--target", "y", "--task", "classification"];
    let refused = Made::new("sigmoids", table, &flags);
    refused.refuses("If exactly one class is true per row, pass --probabilities p --normalize: each row is divided by");
    refused.refuses("this is multi-label classification, which Candor does not support: --task tensors returns the");
    refused.refuses("the graph does not name its 3 classes: list their names in its order with --classes x,y,z");

    let made = Made::new(
        "sigmoids",
        table,
        &["--target", "y", "--classes", "x,y", "--classes", "z", "--probabilities", "p", "--normalize"],
    );
    let expected = json!({ "tensor": "p", "normalize": true });
    assert_eq!(made.output()["probabilities"], expected);
    let contract = made.models().join("m/1/contract.json");
    let server = Server::over(&made.models());
    let reply = ask(&server, "m", &json!({ "a": 0, "b": 0 })).json();
    for class in ["x", "y", "z"] {
        let found = reply["probabilities"][class].as_f64().expect("a number");
        assert!((found - 1.0 / 3.0).abs() < 1e-6, "three sigmoids of one half: {reply:#}");
    }
    server.drain();

    // The same contract without `normalize` does not load, and says why; for logits, `normalize` is unknown.
    let text = fs::read_to_string(&contract).expect("a file");
    fs::remove_file(made.models().join("m/1/version.json")).expect("removed");
    for (from, to, expected) in [
        ("\"normalize\": true", "\"normalize\": false", "add \"normalize\": true to `probabilities`"),
        ("\"normalize\": true", "\"normalize\": 1", "must be true or false"),
        ("\"probabilities\"", "\"logits\"", "unknown member"),
    ] {
        fs::write(&contract, text.replace(from, to)).expect("written");
        let check = candor(&["check"]).arg(made.models()).output().expect("it ran");
        let told = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
        assert!(!check.status.success() && told.contains(expected), "{to}: {told}");
    }
}

#[test]
fn boolean_targets_are_read_as_by_the_calibration() {
    for target in [["False", "True"], ["false", "true"], ["FALSE", "TRUE"]] {
        let rows = ["0,0,N", "4,4,Y", "0,1,N", "5,4,Y"].map(|row| row.replace('N', target[0]).replace('Y', target[1]));
        let table = format!("a,b,y\n{}\n", rows.join("\n"));
        let made = Made::new("binary_numbers", &table, &["--target", "y"]);
        made.says("        the model predicts the class of the table in 4 of 4 sampled rows");
        assert_eq!(made.output()["classes"], json!(["0", "1"]));
        let named = Made::new("binary_numbers", &table, &["--target", "y", "--classes", "False,True"]);
        named.says("        the model predicts the class of the table in 4 of 4 sampled rows");
    }
}

#[test]
fn everything_undecided_is_said_at_once() {
    let made = Made::new("types", "a,b\n1,2\n", &["--sigma", "nothing", "--fill", "x"]);
    made.refuses("--fill expects NAME=VALUE, found \"x\"");
    let made = Made::new("types", "a,b\n1,2\n", &["--sigma", "nothing"]);
    made.refuses("no column is named like the input in_float float32[?, 1]");
    made.refuses("--sigma: the graph has no output \"nothing\"");
    let table = "color,x,y\nred,1,2.5\n,2,3.5\n";
    let made = Made::new("open_category", table, &["--target", "y", "--value", "values"]);
    made.refuses("column \"color\" has no value in 1 rows");
    made.refuses("--value: the graph has no output \"values\"; did you mean \"value\"?");
    let made = Made::new("binary_single", CLASSES, &["--target", "y"]);
    made.refuses("Choose one with --task classification --classes no,yes, --task regression or --task tensors");
}

#[test]
fn categories_are_closed_filled_or_open_as_the_flags_say() {
    let table = "color,x,y\nred,1,2.5\nblue,2,4.5\n,3,3.5\n";
    let fill = ["--target", "y", "--fill", "color=none"];
    let made = Made::new("open_category", table, &fill);
    assert_eq!(
        made.contract()["properties"]["color"],
        json!({ "type": ["string", "null"], "enum": ["blue", "red", "none", null], "default": "none" })
    );
    assert!(made.told.contains("color: no row contains \"none\", the value of --fill; it is added"), "{}", made.told);
    let server = Server::over(&made.models());
    assert_eq!(ask(&server, "m", &json!({ "x": 3 })).json()["prediction"], 3.0);
    assert_eq!(ask(&server, "m", &json!({ "color": "green", "x": 3 })).status, 400);
    server.drain();

    for open in ["--open-categories", "--open-categories=color"] {
        let made = Made::new("open_category", table, &[&fill[..], &[open]].concat());
        assert_eq!(
            made.contract()["properties"]["color"],
            json!({
                "type": ["string", "null"],
                "default": "none",
                "x-expected": { "enum": ["blue", "red", "none"] }
            })
        );
        assert!(made.told.contains("color: any string is accepted (--open-categories)"), "{}", made.told);
        let server = Server::over(&made.models());
        let green = ask(&server, "m", &json!({ "color": "green", "x": 3 })).json();
        assert_eq!((&green["prediction"], &green["warnings"][0]["code"]), (&json!(3.0), &json!("outside_expected")));
        let red = ask(&server, "m", &json!({ "color": "red", "x": 3 })).json();
        assert_eq!((&red["prediction"], &red["warnings"]), (&json!(4.0), &json!([])), "{red:#}");
        let metrics = server.get("/metrics").text();
        let counted = |line: &str| line.starts_with("candor_") && line.contains("\"color\"") && line.ends_with(" 1");
        assert!(metrics.lines().any(counted), "{metrics}");
        server.drain();
    }
    let numbers = Made::new("binary_single", CLASSES, &["--target", "y", "--classes", "no,yes", "--open-categories"]);
    numbers.refuses("--open-categories: no feature is a column of strings");
    for (open, expected) in [
        ("--open-categories=x", "--open-categories: \"x\" is of type \"integer\": only a column of strings"),
        ("--open-categories=shade", "--open-categories: \"shade\" is not a feature"),
        ("--open-categories='a", "--open-categories: \"'a\" is not a feature"),
    ] {
        Made::new("open_category", table, &[&fill[..], &[open]].concat()).refuses(expected);
    }
}

#[test]
fn lists_are_records_of_csv() {
    let table = "\"a,b\",c,d,y\n0,0,1,\"x,1\"\n4,4,1,\"y\"\n0,8,1,z\n";
    let made = Made::new(
        "zipmap_int",
        table,
        &["--target", "y", "--classes", "\"x,1\",y", "--classes", "z", "--features", "\"a,b\"", "--features", "c"],
    );
    assert_eq!(made.output()["classes"], json!(["x,1", "y", "z"]));
    assert_eq!(made.contract()["x-inputs"][0]["features"], json!(["a,b", "c"]));
    let made = Made::new("zipmap_int", table, &["--target", "y", "--ignore", "d"]);
    made.refuses(
        "list the names of the target in the graph's order with --classes '\"x,1\",y,z', if it was trained on them",
    );
    let made = Made::new(
        "zipmap_int",
        table,
        &["--target", "y", "--input", "X=\"a,b\",c", "--ignore", "d", "--classes", "y,\"x,1\",z"],
    );
    assert_eq!(made.contract()["x-inputs"][0]["features"], json!(["a,b", "c"]));
    let made = Made::new("zipmap_int", table, &["--target", "y", "--ignore", "d", "--classes", "x,y,z"]);
    made.refuses("the target holds \"x,1\", but --classes names x, y, z: list the names of the target");
    let made = Made::new("zipmap_int", table, &["--classes", "a,\"b"]);
    made.refuses("--classes expects names separated by commas, found \"a,\\\"b\": a quote is never closed");
}

#[test]
fn the_log_lines_of_onnx_runtime_name_their_model() {
    let models = tempfile::tempdir().expect("a directory");
    let version = models.path().join("doubler/7");
    fs::create_dir_all(&version).expect("made");
    fs::copy(fixture("unused_initializer.onnx"), version.join("model.onnx")).expect("copied");
    let place = models.path().display().to_string();
    let process = Process::starting_with(&[&place, "--set", "telemetry.log_level=debug"], |command| {
        command.env("ORT_LOG", "warning");
    });
    let unused = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("Removing initializer"));
    let line = process.wait_for(unused).expect("a warning of ONNX Runtime");
    assert_eq!(line["session"], "doubler/7", "{line}");

    // A run that fails while requests are answered.
    let models = package("failing", &[]);
    let place = models.path().display().to_string();
    let process = Process::serve(&[&place]);
    let body = r#"{"features":[100]}"#;
    let head = "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    raw(process.address, request.as_bytes(), false);
    let failed = |line: &Value| line["target"] == "onnxruntime" && line["level"] == "WARN";
    let line = process.wait_for(failed).expect("a warning of ONNX Runtime");
    assert_eq!(line["session"], "model/1", "{line}");
}

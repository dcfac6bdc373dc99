//! The quickstart of the README, by the program: from a raw model and a table to a served, checked, documented model.

use std::fs;

use serde_json::{Value, json};

use super::{iris, json, make};
use crate::support::{packages::ask, paths::root, process::candor, server::Server};

#[test]
fn a_bare_model_and_a_table_become_a_served_model() {
    let place = tempfile::tempdir().expect("a directory");
    let out = place.path().join("iris/1");
    let (graph, data) = (iris("iris.onnx"), iris("iris.csv"));
    let arguments = [graph.as_os_str(), "--data".as_ref(), data.as_os_str(), "--target".as_ref(), "species".as_ref()];
    let output = candor(&["init"]).args(arguments).arg("--out").arg(&out).output().expect("it ran");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "input   X float32[?, 4] <- sepal_length, sepal_width, petal_length, petal_width (in the order of the table)",
        "output  classification from \"output_probability\": setosa, versicolor, virginica",
        "        the model predicts the class of the table in 146 of 150 sampled rows",
        "sepal_length     150        -  numbers from 4.3 to 7.9, median 5.8",
        "check   the columns feed X float32[?, 4] in the order of the table, which must be the order used in training",
        "loads   as `candor serve` would; 22 golden cases reproduced",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\n{told}");
    }
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let shown = readme.split_once("$ candor init iris.onnx").and_then(|(_, rest)| rest.split_once("$ candor serve"));
    let shown = shown.expect("the README shows what init prints").0.lines().skip(1);
    // The directory differs, and omissions are marked with `…`.
    let shown: Vec<&str> =
        shown.filter(|line| !line.is_empty() && *line != "…" && !line.starts_with("wrote")).collect();
    assert!(shown.len() >= 3, "{shown:?}");
    for line in shown {
        assert!(told.lines().any(|told| told == line), "the README shows {line:?}, init printed\n{told}");
    }

    let server = Server::over(place.path());
    let curl = told.lines().find_map(|line| line.split_once("-d '")).expect("a curl line").1;
    let reply = server.post("/predict", curl.trim_end_matches('\'')).json();
    assert_eq!((&reply["prediction"], &reply["training_data"]), (&json!("setosa"), &json!("iris.csv")), "{reply:#}");
    let wrong = ask(&server, "iris", &json!({ "sepal_length": "long", "sepal_width": 3.5, "petal_length": 1.4 }));
    assert_eq!(wrong.code(), "data_contract_violation", "the contract is enforced: {}", wrong.text());
    let odd = json!({ "sepal_length": 51, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2 });
    let warned = ask(&server, "iris", &odd).json();
    assert_eq!(warned["warnings"][0]["code"], "outside_expected", "{warned:#}");
    server.drain();

    let check = candor(&["check"]).arg(place.path()).output().expect("it ran");
    let check = String::from_utf8(check.stdout).expect("UTF-8");
    assert!(check.contains("profile.json: from 150 rows of iris.csv"), "{check}");
}

#[test]
fn every_format_gives_the_same_package() {
    let place = tempfile::tempdir().expect("a directory");
    let [csv, jsonl, parquet] = ["csv", "jsonl", "parquet"].map(|format| {
        let out = place.path().join(format).join("iris/1");
        make(&iris("iris.onnx"), &iris(&format!("iris.{format}")), &out, |wishes| {
            wishes.target = Some("species".to_owned());
        })
        .expect("a package");
        let [contract, mut profile] = ["contract.json", "profile.json"].map(|file| json(&out.join(file)));
        profile["source"] = Value::Null;
        (contract, profile, fs::read_to_string(out.join("golden.jsonl")).expect("a file"))
    });
    assert_eq!(csv, jsonl);
    assert_eq!(csv, parquet);
}

#[test]
fn inputs_of_many_types_take_their_columns_by_name_and_the_matrix_takes_the_rest() {
    let place = tempfile::tempdir().expect("a directory");
    let out = place.path().join("churn/1");
    let graph = root().join("models/churn/1/model.onnx");
    let data = root().join("tests/fixtures/churn/churn.csv");
    let made = make(&graph, &data, &out, |wishes| wishes.target = Some("churned".to_owned())).expect("a package");
    assert_eq!(made.inputs[1], "plan string[?, 1] <- plan (by name)");
    let (contract, bundled) = (json(&out.join("contract.json")), json(&root().join("models/churn/1/contract.json")));
    assert_eq!(contract["x-inputs"], bundled["x-inputs"]);
    assert_eq!(contract["x-output"], bundled["x-output"]);
    assert_eq!(
        contract["required"],
        json!(["tenure_months", "monthly_charge", "contract_months", "plan", "payment_method", "autopay"])
    );
    let properties = &contract["properties"];
    assert_eq!(properties["plan"], json!({ "type": "string", "enum": ["basic", "business", "plus"] }));
    assert_eq!(properties["autopay"], json!({ "type": "boolean" }));
    assert_eq!(
        properties["support_calls"],
        json!({ "type": ["integer", "null"], "x-missing": "nan", "x-expected": { "minimum": 0, "maximum": 5 } })
    );
    assert_eq!(properties["monthly_charge"]["type"], "number");
    let golden = fs::read_to_string(out.join("golden.jsonl")).expect("a file");
    assert!(
        golden.lines().all(|line| line.contains("\"source\":\"recorded\"")),
        "the model's answers are not recorded as the truth"
    );
    assert!(made.agreement.expect("a target").contains("of 200 sampled rows"));
}

#[test]
fn classes_in_the_wrong_order_show() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("t.csv");
    let out = place.path().join("m/1");
    let made = |classes: &[&str], target: Option<&str>| {
        make(&crate::support::paths::fixture("zipmap_int.onnx"), &data, &out, |wishes| {
            wishes.target = target.map(str::to_owned);
            wishes.classes = classes.iter().map(|name| (*name).to_owned()).collect();
            wishes.force = true;
        })
        .expect("a package")
    };
    let rows = ["1,2", "2,1", "0,1", "3,1", "-4,0", "0,-5", "7,7"];
    fs::write(&data, format!("a,b\n{}\n", rows.join("\n"))).expect("written");
    made(&["x", "y", "z"], None);
    let golden = fs::read_to_string(out.join("golden.jsonl")).expect("a file");
    let answers = golden.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case")["expect"].clone());
    let answers: Vec<String> =
        answers.map(|expect| expect["prediction"].as_str().expect("a class").to_owned()).collect();
    let told: Vec<String> = rows.iter().zip(&answers).map(|(row, answer)| format!("{row},{answer}")).collect();
    fs::write(&data, format!("a,b,y\n{}\n", told.join("\n"))).expect("written");
    let right = made(&["x", "y", "z"], Some("y")).agreement.expect("a target");
    assert_eq!(right, "the model predicts the class of the table in 7 of 7 sampled rows");
    let wrong = made(&["y", "z", "x"], Some("y")).agreement.expect("a target");
    assert!(
        wrong.contains("in 0 of 7 sampled rows") && wrong.contains("a constant does better; check the order"),
        "{wrong}"
    );
}

#[test]
fn a_regression_a_tensor_and_named_classes() {
    let place = tempfile::tempdir().expect("a directory");
    let table = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let fixture = crate::support::paths::fixture;
    let data = table("value.csv", "a,b,y\n1,2,0.5\n2,1,1.5\n0,1,2.5\n");
    let made = make(&fixture("float64_regression.onnx"), &data, &place.path().join("value/1"), |wishes| {
        wishes.target = Some("y".to_owned());
    });
    assert_eq!(made.expect("a package").output, "regression from \"value\"");

    let data = table("ids.jsonl", "{\"ids\": [1, 2, 3, 0]}\n{\"ids\": [0, 1, 2, 3]}\n");
    let made = make(&fixture("embedding.onnx"), &data, &place.path().join("embedding/1"), |_| {});
    let made = made.expect("a package");
    assert_eq!((made.output.as_str(), made.golden), ("the tensors embedding", 2));

    let data = table("int.csv", "a,b,y\n1,2,no\n2,1,yes\n0,1,no\n");
    let made = make(&fixture("zipmap_int.onnx"), &data, &place.path().join("named/1"), |wishes| {
        wishes.target = Some("y".to_owned());
        wishes.classes = ["no", "yes", "perhaps"].map(str::to_owned).to_vec();
    });
    let out = made.map(|made| made.output).map_err(|error| error.to_string());
    assert_eq!(out, Ok("classification from \"output_probability\": no, yes, perhaps".to_owned()));
}

//! The table of broken packages: the change to a good one, and the expected reasons.

use std::{fs, path::Path};

use serde_json::json;

use crate::support::{packages::edit, paths::root};

/// One broken package.
#[derive(Clone, Copy)]
pub(super) struct Case {
    /// The model's name.
    pub(super) name: &'static str,
    /// The bundled model that it starts from.
    pub(super) from: &'static str,
    /// Whether version.json, with its digests, is kept.
    pub(super) digests: bool,
    /// The change to the version's directory.
    pub(super) damage: fn(&Path),
    /// The reasons in order; `{v}` is the version's directory, `…` matches anything.
    pub(super) messages: &'static [&'static str],
}

const fn case(name: &'static str, damage: fn(&Path), messages: &'static [&'static str]) -> Case {
    Case { name, from: "diabetes", digests: false, damage, messages }
}

const fn of(from: &'static str, case: Case) -> Case {
    Case { from, ..case }
}

const fn listed(case: Case) -> Case {
    Case { digests: true, ..case }
}

pub(super) const CASES: &[Case] = &[
    case(
        "graph-truncated",
        |version| shorten(&version.join("model.onnx")),
        &["{v}/model.onnx: ONNX Runtime cannot use it: Failed to load model because protobuf parsing failed."],
    ),
    case(
        "graph-garbage",
        |version| write(version, "model.onnx", "no graph at all"),
        &[
            "{v}/model.onnx: ONNX Runtime cannot use it: Failed to load model because protobuf parsing failed. (it is a text file, not an ONNX graph)",
        ],
    ),
    case(
        "graph-empty",
        |version| write(version, "model.onnx", ""),
        &["{v}/model.onnx: ONNX Runtime cannot use it: No graph was found in the protobuf."],
    ),
    case(
        "graph-missing",
        |version| remove(version, "model.onnx"),
        &["{v}/model.onnx: there is no such file or directory"],
    ),
    case(
        "input-float8",
        |version| bare(version, "float8_input"),
        &["{v}/model.onnx: the graph's input \"x\" has type …, which Candor cannot feed: inputs must be tensors of …"],
    ),
    case(
        "input-sequence",
        |version| bare(version, "sequence_input"),
        &["{v}/model.onnx: the graph's input \"x\" has type …, which Candor cannot feed: inputs must be tensors of …"],
    ),
    case(
        "data-outside",
        outside,
        &[
            "{v}/model.onnx: stores weights in \"../outside_data.bin\", which is outside the directory of the graph; save the model again with its weights next to it",
        ],
    ),
    case(
        "contract-no-json",
        |version| write(version, "contract.json", "{\"type\": \"object\",}"),
        &["{v}/contract.json: trailing comma at line 1 column 19"],
    ),
    case(
        "contract-list",
        |version| write(version, "contract.json", "[]"),
        &["{v}/contract.json: /: a contract is a JSON object, found an array"],
    ),
    case(
        "contract-unknown-keyword",
        |version| contract(version, |value| value["properties"]["bmi"]["minimun"] = json!(1)),
        &[r#"{v}/contract.json: /properties/bmi/minimun: unknown keyword "minimun"; did you mean "minimum"?"#],
    ),
    case(
        "contract-tensor-renamed",
        |version| contract(version, |value| value["x-inputs"][0]["tensor"] = json!("inptu")),
        &[
            r#"{v}/contract.json: /x-inputs/0: the graph has no input "inptu""#,
            "{v}/contract.json: /x-inputs: nothing feeds the graph's input measurements float64[?, 10]",
        ],
    ),
    case(
        "contract-feature-left-out",
        |version| {
            contract(version, |value| {
                value["x-inputs"][0]["features"].as_array_mut().expect("a list").pop();
            });
        },
        &[
            "{v}/contract.json: /x-inputs/0: the tensor measurements float64[?, 10] takes 10 scalar features, but \
             x-inputs gives it 9 scalar features",
            r#"{v}/contract.json: /properties/glucose: the feature "glucose" feeds no tensor: name it in x-inputs, or remove it"#,
        ],
    ),
    case(
        "contract-output-renamed",
        |version| contract(version, |value| value["x-output"]["value"]["tensor"] = json!("variabel")),
        &[r#"{v}/contract.json: /x-output/value: the graph has no output "variabel"; did you mean "variable"?"#],
    ),
    of(
        "wine",
        case(
            "contract-class-count",
            |version| contract(version, |value| value["x-output"]["classes"] = json!(["class_0", "class_1"])),
            &[
                "{v}/contract.json: /x-output: classes lists 2 names, the output output_probability sequence of maps (ZipMap) has 3 columns",
            ],
        ),
    ),
    listed(case(
        "digest-differs",
        |version| append(version, "golden.jsonl", "\n"),
        &["{v}/golden.jsonl: its digest is sha256:…, version.json lists sha256:…; if the change is intended, …"],
    )),
    listed(case(
        "digest-no-sha256",
        |version| version_json(version, |value| value["files"] = json!({ "contract.json": "md5:1" })),
        &["{v}/contract.json: its digest is sha256:…, version.json lists md5:1; if the change is intended, …"],
    )),
    listed(case(
        "listed-file-missing",
        |version| remove(version, "golden.jsonl"),
        &[r#"{v}/version.json: lists "golden.jsonl", which cannot be read: there is no such file or directory"#],
    )),
    listed(case(
        "listed-file-outside",
        |version| version_json(version, |value| value["files"] = json!({ "../../wine/1/model.onnx": "sha256:0" })),
        &["{v}/version.json: lists \"../../wine/1/model.onnx\", which is outside the version's directory"],
    )),
    listed(case(
        "listed-file-absolute",
        |version| version_json(version, |value| value["files"] = json!({ "/etc/hostname": "sha256:0" })),
        &["{v}/version.json: lists \"/etc/hostname\", which is outside the version's directory"],
    )),
    listed(case(
        "version-unknown-member",
        |version| version_json(version, |value| value["licence"] = json!("MIT")),
        &["{v}/version.json: unknown field `licence`, expected one of …`license`…"],
    )),
    listed(case(
        "version-no-json",
        |version| write(version, "version.json", "created = 1"),
        &["{v}/version.json: expected value at line 1 column 1"],
    )),
    case(
        "golden-wrong-value",
        |version| {
            golden(version, r#""expect": {"prediction": 216.34644083275944}"#, r#""expect": {"prediction": 216.4}"#);
        },
        &[
            "{v}/golden.jsonl: case 1: alone: prediction must be 216.4 within 0.000001; got 216.34644083275944",
            "{v}/golden.jsonl: case 1: in a batch: prediction must be 216.4 within 0.000001; got 216.34644083275944",
        ],
    ),
    of(
        "wine",
        case(
            "golden-wrong-class",
            |version| golden(version, r#""expect": {"prediction": "class_0""#, r#""expect": {"prediction": "class_1""#),
            &[
                r#"{v}/golden.jsonl: case 1: alone: prediction must be "class_1"; got "class_0""#,
                r#"{v}/golden.jsonl: case 1: in a batch: prediction must be "class_1"; got "class_0""#,
            ],
        ),
    ),
    case(
        "golden-no-json",
        |version| append(version, "golden.jsonl", "{\"features\": }\n"),
        &["{v}/golden.jsonl: case 27: expected value at line 1 column 14"],
    ),
    case(
        "golden-no-expect",
        |version| write(version, "golden.jsonl", "{\"features\": []}\n"),
        &["{v}/golden.jsonl: case 1: missing field `expect` at line 1 column 16"],
    ),
    case(
        "golden-not-admitted",
        |version| golden(version, r#""sex": 2, "bmi": 32.1"#, r#""sex": 3, "bmi": -1"#),
        &[
            "{v}/golden.jsonl: case 1: the contract rejects it: sex must be one of 1, 2; got a value that is not shown; bmi must be above 0 (kg/m²); got -1",
        ],
    ),
    case(
        "calibration-empty",
        |version| write(version, "calibration.json", "{}"),
        &["{v}/calibration.json: missing field `format` at line 1 column 2"],
    ),
    case(
        "profile-empty",
        |version| write(version, "profile.json", "{}"),
        &["{v}/profile.json: missing field `rows` at line 1 column 2"],
    ),
    // A graph other than the listed one is not even passed to ONNX Runtime.
    listed(case(
        "graph-digest-differs",
        |version| {
            write(version, "model.onnx", "no graph at all");
            append(version, "golden.jsonl", "{}\n");
        },
        &[
            "{v}/model.onnx: its digest is sha256:…, version.json lists sha256:…; another graph is another …",
            "{v}/golden.jsonl: case 27: missing field `features` at line 1 column 2",
            "{v}/golden.jsonl: its digest is sha256:…, version.json lists sha256:…; if the change is intended, …",
        ],
    )),
    listed(case(
        "graph-missing-among-others",
        |version| {
            remove(version, "model.onnx");
            write(version, "profile.json", "{}");
        },
        &[
            "{v}/model.onnx: there is no such file or directory",
            "{v}/profile.json: missing field `rows` at line 1 column 2",
        ],
    )),
    case(
        "graph-and-contract",
        |version| {
            write(version, "model.onnx", "no graph at all");
            write(version, "contract.json", "{");
        },
        &[
            "{v}/contract.json: EOF while parsing an object at line 1 column 1",
            "{v}/model.onnx: ONNX Runtime cannot use it: …protobuf parsing failed. (it is a text file, not an ONNX graph)",
        ],
    ),
    case(
        "profile-and-golden",
        |version| {
            edit(&version.join("profile.json"), |value| value["features"]["sex"]["categories"][0][0] = json!(3));
            append(version, "golden.jsonl", "{}\n");
            golden(version, r#""sex": 2, "bmi": 32.1"#, r#""sex": 2, "bmi": -1"#);
            golden(version, r#""expect": {"prediction": -15.938419950407223}"#, r#""expect": {"prediction": -16}"#);
        },
        &[
            "{v}/golden.jsonl: case 27: missing field `features` at line 1 column 2",
            "{v}/profile.json: feature \"sex\": lists the category 3, which the contract does not admit",
            "{v}/golden.jsonl: case 1: the contract rejects it: bmi must be above 0 (kg/m²); got -1",
            "{v}/golden.jsonl: case 2: alone: prediction must be -16 within 0.000001; got -15.938419950407223",
            "{v}/golden.jsonl: case 2: in a batch: prediction must be -16 within 0.000001; got -15.938419950407223",
        ],
    ),
    listed(case(
        "several",
        several,
        &[
            "{v}/contract.json: EOF while parsing an object at line 1 column 1",
            "{v}/golden.jsonl: case 27: unknown field `features_`, expected one of …",
            "{v}/profile.json: missing field `rows` at line 1 column 2",
            "{v}/contract.json: its digest is sha256:…, version.json lists sha256:…; if the change is intended, …",
            "{v}/golden.jsonl: its digest is sha256:…, version.json lists sha256:…; if the change is intended, …",
        ],
    )),
];

fn write(version: &Path, name: &str, text: &str) {
    fs::write(version.join(name), text).expect("written");
}

fn append(version: &Path, name: &str, text: &str) {
    let before = fs::read_to_string(version.join(name)).expect("a file");
    write(version, name, &(before + text));
}

fn remove(version: &Path, name: &str) {
    fs::remove_file(version.join(name)).expect("removed");
}

fn shorten(path: &Path) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
}

/// A graph from tests/fixtures/refused and no other file.
fn bare(version: &Path, graph: &str) {
    remove(version, "contract.json");
    remove(version, "golden.jsonl");
    let source = root().join("tests/fixtures/refused").join(format!("{graph}.onnx"));
    fs::copy(source, version.join("model.onnx")).expect("copied");
}

/// A graph whose external weights exist, but above its directory.
fn outside(version: &Path) {
    bare(version, "outside_data");
    let weights = root().join("tests/fixtures/refused/outside_data.bin");
    fs::copy(weights, version.with_file_name("outside_data.bin")).expect("copied");
}

fn contract(version: &Path, change: fn(&mut serde_json::Value)) {
    edit(&version.join("contract.json"), change);
}

fn version_json(version: &Path, change: fn(&mut serde_json::Value)) {
    edit(&version.join("version.json"), change);
}

fn golden(version: &Path, from: &str, to: &str) {
    let before = fs::read_to_string(version.join("golden.jsonl")).expect("a file");
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{from} is there");
    write(version, "golden.jsonl", &after);
}

fn several(version: &Path) {
    append(version, "golden.jsonl", "{\"features_\": 1}\n");
    write(version, "contract.json", "{");
    write(version, "profile.json", "{}");
}

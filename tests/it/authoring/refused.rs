//! What `init` refuses and with which message; nothing is left behind.

use std::fs;

use candor::authoring::InitOptions;

use super::{iris, make};
use crate::support::paths::{fixture, root};

type Wish = fn(&mut InitOptions);

/// A refusal: the table's file name, its bytes, the operator's options and the message, in which `{t}` is the table.
type Case = (&'static str, &'static [u8], Wish, &'static str);

fn species(wishes: &mut InitOptions) {
    wishes.target = Some("species".to_owned());
}

fn none(_: &mut InitOptions) {}

const CASES: &[Case] = &[
    ("zero.csv", b"", species, "{t}: is empty: it has no columns and no rows"),
    ("blank.csv", b"\n\n", species, "{t}: is empty: it has no columns and no rows"),
    ("header.csv", b"a,b,c,d,species\n", species, "{t}: has columns but no rows"),
    ("zero.jsonl", b"\n", species, "{t}: is empty: it has no columns and no rows"),
    (
        "table.xlsx",
        b"PK",
        species,
        "{t}: the extension .xlsx is not that of a table; tables are read from .csv, .tsv, .jsonl, .ndjson, .json (each \
         also with .gz or .zst), .parquet; with the feature arrow also .feather, .arrow, .ipc",
    ),
    ("bad.parquet", b"PAR1 and no more", species, "{t}: cannot be read as Parquet; is it damaged?"),
    (
        "twice.csv",
        b"a,b,a,d,species\n1,2,3,4,x\n",
        species,
        "{t}: columns 1 and 3 are both named \"a\": names must be unique",
    ),
    (
        "semicolon.csv",
        b"a;b;c;d;species\n1;2;3;4;x\n",
        species,
        "{t}: the header is one column, \"a;b;c;d;species\": the fields seem to be separated by ';'; if so, set \
         --separator",
    ),
    ("ragged.csv", b"a,b,c,d,species\n1,2,3,4,x\n1,2,3\n", species, "{t}, line 3: has 3 fields, the header has 5"),
    (
        "quote.csv",
        b"a,b,c,d,species\n1,2,3,4,x\n1,2,3,4,\"x\n1,2,3,4,x\n",
        species,
        "{t}, line 3: the row that begins here has a quote that is never closed",
    ),
    (
        "latin.csv",
        b"a,b,c,d,species\n1,2,3,4,\xe9pine\n",
        species,
        "{t}, line 2: column \"species\" is not UTF-8 text: found the byte 0xE9; save the table as UTF-8",
    ),
    (
        "text.csv",
        b"a,b,c,d,species\n1,2,3,4,x\n1,2,high,4,x\n",
        species,
        "{t}: column \"c\" holds texts (\"high\" at line 3), which the input X float32[?, 4] cannot take",
    ),
    (
        "infinite.csv",
        b"a,b,c,d,species\n1,2,3,4,x\n1,2,-inf,4,x\n",
        species,
        "{t}: column \"c\" holds values that no request can hold (\"-inf\" at line 3)",
    ),
    (
        "nan.jsonl",
        b"{\"a\":1,\"b\":2,\"c\":3,\"d\":NaN,\"species\":\"x\"}\n",
        species,
        "JSON has no NaN or Infinity: write null for a missing value",
    ),
    ("missing.csv", b"a,b,c,d,species\n1,2,,4,x\n1,2,NA,4,x\n", species, "{t}: column \"c\" has no value in any row"),
    (
        "target.csv",
        b"a,b,c,d,specie\n1,2,3,4,x\n",
        species,
        "{t}: --target: the table has no column \"species\"; did you mean \"specie\"?; it has: a, b, c, d, specie",
    ),
    (
        "more.csv",
        b"a,b,c,d,species\n1,2,3,4,x\n",
        none,
        "{t}: 5 columns are left for the input X float32[?, 4], which takes 4: a, b, c, d, species. Name the target",
    ),
    (
        "fewer.csv",
        b"a,b,c,species\n1,2,3,x\n",
        species,
        "{t}: the input X float32[?, 4] takes more columns than the 3 that remain: a, b, c",
    ),
    (
        "leak.csv",
        b"a,b,c,d,species\n1,2,3,4,x\n",
        |wishes| {
            species(wishes);
            wishes.features = ["a", "b", "c", "species"].map(str::to_owned).to_vec();
        },
        "\"species\" is the target, but --features lists it: the target cannot be a feature",
    ),
    (
        "classes.csv",
        b"a,b,c,d,species\n1,2,3,4,rose\n",
        species,
        "{t}: the target holds \"rose\", but the graph names its classes setosa, versicolor, virginica",
    ),
    (
        "renamed.csv",
        b"a,b,c,d,species\n1,2,3,4,setosa\n",
        |wishes| {
            species(wishes);
            wishes.classes = ["x", "y", "z"].map(str::to_owned).to_vec();
        },
        "{t}: --classes lists x,y,z, but the graph itself names its classes setosa,versicolor,virginica",
    ),
    (
        "input.csv",
        b"a,b,c,d,species\n1,2,3,4,setosa\n",
        |wishes| wishes.inputs = vec![("x".to_owned(), vec!["a".to_owned()])],
        "{t}: --input: the graph has no input \"x\"; it has: X float32[?, 4]",
    ),
    (
        "unused.csv",
        b"a,b,c,d,species\n1,2,3,4,setosa\n",
        |wishes| {
            species(wishes);
            wishes.defaults = vec![("species".to_owned(), "x".to_owned())];
        },
        "{t}: --fill: \"species\" is not a feature",
    ),
];

#[test]
fn every_refusal_says_what_would_decide_it_and_leaves_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    for (file, bytes, wish, expected) in CASES {
        let table = place.path().join(file);
        fs::write(&table, bytes).expect("written");
        let out = place.path().join("models/iris/1");
        let error = make(&iris("iris.onnx"), &table, &out, wish).err().expect("refused").to_string();
        let expected = expected.replace("{t}", &table.display().to_string());
        assert!(error.contains(&expected), "{file}\n  expected {expected}\n  found    {error}");
        assert!(!place.path().join("models").exists(), "{file}: nothing is left behind");
        fs::remove_file(table).expect("removed");
    }
}

#[test]
fn a_huge_field_is_refused_before_it_fills_the_memory() {
    let place = tempfile::tempdir().expect("a directory");
    let table = place.path().join("huge.csv");
    fs::write(&table, format!("a,b,c,d,species\n1,2,3,4,\"{}\n", "x".repeat(9 << 20))).expect("written");
    let error = make(&iris("iris.onnx"), &table, &place.path().join("iris/1"), species).err().expect("refused");
    assert!(error.to_string().contains("line 2: the row that begins here is longer than 8 MiB"), "{error}");
}

/// Refusals with other graphs: the graph, the table, the options, the message.
const GRAPHS: &[(&str, &str, Wish, &str)] = &[
    (
        "models/churn/1/model.onnx",
        "numeric,plan,payment_method,autopay\n1,basic,card,true\n",
        none,
        "the input numeric float32[?, 5] takes more columns than the 1 that remain: numeric",
    ),
    (
        "models/churn/1/model.onnx",
        "a,b,c,d,e,plan,payment_method,autopay\n1,2,3,4,5,,card,true\n1,2,3,4,5,basic,card,true\n",
        none,
        "column \"plan\" has no value in 1 rows, and the input plan string[?, 1] cannot hold NaN: set a default with \
         --fill plan=VALUE",
    ),
    (
        "models/churn/1/model.onnx",
        "a,b,c,d,e,plan,payment_method,autopay\n1,2,3,4,5,basic,card,2\n",
        none,
        "column \"autopay\" holds whole numbers, which the input autopay bool[?, 1] cannot take",
    ),
    (
        "tests/fixtures/graphs/zipmap_int.onnx",
        "a,b,y\n1,2,low\n2,1,mid\n0,1,high\n",
        |wishes| wishes.target = Some("y".to_owned()),
        "but the graph names its classes 0, 1, 2: list the names of the target in the graph's order with --classes high,low,mid, \
         if it was trained on them in that order",
    ),
    (
        "tests/fixtures/graphs/binary_single.onnx",
        "a,b,y\n1,2,0\n2,1,1\n",
        |wishes| wishes.target = Some("y".to_owned()),
        "the graph's outputs can be interpreted in more than one way: p float32[?, 1]. Choose one with --task \
         classification --classes 0,1, --task regression or --task tensors",
    ),
    (
        "tests/fixtures/graphs/types.onnx",
        "a,b\n1,2\n",
        none,
        "no column is named like the input in_float float32[?, 1]: choose its columns with --input in_float=COLUMN\n",
    ),
];

#[test]
fn what_the_graph_leaves_open_is_refused_with_its_flag() {
    let place = tempfile::tempdir().expect("a directory");
    let table = place.path().join("t.csv");
    for (graph, text, wish, expected) in GRAPHS {
        fs::write(&table, text).expect("written");
        let out = place.path().join("models/m/1");
        let error = make(&root().join(graph), &table, &out, wish).err().expect("refused").to_string();
        assert!(error.contains(expected), "{graph}\n  expected {expected}\n  found    {error}");
        assert!(!place.path().join("models").exists(), "{graph}: nothing is left behind");
    }
}

#[test]
fn what_is_there_is_kept_unless_it_is_to_be_replaced() {
    let place = tempfile::tempdir().expect("a directory");
    let out = place.path().join("iris/1");
    fs::create_dir_all(&out).expect("made");
    fs::write(out.join("notes.txt"), "mine").expect("written");
    let error = make(&iris("iris.onnx"), &iris("iris.csv"), &out, species).err().expect("refused").to_string();
    assert!(
        error.ends_with("already exists: choose another directory with --out, or replace it with --force"),
        "{error}"
    );
    assert!(out.join("notes.txt").is_file());
    make(&iris("iris.onnx"), &iris("iris.csv"), &out, |wishes| {
        species(wishes);
        wishes.force = true;
    })
    .expect("replaced");
    assert!(out.join("contract.json").is_file() && !out.join("notes.txt").exists());
    let left: Vec<_> = fs::read_dir(place.path().join("iris")).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let graph = make(&fixture("../iris/iris.csv"), &iris("iris.csv"), &place.path().join("x/1"), species);
    assert!(graph.err().expect("refused").to_string().contains("iris.csv: "));
}

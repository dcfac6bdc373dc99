//! Bodies that are JSON but not what /predict expects: wrong members, duplicates, sizes.

use Expect::Lists;

use super::{Case, Expect, VIOLATION};

/// Bodies with wrong members, and the violations that must be listed.
const MEMBERS: &[(&str, &str, Expect)] = &[
    ("null as body", "null", Lists("", "wrong_type")),
    ("a boolean as body", "true", Lists("", "wrong_type")),
    ("a number as body", "4", Lists("", "wrong_type")),
    ("a string as body", r#""features""#, Lists("", "wrong_type")),
    ("a list as body", "[]", Lists("", "wrong_type")),
    ("a list of instances as body", r#"[{"features":{}}]"#, Lists("", "wrong_type")),
    ("an empty object as body", "{}", Lists("/features", "missing")),
    ("the features themselves as body", r#"{"plan":"basic"}"#, Lists("/plan", "unknown_feature")),
    ("the members of another server", r#"{"instances":[[1]]}"#, Lists("/instances", "unknown_feature")),
    ("features in capitals", r#"{"Features":{}}"#, Lists("/Features", "unknown_feature")),
    ("an empty name", r#"{"":1,"features":{}}"#, Lists("/", "unknown_feature")),
    ("a name to be escaped", r#"{"a/b~c":1,"features":{}}"#, Lists("/a~1b~0c", "unknown_feature")),
    ("null as features", r#"{"features":null}"#, Lists("/features", "wrong_type")),
    ("a number as features", r#"{"features":4}"#, Lists("/features", "wrong_type")),
    ("a string as features", r#"{"features":"basic"}"#, Lists("/features", "wrong_type")),
    ("a boolean as features", r#"{"features":false}"#, Lists("/features", "wrong_type")),
    ("no features by position", r#"{"features":[]}"#, Lists("/features", "wrong_length")),
    ("several instances", r#"{"features":[[4,79.5],[5,80]]}"#, Lists("/features", "wrong_length")),
    ("features twice", r#"{"features":{},"features":{}}"#, Lists("/features", "duplicate")),
    ("features twice, once escaped", r#"{"features":{},"\u0066eatures":{}}"#, Lists("/features", "duplicate")),
    ("an entity twice", r#"{"entity_id":1,"entity_id":1,"features":{}}"#, Lists("/entity_id", "duplicate")),
    ("explain twice", r#"{"explain":false,"explain":false,"features":{}}"#, Lists("/explain", "duplicate")),
    ("explain as null", r#"{"features":{},"explain":null}"#, Lists("/explain", "wrong_type")),
    ("explain as text", r#"{"features":{},"explain":"yes"}"#, Lists("/explain", "wrong_type")),
    ("explain as number", r#"{"features":{},"explain":1}"#, Lists("/explain", "wrong_type")),
    ("explain as object", r#"{"features":{},"explain":{}}"#, Lists("/explain", "wrong_type")),
    ("an entity with a fraction", r#"{"features":{},"entity_id":1.5}"#, Lists("/entity_id", "wrong_type")),
    ("an entity past 2^64", r#"{"features":{},"entity_id":1e30}"#, Lists("/entity_id", "wrong_type")),
    ("a boolean as entity", r#"{"features":{},"entity_id":true}"#, Lists("/entity_id", "wrong_type")),
    ("a list as entity", r#"{"features":{},"entity_id":[1]}"#, Lists("/entity_id", "wrong_type")),
    ("an object as entity", r#"{"features":{},"entity_id":{}}"#, Lists("/entity_id", "wrong_type")),
];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = MEMBERS.iter().map(|(name, body, expect)| Case::body(*name, body, *expect)).collect();
    cases.extend(sized());
    cases.extend(crowded());
    cases
}

/// Bodies around the limit of 1 MiB.
fn sized() -> Vec<Case> {
    let of = |bytes: usize| format!(r#"{{"features":{{"plan":"{}"}}}}"#, "x".repeat(bytes - 24));
    let long = format!(r#"{{"features":{{}},"entity_id":"{}"}}"#, "x".repeat(257));
    let key = format!(r#"{{"features":{{"{}":1}}}}"#, "x".repeat(900_000));
    vec![
        Case::body("a body of just the limit", of(1 << 20), Lists("/features/plan", "not_in_enum")),
        Case::body("a body of one byte more", of((1 << 20) + 1), Expect::Problem(413, "body_too_large")),
        Case::body("a body of 20 MB", of(20_000_000), Expect::Problem(413, "body_too_large")),
        Case::body("a long text", of(900_000), Lists("/features/plan", "not_in_enum")),
        Case::body("a long name", key, VIOLATION),
        Case::body("a long entity", long, Lists("/entity_id", "wrong_type")),
    ]
}

/// Bodies with a great number of members.
fn crowded() -> Vec<Case> {
    let joined = |count: usize, member: &dyn Fn(usize) -> String| (0..count).map(member).collect::<Vec<_>>().join(",");
    let names = joined(100_000, &|index| format!(r#""{index:x}":0"#));
    let same = joined(100_000, &|_| r#""m":0"#.to_owned());
    let plans = joined(50_000, &|_| r#""plan":"x""#.to_owned());
    let zeros = joined(400_000, &|_| "0".to_owned());
    let empty = joined(300_000, &|_| "{}".to_owned());
    vec![
        Case::body("100,000 unknown members", format!("{{{names}}}"), VIOLATION),
        Case::body("100,000 unknown features", format!(r#"{{"features":{{{names}}}}}"#), VIOLATION),
        Case::body("one unknown member 100,000 times", format!("{{{same}}}"), VIOLATION),
        Case::body("one unknown feature 100,000 times", format!(r#"{{"features":{{{same}}}}}"#), VIOLATION),
        Case::body(
            "one feature 50,000 times",
            format!(r#"{{"features":{{{plans}}}}}"#),
            Lists("/features/plan", "duplicate"),
        ),
        Case::body(
            "400,000 features by position",
            format!(r#"{{"features":[{zeros}]}}"#),
            Lists("/features", "wrong_length"),
        ),
        Case::body("300,000 objects as a feature", format!(r#"{{"features":{{"plan":[{empty}]}}}}"#), VIOLATION),
        Case::body("300,000 objects as a member", format!(r#"{{"features":{{}},"other":[{empty}]}}"#), VIOLATION),
    ]
}

//! Rules for scalars, each built around a witness (a value that satisfies it), with values to try near its edges.

use std::fmt::Write as _;

use candor::domain::tensor::ElementType;
use proptest::{
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

/// Values of every kind that satisfy few rules.
const JUNK: &[&str] = &[
    "null",
    "true",
    "false",
    "\"\"",
    "\"1\"",
    "\"text\"",
    "\"\\ud835\\udcb3\"",
    "0",
    "1",
    "-0",
    "-0.0",
    "1.0",
    "1e0",
    "1e3",
    "1E+2",
    "0.1",
    "-7",
    "2.5",
    "1e308",
    "-1e308",
    "5e-324",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.0",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "[]",
    "[1]",
    "[[1]]",
    "[null]",
    "{}",
    "{\"a\": 1}",
];

/// A rule for a value, with values to try. All values are JSON texts.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) schema: Map<String, Value>,
    pub(super) element: ElementType,
    pub(super) witness: String,
    pub(super) near: Vec<String>,
}

impl Rule {
    pub(super) fn nullable(&self) -> bool {
        self.schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
    }

    /// Adds `enum` and `const` around the witness.
    fn choose(mut self, listed: Option<Vec<&'static str>>, single: bool) -> Self {
        if let Some(listed) = listed {
            let texts = listed.into_iter().chain([self.witness.as_str()]);
            self.schema.insert("enum".into(), texts.map(parsed).collect());
        }
        if single {
            self.schema.insert("const".into(), parsed(&self.witness));
        }
        self
    }
}

pub(super) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the generator writes JSON")
}

/// A number in one of its notations.
fn spelled(number: f64, way: usize) -> String {
    match way % 3 {
        0 if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        1 => format!("{number:e}"),
        _ => json!(number).to_string(),
    }
}

pub(super) fn with_types(types: &[&str]) -> Map<String, Value> {
    let types = if let [single] = types { json!(single) } else { json!(types) };
    Map::from_iter([("type".to_owned(), types)])
}

fn choices() -> impl Strategy<Value = (Option<Vec<&'static str>>, bool)> {
    (option::weighted(0.2, subsequence(JUNK, 0..5)), prop::bool::weighted(0.05))
}

pub(super) fn numbers() -> impl Strategy<Value = Rule> {
    const TYPES: &[&[&str]] = &[
        &["number"],
        &["integer"],
        &["number", "null"],
        &["integer", "null"],
        &["number", "boolean"],
        &["null", "integer", "boolean"],
        &["integer", "number"],
    ];
    const HUGE: &[&str] = &["9007199254740993", "18446744073709551615", "18446744073709551616", "1e300"];
    let bound = || option::weighted(0.3, select(vec![0.0, 0.5, 1.0, 3.0]));
    let witness = select(vec![0.0, 1.0, -1.0, 0.5, 12.0, -250.0, 0.1, 1e6, -2.25]);
    let step = option::weighted(0.25, select(vec![1.0, 2.0, 3.0, 10.0]));
    let huge = option::weighted(0.1, select(HUGE));
    (select(TYPES), witness, step, [bound(), bound(), bound(), bound()], huge, 0..3_usize, choices()).prop_map(
        |(types, witness, step, bounds, huge, way, (listed, single))| {
            let whole = step.is_some() || (types.contains(&"integer") && !types.contains(&"number"));
            let witness = if whole { f64::trunc(witness) * step.unwrap_or(1.0) } else { witness };
            let mut schema = with_types(types);
            let mut near = vec![witness + 1.0, witness - 1.0, witness + 0.5, -witness];
            for (index, key) in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].into_iter().enumerate() {
                let Some(distance) = bounds[index].map(|distance| if index < 2 { distance } else { distance + 0.5 })
                else {
                    continue;
                };
                let limit = if index % 2 == 0 { witness - distance } else { witness + distance };
                near.extend([limit, limit + 1.0, limit - 1.0, limit.next_up(), limit.next_down()]);
                schema.insert(key.into(), parsed(&spelled(limit, way)));
            }
            if let Some(step) = step {
                near.extend([witness + step, witness - step, witness + step * 1e6]);
                schema.insert("multipleOf".into(), parsed(&spelled(step, way)));
            }
            if let Some(huge) = huge {
                schema.insert("maximum".into(), parsed(huge));
                schema.insert("minimum".into(), parsed(&format!("-{huge}")));
            }
            let near = (0..3).flat_map(|way| near.iter().map(move |number| spelled(*number, way)));
            let near = near.chain(JUNK.iter().map(ToString::to_string)).collect();
            let rule = Rule { schema, element: ElementType::F64, witness: spelled(witness, way + 1), near };
            rule.choose(listed, single)
        },
    )
}

pub(super) fn booleans() -> impl Strategy<Value = Rule> {
    let element = select(vec![ElementType::Bool, ElementType::F32, ElementType::F64, ElementType::I64]);
    (any::<bool>(), any::<bool>(), element, choices()).prop_map(|(witness, nullable, element, (listed, single))| {
        let schema = with_types(if nullable { &["boolean", "null"] } else { &["boolean"] });
        let near = JUNK.iter().map(ToString::to_string).chain([(!witness).to_string()]).collect();
        Rule { schema, element, witness: witness.to_string(), near }.choose(listed, single)
    })
}

/// A string as JSON, plain or with every character escaped, beyond 16 bits as surrogate pairs.
fn quoted(text: &str, escaped: bool) -> String {
    if !escaped {
        return json!(text).to_string();
    }
    let mut json = String::from("\"");
    for unit in text.encode_utf16() {
        let _ = write!(json, "\\u{unit:04x}");
    }
    json + "\""
}

pub(super) fn texts() -> impl Strategy<Value = Rule> {
    const PATTERNS: &[(&str, &str)] = &[
        ("^[a-z]+$", "abc"),
        ("\\d", "a1"),
        ("^[A-Z]{2}\\d{3}$", "AB123"),
        ("^$|^x", "xyz"),
        ("[\\w-]+", "a-b"),
        ("^(ab)+$", "abab"),
        ("\\.csv$", "a.csv"),
        ("^a|b$", "xb"),
        ("^\\S+$", "left-to-the-second-pass"),
    ];
    let witnesses =
        select(vec!["text", "", "a", "𝒳𝒴", "é", "e\u{301}", "😀😀😀", "日本語", "a\"b\\/", "line\nbreak", "\u{1}"]);
    let bound = || option::weighted(0.4, 0..3_usize);
    let pattern = option::weighted(0.3, select(PATTERNS));
    (witnesses, pattern, bound(), bound(), any::<(bool, bool)>(), choices()).prop_map(
        |(witness, pattern, least, most, (nullable, escaped), (listed, single))| {
            let witness = pattern.map_or(witness, |(_, witness)| witness);
            let length = witness.chars().count();
            let mut schema = with_types(if nullable { &["null", "string"] } else { &["string"] });
            let mut near: Vec<String> = ["é", "𝒳", "abab", "AB123", "x.csv", "b\n", "١"].map(str::to_owned).into();
            if let Some((pattern, _)) = pattern {
                schema.insert("pattern".into(), json!(pattern));
            }
            let limits = [
                ("minLength", least.map(|beside| length.saturating_sub(beside))),
                ("maxLength", most.map(|beside| length + beside)),
            ];
            for (key, limit) in limits.into_iter().filter_map(|(key, limit)| Some((key, limit?))) {
                schema.insert(key.into(), json!(limit));
                for length in [limit.saturating_sub(1), limit, limit + 1] {
                    near.extend(["a", "𝒳", "e\u{301}"].map(|letter| letter.repeat(length)));
                }
            }
            let near =
                near.iter().map(|text| quoted(text, escaped)).chain(JUNK.iter().map(ToString::to_string)).collect();
            Rule { schema, element: ElementType::Text, witness: quoted(witness, escaped), near }.choose(listed, single)
        },
    )
}

//! Bodies that are not JSON.

use super::{Case, GOOD, MALFORMED};

/// Texts that break the grammar in one place.
const TEXTS: &[(&str, &str)] = &[
    ("an empty body", ""),
    ("blanks only", " \r\n\t "),
    ("a word", "hello"),
    ("a comma", ","),
    ("an opening brace", "{"),
    ("a closing brace", "}"),
    ("an opening bracket", "["),
    ("brackets that do not match", r#"{"features":[1}"#),
    ("a key alone", r#"{"features"}"#),
    ("a key and a colon", r#"{"features":}"#),
    ("a key without a colon", r#"{"features" {}}"#),
    ("two colons", r#"{"features"::{}}"#),
    ("an equals sign", r#"{"features"={}}"#),
    ("a number as key", r"{1:{}}"),
    ("null as key", r"{null:{}}"),
    ("a trailing comma in the body", r#"{"features":{},}"#),
    ("a trailing comma in features", r#"{"features":{"tenure_months":4,}}"#),
    ("a trailing comma in an array", r#"{"features":[4,79.5,]}"#),
    ("a leading comma", r#"{"features":{,"tenure_months":4}}"#),
    ("two commas", r#"{"features":{"tenure_months":4,,"plan":"basic"}}"#),
    ("no comma", r#"{"features":{"tenure_months":4 "plan":"basic"}}"#),
    ("a semicolon", r#"{"features":{"tenure_months":4;"plan":"basic"}}"#),
    ("an ellipsis", r#"{"features":{...}}"#),
    ("a comment of a line", "{\"features\":{} // none\n}"),
    ("a comment in stars", r#"{"features":/* none */{}}"#),
    ("a comment of the shell", "{\"features\":{} # none\n}"),
    ("single quotes", r"{'features':{}}"),
    ("back quotes", r"{`features`:{}}"),
    ("curly quotes", "{“features”:{}}"),
    ("no quotes", r"{features:{}}"),
    ("NaN", r#"{"features":{"monthly_charge":NaN}}"#),
    ("nan", r#"{"features":{"monthly_charge":nan}}"#),
    ("Infinity", r#"{"features":{"monthly_charge":Infinity}}"#),
    ("minus Infinity", r#"{"features":{"monthly_charge":-Infinity}}"#),
    ("inf", r#"{"features":{"monthly_charge":inf}}"#),
    ("a leading zero", r#"{"features":{"tenure_months":04}}"#),
    ("a leading zero below zero", r#"{"features":{"tenure_months":-04}}"#),
    ("a leading plus", r#"{"features":{"tenure_months":+4}}"#),
    ("two minus signs", r#"{"features":{"tenure_months":--4}}"#),
    ("a minus alone", r#"{"features":{"tenure_months":-}}"#),
    ("a hexadecimal number", r#"{"features":{"tenure_months":0x4}}"#),
    ("an octal number", r#"{"features":{"tenure_months":0o4}}"#),
    ("digits with an underscore", r#"{"features":{"monthly_charge":1_000}}"#),
    ("digits with a comma", r#"{"features":[1,000,]}"#),
    ("a point at the end", r#"{"features":{"monthly_charge":79.}}"#),
    ("a point at the beginning", r#"{"features":{"monthly_charge":.5}}"#),
    ("two points", r#"{"features":{"monthly_charge":1.2.3}}"#),
    ("an exponent without digits", r#"{"features":{"monthly_charge":1e}}"#),
    ("an exponent with a sign only", r#"{"features":{"monthly_charge":1e+}}"#),
    ("a broken exponent", r#"{"features":{"monthly_charge":1e1.5}}"#),
    ("a number past the doubles", r#"{"features":{"monthly_charge":1e400}}"#),
    ("a number past the doubles below zero", r#"{"features":{"monthly_charge":-1e400}}"#),
    ("an endless exponent", r#"{"features":{"monthly_charge":1e99999999999999999999999}}"#),
    ("a number past the doubles, skipped", r#"{"features":{},"other":1e400}"#),
    ("True", r#"{"features":{"autopay":True}}"#),
    ("half of true", r#"{"features":{"autopay":tru}}"#),
    ("None", r#"{"features":{"age":None}}"#),
    ("undefined", r#"{"features":{"age":undefined}}"#),
    ("two values", r#"{"features":{}}{"features":{}}"#),
    ("two values on two lines", "{\"features\":{}}\n{\"features\":{}}"),
    ("a value and a comma", r#"{"features":{}},"#),
    ("a value and a brace", r#"{"features":{}}}"#),
    ("a value and a word", r#"{"features":{}} done"#),
    ("a form", "tenure_months=4&monthly_charge=79.5&plan=basic"),
    ("XML", "<features><plan>basic</plan></features>"),
    ("YAML", "features:\n  plan: basic\n"),
    ("a string that never ends", r#"{"features":{"plan":"basic"#),
    ("an escape of nothing", r#"{"features":{"plan":"\"#),
    ("an escape that is none", r#"{"features":{"plan":"\x41"}}"#),
    ("an escaped apostrophe", r#"{"features":{"plan":"\'"}}"#),
    ("a short escape", r#"{"features":{"plan":"\u12"}}"#),
    ("an escape with a letter too far", r#"{"features":{"plan":"\u12G4"}}"#),
    ("a lone high surrogate", r#"{"features":{"plan":"\ud83d"}}"#),
    ("a lone low surrogate", r#"{"features":{"plan":"\ude00"}}"#),
    ("surrogates in the wrong order", r#"{"features":{"plan":"\ude00\ud83d"}}"#),
    ("a high surrogate and a letter", r#"{"features":{"plan":"\ud83dx"}}"#),
    ("two high surrogates", r#"{"features":{"plan":"\ud83d\ud83d"}}"#),
    ("a lone surrogate in a key", r#"{"features":{"\ud800":1}}"#),
    ("a lone surrogate in a member's name", r#"{"\ud800":1}"#),
    ("a lone surrogate in a skipped member", r#"{"features":{},"other":"\ud800"}"#),
    ("a lone surrogate in a skipped feature", r#"{"features":{"other":["\ud800"]}}"#),
    ("a lone surrogate in a skipped key", r#"{"features":{"other":{"\ud800":1}}}"#),
    ("a lone surrogate in the entity", r#"{"features":{},"entity_id":"\ud800"}"#),
    ("a bad escape in a skipped member", r#"{"features":{},"other":{"a":["\q"]}}"#),
    ("a bare line end in a string", "{\"features\":{\"plan\":\"ba\nsic\"}}"),
    ("a bare tab in a string", "{\"features\":{\"plan\":\"ba\tsic\"}}"),
    ("a bare NUL in a string", "{\"features\":{\"plan\":\"ba\0sic\"}}"),
    ("a bare control character in a string", "{\"features\":{\"plan\":\"ba\u{1f}sic\"}}"),
    ("a bare control character in a key", "{\"features\":{\"pl\u{1}an\":\"basic\"}}"),
    ("a bare control character in a skipped member", "{\"features\":{},\"other\":\"\u{1}\"}"),
    ("a form feed between", "{\u{c}\"features\":{}}"),
    ("a vertical tab between", "{\u{b}\"features\":{}}"),
    ("a no-break space between", "{\u{a0}\"features\":{}}"),
    ("a line separator between", "{\u{2028}\"features\":{}}"),
    ("a byte order mark", "\u{feff}{\"features\":{}}"),
    ("NUL before the value", "\0{\"features\":{}}"),
    ("NUL after the value", "{\"features\":{}}\0"),
    ("NUL only", "\0\0\0\0"),
    ("the same key twice in a skipped member", r#"{"features":{},"other":{"a":1,"a":2}}"#),
    ("the same key twice in a skipped feature", r#"{"features":{"other":{"a":1,"\u0061":2}}}"#),
];

/// Invalid UTF-8 inside a string of the body.
const NOT_UTF8: &[(&str, &[u8])] = &[
    ("a byte that is never UTF-8", b"\xff"),
    ("a continuation alone", b"\x80"),
    ("an overlong slash of two bytes", b"\xc0\xaf"),
    ("an overlong NUL", b"\xc0\x80"),
    ("an overlong slash of three bytes", b"\xe0\x80\xaf"),
    ("an overlong slash of four bytes", b"\xf0\x80\x80\xaf"),
    ("two of three bytes", b"\xe2\x82"),
    ("three of four bytes", b"\xf0\x9f\x98"),
    ("a surrogate in bytes", b"\xed\xa0\x80"),
    ("past the last code point", b"\xf4\x90\x80\x80"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
    ("Latin 1", b"caf\xe9"),
];

/// The positions of a string in the body, as the text before and after it.
const PLACES: &[(&str, &str, &str)] = &[
    ("in a value", r#"{"features":{"plan":""#, r#""}}"#),
    ("in a feature's name", r#"{"features":{""#, r#"":1}}"#),
    ("in a skipped member", r#"{"features":{},"other":""#, r#""}"#),
];

/// The texts that open and close a level of nesting.
const LEVELS: &[(&str, &str, &str)] = &[("lists", "[", "]"), ("objects", r#"{"a":"#, "}")];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TEXTS.iter().map(|(name, text)| Case::body(*name, text, MALFORMED)).collect();
    for (name, bytes) in NOT_UTF8 {
        for (place, before, after) in PLACES {
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            cases.push(Case::body(format!("{name}, {place}"), body, MALFORMED));
        }
    }
    cases.push(Case::body("a byte that is never UTF-8, outside of strings", b"{\xff}", MALFORMED));
    let utf16: Vec<u16> = GOOD.encode_utf16().collect();
    let marked: Vec<u16> = std::iter::once(0xfeff).chain(utf16.iter().copied()).collect();
    let little = |units: &[u16]| units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
    let big = |units: &[u16]| units.iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<u8>>();
    cases.push(Case::body("UTF-16, little end first", little(&utf16), MALFORMED));
    cases.push(Case::body("UTF-16, big end first", big(&utf16), MALFORMED));
    cases.push(Case::body("UTF-16 with a mark, little end first", little(&marked), MALFORMED));
    cases.push(Case::body("UTF-16 with a mark, big end first", big(&marked), MALFORMED));
    let utf32: Vec<u8> = GOOD.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
    cases.push(Case::body("UTF-32", utf32, MALFORMED));
    cases.push(Case::body("every byte there is", (0..=255).collect::<Vec<u8>>(), MALFORMED));
    cases.extend(nested());
    cases.extend(long());
    cases
}

/// Deeply nested bodies, closed and left open, at each position of a value. 33 levels are one too many.
fn nested() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, open, close) in LEVELS {
        for depth in [33, 1000, 100_000] {
            let (down, up) = (open.repeat(depth), close.repeat(depth));
            let whole = format!("{down}0{up}");
            cases.push(Case::body(format!("{depth} {kind}"), &whole, MALFORMED));
            cases.push(Case::body(format!("{depth} open {kind}"), &down, MALFORMED));
            for member in ["features", "entity_id", "explain", "other"] {
                let body = format!(r#"{{"{member}":{whole}}}"#);
                cases.push(Case::body(format!("{depth} {kind} as {member}"), body, MALFORMED));
            }
            let body = format!(r#"{{"features":{{"plan":{whole}}}}}"#);
            cases.push(Case::body(format!("{depth} {kind} as a feature"), body, MALFORMED));
        }
    }
    cases
}

/// Long tokens that are broken at their end, or never end.
fn long() -> Vec<Case> {
    let digits = "9".repeat(100_000);
    let letters = "x".repeat(900_000);
    let blanks = " ".repeat(900_000);
    [
        ("a number of 100,000 digits", format!(r#"{{"features":{{"monthly_charge":{digits}}}}}"#)),
        ("an exponent of 100,000 digits", format!(r#"{{"features":{{"monthly_charge":1e{digits}}}}}"#)),
        ("100,000 digits and a letter", format!(r#"{{"features":{{"monthly_charge":{digits}x}}}}"#)),
        ("a long string without an end", format!(r#"{{"features":{{"plan":"{letters}"#)),
        ("a long key without an end", format!(r#"{{"features":{{"{letters}"#)),
        ("a long string with a bad escape", format!(r#"{{"features":{{"plan":"{letters}\q"}}}}"#)),
        ("much blank space and no value", blanks),
        ("many quotation marks", "\"".repeat(100_000)),
        ("many backslashes", format!(r#"{{"features":{{"plan":"{}"#, "\\".repeat(99_999))),
        ("many commas", format!(r#"{{"features":[{}]}}"#, ",".repeat(100_000))),
    ]
    .map(|(name, body)| Case::body(name, body, MALFORMED))
    .to_vec()
}

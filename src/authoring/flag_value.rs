//! Values of command-line flags that are lists: read from one CSV record, and written so that a shell passes them on
//! unchanged. Knows no flag.

/// The value of a flag is not a list: what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FlagListError(String);

/// Reads a list as one CSV record: names are separated by commas; a name with a comma or a quote is in double quotes.
///
/// # Errors
/// Returns an error if a name is empty, or if a quote is not closed or not at the end of its name.
pub fn parse_list(text: &str) -> Result<Vec<String>, FlagListError> {
    let wrong = |what: &str| FlagListError(format!("expects names separated by commas, found {text:?}: {what}"));
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let (name, after) = unquote(quoted).ok_or_else(|| wrong("a quote is never closed"))?;
            if !after.is_empty() && !after.starts_with(',') {
                return Err(wrong("after a closing quote, only a comma may follow"));
            }
            (name, after)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        if name.is_empty() {
            return Err(wrong("a name is empty"));
        }
        names.push(name);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(names),
        }
    }
}

/// Returns the text up to the closing quote, `""` read as `"`, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                name.push('"');
                rest = next;
            }
            None => return Some((name, rest)),
        }
    }
}

/// Writes a list as one CSV record, quoted for a POSIX shell: what [`parse_list`] reads after pasting.
pub(super) fn list_argument<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    shell_quoted(&csv_record(names))
}

/// Writes a list as one CSV record.
pub(super) fn csv_record<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let field = |name: S| {
        let name = name.as_ref();
        if name.is_empty() || name.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", name.replace('"', "\"\""))
        } else {
            name.to_owned()
        }
    };
    names.into_iter().map(field).collect::<Vec<_>>().join(",")
}

/// Quotes a text for a POSIX shell, if it needs quotes.
pub fn shell_quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-.,:/=@%+".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_record_of_csv() {
        for (text, expected) in [
            ("a", &["a"][..]),
            ("Fair,Good,Very Good", &["Fair", "Good", "Very Good"]),
            (r#""a,b",c"#, &["a,b", "c"]),
            (r#"a,"say ""no""""#, &["a", r#"say "no""#]),
            (r#"5" pipe,x"#, &[r#"5" pipe"#, "x"]),
            (" a , b", &[" a ", " b"]),
        ] {
            assert_eq!(parse_list(text).expect("a list"), expected, "{text}");
        }
        for (text, what) in [
            ("", "found \"\": a name is empty"),
            ("a,,b", "a name is empty"),
            ("a,", "a name is empty"),
            (r#""a,b"#, "a quote is never closed"),
            (r#""a"b,c"#, "after a closing quote, only a comma may follow"),
        ] {
            let error = parse_list(text).expect_err("no list").to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_suggested_can_be_pasted() {
        for (names, argument) in [
            (&["Fair", "Good"][..], "Fair,Good"),
            (&["Fair", "Very Good"], "'Fair,Very Good'"),
            (&["a,b", "c"], r#"'"a,b",c'"#),
            (&["it's", "5\" x"], r#"'it'\''s,"5"" x"'"#),
            (&["<=50K", ">50K"], "'<=50K,>50K'"),
            (&["$x", "straße"], "'$x,straße'"),
        ] {
            assert_eq!(list_argument(names), argument);
            assert_eq!(parse_list(&csv_record(names)).expect("a list"), names);
        }
        assert_eq!(shell_quoted("plan=basic"), "plan=basic");
        assert_eq!(shell_quoted(""), "''");
    }
}

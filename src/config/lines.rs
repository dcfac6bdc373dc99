//! Finds the line numbers of the keys in a TOML file.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// Returns the line number, from 1, of each dotted key that the text sets; empty if the text is not valid TOML.
pub(super) fn lines(text: &str) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    if let Ok(table) = DeTable::parse(text) {
        gather(text, table.get_ref(), "", &mut found);
    }
    found
}

fn gather(text: &str, table: &DeTable<'_>, prefix: &str, found: &mut HashMap<String, usize>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        if let DeValue::Table(inner) = value.get_ref() {
            gather(text, inner, &key, found);
        } else {
            let before = text.get(..name.span().start).unwrap_or(text);
            found.insert(key, before.matches('\n').count() + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn each_key_has_its_own_line() {
        let text = "# port = 1\n[http]\nport = 2\nhost = \"::1\"\n\n[admin]\n  port = 3\n[http.cors]\norigins = [\n]\n";
        let found = lines(text);
        let line = |key: &str| found.get(key).copied();
        assert_eq!(
            ["http.port", "http.host", "admin.port", "http.cors.origins", "port"].map(line),
            [Some(3), Some(4), Some(7), Some(9), None]
        );
        assert_eq!(lines("http.port = 1\nadmin = { port = 2 }\n").len(), 2);
        assert!(lines("[http\n").is_empty());
    }
}

//! Recognises the index that pandas writes as a column, and the row names that R writes: they count rows, and are no
//! features.

/// Returns for each column whether it is such an index. `names` are those in the file; an empty one is a column without a
/// name.
///
/// In Parquet and Feather, pandas names an index without a name `__index_level_0__`, and that is recognised by its name
/// alone: the metadata of pandas is lost when another program writes the table again. In text it is the columns before
/// all others without a name, which pandas calls `Unnamed: 0` when it has read them. An index with a name is an ordinary
/// column.
pub(super) fn index_columns(names: &[String]) -> Vec<bool> {
    let leading = names.iter().take_while(|name| is_unnamed(name)).count();
    // A header without any name is no header of an index.
    let leading = if leading < names.len() { leading } else { 0 };
    names.iter().enumerate().map(|(index, name)| index < leading || is_index_level(name)).collect()
}

/// The name that pandas gives to a first column without one, also if it meets several of them.
fn is_unnamed(name: &str) -> bool {
    match name.strip_prefix("Unnamed: 0") {
        Some(rest) => rest.is_empty() || rest.strip_prefix('.').is_some_and(is_number),
        None => name.is_empty(),
    }
}

fn is_index_level(name: &str) -> bool {
    name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__")).is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unnamed_indexes_are_recognised() {
        let cases: [(&[&str], &[usize]); 9] = [
            (&["", "a"], &[0]),
            (&["", "", "a"], &[0, 1]),
            (&["a", ""], &[]),
            (&["", ""], &[]),
            (&["Unnamed: 0.1", "Unnamed: 0", "a"], &[0, 1]),
            (&["Unnamed: 1", "a"], &[]),
            (&["a", "Unnamed: 0"], &[]),
            (&["a", "__index_level_0__", "__index_level_12__"], &[1, 2]),
            (&["index", "__index_level___", "__index_level_x__"], &[]),
        ];
        for (names, expected) in cases {
            let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let found = index_columns(&owned);
            let found: Vec<usize> = (0..names.len()).filter(|column| found[*column]).collect();
            assert_eq!(found, expected, "{names:?}");
        }
    }
}

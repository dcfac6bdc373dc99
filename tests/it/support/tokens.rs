//! Files of callers and their tokens.

use std::path::Path;

use sha2::{Digest as _, Sha256};

/// A caller of a tokens file.
pub(crate) struct Caller<'a> {
    pub(crate) name: &'a str,
    pub(crate) token: &'a str,
    /// Further lines of its entry, such as `models = ["churn"]`.
    pub(crate) more: &'a str,
}

/// Writes a tokens file.
pub(crate) fn write_tokens(path: &Path, callers: &[Caller<'_>]) {
    let entry = |Caller { name, token, more }: &Caller<'_>| {
        let digest = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        format!("[[caller]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n{more}\n")
    };
    std::fs::write(path, callers.iter().map(entry).collect::<String>()).expect("written");
}

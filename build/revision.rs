//! Finds the commit of a source tree. Reads git's own files, so that git need not be installed; an integration test
//! covers every kind of tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Revision if none can be determined.
pub(crate) const UNKNOWN: &str = "unknown";

/// Result of the search.
#[derive(Debug)]
pub(crate) struct Found {
    /// The commit, as 40 or 64 hexadecimal digits; the given revision; or [`UNKNOWN`].
    pub(crate) revision: String,
    /// Files whose change may change the revision; they need not exist.
    pub(crate) files: Vec<PathBuf>,
}

/// Finds the revision of the tree at `root`. `given` (from `CANDOR_REVISION`) takes precedence; then git's files, in a
/// checkout, a linked worktree or a submodule; then the file that `cargo package` leaves in a crate.
pub(crate) fn find(root: &Path, given: Option<&str>) -> Found {
    if let Some(given) = given.map(str::trim).filter(|given| !given.is_empty()) {
        return Found { revision: given.to_owned(), files: Vec::new() };
    }
    let packaged = root.join(".cargo_vcs_info.json");
    let Some(git) = git_directory(root) else {
        let text = fs::read_to_string(&packaged).unwrap_or_default();
        let revision = text.split('"').find(|part| is_commit(part)).unwrap_or(UNKNOWN).to_owned();
        return Found { revision, files: vec![packaged] };
    };
    // A linked worktree has its own HEAD and shares the branches with the main one.
    let common = fs::read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |text| git.join(text.trim()));
    let head = git.join("HEAD");
    // Every commit and checkout appends to the reflog of HEAD, wherever the branch itself is stored.
    let mut files = vec![head.clone(), git.join("logs/HEAD")];
    let text = fs::read_to_string(&head).unwrap_or_default();
    let revision = match text.trim().strip_prefix("ref: ") {
        None => Some(text.trim().to_owned()),
        Some(name) => {
            let (loose, packed) = (common.join(name), common.join("packed-refs"));
            let found = fs::read_to_string(&loose).ok().or_else(|| {
                let text = fs::read_to_string(&packed).ok()?;
                let line = text.lines().find(|line| line.split_once(' ').is_some_and(|(_, branch)| branch == name))?;
                Some(line.split(' ').next()?.to_owned())
            });
            files.extend([loose, packed]);
            found.map(|text| text.trim().to_owned())
        }
    };
    Found { revision: revision.filter(|text| is_commit(text)).unwrap_or_else(|| UNKNOWN.to_owned()), files }
}

/// Returns git's directory; in a linked worktree or a submodule, `.git` is a file that points to it.
fn git_directory(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(root.join(text.strip_prefix("gitdir:")?.trim()))
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

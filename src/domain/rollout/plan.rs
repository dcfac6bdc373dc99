//! What to load or unload next: a pure function of what is on disk, what is loaded and what is wanted.

use std::collections::BTreeSet;

use crate::domain::name::VersionName;

/// Identifies the content of a version's files and the settings that it is loaded with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentId(pub String);

/// A version as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its name.
    pub name: VersionName,
    /// Its content.
    pub content: ContentId,
    /// Whether all of its files are there. If not, it is being copied.
    pub whole: bool,
    /// The size of its files.
    pub bytes: u64,
}

/// A version as it is in the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogedVersion {
    /// Its name.
    pub name: VersionName,
    /// The content that serves.
    pub serving: Option<ContentId>,
    /// The content that could not be loaded.
    pub rejected: Option<ContentId>,
    /// Whether it is being loaded or unloaded.
    pub busy: bool,
}

/// Which versions of a model are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The stable version, if it is known.
    pub stable: Option<VersionName>,
    /// The versions with a role, which stay loaded even if their files are gone.
    pub with_role: BTreeSet<VersionName>,
    /// The versions that model.toml and the moves select, including those with a role.
    pub selected: BTreeSet<VersionName>,
}

/// What to do next for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Load a version, for the first time or instead of the content that serves.
    Load(VersionName),
    /// Unload a version.
    Unload(VersionName),
    /// Remove a version that does not serve from the catalog.
    Forget(VersionName),
}

/// Decides the next action for a model; `None` if there is nothing to do, or an action is in progress.
///
/// Loads come before unloads, so that a new version serves before an old one is let go. The stable version is loaded
/// first, then the newest.
pub fn next_action(listed: &[ListedVersion], cataloged: &[CatalogedVersion], wanted: &Wanted) -> Option<Action> {
    if cataloged.iter().any(|version| version.busy) {
        return None;
    }
    let known = |name: &VersionName| cataloged.iter().find(|version| version.name == *name);
    let to_load = |version: &&ListedVersion| {
        let tried = known(&version.name).is_some_and(|known| {
            known.serving.as_ref() == Some(&version.content) || known.rejected.as_ref() == Some(&version.content)
        });
        version.whole && !tried && wanted.selected.contains(&version.name)
    };
    let first = |version: &&ListedVersion| (wanted.stable.as_ref() == Some(&version.name), version.name.clone());
    if let Some(version) = listed.iter().filter(to_load).max_by_key(first) {
        return Some(Action::Load(version.name.clone()));
    }
    // A model without any version was removed; otherwise a version with a role serves on without its files.
    let kept = |name: &VersionName| !listed.is_empty() && wanted.with_role.contains(name);
    let offered =
        |name: &VersionName| wanted.selected.contains(name) && listed.iter().any(|version| version.name == *name);
    let leaving = cataloged.iter().find(|version| !offered(&version.name) && !kept(&version.name))?;
    Some(match leaving.serving {
        Some(_) => Action::Unload(leaving.name.clone()),
        None => Action::Forget(leaving.name.clone()),
    })
}

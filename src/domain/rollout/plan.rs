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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> VersionName {
        VersionName::new(text).expect("a name")
    }

    /// A version on disk from `1a`, the name and the content; with a `~` its files are not all there.
    fn listed(text: &str) -> ListedVersion {
        let content = ContentId(text[1..2].to_owned());
        ListedVersion { name: name(&text[..1]), content, whole: !text.contains('~'), bytes: 1 }
    }

    /// A version in the catalog: `1a` serves content a, `1-a` could not be loaded with content a, `1ab` both; `*` is busy.
    fn cataloged(text: &str) -> CatalogedVersion {
        let mut contents = text[1..].trim_end_matches('*').chars().map(|letter| (letter != '-').then_some(letter));
        let mut content = || contents.next().flatten().map(|letter| ContentId(letter.to_string()));
        CatalogedVersion { name: name(&text[..1]), serving: content(), rejected: content(), busy: text.ends_with('*') }
    }

    fn split<T>(text: &str, read: impl Fn(&str) -> T) -> Vec<T> {
        text.split_whitespace().map(read).collect()
    }

    #[test]
    fn the_next_action_is_as_expected() {
        let (load, unload) = (|text| Some(Action::Load(name(text))), |text| Some(Action::Unload(name(text))));
        let forget = |text| Some(Action::Forget(name(text)));
        // What is on disk, in the catalog, stable, with a role and selected.
        for (on_disk, catalog, stable, roles, selected, expected) in [
            ("", "", "", "", "", None),
            ("1a", "", "", "", "1", load("1")),
            ("1a~", "", "", "", "1", None),
            ("1a", "", "", "", "", None),
            ("1a", "1a", "1", "1", "1", None),
            ("1a 2a", "", "", "", "1 2", load("2")),
            ("1a 2a", "", "1", "1", "1 2", load("1")),
            ("1a 2a", "1a", "1", "1", "1 2", load("2")),
            ("1b", "1a", "1", "1", "1", load("1")),
            ("1b~", "1a", "1", "1", "1", None),
            ("1b", "1ab", "1", "1", "1", None),
            ("1c", "1ab", "1", "1", "1", load("1")),
            ("1a", "1ab", "1", "1", "1", None),
            ("1a", "1-a", "", "", "1", None),
            ("1b", "1-a", "", "", "1", load("1")),
            ("1a 2a", "1a 2*", "1", "1", "1 2", None),
            ("1a 2a 3a", "1a 2a*", "1", "1", "1 2 3", None),
            ("1a 2a 3a", "1a 2a", "1", "1", "1 3", load("3")),
            ("1a 2a 3a", "1a 2a 3a", "1", "1", "1 3", unload("2")),
            ("1a 2a", "1a 2-a", "1", "1", "1", forget("2")),
            ("2a", "1a 2a", "1", "1", "1 2", None),
            ("2a", "1a 2a", "2", "2", "1 2", unload("1")),
            ("", "1a 2-a", "1", "1", "1 2", unload("1")),
            ("", "2-a", "1", "1", "1 2", forget("2")),
            ("1a", "", "7", "7", "1 7", load("1")),
        ] {
            let names = |text| split(text, name).into_iter().collect::<BTreeSet<_>>();
            let wanted =
                Wanted { stable: names(stable).pop_first(), with_role: names(roles), selected: names(selected) };
            let found = next_action(&split(on_disk, listed), &split(catalog, cataloged), &wanted);
            assert_eq!(found, expected, "{on_disk} | {catalog} | {stable} | {selected}");
        }
    }

    fn any_listed() -> impl Strategy<Value = Vec<ListedVersion>> {
        let version = (0..6_u8, prop::sample::select(vec!["a", "b", "c"]), prop::bool::weighted(0.8));
        prop::collection::btree_map(1..7_u8, version, 0..6).prop_map(|versions| {
            let of = |(name, (_, content, whole)): (u8, (u8, &str, bool))| {
                listed(&format!("{name}{content}{}", if whole { "" } else { "~" }))
            };
            versions.into_iter().map(of).collect()
        })
    }

    fn any_cataloged() -> impl Strategy<Value = Vec<CatalogedVersion>> {
        let contents = prop::sample::select(vec!["a", "b", "-a", "-b", "ab", "ba"]);
        prop::collection::btree_map(1..7_u8, contents, 0..6).prop_map(|versions| {
            versions.into_iter().map(|(name, contents)| cataloged(&format!("{name}{contents}"))).collect()
        })
    }

    fn any_wanted() -> impl Strategy<Value = Wanted> {
        let names = || prop::collection::btree_set((1..7_u8).prop_map(|version| name(&version.to_string())), 0..5);
        (names(), names(), any::<prop::sample::Index>()).prop_map(|(with_role, selected, index)| Wanted {
            stable: (!with_role.is_empty())
                .then(|| with_role.iter().nth(index.index(with_role.len())).cloned())
                .flatten(),
            selected: selected.union(&with_role).cloned().collect(),
            with_role,
        })
    }

    /// Whether a version has still to be loaded.
    fn is_due(version: &ListedVersion, catalog: &[CatalogedVersion], wanted: &Wanted) -> bool {
        let same = |known: &Option<ContentId>| known.as_ref() == Some(&version.content);
        let known = catalog.iter().find(|known| known.name == version.name);
        let tried = known.is_some_and(|known| same(&known.serving) || same(&known.rejected));
        version.whole && !tried && wanted.selected.contains(&version.name)
    }

    /// Carries out an action; content `c` cannot be loaded.
    fn carry_out(action: &Action, listed: &[ListedVersion], catalog: &mut Vec<CatalogedVersion>) {
        match action {
            Action::Load(name) => {
                let version = listed.iter().find(|version| version.name == *name).expect("it is listed");
                let mut known = catalog
                    .iter()
                    .find(|known| known.name == *name)
                    .cloned()
                    .unwrap_or_else(|| cataloged(name.as_str()));
                catalog.retain(|known| known.name != *name);
                if version.content.0 == "c" {
                    known.rejected = Some(version.content.clone());
                } else {
                    (known.serving, known.rejected) = (Some(version.content.clone()), None);
                }
                catalog.push(known);
            }
            Action::Unload(name) | Action::Forget(name) => catalog.retain(|known| known.name != *name),
        }
    }

    proptest! {
        #[test]
        fn any_listing_is_reached_by_sound_steps(
            listed in any_listed(), start in any_cataloged(), wanted in any_wanted(),
        ) {
            let mut catalog = start.clone();
            let mut steps = 0;
            while let Some(action) = next_action(&listed, &catalog, &wanted) {
                let due: Vec<_> = listed.iter().filter(|version| is_due(version, &catalog, &wanted)).collect();
                match &action {
                    Action::Load(name) => {
                        let first = due.iter().find(|version| Some(&version.name) == wanted.stable.as_ref());
                        let newest = due.iter().map(|version| &version.name).max();
                        prop_assert_eq!(Some(name), first.map(|version| &version.name).or(newest));
                    }
                    Action::Unload(name) | Action::Forget(name) => {
                        prop_assert!(due.is_empty(), "loads come first");
                        prop_assert!(listed.is_empty() || !wanted.with_role.contains(name));
                        let known = catalog.iter().find(|known| known.name == *name).expect("it is there");
                        prop_assert_eq!(matches!(action, Action::Unload(_)), known.serving.is_some());
                    }
                }
                // While it is in progress, nothing else begins.
                if let Some(known) = catalog.first_mut() {
                    known.busy = true;
                    prop_assert_eq!(next_action(&listed, &catalog, &wanted), None);
                    catalog[0].busy = false;
                }
                carry_out(&action, &listed, &mut catalog);
                steps += 1;
                prop_assert!(steps <= listed.len() + start.len(), "it does not converge");
            }
            for version in &listed {
                prop_assert!(!is_due(version, &catalog, &wanted));
            }
            for known in &catalog {
                let on_disk = listed.iter().any(|version| version.name == known.name);
                let kept = !listed.is_empty() && wanted.with_role.contains(&known.name);
                prop_assert!(kept || on_disk && wanted.selected.contains(&known.name));
            }
            // A version with a role serves on, whatever became of its files.
            for before in start.iter().filter(|known| known.serving.is_some()) {
                let serves = catalog.iter().any(|known| known.name == before.name && known.serving.is_some());
                prop_assert!(serves || listed.is_empty() || !wanted.with_role.contains(&before.name));
            }
        }
    }
}

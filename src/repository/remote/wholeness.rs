//! Decides whether a version in the store is whole or still being uploaded.
//!
//! A version is whole if version.json lists digests that match, or if nothing of it has changed for the settle time. A
//! file that version.json lists and that is not there is waited for without a limit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use serde::Deserialize;

use super::listing::RemoteVersion;

/// The file of a version that lists the digests of the others.
pub(super) const MANIFEST: &str = "version.json";

/// The moment of a sync, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct SyncTime {
    pub(super) instant: Instant,
    /// For comparison with the store's times of last change.
    pub(super) wall: SystemTime,
}

impl SyncTime {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }
}

/// When the present content of each version was first listed, by path `<model>/<version>`.
#[derive(Debug, Default)]
pub(super) struct FirstSeen {
    seen: BTreeMap<String, (String, Instant)>,
}

impl FirstSeen {
    /// Notes the content of a version and returns how long it has been listed.
    pub(super) fn observe(&mut self, path: &str, fingerprint: &str, now: Instant) -> Duration {
        match self.seen.get(path) {
            Some((seen, since)) if seen == fingerprint => now.saturating_duration_since(*since),
            _ => {
                self.seen.insert(path.to_owned(), (fingerprint.to_owned(), now));
                Duration::ZERO
            }
        }
    }

    /// Forgets the versions that are not listed any more.
    pub(super) fn retain(&mut self, listed: impl Fn(&str) -> bool) {
        self.seen.retain(|path, _| listed(path));
    }
}

/// Whether nothing of a version has changed for the settle time, by the store's times or by our own observation.
pub(super) fn settled(version: &RemoteVersion, seen: Duration, settle: Duration, now: SyncTime) -> bool {
    let newest = version.files.values().map(|object| object.modified).max();
    // A time in the future comes from a clock that differs from ours; only our observation counts then.
    let age = newest.and_then(|newest| now.wall.duration_since(newest).ok());
    seen >= settle || age.is_some_and(|age| age >= settle)
}

/// What to do with a version that is not in the cache.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MirrorDecision {
    /// Mirror it.
    Take,
    /// Mirror it if its files have these digests, by name.
    TakeIfDigestsMatch(BTreeMap<String, String>),
    /// Leave it for a later sync, for this reason.
    Wait(String),
}

/// Decides what to do with a version, by the text of its version.json.
pub(super) fn decide(version: &RemoteVersion, manifest: Option<&str>, settled: bool) -> MirrorDecision {
    let listed = manifest.map(listed_files).unwrap_or_default();
    if let Some(missing) = listed.keys().find(|name| !version.files.contains_key(*name)) {
        return MirrorDecision::Wait(format!("version.json lists {missing}, which is not there yet"));
    }
    match (settled, listed.is_empty()) {
        (true, _) => MirrorDecision::Take,
        (false, false) => MirrorDecision::TakeIfDigestsMatch(listed),
        (false, true) => MirrorDecision::Wait("its files changed less than the settle time ago".to_owned()),
    }
}

/// The digests in version.json. An unreadable version.json lists none; loading reports it.
fn listed_files(text: &str) -> BTreeMap<String, String> {
    #[derive(Deserialize, Default)]
    struct ListedFiles {
        #[serde(default)]
        files: BTreeMap<String, String>,
    }
    serde_json::from_str::<ListedFiles>(text).unwrap_or_default().files
}

#[cfg(test)]
mod tests {
    use super::{super::object::RemoteObject, *};
    use crate::domain::name::VersionName;

    fn version(files: &[(&str, SystemTime)]) -> RemoteVersion {
        let object = |(name, modified): &(&str, SystemTime)| {
            let key = format!("wine/1/{name}");
            ((*name).to_owned(), RemoteObject { key, size: 1, e_tag: Some("\"1\"".into()), modified: *modified })
        };
        RemoteVersion { name: VersionName::new("1").expect("a name"), files: files.iter().map(object).collect() }
    }

    #[test]
    fn a_version_settles_by_either_clock() {
        let now = SyncTime::now();
        let (settle, second) = (Duration::from_secs(2), Duration::from_secs(1));
        let at = |seconds_ago: u32| now.wall - second * seconds_ago;
        for (name, modified, seen, expected) in [
            ("old", at(10), 0, true),
            ("just old enough", at(2), 0, true),
            ("new", at(1), 0, false),
            ("new and listed for long", at(1), 2, true),
            ("from the future", now.wall + second * 60, 1, false),
            ("from the future and listed for long", now.wall + second * 60, 3, true),
        ] {
            let files = version(&[("model.onnx", at(100)), ("golden.jsonl", modified)]);
            assert_eq!(settled(&files, second * seen, settle, now), expected, "{name}");
        }
    }

    #[test]
    fn the_first_sight_is_that_of_the_present_content() {
        let (mut first, start) = (FirstSeen::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for (fingerprint, at, expected) in [("a", 0, 0), ("a", 1, 1), ("b", 2, 0), ("b", 5, 3), ("a", 6, 0)] {
            let seen = first.observe("wine/1", fingerprint, after(at));
            assert_eq!(seen, Duration::from_secs(expected), "{fingerprint} at {at}");
        }
        first.retain(|path| path != "wine/1");
        assert_eq!(first.observe("wine/1", "a", after(9)), Duration::ZERO);
    }

    #[test]
    fn incomplete_versions_wait() {
        let files = version(&[("model.onnx", SystemTime::UNIX_EPOCH), ("version.json", SystemTime::UNIX_EPOCH)]);
        let listed = |names: &[&str]| {
            let files: BTreeMap<String, String> =
                names.iter().map(|name| ((*name).to_owned(), "sha256:0".into())).collect();
            serde_json::json!({ "files": files, "notes": "n" }).to_string()
        };
        let digests = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "sha256:0".into())).collect();
        let missing = MirrorDecision::Wait("version.json lists weights.bin, which is not there yet".into());
        let changing = || MirrorDecision::Wait("its files changed less than the settle time ago".into());
        for (name, manifest, settled, expected) in [
            ("no version.json, new", None, false, changing()),
            ("no version.json, settled", None, true, MirrorDecision::Take),
            ("lists nothing, new", Some("{}".to_owned()), false, changing()),
            ("malformed, new", Some("{".to_owned()), false, changing()),
            ("malformed, settled", Some("{".to_owned()), true, MirrorDecision::Take),
            (
                "all there, new",
                Some(listed(&["model.onnx"])),
                false,
                MirrorDecision::TakeIfDigestsMatch(digests(&["model.onnx"])),
            ),
            ("all there, settled", Some(listed(&["model.onnx"])), true, MirrorDecision::Take),
            ("one missing, settled", Some(listed(&["model.onnx", "weights.bin"])), true, missing),
        ] {
            assert_eq!(decide(&files, manifest.as_deref(), settled), expected, "{name}");
        }
    }
}

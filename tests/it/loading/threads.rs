//! Many models do not need many threads.

use std::fs;

use crate::support::{packages::add, process::Process};

/// The names of a process's threads.
fn threads(process: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).expect("its threads").flatten();
    let name = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("comm")).ok();
    entries.filter_map(name).map(|name| name.trim().to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn one_thread_watches_over_all_models() {
    let repository = tempfile::tempdir().expect("a directory");
    for number in 0..12 {
        add(repository.path(), &format!("m{number}"), "logits", &[]);
    }
    let process = Process::serve(&[&repository.path().display().to_string()]);
    let threads = threads(process.child.id());
    assert_eq!(threads.iter().filter(|name| name.starts_with("watch")).count(), 1, "{threads:?}");
    assert_eq!(threads.iter().filter(|name| name.starts_with("load")).count(), 0, "{threads:?}");
}

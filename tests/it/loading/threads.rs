//! Many models do not need many threads.

use std::fs;

use crate::support::{packages::add, process::Process, wait::wait_until};

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
    let count = |prefix: &str| threads(process.child.id()).iter().filter(|name| name.starts_with(prefix)).count();
    // The models are ready a moment before the last thread that loaded one has ended.
    wait_until("the threads that loaded have ended", || count("load") == 0);
    assert_eq!(count("watch"), 1);
}

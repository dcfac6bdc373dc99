//! The processors that this process may really use: the affinity mask and the control groups' quotas, version 2 and 1.
//!
//! ONNX Runtime looks at neither, and would start a thread for every processor of the machine. A pure function over the
//! texts of /proc and /sys decides; reading them is separate, so that recorded ones can be tried.

use std::{fs, path::Path};

/// What the system's files say. A file that is not there is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Recorded {
    /// `Cpus_allowed_list` of /proc/self/status, such as `0-3,8`.
    allowed: Option<String>,
    /// `cpu.max` of the process's own group and of each above it: a quota or `max`, and a period, in microseconds.
    cpu_max: Vec<String>,
    /// `cpu.cfs_quota_us` and `cpu.cfs_period_us` of the same groups under version 1.
    cfs: Vec<(String, String)>,
}

/// The processors that this process may use, at least one.
pub fn processors() -> usize {
    let fallback = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    count(&read(Path::new("/proc"), Path::new("/sys/fs/cgroup")), fallback)
}

/// Whole processors: of a quota of one and a half, one; threads beyond it would only be throttled.
fn count(recorded: &Recorded, fallback: usize) -> usize {
    let allowed = recorded.allowed.as_deref().and_then(parse_list).unwrap_or(fallback);
    let version2 = recorded.cpu_max.iter().filter_map(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        whole(quota, period)
    });
    let version1 = recorded.cfs.iter().filter_map(|(quota, period)| whole(quota, period));
    version2.chain(version1).fold(allowed, usize::min).max(1)
}

/// Quota over period, rounded down; `None` where there is no quota.
fn whole(quota: &str, period: &str) -> Option<usize> {
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    usize::try_from(quota.checked_div(period)?).ok()
}

/// How many processors a list such as `0-3,8` names.
fn parse_list(text: &str) -> Option<usize> {
    let mut total = 0;
    for part in text.trim().split(',') {
        total += match part.split_once('-') {
            Some((first, last)) => last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1,
            None => part.parse::<usize>().map(|_| 1).ok()?,
        };
    }
    (total > 0).then_some(total)
}

fn read(proc: &Path, groups: &Path) -> Recorded {
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    let allowed =
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(|list| list.trim().to_owned());
    let mut recorded = Recorded { allowed, ..Recorded::default() };
    let own = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    for line in own.lines() {
        // `0::/path` for version 2, `4:cpu,cpuacct:/path` for version 1.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let version2 = controllers.is_empty();
        if !version2 && !controllers.split(',').any(|name| name == "cpu") {
            continue;
        }
        let root = if version2 { groups.to_path_buf() } else { groups.join(controllers) };
        let group = root.join(path.trim_start_matches('/'));
        // A group is bound by those above it; inside a container the path may lie outside of what is mounted.
        for directory in group.ancestors().take_while(|directory| directory.starts_with(&root)) {
            if version2 {
                recorded.cpu_max.extend(fs::read_to_string(directory.join("cpu.max")));
            } else if let (Ok(quota), Ok(period)) = (
                fs::read_to_string(directory.join("cpu.cfs_quota_us")),
                fs::read_to_string(directory.join("cpu.cfs_period_us")),
            ) {
                recorded.cfs.push((quota, period));
            }
        }
    }
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(allowed: &str, cpu_max: &[&str], cfs: &[(&str, &str)]) -> Recorded {
        Recorded {
            allowed: Some(allowed.to_owned()),
            cpu_max: cpu_max.iter().map(ToString::to_string).collect(),
            cfs: cfs.iter().map(|(quota, period)| ((*quota).to_owned(), (*period).to_owned())).collect(),
        }
    }

    #[test]
    fn the_least_of_mask_and_quotas_counts() {
        let cases = [
            ("a plain machine", recorded("0-15", &["max 100000\n"], &[]), 16),
            ("taskset to one", recorded("3", &["max 100000\n"], &[]), 1),
            ("taskset to a few", recorded("0-1,4,6-7", &[], &[]), 5),
            ("half a processor", recorded("0-7", &["50000 100000\n"], &[]), 1),
            ("one processor", recorded("0-7", &["100000 100000\n"], &[]), 1),
            ("one and a half", recorded("0-7", &["150000 100000\n"], &[]), 1),
            ("four of eight", recorded("0-7", &["400000 100000"], &[]), 4),
            ("a group above is tighter", recorded("0-7", &["400000 100000", "200000 100000", "max 100000"], &[]), 2),
            ("the mask is tighter", recorded("0-1", &["400000 100000"], &[]), 2),
            ("version 1 without a quota", recorded("0-7", &[], &[("-1\n", "100000\n")]), 8),
            ("version 1, two and a half", recorded("0-7", &[], &[("250000\n", "100000\n")]), 2),
            ("nothing readable", Recorded::default(), 6),
            ("nonsense", recorded("x-y", &["lots of time"], &[("", "")]), 6),
        ];
        for (name, recorded, expected) in cases {
            assert_eq!(count(&recorded, 6), expected, "{name}");
        }
    }

    #[test]
    fn the_files_of_a_container_are_read() {
        let root = tempfile::tempdir().expect("a directory");
        let (proc, groups) = (root.path().join("proc"), root.path().join("cgroup"));
        fs::create_dir_all(proc.join("self")).expect("made");
        fs::create_dir_all(groups.join("app/inner")).expect("made");
        fs::write(proc.join("self/status"), "Name:\tcandor\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n")
            .expect("written");
        fs::write(proc.join("self/cgroup"), "0::/app/inner\n").expect("written");
        fs::write(groups.join("app/inner/cpu.max"), "max 100000\n").expect("written");
        fs::write(groups.join("app/cpu.max"), "300000 100000\n").expect("written");
        let recorded = read(&proc, &groups);
        assert_eq!((recorded.allowed.as_deref(), recorded.cpu_max.len()), (Some("0-7"), 2));
        assert_eq!(count(&recorded, 1), 3);
    }

    #[test]
    fn this_machine_has_some() {
        assert!((1..=std::thread::available_parallelism().map_or(1, std::num::NonZero::get)).contains(&processors()));
    }
}

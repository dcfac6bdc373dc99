//! The limit of open files of the process, which includes the sockets of connections.

/// Raises the limit to the maximum that the system allows, and returns it; `None` if it is unlimited or unknown.
///
/// The limit that a shell or a service manager sets is often 1,024, for programs that use `select`. A server with
/// thousands of connections needs more.
pub fn raise_open_files() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        {
            tracing::debug!(%error, "the limit on open files could not be raised");
            return current;
        }
        // `None` means unlimited.
        maximum
    }
    #[cfg(not(target_os = "linux"))]
    None
}

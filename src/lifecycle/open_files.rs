//! How many files the process may have open, the sockets of its connections among them.

/// Raises the limit to the most that the system allows, and gives it; `None` where it is not known.
///
/// The limit that a shell or a service manager starts a program with is often 1,024, for the sake of programs that use
/// `select`; a server of thousands of connections needs what it may have.
pub fn raise_open_files() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        {
            tracing::debug!(%error, "the limit of open files could not be raised");
            return current;
        }
        // Where there is no limit there is nothing to tell.
        maximum
    }
    #[cfg(not(target_os = "linux"))]
    None
}

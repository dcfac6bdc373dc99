//! Runs long work off the serving threads.

use super::lower_thread_priority;

/// The work panicked.
#[derive(Debug, thiserror::Error)]
#[error("background work failed: {0}")]
pub struct DetachedError(#[from] tokio::task::JoinError);

/// Runs work on a separate low-priority thread and waits for it. If the future is dropped, the work still runs to its
/// end, so it must be short or check its deadline.
///
/// # Errors
/// Returns a [`DetachedError`] if the work panics.
pub async fn run_detached<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DetachedError> {
    let low = move || {
        lower_thread_priority();
        work()
    };
    Ok(tokio::task::spawn_blocking(low).await?)
}

//! Work that takes long, done beside the threads that serve.

use super::lower_thread_priority;

/// The work ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("work beside the serving threads failed: {0}")]
pub struct DetachedError(#[from] tokio::task::JoinError);

/// Does work on a thread of its own, with low priority, and waits for it. Work that nobody waits for any more goes on to
/// its end: it must be short, or look at its deadline.
///
/// # Errors
/// [`DetachedError`] where the work panics.
pub async fn run_detached<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DetachedError> {
    let low = move || {
        lower_thread_priority();
        work()
    };
    Ok(tokio::task::spawn_blocking(low).await?)
}

//! Work that takes long, done beside the threads that serve.

use super::stand_back;

/// The work ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("work beside the serving threads failed: {0}")]
pub struct AsideError(#[from] tokio::task::JoinError);

/// Does work on a thread of its own, with low priority, and waits for it. Work that nobody waits for any more goes on to
/// its end: it must be short, or look at its deadline.
///
/// # Errors
/// [`AsideError`] where the work panics.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AsideError> {
    let low = move || {
        stand_back();
        work()
    };
    Ok(tokio::task::spawn_blocking(low).await?)
}

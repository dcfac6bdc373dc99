//! profile.json: reads the reference statistics of the training data.

use std::path::Path;

use super::error::{LoadError, not_an_object};
use crate::domain::profile::Profile;

/// Parses a profile and checks its consistency. On failure, returns every problem.
pub(super) fn read_profile(path: &Path, text: &str) -> Result<Profile, Vec<LoadError>> {
    let wrong = |detail: String| LoadError::Content { path: path.to_path_buf(), detail };
    let array = text.trim_start().starts_with('[');
    let read = if array { Err(not_an_object()) } else { serde_json::from_str::<Profile>(text) };
    let profile = read.map_err(|error| vec![wrong(error.to_string())])?;
    let faults: Vec<LoadError> = profile.faults().into_iter().map(wrong).collect();
    if faults.is_empty() { Ok(profile) } else { Err(faults) }
}

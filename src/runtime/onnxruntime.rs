//! Finds and loads ONNX Runtime's shared library, with its telemetry disabled.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{error_message::redact, onnxruntime_version};

/// A library cannot be loaded: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct OpenLibraryError(String);

impl From<String> for OpenLibraryError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The environment variable that disables telemetry in official builds of ONNX Runtime. The library reads it at
/// initialization, so it must be set before.
pub const DISABLE_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// The ONNX Runtime version that this program is built for; newer versions can be loaded, too.
pub const EXPECTED_VERSION: &str = "1.31";

/// The directory under the working directory that is searched; `make runtime` puts the library there.
const FETCHED_DIR: &str = ".onnxruntime";

/// The loaded ONNX Runtime library. Cheap to clone.
#[derive(Clone)]
pub struct OrtLibrary {
    pub(super) environment: ort::environment::Environment,
    path: Arc<Path>,
    version: Arc<str>,
}

/// ONNX Runtime could not be loaded.
#[derive(Debug)]
pub struct OrtLibraryError {
    tried: Vec<(PathBuf, OpenLibraryError)>,
}

impl fmt::Display for OrtLibraryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "the shared library of ONNX Runtime 1.{}.x could not be loaded; tried:",
            ort::MINOR_VERSION
        )?;
        for (path, reason) in &self.tried {
            writeln!(formatter, "  {}: {reason}", path.display())?;
        }
        write!(
            formatter,
            "get it with `make runtime` (or unpack the Python package onnxruntime 1.{}.x), and pass its path with \
             --onnxruntime or ORT_DYLIB_PATH",
            ort::MINOR_VERSION
        )
    }
}

impl std::error::Error for OrtLibraryError {}

/// One library per process: ONNX Runtime allows only one environment, and tests start many servers.
static LOADED: Mutex<Option<OrtLibrary>> = Mutex::new(None);

impl OrtLibrary {
    /// Loads the library, or returns the one that is already loaded.
    ///
    /// If `explicit` is given, only that path is tried; else, if `ORT_DYLIB_PATH` is set, only that. Otherwise these
    /// are tried: the executable's directory, `.onnxruntime/`, and the system's library search path.
    ///
    /// # Errors
    /// Returns an [`OrtLibraryError`] that lists each path tried and why it failed.
    pub fn load(explicit: &Path) -> Result<Self, OrtLibraryError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.as_ref() {
            return Ok(library.clone());
        }
        let mut tried = Vec::new();
        for path in candidates(explicit) {
            match open(&path) {
                Ok(library) => {
                    *loaded = Some(library.clone());
                    return Ok(library);
                }
                Err(reason) => tried.push((path, reason)),
            }
        }
        Err(OrtLibraryError { tried })
    }

    /// The file that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The build string of the loaded library: version, commit, flags.
    pub fn build(&self) -> &'static str {
        ort::info()
    }

    /// The version of the loaded library, read from its file; `unknown` if the file does not contain it.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn file_name() -> String {
    format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn candidates(explicit: &Path) -> Vec<PathBuf> {
    if !explicit.as_os_str().is_empty() {
        return vec![explicit.to_path_buf()];
    }
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return vec![PathBuf::from(path)];
    }
    let beside = env::current_exe().ok().and_then(|executable| Some(executable.parent()?.join(file_name())));
    let fetched = env::current_dir().ok().map(|directory| directory.join(FETCHED_DIR).join(file_name()));
    // For a bare file name, the system's loader does the search.
    beside.into_iter().chain(fetched).chain([PathBuf::from(file_name())]).collect()
}

fn open(path: &Path) -> Result<OrtLibrary, OpenLibraryError> {
    let absolute = path.components().count() > 1;
    if absolute && !path.is_file() {
        return Err("no such file".to_owned().into());
    }
    let builder = ort::init_from(path).map_err(|error| error.to_string())?;
    let environment = builder
        .with_name("candor")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, id, place, message| {
            forward_log(level, (category, id), place, message);
        }))
        .build()
        .map_err(|error| error.to_string())?;
    let version = onnxruntime_version::version(path);
    Ok(OrtLibrary { environment, path: Arc::from(path), version: version.as_deref().unwrap_or("unknown").into() })
}

/// Forwards ONNX Runtime's log lines to `tracing`, at a lower level: its information is detail here, and its error
/// messages may quote feature values, so only a redacted form is logged as a warning. `session` is the log id of the
/// session: the model and version, or the file.
fn forward_log(level: ort::logging::LogLevel, (category, session): (&str, &str), place: &str, message: &str) {
    use ort::logging::LogLevel;
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::trace!(target: "onnxruntime", category, session, place, "{message}");
        }
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", category, session, place, "{message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::debug!(target: "onnxruntime", category, session, place, "{message}");
            tracing::warn!(target: "onnxruntime", category, session, place, "{}", redact("error", message));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_that_it_is_built_for_is_that_of_the_interface() {
        assert_eq!(super::EXPECTED_VERSION, format!("1.{}", ort::MINOR_VERSION));
    }
}

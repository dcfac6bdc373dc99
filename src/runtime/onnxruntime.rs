//! Finds and loads ONNX Runtime's shared library, with its own reporting of usage switched off.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{error_message::redact, onnxruntime_version};

/// The environment variable that keeps official builds of ONNX Runtime from reporting usage. The library reads it when
/// it is initialised, so it must be set before.
pub const DISABLE_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// The version of ONNX Runtime that this program is built for; it loads a newer one, too.
pub const EXPECTED_VERSION: &str = "1.31";

/// Where the library is looked for under the working directory; `make run` puts it there.
const FETCHED_DIR: &str = ".onnxruntime";

/// ONNX Runtime, loaded. Cheap to clone.
#[derive(Clone)]
pub struct OrtLibrary {
    pub(super) environment: ort::environment::Environment,
    path: Arc<Path>,
    version: Arc<str>,
}

/// ONNX Runtime could not be loaded.
#[derive(Debug)]
pub struct OrtLibraryError {
    tried: Vec<(PathBuf, String)>,
}

impl fmt::Display for OrtLibraryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "the shared library of ONNX Runtime 1.{}.x could not be loaded; tried",
            ort::MINOR_VERSION
        )?;
        for (path, reason) in &self.tried {
            writeln!(formatter, "  {}: {reason}", path.display())?;
        }
        write!(
            formatter,
            "get it with `make runtime` (or unpack the Python package onnxruntime 1.{}.x), and name it with \
             --onnxruntime or ORT_DYLIB_PATH",
            ort::MINOR_VERSION
        )
    }
}

impl std::error::Error for OrtLibraryError {}

/// One library a process: ONNX Runtime allows one environment only, and tests start many servers.
static LOADED: Mutex<Option<OrtLibrary>> = Mutex::new(None);

impl OrtLibrary {
    /// Loads the library, or returns the one that is loaded already.
    ///
    /// `explicit` is tried alone; without it `ORT_DYLIB_PATH` alone; else beside the executable, `.onnxruntime/`, and the
    /// system's own search.
    ///
    /// # Errors
    /// [`OrtLibraryError`] names each place that was tried, and why it was not taken.
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

    /// The build that was loaded, as it describes itself: version, commit, flags.
    pub fn build(&self) -> &'static str {
        ort::info()
    }

    /// The version that was loaded, as its file says it; `unknown` where the file does not.
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
    // A bare file name leaves the search to the system's loader.
    beside.into_iter().chain(fetched).chain([PathBuf::from(file_name())]).collect()
}

fn open(path: &Path) -> Result<OrtLibrary, String> {
    let absolute = path.components().count() > 1;
    if absolute && !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let builder = ort::init_from(path).map_err(|error| error.to_string())?;
    let environment = builder
        .with_name("candor")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, place, message| forward_log(level, category, place, message)))
        .build()
        .map_err(|error| error.to_string())?;
    let version = onnxruntime_version::version(path);
    Ok(OrtLibrary { environment, path: Arc::from(path), version: version.as_deref().unwrap_or("unknown").into() })
}

/// Hands the runtime's own log lines to ours: what it calls information is detail to us, and what it says of a failure may
/// quote the values that a run failed on.
fn forward_log(level: ort::logging::LogLevel, category: &str, place: &str, message: &str) {
    use ort::logging::LogLevel;
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "onnxruntime", category, place, "{message}"),
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", category, place, "{message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::debug!(target: "onnxruntime", category, place, "{message}");
            tracing::warn!(target: "onnxruntime", category, place, "{}", redact("error", message));
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

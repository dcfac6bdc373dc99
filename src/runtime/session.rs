//! An ONNX Runtime session: opened from a model's bytes, its signature read, run with the outputs that the contract
//! requests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ort::{
    environment::Environment,
    ep,
    logging::LogLevel,
    session::{
        RunOptions, Session,
        builder::{PrepackedWeights, SessionBuilder},
    },
};

use super::{
    Cancellation, Executor, Interrupt, ModelBytes, OrtLibrary, RunError,
    batch::{pad, trim},
    convert::{elements, from_maps, from_value, to_run_error, to_value},
    error_message::redact,
    file_kind::describe_non_onnx,
    open_error::{OpenError, to_open_error},
    session_io::SessionIo,
    watchdog::Watchdog,
};
use crate::domain::{
    setting::SettingError,
    signature::{OutputSpec, Signature},
    tensor::{Buffer, Inputs, Tensor},
};

/// Base path at which ONNX Runtime looks for external weight files whose bytes it was not given. No file can exist
/// there. With the default, the working directory, ONNX Runtime would map such a file and read it while serving.
const NO_FILES: &str = "/dev/null/";

/// Options for the sessions of one version.
#[derive(Clone)]
pub struct SessionOptions {
    /// Threads inside an operator.
    pub intra_threads: usize,
    /// Execution providers in order of preference; a `?` at the end makes one optional.
    pub providers: Vec<String>,
    /// Prepacked weights (the layout that kernels need), shared by the sessions of a version.
    weights: Arc<PrepackedWeights>,
    /// Whether failing runs are left out of ONNX Runtime's own log.
    quiet: bool,
    /// What ONNX Runtime's log lines call the session.
    log_id: Arc<str>,
}

impl SessionOptions {
    /// Creates options for the sessions of one version. Takes the library as proof that it is loaded.
    pub fn new(_: &OrtLibrary, intra_threads: usize, providers: &[String]) -> Self {
        Self {
            intra_threads,
            providers: providers.to_vec(),
            weights: Arc::new(PrepackedWeights::new()),
            quiet: false,
            log_id: "".into(),
        }
    }

    /// Names the sessions in ONNX Runtime's log lines: `model/version`, or the file of a graph without a version.
    #[must_use]
    pub fn with_log_id(self, log_id: &str) -> Self {
        Self { log_id: log_id.into(), ..self }
    }

    /// A copy that leaves failing runs out of ONNX Runtime's own log, for trial runs that are expected to fail.
    #[must_use]
    pub fn silence_ort(&self) -> Self {
        Self { quiet: true, ..self.clone() }
    }

    /// A copy with a different number of intra-op threads.
    #[must_use]
    pub fn with_intra_threads(&self, intra_threads: usize) -> Self {
        Self { intra_threads, ..self.clone() }
    }
}

/// A session with its requested outputs.
pub struct OrtExecutor {
    session: Session,
    environment: Environment,
    signature: Signature,
    /// The symbolic dimension names of each input; an empty name for a dimension without one.
    symbols: Vec<Vec<String>>,
    /// Outputs whose type is not supported, each as name and type.
    unread: Vec<String>,
    requested: Vec<String>,
    /// The number of rows that every run must have, if the graph fixes it.
    fixed_rows: Option<usize>,
    options: Arc<RunOptions>,
    providers: Vec<String>,
    /// The maximum number of output elements per row, over all requested outputs.
    max_elements: usize,
    /// The time limit of a run, and the watchdog that enforces it.
    limit: Option<(Watchdog, Duration)>,
}

impl OrtExecutor {
    /// Opens a session from a model's bytes. Cancelling `load` aborts the opening, and any run of the session until the
    /// load has finished.
    ///
    /// # Errors
    /// Returns an [`OpenError`] if the bytes are not a graph that ONNX Runtime can run, or if a tensor has an
    /// unsupported type.
    pub fn open(
        library: &OrtLibrary,
        model: &ModelBytes,
        options: &SessionOptions,
        load: &Cancellation,
    ) -> Result<Self, OpenError> {
        let builder = Session::builder(&library.environment).map_err(to_open_error)?;
        let (builder, providers) = register(builder, &options.providers)?;
        let builder = configure(builder, options).map_err(to_open_error)?;
        let mut builder = with_weights(builder, model).map_err(to_open_error)?;
        let canceler = builder.canceler();
        // Cancelling fails only if the session is already built.
        load.register(Arc::new(move |_| _ = canceler.cancel()));
        let made = builder.commit_from_memory(&model.graph);
        let session = made.map_err(|error| match (to_open_error(error), describe_non_onnx(&model.graph)) {
            (OpenError::Refused(said), Some(hint)) => OpenError::Refused(format!("{said} ({hint})")),
            (error, _) => error,
        })?;
        let SessionIo { signature, symbols, unread } = SessionIo::read(&session)?;
        let requested: Vec<String> = signature.outputs.iter().map(|spec| spec.name().to_owned()).collect();
        let mut run_options = RunOptions::new().map_err(to_open_error)?;
        if options.quiet {
            run_options.set_log_level(LogLevel::Fatal).map_err(to_open_error)?;
        }
        let run_options = Arc::new(run_options);
        let mut executor = Self {
            session,
            environment: library.environment.clone(),
            signature,
            symbols,
            unread,
            requested,
            fixed_rows: None,
            options: run_options,
            providers,
            max_elements: usize::MAX,
            limit: None,
        };
        load.register(stopper(&executor.options));
        executor.discover_zipmap_keys();
        Ok(executor)
    }

    /// Sets a time limit for every run.
    pub fn limit_runs(&mut self, watchdog: &Watchdog, limit: Duration) {
        self.limit = Some((watchdog.clone(), limit));
    }

    /// The declared inputs and outputs.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The symbolic dimension names of each input; an empty name for a dimension without one.
    pub fn symbols(&self) -> &[Vec<String>] {
        &self.symbols
    }

    /// The outputs that are left out because their type is not supported, each as name and type.
    pub fn unreadable_outputs(&self) -> &[String] {
        &self.unread
    }

    /// Pads every run to this many rows, for a graph with a fixed batch size.
    pub fn fix_rows(&mut self, rows: Option<usize>) {
        self.fixed_rows = rows;
    }

    /// The execution providers in use, in order of preference.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// Selects the outputs to read, in this order. ONNX Runtime computes the whole graph in any case.
    pub fn set_outputs(&mut self, outputs: &[String]) {
        outputs.clone_into(&mut self.requested);
    }

    /// Rejects outputs with more elements per row than this, before they are copied.
    pub fn limit_elements(&mut self, max_elements: usize) {
        self.max_elements = max_elements;
    }

    /// Finds the keys of `ZipMap` outputs, which the graph does not declare, by one run on zeros. If that run fails,
    /// the keys stay unknown.
    fn discover_zipmap_keys(&mut self) {
        if !self.signature.outputs.iter().any(|spec| matches!(spec, OutputSpec::ZipMap { .. })) {
            return;
        }
        let tensors = self.signature.inputs.iter().map(|spec| {
            let shape: Vec<usize> = spec.shape.iter().map(|size| size.unwrap_or(1)).collect();
            Tensor { buffer: Buffer::zeros(spec.element, shape.iter().product()), shape }
        });
        let inputs: Vec<Tensor> = tensors.collect();
        let values = inputs.iter().map(|tensor| to_value(tensor, &self.environment)).collect::<Result<Vec<_>, _>>();
        let Ok(values) = values else { return };
        let Ok(outputs) = self.session.run_with_options(values.as_slice(), &*self.options) else { return };
        for spec in &mut self.signature.outputs {
            if let OutputSpec::ZipMap { name, keys, .. } = spec
                && let Some(value) = outputs.get(&*name)
            {
                let found = from_maps::<String>(value).or_else(|_| from_maps::<i64>(value));
                *keys = found.map(|(_, keys)| keys).unwrap_or_default();
            }
        }
    }
}

impl Executor for OrtExecutor {
    fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError> {
        let rows = inputs.rows;
        let padded = self.fixed_rows.filter(|fixed| rows < *fixed).map(|fixed| pad(inputs, fixed));
        let inputs = padded.as_ref().unwrap_or(inputs);
        let environment = &self.environment;
        let values =
            inputs.tensors.iter().map(|tensor| to_value(tensor, environment)).collect::<Result<Vec<_>, _>>()?;
        // Serving sessions have no run limit: the deadlines of their rows stop their runs.
        let limited = self.limit.as_ref().map(|(watchdog, limit)| {
            let until = Instant::now() + *limit;
            (watchdog.limit_run(until, stopper(&self.options)), *limit)
        });
        let run = self.session.run_with_options(values.as_slice(), &*self.options);
        let stopped = limited.and_then(|(limited, limit)| limited.end().then_some(limit));
        let outputs = run.map_err(|error| match stopped {
            Some(limit) => RunError::TimedOut { limit },
            None => run_error(&error),
        })?;
        let elements = self.requested.iter().filter_map(|name| outputs.get(name)).map(elements).sum::<usize>();
        let elements = elements.div_ceil(inputs.rows.max(1));
        if elements > self.max_elements {
            return Err(RunError::TooLarge { elements, max_elements: self.max_elements });
        }
        let read = |name: &String| {
            outputs
                .get(name)
                .ok_or_else(|| to_run_error(format!("the run gave no output {name:?}")))
                .and_then(from_value)
        };
        let mut read = self.requested.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if padded.is_some() {
            read = read.into_iter().map(|tensor| trim(tensor, rows)).collect();
        }
        Ok(read)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        Some(stopper(&self.options))
    }
}

/// Stops the runs that use these options (`true`), or allows new runs (`false`).
fn stopper(options: &Arc<RunOptions>) -> Interrupt {
    let options = Arc::clone(options);
    Arc::new(move |stop| {
        // Neither call fails for valid options; if one did, the run would only end later.
        let _ = if stop { options.terminate() } else { options.unterminate() };
    })
}

/// Turns an ONNX Runtime error into a [`RunError`]. The full message may quote feature values, so it is logged at debug
/// level only.
fn run_error(error: &ort::Error) -> RunError {
    let message = error.message().trim();
    tracing::debug!(target: "onnxruntime", "{message}");
    RunError::Failed(redact(&format!("{:?}", error.code()), message))
}

/// Passes the weight bytes to ONNX Runtime and keeps it from opening files itself.
fn with_weights(builder: SessionBuilder, model: &ModelBytes) -> Result<SessionBuilder, ort::Error<SessionBuilder>> {
    let builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", NO_FILES)?;
    model.external.iter().try_fold(builder, |builder, (name, bytes)| {
        builder.with_external_initializer_file_in_memory(name, Arc::clone(bytes))
    })
}

/// Threads as planned, no spinning, and memory use that does not depend on earlier batch sizes.
fn configure(builder: SessionBuilder, options: &SessionOptions) -> Result<SessionBuilder, ort::Error<SessionBuilder>> {
    builder
        .with_log_id(&options.log_id)?
        .with_intra_threads(options.intra_threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // ONNX Runtime keeps a memory pattern for every input shape it has seen; without patterns, memory stays flat
        // under mixed batch sizes.
        .with_memory_pattern(false)?
        .with_prepacked_weights(&options.weights)
}

/// The supported execution providers.
pub const PROVIDERS: [&str; 5] = ["cpu", "cuda", "tensorrt", "openvino", "xnnpack"];

/// Validates a list of execution providers.
pub(super) fn provider_errors(entries: &[String]) -> Vec<SettingError> {
    let fault = |reason: String| SettingError::new("providers", reason);
    let bare = |entry: &String| entry.strip_suffix('?').unwrap_or(entry).to_owned();
    let mut faults = Vec::new();
    if entries.is_empty() {
        faults.push(fault("must name at least one execution provider, found []".to_owned()));
    }
    for (index, name) in entries.iter().map(bare).enumerate() {
        if !PROVIDERS.contains(&name.as_str()) {
            faults.push(fault(format!("must be one of {}, found {name:?}", PROVIDERS.join(", "))));
        } else if entries[..index].iter().any(|entry| bare(entry) == name) {
            faults.push(fault(format!("must name each execution provider once, found {name:?} twice")));
        }
    }
    faults
}

/// Registers the execution providers. Returns the names of those in use.
fn register(mut builder: SessionBuilder, names: &[String]) -> Result<(SessionBuilder, Vec<String>), OpenError> {
    let mut used = Vec::new();
    for entry in names {
        let (name, optional) = entry.strip_suffix('?').map_or((entry.as_str(), false), |name| (name, true));
        let dispatch = match name {
            "cpu" => ep::CPU::default().with_arena_allocator(true).build(),
            "cuda" => ep::CUDA::default().build(),
            "tensorrt" => ep::TensorRT::default().build(),
            "openvino" => ep::OpenVINO::default().build(),
            "xnnpack" => ep::XNNPACK::default().build(),
            _ => {
                let reason = format!("expected one of {}", PROVIDERS.join(", "));
                return Err(OpenError::Provider { name: name.to_owned(), reason });
            }
        };
        match builder.with_execution_providers([dispatch.error_on_failure()]) {
            Ok(next) => {
                builder = next;
                used.push(name.to_owned());
            }
            Err(error) if optional => {
                tracing::info!(provider = name, reason = error.message(), "optional execution provider skipped");
                builder = error.recover();
            }
            Err(error) => {
                let reason = error.message().trim().to_owned();
                return Err(OpenError::Provider { name: name.to_owned(), reason });
            }
        }
    }
    if !used.iter().any(|name| name == "cpu") {
        // ONNX Runtime always falls back to the CPU for operators that the other providers do not support.
        used.push("cpu".to_owned());
    }
    Ok((builder, used))
}

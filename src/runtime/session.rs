//! One session: made from a model's file, its signature read, run with the outputs that the contract asks for.

use std::{path::Path, sync::Arc};

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
    Executor, Interrupt, Library, RunError,
    batch::{pad, trim},
    convert::{failed, from_maps, from_value, to_value},
    mistaken::mistaken_for,
    outlets::Outlets,
};
use crate::domain::signature::{OutputSpec, Signature};
use crate::domain::tensor::{Buffer, Inputs, Tensor};

/// How sessions of a version are made.
#[derive(Clone)]
pub struct SessionOptions {
    /// Threads inside an operator.
    pub intra_threads: usize,
    /// Execution providers in order of preference; a `?` at the end makes one optional.
    pub providers: Vec<String>,
    /// Weights in the form that kernels want, shared by the sessions of a version.
    weights: Arc<PrepackedWeights>,
}

impl SessionOptions {
    /// Options for the sessions of one version; the library must be loaded.
    pub fn new(_: &Library, intra_threads: usize, providers: &[String]) -> Self {
        Self { intra_threads, providers: providers.to_vec(), weights: Arc::new(PrepackedWeights::new()) }
    }

    /// The same, with another number of threads.
    #[must_use]
    pub fn with_intra_threads(&self, intra_threads: usize) -> Self {
        Self { intra_threads, ..self.clone() }
    }
}

/// A session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// ONNX Runtime refused the file.
    #[error("ONNX Runtime cannot use it: {0}")]
    Refused(String),
    /// The graph has an input or an output that cannot be filled or read.
    #[error("the graph's {what} {name:?} has type {kind}, which Candor cannot {verb}: {remedy}")]
    Unsupported {
        /// `input` or `output`.
        what: &'static str,
        /// The tensor's name.
        name: String,
        /// The type that the graph declares.
        kind: String,
        /// `feed` or `read`.
        verb: &'static str,
        /// What would be right.
        remedy: &'static str,
    },
    /// An execution provider is not known, or cannot be used.
    #[error("execution provider {name:?} cannot be used: {reason}; write \"{name}?\" to make it optional")]
    Provider {
        /// The name in the configuration.
        name: String,
        /// Why not.
        reason: String,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err as it is")]
fn refused<R>(error: ort::Error<R>) -> OpenError {
    OpenError::Refused(error.message().trim().to_owned())
}

/// A session with the outputs that are asked of it.
pub struct OrtExecutor {
    session: Session,
    environment: Environment,
    signature: Signature,
    /// The names of the dimensions of each input; empty for those that have none.
    symbols: Vec<Vec<String>>,
    /// Outputs of types that cannot be read, each with its type.
    unread: Vec<String>,
    requested: Vec<String>,
    /// How many rows every run must have, where the graph fixes that.
    fixed_rows: Option<usize>,
    options: Arc<RunOptions>,
    providers: Vec<String>,
}

impl OrtExecutor {
    /// Makes a session from a model's file; external data may lie beside it.
    ///
    /// # Errors
    /// [`OpenError`] when the file is not a graph that can be run, or has tensors of types that cannot be handled.
    pub fn open(library: &Library, path: &Path, options: &SessionOptions) -> Result<Self, OpenError> {
        let builder = Session::builder(&library.environment).map_err(refused)?;
        let (builder, providers) = register(builder, &options.providers)?;
        let mut builder = configure(builder, options).map_err(refused)?;
        let session = builder.commit_from_file(path).map_err(|error| match (refused(error), mistaken_for(path)) {
            (OpenError::Refused(said), Some(hint)) => OpenError::Refused(format!("{said} ({hint})")),
            (error, _) => error,
        })?;
        let Outlets { signature, symbols, unread } = Outlets::of(&session)?;
        let requested: Vec<String> = signature.outputs.iter().map(|spec| spec.name().to_owned()).collect();
        let run_options = Arc::new(RunOptions::new().map_err(refused)?);
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
        };
        executor.learn_map_keys();
        Ok(executor)
    }

    /// What goes in and what comes out.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The names that the graph gives to the dimensions of each input; empty for those without one.
    pub fn symbols(&self) -> &[Vec<String>] {
        &self.symbols
    }

    /// The outputs that cannot be read and are left out, each with its type.
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Keeps failing runs out of the runtime's own log: for one that tries what a graph takes, and tells what matters.
    pub fn quiet(&mut self) {
        if let Some(options) = Arc::get_mut(&mut self.options) {
            // It cannot fail on options that exist; if it did, there would be lines too many.
            let _ = options.set_log_level(LogLevel::Fatal);
        }
    }

    /// Fills every run up to this many rows, for a graph that takes no other number.
    pub fn fix_rows(&mut self, rows: Option<usize>) {
        self.fixed_rows = rows;
    }

    /// The execution providers in use, in order of preference.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// Reads these outputs only, in this order. (The runtime computes a graph as a whole, whatever is read of it.)
    pub fn request(&mut self, outputs: &[String]) {
        outputs.clone_into(&mut self.requested);
    }

    /// A `ZipMap` output does not declare its keys: one run on zeros tells them. A graph that cannot run on zeros leaves
    /// them unknown.
    fn learn_map_keys(&mut self) {
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
        let Ok(outputs) = self.session.run(values.as_slice()) else { return };
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
        let outputs = self
            .session
            .run_with_options(values.as_slice(), &*self.options)
            .map_err(|error| RunError::Failed(error.message().trim().to_owned()))?;
        let read = |name: &String| {
            outputs.get(name).ok_or_else(|| failed(format!("no output {name:?} came"))).and_then(from_value)
        };
        let mut read = self.requested.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if padded.is_some() {
            read = read.into_iter().map(|tensor| trim(tensor, rows)).collect();
        }
        Ok(read)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let options = Arc::clone(&self.options);
        Some(Arc::new(move |stop| {
            // Neither can fail on options that exist; if one did, the run would only end later.
            let _ = if stop { options.terminate() } else { options.unterminate() };
        }))
    }
}

/// Threads by plan, no spinning, memory that does not depend on the sizes seen before.
fn configure(builder: SessionBuilder, options: &SessionOptions) -> Result<SessionBuilder, ort::Error<SessionBuilder>> {
    builder
        .with_intra_threads(options.intra_threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Patterns are kept for every batch size ever seen; without them memory stays flat under mixed sizes.
        .with_memory_pattern(false)?
        .with_prepacked_weights(&options.weights)
}

/// Registers the execution providers and returns the names of those in use.
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
                let reason = "it is none of cpu, cuda, tensorrt, openvino, xnnpack".to_owned();
                return Err(OpenError::Provider { name: name.to_owned(), reason });
            }
        };
        match builder.with_execution_providers([dispatch.error_on_failure()]) {
            Ok(next) => {
                builder = next;
                used.push(name.to_owned());
            }
            Err(error) if optional => {
                tracing::info!(provider = name, reason = error.message(), "optional execution provider left out");
                builder = error.recover();
            }
            Err(error) => {
                let reason = error.message().trim().to_owned();
                return Err(OpenError::Provider { name: name.to_owned(), reason });
            }
        }
    }
    if !used.iter().any(|name| name == "cpu") {
        // ONNX Runtime always falls back to it for what the others cannot do.
        used.push("cpu".to_owned());
    }
    Ok((builder, used))
}

//! `candor serve`: starts the server from the configuration, and stops it on a signal.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;

use super::{errors::print_start_error, output::complain};
use crate::{
    api::http,
    app::{App, StartError},
    cli::config_args::ConfigArgs,
    config::{Config, ResolvedConfig},
    lifecycle::Signals,
    telemetry::{self, LogHandle},
};

/// Serve models over HTTP.
///
/// SIGTERM and SIGINT stop the server gracefully: /readyz reports not ready, new requests are rejected after
/// `lifecycle.drain_delay_ms`, and requests in flight are finished. The exit code is then 0, even if
/// `lifecycle.drain_timeout_ms` expired; the log then names each aborted request and their number. A second signal, at
/// least one second after the first, stops the server at once with exit code 1. SIGHUP makes the server look for changed
/// models at once, except when the terminal closes: then it stops the server like SIGTERM. The exit code is 1 if the server cannot start, and 2 for errors in the configuration or
/// on the command line.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// A directory of models, of one model or of one version; or a single ONNX file (`repository.models`).
    #[arg(value_name = "MODELS")]
    path: Option<PathBuf>,
    /// Same as MODELS.
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    models: Option<PathBuf>,
    /// Model that answers /predict (`repository.default_model`).
    #[arg(long, value_name = "NAME")]
    default_model: Option<String>,
    /// Address or name to listen on (`http.host`).
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port to listen on (`http.port`).
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    common: ConfigArgs,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        let flags = [
            ("repository.models", self.path.or(self.models).map(|path| path.display().to_string())),
            ("repository.default_model", self.default_model),
            ("http.host", self.host),
            ("http.port", self.port.map(|port| port.to_string())),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        match self.common.load_to_serve(flags) {
            Ok(loaded) => serve(&loaded),
            Err(code) => code,
        }
    }
}

fn serve(loaded: &ResolvedConfig) -> ExitCode {
    let config = &loaded.config;
    let log = match telemetry::init(&config.telemetry, std::io::stderr().is_terminal()) {
        Ok(log) => log,
        Err(error) => {
            print_start_error(&error);
            return ExitCode::from(2);
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    // Runs startup, shutdown, the accept loops and the admin and health listeners; connections of the API have their
    // own threads.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("candor: the threads could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run_until_signal(config, &log));
    // Tasks that are still running have had their time; they must not delay the exit.
    runtime.shutdown_background();
    log.flush();
    code
}

async fn run_until_signal(config: &Config, log: &LogHandle) -> ExitCode {
    let started = async {
        // Installed before the sockets are bound, so that no signal is lost in between.
        let signals = Signals::catch()?;
        Ok::<_, StartError>((signals, App::start(config, log.clone())?))
    };
    let (mut signals, app) = match started.await {
        Ok(started) => started,
        Err(error) => {
            log.flush();
            return print_start_error(&error);
        }
    };
    log_startup(config, &app);
    let repository = Arc::clone(app.repository());
    let reload = || repository.request_reload();
    let signal = signals.next(reload).await;
    tracing::info!(signal, "stopping; a second signal, at least one second from now, stops immediately");
    tokio::select! {
        drained = app.drain() => {
            tracing::info!(finished = drained.finished, aborted = drained.aborted, "stopped");
            ExitCode::SUCCESS
        }
        signal = signals.next(reload) => {
            tracing::warn!(signal, "stopped at once");
            ExitCode::FAILURE
        }
    }
}

/// Logs the listening addresses and, once the models are loaded, an example request.
fn log_startup(config: &Config, app: &App) {
    let address = app.address();
    tracing::info!(%address, models = %config.repository.models.display(), "listening");
    if let Some(address) = app.admin_address() {
        tracing::info!(%address, "admin listening");
    }
    if let Some(address) = app.health_address() {
        tracing::info!(%address, "health listening");
    }
    if config.security.tokens_file.as_os_str().is_empty() && !address.ip().is_loopback() {
        tracing::warn!(
            "anyone who can reach this address can send requests: set security.tokens_file to require a token"
        );
    }
    let (repository, host) = (Arc::clone(app.repository()), address.to_string());
    let token = !config.security.tokens_file.as_os_str().is_empty();
    // Waiting for the models blocks, so it runs off the server threads.
    app.background(move || {
        repository.wait_until_loaded();
        if repository.is_interrupted() {
            return;
        }
        let catalog = repository.catalog();
        let reasons = catalog.not_ready();
        if let Some(version) = catalog.example_version() {
            let default = catalog.default_name() == Some(version.model.as_str());
            tracing::info!("try: {}", http::example_curl(version, &host, default, token));
        } else {
            tracing::error!("no model could be loaded");
        }
        for reason in reasons {
            tracing::error!("not ready: {reason}");
        }
    });
}

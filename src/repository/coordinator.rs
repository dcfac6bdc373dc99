//! Decides and carries out changes of the repository: one thread that owns what is known of every model, and the only
//! one that publishes catalogs.
//!
//! ```text
//! lister ──Listed──▶ ┌─────────────┐ ──starts──▶ load threads ──Loaded──▶ (back)
//! admin  ──Move────▶ │ coordinator │ ──versions─▶ retirement ───Retired──▶ (back)
//!                    └─────────────┘ ──catalog──▶ requests
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use super::{
    announce::{log_failure, log_move, log_unrecorded},
    event::{Event, ReloadReply},
    gate::{GateInputs, run_gate},
    listing::{ListedModel, Listing},
    load_job::{LoadJob, LoadOutcome, Loads},
    model_control::{Activity, ModelControl},
    move_request::{MoveMaker, MoveRefused, MoveRequest},
    published::Published,
    remote::StateTag,
    retirement::Retirement,
    rollout_store::{RolloutStore, RolloutWriteError},
};
use crate::{
    domain::{
        name::{ModelName, VersionName},
        rollout::{Action, Move, MoveContext, MoveOrigin, Rollout},
    },
    telemetry::{Metrics, ModelState, error_chain},
};

/// How often a running canary is judged.
const GUARD_INTERVAL: Duration = Duration::from_millis(100);

/// What to do with the result of a gate; called on the thread of the gate.
pub(super) type OnGated = Arc<dyn Fn(ModelName, GateInputs, Vec<String>) + Send + Sync>;

/// What the coordinator owns.
pub(super) struct Coordinator {
    pub(super) published: Arc<Published>,
    pub(super) store: Arc<dyn RolloutStore + Sync>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) loads: Loads,
    pub(super) retirement: Retirement,
    pub(super) on_gated: OnGated,
    pub(super) settle: Duration,
    pub(super) models: BTreeMap<ModelName, ModelControl>,
    pub(super) default_model: String,
    /// The problems of the last listing, which are logged once.
    problems: Vec<String>,
    stopping: bool,
}

impl Coordinator {
    pub(super) fn new(
        published: Arc<Published>,
        store: Arc<dyn RolloutStore + Sync>,
        metrics: Arc<Metrics>,
        (loads, retirement, on_gated): (Loads, Retirement, OnGated),
        settle: Duration,
    ) -> Self {
        let (models, default_model, problems) = (BTreeMap::new(), String::new(), Vec::new());
        Self {
            published,
            store,
            metrics,
            loads,
            retirement,
            on_gated,
            settle,
            models,
            default_model,
            problems,
            stopping: false,
        }
    }

    /// Handles events until the server stops and the last load has ended.
    pub(super) fn run(mut self, events: &mpsc::Receiver<Event>) {
        loop {
            let event = if self.models.values().any(|control| control.canary.is_some()) {
                events.recv_timeout(GUARD_INTERVAL)
            } else {
                events.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            };
            match event {
                Ok(event) => self.handle(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.make_automatic_moves() {
                        self.proceed();
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if self.stopping && self.loads.is_idle() {
                break;
            }
        }
        self.published.set_settled();
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Listed(Ok(listing), replies) => {
                self.take_listing(listing);
                self.proceed();
                reply_to(replies, &Ok(()));
                return;
            }
            Event::Listed(Err(error), replies) => {
                // What is loaded stays: a file system that is away for a moment must not unload every model.
                let problem = error_chain(&error);
                self.log_problems(vec![format!("the repository cannot be listed: {problem}")]);
                reply_to(replies, &Err(problem));
            }
            Event::Loaded(outcome) => self.take_load(*outcome),
            Event::Gated(model, inputs, failures) => {
                if let Some(control) = self.models.get_mut(&model) {
                    control.take_gate(inputs, failures);
                }
            }
            Event::Retired(model, version) => self.take_retired(&model, &version),
            Event::Move(request, reply) => {
                let outcome = self.make_move(&request);
                // Whoever is told of a move finds it made.
                self.proceed();
                // The receiver may have been dropped, with the connection of its caller; ignore the error.
                let _ = reply.send(outcome);
                return;
            }
            Event::Stop => self.stopping = true,
        }
        self.proceed();
    }

    /// Logs the problems that were not there before.
    fn log_problems(&mut self, problems: Vec<String>) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::error!("{problem}");
        }
        self.problems = problems;
    }

    fn take_listing(&mut self, listing: Listing) {
        let Listing { models, problems, default_model } = listing;
        let of_models = models.iter().flat_map(|(name, listed)| {
            let found = [listed.settings.as_ref().err(), listed.rollout.as_ref().err()];
            found.into_iter().flatten().map(move |problem| format!("{name}: {problem}"))
        });
        let problems = problems.iter().cloned().chain(of_models).collect();
        self.log_problems(problems);
        self.default_model = default_model;
        let initial_until = Instant::now() + self.settle;
        let gone: Vec<ModelName> = self.models.keys().filter(|name| !models.contains_key(*name)).cloned().collect();
        for name in gone {
            if let Some(control) = self.models.get_mut(&name) {
                // Without versions there is nothing to keep, so all of them are unloaded.
                let ListedModel { directory, settings, .. } = &control.listed;
                let (directory, settings) = (directory.clone(), settings.clone());
                let (listed_at, versions) = (Instant::now(), Vec::new());
                control.update(ListedModel { listed_at, directory, settings, versions, rollout: Ok(None) });
            }
        }
        for (name, listed) in models {
            match self.models.get_mut(&name) {
                Some(control) => control.update(listed),
                None => _ = self.models.insert(name, ModelControl::new(listed, initial_until)),
            }
        }
    }

    /// Starts what can be started, and publishes what has changed.
    fn proceed(&mut self) {
        let now = Instant::now();
        for control in self.models.values_mut() {
            control.decide_initial(now);
            control.follow_canary();
        }
        if !self.stopping {
            self.make_automatic_moves();
            self.start_actions();
        }
        // What is about to be unloaded must not be published as a part of a canary.
        self.models.values_mut().for_each(ModelControl::follow_canary);
        self.models.retain(|_, control| !control.listed.versions.is_empty() || !control.versions.is_empty());
        self.publish();
        let waiting = self.models.values().any(ModelControl::is_waiting);
        if self.loads.is_idle() && !waiting && !self.models.is_empty() {
            self.published.set_settled();
        }
    }

    fn start_actions(&mut self) {
        // Actions that need no thread come first, until only loads are left.
        let mut to_load = Vec::new();
        for (name, control) in &mut self.models {
            loop {
                match control.next_action() {
                    None => break,
                    Some(Action::Load(version)) => {
                        let default = self.default_model == name.as_str();
                        let serves = control.versions.values().any(|version| version.serving.is_some());
                        to_load.push((!default, serves, name.clone(), version));
                        break;
                    }
                    Some(Action::Forget(version)) => {
                        control.versions.remove(&version);
                        self.metrics.remove_version(name.as_str(), version.as_str());
                    }
                    Some(Action::Unload(version)) => {
                        if let Some(leaving) = control.versions.get_mut(&version) {
                            leaving.activity = Activity::Unloading;
                            self.metrics.set_state(name.as_str(), version.as_str(), ModelState::Unloading);
                            tracing::info!(model = %name, %version, "unloading");
                        }
                        break;
                    }
                }
            }
        }
        to_load.sort();
        for (_, _, model, version) in to_load {
            let Some(control) = self.models.get_mut(&model) else { continue };
            let Some((listed, directory)) = control.directory(&version).cloned() else { continue };
            if !self.loads.has_room(listed.bytes) {
                continue;
            }
            let settings = control.settings.0.clone();
            control.versions.entry(version.clone()).or_default().activity = Activity::Loading;
            if control.versions[&version].serving.is_none() {
                self.metrics.set_state(model.as_str(), version.as_str(), ModelState::Loading);
            }
            self.loads.start(LoadJob { model, directory, content: listed.content, bytes: listed.bytes, settings });
        }
    }

    fn take_load(&mut self, outcome: LoadOutcome) {
        let LoadOutcome { model, version, content, bytes, result } = outcome;
        self.loads.ended(bytes);
        let Some(model_control) = self.models.get_mut(&model) else { return };
        if result.is_none() {
            model_control.distrust(&version, &content);
        }
        let Some(control) = model_control.versions.get_mut(&version) else { return };
        control.activity = Activity::None;
        match result {
            // They are loaded again once a listing says that they are whole.
            None => tracing::debug!(%model, %version, "its files changed while it was loaded"),
            Some(Ok(loaded)) => {
                control.rejected = None;
                if let Some((_, replaced)) = control.serving.replace((content, Arc::new(loaded))) {
                    self.retirement.replace(replaced);
                }
            }
            Some(Err(errors)) => {
                log_failure(&model, &version, &errors, &self.metrics);
                let reasons = errors.iter().map(|error| error_chain(error)).collect();
                control.rejected = Some((content, reasons));
            }
        }
    }

    fn take_retired(&mut self, model: &ModelName, version: &VersionName) {
        self.metrics.remove_version(model.as_str(), version.as_str());
        if let Some(control) = self.models.get_mut(model) {
            control.versions.remove(version);
        }
        tracing::info!(%model, %version, "unloaded");
    }

    /// Makes the moves that the guard, the plan of a canary or `promote = "newest"` ask for. Returns whether there were any.
    fn make_automatic_moves(&mut self) -> bool {
        let now = rfc3339(SystemTime::now());
        let due = self.models.iter().filter_map(|(name, control)| {
            let (made, why) = control.next_canary_move(&now).or_else(|| control.next_promotion())?;
            Some(MoveRequest { model: name.to_string(), made, by: MoveMaker::Server, why })
        });
        let mut due: Vec<MoveRequest> = due.collect();
        due.retain(|request| self.may_make(request));
        for request in &due {
            match self.make_move(request) {
                Ok(_) => self.metrics.count_automatic_move(&request.model, request.made.name()),
                // The other server's move decides; this one looks again.
                Err(MoveRefused::Conflict { .. }) => {}
                Err(error) => tracing::warn!(model = request.model, "{}: {}", request.made.name(), error_chain(&error)),
            }
            if let Some(control) = self.models.get_mut(request.model.as_str()) {
                control.follow_canary();
            }
        }
        !due.is_empty()
    }

    /// Whether the gate allows a move that the server makes itself. Starts the gate if it was not run yet.
    fn may_make(&mut self, request: &MoveRequest) -> bool {
        let Move::Promote { version } = &request.made else { return true };
        let on_gated = Arc::clone(&self.on_gated);
        let Some(control) = self.models.get_mut(request.model.as_str()) else { return false };
        let name = control.listed.directory.name.clone();
        let passes = control.passes_gate(version, |versions, limits| {
            let judged = move |inputs, failures| on_gated(name, inputs, failures);
            if let Err(error) = run_gate(versions, limits, judged) {
                tracing::error!(%error, "the gate could not be run");
            }
        });
        passes == Some(true)
    }

    /// Makes a move: checks it, stores the new state, and follows it. Returns whether it changed anything.
    fn make_move(&mut self, request: &MoveRequest) -> Result<bool, MoveRefused> {
        let Some(control) = self.models.get_mut(request.model.as_str()) else {
            let known = self.models.keys().map(ToString::to_string).collect();
            return Err(MoveRefused::UnknownModel { model: request.model.clone(), known });
        };
        let standing = |version: &VersionName| control.standing(version);
        let context = MoveContext { rollout: &control.rollout, stable: control.stable(), standing: &standing };
        let (by, why) = (request.by.to_string(), request.why.clone());
        let next = context.apply(&request.made, MoveOrigin { at: rfc3339(SystemTime::now()), by, why })?;
        if let Move::Load { version } = &request.made
            && let Some(version) = control.versions.get_mut(version)
        {
            // Somebody asks to try again.
            version.rejected = None;
        }
        let Some(next) = next else { return Ok(false) };
        match record(&*self.store, control, &next) {
            Ok(tag) => control.moved(next, Some(tag)),
            // Safety first: a canary that fails its callers is taken back even if that cannot be recorded.
            Err(error) if request.by == MoveMaker::Server && !matches!(error, MoveRefused::Conflict { .. }) => {
                log_unrecorded(&request.model, &error_chain(&error));
                control.moved(next, None);
            }
            Err(error) => return Err(error),
        }
        log_move(request, control);
        Ok(true)
    }
}

/// Stores the state after a move. If another one was stored meanwhile, the control follows that one.
fn record(store: &dyn RolloutStore, control: &mut ModelControl, next: &Rollout) -> Result<StateTag, MoveRefused> {
    let directory = control.listed.directory.clone();
    let model = directory.name.to_string();
    match store.write(&directory, next, control.tag.as_ref()) {
        Ok(tag) => Ok(tag),
        Err(RolloutWriteError::Conflict) => match store.read(&directory) {
            Ok(stored) => {
                control.follow(stored);
                let latest = control.rollout.history.first().cloned();
                Err(MoveRefused::Conflict { model, latest: Box::new(latest) })
            }
            Err(source) => Err(MoveRefused::Unreadable { model, source }),
        },
        Err(source) => Err(MoveRefused::Store { model, source }),
    }
}

/// A time in RFC 3339.
fn rfc3339(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn reply_to(replies: Vec<ReloadReply>, outcome: &Result<(), String>) {
    for reply in replies {
        // The receiver may have been dropped; ignore the error.
        let _ = reply.send(outcome.clone());
    }
}

//! Decides how many workers and threads a version gets, from the available CPUs and the measured cost of a row.

use std::{num::NonZero, sync::LazyLock, thread, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Cost;
use crate::domain::setting::{MAX_THREADS, SettingError};

/// Below this time a row is cheap: handing it to another thread costs as much as running it.
const INLINE_ROW_LIMIT: Duration = Duration::from_micros(150);

/// A full batch of cheap rows may occupy a caller's thread for this long.
const INLINE_BATCH_LIMIT: Duration = Duration::from_millis(2);

/// A number of threads: set by the operator, or chosen by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadCount {
    /// Chosen by the server.
    Auto,
    /// Set by the operator.
    Fixed(usize),
}

impl ThreadCount {
    /// Returns an error if the number is out of range.
    pub fn range_error(self, key: &'static str) -> Option<SettingError> {
        let Self::Fixed(count) = self else { return None };
        SettingError::out_of_range(key, count, &(1..=MAX_THREADS), "more threads than CPUs only compete for them")
    }
}

impl<'de> Deserialize<'de> for ThreadCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(usize),
            Text(String),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Number(number)) if number > 0 => Ok(Self::Fixed(number)),
            Ok(Either::Text(text)) if text == "auto" => Ok(Self::Auto),
            _ => Err(D::Error::custom("must be \"auto\" or a whole number above zero")),
        }
    }
}

impl Serialize for ThreadCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

/// Where rows are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// On callers' threads, one run at a time per session. For rows that cost less than a handover between threads.
    Inline,
    /// On worker threads of the engine, one per session. For all other rows: they would occupy callers' threads for too
    /// long.
    Workers,
}

impl Placement {
    /// The placement's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Workers => "workers",
        }
    }
}

/// Where a version runs, with how many sessions and threads per session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExecutionPlan {
    /// Where rows are run.
    pub placement: Placement,
    /// Number of sessions; with [`Placement::Workers`] each has its own thread.
    pub workers: usize,
    /// Threads that a session may use inside an operator, including the thread that runs it.
    pub intra_threads: usize,
}

/// The inputs of [`plan`].
#[derive(Debug, Clone, Copy)]
pub struct PlanInputs {
    /// The cost measured at load.
    pub cost: Cost,
    /// Maximum number of rows in one run.
    pub max_rows: usize,
    /// How long a batch may wait for rows.
    pub max_delay: Duration,
    /// Number of sessions, or `Auto`.
    pub workers: ThreadCount,
    /// Threads per session, or `Auto`.
    pub intra_threads: ThreadCount,
}

/// The number of CPUs that this process may use, from its affinity mask and cgroup quotas, rounded down, at least one.
/// Computed once. ONNX Runtime respects neither and would start a thread for every CPU of the machine.
pub fn available_cpus() -> usize {
    static PROCESSORS: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));
    *PROCESSORS
}

/// Plans a version. Values set by the operator are kept; the others are chosen so that sessions times threads does not
/// exceed the CPUs.
pub fn plan(cpus: usize, demand: &PlanInputs) -> ExecutionPlan {
    let cpus = cpus.max(1);
    let cheap =
        demand.cost.batch_time(1) < INLINE_ROW_LIMIT && demand.cost.batch_time(demand.max_rows) < INLINE_BATCH_LIMIT;
    if cheap
        && demand.max_delay.is_zero()
        && (demand.workers, demand.intra_threads) == (ThreadCount::Auto, ThreadCount::Auto)
    {
        // One session: rows that arrive while it is busy share the next run, which costs less than a second session.
        return ExecutionPlan { placement: Placement::Inline, workers: 1, intra_threads: 1 };
    }
    let (workers, intra_threads) = match (demand.workers, demand.intra_threads) {
        (ThreadCount::Fixed(workers), ThreadCount::Fixed(threads)) => (workers, threads),
        (ThreadCount::Fixed(workers), ThreadCount::Auto) => (workers, (cpus / workers).max(1)),
        (ThreadCount::Auto, ThreadCount::Fixed(threads)) => ((cpus / threads).max(1), threads),
        // Requests arrive one by one, so running rows in parallel uses the CPUs better than threads inside an operator.
        (ThreadCount::Auto, ThreadCount::Auto) => (cpus, 1),
    };
    ExecutionPlan { placement: Placement::Workers, workers, intra_threads }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_never_exceed_the_processors_by_themselves() {
        let cheap = Cost { per_run: 10e-6, per_row: 10e-6 };
        let heavy = Cost { per_run: 1e-3, per_row: 2e-3 };
        let (auto, callers, workers) = (ThreadCount::Auto, Placement::Inline, Placement::Workers);
        let cases = [
            (1, cheap, auto, auto, (callers, 1, 1)),
            (8, cheap, auto, auto, (callers, 1, 1)),
            (8, cheap, ThreadCount::Fixed(2), auto, (workers, 2, 4)),
            (1, heavy, auto, auto, (workers, 1, 1)),
            (8, heavy, auto, auto, (workers, 8, 1)),
            (8, heavy, ThreadCount::Fixed(2), auto, (workers, 2, 4)),
            (8, heavy, auto, ThreadCount::Fixed(4), (workers, 2, 4)),
            (2, heavy, ThreadCount::Fixed(4), ThreadCount::Fixed(4), (workers, 4, 4)),
            (0, heavy, auto, auto, (workers, 1, 1)),
        ];
        for (processors, cost, workers, intra_threads, expected) in cases {
            let demand = PlanInputs { cost, max_rows: 32, max_delay: Duration::ZERO, workers, intra_threads };
            let plan = plan(processors, &demand);
            assert_eq!((plan.placement, plan.workers, plan.intra_threads), expected, "{processors} {demand:?}");
        }
        let patient = PlanInputs {
            cost: cheap,
            max_rows: 32,
            max_delay: Duration::from_millis(1),
            workers: auto,
            intra_threads: auto,
        };
        assert_eq!(plan(2, &patient).placement, workers, "rows can only be waited for by a worker");
    }
}

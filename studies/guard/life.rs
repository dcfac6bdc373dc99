//! The life of one simulated canary, judged by the server's own function.

use std::sync::atomic::{AtomicUsize, Ordering};

use candor::domain::{
    random::{SplitMix64, hash64},
    rollout::{CanaryCounts, GuardLimits, Verdict, judge},
};

use super::{
    sampling::binomial,
    scenario::{Disturbance, Scenario},
};

/// The verdict is asked for after every request up to this one, then each time that the requests have grown by one part
/// in as many. At 100,000 requests, that is every 400.
const EVERY_REQUEST: u64 = 250;

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// The canary requests at which it was taken back, if it was, and the key of the limit.
    pub(crate) taken_back: Option<(u64, &'static str)>,
    /// Whether the verdict was to promote it once it had `min_requests`.
    pub(crate) is_promoted: bool,
}

/// Lives until the canary is taken back or has had `requests` requests.
pub(crate) fn live(scenario: &Scenario, requests: u64, seed: u64) -> Life {
    let limits = GuardLimits::default();
    let name = scenario.cells.iter().flat_map(|cell| cell.bytes()).fold(0, |hash, byte| hash64(hash ^ u64::from(byte)));
    let mut random = SplitMix64::new(hash64(seed ^ name ^ scenario.share.to_bits()));
    let (mut counts, mut present, mut is_promoted) = (CanaryCounts::default(), 0, false);
    let own_difference = scenario.disturbance.difference(scenario, &mut random);
    let canary = scenario.canary.with_more_errors(own_difference);
    let mut share = scenario.disturbance.share(scenario, 0);
    while present < requests {
        let more = (present / EVERY_REQUEST).clamp(1, requests - present);
        let share_now = scenario.disturbance.share(scenario, present);
        if share_now > share && scenario.disturbance == (Disturbance::Steps { restarts_counts: true }) {
            counts = CanaryCounts { restarts: counts.restarts + 1, ..CanaryCounts::default() };
        }
        share = share_now;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some millions at most")]
        let [before, after] = [present, present + more].map(|canary| (canary as f64 * (1.0 - share) / share) as u64);
        let added = scenario.disturbance.added_error_rate(present);
        canary.answer_with(added, more, &mut counts.canary, &mut random);
        scenario.stable.answer_with(added, after - before, &mut counts.stable, &mut random);
        if let Some(rate) = scenario.disagreement {
            counts.compared += more;
            counts.disagreed += binomial(more, rate, &mut random);
        }
        present += more;
        match judge(&limits, &counts) {
            Verdict::RollBack(reason) => return Life { taken_back: Some((present, reason.limit_key())), is_promoted },
            verdict if present == limits.min_requests => is_promoted = verdict == Verdict::Promote,
            _ => {}
        }
    }
    Life { taken_back: None, is_promoted }
}

/// Lives `times` lives on all processors.
pub(crate) fn repeat(scenario: &Scenario, requests: u64, times: usize) -> Vec<Life> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            let mut lives = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= times {
                    return lives;
                }
                lives.push(live(scenario, requests, seed as u64));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("a life")).collect()
    })
}

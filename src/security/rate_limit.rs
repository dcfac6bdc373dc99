//! Rate limits: one token bucket per caller, using the `governor` crate.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter as Governor,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

/// Above this many callers, idle ones are removed, so that unknown clients cannot exhaust the memory.
const MAX_TRACKED_CALLERS: usize = 10_000;

/// The decision about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// Number of further requests allowed immediately.
    pub remaining: u32,
    /// The maximum number of requests in a burst.
    pub burst: u32,
    /// Time until the next request is allowed; zero if this one was.
    pub retry_after: Duration,
}

/// One token bucket per caller.
pub struct RateLimiter {
    limiter: Governor<String, DashMapStateStore<String>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    burst: NonZeroU32,
}

impl RateLimiter {
    /// Creates a limiter; returns `None` if `per_second` is 0, which means no limit. A burst of 0 counts as 1.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(NonZeroU32::new(per_second)?).allow_burst(burst);
        let limiter = Governor::dashmap(quota).with_middleware();
        Some(Self { limiter, clock: DefaultClock::default(), burst })
    }

    /// Counts one request of `caller`.
    pub fn check(&self, caller: &str) -> RateDecision {
        if self.limiter.len() > MAX_TRACKED_CALLERS {
            self.limiter.retain_recent();
        }
        let burst = self.burst.get();
        match self.limiter.check_key(&caller.to_owned()) {
            Ok(state) => RateDecision {
                allowed: true,
                remaining: state.remaining_burst_capacity(),
                burst,
                retry_after: Duration::ZERO,
            },
            Err(until) => RateDecision {
                allowed: false,
                remaining: 0,
                burst,
                retry_after: until.wait_time_from(self.clock.now()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_share() {
        assert!(RateLimiter::new(0, 5).is_none());
        let limiter = RateLimiter::new(1, 2).expect("a limit");
        assert_eq!(limiter.check("a").remaining, 1);
        assert!(limiter.check("a").allowed);
        let third = limiter.check("a");
        assert!(!third.allowed && third.retry_after > Duration::ZERO && third.burst == 2);
        assert!(limiter.check("b").allowed);
    }
}

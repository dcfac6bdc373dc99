//! Planned rollouts: the steps of a plan from the first percentage to the promotion, whatever order of verdicts and times.

use std::time::Duration;

use candor::domain::rollout::{CanaryPlan, Decision, GuardLimits, RollbackReason, StepProgress, Verdict};
use proptest::prelude::*;
use serde_json::json;

use super::{Rollout, versions::repository};

const MINUTE: Duration = Duration::from_mins(1);

fn plan(steps: Vec<f64>, step_minutes: u64, min_requests: u64) -> CanaryPlan {
    let guard = GuardLimits { min_requests, ..GuardLimits::default() };
    CanaryPlan { steps, step_minutes, guard, ..CanaryPlan::default() }
}

#[test]
fn a_plan_takes_as_long_as_its_steps() {
    let plan = plan(vec![1.0, 5.0, 25.0, 100.0], 30, 500);
    let (mut percent, mut minutes, mut visited) = (plan.first_percent(), 0, vec![plan.first_percent()]);
    for total in 1_u32.. {
        minutes += 1;
        let progress = StepProgress { percent, elapsed: MINUTE * minutes, requests: u64::from(minutes) * 100 };
        match plan.next(progress, Verdict::Promote) {
            Decision::Hold => {}
            Decision::Step(next) => {
                (percent, minutes) = (next, 0);
                visited.push(next);
            }
            Decision::Promote => {
                assert_eq!((total, &visited[..]), (120, &[1.0, 5.0, 25.0, 100.0][..]));
                break;
            }
            Decision::RollBack(reason) => panic!("{reason}"),
        }
    }
}

proptest! {
    #[test]
    fn a_plan_only_goes_up_and_only_when_a_step_is_over(
        steps in prop::collection::btree_set(1_u32..=100, 1..8),
        percent in 0.5_f64..=100.0,
        minutes in 0_u32..120,
        requests in 0_u64..2000,
    ) {
        let steps: Vec<f64> = steps.into_iter().map(f64::from).collect();
        let plan = plan(steps.clone(), 30, 500);
        let progress = StepProgress { percent, elapsed: MINUTE * minutes, requests };
        let over = minutes >= 30 && requests >= 500;
        match plan.next(progress, Verdict::Promote) {
            Decision::Step(next) => prop_assert!(over && next > percent && steps.contains(&next)),
            Decision::Promote => {
                prop_assert!(over && steps.last() == Some(&100.0) && steps.iter().all(|step| *step <= percent));
            }
            Decision::Hold => prop_assert!(!over || steps.last() != Some(&100.0)),
            Decision::RollBack(_) => prop_assert!(false),
        }
        prop_assert_eq!(plan.next(progress, Verdict::Hold), Decision::Hold);
        let reason = RollbackReason::Disagreement { rate: 0.5, compared: 100, least_rate: 0.3, limit: 0.2 };
        prop_assert_eq!(plan.next(progress, Verdict::RollBack(reason.clone())), Decision::RollBack(reason));
    }
}

#[test]
fn a_canary_starts_with_the_first_step_and_a_person_may_raise_it() {
    let rollout =
        Rollout::start(repository(&["stable", "retrained"], "[canary]\npercent = 50\nsteps = [2, 10, 100]\n"));
    let percent = |body| rollout.made("canary", &body)["canary"]["percent"].clone();
    assert_eq!(percent(json!({ "version": "2" })), json!(2.0));
    let first = rollout.state()["canary"]["since"].clone();
    assert_eq!(percent(json!({ "version": "2", "percent": 40 })), json!(40.0));
    assert_ne!(rollout.state()["canary"]["since"], first, "a step starts anew");
    let status = rollout.status();
    assert!(status.contains("canary: 40 % since") && status.contains("guard: hold"), "{status}");
}

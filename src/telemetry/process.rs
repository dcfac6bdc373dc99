//! The process metrics of the `prometheus` crate. The CPU time is replaced by the process clock, because the crate
//! truncates it to whole seconds.

use prometheus::{
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::MetricFamily,
};
use rustix::time::{ClockId, clock_gettime};

const CPU_SECONDS: &str = "process_cpu_seconds_total";

/// Collects `process_*`.
pub(super) struct Process(ProcessCollector);

impl Default for Process {
    fn default() -> Self {
        Self(ProcessCollector::for_self())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        for family in families.iter_mut().filter(|family| family.name() == CPU_SECONDS) {
            for metric in family.mut_metric() {
                let mut counter = metric.get_counter().clone();
                counter.set_value(cpu_seconds());
                metric.set_counter(counter);
            }
        }
        families
    }
}

/// User and system time of all threads so far, in seconds.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected() -> f64 {
        let families = Process::default().collect();
        let family = families.iter().find(|family| family.name() == CPU_SECONDS).expect("the metric is there");
        family.get_metric()[0].get_counter().get_value()
    }

    #[test]
    fn cpu_seconds_have_their_fraction() {
        let before = collected();
        // Less than the one-second resolution of the collector in the crate.
        let busy = cpu_seconds();
        let mut sum = 0_u64;
        while cpu_seconds() < busy + 0.01 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = collected();
        assert!(before > 0.0 && after >= before + 0.01, "{before} {after}");
        assert!(after.fract() > 0.0 || before.fract() > 0.0, "{before} {after}");
        assert!(Process::default().desc().len() >= 7, "the others are kept");
    }
}

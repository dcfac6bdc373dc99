//! The scenarios of the study.

use super::scenario::{Behavior, Disturbance, LatencyShape, Scenario, UncertaintyShape};

const SHARES: [f64; 3] = [0.01, 0.05, 0.5];
/// The share where only one is simulated.
const SHARE: f64 = 0.05;
const ERROR_RATES: [f64; 4] = [0.0, 0.001, 0.01, 0.05];
const LATENCIES: [(LatencyShape, &str); 6] = [
    (LatencyShape::LogNormal(0.05), "log-normal, σ 0.05"),
    (LatencyShape::LogNormal(0.25), "log-normal, σ 0.25"),
    (LatencyShape::LogNormal(1.0), "log-normal, σ 1"),
    (LatencyShape::Pareto(1.5), "Pareto, index 1.5"),
    (LatencyShape::Bimodal(0.02), "bimodal, 2 % slow"),
    (LatencyShape::Bimodal(0.01), "bimodal, 1 % slow"),
];
/// The shapes that are simulated at every share.
const MANY_SHARES: [LatencyShape; 2] = [LatencyShape::LogNormal(0.25), LatencyShape::Bimodal(0.01)];
const UNCERTAINTIES: [(UncertaintyShape, &str); 3] = [
    (UncertaintyShape::Narrow, "0.18 or 0.22"),
    (UncertaintyShape::Spread, "0.02 to 0.9"),
    (UncertaintyShape::AllOrNothing, "0 or 1"),
];

/// Scenarios with one heading.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) scenarios: Vec<Scenario>,
}

/// A canary and stable, compared in errors, latency and uncertainty.
fn pair(cells: [String; 2], share: f64, stable: Behavior, canary: Behavior) -> Scenario {
    let disturbance = Disturbance::None;
    Scenario { cells: cells.into(), share, stable, canary, disagreement: None, disturbance }
}

fn errors(rate: f64, increase: f64, share: f64) -> Scenario {
    let cells = ["errors".to_owned(), format!("stable {:.1} %, canary {:+.1} points", rate * 100.0, increase * 100.0)];
    let canary = Behavior::default().errors((rate + increase).min(1.0));
    pair(cells, share, Behavior::default().errors(rate), canary)
}

fn latency((form, name): (LatencyShape, &str), ratio: f64, share: f64) -> Scenario {
    let cells = ["p99 latency".to_owned(), format!("{name}, ratio {ratio}")];
    pair(cells, share, Behavior::default().latency(form, 1.0), Behavior::default().latency(form, ratio))
}

fn uncertainty((form, name): (UncertaintyShape, &str), raised: f64, share: f64) -> Scenario {
    let cells = ["uncertainty".to_owned(), format!("{name}, mean {raised:+.2}")];
    pair(cells, share, Behavior::default().uncertainty(form, 0.0), Behavior::default().uncertainty(form, raised))
}

fn disagreement(rate: f64) -> Scenario {
    let cells = ["disagreement".to_owned(), format!("{:.0} % of the rows", rate * 100.0)];
    let scenario = pair(cells, SHARE, Behavior::default(), Behavior::default());
    Scenario { disagreement: Some(rate), ..scenario }
}

/// What a canary differs by from stable in each respect.
#[derive(Debug, Clone, Copy)]
struct Differences {
    name: &'static str,
    increase: f64,
    ratio: f64,
    raised: f64,
    disagreement: f64,
}

const NO_DIFFERENCE: Differences =
    Differences { name: "as stable, 5 % disagree", increase: 0.0, ratio: 1.0, raised: 0.0, disagreement: 0.05 };
const AT_THE_LIMITS: Differences =
    Differences { name: "each at its limit", increase: 0.005, ratio: 1.25, raised: 0.05, disagreement: 0.2 };

/// Every limit at once.
fn all_limits(share: f64, by: Differences) -> Scenario {
    let (latency, uncertainty) = (LatencyShape::LogNormal(0.25), UncertaintyShape::AllOrNothing);
    let arm = |increase, ratio, raised| {
        Behavior::default().errors(0.01 + increase).latency(latency, ratio).uncertainty(uncertainty, raised)
    };
    let cells = ["all limits at once".to_owned(), by.name.to_owned()];
    let scenario = pair(cells, share, arm(0.0, 1.0, 0.0), arm(by.increase, by.ratio, by.raised));
    Scenario { disagreement: Some(by.disagreement), ..scenario }
}

/// Each limit alone, then all of them.
fn each_limit(by: Differences) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for share in SHARES {
        scenarios.extend(ERROR_RATES.map(|rate| errors(rate, by.increase, share)));
        let shapes =
            LATENCIES.iter().filter(|(shape, _)| share.total_cmp(&SHARE).is_eq() || MANY_SHARES.contains(shape));
        scenarios.extend(shapes.map(|shape| latency(*shape, by.ratio, share)));
        scenarios.extend(UNCERTAINTIES.map(|shape| uncertainty(shape, by.raised, share)));
        scenarios.push(all_limits(share, by));
    }
    scenarios.push(disagreement(by.disagreement));
    scenarios.sort_by(|left, right| left.cells[0].cmp(&right.cells[0]));
    scenarios
}

fn worse() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for rate in [0.0, 0.001, 0.01] {
        scenarios.extend([0.01, 0.02, 0.05, 0.1, 0.5, 1.0].map(|increase| errors(rate, increase, SHARE)));
    }
    scenarios.extend([0.01, 0.5].map(|share| errors(0.0, 0.05, share)));
    for shape in LATENCIES {
        // The p99 of the last shape is undetermined, which one ratio shows.
        let ratios = if shape.0 == LatencyShape::Bimodal(0.01) { &[5.0][..] } else { &[1.5, 2.0, 5.0] };
        scenarios.extend(ratios.iter().map(|ratio| latency(shape, *ratio, SHARE)));
    }
    for shape in UNCERTAINTIES {
        scenarios.extend([0.1, 0.2].map(|raised| uncertainty(shape, raised, SHARE)));
    }
    scenarios.extend([0.25, 0.3, 0.5].map(disagreement));
    scenarios
}

fn disturbed() -> Vec<Scenario> {
    let base = || errors(0.01, 0.0, SHARE);
    let outages = [0.3, 1.0].map(|rate| Scenario {
        cells: vec!["errors".to_owned(), format!("outages fail {:.0} % of both arms", rate * 100.0)],
        disturbance: Disturbance::Outages(rate),
        ..base()
    });
    let callers = [1000, 100, 20, 5].map(|callers| Scenario {
        cells: vec!["errors".to_owned(), format!("{callers} callers with error rates of their own")],
        disturbance: Disturbance::Callers(callers),
        ..base()
    });
    let steps = [true, false].map(|restarts_counts| Scenario {
        cells: vec![
            "errors".to_owned(),
            format!("shares and errors grow, counts {}", if restarts_counts { "restart" } else { "go on" }),
        ],
        stable: Behavior::default(),
        canary: Behavior::default(),
        disturbance: Disturbance::Steps { restarts_counts },
        ..base()
    });
    steps.into_iter().chain(outages).chain(callers).collect()
}

/// All scenarios of the study.
pub(crate) fn sections() -> Vec<Section> {
    vec![
        Section { heading: "False rollbacks: no difference", scenarios: each_limit(NO_DIFFERENCE) },
        Section { heading: "False rollbacks: exactly at the limit", scenarios: each_limit(AT_THE_LIMITS) },
        Section { heading: "Worse canaries", scenarios: worse() },
        Section { heading: "Beyond the assumptions: no difference", scenarios: disturbed() },
    ]
}

//! The results as a document.

use std::fmt::Write as _;

use super::{life::Life, scenario::Scenario};

const HEAD: &str = "\
| what | true values | share | rolled back | median | 90 % | promoted at 500 |
|---|---|---|---|---|---|---|";

/// The line of one scenario.
pub(crate) fn row(scenario: &Scenario, lives: &[Life]) -> String {
    let percent = |count: usize| {
        let share = 100.0 * count as f64 / lives.len() as f64;
        if share > 0.0 && share < 10.0 { format!("{share:.2} %") } else { format!("{share:.1} %") }
    };
    let mut ends: Vec<u64> = lives.iter().filter_map(|life| life.taken_back.map(|(requests, _)| requests)).collect();
    ends.sort_unstable();
    let quantile = |tenths: usize| {
        // The canaries that were not taken back come last.
        ends.get((lives.len() * tenths).div_ceil(10) - 1).map_or_else(|| "-".to_owned(), u64::to_string)
    };
    format!(
        "| {} | {} | {} % | {} | {} | {} | {} |",
        scenario.cells[0],
        scenario.cells[1],
        (scenario.share * 100.0).round(),
        percent(ends.len()),
        quantile(5),
        quantile(9),
        percent(lives.iter().filter(|life| life.is_promoted).count()),
    )
}

/// The whole document, from the rows of each section.
pub(crate) fn markdown(requests: u64, times: usize, sections: &[(&str, Vec<String>)]) -> String {
    let [requests, times] = [requests, times as u64].map(grouped);
    let mut text = format!(
        "# How often the guard is right\n\n{times} simulated canaries for each line, with the default limits and up to \
         {requests} canary requests each. The function that the server calls judges them after every request up to 500, \
         then each time that the requests have grown by a 250th: at {requests}, every 400.\n\n\
         - *share*: the canary's share of all requests.\n\
         - *rolled back*: the share of the canaries that were taken back at any time.\n\
         - *median*, *90 %*: the canary requests until then, over all canaries of the line; `-`: not within {requests}.\n\
         - *promoted at 500*: the share for which the verdict after 500 canary requests was to promote.\n\n\
         At most 1 % of the canaries that keep all limits are ever taken back: the first two tables. Each limit may use 0.2 \
         % of it, errors 0.4 %, and the counts before the first restart half of that. A canary just beyond a limit is found \
         late or never, and may be promoted. A ratio of latencies is certain only from about 1.32 on, because buckets are \
         4.7 % wide. Where exactly 1 % of the requests are slow, p99 may be anywhere between the quick and the slow \
         requests, and the guard is hardly ever certain of a ratio. p99 needs about 1,000 requests of stable at least.\n\n\
         The fourth table breaks the assumptions: requests that fail together; shares that grow while errors do, which is \
         why counts are restarted with a new share; callers that differ, each with an exponential error rate, so that a \
         small group of them differs from the rest whatever the version is. Where few callers send most of the requests, \
         `sticky_by = \"request\"` makes the arms alike.\n\n`make guard-study` writes this page.\n"
    );
    for (heading, rows) in sections {
        let _ = writeln!(text, "\n## {heading}\n\n{HEAD}");
        for row in rows {
            let _ = writeln!(text, "{row}");
        }
    }
    text
}

/// A number below a million with a comma before the last three digits.
fn grouped(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}

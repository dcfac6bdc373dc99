//! Values of single series in the text format of the metrics.

use crate::support::{server::Server, wait::wait_until};

/// The value of a series in the text format, 0 if it does not exist yet. Labels must be in the order of the output.
pub(crate) fn value_of(text: &str, series: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a whole number"))
}

/// The same, scraped from a server.
pub(crate) fn scraped(server: &Server, series: &str) -> u64 {
    value_of(&server.get("/metrics").text(), series)
}

/// The name of a series of version 1 of a model; `more` holds further labels.
pub(crate) fn series(name: &str, model: &str, more: &str) -> String {
    format!("candor_{name}{{model=\"{model}\",version=\"1\"{more}}}")
}

/// Waits until a series of a server has a value.
pub(crate) fn wait_for(server: &Server, series: &str, value: u64) {
    wait_until(&format!("{series} is {value}"), || scraped(server, series) == value);
}

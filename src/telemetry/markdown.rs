//! Generates docs/metrics.md from the descriptions of the metrics. It does not read their values.

use std::fmt::Write;

use super::{description::MetricKind, metrics::Metrics};

const OPENING: &str = "# Metrics

This page is generated from the doc comments of `src/telemetry/metrics.rs` by `make docs`; do not edit it.
`GET /metrics` returns the Prometheus text format, or OpenMetrics if `Accept` requests `application/openmetrics-text`. The exemplars of OpenMetrics carry the request id.
Every label has a bounded set of values: an unknown name is counted as `_unknown`, and a request id is never a label.

| metric | type | labels | description |
|---|---|---|---|
";

const PROCESS: &str = "| `process_*` | counter, gauge | | CPU seconds (with their fraction), memory, open files, threads and start time of the process, on Linux. |\n";

/// The text of docs/metrics.md: a table of all metrics, in the order of the fields of [`Metrics`].
pub fn markdown_reference() -> String {
    let mut text = OPENING.to_owned();
    for metric in Metrics::descriptions() {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let (name, labels, help) = (metric.name, labels.join(", "), metric.help);
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").expect("writing to a String cannot fail");
    }
    text.push_str(PROCESS);
    text
}

#[cfg(test)]
mod tests {
    use super::{Metrics, markdown_reference};

    #[test]
    fn every_metric_is_a_row_of_four_cells() {
        let text = markdown_reference();
        for metric in Metrics::descriptions() {
            let row = text.lines().find(|l| l.contains(&format!("`{}`", metric.name)));
            let row = row.expect("each metric has a row");
            assert_eq!(row.matches('|').count(), 5, "{row}");
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
        let rows = Metrics::descriptions().len() + 1;
        assert_eq!(text.lines().filter(|l| l.starts_with("| `")).count(), rows, "with those of the process");
    }
}

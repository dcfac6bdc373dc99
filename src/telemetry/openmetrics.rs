//! Renders gathered families as `OpenMetrics` 1.0 text, with exemplars.
//!
//! The `prometheus` crate supports only the text format 0.0.4. This file renders the newer format from the same
//! families; it counts and stores nothing.

use std::{collections::HashMap, fmt::Write};

use prometheus::proto::{Histogram, LabelPair, MetricFamily, MetricType};

use super::exemplar::Exemplar;

/// The content type of [`super::Metrics::openmetrics`].
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The exemplars of each series; the key is the text that [`series`] returns.
pub(super) type Exemplars = HashMap<String, Vec<Option<Exemplar>>>;

/// The units that a metric name may end with; the specification requires a `# UNIT` line for them.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// The text of a series: the family name and the labels.
pub(super) fn series(family: &str, labels: &[LabelPair]) -> String {
    let mut text = family.to_owned();
    write_labels(&mut text, labels, None);
    text
}

/// Renders all families, followed by the end marker.
pub(super) fn render(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut text = String::new();
    for family in families {
        write_family(&mut text, family, exemplars);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &MetricFamily, exemplars: &Exemplars) {
    let kind = family.get_field_type();
    // The name of a counter family lacks the suffix `_total` of its samples.
    let name = match kind {
        MetricType::COUNTER => family.name().trim_end_matches("_total"),
        _ => family.name(),
    };
    let word = match kind {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        // The server has no metrics of the other types.
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    push(text, format_args!("# TYPE {name} {word}\n"));
    if let Some(unit) = unit(name) {
        push(text, format_args!("# UNIT {name} {unit}\n"));
    }
    push(text, format_args!("# HELP {name} "));
    write_escaped(text, family.help());
    text.push('\n');
    for metric in family.get_metric() {
        let labels = metric.get_label();
        let found = exemplars.get(&series(family.name(), labels));
        let found = found.map_or(&[][..], Vec::as_slice);
        match kind {
            MetricType::COUNTER => {
                let sample = format!("{name}_total");
                let value = metric.get_counter().get_value();
                write_sample(text, &sample, labels, value);
                write_exemplar(text, found.first());
                text.push('\n');
            }
            MetricType::HISTOGRAM => {
                write_histogram(text, name, (labels, metric.get_histogram()), found);
            }
            _ => {
                write_sample(text, name, labels, metric.get_gauge().get_value());
                text.push('\n');
            }
        }
    }
}

fn write_histogram(
    text: &mut String,
    name: &str,
    (labels, histogram): (&[LabelPair], &Histogram),
    exemplars: &[Option<Exemplar>],
) {
    let buckets = histogram.get_bucket();
    let bounds = buckets
        .iter()
        .map(|b| (b.upper_bound(), b.cumulative_count()))
        .chain([(f64::INFINITY, histogram.get_sample_count())]);
    for (index, (bound, count)) in bounds.enumerate() {
        push(text, format_args!("{name}_bucket"));
        write_labels(text, labels, Some(&canonical(bound)));
        push(text, format_args!(" {count}"));
        write_exemplar(text, exemplars.get(index));
        text.push('\n');
    }
    // With negative values the sum is not a counter, and the specification forbids it. The count is omitted too,
    // because it requires the sum.
    if buckets.first().is_some_and(|b| b.upper_bound() < 0.0) {
        return;
    }
    push(text, format_args!("{name}_sum"));
    write_labels(text, labels, None);
    push(text, format_args!(" {}\n", plain(histogram.get_sample_sum())));
    push(text, format_args!("{name}_count"));
    write_labels(text, labels, None);
    push(text, format_args!(" {}\n", histogram.get_sample_count()));
}

fn write_sample(text: &mut String, name: &str, labels: &[LabelPair], value: f64) {
    text.push_str(name);
    write_labels(text, labels, None);
    push(text, format_args!(" {}", plain(value)));
}

fn write_labels(text: &mut String, labels: &[LabelPair], bound: Option<&str>) {
    let given = labels.iter().map(|pair| (pair.name(), pair.value()));
    let mut open = '{';
    for (name, value) in given.chain(bound.map(|bound| ("le", bound))) {
        push(text, format_args!("{open}{name}=\""));
        write_escaped(text, value);
        text.push('"');
        open = ',';
    }
    if open == ',' {
        text.push('}');
    }
}

fn write_exemplar(text: &mut String, exemplar: Option<&Option<Exemplar>>) {
    let Some(Some(exemplar)) = exemplar else {
        return;
    };
    text.push_str(" # {request_id=\"");
    write_escaped(text, &exemplar.request_id);
    if !exemplar.trace_id.is_empty() {
        text.push_str("\",trace_id=\"");
        write_escaped(text, &exemplar.trace_id);
    }
    let (seconds, millis) = (exemplar.at.as_secs(), exemplar.at.subsec_millis());
    let value = plain(exemplar.value);
    push(text, format_args!("\"}} {value} {seconds}.{millis:03}"));
}

fn write_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a String cannot fail");
}

fn unit(name: &str) -> Option<&'static str> {
    let ends_with = |unit: &&str| {
        let stem = name.strip_suffix(*unit);
        stem.is_some_and(|stem| stem.ends_with('_'))
    };
    UNITS.into_iter().find(ends_with)
}

/// Formats a sample value: the shortest digits that parse to the same float.
fn plain(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { canonical(value) }
}

/// Formats a bound as the section "Canonical Numbers" of the specification requires, so that `le` is the same text in
/// every client: at least one decimal, and an exponent of two digits below 1e-4 and from 1e6.
fn canonical(value: f64) -> String {
    if !value.is_finite() {
        let word = if value.is_nan() { "NaN" } else { "Inf" };
        let sign = match value {
            v if v.is_nan() => "",
            v if v > 0.0 => "+",
            _ => "-",
        };
        return format!("{sign}{word}");
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        // The `Debug` format of a float keeps one decimal and has no exponent in this range.
        format!("{value:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, unit};

    #[test]
    fn bounds_are_canonical_numbers() {
        let cases = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (10.0, "10.0"),
            (0.1, "0.1"),
            (0.001_7, "0.0017"),
            (0.000_1, "0.0001"),
            (0.000_05, "5e-05"),
            (0.000_017, "1.7e-05"),
            (1e-10, "1e-10"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1.5e10, "1.5e+10"),
            (-0.001, "-0.001"),
            (-1e6, "-1e+06"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, wanted) in cases {
            assert_eq!(canonical(value), wanted);
        }
    }

    #[test]
    fn a_unit_is_the_last_word_of_the_name() {
        let cases = [
            ("candor_request_duration_seconds", Some("seconds")),
            ("process_resident_memory_bytes", Some("bytes")),
            ("candor_batch_rows", None),
            ("seconds", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(unit(name), wanted, "{name}");
        }
    }
}

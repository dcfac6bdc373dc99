//! The figures as a document.

use std::fmt::Write as _;

use candor::authoring::plot::format_sig;

use crate::tally::{Series, Tally};

/// The tables: all rows, then by group.
pub(crate) fn markdown(times: usize, series: &[Series]) -> String {
    let mut text = format!(
        "# Held-out coverage of the bundled models\n\nWritten by `make coverage`: {times} random splits of the rows that no \
         model was trained on, half to calibrate as `candor calibrate` does, half to ask. *Held* is the share of asked rows \
         whose set or interval held the truth: its mean over the splits, and how far single splits stray from it (standard \
         deviation). *By theory* is the same of the exact law for so many rows. The last column is the mean number of \
         classes, or the mean width.\n\n"
    );
    text.push_str("| version | method | rows: quantile, asked | asked for | held | by theory | splits in the band of 99 % | size |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for series in series.iter().filter(|series| series.group.is_none() && !series.grouped) {
        for tally in &series.levels {
            let (quantile, asked) = tally.rows();
            let inside = tally.inside().map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
            let (version, kind, level) = (series.version, series.kind(), tally.coverage.as_f64());
            let [held, theory] = [Some(tally.measured()), tally.expected()].map(moments);
            let _ = writeln!(
                text,
                "| {version} | {kind} | {quantile}, {asked} | {level} | {held} | {theory} | {inside} | {} |",
                size(tally)
            );
        }
    }
    text.push_str(
        "\n## By group\n\nThe same rows with one quantile for all, and with a quantile for each group (Mondrian).\n\n",
    );
    text.push_str("| version | group | asked for | held, one quantile | held, own quantile | by theory | size, one | size, own |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for (pooled, own) in pairs(series) {
        for (one, own_level) in pooled.levels.iter().zip(&own.levels) {
            let [held, held_own, theory] =
                [Some(one.measured()), Some(own_level.measured()), own_level.expected()].map(moments);
            let (group, level) = (pooled.group.as_deref().unwrap_or_default(), one.coverage.as_f64());
            let (version, sizes) = (pooled.version, [size(one), size(own_level)].join(" | "));
            let _ = writeln!(text, "| {version} | {group} | {level} | {held} | {held_own} | {theory} | {sizes} |");
        }
    }
    text
}

/// The series of each group: with one quantile for all rows, and with its own.
pub(crate) fn pairs(series: &[Series]) -> Vec<(&Series, &Series)> {
    let own = series.iter().filter(|series| series.grouped && series.group.is_some());
    let pooled = |own: &Series| {
        series.iter().find(|other| !other.grouped && (other.version, &other.group) == (own.version, &own.group))
    };
    own.filter_map(|own| Some((pooled(own)?, own))).collect()
}

fn moments(moments: Option<(f64, f64)>) -> String {
    moments.map_or_else(|| "no bound".to_owned(), |(mean, spread)| format!("{mean:.3} ± {spread:.3}"))
}

fn size(tally: &Tally) -> String {
    tally.size().map_or_else(|| "no bound".to_owned(), format_sig)
}

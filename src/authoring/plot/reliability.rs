//! The reliability diagram of a classifier: accuracy against confidence, before and after calibration.

use super::{
    PlotArea, SvgCanvas,
    groups::{self, panels},
    plot_area::Axis,
};
use crate::{
    authoring::plot::layout::{FIRST, MARGIN, WIDTH, captions, rows},
    domain::{
        calibration::accuracy_band,
        uncertainty::{Bin, CalibrationDocument, CalibrationRule, ConfidenceMap, ProbabilityMap, ProbabilityMetrics},
    },
};

const SIDE: f64 = 306.0;
const SECOND: f64 = FIRST + SIDE + 92.0;
const TOP: f64 = 128.0;
/// The height of the strip that shows the number of rows per bin.
const STRIP: f64 = 24.0;

/// Draws the reliability diagram of a calibration of `name`; `None` for a regression.
pub fn reliability(name: &str, calibration: &CalibrationDocument) -> Option<String> {
    let CalibrationRule::Classification { probabilities, confidence, .. } = &calibration.rule else { return None };
    let (before, after) = (calibration.report.before.as_ref()?, calibration.report.after.as_ref()?);
    let changed = *probabilities != ProbabilityMap::Uncalibrated || confidence.is_some();
    let method = confidence.as_deref().map_or(probabilities.name(), ConfidenceMap::name);
    let of_groups = calibration.report.groups.iter().flat_map(|group| &group.after);
    let (axis, small) = (Axis::share_from(least([before, after])), Axis::share_from(least(of_groups)));
    let mut sheet = SvgCanvas::new(WIDTH);
    let title = format!("{name}: is it right as often as it claims?");
    sheet.text("title", (MARGIN, 40.0), &title);
    panel(&mut sheet, (FIRST, axis), ("before", "model output"), before);
    if changed {
        panel(&mut sheet, (SECOND, axis), ("after", &format!("calibrated: {method}")), after);
        let rows = format!("{}, each scored by a fit that excludes it", rows(calibration));
        sheet.text("note", (MARGIN, 62.0), &rows);
    } else {
        list(&mut sheet, before);
        sheet.text("note", (MARGIN, 62.0), &rows(calibration));
    }
    let bottom = TOP + SIDE + STRIP + 62.0;
    let bottom = panels(&mut sheet, (calibration, bottom - 16.0), (small, small), |sheet, frame, group| {
        diagonal(sheet, frame);
        let rows = format!("{} rows", group.rows);
        let (Some(before), Some(after)) = (&group.before, &group.after) else { return [rows, String::new()] };
        bars(sheet, frame, ("chance-bar thin", after));
        dots(sheet, frame, ("after", after), 3.6);
        let change =
            if changed { format!("{:.3} → {:.3}", before.ece, after.ece) } else { format!("{:.3}", after.ece) };
        [rows, format!("ECE {change}")]
    });
    let said = tooltip(calibration, before, changed.then_some(after));
    // The list already shows the metrics.
    let height = captions(&mut sheet, bottom + 22.0, &said[usize::from(!changed)..]);
    Some(sheet.finish(height, &title, &said.join(" ")))
}

/// Returns the lowest confidence or accuracy of any bin.
fn least<'a>(qualities: impl IntoIterator<Item = &'a ProbabilityMetrics>) -> f64 {
    let bins = qualities.into_iter().flat_map(|quality| &quality.bins);
    bins.map(|bin| bin.confidence.min(bin.accuracy)).fold(1.0, f64::min)
}

fn panel(
    sheet: &mut SvgCanvas,
    (left, axis): (f64, Axis),
    (series, heading): (&str, &str),
    quality: &ProbabilityMetrics,
) {
    let frame = PlotArea { corner: (left, TOP), size: (SIDE, SIDE), x: axis, y: axis };
    sheet.text(&format!("{series}-text"), (left, TOP - 32.0), heading);
    sheet.text("tick end", (frame.right(), TOP - 32.0), &format!("ECE {:.3}", quality.ece));
    frame.grid(sheet);
    frame.label_y(sheet);
    frame.label_x(sheet, STRIP + 24.0);
    diagonal(sheet, &frame);
    bars(sheet, &frame, ("chance-bar", quality));
    dots(sheet, &frame, (series, quality), 5.0);
    mass(sheet, &frame, series, quality);
    sheet.text("note end", (left - 8.0, frame.bottom() + STRIP), "rows");
    sheet.text("note", (left, TOP - 12.0), "↑ share that was correct");
    let middle = left + SIDE / 2.0;
    sheet.text("note middle", (middle, frame.bottom() + STRIP + 42.0), "predicted probability →");
}

fn diagonal(sheet: &mut SvgCanvas, frame: &PlotArea) {
    sheet.line("ideal", frame.at(frame.x.from, frame.x.from), frame.at(1.0, 1.0));
}

/// Draws consistency bars: the range of accuracy due to chance alone if the probabilities were right.
fn bars(sheet: &mut SvgCanvas, frame: &PlotArea, (class, quality): (&str, &ProbabilityMetrics)) {
    for bin in &quality.bins {
        if let Some((low, high)) = accuracy_band(bin.rows, bin.confidence) {
            sheet.line(class, frame.at(bin.confidence, low), frame.at(bin.confidence, high));
        }
    }
}

fn dots(sheet: &mut SvgCanvas, frame: &PlotArea, (series, quality): (&str, &ProbabilityMetrics), radius: f64) {
    for bin in &quality.bins {
        let says = format!("{} rows: claimed {:.3}, right {:.3}", bin.rows, bin.confidence, bin.accuracy);
        sheet.dot(series, frame.at(bin.confidence, bin.accuracy), radius, &says);
    }
}

/// Draws a bar for each bin at its confidence, with height proportional to its number of rows.
fn mass(sheet: &mut SvgCanvas, frame: &PlotArea, series: &str, quality: &ProbabilityMetrics) {
    let most = quality.bins.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1);
    for bin in &quality.bins {
        let height = STRIP * bin.rows as f64 / most as f64;
        let (x, _) = frame.at(bin.confidence, frame.y.from);
        sheet.bar(&format!("{series}-mass"), (x - 1.5, frame.bottom() + 6.0 + STRIP - height), (3.0, height));
    }
}

/// Returns the metrics with their names.
fn measures(quality: &ProbabilityMetrics) -> [(&'static str, f64); 5] {
    [
        ("calibration error (ECE)", quality.ece),
        ("at most by chance", quality.ece_by_chance.limit),
        ("Brier score", quality.brier),
        ("log loss", quality.log_loss),
        ("accuracy", quality.accuracy),
    ]
}

/// Lists the metrics in place of the second panel.
fn list(sheet: &mut SvgCanvas, quality: &ProbabilityMetrics) {
    let mut y = TOP + 62.0;
    for (name, value) in measures(quality) {
        sheet.text("measure", (SECOND, y), &format!("{value:.3}"));
        sheet.text("note", (SECOND, y + 19.0), name);
        y += 64.0;
    }
}

/// Returns the captions, which also serve as the description.
fn tooltip(
    calibration: &CalibrationDocument,
    before: &ProbabilityMetrics,
    after: Option<&ProbabilityMetrics>,
) -> Vec<String> {
    let last = after.unwrap_or(before);
    let change = |((name, old), (_, new)): ((&str, f64), (&str, f64))| match after {
        Some(_) => format!("{name} {old:.3} → {new:.3}"),
        None => format!("{name} {old:.3}"),
    };
    let measured: Vec<String> = measures(before).into_iter().zip(measures(last)).map(change).collect();
    let rows = || last.bins.iter().map(|bin| bin.rows);
    let each = match (rows().min().unwrap_or(0), rows().max().unwrap_or(0)) {
        (_, 1) => "1 row".to_owned(),
        (fewest, most) if fewest == most => format!("{most} rows of similar confidence"),
        (fewest, most) => format!("{fewest} to {most} rows of similar confidence"),
    };
    let inside = |quality: &ProbabilityMetrics| {
        let inside = quality.bins.iter().filter(|bin| by_chance(bin)).count();
        format!("{inside} of {}", quality.bins.len())
    };
    let inside = match after {
        Some(after) => format!("{} before, {} after", inside(before), inside(after)),
        None => inside(before),
    };
    let mut lines = vec![
        format!("In all: {}.", measured.join(", ")),
        format!(
            "Each dot: {each}. On the dashed line, the confidence (1 − uncertainty) equals the share of right predictions."
        ),
        format!("Bars: the 95 % range by chance alone around the line. Dots inside: {inside}."),
    ];
    lines.extend(groups::hidden_note(calibration));
    lines
}

fn by_chance(bin: &Bin) -> bool {
    accuracy_band(bin.rows, bin.confidence)
        // Tolerate the rounding of the accuracy.
        .is_none_or(|(low, high)| (low - 1e-9..=high + 1e-9).contains(&bin.accuracy))
}

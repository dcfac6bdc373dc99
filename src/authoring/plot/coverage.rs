//! The coverage plot: the empirical coverage of sets or intervals against the requested coverage, and their mean size.

use super::{
    PlotArea, SvgCanvas, format_sig,
    groups::{self, panels},
    plot_area::Axis,
};
use crate::{
    authoring::plot::layout::{FIRST, MARGIN, WIDTH, captions, rows},
    domain::{
        calibration::coverage_band,
        json::JsonValue,
        uncertainty::{CalibrationDocument, CalibrationRule, Coverage, LevelReport, method},
    },
};

const LEFT: f64 = 330.0;
const RIGHT: f64 = 236.0;
const HIGH: f64 = 280.0;
const TOP: f64 = 128.0;
/// The maximum number of levels whose share of empty sets is listed.
const MAX_EMPTY_SHARE: usize = 5;
/// The minimum vertical distance between two labels, in pixels.
const MIN_LABEL_GAP: f64 = 14.0;

/// Draws the coverage plot of a calibration of `name`, with widths in `unit` if given; `None` if the calibration has no
/// levels.
pub fn coverage(name: &str, calibration: &CalibrationDocument, unit: Option<&str>) -> Option<String> {
    let report = &calibration.report;
    if report.levels.is_empty() {
        return None;
    }
    let (thing, size, note) = things(calibration, unit);
    let levels = Axis::share_from(report.levels.iter().map(|level| level.coverage.as_f64()).fold(1.0, f64::min));
    let mut sheet = SvgCanvas::new(WIDTH);
    let title = format!("{name}: do its {thing} contain the truth as often as requested?");
    sheet.text("title", (MARGIN, 40.0), &title);
    let from = format!(
        "{}, {} cross-fitted over {} of them",
        rows(calibration),
        method::of(calibration),
        report.conformal_rows
    );
    sheet.text("note", (MARGIN, 62.0), &from);

    let frame = PlotArea {
        corner: (FIRST, TOP),
        size: (LEFT, HIGH),
        x: levels,
        y: shares([(&report.levels, report.conformal_rows)]),
    };
    heading(
        &mut sheet,
        &frame,
        [&format!("share of {thing} that contain the truth"), "dashed: the requested coverage"],
    );
    held(&mut sheet, &frame, &report.levels, report.conformal_rows, 5.0);
    at_default(&mut sheet, &frame, &report.levels, report.conformal_rows);

    let frame = PlotArea { corner: (FIRST + LEFT + 78.0, TOP), size: (RIGHT, HIGH), x: levels, y: sizes(calibration) };
    heading(&mut sheet, &frame, [size, &note]);
    size_lines(&mut sheet, &frame, calibration);

    let bottom = TOP + HIGH + 44.0;
    let of_groups = groups::visible_groups(calibration)
        .into_iter()
        .map(|group| (&group.levels, own_rows(calibration, &group.value)));
    let bottom = panels(&mut sheet, (calibration, bottom - 4.0), (levels, shares(of_groups)), |sheet, frame, group| {
        let own = own_rows(calibration, &group.value);
        held(sheet, frame, &group.levels, own, 3.4);
        let found = group.levels.iter().find(|level| level.coverage == Coverage::DEFAULT);
        let found = found.map(|level| format!("{:.3} at {}", level.empirical, level.coverage.as_f64()));
        [format!("{own} rows"), found.unwrap_or_default()]
    });
    let said = tooltip(calibration, thing);
    let height = captions(&mut sheet, bottom + 24.0, &said);
    Some(sheet.finish(height, &title, &described(calibration, &said)))
}

/// Returns the plural noun for sets or intervals, the name of their size, and a note on its unit or how to read it.
fn things(calibration: &CalibrationDocument, unit: Option<&str>) -> (&'static str, &'static str, String) {
    match (&calibration.rule, unit) {
        (CalibrationRule::Classification { .. }, _) => {
            ("sets", "mean number of classes in a set", "smaller is more informative".to_owned())
        }
        (CalibrationRule::Regression { .. }, Some(unit)) => {
            ("intervals", "mean width", format!("in {}", super::shortened(unit, 40)))
        }
        (CalibrationRule::Regression { .. }, None) => {
            ("intervals", "mean width", "narrower is more informative".to_owned())
        }
    }
}

/// Returns the number of rows behind a group's own quantiles.
fn own_rows(calibration: &CalibrationDocument, value: &JsonValue) -> usize {
    let groups = calibration.groups().map(|groups| groups.groups.as_slice()).unwrap_or_default();
    groups.iter().find(|group| group.value == *value).map_or(0, |group| group.quantiles.rows)
}

/// Returns an axis that starts at the lowest share drawn for `drawn`: levels, each with the number of rows behind their
/// quantiles.
fn shares<'a>(drawn: impl IntoIterator<Item = (&'a Vec<LevelReport>, usize)>) -> Axis {
    let lows = drawn.into_iter().flat_map(|(levels, rows)| {
        levels.iter().map(move |level| {
            let band = coverage_band(level.coverage, rows, rows).map_or(level.empirical, |(low, _)| low);
            band.min(level.empirical).min(level.coverage.as_f64())
        })
    });
    Axis::share_from(lows.fold(1.0, f64::min))
}

fn sizes(calibration: &CalibrationDocument) -> Axis {
    let groups = groups::visible_groups(calibration).into_iter().flat_map(|group| &group.levels);
    let all = groups.chain(&calibration.report.levels).filter_map(|level| level.mean_size);
    Axis::up_to(all.fold(0.0, f64::max))
}

fn heading(sheet: &mut SvgCanvas, frame: &PlotArea, lines: [&str; 2]) {
    sheet.text("head", (frame.corner.0, frame.corner.1 - 30.0), lines[0]);
    sheet.text("note", (frame.corner.0, frame.corner.1 - 12.0), lines[1]);
    frame.grid(sheet);
    frame.label_y(sheet);
    frame.label_x(sheet, 18.0);
    let middle = frame.corner.0 + frame.size.0 / 2.0;
    sheet.text("note middle", (middle, frame.bottom() + 38.0), "requested coverage →");
}

/// Draws the levels and the band of chance; a level without a bound is an open dot. The band holds for new rows. The
/// dots are cross-fitted and vary less, and with quantiles per group the spread over all rows differs slightly.
fn held(sheet: &mut SvgCanvas, frame: &PlotArea, levels: &[LevelReport], rows: usize, radius: f64) {
    let bands: Vec<_> = levels
        .iter()
        .filter_map(|level| Some((level.coverage.as_f64(), coverage_band(level.coverage, rows, rows)?)))
        .collect();
    let lower = bands.iter().map(|(level, (low, _))| frame.at(*level, *low));
    let upper = bands.iter().rev().map(|(level, (_, high))| frame.at(*level, *high));
    sheet.area("chance", &lower.chain(upper).collect::<Vec<_>>());
    sheet.line("ideal", frame.at(frame.x.from, frame.x.from), frame.at(1.0, 1.0));
    for level in levels {
        let (asked, held) = (level.coverage.as_f64(), level.empirical);
        let class = if level.unbounded > 0.0 { "open" } else { "after" };
        sheet.dot(class, frame.at(asked, held), radius, &format!("requested {asked}, observed {held:.3}"));
    }
}

/// Labels the empirical coverage at the default level, below the band if there is room.
fn at_default(sheet: &mut SvgCanvas, frame: &PlotArea, levels: &[LevelReport], rows: usize) {
    let default = |level: &&LevelReport| level.coverage == Coverage::DEFAULT && level.unbounded <= 0.0;
    if let Some(level) = levels.iter().find(default) {
        let asked = level.coverage.as_f64();
        let low =
            coverage_band(level.coverage, rows, rows).map_or(level.empirical, |(low, _)| low.min(level.empirical));
        let (x, y) = frame.at(asked, level.empirical);
        let below = (frame.at(asked, low).1 + 46.0).min(frame.bottom() - 28.0);
        sheet.line("axis", (x, y + 8.0), (x, below - 15.0));
        sheet.text("after-text middle", (x, below), &format!("{:.3}", level.empirical));
        sheet.text("note middle", (x, below + 16.0), &format!("at {asked}"));
    }
}

/// Draws the sizes by level, for all rows and for each group, whose name is at the end of its line.
fn size_lines(sheet: &mut SvgCanvas, frame: &PlotArea, calibration: &CalibrationDocument) {
    let places = |levels: &[LevelReport]| -> Vec<(f64, f64)> {
        let sized = levels.iter().filter_map(|level| Some((level.coverage.as_f64(), level.mean_size?)));
        sized.map(|(level, size)| frame.at(level, size)).collect()
    };
    let mut names: Vec<(f64, String, &'static str)> = Vec::new();
    for group in groups::visible_groups(calibration) {
        let places = places(&group.levels);
        sheet.curve("group-line", &places);
        if let Some((_, y)) = places.last() {
            names.push((*y, groups::name(group, 12), "group-text"));
        }
    }
    let levels = &calibration.report.levels;
    let all = places(levels);
    sheet.curve("line", &all);
    for level in levels {
        if let Some(size) = level.mean_size {
            let class = if level.unbounded > 0.0 { "open" } else { "after" };
            let at = frame.at(level.coverage.as_f64(), size);
            sheet.dot(class, at, 4.2, &format!("requested {}: {}", level.coverage.as_f64(), format_sig(size)));
        }
    }
    if let Some(level) = levels.iter().find(|level| level.coverage == Coverage::DEFAULT)
        && let Some(size) = level.mean_size
    {
        let (x, y) = frame.at(level.coverage.as_f64(), size);
        sheet.text("after-text end", (x - 8.0, (y - 9.0).max(frame.corner.1 + 12.0)), &format_sig(size));
    }
    if let (Some((_, y)), false) = (all.last(), names.is_empty()) {
        names.push((*y, "all".to_owned(), "after-text"));
    }
    for (y, name, class) in apart(names, frame) {
        sheet.text(class, (frame.right() + 8.0, y + 4.0), &name);
    }
}

/// Moves labels apart so that none overlap; they stay within the frame if there is room for all.
fn apart(mut labels: Vec<(f64, String, &'static str)>, frame: &PlotArea) -> Vec<(f64, String, &'static str)> {
    labels.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut free = frame.corner.1;
    for label in &mut labels {
        label.0 = label.0.max(free);
        free = label.0 + MIN_LABEL_GAP;
    }
    let mut free = frame.bottom();
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(free);
        free = label.0 - MIN_LABEL_GAP;
    }
    labels
}

/// Returns the captions.
fn tooltip(calibration: &CalibrationDocument, thing: &str) -> Vec<String> {
    let report = &calibration.report;
    let rows = report.conformal_rows;
    let new = if report.groups.is_empty() {
        format!("as many new rows as there were here ({rows})")
    } else {
        format!("as many new rows as there were here ({rows}; of a group, its own)")
    };
    let mut lines = vec![
        format!("On the dashed line, {thing} contain the truth as often as requested."),
        format!("Shaded: the 99 % range for {new}, if they are like these."),
    ];
    let empty: f64 = report.levels.iter().map(|level| level.empty).fold(0.0, f64::max);
    if empty > 0.0 {
        // List the highest levels only, to fit on one line.
        let mut at: Vec<&LevelReport> = report.levels.iter().filter(|level| level.empty > 0.0).collect();
        let at = at.split_off(at.len().saturating_sub(MAX_EMPTY_SHARE));
        let share = |level: &&LevelReport| format!("{:.3} at {}", level.empty, level.coverage.as_f64());
        let shares: Vec<String> = at.iter().map(share).collect();
        lines.push(format!("Share of empty sets, where no class fits: {}.", shares.join(", ")));
    }
    let unbounded = report.levels.iter().filter(|level| level.unbounded > 0.0);
    let needed: Vec<String> =
        unbounded.map(|level| format!("{} at {}", level.rows_needed, level.coverage.as_f64())).collect();
    if !needed.is_empty() {
        let needed = needed.join(", ");
        lines.push(format!("Open: four fifths of the rows give no bound; rows needed for one: {needed}."));
    }
    lines.extend(groups::hidden_note(calibration));
    lines
}

/// Returns the description for screen readers: the captions and the numbers.
fn described(calibration: &CalibrationDocument, said: &[String]) -> String {
    let level = |level: &LevelReport| {
        let size = level.mean_size.map_or_else(|| "no bound".to_owned(), |size| format!("size {}", format_sig(size)));
        format!("requested {}: observed {:.3}, {size}", level.coverage.as_f64(), level.empirical)
    };
    let levels: Vec<String> = calibration.report.levels.iter().map(level).collect();
    format!("{} {}.", said.join(" "), levels.join("; "))
}

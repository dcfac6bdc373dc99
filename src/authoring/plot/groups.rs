//! Draws small multiples, one panel per group of a feature, and selects the groups to show if there are many.

use super::{PlotArea, SvgCanvas, plot_area::Axis, shortened};
use crate::{
    authoring::plot::layout::{FIRST, MARGIN},
    domain::uncertainty::{CalibrationDocument, GroupReport},
};

const SIDE: f64 = 148.0;
const BETWEEN: f64 = 36.0;
const PANELS_PER_ROW: usize = 4;
/// The vertical distance from one row of panels to the next.
const DOWN: f64 = SIDE + 102.0;

/// The maximum number of groups shown.
pub(super) const MAX_GROUPS: usize = 8;

/// Returns the groups to show: the largest ones, in the order of the report.
pub(super) fn visible_groups(calibration: &CalibrationDocument) -> Vec<&GroupReport> {
    let all = &calibration.report.groups;
    let mut largest: Vec<usize> = (0..all.len()).filter(|group| all[*group].rows > 0).collect();
    // The sort is stable: equal groups keep their order.
    largest.sort_by_key(|group| std::cmp::Reverse(all[*group].rows));
    largest.truncate(MAX_GROUPS);
    largest.sort_unstable();
    largest.into_iter().map(|group| &all[group]).collect()
}

/// Returns a caption about groups that are not shown; `None` if all are shown.
pub(super) fn hidden_note(calibration: &CalibrationDocument) -> Option<String> {
    let hidden = calibration.report.groups.len() - visible_groups(calibration).len();
    (hidden > 0).then(|| format!("The {MAX_GROUPS} largest groups; {hidden} more in calibration.json."))
}

/// Returns the name of a group, truncated to at most `most` characters.
pub(super) fn name(group: &GroupReport, most: usize) -> String {
    shortened(&group.value.to_string(), most)
}

/// Draws a panel for each group, from `top` down, and returns the bottom edge. `draw` fills a panel and returns the two
/// lines above it.
pub(super) fn panels(
    sheet: &mut SvgCanvas,
    (calibration, top): (&CalibrationDocument, f64),
    axes: (Axis, Axis),
    draw: impl Fn(&mut SvgCanvas, &PlotArea, &GroupReport) -> [String; 2],
) -> f64 {
    let groups = visible_groups(calibration);
    let Some(feature) = calibration.groups().map(|groups| &groups.feature).filter(|_| !groups.is_empty()) else {
        return top;
    };
    sheet.text("head", (MARGIN, top + 30.0), &format!("by {}", shortened(feature, 60)));
    let mut bottom = top;
    for (index, group) in groups.into_iter().enumerate() {
        let (column, row) = (real(index % PANELS_PER_ROW), real(index / PANELS_PER_ROW));
        let corner = (FIRST + column * (SIDE + BETWEEN), top + 100.0 + row * DOWN);
        let frame = PlotArea { corner, size: (SIDE, SIDE), x: axes.0, y: axes.1 };
        frame.grid(sheet);
        if index % PANELS_PER_ROW == 0 {
            frame.label_y(sheet);
        }
        frame.label_x(sheet, 16.0);
        let lines = draw(sheet, &frame, group);
        sheet.text("head", (corner.0, corner.1 - 44.0), &name(group, 18));
        sheet.text("note", (corner.0, corner.1 - 27.0), &lines[0]);
        sheet.text("note", (corner.0, corner.1 - 11.0), &lines[1]);
        bottom = frame.bottom() + 24.0;
    }
    bottom
}

fn real(count: usize) -> f64 {
    count as f64
}

//! The figures as plots, in the hand of `candor calibrate`.

use candor::authoring::plot::{Axis, PlotArea, Point, SvgCanvas, format_sig};

use crate::{
    rows::real,
    table::pairs,
    tally::{Series, Tally},
};

const WIDTH: f64 = 820.0;
const MARGIN: f64 = 28.0;
/// The first column of panels, and from one to the next.
const FIRST: f64 = 172.0;
const ACROSS: f64 = 160.0;
/// A panel.
const PANEL: (f64, f64) = (126.0, 40.0);
const DOWN: f64 = 58.0;
const TOP: f64 = 132.0;
/// Where the axis of each level begins.
const FROM: [f64; 4] = [0.6, 0.7, 0.8, 0.92];

/// For each version and level, how the covered share of the splits is spread, and how it should be.
pub(crate) fn shares(times: usize, series: &[Series]) -> String {
    let mut sheet = SvgCanvas::new(WIDTH);
    let title = "Do sets and intervals hold the truth as often as asked?";
    sheet.text("title", (MARGIN, 40.0), title);
    let note = format!(
        "Share of rows that were held, in {times} random splits of the held-out rows: half calibrate, half are asked."
    );
    sheet.text("note", (MARGIN, 62.0), &note);
    let shown: Vec<&Series> = series.iter().filter(|series| series.group.is_none() && !series.grouped).collect();
    for (column, tally) in shown.first().iter().flat_map(|series| &series.levels).enumerate() {
        sheet.text("head", (left(column), TOP - 28.0), &format!("asked {}", tally.coverage.as_f64()));
    }
    for (row, series) in shown.iter().enumerate() {
        let top = TOP + real(row) * DOWN;
        sheet.text("head", (MARGIN, top + 20.0), series.version);
        sheet.text("note", (MARGIN, top + 36.0), &series.kind());
        for (column, tally) in series.levels.iter().enumerate() {
            let corner = (left(column), top);
            let axis = Axis::share_from(FROM[column]);
            let frame = PlotArea { corner, size: PANEL, x: axis, y: Axis::up_to(1.0) };
            panel(&mut sheet, &frame, tally);
            if row + 1 == shown.len() {
                frame.label_x(&mut sheet, 16.0);
            }
        }
    }
    let bottom = TOP + real(shown.len()) * DOWN + 26.0;
    let said = [
        "Bars: the splits. Line: what theory says for so many rows, whatever the model. Dashed: what was asked for. Number: the mean.",
        "Few rows make wide bars: a single calibration may be off by that much, and is right on average.",
    ];
    sheet.text("note", (MARGIN, bottom), said[0]);
    sheet.text("note", (MARGIN, bottom + 18.0), said[1]);
    let line = |series: &&Series| {
        let levels: Vec<String> = series
            .levels
            .iter()
            .map(|tally| format!("{:.3} at {}", tally.measured().0, tally.coverage.as_f64()))
            .collect();
        format!("{} {}: {}.", series.version, series.kind(), levels.join(", "))
    };
    let described: Vec<String> = shown.iter().map(line).collect();
    sheet.finish(bottom + 36.0, title, &format!("{} {}", said.join(" "), described.join(" ")))
}

fn left(column: usize) -> f64 {
    FIRST + real(column) * ACROSS
}

fn panel(sheet: &mut SvgCanvas, frame: &PlotArea, tally: &Tally) {
    let (corner, bottom) = (frame.corner, frame.bottom());
    // Enough counts to a bin that it is wide enough to be seen.
    let (_, asked) = tally.rows();
    let a_pixel = (frame.x.to - frame.x.from) / frame.size.0;
    let counts = (1..=asked).find(|counts| real(*counts) / real(asked) >= 3.2 * a_pixel).unwrap_or(1);
    let bins: Vec<(f64, f64, f64)> = tally.histogram(counts).into_iter().filter(|bin| bin.0 > frame.x.from).collect();
    let most = bins.iter().map(|bin| bin.1.max(bin.2)).fold(0.0, f64::max);
    let half = 0.5 * real(counts) / real(asked);
    let mut outline: Vec<Point> = Vec::new();
    for (share, measured, lawful) in bins {
        let (from, top) = frame.at(share - half, measured / most);
        let (to, law) = frame.at(share + half, lawful / most);
        if measured > 0.0 {
            sheet.bar("after-mass", (from + 0.3, top), (to - from - 0.6, bottom - top));
        }
        outline.extend([(from, law), (to, law)]);
    }
    sheet.curve("law", &outline);
    sheet.line("axis", (corner.0, bottom), (frame.right(), bottom));
    if outline.is_empty() {
        let needed = format!("no bound: needs {} rows", tally.coverage.rows_needed());
        sheet.text("tick", (corner.0, bottom - 8.0), &needed);
    } else {
        let (asked, _) = frame.at(tally.coverage.as_f64(), 0.0);
        sheet.line("ideal", (asked, corner.1 - 4.0), (asked, bottom));
        sheet.text("after-text", (corner.0, corner.1 + 14.0), &format!("{:.3}", tally.measured().0));
    }
}

/// For each group, how often it is held with one quantile for all and with its own, at every level.
pub(crate) fn groups(times: usize, series: &[Series]) -> String {
    let mut sheet = SvgCanvas::new(WIDTH);
    let title = "One quantile for all, or one for each group?";
    sheet.text("title", (MARGIN, 40.0), title);
    let pairs = pairs(series);
    let version = pairs.first().map_or("", |pair| pair.0.version);
    let note = format!("{version}: share of rows that were held in each group, mean and spread over {times} splits.");
    sheet.text("note", (MARGIN, 62.0), &note);
    for (class, x, says) in
        [("before", MARGIN, "one quantile for all rows"), ("after", 260.0, "its own quantile (Mondrian)")]
    {
        sheet.dot(class, (x + 6.0, 84.0), 4.6, says);
        sheet.text(&format!("{class}-text"), (x + 17.0, 88.0), says);
    }
    let mut described = Vec::new();
    let top = TOP + 6.0;
    for (column, tally) in pairs.first().iter().flat_map(|pair| &pair.0.levels).enumerate() {
        sheet.text("head", (left(column), top - 16.0), &format!("asked {}", tally.coverage.as_f64()));
    }
    for (row, (pooled, own)) in pairs.iter().enumerate() {
        let y = top + real(row) * DOWN;
        let name = pooled.group.as_deref().unwrap_or_default();
        sheet.text("head", (MARGIN, y + 26.0), name);
        for (column, (pooled, own)) in pooled.levels.iter().zip(&own.levels).enumerate() {
            let axis = Axis::share_from(FROM[column]);
            let frame = PlotArea { corner: (left(column), y), size: PANEL, x: axis, y: Axis::up_to(1.0) };
            let (asked, _) = frame.at(tally_level(own), 0.0);
            sheet.line("axis", (frame.corner.0, frame.bottom()), (frame.right(), frame.bottom()));
            sheet.line("ideal", (asked, y), (asked, frame.bottom()));
            for (class, tally, height) in [("before", pooled, 0.7), ("after", own, 0.3)] {
                let (mean, spread) = tally.measured();
                sheet.line("chance-bar", frame.at(mean - spread, height), frame.at(mean + spread, height));
                let says =
                    format!("{mean:.3} ± {spread:.3}, size {}", tally.size().map_or_else(String::new, format_sig));
                sheet.dot(class, frame.at(mean, height), 4.6, &says);
                described.push(format!("{name}, asked {}, {class}: {mean:.3}.", tally_level(tally)));
            }
            if row + 1 == pairs.len() {
                frame.label_x(&mut sheet, 16.0);
            }
        }
    }
    let bottom = top + real(pairs.len()) * DOWN + 24.0;
    let said = "With one quantile the promise holds over all rows together, and one group pays for another. With its own, each group has it.";
    sheet.text("note", (MARGIN, bottom), said);
    sheet.finish(bottom + 20.0, title, &format!("{said} {}", described.join(" ")))
}

fn tally_level(tally: &Tally) -> f64 {
    tally.coverage.as_f64()
}

//! What the plots share: margins, captions, numbers.

use super::canvas::{SvgCanvas, shortened};
use crate::domain::uncertainty::CalibrationDocument;

/// The left edge of titles and captions, in pixels.
pub(super) const MARGIN: f64 = 28.0;

/// The width of every plot, in pixels.
pub(super) const WIDTH: f64 = 820.0;

/// The left edge of the first panel, in pixels; the labels of its y axis are left of it.
pub(super) const FIRST: f64 = 76.0;

/// Describes the calibration rows.
pub(super) fn rows(calibration: &CalibrationDocument) -> String {
    let (rows, file) = (calibration.data.rows, shortened(&calibration.data.file, 48));
    format!("{rows} held-out {} of {file}", if rows == 1 { "row" } else { "rows" })
}

/// Formats a number to about three significant digits, with an exponent only outside 1e-3 to 1e7.
pub fn format_sig(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e7).contains(&size) => format!("{value:.2e}"),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Draws captions one below the other and returns the resulting height of the canvas.
pub(super) fn captions(sheet: &mut SvgCanvas, top: f64, lines: &[String]) -> f64 {
    let mut y = top;
    for line in lines {
        sheet.text("note", (MARGIN, y), line);
        y += 18.0;
    }
    y + 8.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.912_34, "0.912"),
            (1.0, "1.00"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (-99.96, "-100"),
            (1_234_567.0, "1234567"),
            (1.5e-7, "1.50e-7"),
        ] {
            assert_eq!(format_sig(value), expected);
        }
    }
}

//! A panel with two axes: maps values to points on the canvas, and draws grid and labels.

use super::canvas::{Point, SvgCanvas};

/// The range and labels of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The value at its start.
    pub from: f64,
    /// The value at its end.
    pub to: f64,
    /// The distance between labels.
    step: f64,
    /// The number of decimals of the labels.
    decimals: usize,
}

impl Axis {
    /// Creates an axis of shares that ends at 1 and starts at or below `least`, with at most eight labels.
    pub fn share_from(least: f64) -> Self {
        let least = if least.is_finite() { least.clamp(0.0, 1.0) } else { 0.0 };
        let (step, decimals) = match least {
            least if least >= 0.95 => (0.01, 2),
            least if least >= 0.9 => (0.02, 2),
            least if least >= 0.75 => (0.05, 2),
            least if least >= 0.3 => (0.1, 1),
            _ => (0.2, 1),
        };
        // Steps are counted down from 1, so that 1 has a label.
        let steps = ((1.0 - least) / step - 1e-9).ceil().max(1.0);
        Self { from: (1.0 - steps * step).max(0.0), to: 1.0, step, decimals }
    }

    /// Creates an axis from 0 to at least `most`, with three to six labels at round steps.
    pub fn up_to(most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let power = 10_f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0].map(|factor| factor * power).into_iter().find(|step| most / step <= 5.0);
        let step = step.unwrap_or(10.0 * power);
        let whole = |scaled: f64| (scaled - scaled.round()).abs() < 1e-9 * scaled.abs().max(1.0);
        let decimals = (0..12_i32).find(|decimals| whole(step * 10_f64.powi(*decimals))).unwrap_or(12);
        let decimals = usize::try_from(decimals).unwrap_or(0);
        Self { from: 0.0, to: step * (most / step - 1e-9).ceil().max(1.0), step, decimals }
    }

    /// Returns the labelled values with their labels.
    pub fn labels(self) -> Vec<(f64, String)> {
        let mut labels = Vec::new();
        let mut value = self.from;
        while value <= self.to + self.step * 1e-6 {
            labels.push((value, format!("{value:.*}", self.decimals)));
            value += self.step;
        }
        labels
    }

    /// Returns the labels that fit on an axis of `pixels`: all, or every second one, always with the last.
    fn few_labels(self, pixels: f64) -> Vec<(f64, String)> {
        let labels = self.labels();
        let every = if pixels / (labels.len() as f64) < 26.0 { 2 } else { 1 };
        labels.into_iter().rev().step_by(every).collect()
    }

    /// Returns the position of a value, 0 at the start and 1 at the end; values outside are clamped.
    fn position(self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// A panel on a canvas.
#[derive(Debug, Clone, Copy)]
pub struct PlotArea {
    /// Its upper left corner.
    pub corner: Point,
    /// Its width and height.
    pub size: (f64, f64),
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
}

impl PlotArea {
    /// Returns the point for a pair of values.
    pub fn at(&self, x: f64, y: f64) -> Point {
        (self.corner.0 + self.size.0 * self.x.position(x), self.bottom() - self.size.1 * self.y.position(y))
    }

    /// Returns the right edge.
    pub fn right(&self) -> f64 {
        self.corner.0 + self.size.0
    }

    /// Returns the lower edge.
    pub fn bottom(&self) -> f64 {
        self.corner.1 + self.size.1
    }

    /// Draws grid lines at the labels of both axes, and the x axis.
    pub fn grid(&self, sheet: &mut SvgCanvas) {
        for (value, _) in self.y.labels() {
            let (_, y) = self.at(self.x.from, value);
            sheet.line("grid", (self.corner.0, y), (self.right(), y));
        }
        for (value, _) in self.x.labels() {
            let (x, _) = self.at(value, self.y.from);
            sheet.line("grid", (x, self.corner.1), (x, self.bottom()));
        }
        sheet.line("axis", (self.corner.0, self.bottom()), (self.right(), self.bottom()));
    }

    /// Draws the labels of the y axis, left of the panel.
    pub fn label_y(&self, sheet: &mut SvgCanvas) {
        for (value, label) in self.y.few_labels(self.size.1) {
            let (x, y) = self.at(self.x.from, value);
            sheet.text("tick end", (x - 8.0, y + 4.0), &label);
        }
    }

    /// Draws the labels of the x axis, `below` pixels below the panel.
    pub fn label_x(&self, sheet: &mut SvgCanvas, below: f64) {
        for (value, label) in self.x.few_labels(self.size.0) {
            let (x, _) = self.at(value, self.y.from);
            sheet.text("tick middle", (x, self.bottom() + below), &label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> String {
        axis.labels().into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn labels_are_round() {
        for (least, expected) in [
            (0.0, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (0.41, "0.4 0.5 0.6 0.7 0.8 0.9 1.0"),
            (0.29, "0.2 0.4 0.6 0.8 1.0"),
            (0.5, "0.5 0.6 0.7 0.8 0.9 1.0"),
            (0.77, "0.75 0.80 0.85 0.90 0.95 1.00"),
            (0.93, "0.92 0.94 0.96 0.98 1.00"),
            (0.972, "0.97 0.98 0.99 1.00"),
            (1.0, "0.99 1.00"),
            (f64::NAN, "0.0 0.2 0.4 0.6 0.8 1.0"),
        ] {
            assert_eq!(labels(Axis::share_from(least)), expected, "{least}");
        }
        for (most, expected) in [
            (0.0, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (1.0, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (1.3, "0.0 0.5 1.0 1.5"),
            (10.0, "0 2 4 6 8 10"),
            (262.0, "0 100 200 300"),
            (0.0041, "0.000 0.001 0.002 0.003 0.004 0.005"),
            (f64::INFINITY, "0.0 0.2 0.4 0.6 0.8 1.0"),
        ] {
            assert_eq!(labels(Axis::up_to(most)), expected, "{most}");
        }
    }

    #[test]
    fn what_lies_beyond_is_drawn_at_the_edge() {
        let frame =
            PlotArea { corner: (10.0, 20.0), size: (100.0, 50.0), x: Axis::share_from(0.5), y: Axis::up_to(10.0) };
        assert_eq!(frame.at(0.75, 5.0), (60.0, 45.0));
        assert_eq!(frame.at(0.1, 99.0), (10.0, 20.0));
        assert_eq!((frame.right(), frame.bottom()), (110.0, 70.0));
    }
}

//! A minimal SVG writer: shapes and text with CSS classes, and one style sheet that follows the reader's light or dark
//! mode. It works in pixels and knows nothing about plots. Existing plotting crates write colours into every shape,
//! which fixes the plot to one background.

use std::fmt::Write as _;

/// The style sheet: the only definition of colours and fonts.
const STYLE: &str = include_str!("style.css");

/// A point on the canvas: pixels from the left and from the top.
pub type Point = (f64, f64);

/// An SVG document under construction. Later shapes are drawn over earlier ones.
#[derive(Debug, Clone)]
pub struct SvgCanvas {
    width: f64,
    body: String,
}

impl SvgCanvas {
    /// Creates an empty canvas; the width is in pixels.
    pub fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    /// Draws text whose baseline starts at `at`; the classes `middle` and `end` centre or right-align it there.
    pub fn text(&mut self, class: &str, at: Point, text: &str) {
        let (x, y, text) = (number(at.0), number(at.1), escaped(text));
        self.shape(format_args!(r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#));
    }

    /// Draws a straight line.
    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        self.shape(format_args!(r#"<path class="{class}" d="M{x1} {y1}L{x2} {y2}"/>"#));
    }

    /// Draws a line through points in order; nothing for fewer than two points.
    pub fn curve(&mut self, class: &str, places: &[Point]) {
        self.path(class, places, "");
    }

    /// Draws a filled polygon through points in order; nothing for fewer than two points.
    pub fn area(&mut self, class: &str, places: &[Point]) {
        self.path(class, places, "Z");
    }

    fn path(&mut self, class: &str, places: &[Point], close: &str) {
        if places.len() > 1 {
            let places: Vec<String> = places.iter().map(|at| format!("{} {}", number(at.0), number(at.1))).collect();
            self.shape(format_args!(r#"<path class="{class}" d="M{}{close}"/>"#, places.join("L")));
        }
    }

    /// Draws a dot; `says` is its tooltip.
    pub fn dot(&mut self, class: &str, at: Point, radius: f64, says: &str) {
        let ([x, y, radius], says) = ([at.0, at.1, radius].map(number), escaped(says));
        self.shape(format_args!(
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"><title>{says}</title></circle>"#
        ));
    }

    /// Draws a rectangle; `at` is its upper left corner.
    pub fn bar(&mut self, class: &str, at: Point, size: (f64, f64)) {
        let [x, y, width, height] = [at.0, at.1, size.0, size.1].map(number);
        self.shape(format_args!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#));
    }

    fn shape(&mut self, shape: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{shape}");
    }

    /// Returns the document; the height is in pixels. The title and description are for screen readers.
    pub fn finish(self, height: f64, title: &str, description: &str) -> String {
        let (width, height, body) = (number(self.width), number(height), self.body);
        let (title, description) = (escaped(title), escaped(description));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>
{STYLE}</style>
<rect class="sheet" width="{width}" height="{height}" rx="8"/>
{body}</svg>
"#
        )
    }
}

/// Formats a length to a tenth of a pixel: the same on every machine, and never `-0.0`, `NaN` or `inf`.
fn number(value: f64) -> String {
    let tenths = if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 };
    // Adding 0 turns a negative zero into a positive one.
    format!("{}", tenths + 0.0)
}

/// Escapes text for XML; characters that XML does not allow become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// Truncates a name to at most `most` characters, with an ellipsis if it was longer.
pub fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_well_formed_whatever_the_text() {
        let mut sheet = SvgCanvas::new(100.0);
        let nasty = "</svg> & \"quoted\" 'single' \u{0}\u{b}\u{ffff} ]]> \u{1f980}\n\t";
        sheet.text("tick", (1.25, -0.01), nasty);
        sheet.dot("after", (f64::NAN, f64::INFINITY), 3.0, nasty);
        sheet.curve("line", &[]);
        sheet.curve("line", &[(0.0, 0.0)]);
        sheet.area("chance", &[(0.0, 0.0), (1.0, 2.0)]);
        let text = sheet.finish(50.0, nasty, nasty);
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let said = "</svg> & \"quoted\" 'single' \u{fffd}\u{fffd}\u{fffd} ]]> \u{1f980}  ";
        let texts: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(texts, [said]);
        assert!(text.contains(r#"x="1.3" y="0""#) && text.contains(r#"cx="0" cy="0""#), "{text}");
        assert!(!text.contains("M0 0\"") && text.contains("M0 0L1 2Z"), "{text}");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shortened("business", 8), "business");
        assert_eq!(shortened("business plus", 10), "business…");
        assert_eq!(shortened("…", 0), "…");
    }
}

//! Plots of a calibration report as standalone SVG files. They follow the reader's light or dark mode, load no external
//! fonts or scripts, and have the same bytes on every machine.

mod canvas;
mod coverage;
mod groups;
mod layout;
mod plot_area;
mod reliability;

pub use canvas::{Point, SvgCanvas, shortened};
pub use coverage::coverage;
pub use layout::format_sig;
pub use plot_area::{Axis, PlotArea};
pub use reliability::reliability;

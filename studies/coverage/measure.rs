//! How often sets and intervals hold the truth on real rows: the held-out rows of each bundled model are split again and
//! again; one half calibrates as `candor calibrate` does, the other is asked as the server is. Beside each figure stands the
//! exact law of what it should be.
//!
//! `make coverage` runs it. It takes the directory to write to, the directory of the tables, and how many splits to make.

mod draw;
mod rows;
mod splits;
mod studies;
mod table;
mod tally;

use std::{fs, path::Path};

use candor::{repository::Loader, runtime::OrtLibrary};
use studies::STUDIES;
use tally::Series;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, tables, times] = arguments.as_slice() else {
        panic!("usage: coverage OUT TABLES SPLITS");
    };
    let times: usize = times.parse().expect("the number of splits is a whole number");
    let config = candor::config::load(&candor::config::Layers::default()).expect("the shipped configuration").config;
    let library = OrtLibrary::load(&config.runtime.library).unwrap_or_else(|error| panic!("{error}"));
    let loader = Loader::new(library, config.runtime);
    let mut series: Vec<Series> = Vec::new();
    for study in STUDIES.iter().filter(|study| study.directory().is_dir()) {
        let rows = study.read(&loader, Path::new(tables));
        series.extend(splits::repeat(study, &rows, times));
    }
    let out = Path::new(out);
    fs::create_dir_all(out).expect("the directory is made");
    let written = [
        ("coverage.md", table::markdown(times, &series)),
        ("coverage.svg", draw::shares(times, &series)),
        ("groups.svg", draw::groups(times, &series)),
    ];
    for (name, text) in written {
        fs::write(out.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
        eprintln!("wrote {}", out.join(name).display());
    }
}

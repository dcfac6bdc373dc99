//! The results as a table.

use std::collections::BTreeMap;

use candor::{authoring::shell_quoted, domain::uncertainty::EceByChance};

use crate::case::Case;

const HEAD: &str = "\
| model | flags of `init` | method (share of splits) | ECE before | after | by chance | outside before | after | and silent | worse | coverage at 0.9 | outside | size |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// The sums of one case.
pub(crate) struct Line {
    kind: String,
    flags: String,
    refused: bool,
    splits: usize,
    methods: BTreeMap<String, usize>,
    before: f64,
    after: f64,
    chance: f64,
    outside_before: usize,
    outside_after: usize,
    silent: usize,
    worse: usize,
    coverage: f64,
    size: f64,
    uncovered: usize,
    judged: usize,
}

impl Line {
    pub(crate) fn new(case: &Case) -> Self {
        Self {
            kind: case.kind.clone(),
            flags: case.init.iter().map(|flag| shell_quoted(flag)).collect::<Vec<_>>().join(" "),
            refused: false,
            splits: 0,
            methods: BTreeMap::new(),
            before: 0.0,
            after: 0.0,
            chance: 0.0,
            outside_before: 0,
            outside_after: 0,
            silent: 0,
            worse: 0,
            coverage: 0.0,
            size: 0.0,
            uncovered: 0,
            judged: 0,
        }
    }

    /// A case that `init` refuses.
    pub(crate) fn refused(case: &Case) -> Self {
        Self { refused: true, ..Self::new(case) }
    }

    pub(crate) fn add_coverage(&mut self, share: f64, band: (f64, f64), size: f64) {
        self.splits += 1;
        self.size += size;
        self.coverage += share;
        self.uncovered += usize::from(!(band.0..=band.1).contains(&share));
    }

    pub(crate) fn add_method(&mut self, method: &str) {
        let name = method.split('+').next().unwrap_or(method).to_owned();
        *self.methods.entry(name).or_default() += 1;
    }

    /// Adds the errors of a split, and whether its calibration says that it is beyond chance.
    pub(crate) fn add_errors(&mut self, before: (f64, EceByChance), after: (f64, EceByChance), said: bool) {
        self.judged += 1;
        self.before += before.0;
        self.after += after.0;
        self.chance += after.1.mean;
        self.outside_before += usize::from(before.0 > before.1.limit);
        let outside = after.0 > after.1.limit;
        self.outside_after += usize::from(outside);
        self.silent += usize::from(outside && !said);
        self.worse += usize::from(outside && after.0 > before.0 + after.1.mean);
    }

    pub(crate) fn text(&self) -> String {
        let flags = if self.flags.is_empty() { String::new() } else { format!("`{}`", self.flags.replace('|', "\\|")) };
        if self.refused {
            return format!("| {} | {flags} | refused by `init` | | | | | | | | | | |", self.kind);
        }
        let mut methods: Vec<(&String, &usize)> = self.methods.iter().collect();
        methods.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let percent = |count: usize| format!("{:.0} %", count as f64 / self.splits as f64 * 100.0);
        let methods = methods.iter().take(3).map(|(name, count)| match methods.len() {
            1 => format!("`{name}`"),
            _ => format!("`{name}` {}", percent(**count)),
        });
        let methods = methods.collect::<Vec<_>>().join(", ");
        let errors = if self.judged == 0 {
            " | | | | | | ".to_owned()
        } else {
            let mean = |sum: f64| format!("{:.3}", sum / self.judged as f64);
            [
                mean(self.before),
                mean(self.after),
                mean(self.chance),
                percent(self.outside_before),
                percent(self.outside_after),
                percent(self.silent),
                percent(self.worse),
            ]
            .join(" | ")
        };
        let coverage = self.coverage / self.splits as f64;
        let (outside, size) = (percent(self.uncovered), self.size / self.splits as f64);
        format!("| {} | {flags} | {methods} | {errors} | {coverage:.3} | {outside} | {size:.2} |", self.kind)
    }
}

/// The whole document.
pub(crate) fn markdown(times: usize, lines: &[Line]) -> String {
    let mut text = format!(
        "# Models of many kinds\n\nThe held-out rows of each model, split {times} times in two halves: one calibrates as `candor \
         calibrate` does by default, the other judges. *By chance* is the mean ECE of a perfect calibration on as many rows. \
         *Outside* is the share of splits whose ECE is beyond the value that a perfect calibration exceeds in 1 of 100 cases; \
         *and silent*, the share in which the calibration does not say so either (`miscalibrated`); *worse*, the share in which \
         it is also greater than before by more than the mean of chance. The last columns are the mean coverage of sets or \
         intervals, the share of splits outside the 99 % band, and the mean number of classes or width. `make matrix-study` writes this page.\n\n{HEAD}\n"
    );
    for line in lines {
        text += &line.text();
        text.push('\n');
    }
    text
}

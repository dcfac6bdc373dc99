//! How often the guard of a canary is right: false rollbacks, and the requests until a worse canary is taken back.
//!
//! `make guard-study` runs it. It takes the file to write and how many canaries to simulate for each line.

mod cases;
mod life;
mod sampling;
mod scenario;
mod table;

use std::time::Instant;

/// The longest life of a canary, in its own requests.
const REQUESTS: u64 = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, times] = arguments.as_slice() else { panic!("usage: guard OUT CANARIES") };
    let times: usize = times.parse().expect("the number of canaries is a whole number");
    let mut done = Vec::new();
    for section in cases::sections() {
        let rows = section.scenarios.iter().map(|scenario| {
            let start = Instant::now();
            let row = table::row(scenario, &life::repeat(scenario, REQUESTS, times));
            eprintln!("{row} {:.1} s", start.elapsed().as_secs_f64());
            row
        });
        done.push((section.heading, rows.collect()));
    }
    std::fs::write(out, table::markdown(REQUESTS, times, &done)).unwrap_or_else(|error| panic!("{out}: {error}"));
    eprintln!("wrote {out}");
}

//! The table of one run, as Markdown.

use crate::Failure;
use crate::measure::Seen;
use crate::system::System;

pub(crate) fn print(entries: usize, lines: &[(System, Result<Seen, Failure>)]) {
    println!(
        "| {entries} entries of 200 bytes | one entry until both have it, p50 / p99 | put all | remove all | a third joins | bytes an entry |"
    );
    println!("|---|---|---|---|---|---|");
    for (system, seen) in lines {
        match seen {
            Ok(seen) => println!("| {} | {} |", system.name(), cells(entries, seen).join(" | ")),
            Err(error) => println!("| {} | {error} | | | | |", system.name()),
        }
    }
}

fn cells(entries: usize, seen: &Seen) -> [String; 5] {
    let ms = |share| seen.single.at(share).as_secs_f64() * 1_000.0;
    let rate = |took: std::time::Duration| format!("{:.0}/s", entries as f64 / took.as_secs_f64());
    [
        format!("{:.2} / {:.2} ms", ms(0.5), ms(0.99)),
        rate(seen.put),
        rate(seen.remove),
        format!("{:.2} s", seen.join.as_secs_f64()),
        format!("{:.0}", seen.bytes),
    ]
}

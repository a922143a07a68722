//! This project beside others of its field, in one run: one node writes, two others hold everything in their own memory.
//!
//! `cargo run --release --manifest-path peers/Cargo.toml -- [ENTRIES] [SYSTEM...]`
//!
//! Each system runs as it is meant to be used, each part of it in a process of its own on loopback: a writer, two members, and a third
//! member that joins late. All are told what to do in the same few words (see [`part`]), and all say when it was done by the clock of
//! the machine. A system whose program is not installed is skipped, and the table says so.

mod measure;
mod part;
mod system;
mod table;

use system::System;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ENTRIES: usize = 100_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["writer", system, name, place] => system.parse::<System>()?.writer(name, place).await,
        ["member", system, name, place] => system.parse::<System>()?.member(name, place).await,
        rest => {
            let (entries, names) = match rest.split_first() {
                Some((first, names)) if first.parse::<usize>().is_ok() => (first.parse()?, names),
                _ => (ENTRIES, rest),
            };
            let chosen = names.iter().map(|name| name.parse()).collect::<Result<Vec<System>, _>>()?;
            let systems = if chosen.is_empty() { System::ALL.to_vec() } else { chosen };
            let mut lines = Vec::new();
            for system in systems {
                lines.push((system, measure::measure(system, entries).await));
            }
            table::print(entries, &lines);
            Ok(())
        }
    }
}

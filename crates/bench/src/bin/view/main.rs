//! What the view costs, beside a hash map and a sorted map in the same run.
//!
//! `cargo run --release -p sensocto-bench --bin view -- --sensors 1000000`
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod measure;
mod reads;
mod world;
mod writes;

use clap::Parser;

use world::Maps;

/// Measures the view beside a hash map and a sorted map.
#[derive(Debug, Parser)]
struct Args {
    /// Sensors in the world
    #[arg(long, default_value_t = 1_000_000)]
    sensors: usize,
    /// Times that each read is measured
    #[arg(long, default_value_t = 100_000)]
    reads: usize,
}

fn main() {
    let args = Args::parse();
    let world = world::World::new(args.sensors);
    println!(
        "{} sensors, 12 types, {} connectors, 3 nodes, 1,000 rooms for half of them",
        args.sensors,
        args.sensors / 10
    );
    println!();
    let maps = Maps::build(&world);
    println!();
    reads::gets(&world, &maps, args.reads);
    println!();
    reads::pages(&world, &maps, args.reads / 50);
    println!();
    writes::changes(&world, maps, args.reads);
}

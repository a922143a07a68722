//! The core alone, on one core of the machine: what one entry costs to register, to encode, to apply, and to keep.
//!
//! `cargo run --release -p sensocto-bench --bin core -- [ENTRIES]`
#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

use std::time::{Duration, Instant};

use sensocto_bench::{resident_bytes, sensor};
use sensocto_model::{Generation, NodeName, Origin};
use sensocto_registry::{Config, Now, Output, Registry};

fn origin(name: &str) -> Origin {
    Origin { node: NodeName::new(name).unwrap_or_else(|error| panic!("{error}")), generation: Generation(1) }
}

fn rate(what: &str, entries: usize, took: Duration) {
    println!("{what}: {:.0} entries/s ({entries} in {took:.2?})", entries as f64 / took.as_secs_f64());
}

fn main() {
    let entries: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut now = Now { mono: Duration::from_secs(1), wall_ms: 1_767_000_000_000 };
    let records: Vec<_> = (0..entries).map(|number| sensor("s", number)).collect();
    let bytes: usize = records.iter().map(|record| record.encode().len()).sum();
    println!("{entries} entries of {} bytes each", bytes / entries.max(1));

    let mut a = Registry::new(origin("a"), Config::default(), now);
    let mut b = Registry::new(origin("b"), Config::default(), now);
    let started = Instant::now();
    let stamps: Vec<_> = records
        .into_iter()
        .map(|record| {
            let key = record.key();
            (key, a.register(record, now).unwrap_or_else(|error| panic!("{error}")).stamp)
        })
        .collect();
    rate("register", entries, started.elapsed());
    while a.poll_output().is_some() {}

    now.mono += Duration::from_millis(200);
    let started = Instant::now();
    a.handle_tick(now);
    let frames: Vec<Vec<u8>> = published(&mut a);
    rate("encode", entries, started.elapsed());
    println!(
        "frames: {}, {} bytes an entry",
        frames.len(),
        frames.iter().map(Vec::len).sum::<usize>() / entries.max(1)
    );

    let before = resident_bytes();
    let started = Instant::now();
    for frame in &frames {
        b.handle_frame(frame, now).unwrap_or_else(|error| panic!("{error}"));
        while b.poll_output().is_some() {}
    }
    rate("apply", entries, started.elapsed());
    assert_eq!(b.view().count(sensocto_model::Kind::Sensor), entries);
    let grown = resident_bytes().saturating_sub(before);
    println!("memory of the copy: {} bytes an entry, view included", grown / entries.max(1) as u64);

    let started = Instant::now();
    for (key, stamp) in &stamps {
        a.unregister(key, *stamp);
        while a.poll_output().is_some() {}
    }
    rate("unregister", entries, started.elapsed());
    now.mono += Duration::from_millis(200);
    a.handle_tick(now);
    let frames = published(&mut a);
    let started = Instant::now();
    for frame in &frames {
        b.handle_frame(frame, now).unwrap_or_else(|error| panic!("{error}"));
        while b.poll_output().is_some() {}
    }
    rate("apply removals", entries, started.elapsed());
    assert_eq!(b.view().count(sensocto_model::Kind::Sensor), 0);
}

fn published(registry: &mut Registry) -> Vec<Vec<u8>> {
    let outputs = std::iter::from_fn(|| registry.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Publish(frame) => Some(frame),
            Output::Ask { .. }
            | Output::Event(_)
            | Output::Superseded { .. }
            | Output::NameTaken { .. }
            | Output::Overtaken { .. } => None,
        })
        .collect()
}

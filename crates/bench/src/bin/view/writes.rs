//! Changes, one snapshot for each batch of them.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sensocto_model::{Key, Stamp, Version};
use sensocto_registry::live::{Live, WindowSpec};
use sensocto_registry::{Entry, Event, Order, Position, SensorFilter, SensorQuery, View, bench};

use crate::measure::{Rng, shown};
use crate::world::{Held, Maps, World, sensor};

/// Changes between two snapshots: as many as a driver takes in at once.
const BATCH: usize = 500;

type Change = (usize, Key, Option<Arc<Entry>>);

/// Changes of facts of random sensors, made before they are measured.
fn facts(world: &World, count: usize, seed: u64) -> Vec<Change> {
    let (mut rng, all) = (Rng(seed), world.sensors.len());
    let changes = (0..count).map(|change| {
        let at = rng.below(all);
        let number = number_of(&world.sensors[at].0);
        let record = sensor(number, change + 1 + seed as usize * count, all);
        let version = Version((all + change + seed as usize * count) as u64);
        (at, record.key(), Some(bench::entry(record, version, Stamp { wall_ms: 1, counter: 0 })))
    });
    changes.collect()
}

fn number_of(key: &Key) -> usize {
    key.id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

pub(crate) fn changes(world: &World, maps: Maps, count: usize) {
    let Maps { mut view, mut hash, mut sorted, mut persistent } = maps;
    let facts = facts(world, count, 3);
    let held = |(at, key, entry): &Change| {
        let held: Held = (Arc::clone(world.origin(*at)), Arc::clone(entry.as_ref().expect("an entry")));
        (key.id.clone(), held)
    };
    let time = each(&facts, |change| {
        let (id, held) = held(change);
        black_box(hash.insert(id, held));
    });
    println!("{:<52} {} each", "change of facts, hash map", shown(time));
    let time = each(&facts, |change| {
        let (id, held) = held(change);
        black_box(sorted.insert(id, held));
    });
    println!("{:<52} {} each", "change of facts, sorted map", shown(time));
    let mut snapshot = persistent.clone();
    let mut number = 0;
    let time = each(&facts, |change| {
        let (id, held) = held(change);
        black_box(persistent.insert(id, held));
        number += 1;
        if number % BATCH == 0 {
            snapshot = persistent.clone();
        }
    });
    drop(snapshot);
    println!("{:<52} {} each", "change of facts, persistent sorted map", shown(time));
    println!("{:<52} {} each", "change of facts (name too), view", shown(in_batches(world, &mut view, &facts)));
    for (run, queries) in [0, 1_000, 10_000].into_iter().enumerate() {
        // Other changes each time: the same ones again would change nothing.
        let others = self::facts(world, count, 6 + run as u64);
        live(world, &mut view, &others, queries);
    }
    let leaves: Vec<Change> = facts.iter().map(|(at, key, _)| (*at, key.clone(), None)).collect();
    println!("{:<52} {} each", "leave, view", shown(in_batches(world, &mut view, &leaves)));
    println!("{:<52} {} each", "join, view", shown(in_batches(world, &mut view, &facts)));
    let one = &facts[..facts.len().min(10_000)];
    let time = each(one, |(at, key, entry)| {
        black_box(bench::apply(&mut view, world.origin(*at), key.clone(), entry.clone()));
        black_box(bench::snapshot(&mut view));
    });
    println!("{:<52} {} each", "a snapshot after each single change", shown(time));
}

/// The same changes with live queries: half of them into the whole list, half into the lists of types, all at random places.
pub(crate) fn live(world: &World, view: &mut View, changes: &[Change], queries: usize) {
    let (mut live, mut rng) = (Live::default(), Rng(5));
    for number in 0..queries {
        let sensor_type = (number % 2 == 0).then(|| format!("type {}", rng.below(12)));
        let query = SensorQuery { filter: SensorFilter { sensor_type, ..SensorFilter::default() }, order: Order::Id };
        let after = Some(Position::Id(world.id(rng.below(usize::MAX)).to_owned()));
        live.open(view, WindowSpec { query, after, limit: 100 });
    }
    let (mut told, mut snapshot) = (0, view.clone());
    let start = Instant::now();
    for batch in changes.chunks(BATCH) {
        let apply = |(at, key, entry): &Change| bench::apply(view, world.origin(*at), key.clone(), entry.clone());
        let events: Vec<Event> = batch.iter().filter_map(apply).collect();
        snapshot = bench::snapshot(view);
        live.take(&events);
        told += live.differences(&snapshot).len() + live.totals().len();
    }
    let each = start.elapsed() / changes.len().max(1) as u32;
    drop(snapshot);
    println!("{:<52} {} each, {told} windows told", format!("the same with {queries} live queries"), shown(each));
}

fn each(changes: &[Change], mut apply: impl FnMut(&Change)) -> Duration {
    let start = Instant::now();
    changes.iter().for_each(&mut apply);
    start.elapsed() / changes.len().max(1) as u32
}

/// Applies changes with a snapshot after each batch, as a driver does; the last snapshot goes when the next one comes.
fn in_batches(world: &World, view: &mut View, changes: &[Change]) -> Duration {
    let mut snapshot = view.clone();
    let start = Instant::now();
    for batch in changes.chunks(BATCH) {
        for (at, key, entry) in batch {
            black_box(bench::apply(view, world.origin(*at), key.clone(), entry.clone()));
        }
        snapshot = bench::snapshot(view);
    }
    let each = start.elapsed() / changes.len().max(1) as u32;
    drop(snapshot);
    each
}

/// Applies changes at a rate, and publishes each batch, until it is told to stop.
pub(crate) fn steadily(
    world: &World,
    view: &View,
    shared: &ArcSwap<View>,
    rate: usize,
    stop: &AtomicBool,
    done: &AtomicU64,
) {
    let (mut view, changes) = (view.clone(), facts(world, 100_000, 4));
    let batch = rate / 100;
    let mut next = Instant::now();
    for batch in changes.chunks(batch).cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        for (at, key, entry) in batch {
            black_box(bench::apply(&mut view, world.origin(*at), key.clone(), entry.clone()));
        }
        shared.store(Arc::new(bench::snapshot(&mut view)));
        done.fetch_add(batch.len() as u64, Ordering::Relaxed);
        next += Duration::from_millis(10);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

//! Gets, pages and counts.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sensocto_model::Kind;
use sensocto_registry::{Line, Order, Position, SearchText, SensorFilter, SensorQuery, View};

use crate::measure::{Rng, Times};
use crate::world::{Maps, World};
use crate::writes;

pub(crate) fn gets(world: &World, maps: &Maps, reads: usize) {
    let mut rng = Rng(1);
    let ids: Vec<&str> = (0..reads).map(|_| world.id(rng.below(usize::MAX))).collect();
    let hash = Times::of(reads, |at| _ = black_box(maps.hash.get(ids[at]).map(|(_, entry)| entry.version)));
    println!("{}", hash.line("get by id, hash map"));
    let sorted = Times::of(reads, |at| _ = black_box(maps.sorted.get(ids[at]).map(|(_, entry)| entry.version)));
    println!("{}", sorted.line("get by id, sorted map"));
    let persistent = Times::of(reads, |at| _ = black_box(maps.persistent.get(ids[at]).map(|(_, entry)| entry.version)));
    println!("{}", persistent.line("get by id, persistent sorted map"));
    let get = |view: &View, at: usize| _ = black_box(view.get(Kind::Sensor, ids[at]).map(|held| held.entry.version));
    let idle = Times::of(reads, |at| get(&maps.view, at));
    println!("{}", idle.line("get by id, view"));
    let shared = ArcSwap::from_pointee(maps.view.clone());
    let quiet = Times::of(reads, |at| get(&shared.load(), at));
    println!("{}", quiet.line("get by id, view behind its pointer"));
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let busy = std::thread::scope(|scope| {
        scope.spawn(|| writes::steadily(world, &maps.view, &shared, 50_000, &stop, &done));
        while done.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let (before, start) = (done.load(Ordering::Relaxed), Instant::now());
        let busy = Times::of(reads * 10, |at| get(&shared.load(), at % reads));
        let rate = (done.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        println!("{}  ({rate:.0} changes/s)", busy.line("the same while 50,000 changes/s are applied"));
        busy
    });
    let ratio = |one: &Times, other: &Times| one.at(0.5).as_nanos() as f64 / other.at(0.5).as_nanos().max(1) as f64;
    println!(
        "p50 ratios: view / hash map {:.2}, view / sorted map {:.2}, busy / quiet {:.2}",
        ratio(&idle, &hash),
        ratio(&idle, &sorted),
        ratio(&busy, &quiet)
    );
}

pub(crate) fn pages(world: &World, maps: &Maps, reads: usize) {
    let count = world.sensors.len();
    let mut rng = Rng(2);
    let deep: Vec<String> = (0..reads).map(|_| format!("sensor-{:08}", rng.below(count * 9 / 10))).collect();
    let sorted = Times::of(reads, |at| {
        let start = std::ops::Bound::Excluded(deep[at].as_str());
        let page: Vec<_> = maps.sorted.range::<str, _>((start, std::ops::Bound::Unbounded)).take(100).collect();
        black_box(page);
    });
    println!("{}", sorted.line("page of 100 by key anywhere, sorted map"));
    let empty = SensorFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let searched = |words: &str| SensorQuery {
        filter: SensorFilter { text: SearchText::new(words), ..empty() },
        order: Order::Name,
    };
    let table = [
        ("by key", SensorQuery::default()),
        ("by type", SensorQuery { filter: SensorFilter { sensor_type: text("type 5"), ..empty() }, order: Order::Id }),
        ("by node", SensorQuery { filter: SensorFilter { node: text("b"), ..empty() }, order: Order::Id }),
        ("by attribute", SensorQuery { filter: SensorFilter { attribute: text("lux"), ..empty() }, order: Order::Id }),
        ("by room", SensorQuery { filter: SensorFilter { room: text("room 8"), ..empty() }, order: Order::Id }),
        ("in order of names", SensorQuery { order: Order::Name, ..SensorQuery::default() }),
        ("last changed first", SensorQuery { order: Order::Changed, ..SensorQuery::default() }),
        (
            "by type and node",
            SensorQuery {
                filter: SensorFilter { sensor_type: text("type 5"), node: text("b"), ..empty() },
                order: Order::Id,
            },
        ),
        (
            "by type, last changed first",
            SensorQuery { filter: SensorFilter { sensor_type: text("type 5"), ..empty() }, order: Order::Changed },
        ),
        (
            "by name prefix",
            SensorQuery { filter: SensorFilter { name_prefix: text("sensor 77"), ..empty() }, order: Order::Name },
        ),
        ("by a word that all have", searched("sensor")),
        ("by a word that a thousandth has", searched("777")),
        ("by three words that one has", searched("sen 0 77777")),
    ];
    for (what, query) in &table {
        let first = Times::of(reads, |_| page(&maps.view, query, None));
        println!("{}", first.line(&format!("page of 100 {what}, the first")));
        let places: Vec<Position> = deep.iter().filter_map(|id| maps.view.position(query.order, id)).collect();
        let anywhere = Times::of(reads, |at| page(&maps.view, query, places.get(at)));
        println!("{}", anywhere.line(&format!("page of 100 {what}, anywhere")));
    }
    let connectors: Vec<SensorQuery> = (0..reads)
        .map(|_| text(&format!("connector-{}", rng.below(count / 10))))
        .map(|connector| SensorQuery { filter: SensorFilter { connector, ..empty() }, order: Order::Id })
        .collect();
    println!(
        "{}",
        Times::of(reads, |at| page(&maps.view, &connectors[at], None)).line("the 10 sensors of a connector")
    );
    counts(maps, reads);
}

fn page(view: &View, query: &SensorQuery, after: Option<&Position>) {
    let found = view.sensors(query, after, 100, Duration::ZERO);
    // What a reader does at least: look at each entry.
    let version = |line: &Line<'_>| line.held.entry.version.0;
    black_box(found.lines.iter().map(version).sum::<u64>());
}

fn counts(maps: &Maps, reads: usize) {
    let one = Times::of(reads, |_| _ = black_box(maps.view.count_of_type("type 5")));
    println!("{}", one.line("count of one type"));
    let all = Times::of(reads, |_| _ = black_box(maps.view.count_by_type().map(|(_, count)| count).sum::<usize>()));
    println!("{}", all.line("count of every type"));
    let health = Times::of(reads, |_| {
        let counts = Kind::ALL.map(|kind| maps.view.count(kind));
        black_box((counts, maps.view.rooms_total(), maps.view.people_total(), maps.view.count_by_node()));
    });
    println!("{}", health.line("the counts of the cluster's health, by node too"));
    let both =
        SensorFilter { sensor_type: Some("type 5".to_owned()), node: Some("b".to_owned()), ..SensorFilter::default() };
    let scan = Times::of(20, |_| _ = black_box(maps.view.sensors_total(&both, Duration::ZERO)));
    println!("{}", scan.line("count of a type on a node (two conditions: a scan)"));
}

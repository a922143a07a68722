//! What a page of a hundred rooms costs, beside the same page of a sorted map in the same run.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sensocto_node::model::Room;
use sensocto_node::{Handle, RoomOrder, RoomQuery, RoomsView};

use crate::{Failure, user};

const PAGE: usize = 100;
const REPEATED: u32 = 2_000;

fn time(mut work: impl FnMut(u32)) -> Duration {
    let started = Instant::now();
    (0..REPEATED).for_each(&mut work);
    started.elapsed() / REPEATED
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Prints the cost of the first page and of one in the middle, in each order, for nobody, for an owner, and by the beginning of names.
pub(crate) fn measure(handle: &Handle) -> Result<(), Failure> {
    let rooms = handle.rooms();
    let view = &rooms.view;
    let plain: BTreeMap<&str, &Arc<Room>> = view.iter().map(|room| (room.id.as_str(), room)).collect();
    let beside = time(|_| drop(black_box(plain.values().take(PAGE).map(|room| Arc::clone(room)).collect::<Vec<_>>())));
    println!("page of {PAGE} rooms of {}; a sorted map takes {:.1} µs", view.len(), micros(beside));
    println!("| whose, order | first | middle | total |\n|---|---|---|---|");
    let owner = Some(user(0)?);
    let nobody = RoomQuery::default();
    let ana = RoomQuery { viewer: owner.clone(), ..RoomQuery::default() };
    let mine = RoomQuery { mine: true, ..ana.clone() };
    let named = RoomQuery { name_prefix: Some("room 5".to_owned()), ..RoomQuery::default() };
    for (whose, query) in [("public", nobody), ("all that one sees", ana), ("one's own", mine), ("by prefix", named)] {
        for order in RoomOrder::ALL {
            row(view, whose, &RoomQuery { order, ..query.clone() });
        }
    }
    Ok(())
}

fn row(view: &RoomsView, whose: &str, query: &RoomQuery) {
    let total = view.total(query);
    let (all, _) = view.list(query, None, total / 2 + 1);
    let middle = all.last().map(|room| query.order.place(room));
    let first = time(|_| drop(black_box(view.list(query, None, PAGE))));
    let deep = time(|_| drop(black_box(view.list(query, middle.as_ref(), PAGE))));
    let counted = time(|_| {
        black_box(view.total(query));
    });
    println!(
        "| {whose}, {} | {:.1} µs | {:.1} µs | {total}: {:.1} µs |",
        query.order.as_str(),
        micros(first),
        micros(deep),
        micros(counted)
    );
}

//! What is counted about rooms.

use crate::rooms::RoomsWorld;

use super::readings::{Reading, count, state};

pub(super) const READINGS: &[Reading<RoomsWorld>] = &[
    // How many private ones there are is the business of nobody who reads metrics.
    state("rooms", "Public rooms that this node holds", |world| world.view.public_total() as u64),
    state("room_records", "Rooms of all kinds and their tombstones", |world| world.health.records as u64),
    state("rooms_on_disk", "1 where rooms are on a disk, else 0", |world| world.health.on_disk.into()),
    state("rooms_writable", "1 where the disk took the last write, else 0", |world| world.health.writable.into()),
    state("rooms_ready", "1 where the node has caught up with the others, else 0", |world| world.health.ready.into()),
    state("room_operations_waiting", "Operations under way", |world| world.health.waiting as u64),
    state("rooms_identical", "Reached nodes that hold exactly the same rooms", |world| world.health.identical as u64),
    count("room_operations_acknowledged", "Operations that this node decided on", |world| world.counters.acknowledged),
    count("room_operations_against_rules", "Operations that were against the rules", |world| {
        world.counters.against_rules
    }),
    count("room_operations_refused", "Operations that were asked again elsewhere", |world| world.counters.refused),
    count("room_operations_timed_out", "Operations that nobody answered in time", |world| world.counters.timed_out),
    count("room_operations_turned_away", "Operations beyond the bound", |world| world.counters.turned_away),
    count("room_take_overs", "Rooms that this node took over", |world| world.counters.take_overs),
    count("room_records_merged", "Records merged from other nodes", |world| world.counters.merged),
    count("room_records_unreadable", "Records from elsewhere that are no records", |world| world.counters.unreadable),
    count("room_codes_replaced", "Join codes replaced after a partition", |world| world.counters.codes_replaced),
    count("room_disk_failures", "Writes that the disk refused", |world| world.counters.disk_failures),
];

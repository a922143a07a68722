//! What is counted about rooms.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::rooms::RoomsWorld;

type Reading = (&'static str, &'static str, fn(&RoomsWorld) -> u64);

/// Each metric with what it reads. Counts are since the start.
const READINGS: &[Reading] = &[
    ("rooms", "Rooms that this node holds", |world| world.health.rooms as u64),
    ("room_records", "Rooms and their tombstones", |world| world.health.records as u64),
    ("rooms_on_disk", "1 where rooms are on a disk, else 0", |world| world.health.on_disk.into()),
    ("rooms_writable", "1 where the disk took the last write, else 0", |world| world.health.writable.into()),
    ("rooms_ready", "1 where the node has caught up with the others, else 0", |world| world.health.ready.into()),
    ("room_operations_waiting", "Operations under way", |world| world.health.waiting as u64),
    ("rooms_identical", "Reached nodes that hold exactly the same rooms", |world| world.health.identical as u64),
    ("room_operations_acknowledged", "Operations that this node decided on", |world| world.counters.acknowledged),
    ("room_operations_against_rules", "Operations that were against the rules", |world| world.counters.against_rules),
    ("room_operations_refused", "Operations that were asked again elsewhere", |world| world.counters.refused),
    ("room_operations_timed_out", "Operations that nobody answered in time", |world| world.counters.timed_out),
    ("room_operations_turned_away", "Operations beyond the bound", |world| world.counters.turned_away),
    ("room_take_overs", "Rooms that this node took over", |world| world.counters.take_overs),
    ("room_records_merged", "Records merged from other nodes", |world| world.counters.merged),
    ("room_records_unreadable", "Records from elsewhere that are no records", |world| world.counters.unreadable),
    ("room_codes_replaced", "Join codes replaced after a partition", |world| world.counters.codes_replaced),
    ("room_disk_failures", "Writes that the disk refused", |world| world.counters.disk_failures),
];

/// One gauge for each reading, in the same order.
#[derive(Debug)]
pub(super) struct RoomMetrics(Vec<Gauge>);

impl Default for RoomMetrics {
    fn default() -> RoomMetrics {
        RoomMetrics(READINGS.iter().map(|_| Gauge::default()).collect())
    }
}

impl RoomMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for ((name, help, _), gauge) in READINGS.iter().zip(&self.0) {
            registry.register(*name, *help, gauge.clone());
        }
    }

    pub(super) fn refresh(&self, world: &RoomsWorld) {
        for ((_, _, read), gauge) in READINGS.iter().zip(&self.0) {
            gauge.set(i64::try_from(read(world)).unwrap_or(i64::MAX));
        }
    }
}

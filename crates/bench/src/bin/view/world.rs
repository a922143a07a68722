//! A world of sensors, and three maps that hold it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imbl::OrdMap;
use sensocto_model::{
    Attribute, AttributeId, ConnectorId, Generation, Key, NodeName, Origin, Record, RoomId, Sensor, SensorId, SharedId,
    Stamp, Version,
};
use sensocto_registry::{Entry, NodeView, PeerState, StateCause, View, bench};

use crate::measure::{Rng, resident, shown};

/// What both plain maps hold for each sensor.
pub(crate) type Held = (Arc<Origin>, Arc<Entry>);

/// The sensors, in the order in which they come.
pub(crate) struct World {
    pub(crate) origins: Vec<Arc<Origin>>,
    pub(crate) sensors: Vec<(Key, Arc<Entry>)>,
}

impl World {
    pub(crate) fn new(count: usize) -> World {
        let origin = |node| Origin { node: NodeName::new(node).expect("a name"), generation: Generation(1) };
        let mut order: Vec<usize> = (0..count).collect();
        let mut rng = Rng(7);
        for at in (1..count).rev() {
            order.swap(at, rng.below(at + 1));
        }
        let sensors = order.into_iter().map(|number| {
            let record = sensor(number, 0, count);
            (record.key(), bench::entry(record, Version(number as u64 + 1), Stamp { wall_ms: 1, counter: 0 }))
        });
        World { origins: ["a", "b", "c"].map(|node| Arc::new(origin(node))).to_vec(), sensors: sensors.collect() }
    }

    /// The origin of the sensor at a place.
    pub(crate) fn origin(&self, at: usize) -> &Arc<Origin> {
        &self.origins[at % 3]
    }

    pub(crate) fn id(&self, at: usize) -> &str {
        self.sensors[at % self.sensors.len()].0.id.as_str()
    }

    fn nodes(&self) -> BTreeMap<NodeName, NodeView> {
        let view = |origin: &Arc<Origin>| NodeView {
            origin: Arc::clone(origin),
            born: origin.generation,
            state: PeerState::Local,
            since: Duration::ZERO,
            cause: StateCause::Heard,
            digest_at: None,
            proved_at: None,
            version: Version(1),
            claimed: Version(1),
            counts: [0; 3],
            unreadable: 0,
            retired: 0,
        };
        self.origins.iter().map(|origin| (origin.node.clone(), view(origin))).collect()
    }
}

/// The sensor with a number; `change` is in its name and nowhere else.
pub(crate) fn sensor(number: usize, change: usize, count: usize) -> Record {
    let attribute = AttributeId::new(["celsius", "volt", "lux", "bpm"][number % 4]).expect("an id");
    Record::Sensor(Sensor {
        sensor_id: SensorId::new(&format!("sensor-{number:08}")).expect("an id"),
        sensor_name: format!("Sensor {} {change}", number.wrapping_mul(7_919) % count).into(),
        sensor_type: format!("type {}", number % 12).into(),
        connector_id: ConnectorId::new(&format!("connector-{}", number / 10)).expect("an id"),
        connector_name: "Pi".into(),
        sampling_rate: 1.0,
        batch_size: 1,
        username: None,
        room_id: number.is_multiple_of(2).then(|| RoomId::new(&format!("room {}", number % 1_000)).expect("an id")),
        attributes: [(attribute.clone(), Attribute::inferred(&attribute, None))].into_iter().collect(),
        registered_at_ms: 0,
    })
}

/// The same world three times.
pub(crate) struct Maps {
    pub(crate) view: View,
    pub(crate) hash: HashMap<SharedId, Held>,
    pub(crate) sorted: BTreeMap<SharedId, Held>,
    /// The map that the view is made of, without the indexes.
    pub(crate) persistent: OrdMap<SharedId, Held>,
}

impl Maps {
    pub(crate) fn build(world: &World) -> Maps {
        let held = |at: usize| (Arc::clone(world.origin(at)), Arc::clone(&world.sensors[at].1));
        let count = world.sensors.len();
        let view = built("view, all indexes", count, || {
            let mut view = bench::view(world.nodes());
            for (at, (key, entry)) in world.sensors.iter().enumerate() {
                bench::apply(&mut view, world.origin(at), key.clone(), Some(Arc::clone(entry)));
            }
            bench::snapshot(&mut view)
        });
        let keys = || world.sensors.iter().enumerate().map(|(at, (key, _))| (key.id.clone(), held(at)));
        let hash = built("hash map", count, || keys().collect());
        let sorted = built("sorted map", count, || {
            let mut sorted = BTreeMap::new();
            sorted.extend(keys());
            sorted
        });
        let persistent = built("persistent sorted map", count, || {
            let mut persistent = OrdMap::new();
            persistent.extend(keys());
            persistent
        });
        Maps { view, hash, sorted, persistent }
    }
}

fn built<T>(what: &str, count: usize, make: impl FnOnce() -> T) -> T {
    let (before, start) = (resident(), Instant::now());
    let made = make();
    let each = start.elapsed() / count as u32;
    let bytes = resident().saturating_sub(before) / count;
    println!("{what:<52} {bytes} bytes an entry beyond its record, {} an entry to build", shown(each));
    made
}

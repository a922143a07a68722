//! Many entries in one call, and callers that go away.

use std::time::Duration;

use sensocto_node::engine::memory::Hub;
use sensocto_node::{
    Attributes, BATCH_MAX, ConnectorId, Handle, Kind, LocalEntry, Next, Node, NodeConfig, NodeName, Record,
    RegistryConfig, Sensor, SensorId, World, WriteError,
};

/// What has to happen happens within this, or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn config(name: &str) -> NodeConfig {
    let registry = RegistryConfig::default();
    NodeConfig { name: NodeName::new(name).expect("a name"), cluster: "test".into(), peer: None, data: None, registry }
}

fn sensor(id: &str) -> Sensor {
    Sensor {
        sensor_id: SensorId::new(id).expect("an id"),
        sensor_name: format!("Sensor {id}").into(),
        sensor_type: "temperature".into(),
        connector_id: ConnectorId::new("c1").expect("an id"),
        connector_name: "Pi".into(),
        sampling_rate: 1.0,
        batch_size: 1,
        username: None,
        room_id: None,
        attributes: Attributes::default(),
        registered_at_ms: 0,
    }
}

async fn until(handle: &Handle, what: &str, holds: impl Fn(&World) -> bool) {
    let mut subscription = handle.subscribe();
    let waited = tokio::time::timeout(DEADLINE, async {
        while !holds(subscription.world()) {
            if matches!(handle.next(&mut subscription).await, Next::Closed) {
                return;
            }
        }
    });
    assert!(waited.await.is_ok() && holds(&handle.world()), "{}: {what}", handle.me());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_registered_in_one_call_each_for_itself() {
    let hub = Hub::default();
    let [a, b] = ["a", "b"].map(|name| Node::start_on(&config(name), |me| hub.connect(me)).expect("a node"));
    let count = 2 * BATCH_MAX + 7;
    let mut records: Vec<Record> = (0..count).map(|number| Record::Sensor(sensor(&format!("s{number:04}")))).collect();
    let too_long = "x".repeat(10_000);
    records[BATCH_MAX + 3] = Record::Sensor(Sensor { sensor_name: too_long.into(), ..sensor("refused") });
    let results = a.handle().register_many(records).await;
    let refused: Vec<usize> = (0..count).filter(|at| results[*at].is_err()).collect();
    assert_eq!(refused, [BATCH_MAX + 3]);
    assert!(matches!(&results[BATCH_MAX + 3], Err(WriteError::Refused(_))));
    let held: Vec<LocalEntry> = results.into_iter().filter_map(Result::ok).collect();
    assert!(held.windows(2).all(|pair| pair[0].mark().version < pair[1].mark().version), "in the order of the records");
    assert!(held.iter().all(|entry| entry.signals().is_some()), "a sensor can be written to");
    assert_eq!(a.handle().world().view.count(Kind::Sensor), count - 1, "who is answered can read it");
    until(&b.handle(), "all of them", |world| world.view.count(Kind::Sensor) == count - 1).await;
    drop(held);
    until(&b.handle(), "none", |world| world.view.count(Kind::Sensor) == 0).await;
    assert!(a.handle().register_many(Vec::new()).await.is_empty());
    let handle = a.handle();
    for node in [a, b] {
        node.shutdown().await;
    }
    let late = handle.register_many(vec![Record::Sensor(sensor("late"))]).await;
    assert!(matches!(late.as_slice(), [Err(WriteError::Stopping)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_before_the_answer_leaves_no_entry_behind() {
    let hub = Hub::default();
    let node = Node::start_on(&config("a"), |me| hub.connect(me)).expect("a node");
    let handle = node.handle();
    for number in 0..50 {
        tokio::select! {
            biased;
            _ = handle.register_sensor(sensor(&format!("gone{number}"))) => {}
            () = std::future::ready(()) => {}
        }
    }
    let kept = handle.register_sensor(sensor("kept")).await.expect("registered");
    let only_kept = |world: &World| world.view.count(Kind::Sensor) == 1;
    until(&handle, "only what somebody holds", only_kept).await;
    assert!(handle.world().view.get(Kind::Sensor, "kept").is_some());
    drop(kept);
    node.shutdown().await;
}

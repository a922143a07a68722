//! Two nodes in one process: what one of them has to bear is no matter of the other.

use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{AttributeId, Attributes, ConnectorId, NodeName, Sensor, SensorId};
use sensocto_signals::{Interest, Level, Load, LoadLevel, Sample};
use tokio::sync::Notify;

use super::Told;
use crate::engine::memory::Hub;
use crate::hello;
use crate::{Handle, Kind, Next, Node, NodeConfig, RegistryConfig};

const DEADLINE: Duration = Duration::from_secs(20);

fn node(hub: &Hub, name: &str) -> Node {
    let config = NodeConfig {
        name: NodeName::new(name).expect("a name"),
        cluster: "test".into(),
        peer: None,
        data: None,
        registry: RegistryConfig::default(),
    };
    Node::start_on(&config, |me| hub.connect(me)).expect("started")
}

fn sensor(id: &str) -> Sensor {
    Sensor {
        sensor_id: SensorId::new(id).expect("an id"),
        sensor_name: id.into(),
        sensor_type: "test".into(),
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

async fn until_known(handle: &Handle, id: &str) {
    let mut subscription = handle.subscribe();
    let followed = async {
        while subscription.world().view.get(Kind::Sensor, id).is_none() {
            assert!(!matches!(handle.next(&mut subscription).await, Next::Closed), "the node runs");
        }
    };
    tokio::time::timeout(DEADLINE, followed).await.expect("in time");
}

/// What a viewer is told next.
async fn told(watch: &mut super::SignalWatch, wake: &Notify, handle: &Handle) -> Vec<Told> {
    let waited = async {
        loop {
            let told = watch.tell();
            if !told.is_empty() {
                return told;
            }
            let due = watch.due_at().map(|due| handle.clock().at(due));
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake.notified() => {}
                () = sleep => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, waited).await.expect("in time")
}

#[tokio::test]
async fn the_load_of_one_node_slows_no_other_one_which_knows_of_it() {
    let hub = Hub::default();
    let nodes = [node(&hub, "a"), node(&hub, "b")];
    let [a, b] = [nodes[0].handle(), nodes[1].handle()];
    let changes = b.load_changes();
    a.0.signals.set_load(Load { level: LoadLevel::Critical, memory_protection: true });
    let entry = a.register_sensor(sensor("s1")).await.expect("registered");
    until_known(&b, "s1").await;
    let wake = Arc::new(Notify::new());
    let mut watch = b.watch_signals(Arc::clone(&wake));
    let id = SensorId::new("s1").expect("an id");
    assert_eq!(watch.show(std::slice::from_ref(&id), &Interest::whole(Level::High), false, 10), Ok(0));
    let attribute = AttributeId::new("x").expect("an id");
    entry.signals().expect("a sensor").push([(attribute.clone(), Sample::new("1", "1"))]);
    let first = told(&mut watch, &wake, &b).await;
    let expected = vec![(id, vec![(attribute, vec![Sample::new("1", "1")])])];
    assert_eq!(first, [Told::Recent { samples: expected, resync: false }]);
    assert_eq!((a.load().level, b.load()), (LoadLevel::Critical, Load::default()));
    assert!(!changes.has_changed().expect("the node runs"));
    let known = async {
        while b.node_load(&a.me().node).is_none_or(|load| load.level != LoadLevel::Critical) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            hello::ask(&b.0, &a.me().node).await;
        }
    };
    tokio::time::timeout(DEADLINE, known).await.expect("but the other one knows of it");
    drop((entry, watch));
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test]
async fn a_sensor_that_moves_goes_on_for_its_viewers() {
    let hub = Hub::default();
    let nodes = [node(&hub, "a"), node(&hub, "b"), node(&hub, "c")];
    let handles = nodes.each_ref().map(Node::handle);
    let first = handles[0].register_sensor(sensor("s1")).await.expect("registered");
    until_known(&handles[1], "s1").await;
    let wake = Arc::new(Notify::new());
    let mut watch = handles[1].watch_signals(Arc::clone(&wake));
    let id = SensorId::new("s1").expect("an id");
    watch.show(std::slice::from_ref(&id), &Interest::whole(Level::High), false, 10).expect("shown");
    let attribute = AttributeId::new("x").expect("an id");
    let sample = |text: &str| [(attribute.clone(), Sample::new(text, "1"))];
    first.signals().expect("a sensor").push(sample("1"));
    told(&mut watch, &wake, &handles[1]).await;
    let second = handles[2].register_sensor(sensor("s1")).await.expect("registered");
    tokio::time::timeout(DEADLINE, first.superseded().cancelled()).await.expect("it moved");
    second.signals().expect("a sensor").push(sample("2"));
    let told = told(&mut watch, &wake, &handles[1]).await;
    let expected = vec![(id, vec![(attribute, vec![Sample::new("2", "1")])])];
    assert_eq!(told, [Told::Recent { samples: expected, resync: false }]);
    drop((first, second, watch));
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_into_one_message_follows_and_is_counted() {
    let hub = Hub::default();
    let node = node(&hub, "a");
    let handle = node.handle();
    let attribute = AttributeId::new("x").expect("an id");
    let long = format!("\"{}\"", "x".repeat(15_000));
    let mut entries = Vec::new();
    for number in 0..30 {
        let entry = handle.register_sensor(sensor(&format!("s{number:02}"))).await.expect("registered");
        entry.signals().expect("a sensor").push([(attribute.clone(), Sample::new(&long, "1"))]);
        entries.push(entry);
    }
    let ids: Vec<SensorId> = (0..30).map(|number| SensorId::new(&format!("s{number:02}")).expect("an id")).collect();
    let wake = Arc::new(Notify::new());
    let mut watch = handle.watch_signals(Arc::clone(&wake));
    watch.show(&ids, &Interest::whole(Level::High), false, 10).expect("shown");
    let mut seen = 0;
    let mut messages = 0;
    while seen < ids.len() {
        for one in told(&mut watch, &wake, &handle).await {
            let Told::Recent { samples, resync: false } = one else { panic!("{one:?}") };
            seen += samples.len();
            messages += 1;
        }
    }
    assert_eq!((seen, messages), (30, 3), "450 KB in messages of 192 KiB");
    assert_eq!(handle.0.signals.counters.put_off.load(std::sync::atomic::Ordering::Relaxed), 2);
    drop((entries, watch));
    node.shutdown().await;
}

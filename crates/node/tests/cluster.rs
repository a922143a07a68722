//! Several nodes in one process, on the in-memory engine and on Zenoh over loopback: one world, whatever carries the frames.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use sensocto_node::engine::Engine;
use sensocto_node::engine::memory::Hub;
use sensocto_node::{
    AttributeId, Attributes, BreakerState, ClientUrl, ConnectorId, Freshness, Generation, Handle, Kind, MarkError,
    Next, Node, NodeConfig, NodeName, Order, Origin, PeerConfig, PeerState, Record, RegistryConfig, Sample, Sensor,
    SensorFilter, SensorId, SensorQuery, StartError, StateError, StateSource, Version, World,
};
use sensocto_registry::message;

/// What has to happen happens within this, or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn config(name: &str, peer: Option<PeerConfig>) -> NodeConfig {
    let registry = RegistryConfig { grace: Duration::from_secs(2), ..RegistryConfig::default() };
    NodeConfig { name: NodeName::new(name).expect("a name"), cluster: "test".into(), peer, data: None, registry }
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

/// Waits until the world of a node is as it should be.
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

fn owner(world: &World, id: &str) -> Option<String> {
    world.view.get(Kind::Sensor, id).map(|held| held.origin.node.to_string())
}

fn proved(world: &World, nodes: usize) -> bool {
    world.view.nodes().values().filter(|node| node.state == PeerState::Local || node.proved_at.is_some()).count()
        == nodes
}

fn memory_cluster(names: &[&str]) -> Vec<Node> {
    let hub = Hub::default();
    names.iter().map(|name| Node::start_on(&config(name, None), |me| hub.connect(me)).expect("started")).collect()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn peer(listen: SocketAddr, join: &[SocketAddr]) -> PeerConfig {
    PeerConfig { listen, join: join.iter().map(ToString::to_string).collect(), tls: None }
}

async fn zenoh_cluster(names: &[&str]) -> Vec<Node> {
    let first = free_address();
    let mut nodes = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let peer = if number == 0 { peer(first, &[]) } else { peer(free_address(), &[first]) };
        nodes.push(Node::start(config(name, Some(peer))).await.expect("started"));
    }
    nodes
}

async fn stop(nodes: Vec<Node>) {
    for node in nodes {
        node.shutdown().await;
    }
}

async fn a_sensor_is_seen_everywhere_and_leaves_with_its_holder(nodes: Vec<Node>) {
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        until(handle, "all nodes are proved", |world| proved(world, handles.len())).await;
    }
    let entry = handles[0].register_sensor(sensor("s1")).await.expect("registered");
    for handle in &handles {
        until(handle, "the sensor is there", |world| owner(world, "s1").as_deref() == Some("a")).await;
        let filter = SensorFilter { node: Some("a".into()), ..SensorFilter::default() };
        let page = handle.list_sensors(&handle.world(), &SensorQuery { filter, order: Order::Id }, None, 10);
        assert_eq!((page.rows.len(), page.total, page.rows[0].freshness), (1, 1, Freshness::Fresh));
    }
    let renamed = Sensor { sensor_name: "Renamed".into(), ..sensor("s1") };
    entry.update(Record::Sensor(renamed)).await.expect("changed");
    let is_renamed = |world: &World| {
        let held = world.view.get(Kind::Sensor, "s1");
        held.and_then(|held| held.entry.record()?.as_sensor().map(|s| &*s.sensor_name == "Renamed")).unwrap_or(false)
    };
    for handle in &handles {
        until(handle, "the change is there", is_renamed).await;
    }
    drop(entry);
    for handle in &handles {
        until(handle, "the sensor is gone", |world| owner(world, "s1").is_none()).await;
    }
    stop(nodes).await;
}

async fn the_last_values_come_from_the_sensors_node(nodes: Vec<Node>) {
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    let entry = handles[0].register_sensor(sensor("s1")).await.expect("registered");
    let id = SensorId::new("s1").expect("an id");
    let celsius = AttributeId::new("celsius").expect("an id");
    let value = Sample::new("21.5", "1");
    entry.signals().expect("a sensor").push([(celsius.clone(), value.clone())]);
    until(&handles[1], "the sensor is there", |world| owner(world, "s1").is_some()).await;
    let trusted =
        |handle: &Handle| handle.breaker(&handles[0].me().node).is_some_and(|b| b.state == BreakerState::Closed);
    until(&handles[1], "its node is trusted", |_| trusted(&handles[1])).await;
    let (age, timeout) = (Duration::from_secs(5), Duration::from_secs(2));
    let first = handles[1].get_sensor_state(&id, age, timeout).await.expect("found");
    assert_eq!((first.source, first.freshness), (StateSource::Origin, Freshness::Fresh));
    assert_eq!(first.values.get(&celsius), Some(&value));
    let second = handles[1].get_sensor_state(&id, age, timeout).await.expect("found");
    assert_eq!((second.source, second.freshness), (StateSource::Cache, Freshness::Fresh));
    let breaker = handles[1].breaker(&handles[0].me().node).expect("it was called");
    assert!(breaker.state == BreakerState::Closed && breaker.round_trip.is_some(), "{breaker:?}");
    let unknown = SensorId::new("nobody").expect("an id");
    assert_eq!(
        handles[1].get_sensor_state(&unknown, age, timeout).await.expect_err("nobody has it"),
        StateError::NotFound
    );
    stop(nodes).await;
}

async fn a_sensor_that_moves_closes_its_old_side(nodes: Vec<Node>) {
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    let old = handles[0].register_sensor(sensor("s1")).await.expect("registered");
    until(&handles[1], "the sensor is there", |world| owner(world, "s1").as_deref() == Some("a")).await;
    let new = handles[1].register_sensor(sensor("s1")).await.expect("registered");
    tokio::time::timeout(DEADLINE, old.superseded().cancelled()).await.expect("the old side is told");
    drop(old);
    for handle in &handles {
        until(handle, "the new node has it", |world| owner(world, "s1").as_deref() == Some("b")).await;
    }
    assert!(!new.superseded().is_cancelled());
    stop(nodes).await;
}

async fn a_node_that_leaves_takes_its_entries_with_it(mut nodes: Vec<Node>) {
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    let _entry = handles[0].register_sensor(sensor("s1")).await.expect("registered");
    for handle in &handles[1..] {
        until(handle, "the sensor is there and proved", |world| {
            owner(world, "s1").is_some() && proved(world, handles.len())
        })
        .await;
    }
    nodes.remove(0).shutdown().await;
    for handle in &handles[1..] {
        until(handle, "the node is unreachable or its entries are gone", |world| {
            let held = world.view.get(Kind::Sensor, "s1");
            held.is_none_or(|held| world.view.freshness(held, handle.clock().mono()).0 == Freshness::Orphaned)
        })
        .await;
        until(handle, "its entries are gone after the grace", |world| owner(world, "s1").is_none()).await;
    }
    stop(nodes).await;
}

#[tokio::test]
async fn in_memory_a_sensor_is_seen_everywhere() {
    a_sensor_is_seen_everywhere_and_leaves_with_its_holder(memory_cluster(&["a", "b", "c"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_a_sensor_is_seen_everywhere() {
    a_sensor_is_seen_everywhere_and_leaves_with_its_holder(zenoh_cluster(&["a", "b", "c"]).await).await;
}

#[tokio::test]
async fn in_memory_the_last_values_come_from_the_sensors_node() {
    the_last_values_come_from_the_sensors_node(memory_cluster(&["a", "b"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_the_last_values_come_from_the_sensors_node() {
    the_last_values_come_from_the_sensors_node(zenoh_cluster(&["a", "b"]).await).await;
}

#[tokio::test]
async fn in_memory_a_sensor_that_moves_closes_its_old_side() {
    a_sensor_that_moves_closes_its_old_side(memory_cluster(&["a", "b", "c"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_a_sensor_that_moves_closes_its_old_side() {
    a_sensor_that_moves_closes_its_old_side(zenoh_cluster(&["a", "b", "c"]).await).await;
}

#[tokio::test]
async fn in_memory_a_node_that_leaves_takes_its_entries_with_it() {
    a_node_that_leaves_takes_its_entries_with_it(memory_cluster(&["a", "b", "c"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_a_node_that_leaves_takes_its_entries_with_it() {
    a_node_that_leaves_takes_its_entries_with_it(zenoh_cluster(&["a", "b", "c"]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_a_second_node_of_the_same_name_is_refused_and_the_first_is_unharmed() {
    let first = free_address();
    let a = Node::start(config("a", Some(peer(first, &[])))).await.expect("started");
    let b = Node::start(config("b", Some(peer(free_address(), &[first])))).await.expect("started");
    let entry = a.handle().register_sensor(sensor("s1")).await.expect("registered");
    until(&b.handle(), "the sensor is there", |world| owner(world, "s1").is_some()).await;
    let refused = Node::start(config("a", Some(peer(free_address(), &[first])))).await.expect_err("refused");
    assert!(matches!(refused, StartError::NameTaken { .. }), "{refused}");
    let generation = b.handle().world().view.nodes().get("a").map(|node| node.origin.generation);
    assert_eq!(generation, Some(a.handle().me().generation));
    drop(entry);
    until(&b.handle(), "the first one is heard", |world| owner(world, "s1").is_none()).await;
    stop(vec![a, b]).await;
}

/// What a node says that was started later under a name than every other one.
fn digest_of_a_later(name: &str) -> (Origin, Vec<u8>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let generation = Generation(u64::try_from(now).expect("milliseconds") + 60_000);
    let origin = Origin { node: NodeName::new(name).expect("a name"), generation };
    let digest = message::Digest { version: Version(0), sets: message::Sets::default(), reached: None };
    let frame = message::encode(&origin, &message::Message::Digest(digest));
    (origin, frame)
}

#[tokio::test]
async fn a_node_that_was_there_first_goes_on_under_a_later_generation_and_its_clients_do_not_notice() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Hub::default();
    let kept = NodeConfig { data: Some(directory.path().to_owned()), ..config("a", None) };
    let a = Node::start_on(&kept, |me| hub.connect(me)).expect("started");
    let b = Node::start_on(&config("b", None), |me| hub.connect(me)).expect("started");
    let entry = a.handle().register_sensor(sensor("s1")).await.expect("registered");
    let before = entry.mark().clone();
    until(&b.handle(), "the sensor is there", |world| owner(world, "s1").is_some()).await;
    let mut seen = b.handle().subscribe();
    // Somebody carries a frame of another process to everybody.
    let (later, frame) = digest_of_a_later("a");
    let carrier = Origin { node: NodeName::new("carrier").expect("a name"), generation: Generation(1) };
    let (carrier, _received) = hub.connect(carrier);
    carrier.publish(frame);
    let is_back = |world: &World| {
        let held = world.view.get(Kind::Sensor, "s1");
        let node = world.view.nodes().get("a");
        held.is_some_and(|held| held.origin.generation > later.generation)
            && node.is_some_and(|node| node.proved_at.is_some() && node.born == a.handle().me().generation)
    };
    until(&b.handle(), "the first process is believed again", is_back).await;
    let now = a.handle().origin().generation;
    assert!(now > later.generation && a.handle().me().generation < later.generation);
    while let Some(next) = seen.try_next(|| b.handle().world()) {
        let Next::Batch(batch) = next else { panic!("nothing is left out") };
        for event in batch.events.iter() {
            assert!(!matches!(event.kind, sensocto_node::EventKind::Unregistered(_)), "{event:?}");
        }
    }
    for handle in [a.handle(), b.handle()] {
        handle.reach(std::slice::from_ref(&before), DEADLINE).await.expect("an old mark is still answered");
    }
    let renamed = Sensor { sensor_name: "Renamed".into(), ..sensor("s1") };
    let mark = entry.update(Record::Sensor(renamed)).await.expect("its client goes on");
    assert_eq!(mark.origin, a.handle().origin());
    b.handle().reach(&[mark], DEADLINE).await.expect("it gets there");
    stop(vec![a, b]).await;
    let again = Node::start_on(&kept, |me| hub.connect(me)).expect("started");
    assert!(again.handle().me().generation > now, "a start comes after what was taken");
    stop(vec![again]).await;
}

#[tokio::test]
async fn an_address_in_use_or_unknown_is_said_clearly() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let refused = Node::start(config("a", Some(peer(address, &[])))).await.expect_err("refused");
    assert!(matches!(refused, StartError::PeerAddress { .. }) && refused.to_string().contains("--peer"), "{refused}");
    let unknown = PeerConfig { listen: free_address(), join: vec!["nowhere.invalid:1".into()], tls: None };
    let refused = Node::start(config("a", Some(unknown))).await.expect_err("refused");
    assert!(
        matches!(refused, StartError::JoinAddress { .. }) && refused.to_string().contains("nowhere.invalid"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_read_on_another_node_waits_for_what_was_written() {
    let nodes = memory_cluster(&["a", "b"]);
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    until(&handles[1], "a is proved", |world| proved(world, 2)).await;
    let mut held = Vec::new();
    for number in 0..50 {
        let id = format!("s{number}");
        let entry = handles[0].register_sensor(sensor(&id)).await.expect("registered");
        handles[1].reach(std::slice::from_ref(entry.mark()), DEADLINE).await.expect("it gets there");
        assert_eq!(owner(&handles[1].world(), &id).as_deref(), Some("a"));
        held.push(entry);
    }
    let mut later = held[0].mark().clone();
    later.version = Version(1_000);
    let late = handles[1].reach(std::slice::from_ref(&later), Duration::from_millis(1)).await;
    assert!(matches!(late, Err(MarkError::TimedOut { .. })), "{late:?}");
    let future = handles[0].reach(&[later], DEADLINE).await;
    assert!(matches!(future, Err(MarkError::FromTheFuture(_))), "its own node knows better: {future:?}");
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_zenoh_every_node_says_where_its_clients_connect() {
    let nodes = zenoh_cluster(&["a", "b"]).await;
    let url = ClientUrl::new("http://10.0.0.1:4000").expect("an address");
    nodes[0].handle().advertise(url.clone());
    let (a, b) = (nodes[0].handle(), nodes[1].handle());
    until(&b, "a said it", |_| b.client_url(&a.me().node) == Some(url.clone())).await;
    assert_eq!((a.client_url(&a.me().node), a.client_url(&b.me().node)), (Some(url), None));
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_measures_how_long_changes_take_from_every_other_one() {
    let nodes = memory_cluster(&["a", "b", "c"]);
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    // Nobody writes anything: an idle cluster is measured too.
    for handle in &handles {
        let whole = |_: &World| {
            let rows = handle.propagation();
            rows.len() == 3 && rows.iter().all(|row| row.from.len() == 2 && !row.from.contains_key(&row.to))
        };
        until(handle, "the whole matrix is there", whole).await;
        for row in handle.propagation() {
            for (from, times) in row.from {
                let (to, clock) = (&row.to, Duration::from_secs(20));
                assert!(times.samples > 0 && times.p50 <= times.p99 && times.p99 < clock, "{from} to {to}: {times:?}");
            }
        }
    }
    stop(nodes).await;
}

async fn a_node_leaves_and_joins_and_its_clients_see_stale_marks(nodes: Vec<Node>) {
    let (a, b) = (nodes[0].handle(), nodes[1].handle());
    let _on_a = a.register_sensor(sensor("s1")).await.expect("registered");
    let _on_b = b.register_sensor(sensor("s2")).await.expect("registered");
    until(&a, "it sees b's", |world| owner(world, "s2").is_some() && proved(world, nodes.len())).await;
    until(&b, "it sees a's", |world| owner(world, "s1").is_some()).await;
    let mut watched = a.subscribe();
    a.set_apart(true).await.expect("it leaves");
    assert!(a.is_apart() && a.cluster_health().apart);
    until(&b, "for b, a is gone, and then its sensor", |world| owner(world, "s1").is_none()).await;
    // By now a's own grace for b would be over as well.
    let while_apart = b.register_sensor(sensor("s3")).await.expect("registered");
    let alone = a.register_sensor(sensor("s4")).await.expect("it works alone");
    let world = a.world();
    let held = world.view.get(Kind::Sensor, "s2").expect("what b left is there");
    assert_eq!(world.view.freshness(held, a.clock().mono()).0, Freshness::Orphaned);
    assert!(owner(&world, "s3").is_none() && owner(&b.world(), "s4").is_none());
    a.set_apart(false).await.expect("it joins");
    for (handle, other) in [(&a, "s3"), (&b, "s4"), (&b, "s1")] {
        until(handle, "both see everything", |world| owner(world, other).is_some() && proved(world, nodes.len())).await;
    }
    while let Some(next) = a.try_next(&mut watched) {
        let Next::Batch(batch) = next else { panic!("{next:?}") };
        let left = |event: &&sensocto_node::Event| matches!(event.kind, sensocto_node::EventKind::Unregistered(_));
        assert_eq!(
            batch.events.iter().find(left).map(|event| event.key.to_string()),
            None,
            "nothing left for a's clients"
        );
    }
    drop((while_apart, alone));
    stop(nodes).await;
}

#[tokio::test]
async fn in_memory_a_node_leaves_and_joins() {
    a_node_leaves_and_joins_and_its_clients_see_stale_marks(memory_cluster(&["a", "b"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_zenoh_a_node_leaves_and_joins() {
    a_node_leaves_and_joins_and_its_clients_see_stale_marks(zenoh_cluster(&["a", "b"]).await).await;
}

#[tokio::test]
async fn a_sensor_is_not_found_only_when_nobody_who_could_know_it_says_so() {
    let hub = Hub::default();
    let node = Node::start_on(&config("a", None), |me| hub.connect(me)).expect("started");
    let handle = node.handle();
    let id = SensorId::new("s1").expect("an id");
    let (age, timeout) = (Duration::from_secs(5), Duration::from_millis(50));
    let alone = handle.get_sensor_state(&id, age, timeout).await.expect_err("nobody has it");
    assert_eq!(alone, StateError::NotFound);
    // A node that is there, has said nothing yet, and does not answer.
    let silent = Origin { node: NodeName::new("b").expect("a name"), generation: Generation(1) };
    let (engine, inbound) = hub.connect(silent);
    until(&handle, "b is there", |world| world.view.nodes().len() == 2).await;
    let unknown = handle.get_sensor_state(&id, age, timeout).await.expect_err("b may have it");
    assert!(matches!(&unknown, StateError::Unknown { nodes } if nodes[0].as_str() == "b"), "{unknown}");
    drop((engine, inbound));
    stop(vec![node]).await;
}

use std::time::Instant;

use sensocto_node::engine::memory;
use sensocto_node::{LocalEntry, Node, NodeConfig, NodeName, RegistryConfig};

use super::*;
use crate::testing::{PATIENCE, presence};

/// Restarts of a node, unless the environment says otherwise.
const RESTARTS: usize = 500;

fn node(engine: &memory::Hub, name: &str) -> Node {
    node_with(engine, name, None)
}

fn node_with(engine: &memory::Hub, name: &str, data: Option<std::path::PathBuf>) -> Node {
    let registry = RegistryConfig { grace: Duration::from_millis(50), ..RegistryConfig::default() };
    let name = NodeName::new(name).expect("a name");
    let config = NodeConfig { name, cluster: "test".to_owned(), peer: None, data, registry };
    Node::start_on(&config, |me| engine.connect(me)).expect("a node")
}

fn in_lab(reference: &str) -> Presence {
    let mut presence = presence(reference, "u1", "Ada", Some("lab"), 1);
    presence.topic = PresenceTopic::new("room:lab").expect("a topic");
    presence
}

/// Waits until something holds of a hub, looking again whenever it has sorted something in.
async fn until(hub: &Hub, what: &str, holds: impl Fn() -> bool) {
    let mut reached = hub.reached.subscribe();
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            reached.changed().await.expect("the hub runs");
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_node_that_is_restarted_again_and_again_leaves_nothing_behind() {
    let restarts = std::env::var("SENSOCTO_PRESENCE_RESTARTS").ok().and_then(|text| text.parse().ok());
    let restarts = restarts.unwrap_or(RESTARTS);
    let engine = memory::Hub::default();
    let a = node(&engine, "a");
    let hub = Arc::new(Hub::new());
    let stopping = CancellationToken::new();
    let following = tokio::spawn(follow(Arc::clone(&hub), a.handle(), stopping.clone()));
    let base = tasks();
    let data = tempfile::tempdir().expect("a directory");
    let started = Instant::now();
    for restart in 0..restarts {
        // Its directory makes each start a later one, even within a millisecond.
        let b = node_with(&engine, "b", Some(data.path().to_owned()));
        let reference = format!("p{restart}");
        let entry: LocalEntry = b.handle().register_presence(in_lab(&reference)).await.expect("registered");
        let here = || hub.read("room:lab", |topic| topic.has(&reference));
        until(&hub, &format!("the presence of start {restart} is seen"), here).await;
        // The entry is held: the node goes as one that is killed does, without a word about it.
        b.shutdown().await;
        drop(entry);
    }
    until(&hub, "the last one goes after the grace", || hub.read(ALL, Topic::count) == Count::default()).await;
    let took = started.elapsed();
    assert_eq!((hub.topics_len(), hub.last_seen().len()), (0, 1), "{took:?}");
    let handle = a.handle();
    let mut world = handle.subscribe();
    while handle.world().view.nodes().len() > 1 {
        handle.next(&mut world).await;
    }
    assert_eq!(handle.world().view.count(Kind::Presence), 0);
    assert!(tasks() <= base, "{base} tasks before, {} after {restarts} restarts in {took:?}", tasks());
    stopping.cancel();
    following.await.expect("it ends");
    a.shutdown().await;
}

#[tokio::test]
async fn a_connection_in_several_topics_is_one_in_all_and_the_one_of_all_stands_for_it() {
    let engine = memory::Hub::default();
    let a = node(&engine, "a");
    let hub = Arc::new(Hub::new());
    let stopping = CancellationToken::new();
    let following = tokio::spawn(follow(Arc::clone(&hub), a.handle(), stopping.clone()));
    let handle = a.handle();
    let room_of = |user: &'static str| {
        hub.read(ALL, |topic| {
            let shown = topic.user(user)?;
            let record = shown.first()?.held.entry.record()?.as_presence()?;
            Some((shown.len(), record.topic.to_string()))
        })
    };
    let caught_up = || async { hub.caught_up(handle.world().seq).await };
    let lab = handle.register_presence(in_lab("p1")).await.expect("registered");
    let mut of_all = presence("p2", "u1", "Ada", None, 2);
    of_all.connection = in_lab("p1").connection;
    let of_all = handle.register_presence(of_all).await.expect("registered");
    caught_up().await;
    assert_eq!(room_of("u1"), Some((1, "all".to_owned())));
    drop(of_all);
    until(&hub, "the room stands for it", || room_of("u1") == Some((1, "room:lab".to_owned()))).await;
    drop(lab);
    until(&hub, "nothing is left", || room_of("u1").is_none()).await;
    stopping.cancel();
    following.await.expect("it ends");
    a.shutdown().await;
}

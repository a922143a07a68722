//! This project: each part is a node.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sensocto_node::{
    EventKind, Handle, Kind, LocalEntry, Next, Node, NodeConfig, NodeName, PeerConfig, PeerState, Record,
    RegistryConfig,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::free_tcp;
use crate::Failure;
use crate::part::{Order, Orders, Watch, say_ready};

/// Sockets that register at the same time, as many as a node may well have.
const WRITERS: usize = 256;

async fn start(name: &str, listen: SocketAddr, join: Vec<String>) -> Result<Node, Failure> {
    let peer = PeerConfig { listen, join, tls: None };
    let (name, registry) = (NodeName::new(name)?, RegistryConfig::default());
    let config = NodeConfig { name, cluster: "peers".into(), peer: Some(peer), data: None, registry };
    Ok(Node::start(config).await?)
}

pub(super) async fn writer(name: &str, place: &str) -> Result<(), Failure> {
    let node = start(name, place.parse()?, Vec::new()).await?;
    let mut held = HashMap::new();
    let mut orders = Orders::new();
    say_ready();
    while let Some(order) = orders.next().await? {
        match order {
            Order::Put(keys) => held.extend(register(&node.handle(), keys).await?),
            Order::Remove(keys) => keys.iter().for_each(|key| drop(held.remove(key))),
        }
    }
    node.shutdown().await;
    Ok(())
}

async fn register(handle: &Handle, keys: Vec<String>) -> Result<Vec<(String, LocalEntry)>, Failure> {
    let mut tasks = JoinSet::new();
    for part in keys.chunks(keys.len().div_ceil(WRITERS).max(1)) {
        let (part, handle) = (part.to_vec(), handle.clone());
        tasks.spawn(async move {
            let mut held = Vec::with_capacity(part.len());
            for key in part {
                let (prefix, number) = key.split_once('-').ok_or("a key without a number")?;
                let Record::Sensor(sensor) = sensocto_bench::sensor(prefix, number.parse()?) else {
                    return Err("not a sensor".into());
                };
                let entry = handle.register_sensor(sensor).await?;
                held.push((key, entry));
            }
            Ok::<_, Failure>(held)
        });
    }
    let mut held = Vec::new();
    while let Some(part) = tasks.join_next().await {
        held.extend(part??);
    }
    Ok(held)
}

pub(super) async fn member(name: &str, place: &str) -> Result<(), Failure> {
    let node = start(name, free_tcp()?, vec![place.to_owned()]).await?;
    let handle = node.handle();
    let end = Arc::new(Notify::new());
    let (asked, told) = (handle.clone(), Arc::clone(&end));
    let watch = Watch::start(move || held(&asked), move || told.notify_one());
    say_ready();
    let mut subscription = handle.subscribe();
    loop {
        let next = tokio::select! {
            next = handle.next(&mut subscription) => next,
            () = end.notified() => break,
        };
        match next {
            Next::Batch(batch) => {
                let joins = batch.events.iter().filter(|event| event.kind == EventKind::Registered);
                joins.for_each(|event| watch.has(event.key.id.as_str()));
            }
            Next::Resync(_) => {}
            Next::Closed => break,
        }
        watch.holds(held(&handle));
    }
    node.shutdown().await;
    Ok(())
}

/// The sensors of a world that is as far as all other nodes have said; of another one, more than anybody waits for.
fn held(handle: &Handle) -> usize {
    let world = handle.world();
    let proved = |node: &PeerState, claimed, version| *node == PeerState::Local || claimed == version;
    let is_proved = world.view.nodes().values().all(|node| proved(&node.state, node.claimed, node.version));
    if is_proved { world.view.count(Kind::Sensor) } else { usize::MAX }
}

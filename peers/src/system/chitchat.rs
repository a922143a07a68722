//! chitchat: each part is a node that gossips over UDP, and holds the entries of all nodes.
//!
//! The library tells of entries that come, not of those that go: for these the state is looked at after each round of gossip.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::transport::UdpTransport;
use chitchat::{Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, spawn_chitchat};
use tokio::sync::{Mutex, Notify};

use super::free_udp;
use crate::Failure;
use crate::part::{Order, Orders, Watch, say_ready, value};

/// How often a node gossips; the default of its makers' product is a second.
const GOSSIP: Duration = Duration::from_millis(20);
const WRITER: &str = "a";

async fn start(name: &str, listen: SocketAddr, seeds: Vec<String>) -> Result<ChitchatHandle, Failure> {
    let config = ChitchatConfig {
        chitchat_id: ChitchatId::new(name.to_owned(), 1, listen),
        cluster_id: "peers".into(),
        gossip_interval: GOSSIP,
        listen_addr: listen,
        seed_nodes: seeds,
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(3_600),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: chitchat::ProtocolVersion::V1,
    };
    Ok(spawn_chitchat(config, Vec::new(), &UdpTransport).await?)
}

pub(super) async fn writer(name: &str, place: &str) -> Result<(), Failure> {
    let node = start(name, place.parse()?, Vec::new()).await?;
    let mut orders = Orders::new();
    say_ready();
    while let Some(order) = orders.next().await? {
        let chitchat = node.chitchat();
        let mut chitchat = chitchat.lock().await;
        let state = chitchat.self_node_state();
        match order {
            Order::Put(keys) => keys.iter().for_each(|key| state.set(key, value(key))),
            Order::Remove(keys) => keys.iter().for_each(|key| state.delete(key)),
        }
    }
    Ok(node.shutdown().await?)
}

pub(super) async fn member(name: &str, place: &str) -> Result<(), Failure> {
    let node = start(name, free_udp()?, vec![place.to_owned()]).await?;
    let chitchat = node.chitchat();
    let end = Arc::new(Notify::new());
    let told = Arc::clone(&end);
    let watch = Watch::start(|| usize::MAX, move || told.notify_one());
    let singles = watch.clone();
    let listener = chitchat.lock().await.subscribe_event("", move |event| singles.has(event.key));
    say_ready();
    let mut round = tokio::time::interval(GOSSIP / 4);
    loop {
        tokio::select! {
            _ = round.tick() => watch.holds(held(&chitchat).await),
            () = end.notified() => break,
        }
    }
    drop(listener);
    Ok(node.shutdown().await?)
}

/// The writer's entries; none before the writer is known.
async fn held(chitchat: &Mutex<Chitchat>) -> usize {
    let chitchat = chitchat.lock().await;
    let states = chitchat.node_states().iter().find(|(id, _)| &*id.node_id == WRITER);
    states.map_or(0, |(_, state)| state.num_key_values())
}

//! Rooms: how long a node needs to start with many of them on its disk, what a page of them costs in every order, and how long one
//! operation takes on a cluster of three nodes, with the copies on two disks.
//!
//! `cargo run -p sensocto-bench --bin rooms -- [ROOMS]` (100,000)
#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

mod cluster;
mod pages;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sensocto_node::engine::memory::Hub;
use sensocto_node::model::RoomSettings;
use sensocto_node::{Handle, Node, NodeConfig, NodeName, PeerConfig, RegistryConfig, UserId};

type Failure = Box<dyn std::error::Error>;

/// Rooms of one owner: as many as may be.
const OWNED: usize = 1_000;
/// Operations under way at one time while the rooms are made.
const AT_ONCE: usize = 512;

#[derive(Debug, clap::Parser)]
struct Arguments {
    /// How many rooms
    #[arg(default_value_t = 100_000)]
    rooms: usize,
    /// Operations on the cluster of three, one after another
    #[arg(long, default_value_t = 2_000)]
    operations: usize,
}

fn config(name: &str, peer: Option<PeerConfig>, data: &Path) -> Result<NodeConfig, Failure> {
    let registry = RegistryConfig::default();
    Ok(NodeConfig { name: NodeName::new(name)?, cluster: "bench".into(), peer, data: Some(data.to_owned()), registry })
}

fn user(number: usize) -> Result<UserId, Failure> {
    Ok(UserId::new(&format!("user-{number:06}"))?)
}

/// A room as they are: most are public, and each has a name of its own and a few words.
fn settings(number: usize) -> RoomSettings {
    RoomSettings {
        name: format!("Room {:06} of the house", number * 7_919 % 1_000_000),
        description: Some("Where the sensors of the greenhouse are".to_owned()),
        is_public: !number.is_multiple_of(10),
        ..RoomSettings::default()
    }
}

/// Makes the rooms of a node, many at once so that many share one write to its disk.
async fn fill(handle: &Handle, rooms: usize) -> Result<(), Failure> {
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut making = tokio::task::JoinSet::new();
    for number in 0..rooms {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let (handle, owner) = (handle.clone(), user(number / OWNED)?);
        making.spawn(async move {
            let made = handle.create_room(&owner, settings(number), None).await;
            drop(slot);
            made.map(drop)
        });
    }
    while let Some(made) = making.join_next().await {
        made??;
    }
    Ok(())
}

fn start(data: &Path) -> Result<(Node, Duration), Failure> {
    let hub = Hub::default();
    let config = config("a", None, data)?;
    let started = Instant::now();
    let node = Node::start_on(&config, |me| hub.connect(me))?;
    Ok((node, started.elapsed()))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = <Arguments as clap::Parser>::parse();
    let data = tempfile::tempdir()?;
    let (node, empty) = start(data.path())?;
    let making = Instant::now();
    fill(&node.handle(), arguments.rooms).await?;
    println!(
        "{} rooms made on one node, {AT_ONCE} at once, each on its disk before it is answered: {:.1} s",
        arguments.rooms,
        making.elapsed().as_secs_f64()
    );
    node.shutdown().await;
    let bytes: u64 =
        std::fs::read_dir(data.path())?.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let before = sensocto_bench::resident_bytes();
    let (node, full) = start(data.path())?;
    let held = node.handle().rooms().view.len();
    let memory = sensocto_bench::resident_bytes().saturating_sub(before);
    println!(
        "start from disk with {held} rooms ({:.1} MB): {:.2} s, with none {:.2} s; {} bytes of memory a room",
        bytes as f64 / 1e6,
        full.as_secs_f64(),
        empty.as_secs_f64(),
        memory / held.max(1) as u64
    );
    pages::measure(&node.handle())?;
    node.shutdown().await;
    cluster::measure(arguments.operations).await
}

//! Three nodes over the engine on loopback, each with a disk of its own: how long one operation takes until it is answered.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use sensocto_bench::Times;
use sensocto_node::model::RoomPatch;
use sensocto_node::model::room::RoomAsk;
use sensocto_node::{Handle, Node, PeerConfig, PeerState, RoomId};

use crate::{Failure, config, settings, user};

/// What has to happen happens within this, or the benchmark fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// Rooms that the operations go round.
const ROOMS: usize = 30;

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn knows(handle: &Handle, nodes: usize) -> Result<(), Failure> {
    let mut subscription = handle.subscribe();
    let there = async {
        let alive = |state| matches!(state, PeerState::Alive | PeerState::Local);
        while subscription.world().view.nodes().values().filter(|node| alive(node.state)).count() < nodes {
            handle.next(&mut subscription).await;
        }
    };
    Ok(tokio::time::timeout(DEADLINE, there).await?)
}

/// Waits until every node can be a home and holds the same.
async fn ready(handles: &[Handle]) -> Result<(), Failure> {
    let until = Instant::now() + DEADLINE;
    while !handles.iter().all(|handle| {
        let health = &handle.rooms().health;
        health.ready && health.peers + 1 == handles.len()
    }) {
        if Instant::now() > until {
            return Err("the nodes did not get ready".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Prints how long operations take, by whether the node that is asked is the room's home.
pub(crate) async fn measure(operations: usize) -> Result<(), Failure> {
    let disks: Vec<tempfile::TempDir> = (0..3).map(|_| tempfile::tempdir()).collect::<Result<_, _>>()?;
    let first = free_address()?;
    let mut nodes = Vec::new();
    for (name, disk) in ["a", "b", "c"].into_iter().zip(&disks) {
        let listen = if name == "a" { first } else { free_address()? };
        let join = if name == "a" { Vec::new() } else { vec![first.to_string()] };
        let peer = PeerConfig { listen, join, tls: None };
        nodes.push(Node::start(config(name, Some(peer), disk.path())?).await?);
    }
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        knows(handle, handles.len()).await?;
    }
    ready(&handles).await?;
    let owner = user(0)?;
    let mut rooms: Vec<RoomId> = Vec::new();
    for number in 0..ROOMS {
        let made = handles[0].create_room(&owner, settings(number), None).await?;
        rooms.push(made.room.ok_or("a room that was made is there")?.id.clone());
    }
    let (mut at_home, mut elsewhere, mut on_two) = (Vec::new(), Vec::new(), 0);
    for number in 0..operations {
        let (handle, room) = (&handles[0], &rooms[number % ROOMS]);
        let patch = RoomPatch { name: Some(format!("Room {number}")), ..RoomPatch::default() };
        let started = Instant::now();
        let done = handle.ask_room(&owner, room.clone(), RoomAsk::Update(patch)).await?;
        let took = started.elapsed();
        on_two += usize::from(done.ack.on_disk >= 2);
        if done.ack.term.home.node == handle.me().node { at_home.push(took) } else { elsewhere.push(took) }
    }
    println!(
        "one operation on three nodes on loopback, one after another, {on_two} of {operations} on two disks when answered:"
    );
    let all = Times::of(at_home.iter().chain(&elsewhere).copied().collect());
    println!("| asked | took |\n|---|---|\n| the home | {} |", Times::of(at_home));
    println!("| another node | {} |\n| either | {all} |", Times::of(elsewhere));
    for node in nodes {
        node.shutdown().await;
    }
    Ok(())
}

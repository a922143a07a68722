//! Rooms in a partition of five real nodes, two and three: each in a network namespace of its own, and the cable between the sides is
//! pulled. Both sides go on; afterwards every node has the same rooms, and nothing that was acknowledged is lost.
//!
//! `SENSOCTO_ROOMS_PARTITION_SECONDS` says for how long (10). It needs Linux, root and `ip` (iproute2).

#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

mod support;

#[path = "support/netns.rs"]
mod netns;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netns::Sides;
use serde_json::{Value, json};
use support::{Cluster, Place, until};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the nodes may take to agree once they reach each other again.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// The side of each node.
const SIDES: [usize; 5] = [0, 0, 1, 1, 1];
/// Rooms that both sides write to.
const ROOMS: usize = 40;
/// Sensors that one client puts into rooms: below what a room may have, whoever writes to it.
const SENSORS_MAX: usize = 400;

/// What one client was told to be done.
#[derive(Default)]
struct Done {
    /// Sensors and the rooms that they were put into.
    sensors: Vec<(String, String)>,
    made: Vec<String>,
    refused: usize,
    slowest: Duration,
}

fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_secs(10));
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build().into()
}

fn ask(agent: &ureq::Agent, node: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let url = format!("http://{node}/api/v1/rooms{path}");
    let request = if method == "PUT" { agent.put(url) } else { agent.post(url) };
    let mut answer = request.send(body.to_string()).ok()?;
    let (status, text) = (answer.status().as_u16(), answer.body_mut().read_to_string().ok()?);
    Some((status, serde_json::from_str(&text).ok()?))
}

/// Writes at one node until it is told to end: sensors into rooms that the other side writes to as well, and rooms of its own whose
/// codes the other side gives to its rooms, too.
fn write(node: &str, side: usize, rooms: &[String], ends: &AtomicBool) -> Done {
    let (agent, mut done) = (agent(), Done::default());
    for number in 0.. {
        if ends.load(Ordering::SeqCst) {
            return done;
        }
        let started = Instant::now();
        if number % 20 == 0 {
            // Eight characters that both sides come to in the same order.
            let code: String = (0..8)
                .map(|place| char::from(b'A' + u8::try_from(((number / 20) >> place) & 1).expect("a bit")))
                .collect();
            match ask(&agent, node, "POST", "", &json!({"name": format!("of side {side}"), "join_code": code})) {
                Some((201, made)) => done.made.push(made["room"]["id"].as_str().expect("an id").to_owned()),
                Some(_) | None => done.refused += 1,
            }
        } else {
            let (room, sensor) = (&rooms[number % ROOMS], format!("s{side}-{}", number % (SENSORS_MAX * ROOMS)));
            match ask(&agent, node, "PUT", &format!("/{room}/sensors/{sensor}"), &json!({})) {
                Some((200, _)) => done.sensors.push((sensor, room.clone())),
                Some(_) | None => done.refused += 1,
            }
        }
        done.slowest = done.slowest.max(started.elapsed());
    }
    done
}

/// Every room as a node shows it, with its members and sensors.
fn rooms_of(cluster: &Cluster, node: usize) -> Vec<Value> {
    let mut ids: Vec<String> = Vec::new();
    let mut path = "/api/v1/rooms?limit=1000".to_owned();
    loop {
        let page = cluster.http_get(node, &path);
        let rooms = page["rooms"].as_array().expect("a list");
        ids.extend(rooms.iter().map(|room| room["id"].as_str().expect("an id").to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/rooms?limit=1000&after={next}"),
            None => break,
        }
    }
    ids.iter().map(|id| cluster.http_get(node, &format!("/api/v1/rooms/{id}"))).collect()
}

/// Whether a node holds exactly what all others hold, as it was last told by them.
fn is_identical(cluster: &Cluster, node: usize) -> bool {
    let store = &cluster.http_get(node, "/api/v1/cluster/health")["room_store"];
    store["identical"] == cluster.len() - 1 && store["of"] == cluster.len() - 1
}

#[test]
#[ignore = "it needs root and network namespaces: `cargo xtask test --only partition` runs it, or says why not"]
fn both_sides_of_a_partition_go_on_and_afterwards_every_node_has_the_same_rooms() {
    let seconds =
        std::env::var("SENSOCTO_ROOMS_PARTITION_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let sides = Sides::lay(&SIDES).unwrap_or_else(|problem| panic!("no network namespaces here: {problem}"));
    let place = |node| {
        let within = ["ip", "netns", "exec", &sides.namespace(node)].map(str::to_owned).to_vec();
        Place { http: sides.http(node), peer: sides.peer(node), within }
    };
    // Nodes beyond loopback let nobody in without credentials; these are in networks that nobody else reaches.
    let cluster = Cluster::start_at((0..SIDES.len()).map(place).collect(), &["--insecure-open"]);
    cluster.wait_until_identical();
    let first = cluster.http(0).to_string();
    let rooms: Vec<String> = (0..ROOMS)
        .map(|_| {
            let (status, made) = ask(&agent(), &first, "POST", "", &json!({"name": "shared"})).expect("answered");
            assert_eq!(status, 201, "{made}");
            made["room"]["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    until(DEADLINE, "every node has the rooms", || {
        (0..cluster.len()).all(|node| is_identical(&cluster, node)).then_some(())
    });
    let ends = AtomicBool::new(false);
    let done: Vec<Done> = std::thread::scope(|scope| {
        let writers: Vec<_> = [1, 4]
            .into_iter()
            .map(|node| {
                let (http, rooms, ends) = (cluster.http(node).to_string(), &rooms, &ends);
                scope.spawn(move || write(&http, SIDES[node], rooms, ends))
            })
            .collect();
        sides.cut();
        let cut = Instant::now();
        // Nothing tells when so much time has passed but the time itself.
        until(DEADLINE, "the time is over", || (cut.elapsed() >= Duration::from_secs(seconds)).then_some(()));
        ends.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().expect("it ends")).collect()
    });
    println!("cut off for {seconds} s; now joined again");
    let apart: Vec<Value> =
        [0, 4].map(|node| cluster.http_get(node, "/api/v1/rooms?limit=1")["total"].clone()).to_vec();
    sides.join();
    let healed = Instant::now();
    until(DEADLINE, "every node holds the same", || {
        (0..cluster.len()).all(|node| is_identical(&cluster, node)).then_some(())
    });
    let agreed = until(DEADLINE, "join codes are unique, and every node shows the same", || {
        let shown = rooms_of(&cluster, 0);
        let codes: BTreeSet<&str> = shown.iter().filter_map(|room| room["join_code"].as_str()).collect();
        let unique = codes.len() == shown.len();
        (unique && (1..cluster.len()).all(|node| rooms_of(&cluster, node) == shown)).then_some(healed.elapsed())
    });
    let shown = rooms_of(&cluster, 2);
    let (mut lost, mut acknowledged) = (Vec::new(), 0);
    for done in &done {
        acknowledged += done.sensors.len() + done.made.len();
        for (sensor, room) in &done.sensors {
            let room = shown.iter().find(|shown| shown["id"] == **room).expect("it was there before");
            // Of many sensors, a room shows the first.
            let listed = room["sensors"].as_array().expect("a list");
            let has = listed.iter().any(|listed| listed["sensor_id"] == **sensor);
            if !has && room["sensor_count"].as_u64() == Some(listed.len() as u64) {
                lost.push(sensor.clone());
            }
        }
        lost.extend(done.made.iter().filter(|made| !shown.iter().any(|room| room["id"] == ***made)).cloned());
    }
    println!(
        "{seconds} s apart: {acknowledged} operations acknowledged ({} and {} a side), {} and {} refused or unanswered, the slowest {:?}; rooms seen apart {apart:?}, {} in the end; the same everywhere {agreed:?} after the sides met",
        done[0].sensors.len() + done[0].made.len(),
        done[1].sensors.len() + done[1].made.len(),
        done[0].refused,
        done[1].refused,
        done[0].slowest.max(done[1].slowest),
        shown.len()
    );
    assert_eq!(lost, Vec::<String>::new(), "what was acknowledged is there");
    assert!(done.iter().all(|done| done.sensors.len() > 20), "both sides went on");
    assert_ne!(apart[0], Value::from(ROOMS), "rooms were made while apart");
    assert!(agreed < AGREE_WITHIN, "they agree in time: {agreed:?}");
}

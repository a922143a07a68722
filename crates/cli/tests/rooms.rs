//! Rooms on real processes: what was acknowledged outlives nodes that are killed, in whatever they were doing.
//!
//! `SENSOCTO_ROOMS_KILLS`, `_OPERATIONS` and `_CLIENTS` say how often a home is killed (5) during how many operations (200) of how many
//! clients at the same time (8), and `SENSOCTO_ROOMS_WRITER_KILLS` how often a node is killed while it writes (20).

#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Cluster, until};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// Rooms that are written to in one round.
const ROOMS: usize = 20;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into()
}

/// Has something done at a node; `None` where it did not answer.
fn write(agent: &ureq::Agent, node: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let url = format!("http://{node}/api/v1/rooms{path}");
    let sent = match method {
        "POST" => agent.post(url).send(body.to_string()),
        "PUT" => agent.put(url).send(body.to_string()),
        "PATCH" => agent.patch(url).send(body.to_string()),
        other => panic!("{other}"),
    };
    let mut answer = sent.ok()?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().ok()?;
    Some((status, serde_json::from_str(&text).ok()?))
}

fn create(agent: &ureq::Agent, node: &str) -> Value {
    until(DEADLINE, "a room is made", || {
        let (status, made) = write(agent, node, "POST", "", &json!({"name": "round"}))?;
        (status == 201).then(|| made["room"].clone())
    })
}

/// An operation that was acknowledged: a sensor in a room.
type Acknowledged = (String, String);

/// Clients that put sensors into rooms, at the nodes that are given, until as many operations have ended as are wanted. What was
/// acknowledged, and how many were not.
fn put_sensors(
    nodes: &[String],
    rooms: &[String],
    round: usize,
    operations: usize,
    half: &AtomicBool,
) -> (Vec<Acknowledged>, usize) {
    let next = AtomicUsize::new(0);
    let acknowledged = Mutex::new(Vec::new());
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..setting("SENSOCTO_ROOMS_CLIENTS", 8) {
            let (next, acknowledged, failed) = (&next, &acknowledged, &failed);
            scope.spawn(move || {
                let agent = agent();
                let node = &nodes[client % nodes.len()];
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= operations {
                        return;
                    }
                    if number == operations / 2 {
                        half.store(true, Ordering::SeqCst);
                    }
                    let (room, sensor) = (&rooms[number % rooms.len()], format!("s{round}-{number}"));
                    match write(&agent, node, "PUT", &format!("/{room}/sensors/{sensor}"), &json!({})) {
                        Some((200, done)) => {
                            let copies = done["on_disk"].as_u64().unwrap_or_default();
                            assert!(copies >= 1, "acknowledged without a disk: {done}");
                            acknowledged.lock().expect("not poisoned").push((room.clone(), sensor));
                        }
                        Some(_) | None => drop(failed.fetch_add(1, Ordering::SeqCst)),
                    }
                }
            });
        }
    });
    (acknowledged.into_inner().expect("not poisoned"), failed.into_inner())
}

fn sensors_of(cluster: &Cluster, node: usize, room: &str) -> Vec<String> {
    let room = cluster.http_get(node, &format!("/api/v1/rooms/{room}"));
    let sensors = room["sensors"].as_array().cloned().unwrap_or_default();
    sensors.iter().filter_map(|sensor| Some(sensor["sensor_id"].as_str()?.to_owned())).collect()
}

fn missing(cluster: &Cluster, node: usize, acknowledged: &[Acknowledged]) -> Vec<Acknowledged> {
    let mut rooms: Vec<&str> = acknowledged.iter().map(|(room, _)| room.as_str()).collect();
    rooms.sort_unstable();
    rooms.dedup();
    let there: Vec<(&str, Vec<String>)> =
        rooms.into_iter().map(|room| (room, sensors_of(cluster, node, room))).collect();
    let has = |(room, sensor): &&Acknowledged| there.iter().any(|(id, sensors)| id == room && sensors.contains(sensor));
    acknowledged.iter().filter(|one| !has(one)).cloned().collect()
}

#[test]
fn no_acknowledged_operation_is_lost_when_homes_are_killed() {
    let (kills, operations) = (setting("SENSOCTO_ROOMS_KILLS", 5), setting("SENSOCTO_ROOMS_OPERATIONS", 200));
    let mut cluster = Cluster::start(3);
    cluster.wait_until_identical();
    let agent = agent();
    let (mut all, mut failures, mut slowest) = (Vec::new(), 0, Duration::ZERO);
    for round in 0..kills {
        let victim = round % cluster.len();
        let others: Vec<usize> = (0..cluster.len()).filter(|index| *index != victim).collect();
        let nodes: Vec<String> = others.iter().map(|index| cluster.http(*index).to_string()).collect();
        let rooms: Vec<Value> = (0..ROOMS).map(|_| create(&agent, &nodes[0])).collect();
        let ids: Vec<String> = rooms.iter().map(|room| room["id"].as_str().expect("an id").to_owned()).collect();
        let of_victim = rooms
            .iter()
            .find(|room| room["home"] == cluster.name(victim))
            .map(|room| room["id"].as_str().expect("an id").to_owned());
        let half = AtomicBool::new(false);
        let (acknowledged, failed, took) = std::thread::scope(|scope| {
            let clients = scope.spawn(|| put_sensors(&nodes, &ids, round, operations, &half));
            until(DEADLINE, "half of the operations are under way", || half.load(Ordering::SeqCst).then_some(()));
            cluster.kill(victim);
            let killed = Instant::now();
            if let Some(room) = &of_victim {
                until(DEADLINE, "the next home answers", || {
                    let done = write(&agent, &nodes[0], "PATCH", &format!("/{room}"), &json!({"name": "moved"}))?;
                    (done.0 == 200 && done.1["room"]["home"] != *cluster.name(victim)).then_some(())
                });
            }
            let took = killed.elapsed();
            let (acknowledged, failed) = clients.join().expect("clients end");
            (acknowledged, failed, took)
        });
        slowest = slowest.max(took);
        failures += failed;
        for node in &others {
            until(DEADLINE, "what was acknowledged is there", || {
                missing(&cluster, *node, &acknowledged).is_empty().then_some(())
            });
        }
        all.extend(acknowledged);
        cluster.restart(victim);
        cluster.wait_until_identical();
    }
    for node in 0..cluster.len() {
        until(DEADLINE, "every node has everything", || missing(&cluster, node, &all).is_empty().then_some(()));
    }
    println!(
        "{kills} homes killed during {operations} operations each: {} acknowledged, {failures} not, none lost; the next home answered within {slowest:?}",
        all.len()
    );
    assert!(
        all.len() > kills * operations / 2,
        "most operations are acknowledged: {} of {}",
        all.len(),
        kills * operations
    );
    assert!(slowest < Duration::from_secs(15), "the next home takes over: {slowest:?}");
}

#[test]
fn a_node_that_is_killed_while_it_writes_opens_its_rooms_and_has_what_it_acknowledged() {
    let kills = setting("SENSOCTO_ROOMS_WRITER_KILLS", 20);
    let mut cluster = Cluster::start(1);
    let agent = agent();
    let nodes = [cluster.http(0).to_string()];
    let (mut all, mut torn) = (Vec::new(), 0);
    for round in 0..kills {
        let rooms: Vec<String> =
            (0..4).map(|_| create(&agent, &nodes[0])["id"].as_str().expect("an id").to_owned()).collect();
        let half = AtomicBool::new(false);
        let (acknowledged, failed) = std::thread::scope(|scope| {
            let clients = scope.spawn(|| put_sensors(&nodes, &rooms, round, 100, &half));
            until(DEADLINE, "half of the operations are under way", || half.load(Ordering::SeqCst).then_some(()));
            cluster.kill(0);
            clients.join().expect("clients end")
        });
        torn += failed;
        all.extend(acknowledged);
        cluster.restart(0);
        assert_eq!(missing(&cluster, 0, &all), [], "after kill {round}");
    }
    println!("killed {kills} times while writing: {} operations acknowledged, {torn} not, none lost", all.len());
    assert!(torn > 0, "a node was killed while it wrote");
}

#[test]
fn a_node_that_joins_takes_homes_over_without_a_refusal_and_fills_its_empty_disk() {
    let mut cluster = Cluster::start(2);
    cluster.wait_until_identical();
    assert!(cluster.terminate(1).success());
    cluster.empty_disk(1);
    let nodes = [cluster.http(0).to_string()];
    let rooms: Vec<String> =
        (0..ROOMS).map(|_| create(&agent(), &nodes[0])["id"].as_str().expect("an id").to_owned()).collect();
    let half = AtomicBool::new(false);
    let (acknowledged, failed) = std::thread::scope(|scope| {
        let clients = scope.spawn(|| put_sensors(&nodes, &rooms, 0, 1_000, &half));
        cluster.restart(1);
        clients.join().expect("clients end")
    });
    assert_eq!((acknowledged.len(), failed), (1_000, 0), "no operation is refused");
    until(DEADLINE, "it has everything", || missing(&cluster, 1, &acknowledged).is_empty().then_some(()));
    let moved = until(DEADLINE, "a room has its home on it", || {
        let home = |room: &String| write(&agent(), &nodes[0], "PATCH", &format!("/{room}"), &json!({"name": "moved"}));
        let homes: Vec<Value> = rooms.iter().filter_map(home).map(|(_, done)| done["room"]["home"].clone()).collect();
        homes.iter().any(|home| *home == *cluster.name(1)).then_some(homes)
    });
    assert_eq!(moved.len(), ROOMS, "each of them answers");
    // Alone, it has only its own disk to read from.
    assert!(cluster.terminate(0).success());
    assert!(cluster.terminate(1).success());
    cluster.restart(1);
    assert_eq!(missing(&cluster, 1, &acknowledged), []);
}

#[test]
fn the_command_line_makes_shows_and_ends_rooms_of_a_node_that_drains_without_a_refusal() {
    let mut cluster = Cluster::start(2);
    cluster.wait_until_identical();
    let url = format!("http://{}", cluster.http(0));
    let run = |args: &[&str]| support::run(&[&["rooms"][..], args, &["--url", &url]].concat());
    let made = run(&["create", "--name", "Lab", "--json"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    let (id, code) = (made["room"]["id"].as_str().expect("an id"), made["room"]["join_code"].as_str().expect("a code"));
    assert_eq!((&made["copies"], &made["on_disk"]), (&json!(2), &json!(2)));
    let shown = run(&["show", code]);
    assert!(shown.stdout.contains(id), "{} {}", shown.stdout, shown.stderr);
    let refused = run(&["leave", id]);
    assert!(refused.code != Some(0) && refused.stderr.contains("owner cannot leave"), "{}", refused.stderr);
    let long = run(&["update", id, "--name", &"x".repeat(101)]);
    assert!(long.code == Some(2) && long.stderr.contains("100 characters"), "{:?} {}", long.code, long.stderr);
    let listed = run(&["list", "--mine"]);
    assert!(listed.stdout.contains("Lab") && listed.stdout.contains("1 of 1 rooms"), "{}", listed.stdout);
    // A node that ends on request hands its rooms over: whoever asks the other one is not refused.
    let rooms: Vec<String> = (0..10)
        .map(|_| create(&agent(), &cluster.http(0).to_string())["id"].as_str().expect("an id").to_owned())
        .collect();
    let half = AtomicBool::new(false);
    let nodes = [cluster.http(0).to_string()];
    let (acknowledged, failed) = std::thread::scope(|scope| {
        let clients = scope.spawn(|| put_sensors(&nodes, &rooms, 0, 200, &half));
        until(DEADLINE, "half of the operations are under way", || half.load(Ordering::SeqCst).then_some(()));
        assert!(cluster.terminate(1).success());
        clients.join().expect("clients end")
    });
    assert_eq!((acknowledged.len(), failed), (200, 0), "no operation is refused");
    assert_eq!(missing(&cluster, 0, &acknowledged), []);
    let ended = run(&["delete", id]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(run(&["show", id]).stderr.contains("there is no such room"));
}

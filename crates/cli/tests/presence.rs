//! Presence at scale on real processes, each test printing its figures (`--nocapture` shows them).
//!
//! What runs by itself is small. `SENSOCTO_PRESENCE_USERS=10000 SENSOCTO_PRESENCE_VIEWERS=300` and `SENSOCTO_PRESENCE_CYCLES=200000`
//! make it as large as one likes; use `--release` then.

#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

#[path = "support/people.rs"]
mod people;
mod support;
#[path = "support/viewer.rs"]
#[allow(dead_code, reason = "of the viewer of sensors, the figures alone are used")]
mod viewer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use people::{Board, Crowd, Tokens, join, number};
use sensocto_client::{ChannelEvent, Client, ClientOptions};
use serde_json::{Value, json};
use support::{Cluster, until};
use viewer::{DEADLINE, Times};

/// What it may take until everybody's list is right after a node was killed.
const RIGHT_MAX: Duration = Duration::from_secs(10);
/// What a page of a thousand users may take.
const PAGE_MAX: Duration = Duration::from_millis(50);
/// By how much memory may differ after many cycles, in percent.
const GROWTH_PERCENT_MAX: f64 = 5.0;

/// Tests that measure do not measure each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Nodes that know the key by which a test makes tokens.
struct Scene {
    cluster: Cluster,
    tokens: Tokens,
    _key: tempfile::TempDir,
}

impl Scene {
    fn start(nodes: usize) -> Scene {
        let directory = tempfile::tempdir().expect("a directory");
        let file: PathBuf = directory.path().join("signing.key");
        let tokens = Tokens::create(&file);
        let cluster = Cluster::start_with(nodes, &["--signing-key-file", file.to_str().expect("a plain path")]);
        if nodes > 1 {
            cluster.wait_until_identical();
        }
        Scene { cluster, tokens, _key: directory }
    }

    fn urls(&self, first: usize) -> Vec<String> {
        let count = self.cluster.len();
        (0..count).map(|offset| self.cluster.url((first + offset) % count)).collect()
    }

    fn metric(&self, index: usize, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.cluster.http(index));
        let mut answer = ureq::get(&url).call().expect("metrics");
        let text = answer.body_mut().read_to_string().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("sensocto_{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no metric {name}"))
    }

    fn megabytes(&self, index: usize) -> f64 {
        self.metric(index, "resident_bytes") / 1e6
    }

    fn get(&self, index: usize, path: &str) -> (Value, Duration) {
        let asked = Instant::now();
        let mut answer = ureq::get(format!("http://{}{path}", self.cluster.http(index))).call().expect("an answer");
        let body = answer.body_mut().read_to_string().expect("a whole answer");
        let took = asked.elapsed();
        (serde_json::from_str(&body).expect("JSON"), took)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_whose_node_is_killed_is_whole_again_for_everybody_in_time() {
    let _alone = ALONE.lock().await;
    let users = number("SENSOCTO_PRESENCE_USERS", 1_000);
    let viewers = number("SENSOCTO_PRESENCE_VIEWERS", users.min(300)).min(users);
    let mut scene = Scene::start(3);
    let empty: Vec<f64> = (0..3).map(|index| scene.megabytes(index)).collect();
    let board = Arc::new(Board::new(users, viewers));
    let started = Instant::now();
    let urls = |index: usize| scene.urls(index % 3);
    let _crowd = Crowd::gather(users, viewers, &scene.tokens, urls, &board).await;
    board.expect_on_c(users / 3);
    board.until_right(DEADLINE * 10, "everybody is in the room").await;
    println!("room: {users} users, {viewers} of them with the whole list, gathered in {:.1?}", started.elapsed());
    list_them(&scene, users);
    let full: Vec<f64> = (0..3).map(|index| scene.megabytes(index)).collect();

    board.expect_on_c(0);
    let bytes_before = board.bytes();
    let killed_at = Instant::now();
    scene.cluster.kill(2);
    board.until_right(DEADLINE * 4, "everybody's list is right again").await;
    let took = killed_at.elapsed();
    let stayed = board.stayed_bytes(bytes_before);
    println!("room: a node with a third of them is killed: every list is right after {took:.2?}");
    println!("room: a viewer who stayed was told {:.0} KB in {:.0} messages", stayed.0, stayed.1);
    for index in 0..2 {
        let after = scene.megabytes(index);
        println!(
            "room: memory of node {index}: {:.0} MB empty, {:.0} full, {after:.0} after",
            empty[index], full[index]
        );
    }
    assert!(took < RIGHT_MAX, "{took:?}");
    assert_eq!(board.wrong_leaves(), 0, "nobody was told that somebody left who never did");
}

fn list_them(scene: &Scene, users: usize) {
    let mut times = Vec::new();
    for _ in 0..20 {
        let (page, took) = scene.get(0, "/api/v1/users?topic=room:hall&limit=1000");
        assert_eq!(page["total"], users, "{}", page["total"]);
        times.push(took);
    }
    let times = Times::of(times);
    println!("list: a page of 1,000 of {users} users: {times}");
    assert!(times.at(0.5) < PAGE_MAX, "{times}");
    let (count, took) = scene.get(1, "/api/v1/presence/room:hall/count");
    println!("list: how many of {users} are here: {took:.2?}");
    assert_eq!(count["users"], users);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_among_a_thousand_a_second_is_soon_seen_on_another_node() {
    let _alone = ALONE.lock().await;
    let rate = number("SENSOCTO_PRESENCE_RATE", 1_000);
    let joins = number("SENSOCTO_PRESENCE_JOINS", 3_000);
    let scene = Scene::start(3);
    let watcher = Client::connect(ClientOptions::new([scene.cluster.url(2)])).await.expect("connected");
    let mut list = watcher.join("presence:pace", json!({})).await.expect("joined");
    let mut clients = Vec::new();
    for index in 0..joins {
        clients.push(scene.tokens.connect(&format!("u{index}"), vec![scene.cluster.url(index % 2)]).await);
    }
    let started = Instant::now();
    let joining = tokio::spawn(async move {
        let mut sent = Vec::new();
        let mut tasks = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).expect("a rate"));
        for client in clients {
            tick.tick().await;
            sent.push(Instant::now());
            tasks.push(tokio::spawn(async move {
                let channel = client.join("presence:pace", json!({"watch": "none"})).await.expect("joined");
                (client, channel)
            }));
        }
        let mut held = Vec::new();
        for task in tasks {
            held.push(task.await.expect("joined"));
        }
        (sent, held)
    });
    let mut seen: Vec<Option<Instant>> = vec![None; joins];
    let mut missing = joins;
    while missing > 0 {
        let event = tokio::time::timeout(DEADLINE, list.next()).await.expect("in time").expect("open");
        let ChannelEvent::Message { event, payload } = event else { continue };
        let payload: Value = serde_json::from_str(payload.get()).expect("JSON");
        let joined = if event == "presence_diff" { &payload["joins"] } else { &payload };
        let Some(joined) = joined.as_object().filter(|_| event.starts_with("presence_")) else { continue };
        for user in joined.keys() {
            let place: usize = user[1..].parse().expect("a number");
            missing -= usize::from(seen[place].is_none());
            seen[place].get_or_insert_with(Instant::now);
        }
    }
    let (sent, _held) = joining.await.expect("joined");
    let took = sent.last().expect("some").duration_since(started);
    let times = sent.iter().zip(&seen).map(|(sent, seen)| seen.expect("seen").duration_since(*sent)).collect();
    println!("pace: {joins} joins in {took:.2?}, until each is seen on another node: {}", Times::of(times));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_leaves_nothing_behind() {
    let _alone = ALONE.lock().await;
    let cycles = number("SENSOCTO_PRESENCE_CYCLES", 5_000);
    let scene = Arc::new(Scene::start(1));
    let cycle = |from: usize, count: usize| {
        let scene = Arc::clone(&scene);
        async move {
            for index in from..from + count {
                let user = format!("u{}", index % 100);
                let client = scene.tokens.connect(&user, vec![scene.cluster.url(0)]).await;
                let channel = join(&client, json!({"fields": {"cycle": index}})).await;
                drop(channel);
                drop(client);
            }
        }
    };
    let gone = |what: &str| {
        until(DEADLINE, what, || {
            let (health, _) = scene.get(0, "/api/v1/cluster/health");
            (health["users"] == 0 && scene.metric(0, "sockets_open") == 0.0).then_some(())
        });
    };
    let run = |count: usize| {
        let share = count / 20;
        futures_join((0..20).map(|part| cycle(part * share, share)).collect())
    };
    // What is kept for the next ones, such as the allocator's, is there after the first of them.
    run(15_000).await;
    gone("the first ones are gone");
    let before = (scene.metric(0, "tasks"), scene.megabytes(0));
    let started = Instant::now();
    run(cycles).await;
    let rate = cycles as f64 / started.elapsed().as_secs_f64();
    gone("everybody is gone");
    // A socket's task outlives its count by the time that it takes to close; one that stays is never waited out.
    let tasks = until(DEADLINE, "the tasks are as many as they were", || {
        let tasks = scene.metric(0, "tasks");
        (tasks <= before.0).then_some(tasks)
    });
    let memory = scene.megabytes(0);
    let growth = (memory / before.1 - 1.0) * 100.0;
    println!(
        "cycles: {cycles} at {rate:.0}/s: tasks {} before, {tasks} after; memory {:.1} MB, {memory:.1} MB ({growth:+.1} %)",
        before.0, before.1
    );
    assert_eq!(scene.metric(0, "presence_topics"), 0.0);
    assert!(growth < GROWTH_PERCENT_MAX, "{growth} %");
}

async fn futures_join(parts: Vec<impl Future<Output = ()> + Send + 'static>) {
    let parts: Vec<_> = parts.into_iter().map(tokio::spawn).collect();
    for part in parts {
        part.await.expect("no cycle fails");
    }
}

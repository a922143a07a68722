//! Signals on real processes, each test printing its figures (`--nocapture` shows them).
//!
//! What runs by itself is small. `SENSOCTO_SIGNALS_SENSORS=1000 _VIEWERS=50 _WATCHED=20 _SECONDS=10`, `SENSOCTO_SIGNALS_FLOOD=100000` and
//! `SENSOCTO_SIGNALS_SOCKETS=15000` make it as large as one likes; use `--release` then.

#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

#[path = "support/flow.rs"]
mod flow;
mod support;
#[path = "support/thin.rs"]
mod thin;
#[path = "support/viewer.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod viewer;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flow::{Ages, Pace, Sensors, View};
use sensocto_client::{Client, ClientOptions};
use support::{Cluster, until};
use thin::{Frame, Thin};
use viewer::{DEADLINE, Times, Viewer, bring_in};

/// Tests that measure do not measure each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// By how much a p99 may be larger than in the undisturbed run, on a machine that others use as well. The figure itself is printed.
const RATIO_MAX: f64 = 5.0;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn seconds() -> Duration {
    Duration::from_secs(number("SENSOCTO_SIGNALS_SECONDS", 2) as u64)
}

fn metric(cluster: &Cluster, index: usize, name: &str) -> f64 {
    let url = format!("http://{}/metrics", cluster.http(index));
    let text = ureq::get(&url).call().expect("metrics").body_mut().read_to_string().expect("text");
    let prefix = format!("sensocto_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {name}"));
    line.parse().expect("a number")
}

/// Processor time of a node so far.
fn processor(cluster: &Cluster, index: usize) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", cluster.pid(index))).expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// Views of `watched` sensors each, spread over `sensors`, and how many sensors they are together.
fn views(count: usize, watched: usize, sensors: usize, prefix: &str, level: &str) -> (Vec<View>, usize) {
    let mut all = BTreeSet::new();
    let views = (0..count).map(|viewer| {
        let ids: Vec<String> =
            (0..watched).map(|place| format!("\"{prefix}{}\"", (viewer * watched / 2 + place) % sensors)).collect();
        all.extend(ids.iter().cloned());
        let params = format!(r#"{{"sensor_ids":[{}],"level":"{level}"}}"#, ids.join(","));
        View { topic: format!("signals:{viewer}"), params }
    });
    let views = views.collect();
    (views, all.len())
}

/// Waits until a node knows of so many sensors.
fn known(cluster: &Cluster, index: usize, sensors: usize) {
    until(DEADLINE, "the sensors are known", || {
        (cluster.http_get(index, "/api/v1/cluster/health")["sensors"].as_u64()? >= sensors as u64).then_some(())
    });
}

fn ratio(now: &Times, before: &Times) -> f64 {
    now.at(0.99).as_secs_f64() / before.at(0.99).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_receives_what_its_viewers_watch_and_nothing_else() {
    let _alone = ALONE.lock().await;
    let sensors = number("SENSOCTO_SIGNALS_SENSORS", 100);
    let (viewers, watched) = (number("SENSOCTO_SIGNALS_VIEWERS", 10), number("SENSOCTO_SIGNALS_WATCHED", 10));
    let cluster = Cluster::start(3);
    cluster.wait_until_identical();
    let start = Instant::now();
    let pace = Pace { sensors, sockets: 4, hz: 10, batch: 1, padding: 0 };
    let running = Sensors::start(cluster.http(0), "s", pace, start).await;
    known(&cluster, 1, sensors);
    for (level, goal) in [("medium", 150), ("high", 50)] {
        let (views, together) = views(viewers, watched, sensors, "s", level);
        let mut ages = Ages::watch(cluster.http(1), views, start).await;
        ages.during(Duration::from_millis(500)).await;
        let (before, sent) = (metric(&cluster, 1, "signals_samples_received_total"), running.sent());
        let seen = ages.during(seconds()).await;
        let (received, sent) = (metric(&cluster, 1, "signals_samples_received_total") - before, running.sent() - sent);
        let of_watched = sent as f64 * together as f64 / sensors as f64;
        let times = Times::of(seen);
        println!(
            "{sensors} sensors at 10 Hz on a, {viewers} viewers on b of {watched} each ({together} in all), {level}: \
             age when seen {times} (goal p99 {goal} ms); b received {received:.0} of {sent} samples sent, {of_watched:.0} watched"
        );
        assert!(received < of_watched * 1.2 + 100.0, "b receives what is watched, not everything");
        assert!(received > of_watched * 0.8 - 100.0, "b receives what is watched");
        assert_eq!(ages.viewers(), viewers, "no viewer was closed");
    }
    assert_eq!(metric(&cluster, 2, "signals_samples_received_total"), 0.0, "nobody watches on c");
    until(DEADLINE, "nobody watches any more", || (metric(&cluster, 1, "signals_viewers") == 0.0).then_some(()));
    let quiet = metric(&cluster, 1, "signals_samples_received_total");
    let sent = running.sent();
    until(DEADLINE, "the sensors went on", || (running.sent() > sent + 20).then_some(()));
    assert_eq!(metric(&cluster, 1, "signals_samples_received_total"), quiet, "nobody watches: nothing leaves a");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_does_not_read_costs_the_others_nothing_and_gets_everything_anew() {
    let _alone = ALONE.lock().await;
    let viewers = number("SENSOCTO_SIGNALS_VIEWERS", 10);
    let cluster = Cluster::start(2);
    cluster.wait_until_identical();
    let start = Instant::now();
    let pace = Pace { sensors: 20, sockets: 2, hz: 10, batch: 1, padding: 0 };
    let running = Sensors::start(cluster.http(0), "s", pace, start).await;
    let heavy = Pace { sensors: 4, sockets: 1, hz: 25, batch: 1, padding: 12_000 };
    let heavy = Sensors::start(cluster.http(0), "heavy", heavy, start).await;
    known(&cluster, 1, 24);
    let mut ages = Ages::watch(cluster.http(1), views(viewers, 20, 20, "s", "high").0, start).await;
    // One that reads the heavy sensors as well, so that what changes is that one stops reading.
    let heavy_view = r#"{"sensor_ids":["heavy0","heavy1","heavy2","heavy3"],"level":"high","recent":5}"#;
    let mut lazy = Thin::connect(cluster.http(1), Some(64 * 1024)).await;
    lazy.join("signals:lazy", heavy_view).await;
    let reading = async {
        loop {
            assert!(matches!(lazy.next().await, Frame::Text(_)), "it reads, and is served");
        }
    };
    let before = tokio::select! {
        before = ages.during(seconds()) => Times::of(before),
        () = reading => unreachable!("it goes on for ever"),
    };
    let memory = metric(&cluster, 1, "resident_bytes");
    // Nothing is read any more, until the node has seen that it is late by more than five seconds.
    let stalled = Times::of(ages.during(seconds().max(Duration::from_secs(12))).await);
    let grown = metric(&cluster, 1, "resident_bytes") - memory;
    let mut resync = false;
    let read = async {
        while !resync {
            let Frame::Text(text) = lazy.next().await else { panic!("it was closed before its 30 s were over") };
            resync = text.contains(r#""resync":true"#);
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("it gets everything anew");
    let ratio = ratio(&stalled, &before);
    println!(
        "one of {} viewers stops reading: the others' age before {before}, meanwhile {stalled}, p99 ratio {ratio:.2} (goal 1.05); \
         the node's memory grew by {:.1} MiB",
        viewers + 1,
        grown / 1024.0 / 1024.0
    );
    assert!(ratio < RATIO_MAX);
    assert!(grown < 32.0 * 1024.0 * 1024.0, "what one client does not read is not kept for it");
    assert_eq!(ages.viewers(), viewers, "no other viewer was closed");
    assert!(metric(&cluster, 1, "signals_resyncs_total") >= 1.0);
    running.end().await;
    heavy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stopped_node_of_three_leaves_the_signals_of_the_others_alone() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start(3);
    cluster.wait_until_identical();
    let start = Instant::now();
    let pace = Pace { sensors: 100, sockets: 4, hz: 10, batch: 1, padding: 0 };
    let running = Sensors::start(cluster.http(0), "s", pace, start).await;
    (1..3).for_each(|index| known(&cluster, index, 100));
    let mut on_c = Ages::watch(cluster.http(2), views(5, 20, 100, "s", "medium").0, start).await;
    let on_b = Ages::watch(cluster.http(1), views(5, 20, 100, "s", "medium").0, start).await;
    let time = seconds().max(Duration::from_secs(3));
    let before = on_c.during(time).await;
    cluster.stop(1);
    let stopped = on_c.during(time).await;
    cluster.cont(1);
    let rate = stopped.len() as f64 / before.len() as f64;
    let (before, stopped) = (Times::of(before), Times::of(stopped));
    println!(
        "signals from a to c before {before}, with b stopped {stopped}: rate ratio {rate:.3} (goal 0.95), p99 ratio {:.2}",
        ratio(&stopped, &before)
    );
    assert!(rate > 0.5 && ratio(&stopped, &before) < RATIO_MAX);
    drop(on_b);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_measurements_is_taken_in_and_counted() {
    let _alone = ALONE.lock().await;
    let rate = number("SENSOCTO_SIGNALS_FLOOD", 5_000);
    let sockets = number("SENSOCTO_SIGNALS_FLOOD_SOCKETS", 20);
    let batch = number("SENSOCTO_SIGNALS_FLOOD_BATCH", 50);
    let hz = u32::try_from(rate / sockets / batch).expect("a rate").max(1);
    let cluster = Cluster::start(2);
    cluster.wait_until_identical();
    let pace = Pace { sensors: sockets, sockets, hz, batch, padding: 0 };
    let running = Sensors::start(cluster.http(0), "s", pace, Instant::now()).await;
    known(&cluster, 1, sockets);
    let began = Instant::now();
    let (used, before) = (processor(&cluster, 0), running.sent());
    tokio::time::sleep(seconds()).await;
    let (sent, took) = (running.sent() - before, began.elapsed());
    let used = processor(&cluster, 0) - used;
    let all = running.sent();
    running.end().await;
    // What was sent is on its way until the last socket is closed and read to its end.
    let taken = until(DEADLINE, "everything was taken in", || {
        let taken = metric(&cluster, 0, "signals_samples_in_total");
        (taken >= all as f64 || metric(&cluster, 0, "sockets_open") == 0.0).then_some(taken)
    });
    println!(
        "{:.0} measurements/s from {sockets} sockets in batches of {batch}: {:.2} µs of processor time each; {taken:.0} taken in, {} flooded",
        sent as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / sent as f64,
        metric(&cluster, 0, "signals_samples_flooded_total"),
    );
    assert!(taken >= all as f64, "none is lost below the bound: {taken} of {all}");
    assert_eq!(metric(&cluster, 0, "signals_samples_flooded_total"), 0.0);
}

/// How long changes on one node take until a viewer of another one has them.
async fn changes(client: &Client, viewer: &mut Viewer, prefix: &str) -> Times {
    let mut times = Vec::new();
    for number in 0..100 {
        let id = format!("{prefix}{number}");
        let asked = Instant::now();
        let sensor = bring_in(client, &id).await;
        times.push(viewer.joined(&id).await - asked);
        sensor.leave().await.expect("left");
    }
    Times::of(times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_beyond_the_bound_leaves_discovery_alone() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start(2);
    cluster.wait_until_identical();
    let client = Client::connect(ClientOptions::new([cluster.url(0)])).await.expect("connected");
    let mut viewer = Viewer::open(&cluster.url(1)).await;
    changes(&client, &mut viewer, "warm").await;
    let before = changes(&client, &mut viewer, "before").await;
    // Twice as much of each sensor as it may send.
    let pace = Pace { sensors: 4, sockets: 4, hz: 100, batch: 100, padding: 0 };
    let running = Sensors::start(cluster.http(0), "flood", pace, Instant::now()).await;
    until(DEADLINE, "the sensors send too fast", || {
        (metric(&cluster, 0, "signals_samples_flooded_total") > 0.0).then_some(())
    });
    let meanwhile = changes(&client, &mut viewer, "meanwhile").await;
    let (sent, flooded) = (running.sent(), metric(&cluster, 0, "signals_samples_flooded_total"));
    running.end().await;
    let ratio = ratio(&meanwhile, &before);
    println!(
        "register on a until seen on b before {before}, under a flood of {sent} samples, {flooded:.0} of them too many, {meanwhile}: p99 ratio {ratio:.2}"
    );
    assert!(ratio < RATIO_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_viewers_of_one_sensor_hear_each_broadcast() {
    let _alone = ALONE.lock().await;
    let sockets = number("SENSOCTO_SIGNALS_SOCKETS", 200);
    let cluster = Cluster::start(1);
    let start = Instant::now();
    let before = metric(&cluster, 0, "resident_bytes");
    let views = (0..sockets).map(|_| View {
        topic: "signals:crowd".to_owned(),
        params: r#"{"sensor_ids":["s0"],"level":"high","recent":0}"#.to_owned(),
    });
    let connecting = Instant::now();
    let mut ages = Ages::watch(cluster.http(0), views.collect(), start).await;
    let connected = connecting.elapsed();
    let idle = (metric(&cluster, 0, "resident_bytes") - before) / sockets as f64 / 1024.0;
    let pace = Pace { sensors: 1, sockets: 1, hz: 1, batch: 1, padding: 0 };
    let running = Sensors::start(cluster.http(0), "s", pace, start).await;
    let time = seconds().max(Duration::from_secs(4));
    // The first samples travel as recent ones.
    ages.during(Duration::from_secs(2)).await;
    let used = processor(&cluster, 0);
    let seen = ages.during(time).await;
    let used = processor(&cluster, 0) - used;
    let share = seen.len() as f64 / sockets as f64;
    let times = Times::of(seen);
    println!(
        "{sockets} sockets (connected in {:.1} s), one broadcast a second: age when seen {times} (goal p99 250 ms), {share:.1} each in {time:?}, \
         {:.0} µs of processor time each; memory of an idle socket {idle:.1} KiB (goal 30)",
        connected.as_secs_f64(),
        used.as_secs_f64() * 1e6 / (share * sockets as f64),
    );
    assert!(share > time.as_secs_f64() * 0.5, "everybody hears the broadcasts");
    assert_eq!(ages.viewers(), sockets, "nobody was closed");
    running.end().await;
}

//! The commands that speak to nodes, against real ones.

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Cluster, free_addresses, run, sensocto, signal, until};

const DEADLINE: Duration = Duration::from_secs(30);

/// A command that runs on until it is told to end.
struct Running(Child);

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut command = sensocto(args);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts"))
    }

    /// Asks it to end as Ctrl-C does; returns its exit code.
    fn interrupt(mut self) -> Option<i32> {
        signal(self.0.id(), "INT");
        self.0.wait().expect("it was ours").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(args: &[&str]) -> Value {
    let finished = run(args);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

#[test]
fn simulated_sensors_register_once_and_send_what_they_measure() {
    let cluster = Cluster::start(2);
    let (first, second) = (cluster.url(0), cluster.url(1));
    let summary = json(&[
        "simulate",
        "--url",
        &first,
        "--url",
        &second,
        "--sensors",
        "60",
        "--rate",
        "20",
        "--for",
        "1500ms",
        "--json",
    ]);
    assert_eq!(
        (&summary["summary"]["registered"], &summary["summary"]["errors"]),
        (&60.into(), &0.into()),
        "{summary}"
    );
    assert!(summary["summary"]["measurements"].as_u64() > Some(60), "{summary}");
}

#[test]
fn sensors_of_every_node_are_listed_filtered_and_watched() {
    let cluster = Cluster::start(2);
    let (first, second, url) = (cluster.url(0), cluster.url(1), format!("http://{}", cluster.http(0)));
    let simulation =
        Running::start(&["simulate", "--url", &first, "--url", &second, "--sensors", "50", "--types", "ecg,light"]);
    let list = |flags: &[&str]| json(&[&["sensors", "list", "--json", "--url", &url], flags].concat());
    until(DEADLINE, "50 sensors are listed", || (list(&[])["total"] == 50).then_some(()));

    let limited = list(&["--limit", "7"]);
    assert_eq!((limited["sensors"].as_array().map(Vec::len), &limited["total"]), (Some(7), &50.into()));
    assert_eq!(list(&["--type", "ecg"])["total"], 25);
    assert_eq!(list(&["--node", "b"])["sensors"].as_array().map(Vec::len), Some(25));
    assert_eq!(list(&["--type", "sonar"])["total"], 0);
    let first = list(&["--limit", "1"])["sensors"][0].clone();
    let (name, id) = (first["sensor_name"].as_str().expect("a name"), &first["sensor_id"]);
    let found = list(&["--text", &name.to_uppercase()]);
    assert!(
        found["sensors"].as_array().is_some_and(|found| found.iter().any(|one| one["sensor_id"] == *id)),
        "{found}"
    );
    assert_eq!(list(&["--text", "nowhere"])["total"], 0);
    let table = run(&["sensors", "list", "--url", &url, "--limit", "3"]).stdout;
    assert!(table.starts_with("SENSOR ") && table.ends_with("3 of 50 sensors\n"), "{table}");

    let mut watch = Running::start(&["sensors", "watch", "--url", &url, "--type", "light"]);
    let mut lines = BufReader::new(watch.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "= 25 sensors, as node a sees them"), "the snapshot");
    assert_eq!(simulation.interrupt(), Some(0));
    assert!(lines.any(|line| line.starts_with("- ") && line.ends_with(": unregistered")), "a sensor that leaves");
    assert!(lines.any(|line| line == "= 0 sensors"), "the last one");
    assert_eq!(watch.interrupt(), Some(0));
}

#[test]
fn the_status_shows_every_node_and_a_peer_that_is_not_there_yet() {
    let absent = free_addresses(1)[0].to_string();
    let cluster = Cluster::start_with(2, &["--join", &absent]);
    cluster.wait_until_identical();
    let url = format!("http://{}", cluster.http(1));
    let status = run(&["cluster", "status", "--url", &url]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert!(status.stdout.starts_with("node b: 0 sensors"), "{}", status.stdout);
    for words in [vec!["a", "alive", "fresh"], vec!["b", "local", "fresh"], vec![absent.as_str(), "retrying"]] {
        let row = |line: &str| {
            line.split_whitespace().zip(&words).filter(|(cell, word)| cell == *word).count() == words.len()
        };
        assert!(status.stdout.lines().any(row), "{words:?} is not in:\n{}", status.stdout);
    }
    let health = json(&["cluster", "status", "--url", &url, "--json"]);
    assert_eq!((&health["node"], &health["identical"]["nodes"]), (&"b".into(), &2.into()));
}

#[test]
fn users_are_listed_and_watched_as_they_come_and_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("signing.key");
    let key = key.to_str().expect("a plain path");
    assert_eq!(run(&["token", "key", "create", key]).code, Some(0));
    let cluster = Cluster::start_with(2, &["--signing-key-file", key]);
    cluster.wait_until_identical();
    let (first, second) = (cluster.url(0), cluster.url(1));
    let mut watching = Running::start(&["users", "watch", "--url", &second]);
    let mut lines = BufReader::new(watching.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("= 0 users"));
    let people =
        Running::start(&["simulate", "--url", &first, "--sensors", "1", "--users", "2", "--signing-key-file", key]);
    let told = lines.find(|line| line == "= 2 users");
    assert!(told.is_some(), "two users are seen on the other node");
    let list = json(&["users", "list", "--url", &second, "--node", "a", "--json"]);
    assert_eq!((&list["total"], list["users"].as_array().map(Vec::len)), (&Value::from(2), Some(2)), "{list}");
    assert_eq!(list["users"][0]["online"], true);
    let table = run(&["users", "list", "--url", &second, "--topic", "all"]).stdout;
    assert!(table.contains("online") && table.contains("2 of 2 users"), "{table}");
    people.interrupt();
    assert!(lines.any(|line| line == "= 0 users"), "they are gone");
    let gone = run(&["users", "list", "--url", &second, "--offline"]).stdout;
    assert!(gone.contains("left at") && gone.contains("2 of 2 users"), "{gone}");
    assert_eq!(watching.interrupt(), Some(0));
    assert_eq!(run(&["users", "list", "--offline", "--room", "lab"]).code, Some(2));
}

#[test]
fn what_sensors_measure_on_another_node_is_watched() {
    let cluster = Cluster::start(2);
    cluster.wait_until_identical();
    let (first, second) = (cluster.url(0), cluster.url(1));
    let simulation =
        Running::start(&["simulate", "--url", &first, "--sensors", "3", "--types", "light", "--rate", "10"]);
    let listed = || json(&["sensors", "list", "--json", "--url", &second]);
    until(DEADLINE, "3 sensors are listed", || (listed()["total"] == 3).then_some(()));
    let sensor = listed()["sensors"][0]["sensor_id"].as_str().expect("an id").to_owned();
    let mut watch = Running::start(&["signals", "watch", &sensor, "--url", &second, "--level", "high"]);
    let mut lines = BufReader::new(watch.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    // Nobody looked before, so the first samples come when the connector has heard that somebody does.
    assert!(lines.by_ref().take(5).all(|line| line.starts_with(&format!("{sensor} light ")) && line.contains(" at ")));
    assert_eq!(watch.interrupt(), Some(0));
    assert_eq!(run(&["signals", "watch", &sensor, "--level", "highest"]).code, Some(2));
    assert_eq!(simulation.interrupt(), Some(0));
}

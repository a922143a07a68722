//! A disk that takes no writes, on real nodes: what is there is read, rooms are decided elsewhere or refused, the node says so, and goes on
//! by itself when its disk does.
//!
//! The disk of one process is made to refuse by its limit on the size of files, which needs Linux and `prlimit` (util-linux); where
//! that is not there, the tests say so and end.

#![expect(clippy::print_stdout, reason = "a test that was skipped is to be seen")]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Cluster, Place, free_addresses, until};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
const ROOMS: usize = 20;

/// Nodes that are told of a file that is too large by an error, as they are of a full disk, and not by a signal that ends them.
fn start(count: usize) -> Cluster {
    let addresses = free_addresses(2 * count);
    let within = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let place = |index| Place { http: addresses[index], peer: addresses[count + index], within: Vec::clone(&within) };
    let cluster = Cluster::start_at((0..count).map(place).collect(), &[]);
    cluster.wait_until_identical();
    cluster
}

fn limit_files(cluster: &Cluster, node: usize, bytes: &str) -> Result<(), String> {
    let (pid, limit) = (format!("--pid={}", cluster.pid(node)), format!("--fsize={bytes}:"));
    let output = Command::new("prlimit").args([pid, limit]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("prlimit cannot be run: {error}")),
    }
}

/// Whether the disk of a node takes writes, as each place that tells of it says.
fn writable(cluster: &Cluster, node: usize) -> [bool; 3] {
    let ready = cluster.http_get(node, "/health/ready");
    assert_ne!(ready["checks"]["rooms"]["status"], "failed", "clients are served: {ready}");
    let health = cluster.http_get(node, "/api/v1/cluster/health");
    let url = format!("http://{}/metrics", cluster.http(node));
    let metrics = ureq::get(&url).call().expect("answered").body_mut().read_to_string().expect("text");
    [
        ready["checks"]["rooms"]["status"] == "ok",
        health["room_store"]["writable"] == true,
        metrics.lines().any(|line| line == "sensocto_rooms_writable 1"),
    ]
}

fn post(cluster: &Cluster, node: usize, body: &Value) -> (u16, Value) {
    let timeout = Some(Duration::from_secs(10));
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build();
    let url = format!("http://{}/api/v1/rooms", cluster.http(node));
    let mut answer = ureq::Agent::from(agent).post(url).send(body.to_string()).expect("answered");
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

fn names(cluster: &Cluster, node: usize) -> Vec<String> {
    let page = cluster.http_get(node, "/api/v1/rooms?order=name&limit=1000");
    let rooms = page["rooms"].as_array().expect("a list");
    rooms.iter().map(|room| room["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_node_alone_whose_disk_refuses_reads_on_says_so_and_goes_on_when_there_is_space_again() {
    let mut cluster = start(1);
    let (status, _) = post(&cluster, 0, &json!({"name": "before"}));
    assert_eq!(status, 201);
    if let Err(problem) = limit_files(&cluster, 0, "1") {
        return println!("skipped: {problem}");
    }
    let (status, refused) = post(&cluster, 0, &json!({"name": "refused"}));
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("storage_failing")), "{refused}");
    assert_eq!(writable(&cluster, 0), [false; 3]);
    assert_eq!(names(&cluster, 0), ["before"], "what is there is read, what was refused is not");
    let shown = support::run(&["cluster", "status", "--url", &format!("http://{}", cluster.http(0))]);
    assert!(shown.stdout.contains("its disk takes no writes"), "{}{}", shown.stdout, shown.stderr);
    limit_files(&cluster, 0, "unlimited").expect("it worked before");
    until(DEADLINE, "the disk is tried again", || (writable(&cluster, 0) == [true; 3]).then_some(()));
    let (status, _) = post(&cluster, 0, &json!({"name": "after"}));
    assert_eq!(status, 201);
    cluster.kill(0);
    cluster.restart(0);
    assert_eq!(names(&cluster, 0), ["after", "before"]);
}

#[test]
fn where_one_disk_refuses_the_other_nodes_decide_and_its_node_has_everything_when_it_can_write_again() {
    let mut cluster = start(3);
    if let Err(problem) = limit_files(&cluster, 0, "1") {
        return println!("skipped: {problem}");
    }
    for number in 0..ROOMS {
        let (status, made) = post(&cluster, 0, &json!({"name": format!("room {number:02}")}));
        assert_eq!(status, 201, "no operation is refused while another disk takes it: {made}");
        assert_ne!(made["room"]["home"], *cluster.name(0), "{made}");
        assert!(made["on_disk"].as_u64() >= Some(1), "{made}");
    }
    assert_eq!(writable(&cluster, 0), [false; 3]);
    let all: Vec<String> = (0..ROOMS).map(|number| format!("room {number:02}")).collect();
    until(DEADLINE, "it shows what others decided", || (names(&cluster, 0) == all).then_some(()));
    assert_eq!(writable(&cluster, 1), [true; 3], "another node's disk is another disk");
    limit_files(&cluster, 0, "unlimited").expect("it worked before");
    until(DEADLINE, "the disk is tried again", || (writable(&cluster, 0) == [true; 3]).then_some(()));
    until(DEADLINE, "it is written", || {
        let store = &cluster.http_get(0, "/api/v1/cluster/health")["room_store"];
        (store["identical"] == 2).then_some(())
    });
    // Nobody else is there who could tell it: what it has is from its own disk.
    for node in 1..3 {
        assert!(cluster.terminate(node).success());
    }
    assert!(cluster.terminate(0).success());
    cluster.restart(0);
    assert_eq!(names(&cluster, 0), all);
}

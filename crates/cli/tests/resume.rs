//! A client whose node is killed goes on with another one, and misses nothing.

mod support;

use std::time::Duration;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use serde_json::{Map, Value, json};
use support::Cluster;

/// What has to happen happens within this, or the test fails.
const DEADLINE: Duration = Duration::from_secs(30);
const LIST: &str = "/api/v1/sensors?order=name&limit=10&type=ecg";

async fn connect(cluster: &Cluster, index: usize) -> Client {
    Client::connect(ClientOptions::new([cluster.url(index)])).await.expect("connected")
}

async fn bring_in(client: &Client, id: usize, name: &str) -> Channel {
    let id = format!("s{id:02}");
    let params = json!({"connector_id": "c1", "connector_name": "Pi", "sensor_id": id, "sensor_name": name, "sensor_type": "ecg",
        "attributes": {}, "sampling_rate": 1, "batch_size": 1, "bearer_token": "missing"});
    client.join(&format!("sensocto:sensor:{id}"), params).await.expect("joined")
}

async fn open(client: &Client, resume: Option<&str>) -> Channel {
    let params = json!({"window": {"limit": 10}, "order": "name", "type": "ecg", "resume": resume});
    client.join("discovery:sensors", params).await.expect("joined")
}

/// What a client shows that has only what it was told.
#[derive(Debug, Clone, Default)]
struct Shown {
    lines: Vec<Value>,
    resume: String,
    /// The first message since it was connected.
    first: String,
}

impl Shown {
    async fn hear(&mut self, channel: &mut Channel) {
        let next = channel.next().await.expect("the channel is open");
        let ChannelEvent::Message { event, payload: message } = next else { panic!("{next:?}") };
        let message: Map<String, Value> = serde_json::from_str(message.get()).expect("an object");
        if let Some(resume) = message.get("resume").and_then(Value::as_str) {
            self.resume = resume.to_owned();
            if self.first.is_empty() {
                self.first = event.clone();
            }
        }
        match event.as_str() {
            "page" => self.lines = list(&message, "sensors"),
            "change" => self.apply(&message),
            _ => {}
        }
    }

    /// As `docs/protocol.md` says.
    fn apply(&mut self, change: &Map<String, Value>) {
        let mut gone = list(change, "left");
        gone.extend(list(change, "moved"));
        let kept = |line: &Value| gone.iter().all(|gone| gone["sensor_id"] != line["sensor_id"]);
        let mut comes = Vec::new();
        for moved in list(change, "moved") {
            let line =
                self.lines.iter().find(|line| line["sensor_id"] == moved["sensor_id"]).expect("it is there").clone();
            comes.push((moved["at"].as_u64().expect("a place"), line));
        }
        for entered in list(change, "entered") {
            comes.push((entered["at"].as_u64().expect("a place"), entered["sensor"].clone()));
        }
        self.lines.retain(kept);
        comes.sort_by_key(|(at, _)| *at);
        for (at, line) in comes {
            self.lines.insert(usize::try_from(at).expect("a place"), line);
        }
        for changed in list(change, "changed") {
            let same = |line: &&mut Value| line["sensor_id"] == changed["sensor_id"];
            *self.lines.iter_mut().find(same).expect("it is there") = changed.clone();
        }
    }

    fn facts(&self) -> Vec<Value> {
        self.lines.iter().map(facts).collect()
    }

    async fn follow_until(&mut self, channel: &mut Channel, truth: &[Value]) {
        let followed = tokio::time::timeout(DEADLINE, async {
            while self.facts() != truth {
                self.hear(channel).await;
            }
        });
        let followed = followed.await;
        assert!(followed.is_ok(), "shown {:?}, true {truth:?}", self.facts());
    }
}

fn list(message: &Map<String, Value>, key: &str) -> Vec<Value> {
    message.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// What does not change with time.
fn facts(line: &Value) -> Value {
    json!([line["sensor_id"], line["sensor_name"], line["node"], line["version"]])
}

fn truth(cluster: &Cluster, index: usize) -> Vec<Value> {
    cluster.http_get(index, LIST)["sensors"].as_array().expect("a list").iter().map(facts).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_node_is_killed_hears_from_others_what_it_missed() {
    let mut cluster = Cluster::start(3);
    cluster.wait_until_identical();
    let (on_b, on_c) = (connect(&cluster, 1).await, connect(&cluster, 2).await);
    let mut held = Vec::new();
    for id in 0..20 {
        held.push(bring_in(if id % 2 == 0 { &on_b } else { &on_c }, id, &format!("Name {id:02}")).await);
    }
    cluster.wait_until_identical();
    let on_a = connect(&cluster, 0).await;
    let (mut shown, mut channel) = (Shown::default(), open(&on_a, None).await);
    shown.follow_until(&mut channel, &truth(&cluster, 1)).await;
    held.push(bring_in(&on_b, 30, "Name 03 b").await);
    cluster.wait_until_identical();
    shown.follow_until(&mut channel, &truth(&cluster, 1)).await;

    cluster.kill(0);
    drop((channel, on_a));
    // While it is nowhere: one leaves, one comes, one moves to the other node under another name.
    held.remove(2).leave().await.expect("left");
    held.push(bring_in(&on_c, 31, "Name 00 b").await);
    held.push(bring_in(&on_c, 4, "Name 07 b").await);
    let mark = cluster.http_get(2, "/api/v1/mark")["mark"].as_str().expect("a mark").to_owned();
    let mark_b = cluster.http_get(1, "/api/v1/mark")["mark"].as_str().expect("a mark").to_owned();

    for index in [1, 2] {
        cluster.http_get(index, &format!("/api/v1/mark?at_least={mark},{mark_b}"));
        let mut resumed = Shown { first: String::new(), ..shown.clone() };
        let client = connect(&cluster, index).await;
        let mut channel = open(&client, Some(&shown.resume)).await;
        resumed.follow_until(&mut channel, &truth(&cluster, index)).await;
        assert_eq!(resumed.first, "change", "what was missed, and no fresh page");
        assert_ne!(resumed.facts(), shown.facts(), "something was missed");
    }
    let client = connect(&cluster, 1).await;
    let mut channel = open(&client, Some("a@1:1;a@1:1,b@1:1")).await;
    let mut anew = Shown::default();
    anew.follow_until(&mut channel, &truth(&cluster, 1)).await;
    assert_eq!(anew.first, "page", "what a node of another start told is not known");
    drop(held);
}

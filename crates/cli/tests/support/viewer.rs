//! A viewer of one node: what it sees of the sensors, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What has to happen happens within this, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// One change, as a viewer sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Join(String),
    Change(String),
    Leave { id: String, cause: String },
    Nodes(BTreeMap<String, (String, String)>),
}

/// Follows `discovery:sensors` of one node.
pub(crate) struct Viewer {
    seen: mpsc::UnboundedReceiver<Seen>,
    _client: Client,
}

impl Viewer {
    /// Joins, and waits until the snapshot is there.
    pub(crate) async fn open(url: &str) -> Viewer {
        let client = Client::connect(ClientOptions::new([url])).await.expect("connected");
        let channel = client.join("discovery:sensors", json!({})).await.expect("joined");
        let (sender, seen) = mpsc::unbounded_channel();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        tokio::spawn(follow(channel, sender, ready));
        tokio::time::timeout(DEADLINE, is_ready).await.expect("a snapshot in time").expect("a snapshot");
        Viewer { seen, _client: client }
    }

    /// Waits for a change that passes, and says when it was seen.
    pub(crate) async fn wait(&mut self, what: &str, passes: impl Fn(&What) -> bool) -> Seen {
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let seen = self.seen.recv().await.unwrap_or_else(|| panic!("the viewer ended before {what}"));
                if passes(&seen.what) {
                    return seen;
                }
            }
        });
        waited.await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
    }

    pub(crate) async fn joined(&mut self, id: &str) -> Instant {
        self.wait(id, |what| matches!(what, What::Join(seen) if seen == id)).await.at
    }

    pub(crate) async fn changed(&mut self, id: &str) -> Instant {
        self.wait(id, |what| matches!(what, What::Change(seen) if seen == id)).await.at
    }

    /// When a sensor left, and why.
    pub(crate) async fn left(&mut self, id: &str) -> (Instant, String) {
        let seen = self.wait(id, |what| matches!(what, What::Leave { id: seen, .. } if seen == id)).await;
        match seen.what {
            What::Leave { cause, .. } => (seen.at, cause),
            What::Join(_) | What::Change(_) | What::Nodes(_) => unreachable!("only a leave passes"),
        }
    }

    /// When a node was first seen in one of these states, or no more at all where there are none.
    pub(crate) async fn node(&mut self, name: &str, states: &[&str]) -> Instant {
        let passes = |what: &What| match what {
            What::Nodes(nodes) => {
                nodes.get(name).map_or(states.is_empty(), |(state, _)| states.contains(&state.as_str()))
            }
            What::Join(_) | What::Change(_) | What::Leave { .. } => false,
        };
        self.wait(&format!("node {name} in {states:?}"), passes).await.at
    }

    /// Everything that was seen and not waited for.
    pub(crate) fn rest(&mut self) -> Vec<What> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).map(|seen| seen.what).collect()
    }
}

async fn follow(mut channel: Channel, seen: mpsc::UnboundedSender<Seen>, ready: tokio::sync::oneshot::Sender<()>) {
    let mut ready = Some(ready);
    while let Some(event) = channel.next().await {
        let ChannelEvent::Message { event, payload } = event else { continue };
        let at = Instant::now();
        let payload: Value = serde_json::from_str(payload.get()).expect("JSON");
        if event == "snapshot" && payload["last"] == true {
            // Nobody waits for a second snapshot.
            let _ = ready.take().map(|ready| ready.send(()));
        }
        for what in read(&event, &payload) {
            if seen.send(Seen { at, what }).is_err() {
                return;
            }
        }
    }
}

fn read(event: &str, payload: &Value) -> Vec<What> {
    let list = |name: &str| payload[name].as_array().cloned().unwrap_or_default();
    let id = |line: &Value| line["sensor_id"].as_str().unwrap_or_default().to_owned();
    match event {
        "diff" => {
            let joins = list("joins").iter().map(|line| What::Join(id(line))).collect::<Vec<_>>();
            let changes = list("changes").iter().map(|line| What::Change(id(line))).collect::<Vec<_>>();
            let cause = |line: &Value| line["cause"].as_str().unwrap_or_default().to_owned();
            let leaves =
                list("leaves").iter().map(|line| What::Leave { id: id(line), cause: cause(line) }).collect::<Vec<_>>();
            [joins, changes, leaves].concat()
        }
        "snapshot" | "nodes" => {
            let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let nodes = list("nodes");
            let nodes = nodes.iter().map(|line| (word(line, "name"), (word(line, "state"), word(line, "freshness"))));
            vec![What::Nodes(nodes.collect())]
        }
        _ => Vec::new(),
    }
}

/// Brings one sensor in.
pub(crate) async fn bring_in(client: &Client, id: &str) -> Channel {
    let params = json!({
        "connector_id": "c1", "connector_name": "Pi", "sensor_id": id, "sensor_name": format!("Sensor {id}"),
        "sensor_type": "temperature", "attributes": {"celsius": {"attribute_id": "celsius", "attribute_type": "temperature"}},
        "sampling_rate": 1, "batch_size": 1, "bearer_token": "missing",
    });
    client.join(format!("sensocto:sensor:{id}"), params).await.expect("joined")
}

/// Times, for a figure that a test prints.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Times {
        assert!(!times.is_empty(), "nothing was measured");
        times.sort();
        Times(times)
    }

    pub(crate) fn at(&self, share: f64) -> Duration {
        let last = self.0.len() - 1;
        self.0[((self.0.len() as f64 * share) as usize).min(last)]
    }

    pub(crate) fn max(&self) -> Duration {
        self.at(1.0)
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (p50, p99, max) = (ms(self.at(0.5)), ms(self.at(0.99)), ms(self.max()));
        write!(formatter, "p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms over {}", self.0.len())
    }
}

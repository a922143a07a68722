//! Signals over real sockets of three nodes: what viewers see, what connectors are told, and what travels in between.

use futures_util::StreamExt as _;
use sensocto_client::{Channel, Client};
use serde_json::{Value, json};

use super::{client, next, params};
use crate::testing::{PATIENCE, Running};

/// A sensor that is brought in over a socket.
struct Brought {
    channel: Channel,
    _client: Client,
}

impl Brought {
    async fn new(running: &Running, id: &str) -> Brought {
        let client = client(running).await;
        let join = json!({
            "connector_id": "c1", "connector_name": "Pi", "sensor_id": id, "sensor_name": id, "sensor_type": "test",
            "attributes": {}, "sampling_rate": 10, "batch_size": 1, "bearer_token": "missing"
        });
        let channel = client.join(format!("sensocto:sensor:{id}"), params(join)).await.expect("joined");
        Brought { channel, _client: client }
    }

    /// Sends measurements and waits until the node has them.
    async fn measure(&self, attribute: &str, payloads: &[Value]) {
        let all: Vec<Value> = payloads
            .iter()
            .map(|payload| json!({"attribute_id": attribute, "payload": payload, "timestamp": 1_767_000_000_000_u64}))
            .collect();
        self.channel.send("measurements_batch", all).await.expect("sent");
        self.channel.push("ping", json!({})).await.expect("answered");
    }

    /// The level of the next configuration.
    async fn told(&mut self) -> Value {
        next(&mut self.channel, "backpressure_config").await["attention_level"].clone()
    }
}

async fn looks(client: &Client, topic: &str, join: Value) -> Channel {
    client.join(topic, params(join)).await.expect("joined")
}

/// The payloads of a list of measurements.
fn payloads(list: &Value) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|one| one["payload"].clone()).collect()
}

async fn metric(running: &Running, name: &str) -> f64 {
    let text = running.node.handle().metrics().encode(&running.node.handle()).expect("text");
    let prefix = format!("sensocto_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {name}"));
    line.parse().expect("a number")
}

#[tokio::test]
async fn a_viewer_elsewhere_sees_what_is_measured_and_the_connector_hears_of_it() {
    let cluster = Running::cluster(&["a", "b", "c"]).await;
    let mut sensor = Brought::new(&cluster[0], "s1").await;
    let quiet = Brought::new(&cluster[0], "s2").await;
    assert_eq!(sensor.told().await, "none");
    sensor.measure("temperature", &[json!(1), json!(2)]).await;
    quiet.measure("temperature", &[json!(1)]).await;
    cluster[1].until("the sensors are there", |world| world.view.count(sensocto_node::Kind::Sensor) == 2).await;

    let viewer = client(&cluster[1]).await;
    let mut signals = looks(&viewer, "signals:page", json!({"sensor_ids": ["s1"], "level": "high"})).await;
    let recent = next(&mut signals, "sensor_recent").await;
    assert_eq!(payloads(&recent["recent"]["s1"]["temperature"]), [1, 2]);
    assert_eq!(sensor.told().await, "high");

    sensor.measure("temperature", &[json!(3), json!({"value": 4})]).await;
    let batch = next(&mut signals, "sensor_batch").await;
    let expected = json!({"batch": {"s1": {"temperature": {
        "attribute_id": "temperature", "payload": {"value": 4}, "timestamp": 1_767_000_000_000_u64, "sensor_id": "s1"
    }}}});
    assert_eq!(batch, expected);

    let reply = signals.push("set_visible", json!({"sensor_ids": ["s1"], "mode": "remove"})).await.expect("answered");
    assert_eq!(reply.parse::<Value>().expect("JSON"), json!({"watching": 0, "unknown": 0}));
    assert_eq!(sensor.told().await, "none");
    assert_eq!(metric(&cluster[1], "signals_samples_received_total").await, 4.0, "nothing but what is watched");
    assert_eq!(metric(&cluster[2], "signals_samples_received_total").await, 0.0, "nobody watches there");
    for running in cluster {
        running.stop().await;
    }
}

#[tokio::test]
async fn waveforms_come_whole_and_a_single_sensor_has_a_topic_of_its_own() {
    let running = Running::local().await;
    let sensor = Brought::new(&running, "s1").await;
    let viewer = client(&running).await;
    let mut signal = looks(&viewer, "signal:s1", json!({"level": "high", "attributes": ["ecg", "hr"]})).await;
    sensor.measure("ecg", &[json!(1), json!(2), json!(3)]).await;
    let recent = next(&mut signal, "sensor_recent").await;
    assert_eq!(payloads(&recent["recent"]["s1"]["ecg"]), [1, 2, 3]);
    let more: Vec<Value> = (4..20).map(Value::from).collect();
    sensor.measure("ecg", &more).await;
    sensor.measure("temperature", &[json!(1)]).await;
    let batch = next(&mut signal, "sensor_batch").await;
    assert_eq!(payloads(&batch["batch"]["s1"]["ecg"]), more);
    assert_eq!(batch["batch"]["s1"].as_object().map(|attributes| attributes.len()), Some(1));
    running.stop().await;
}

#[tokio::test]
async fn attention_is_the_highest_of_all_viewers_and_a_battery_caps_it() {
    let running = Running::local().await;
    let mut sensor = Brought::new(&running, "s1").await;
    assert_eq!(sensor.told().await, "none");
    let (one, other) = (client(&running).await, client(&running).await);
    let first = looks(&one, "signals:x", json!({"sensor_ids": ["s1"], "level": "low"})).await;
    assert_eq!(sensor.told().await, "low");
    let second = looks(&other, "signals:x", json!({"sensor_ids": ["s1"]})).await;
    assert_eq!(sensor.told().await, "medium");
    let level = first.push("focus", json!({"sensor_id": "s1"})).await.expect("answered");
    assert_eq!(level.parse::<Value>().expect("JSON"), json!({"level": "high"}));
    assert_eq!(sensor.told().await, "high");
    first.push("battery", json!({"state": "critical"})).await.expect("answered");
    assert_eq!(sensor.told().await, "medium");
    second.leave().await.expect("left");
    assert_eq!(sensor.told().await, "low");
    drop((one, other));
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_answered_and_changes_nothing() {
    let running = Running::local().await;
    let viewer = client(&running).await;
    let signals = looks(&viewer, "signals:x", json!({"sensor_ids": ["s1"]})).await;
    let many: Vec<String> = (0..1_001).map(|number| format!("s{number}")).collect();
    let table = [
        ("set_visible", json!({"sensor_ids": many}), "sensor_ids"),
        ("set_visible", json!({"sensor_ids": ["s2"], "level": "highest"}), "level"),
        ("set_visible", json!([1]), "payload"),
        ("hover", json!({}), "sensor_id"),
        ("pin", json!({"sensor_id": "s1", "attribute_id": "_"}), "attribute_id"),
        ("battery", json!({"state": "empty"}), "state"),
    ];
    for (event, payload, field) in table {
        let reply = signals.push(event, payload).await.expect("answered");
        assert!(!reply.is_ok());
        assert_eq!(reply.parse::<Value>().expect("JSON")["field"], field);
    }
    let mut limited = 0;
    for _ in 0..80 {
        let reply = signals.push("pin", json!({"sensor_id": "s1"})).await.expect("answered");
        if !reply.is_ok() {
            let reply: Value = reply.parse().expect("JSON");
            assert_eq!(reply["reason"], "rate_limited");
            assert!(reply["retry_after_ms"].as_u64().is_some_and(|wait| (1..=50).contains(&wait)));
            limited += 1;
        }
    }
    assert!(limited > 0, "80 events in a row are more than 50");
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_that_floods_keeps_its_latest_and_is_told() {
    let running = Running::local().await;
    let mut sensor = Brought::new(&running, "s1").await;
    sensor.told().await;
    let pushes = (0..60_u64).map(|batch| {
        let all: Vec<Value> = (0..1_000)
            .map(|place| json!({"attribute_id": "ecg", "payload": batch * 1_000 + place, "timestamp": 1_767_000_000_000_u64}))
            .collect();
        sensor.channel.push("measurements_batch", all)
    });
    // Only a refusal is answered, and only once a second.
    let refused = futures_util::stream::iter(pushes).buffer_unordered(60).filter_map(|reply| async { reply.ok() });
    let reply = tokio::time::timeout(PATIENCE, std::pin::pin!(refused).next()).await.expect("in time");
    let reply: Value = reply.expect("60,000 at once are too many").parse().expect("JSON");
    assert_eq!(reply["reason"], "rate_limited");
    assert!(metric(&running, "signals_samples_flooded_total").await > 0.0);
    running.stop().await;
}

#[tokio::test]
async fn a_time_that_cannot_be_is_replaced_and_its_connector_is_told_once_a_second() {
    let running = Running::local().await;
    let mut sensor = Brought::new(&running, "s1").await;
    sensor.told().await;
    let viewer = client(&running).await;
    let mut signal = looks(&viewer, "signal:s1", json!({"level": "high"})).await;
    let sample = |timestamp: Value| json!({"attribute_id": "ecg", "payload": 1, "timestamp": timestamp});
    let before = running.node.handle().clock().now().wall_ms;
    let of_1970 = json!([sample(json!(17)), sample(json!("noon")), sample(json!(1_767_000_000_000_u64))]);
    let reply = sensor.channel.push("measurements_batch", of_1970).await.expect("answered");
    assert!(reply.is_ok(), "what is kept is not to be sent again");
    let reply: Value = reply.parse().expect("JSON");
    assert_eq!((&reply["reason"], &reply["field"]), (&json!("timestamp_replaced"), &json!("timestamp")));
    assert_eq!(reply["replaced_count"], 1);
    assert!(reply["allowed"].as_str().is_some_and(|allowed| allowed.contains("2000")), "{reply}");
    let received = reply["replaced_by"].as_u64().expect("a time");
    assert!((before..before + 20_000).contains(&received), "{received}");
    let recent = next(&mut signal, "sensor_recent").await;
    let times: Vec<&Value> =
        recent["recent"]["s1"]["ecg"].as_array().expect("a list").iter().map(|one| &one["timestamp"]).collect();
    assert_eq!(times, [&json!(received), &json!("noon"), &json!(1_767_000_000_000_u64)]);

    // Within the same second it is told once, be it of 2200 or a single one; all of them are counted.
    let of_2200 = sample(json!(7_258_118_400_000_u64));
    sensor.channel.send("measurement", of_2200).await.expect("sent");
    sensor.channel.push("ping", json!({})).await.expect("answered");
    assert_eq!(metric(&running, "signals_timestamps_replaced_total").await, 2.0);
    running.stop().await;
}

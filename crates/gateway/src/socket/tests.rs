//! Live queries over a real socket and as server-sent events.

mod patience;
mod signals;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use sensocto_node::{Handle, LocalEntry};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::testing::{PATIENCE, Running, connector, presence, sensor};

async fn client(running: &Running) -> Client {
    let options = ClientOptions::new([format!("ws://{}", running.address())]);
    tokio::time::timeout(PATIENCE, Client::connect(options)).await.expect("in time").expect("connected")
}

fn params(params: Value) -> Map<String, Value> {
    params.as_object().cloned().expect("an object")
}

/// The next message of an event, whatever else comes before it.
async fn next(channel: &mut Channel, wanted: &str) -> Value {
    let found = async {
        loop {
            match channel.next().await.expect("the channel is open") {
                ChannelEvent::Message { event, payload } if event == wanted => {
                    return serde_json::from_str(payload.get()).expect("JSON");
                }
                ChannelEvent::Message { .. } | ChannelEvent::Rejoined { .. } | ChannelEvent::Binary { .. } => {}
                ChannelEvent::Lagged | ChannelEvent::Disconnected | ChannelEvent::Closed => panic!("it ended"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {wanted}"))
}

async fn bring_in(handle: &Handle, ids: &[&str]) -> Vec<LocalEntry> {
    let mut held = Vec::new();
    for id in ids {
        held.push(handle.register_sensor(sensor(id, "ecg", None)).await.expect("registered"));
    }
    held
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|line| line["sensor_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_window_is_told_what_changes_inside_it_and_is_moved() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = bring_in(&handle, &["s1", "s3", "s5", "s7"]).await;
    let client = client(&running).await;
    let window = json!({"window": {"limit": 2}, "type": "ecg"});
    let mut channel = client.join("discovery:sensors", params(window)).await.expect("joined");
    let page = next(&mut channel, "page").await;
    assert_eq!((ids(&page["sensors"]), &page["total"]), (vec!["s1", "s3"], &json!(4)));

    held.extend(bring_in(&handle, &["s9", "s2"]).await);
    let change = next(&mut channel, "change").await;
    assert_eq!((&change["entered"][0]["at"], &change["entered"][0]["sensor"]["sensor_id"]), (&json!(1), &json!("s2")));
    assert_eq!((&change["left"][0]["sensor_id"], &change["left"][0]["cause"]), (&json!("s3"), &json!("moved")));
    assert_eq!(change["total"], 6);
    drop(held.remove(0));
    let change = next(&mut channel, "change").await;
    assert_eq!((&change["left"][0]["sensor_id"], &change["left"][0]["cause"]), (&json!("s1"), &json!("unregistered")));
    assert_eq!(change["entered"][0]["sensor"]["sensor_id"], "s3");

    let set = channel.push("set_window", json!({"after": page["next"], "limit": 3})).await.expect("answered");
    assert!(set.is_ok(), "{set:?}");
    assert_eq!(ids(&next(&mut channel, "page").await["sensors"]), ["s5", "s7", "s9"]);
    held.extend(bring_in(&handle, &["s4"]).await);
    assert_eq!(next(&mut channel, "change").await["entered"][0]["sensor"]["sensor_id"], "s4");

    let window = json!({"window": {"skip": 3, "limit": 2}, "order": "name"});
    let mut second =
        client.join("discovery:sensors:second", params(window)).await.expect("a second one on the same socket");
    assert_eq!(ids(&next(&mut second, "page").await["sensors"]), ["s5", "s7"]);
    assert!(second.push("set_window", json!({"skip": 99})).await.expect("answered").is_ok());
    assert_eq!(ids(&next(&mut second, "page").await["sensors"]), Vec::<&str>::new(), "it is behind the end");
    held.extend(bring_in(&handle, &["s8"]).await);
    // It is behind the window. Totals are told now and then, so an earlier one may come first.
    while next(&mut channel, "total").await["total"] != 7 {}
    running.stop().await;
}

#[tokio::test]
async fn a_window_that_cannot_be_is_refused_with_its_field() {
    let running = Running::local().await;
    let client = client(&running).await;
    let table = [
        (json!({"window": {"limit": 1_000_000}}), "limit", "1 to 1000"),
        (json!({"window": {"limit": 0}}), "limit", "1 to 1000"),
        (json!({"window": {"after": "s1"}}), "after", "same query"),
        (json!({"window": {"skip": 1_000_001}}), "skip", "0 to 1000000"),
        (json!({"window": {"skip": -1}}), "skip", "0 to 1000000"),
        (json!({"window": 7}), "window", "an object"),
        (json!({"window": {}, "order": "age"}), "order", "id, name, changed"),
    ];
    for (join, field, allowed) in table {
        let refused = client.join("discovery:sensors", params(join.clone())).await.expect_err("refused").to_string();
        assert!(refused.contains(field) && refused.contains(allowed), "{join}: {refused}");
    }
    running.stop().await;
}

/// An event of a stream: its name, its id, its data.
async fn event(lines: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> (String, String, Value) {
    let (mut name, mut id) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, lines.read_line(&mut line)).await.expect("in time").expect("read");
        assert!(read > 0, "the stream ended");
        match line.trim_end().split_once(": ") {
            Some(("event", event)) => name = event.to_owned(),
            Some(("id", event)) => id = event.to_owned(),
            Some(("data", data)) => return (name, id, serde_json::from_str(data).expect("JSON")),
            Some(_) | None => {}
        }
    }
}

#[tokio::test]
async fn a_stream_of_events_goes_on_where_its_client_left_it() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = bring_in(&handle, &["s1", "s3"]).await;
    let open = async |header: &str| {
        let mut stream = running.connect().await;
        let head = format!("GET /api/v1/live/sensors?limit=2 HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        BufReader::new(stream)
    };
    let mut first = open("").await;
    let (name, _, page) = event(&mut first).await;
    assert_eq!((name.as_str(), ids(&page["sensors"])), ("page", vec!["s1", "s3"]));
    held.extend(bring_in(&handle, &["s2"]).await);
    let (name, heard, change) = event(&mut first).await;
    assert_eq!((name.as_str(), &change["entered"][0]["sensor"]["sensor_id"]), ("change", &json!("s2")));
    drop(first);

    held.extend(bring_in(&handle, &["s0"]).await);
    let mut again = open(&format!("Last-Event-ID: {heard}\r\n")).await;
    let (name, _, change) = event(&mut again).await;
    assert_eq!((name.as_str(), &change["entered"][0]["sensor"]["sensor_id"]), ("change", &json!("s0")));
    for unknown in ["1.1", "x", ""] {
        let mut anew = open(&format!("Last-Event-ID: {unknown}\r\n")).await;
        assert_eq!(event(&mut anew).await.0, "page", "{unknown}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_was_written_on_one_node_is_read_on_another_over_sockets() {
    let cluster = Running::cluster(&["a", "b"]).await;
    let (writer, reader) = (client(&cluster[0]).await, client(&cluster[1]).await);
    cluster[1].until("a is known", |world| world.view.nodes().len() == 2).await;
    let join = json!({"connector_id": "c1", "connector_name": "Pi", "sensor_id": "s1", "sensor_name": "One", "sensor_type": "ecg",
        "attributes": {}, "sampling_rate": 1, "batch_size": 1, "bearer_token": "missing", "marks": true});
    let sensor = writer.join("sensocto:sensor:s1", params(join)).await.expect("joined");
    let renamed = sensor.push("update_connector", json!({"connector_name": "Pi 2"})).await.expect("answered");
    let renamed: Value = renamed.parse().expect("JSON");
    let mark = renamed["mark"].as_str().expect("a mark").to_owned();

    let window = json!({"window": {"limit": 2}, "at_least": mark});
    let mut channel = reader.join("discovery:sensors", params(window)).await.expect("joined");
    let page = next(&mut channel, "page").await;
    assert_eq!((ids(&page["sensors"]), &page["sensors"][0]["connector_name"]), (vec!["s1"], &json!("Pi 2")));

    let (origin, version) = mark.rsplit_once(':').expect("a version");
    let later = format!("{origin}:{}", version.parse::<u64>().expect("a number") + 1_000);
    let late = json!({"after": null, "at_least": later, "timeout_ms": 1});
    let late = channel.push("set_window", late).await.expect("answered");
    let reason: Value = late.parse().expect("JSON");
    assert_eq!((late.is_ok(), &reason["reason"]), (false, &json!("mark_not_reached")));
    for (wrong, field) in [
        (json!({"at_least": "x"}), "at_least"),
        (json!({"at_least": "nobody@1:1"}), "at_least"),
        (json!({"timeout_ms": 0}), "timeout_ms"),
    ] {
        let refused = channel.push("set_window", wrong).await.expect("answered");
        let reason: Value = refused.parse().expect("JSON");
        assert_eq!((refused.is_ok(), &reason["field"]), (false, &json!(field)));
    }
    let states = json!({"sensor_ids": ["s1"], "at_least": mark});
    assert!(channel.push("get_states", states).await.expect("answered").is_ok());
    drop((writer, reader));
    for running in cluster {
        running.stop().await;
    }
}

#[tokio::test]
async fn where_live_queries_are_off_clients_are_told_to_poll() {
    let running = Running::local().await;
    let client = client(&running).await;
    let window = params(json!({"window": {"limit": 2}}));
    let mut open = client.join("discovery:sensors", window.clone()).await.expect("joined");
    next(&mut open, "page").await;
    assert_eq!(running.request("DELETE", "/api/v1/cluster/live_queries", "").await.status, 204);
    let refused = next(&mut open, "refused").await;
    assert_eq!(
        (&refused["reason"], &refused["instead"]),
        (&json!("live_queries_off"), &json!("poll GET /api/v1/sensors, connectors, users or rooms"))
    );
    let mut later = client.join("discovery:sensors:later", window.clone()).await.expect("joined");
    assert_eq!(next(&mut later, "refused").await["reason"], "live_queries_off");
    let stream = running.get("/api/v1/live/sensors").await;
    assert_eq!((stream.status, &stream.json()["error"]["code"]), (503, &json!("live_queries_off")));
    assert!(stream.json()["error"]["message"].as_str().expect("a text").contains("polling"));
    assert_eq!(running.get("/api/v1/cluster/health").await.json()["live_queries"], false);
    assert_eq!(running.get("/health/ready").await.json()["checks"]["live_queries"]["status"], "degraded");

    let page = "Origin: http://evil.example\r\n";
    assert_eq!(running.request("PUT", "/api/v1/cluster/live_queries", page).await.status, 403);
    assert_eq!(running.request("PUT", "/api/v1/cluster/live_queries", "").await.status, 204);
    let mut again = client.join("discovery:sensors:again", window).await.expect("joined");
    next(&mut again, "page").await;
    running.stop().await;
}

#[tokio::test]
async fn connectors_and_users_are_followed_like_sensors_and_on_another_node_as_well() {
    let cluster = Running::cluster(&["a", "b"]).await;
    let (on_a, on_b) = (cluster[0].node.handle(), cluster[1].node.handle());
    let (first, second) = (client(&cluster[0]).await, client(&cluster[1]).await);
    let c1 = on_b.register_connector(connector("c1")).await.expect("registered");
    let ana = on_b.register_presence(presence("p1", "ana", "Ana", Some("lab"), 1)).await.expect("registered");
    on_a.reach(&[on_b.mark()], PATIENCE).await.expect("a sees it");

    let mut connectors = first.join("discovery:connectors", params(json!({"node": "b"}))).await.expect("joined");
    let page = next(&mut connectors, "page").await;
    assert_eq!((&page["connectors"][0]["connector_id"], &page["total"]), (&json!("c1"), &json!(1)));
    let mut users = first.join("discovery:users", params(json!({"room": "lab"}))).await.expect("joined");
    let page = next(&mut users, "page").await;
    assert_eq!(
        (&page["users"][0]["user_id"], &page["users"][0]["connections"][0]["node"]),
        (&json!("ana"), &json!("b"))
    );

    let _elsewhere = on_a.register_connector(connector("c0")).await.expect("registered");
    let c2 = on_b.register_connector(connector("c2")).await.expect("registered");
    let change = next(&mut connectors, "change").await;
    assert_eq!(
        (&change["entered"][0]["at"], &change["entered"][0]["connector"]["connector_id"]),
        (&json!(1), &json!("c2"))
    );
    assert_eq!(change["entered"].as_array().map(Vec::len), Some(1), "c0 is on another node");
    // A second tab is no second user, and a user who goes to another room is here no more.
    let tab = on_a.register_presence(presence("p2", "ana", "Ana B", Some("lab"), 2)).await.expect("registered");
    let change = next(&mut users, "change").await;
    assert_eq!((&change["changed"][0]["user_name"], &change["entered"]), (&json!("Ana B"), &json!([])));
    let (resume_users, resume_connectors) = (change["resume"].clone(), page_of(&mut connectors).await);
    drop((connectors, users, first));

    drop((c1, tab));
    let moved = sensocto_node::Record::Presence(presence("p1", "ana", "Ana", Some("hall"), 1));
    ana.update(moved).await.expect("updated");
    let bob = on_a.register_presence(presence("p3", "bob", "Bob", Some("lab"), 3)).await.expect("registered");
    on_b.reach(&[on_a.mark()], PATIENCE).await.expect("b sees it");
    let join = json!({"room": "lab", "resume": resume_users});
    let mut users = second.join("discovery:users", params(join)).await.expect("joined");
    let change = next(&mut users, "change").await;
    assert_eq!(change["entered"][0]["user"]["user_id"], "bob");
    let left: Vec<&Value> = change["left"].as_array().expect("a list").iter().map(|left| &left["user_id"]).collect();
    assert!(left.contains(&&json!("ana")) && change["total"] == 1, "{change}");
    let join = json!({"node": "b", "resume": resume_connectors});
    let mut connectors = second.join("discovery:connectors", params(join)).await.expect("joined");
    let change = next(&mut connectors, "change").await;
    let gone = change["left"].as_array().expect("a list").iter().find(|left| left["connector_id"] == "c1");
    assert_eq!(gone.map(|gone| &gone["cause"]), Some(&json!("unregistered")), "{change}");
    drop((c2, bob, second));
    for running in cluster {
        running.stop().await;
    }
}

/// Where a client stands after the next thing that it is told.
async fn page_of(channel: &mut Channel) -> Value {
    assert!(channel.push("set_window", json!({"limit": 10})).await.expect("answered").is_ok());
    next(channel, "page").await["resume"].clone()
}

#[tokio::test]
async fn connectors_and_users_are_streams_of_events_as_well() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let _c1 = handle.register_connector(connector("c1")).await.expect("registered");
    for (path, lines) in [("connectors?node=a", "connectors"), ("users", "users")] {
        let mut stream = running.connect().await;
        let head = format!("GET /api/v1/live/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        let (name, id, page) = event(&mut BufReader::new(stream)).await;
        assert_eq!((name.as_str(), page["resume"].as_str()), ("page", Some(id.as_str())));
        assert!(page[lines].is_array(), "{page}");
    }
    assert_eq!(running.get("/api/v1/live/users?topic=x").await.status, 400);
    running.stop().await;
}

//! The API over a real listener.

use std::time::Duration;

use sensocto_node::{AttributeId, Sample};
use serde_json::{Value, json};

use crate::testing::{Running, Setup, connector, key, presence, sensor, user_token};

fn ids(answer: &Value, list: &str, id: &str) -> Vec<String> {
    let lines = answer[list].as_array().unwrap_or_else(|| panic!("{answer}"));
    lines.iter().map(|line| line[id].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn sensors_are_listed_filtered_and_paged() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for (id, sensor_type, room) in
        [("s1", "ecg", Some("lab")), ("s2", "ecg", None), ("s3", "gps", Some("lab")), ("ö/4 %", "gps", None)]
    {
        held.push(handle.register_sensor(sensor(id, sensor_type, room)).await.expect("registered"));
    }
    let list = async |query: &str| running.get(&format!("/api/v1/sensors{query}")).await.json();

    let all = list("").await;
    assert_eq!(ids(&all, "sensors", "sensor_id"), ["s1", "s2", "s3", "ö/4 %"]);
    assert_eq!((&all["total"], &all["next"]), (&json!(4), &Value::Null));
    assert_eq!(all["sensors"][0]["freshness"], "fresh");
    assert_eq!(all["sensors"][0]["node"], "a");

    assert_eq!(ids(&list("?type=ecg").await, "sensors", "sensor_id"), ["s1", "s2"]);
    assert_eq!(ids(&list("?type=gps&room=lab").await, "sensors", "sensor_id"), ["s3"]);
    let roomless = list("?room=").await;
    assert_eq!(
        (ids(&roomless, "sensors", "sensor_id"), &roomless["total"]),
        (vec!["s2".into(), "ö/4 %".into()], &json!(2))
    );
    let further = list("?skip=2&limit=1").await;
    assert_eq!((ids(&further, "sensors", "sensor_id"), &further["total"]), (vec!["s3".into()], &json!(4)));
    assert_eq!(list("?skip=9").await["sensors"], json!([]));
    assert_eq!(ids(&list("?connector=c1&node=a&limit=1000").await, "sensors", "sensor_id").len(), 4);
    for nothing in ["?node=b", "?connector=c", "?room=la", "?type="] {
        let answer = list(nothing).await;
        assert_eq!((ids(&answer, "sensors", "sensor_id").len(), &answer["total"]), (0, &json!(0)), "{nothing}");
    }

    let first = list("?limit=3").await;
    assert_eq!((ids(&first, "sensors", "sensor_id").len(), &first["total"]), (3, &json!(4)));
    let next = first["next"].as_str().expect("a cursor");
    let second = list(&format!("?limit=3&after={next}")).await;
    assert_eq!((ids(&second, "sensors", "sensor_id"), &second["next"]), (vec!["ö/4 %".to_owned()], &Value::Null));
    for other in ["type=ecg", "order=name", "order=changed", "prefix=s", "text=s"] {
        let answer = running.get(&format!("/api/v1/sensors?{other}&after={next}")).await;
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!("after")), "{other}");
    }
    running.stop().await;
}

#[tokio::test]
async fn sensors_are_found_by_attribute_freshness_and_name_in_three_orders() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for (id, name) in [("s1", "Öl"), ("s2", "ada"), ("s3", "Adam"), ("s4", "zoe")] {
        let mut sensor = sensor(id, "ecg", None);
        sensor.sensor_name = name.into();
        let attribute = AttributeId::new(if id == "s2" { "volt" } else { "bpm" }).expect("an id");
        sensor.attributes.insert(attribute.clone(), sensocto_node::Attribute::inferred(&attribute, None));
        held.push(handle.register_sensor(sensor).await.expect("registered"));
    }
    let list =
        async |query: &str| ids(&running.get(&format!("/api/v1/sensors?{query}")).await.json(), "sensors", "sensor_id");
    assert_eq!(list("attribute=volt").await, ["s2"]);
    assert_eq!(list("freshness=fresh&attribute=bpm").await, ["s1", "s3", "s4"]);
    assert_eq!(list("freshness=stale").await, Vec::<String>::new());
    assert_eq!(list("prefix=AD&order=name").await, ["s2", "s3"]);
    assert_eq!(list("text=S3%20adam").await, ["s3"]);
    assert_eq!(list("text=ad&order=name").await, ["s2", "s3"]);
    assert_eq!(list("text=-&limit=1").await, ["s1"], "no word, nothing to look for");
    let long = running.get(&format!("/api/v1/sensors?text={}", "a".repeat(257))).await;
    assert_eq!((long.status, &long.json()["error"]["field"]), (400, &json!("text")));
    assert_eq!(list("order=name").await, ["s2", "s3", "s4", "s1"]);
    assert_eq!(list("order=changed&limit=2").await, ["s4", "s3"]);
    let counts = running.get("/api/v1/counts").await.json();
    assert_eq!((&counts["types"], &counts["nodes"]), (&json!({"ecg": 4}), &json!({"a": 4})));
    assert_eq!((&counts["connectors"], &counts["more_connectors"]), (&json!({"c1": 4}), &json!(false)));
    running.stop().await;
}

#[tokio::test]
async fn two_pages_are_of_one_world_where_that_is_asked_for() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for id in ["s1", "s2", "s3"] {
        held.push(handle.register_sensor(sensor(id, "ecg", None)).await.expect("registered"));
    }
    let first = running.get("/api/v1/sensors?limit=1&pin=true").await.json();
    let (next, world) = (first["next"].as_str().expect("a cursor"), first["world"].as_str().expect("a world"));
    held.push(handle.register_sensor(sensor("s10", "ecg", None)).await.expect("registered"));
    drop(held.remove(2));
    handle.register_connector(connector("later")).await.expect("s3 has left by now");
    let page = |more: &str| format!("/api/v1/sensors?after={next}{more}");
    let then = running.get(&page(&format!("&world={world}"))).await.json();
    assert_eq!(
        (ids(&then, "sensors", "sensor_id"), &then["total"]),
        (vec!["s2".to_owned(), "s3".to_owned()], &json!(3))
    );
    let now = running.get(&page("")).await.json();
    assert_eq!(
        (ids(&now, "sensors", "sensor_id"), &now["total"]),
        (vec!["s10".to_owned(), "s2".to_owned()], &json!(3))
    );
    assert_eq!(running.get("/api/v1/sensors?world=1.1").await.status, 410, "another start's");
    assert_eq!(running.get("/api/v1/sensors?world=x").await.json()["error"]["field"], "world");
    running.stop().await;
}

#[tokio::test]
async fn a_read_waits_for_the_marks_that_it_is_given() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let entry = handle.register_sensor(sensor("s1", "ecg", None)).await.expect("registered");
    let mark = sensocto_node::mark_text(entry.mark());
    let answer = running.get(&format!("/api/v1/sensors?at_least={mark}")).await;
    assert_eq!((answer.status, answer.header("x-sensocto-mark")), (200, Some(mark.as_str())));
    assert_eq!(running.get("/api/v1/mark").await.json()["mark"], json!(mark));
    let generation = handle.me().generation.0;
    let (future, unknown) = (format!("a@{generation}:1000"), format!("b@{generation}:1"));
    for wrong in ["x", "", &future, &unknown, "a@99999999999999:1"] {
        for answer in [
            running.get(&format!("/api/v1/sensors?at_least={wrong}")).await,
            running.request("GET", "/api/v1/cluster/health", &format!("x-sensocto-mark: {wrong}\r\n")).await,
        ] {
            assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!("at_least")), "{wrong}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn why_says_who_owns_an_entry() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let _entry = handle.register_sensor(sensor("s/1", "ecg", None)).await.expect("registered");
    let why = running.get("/api/v1/why/sensor/s%2F1").await.json();
    assert_eq!((&why["owner"]["node"], &why["owner"]["version"]), (&json!("a"), &json!(1)));
    assert!(why["seen_ms_ago"].as_u64().is_some_and(|ago| ago < 60_000), "{why}");
    assert_eq!((&why["others"], &why["last_conflict"]), (&json!([]), &Value::Null));
    assert_eq!(running.get("/api/v1/why/sensor/nobody").await.status, 404);
    assert_eq!(running.get("/api/v1/why/room/x").await.json()["error"]["field"], "kind");
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_comes_with_its_last_values() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let entry = handle.register_sensor(sensor("ö/4 %", "temperature", None)).await.expect("registered");
    let value = Sample::new(r#"{"value":21.5}"#, "1767000000123");
    let attribute = AttributeId::new("celsius").expect("an id");
    entry.signals().expect("a sensor").push([(attribute, value)]);

    for target in ["/api/v1/sensors/%C3%B6%2F4%20%25", "/api/v1/sensors/%C3%B6%2F4%20%25?max_age_ms=0&timeout_ms=1"] {
        let answer = running.get(target).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["sensor"]["sensor_id"], "ö/4 %");
        assert_eq!(
            answer["state"]["values"]["celsius"],
            json!({"payload": {"value": 21.5}, "timestamp": 1_767_000_000_123_u64})
        );
        assert_eq!((&answer["state"]["source"], &answer["state"]["freshness"]), (&json!("local"), &json!("fresh")));
    }
    drop(entry);
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_sensor_is_not_found_and_an_impossible_one_is_refused() {
    let running = Running::local().await;
    let unknown = running.get("/api/v1/sensors/nobody").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("not_found")));
    for impossible in ["a%00b", "a%0Ab", "%ff", &"x".repeat(129)] {
        let answer = running.get(&format!("/api/v1/sensors/{impossible}")).await;
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!("sensor_id")), "{impossible}");
    }
    running.stop().await;
}

#[tokio::test]
async fn connectors_are_listed_and_paged() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for id in ["c1", "c2", "c3"] {
        held.push(handle.register_connector(connector(id)).await.expect("registered"));
    }
    let answer = running.get("/api/v1/connectors?limit=2").await.json();
    assert_eq!(ids(&answer, "connectors", "connector_id"), ["c1", "c2"]);
    assert_eq!(answer["total"], json!(3));
    assert_eq!(answer["connectors"][0]["features"], json!(["batch"]));
    assert_eq!(running.get("/api/v1/connectors?node=b").await.json()["total"], json!(0));
    let next = answer["next"].as_str().expect("a cursor");
    let rest = running.get(&format!("/api/v1/connectors?limit=2&after={next}")).await.json();
    assert_eq!((ids(&rest, "connectors", "connector_id"), &rest["next"]), (vec!["c3".to_owned()], &Value::Null));
    running.stop().await;
}

#[tokio::test]
async fn the_connections_of_a_user_are_gathered_under_the_newest_name() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for presence in [
        presence("p1", "u1", "Ada", Some("lab"), 2_000),
        presence("p2", "u2", "Grace", None, 1_000),
        presence("p3", "u1", "Ada L.", Some("lab"), 3_000),
        presence("p4", "u1", "A.", Some("roof"), 1_000),
    ] {
        held.push(handle.register_presence(presence).await.expect("registered"));
    }
    let users = running.get("/api/v1/users").await.json();
    assert_eq!((ids(&users, "users", "user_id"), &users["total"]), (vec!["u1".to_owned(), "u2".to_owned()], &json!(2)));
    assert_eq!(users["users"][0]["user_name"], "Ada L.");
    let connections = users["users"][0]["connections"].as_array().expect("a list");
    assert_eq!(connections.len(), 3);
    let second = json!({"device": "web", "room_id": "lab", "mode": null, "online_at": 2_000, "node": "a", "freshness": "fresh",
        "fields": null});
    assert_eq!(connections[1], second, "older ones first");

    let page = running.get("/api/v1/users?limit=1").await.json();
    assert_eq!((ids(&page, "users", "user_id"), &page["next"]), (vec!["u1".to_owned()], &json!("u1")));
    let page = running.get("/api/v1/users?limit=1&after=u1").await.json();
    assert_eq!((ids(&page, "users", "user_id"), &page["next"]), (vec!["u2".to_owned()], &Value::Null));
    running.stop().await;
}

#[tokio::test]
async fn users_are_listed_by_topic_room_and_node_and_counted_without_being_listed() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let mut held = Vec::new();
    for (reference, user, room, topic) in [
        ("p1", "u1", None, "all"),
        ("p2", "u1", Some("lab"), "room:lab"),
        ("p3", "u2", Some("lab"), "room:lab"),
        ("p4", "u3", None, "a topic of an application"),
    ] {
        let mut presence = presence(reference, user, "Name", room, 1_000);
        presence.topic = sensocto_node::PresenceTopic::new(topic).expect("a topic");
        if reference == "p2" {
            presence.connection = sensocto_node::ConnectionId::new("p1").expect("an id");
        }
        held.push(handle.register_presence(presence).await.expect("registered"));
    }
    let table = [
        ("", vec!["u1", "u2", "u3"]),
        ("topic=all", vec!["u1", "u2", "u3"]),
        ("topic=room:lab", vec!["u1", "u2"]),
        ("topic=room%3Alab&limit=1&after=u1", vec!["u2"]),
        ("topic=nobody", vec![]),
        ("room=lab", vec!["u2"]),
        ("topic=room:lab&room=lab", vec!["u1", "u2"]),
        ("node=a", vec!["u1", "u2", "u3"]),
        ("node=b", vec![]),
    ];
    for (query, expected) in table {
        let users = running.get(&format!("/api/v1/users?{query}")).await.json();
        assert_eq!(ids(&users, "users", "user_id"), expected, "{query}");
    }
    let count = |topic: &'static str| {
        let target = format!("/api/v1/presence/{topic}/count");
        let running = &running;
        async move { running.get(&target).await.json() }
    };
    assert_eq!(count("all").await, json!({"users": 3, "connections": 3}), "one connection in two topics is one");
    assert_eq!(count("room:lab").await, json!({"users": 2, "connections": 2}));
    assert_eq!(count("nobody").await, json!({"users": 0, "connections": 0}));
    running.stop().await;
}

#[tokio::test]
async fn a_user_is_online_until_the_last_connection_leaves_and_then_last_seen() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let one = handle.register_presence(presence("p1", "u1", "Ada", None, 1)).await.expect("registered");
    let other = handle.register_presence(presence("p2", "u1", "Ada", None, 2)).await.expect("registered");
    assert_eq!(running.get("/api/v1/users/u2").await.status, 404);
    drop(one);
    let online = running.get("/api/v1/users/u1").await.json();
    assert_eq!((&online["online"], &online["last_seen_ms"]), (&json!(true), &Value::Null));
    let mut world = handle.subscribe();
    drop(other);
    while handle.world().view.count(sensocto_node::Kind::Presence) > 0 {
        handle.next(&mut world).await;
    }
    let left = running.get("/api/v1/users/u1").await.json();
    assert_eq!((&left["online"], &left["connections"]), (&json!(false), &json!([])));
    assert!(left["last_seen_ms"].as_u64().is_some_and(|ms| ms > 1_767_000_000_000), "{left}");
    let _back = handle.register_presence(presence("p0", "u0", "Ben", None, 1)).await.expect("registered");
    let both = running.get("/api/v1/users?offline=true").await.json();
    assert_eq!((ids(&both, "users", "user_id"), &both["total"]), (vec!["u0".to_owned(), "u1".to_owned()], &json!(2)));
    let page = running.get("/api/v1/users?offline=true&limit=1").await.json();
    assert_eq!((ids(&page, "users", "user_id"), &page["next"]), (vec!["u0".to_owned()], &json!("u0")));
    let online = running.get("/api/v1/users").await.json();
    assert_eq!(ids(&online, "users", "user_id"), ["u0"]);
    running.stop().await;
}

#[tokio::test]
async fn the_health_of_the_cluster_has_every_node() {
    let running = Running::local().await;
    let handle = running.node.handle();
    let _sensor = handle.register_sensor(sensor("s1", "ecg", Some("lab"))).await.expect("registered");
    let health = running.get("/api/v1/cluster/health").await.json();
    assert_eq!(
        (&health["node"], &health["sensors"], &health["rooms"], &health["users"]),
        (&json!("a"), &json!(1), &json!(0), &json!(0)),
        "a name in a join is no room"
    );
    let store = json!({"on_disk": false, "writable": true, "ready": true, "identical": 0, "of": 0});
    assert_eq!(health["room_store"], store);
    assert_eq!((&health["identical"], &health["joining"]), (&json!({"nodes": 1, "of": 1}), &json!([])));
    let node = &health["nodes"][0];
    assert_eq!((&node["name"], &node["state"], &node["freshness"]), (&json!("a"), &json!("local"), &json!("fresh")));
    assert_eq!((&node["sensors"], &node["connectors"], &node["presences"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!((&node["breaker"], &node["failures"], &node["cause"]), (&json!("closed"), &json!(0), &Value::Null));
    assert_eq!(health["generation"], json!(handle.me().generation.0));
    assert_eq!((&node["load"]["level"], &node["load"]["age_ms"]), (&json!("normal"), &json!(0)), "{node}");
    assert!(node["load"]["memory_percent"].as_u64().is_some_and(|percent| percent <= 100), "{node}");
    let url = format!("http://{}", running.address());
    assert_eq!(node["url"], json!(url), "where it listens");
    let nodes = running.get("/api/v1/cluster/nodes").await.json();
    assert_eq!((&nodes["node"], &nodes["nodes"][0]["name"]), (&json!("a"), &json!("a")));
    assert_eq!((&nodes["nodes"][0]["url"], &nodes["nodes"][0]["state"]), (&json!(url), &json!("local")));
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_parameter_is_answered_with_its_name_and_what_is_allowed() {
    let running = Running::local().await;
    let limits = "a whole number from 1 to 1000";
    let filters = "type, connector, node, room, attribute, freshness, prefix, text, order, skip, after, limit, pin, world, at_least, timeout_ms";
    let ids_allowed = sensocto_node::model::text::ID_ALLOWED;
    let offline = "true or false, and true only without another filter";
    let table = [
        ("/api/v1/sensors?limit=0", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=1001", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=-1", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=ten", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=99999999999999999999", "invalid_parameter", "limit", limits),
        ("/api/v1/sensors?limit=1&limit=2", "invalid_parameter", "limit", "given once"),
        ("/api/v1/sensors?typ=ecg", "unknown_parameter", "typ", filters),
        ("/api/v1/sensors?Type=ecg", "unknown_parameter", "Type", filters),
        ("/api/v1/sensors?type=ecg&a%0Ab", "unknown_parameter", "ab", filters),
        ("/api/v1/sensors?order=age", "invalid_parameter", "order", "id, name, changed"),
        ("/api/v1/sensors?freshness=old", "invalid_parameter", "freshness", "fresh, warming, stale, orphaned"),
        ("/api/v1/sensors?after=s1", "invalid_parameter", "after", "the `next` of a page of the same query"),
        ("/api/v1/sensors?pin=yes", "invalid_parameter", "pin", "true or false"),
        ("/api/v1/sensors/s1?source=b", "invalid_parameter", "source", "cache, origin"),
        (
            "/api/v1/connectors?room=a",
            "unknown_parameter",
            "room",
            "node, after, limit, pin, world, at_least, timeout_ms",
        ),
        ("/api/v1/users?limit=0", "invalid_parameter", "limit", limits),
        (
            "/api/v1/users?name=a",
            "unknown_parameter",
            "name",
            "topic, room, node, offline, after, limit, at_least, timeout_ms",
        ),
        ("/api/v1/users?topic=", "invalid_parameter", "topic", ids_allowed),
        ("/api/v1/users?offline=maybe", "invalid_parameter", "offline", offline),
        ("/api/v1/users?offline=true&room=lab", "invalid_parameter", "offline", offline),
        ("/api/v1/users/a%0Ab", "invalid_parameter", "user_id", ids_allowed),
        ("/api/v1/users/u1?x=1", "unknown_parameter", "x", "no parameters"),
        ("/api/v1/presence/a%0Ab/count", "invalid_parameter", "topic", ids_allowed),
        ("/api/v1/presence/all/count?x=1", "unknown_parameter", "x", "no parameters"),
        (
            "/api/v1/rooms?x",
            "unknown_parameter",
            "x",
            "owner, member, visibility, prefix, order, after, limit, at_least, timeout_ms",
        ),
        ("/api/v1/cluster/health?x=1", "unknown_parameter", "x", "at_least, timeout_ms"),
        ("/api/v1/sensors/s1?max_age_ms=60001", "invalid_parameter", "max_age_ms", "a whole number from 0 to 60000"),
        ("/api/v1/sensors/s1?timeout_ms=0", "invalid_parameter", "timeout_ms", "a whole number from 1 to 10000"),
        ("/health/ready?x=1", "unknown_parameter", "x", "no parameters"),
    ];
    for (target, code, field, allowed) in table {
        let answer = running.get(target).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/json")), "{target}");
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["code"], &error["field"], &error["allowed"]),
            (&json!(code), &json!(field), &json!(allowed)),
            "{target}"
        );
        assert!(error["message"].as_str().is_some_and(|message| message.contains(field)), "{target}");
    }
    let long = running.get(&format!("/api/v1/sensors?{}=1", "x".repeat(5_000))).await;
    assert!(long.status == 400 && long.body.len() < 500, "only a part of the request is repeated");
    running.stop().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let running = Running::local().await;
    for target in
        ["/api", "/api/", "/api/v1", "/api/v2/sensors", "/api/v1/sensors/", "/api/v1/sensors/a/b", "/api/v1/nothing"]
    {
        let answer = running.get(target).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("not_found")), "{target}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = running.request(method, "/api/v1/sensors", "Content-Length: 0\r\n").await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (405, &json!("method_not_allowed")), "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method}");
    }
    for target in ["/health/live", "/metrics", "/"] {
        let answer = running.request("POST", target, "Content-Length: 0\r\n").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{target}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{target}");
    }
    let head = running.request("HEAD", "/api/v1/sensors", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    running.stop().await;
}

#[tokio::test]
async fn where_others_can_reach_the_node_the_api_is_for_users() {
    let running = Setup::public().start().await;
    let user = user_token();
    let claims = crate::UserClaims {
        user_id: sensocto_node::UserId::new("u1").expect("an id"),
        name: "Ada".to_owned(),
        valid_for: Duration::from_secs(60),
    };
    let sensor = key().mint_sensor(&claims).expect("a token");
    let guest = key().mint_guest().expect("a token");
    let paths = [
        "sensors",
        "sensors/s1",
        "connectors",
        "users",
        "users/u9",
        "presence/all/count",
        "rooms",
        "cluster/health",
        "cluster/nodes",
        "cluster/propagation",
        "counts",
        "mark",
    ];
    for path in paths {
        let target = format!("/api/v1/{path}");
        let refused = running.get(&target).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("unauthorized")), "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"sensocto\""));
        for wrong in ["", "x", "missing", &sensor, &guest] {
            assert_eq!(running.get_as(wrong, &target).await.status, 401, "{path} with {wrong}");
        }
        let expected = if ["sensors/s1", "users/u9"].contains(&path) { 404 } else { 200 };
        assert_eq!(running.get_as(&user, &target).await.status, expected, "{path}");
        let lower = running.request("GET", &target, &format!("authorization: bearer {user}\r\n")).await;
        assert_eq!(lower.status, expected, "{path}");
        let basic = running.request("GET", &target, &format!("Authorization: Basic {user}\r\n")).await;
        assert_eq!(basic.status, 401, "{path}");
    }
    for target in ["/health/live", "/health/ready", "/api/openapi.json", "/"] {
        assert_eq!(running.get(target).await.status, 200, "{target} is for everybody");
    }
    running.stop().await;

    let mut open = Setup::public();
    open.config.open = true;
    let running = open.start().await;
    assert_eq!(running.get("/api/v1/sensors").await.status, 200, "the operator opened it");
    running.stop().await;
}

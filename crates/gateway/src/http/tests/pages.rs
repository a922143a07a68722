//! Health, metrics, the description of the API, and what stands on every answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::listener::PeerAddress;
use crate::testing::{Running, Setup, sensor, user_token};

#[tokio::test]
async fn a_node_that_runs_is_live_and_ready() {
    let running = Running::local().await;
    let live = running.get("/health/live").await.json();
    assert_eq!(live["status"], "ok");
    let timestamp = live["timestamp"].as_str().expect("a text");
    assert!(timestamp.len() == 24 && timestamp.starts_with("20") && timestamp.ends_with('Z'), "{timestamp}");

    let ready = running.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("healthy")), "{ready:?}");
    let ok = json!({"status": "ok"});
    assert_eq!(
        ready.json()["checks"],
        json!({
            "accepting": ok, "apart": ok, "joining": ok, "live_queries": ok, "load": ok, "peers": ok, "rooms": ok, "world": ok,
        })
    );
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_is_live_and_not_ready() {
    let running = Running::local().await;
    let app = Arc::clone(&running.gateway.app);
    let router = super::super::router(Arc::clone(&app));
    app.stopping.cancel();
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
        (status, serde_json::from_slice::<Value>(&body).expect("JSON"))
    };
    let (status, ready) = ask("/health/ready").await;
    assert_eq!((status, &ready["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("degraded")));
    assert_eq!(ready["checks"]["accepting"]["status"], "failed");
    assert_eq!(ask("/health/live").await.0, StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn metrics_have_patterns_and_never_ids_as_labels() {
    let running = Running::local().await;
    let _sensor = running.node.handle().register_sensor(sensor("canary-id", "ecg", None)).await.expect("registered");
    for target in [
        "/api/v1/sensors/canary-id",
        "/api/v1/sensors/canary-other",
        "/canary-path",
        "/api/canary",
        "/api/v1/sensors?canary=1",
    ] {
        running.get(target).await;
    }
    let answer = running.get("/metrics").await;
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    for line in [
        r#"sensocto_http_requests_total{route="/api/v1/sensors/{id}",status="2xx"} 1"#,
        r#"sensocto_http_requests_total{route="/api/v1/sensors/{id}",status="4xx"} 1"#,
        r#"sensocto_http_requests_total{route="/api/v1/sensors",status="4xx"} 1"#,
        r#"sensocto_http_requests_total{route="none",status="4xx"} 2"#,
        r#"sensocto_entries{kind="sensor"} 1"#,
        "sensocto_sockets_open 0",
        "sensocto_connections_open 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
    running.stop().await;
}

#[tokio::test]
async fn the_handbook_describes_every_metric_and_no_other() {
    let running = Running::local().await;
    let text = running.get("/metrics").await.text();
    let kinds: BTreeSet<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let handbook = include_str!("../../../../../docs/operations.md");
    let described: BTreeSet<(&str, &str)> = handbook
        .lines()
        .filter_map(|line| line.strip_prefix("| `sensocto_").and_then(|_| line.strip_prefix("| `"))?.split_once("` | "))
        .filter_map(|(name, rest)| Some((name, rest.split_once(" | ")?.0)))
        .collect();
    assert!(kinds.len() > 80, "{kinds:?}");
    let missing: Vec<_> = kinds.difference(&described).collect();
    assert!(missing.is_empty(), "docs/operations.md, \"Every metric\", lacks {missing:?}");
    // What has labels is not in the text before something was counted.
    let unknown: BTreeSet<&str> = described.difference(&kinds).map(|(name, _)| *name).collect();
    let counted_by_label = [
        "refused",
        "joins",
        "socket_closes",
        "connections_cut",
        "http_requests",
        "propagation_p50_us",
        "propagation_p99_us",
    ];
    let allowed = counted_by_label.map(|name| format!("sensocto_{name}"));
    let unknown: Vec<&&str> = unknown.iter().filter(|name| !allowed.iter().any(|allowed| allowed == *name)).collect();
    assert!(unknown.is_empty(), "docs/operations.md describes {unknown:?}, which no node has");
    running.stop().await;
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_users() {
    let running = Setup::public().start().await;
    let router = super::super::router(Arc::clone(&running.gateway.app));
    let ask = async |peer: Option<&str>, token: &str| {
        let mut request = Request::get("/metrics").header("authorization", format!("Bearer {token}"));
        if let Some(peer) = peer {
            request = request.extension(PeerAddress(peer.parse::<SocketAddr>().expect("an address")));
        }
        router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer").status()
    };
    for here in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
        assert_eq!(ask(Some(here), "").await, StatusCode::OK, "{here}");
    }
    for elsewhere in [Some("192.0.2.1:9"), Some("[2001:db8::1]:9"), None] {
        assert_eq!(ask(elsewhere, "").await, StatusCode::UNAUTHORIZED, "{elsewhere:?}");
        assert_eq!(ask(elsewhere, &user_token()).await, StatusCode::OK, "{elsewhere:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_description_has_every_route_and_a_page() {
    let running = Running::local().await;
    let document = running.get("/api/openapi.json").await.json();
    let paths: Vec<&str> = document["paths"].as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "/api/v1/cluster/health",
        "/api/v1/cluster/join",
        "/api/v1/cluster/leave",
        "/api/v1/cluster/live_queries",
        "/api/v1/cluster/nodes",
        "/api/v1/cluster/nodes/{name}",
        "/api/v1/cluster/propagation",
        "/api/v1/connectors",
        "/api/v1/counts",
        "/api/v1/live/connectors",
        "/api/v1/live/rooms",
        "/api/v1/live/sensors",
        "/api/v1/live/users",
        "/api/v1/mark",
        "/api/v1/presence/{topic}/count",
        "/api/v1/rooms",
        "/api/v1/rooms/by-code/{code}",
        "/api/v1/rooms/{id}",
        "/api/v1/rooms/{id}/join",
        "/api/v1/rooms/{id}/join-code",
        "/api/v1/rooms/{id}/leave",
        "/api/v1/rooms/{id}/members/{user}",
        "/api/v1/rooms/{id}/members/{user}/demote",
        "/api/v1/rooms/{id}/members/{user}/promote",
        "/api/v1/rooms/{id}/sensors/{sensor}",
        "/api/v1/sensors",
        "/api/v1/sensors/{id}",
        "/api/v1/users",
        "/api/v1/users/{id}",
        "/api/v1/why/{kind}/{id}",
        "/health/live",
        "/health/ready",
        "/metrics",
    ];
    assert_eq!(paths, expected);
    let parameters = document["paths"]["/api/v1/sensors"]["get"]["parameters"].as_array().expect("a list");
    let names: Vec<&str> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    let expected =
        "type connector node room attribute prefix text order freshness skip after limit at_least timeout_ms pin world";
    assert_eq!(names, expected.split(' ').collect::<Vec<_>>());
    let required: Vec<&Value> = parameters.iter().map(|parameter| &parameter["required"]).collect();
    assert!(required.iter().all(|required| **required == json!(false)), "{parameters:?}");
    assert_every_reference_leads_somewhere(&document, &document);

    assert_eq!(running.get("/api/docs").await.status, 303);
    let page = running.get("/api/docs/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !page.text().contains("<script>"),
        "no inline script is allowed, and none is there"
    );
    let start = running.get("/api/docs/swagger-initializer.js").await.text();
    assert!(start.contains("/api/openapi.json") && !start.contains("petstore"), "{start}");
    assert_eq!(running.get("/api/docs/swagger-ui-bundle.js").await.status, 200);
    for outside in ["nothing.js", "../openapi.json", "%2e%2e%2fopenapi.json", "..%5c..%5cCargo.toml"] {
        assert_eq!(running.get(&format!("/api/docs/{outside}")).await.status, 404, "{outside}");
    }
    running.stop().await;
}

fn assert_every_reference_leads_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("a reference within the document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            members.values().for_each(|member| assert_every_reference_leads_somewhere(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_every_reference_leads_somewhere(document, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_answer_says_how_it_may_be_used() {
    let running = Running::local().await;
    let targets = [
        "/",
        "/nothing",
        "/api/v1/sensors",
        "/api/v1/sensors?x",
        "/api/nothing",
        "/api/docs/",
        "/health/live",
        "/metrics",
    ];
    for target in targets {
        let answer = running.get(target).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{target}");
        assert!(answer.header("cache-control").is_some(), "{target}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("frame-ancestors 'none'"), "{target}: {policy}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{target}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_node_on_loopback_does_not_answer_to_the_name_of_a_stranger() {
    let running = Running::local().await;
    let ask = async |host: &str| {
        let head = format!("GET /api/v1/sensors HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        running.raw(head.as_bytes()).await.status
    };
    for host in ["Host: 127.0.0.1\r\n", "Host: localhost:4000\r\n", "Host: [::1]:4000\r\n"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in
        ["Host: evil.example\r\n", "Host: localhost.evil.example:4000\r\n", "Host: localhost\r\nHost: localhost\r\n"]
    {
        assert_eq!(ask(host).await, 421, "{host}");
    }
    running.stop().await;

    let running = Setup::public().start().await;
    let head = "GET /health/live HTTP/1.1\r\nHost: node.example\r\nConnection: close\r\n\r\n";
    assert_eq!(running.raw(head.as_bytes()).await.status, 200, "elsewhere, names are the operator's business");
    running.stop().await;
}

#[tokio::test]
async fn a_defect_in_a_handler_costs_one_answer() {
    let running = Running::local().await;
    let app = Arc::clone(&running.gateway.app);
    async fn defect() -> StatusCode {
        panic!("a defect")
    }
    let router = super::super::around(Router::new().route("/defect", get(defect)), Arc::clone(&app)).with_state(app);
    let request = Request::get("/defect").body(Body::empty()).expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = running.get("/metrics").await.text();
    assert!(text.contains("sensocto_http_panics_total 1"), "{text}");
    assert!(text.contains(r#"sensocto_http_requests_total{route="/defect",status="5xx"} 1"#), "{text}");
    running.stop().await;
}

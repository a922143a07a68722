//! What a connection may do before, between and after requests.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::Limits;
use crate::testing::{Answer, PATIENCE, Running, Setup, node, read_to_end};
use crate::{Gateway, StartError};

const SHORT: Duration = Duration::from_millis(100);

/// The request of RFC 6455, section 1.3.
const UPGRADE: &str = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn with(limits: Limits) -> Running {
    Setup { limits, ..Setup::default() }.start().await
}

/// One request on a connection that stays open; reads the head of the answer.
async fn ask(stream: &mut TcpStream) -> u16 {
    ask_with(stream, "HEAD /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await
}

async fn ask_with(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a byte");
        answer.push(byte);
    }
    Answer::parse(&answer).status
}

async fn assert_counted(running: &Running, reason: &str) {
    let text = running.get("/metrics").await.text();
    assert!(text.contains(&format!("sensocto_connections_cut_total{{reason=\"{reason}\"}} 1")), "{text}");
}

#[tokio::test]
async fn a_page_of_one_node_goes_on_with_another() {
    let cluster = Running::cluster(&["a", "b"]).await;
    let [a, b] = &cluster[..] else { panic!("two nodes") };
    let handle = b.node.handle();
    b.until("a said where its clients connect", |_| handle.client_url(&a.node.handle().me().node).is_some()).await;
    let page = format!("http://{}", a.address());
    let ask = async |origin: &str| {
        let request = UPGRADE.replace("Upgrade: websocket", &format!("Upgrade: websocket\r\nOrigin: {origin}"));
        ask_with(&mut b.connect().await, &request).await
    };
    assert_eq!((ask(&page).await, ask("http://elsewhere.example").await), (101, 403));
    let asked = async |method: &str, origin: &str, more: &str| {
        let answer = b.request(method, "/api/v1/counts", &format!("Origin: {origin}\r\n{more}")).await;
        (answer.status, answer.header("access-control-allow-origin").map(str::to_owned))
    };
    assert_eq!(asked("GET", &page, "").await, (200, Some(page.clone())));
    assert_eq!(asked("GET", "http://elsewhere.example", "").await, (200, None));
    let may = "Access-Control-Request-Method: POST\r\n";
    assert_eq!(asked("OPTIONS", &page, may).await, (204, Some(page.clone())));
    assert_eq!(asked("OPTIONS", "http://elsewhere.example", may).await, (405, None));
    let nodes = b.get("/api/v1/cluster/nodes").await.json();
    assert_eq!((&nodes["nodes"][0]["name"], &nodes["nodes"][0]["url"]), (&"a".into(), &page.as_str().into()));
    for running in cluster {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    let running = with(Limits { first_byte: SHORT, ..Limits::default() }).await;
    let mut silent = running.connect().await;
    assert_eq!(read_to_end(&mut silent).await, b"");
    assert_counted(&running, "silent").await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_request_is_cut_and_others_are_served() {
    let running = with(Limits { head: SHORT, ..Limits::default() }).await;
    let mut slow = running.connect().await;
    slow.write_all(b"GET /health/live HTTP/1.1\r\nHost: localh").await.expect("written");
    assert_eq!(running.get("/health/live").await.status, 200);
    let answer = Answer::parse(&read_to_end(&mut slow).await);
    assert!(answer.status == 0 || answer.status == 408, "{answer:?}");
    assert_counted(&running, "malformed").await;
    running.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_idle_between_requests_is_cut() {
    let running = with(Limits { head: SHORT, ..Limits::default() }).await;
    let mut stream = running.connect().await;
    assert_eq!(ask(&mut stream).await, 200);
    assert_eq!(read_to_end(&mut stream).await, b"");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let running = with(Limits { unread: SHORT, ..Limits::default() }).await;
    let mut deaf = running.connect().await;
    // Far more than the buffers of both ends can hold.
    let ask = "GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(40);
    deaf.write_all(ask.as_bytes()).await.expect("written");
    running.gateway.connections.close();
    tokio::time::timeout(PATIENCE, running.gateway.connections.wait()).await.expect("the connection ended");
    drop(deaf);
    running.stop().await;
}

#[tokio::test]
async fn a_client_too_many_is_turned_away_until_another_one_leaves() {
    let running = with(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = running.connect().await;
    assert_eq!(ask(&mut first).await, 200);
    let mut second = running.connect().await;
    let answer = Answer::parse(&read_to_end(&mut second).await);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(ask(&mut first).await, 200, "who is in stays in");
    first.shutdown().await.expect("ended");
    read_to_end(&mut first).await;
    running.gateway.connections.close();
    tokio::time::timeout(PATIENCE, running.gateway.connections.wait()).await.expect("it left");
    assert_eq!(running.get("/health/live").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_socket_has_its_place_until_it_ends() {
    let running = with(Limits { connections: 1, head: SHORT, ..Limits::default() }).await;
    let mut socket = running.connect().await;
    assert_eq!(ask_with(&mut socket, UPGRADE).await, 101);
    let mut second = running.connect().await;
    assert_eq!(Answer::parse(&read_to_end(&mut second).await).status, 503);
    // A close frame, as a client masks it.
    socket.write_all(b"\x88\x80\x01\x02\x03\x04").await.expect("written");
    read_to_end(&mut socket).await;
    drop(socket);
    running.gateway.connections.close();
    tokio::time::timeout(PATIENCE, running.gateway.connections.wait()).await.expect("it left");
    assert_eq!(running.get("/health/live").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn stopping_closes_sockets_so_that_their_clients_come_back() {
    let running = Running::local().await;
    let mut socket = running.connect().await;
    assert_eq!(ask_with(&mut socket, UPGRADE).await, 101);
    let stopped = tokio::spawn(running.gateway.shutdown());
    let mut close = [0; 4];
    tokio::time::timeout(PATIENCE, socket.read_exact(&mut close)).await.expect("in time").expect("a frame");
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1012));
    drop(socket);
    stopped.await.expect("stopped");
    running.node.shutdown().await;
}

#[tokio::test]
async fn what_is_no_upgrade_or_comes_from_another_site_is_no_socket() {
    let running = Running::local().await;
    assert_eq!(running.get("/socket/websocket?vsn=2.0.0").await.status, 400);
    assert_eq!(running.request("POST", "/socket/websocket", "Content-Length: 0\r\n").await.status, 400);
    for (origin, status) in [("http://localhost", 101), ("https://evil.example", 403), ("null", 403)] {
        let request = UPGRADE.replace("Upgrade: websocket", &format!("Upgrade: websocket\r\nOrigin: {origin}"));
        let mut stream = running.connect().await;
        assert_eq!(ask_with(&mut stream, &request).await, status, "{origin}");
    }
    running.stop().await;
}

#[tokio::test]
async fn requests_that_two_readers_could_understand_differently_are_refused() {
    let running = Running::local().await;
    let many: String = (0..70).map(|number| format!("X-{number}: 1\r\n")).collect();
    let large = format!("X: {}\r\n", "x".repeat(20_000));
    let table = [
        (
            "one length",
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            405,
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(),
            400,
        ),
        ("two lengths in one", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 2\r\n\r\nxx".to_owned(), 400),
        ("a signed length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx".to_owned(), 400),
        (
            "an endless length",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\nx".to_owned(),
            400,
        ),
        (
            "an unknown coding",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
            400,
        ),
        ("a folded header", "GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n".to_owned(), 400),
        ("a blank before the colon", "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".to_owned(), 400),
        ("a NUL", "GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n".to_owned(), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 0),
        ("something else", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
        ("too many headers", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431),
        ("too large headers", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{large}\r\n"), 431),
    ];
    for (name, request, status) in table {
        assert_eq!(running.raw(request.as_bytes()).await.status, status, "{name}");
    }
    assert_eq!(running.get("/health/live").await.status, 200, "and the node goes on");
    running.stop().await;
}

#[tokio::test]
async fn two_requests_on_one_connection_are_two_answers() {
    let running = Running::local().await;
    let mut stream = running.connect().await;
    assert_eq!(ask(&mut stream).await, 200);
    assert_eq!(ask(&mut stream).await, 200);
    running.stop().await;
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_accepts_no_more() {
    let running = Running::local().await;
    let address = running.address();
    let mut idle = running.connect().await;
    assert_eq!(ask(&mut idle).await, 200);
    let mut silent = running.connect().await;
    tokio::time::timeout(Duration::from_secs(4), running.gateway.shutdown()).await.expect("well before its deadline");
    assert_eq!(read_to_end(&mut idle).await, b"");
    assert_eq!(read_to_end(&mut silent).await, b"");
    assert!(TcpStream::connect(address).await.is_err());
    running.node.shutdown().await;
}

#[tokio::test]
async fn stopping_cuts_what_does_not_end_in_time() {
    let running = with(Limits { shutdown: SHORT, ..Limits::default() }).await;
    let mut halfway = running.connect().await;
    assert_eq!(ask(&mut halfway).await, 200);
    halfway.write_all(b"GET /health/live HTTP/1.1\r\nHost: localh").await.expect("written");
    tokio::time::timeout(PATIENCE, running.gateway.shutdown()).await.expect("at its deadline");
    read_to_end(&mut halfway).await;
    running.node.shutdown().await;
}

#[tokio::test]
async fn a_gateway_whose_port_is_taken_says_what_to_do() {
    let running = Running::local().await;
    let other = node().await;
    let mut setup = Setup::default();
    setup.config.http = running.address();
    let error = Gateway::start(setup.config, other.handle()).await.expect_err("the port is taken");
    let said = error.to_string();
    assert!(said.contains(&running.address().to_string()) && said.contains("--http") && !said.contains('\n'), "{said}");
    other.shutdown().await;
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_with_an_origin_that_is_none_says_so() {
    let node = node().await;
    let mut setup = Setup::default();
    setup.config.allowed_origins = vec!["*".to_owned()];
    let error = Gateway::start(setup.config, node.handle()).await.expect_err("no origin");
    assert!(matches!(&error, StartError::Origin { text } if text == "*"), "{error}");
    node.shutdown().await;
}

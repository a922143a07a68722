//! Clients that say nothing, and clients that take nothing, over real sockets with short limits.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::limits::Limits;
use crate::testing::{PATIENCE, Running, Setup, read_to_end};

const SHORT: Duration = Duration::from_millis(200);
/// The request of RFC 6455, section 1.3.
const UPGRADE: &str = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn socket(running: &Running) -> TcpStream {
    let mut stream = running.connect().await;
    stream.write_all(UPGRADE.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a byte"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// A text frame of a client, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&[0x81, 0x80 | 126][..], &length.to_be_bytes(), &[0; 4], text.as_bytes()].concat()
}

async fn until_counted(running: &Running, cause: &str) {
    let line = format!("sensocto_socket_closes_total{{code=\"1012\",cause=\"{cause}\"}} 1");
    let counted = async {
        while !running.get("/metrics").await.text().contains(&line) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("no {line}"));
}

#[tokio::test]
async fn a_silent_socket_is_closed_with_1012_and_counted_and_one_that_speaks_is_not() {
    let limits = Limits { silent: SHORT, ..Limits::default() };
    let running = Setup { limits, ..Setup::default() }.start().await;
    let (mut silent, mut speaking) = (socket(&running).await, socket(&running).await);
    let spoken = async {
        loop {
            speaking.write_all(&frame(r#"[null,"1","phoenix","heartbeat",{}]"#)).await.expect("it is open");
            tokio::time::sleep(SHORT / 8).await;
        }
    };
    let bytes = tokio::select! {
        bytes = read_to_end(&mut silent) => bytes,
        () = spoken => unreachable!("it speaks for ever"),
    };
    // A close frame: its length, its code, and the words for whoever reads a log.
    assert_eq!((bytes[0], &bytes[2..4]), (0x88, &1012_u16.to_be_bytes()[..]));
    assert!(String::from_utf8_lossy(&bytes[4..]).starts_with("nothing was heard"));
    until_counted(&running, "silent").await;
    running.stop().await;
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_closed_and_counted_and_the_others_are_served() {
    let limits = Limits { undrained: SHORT, ..Limits::default() };
    let running = Setup { limits, ..Setup::default() }.start().await;
    let mut deaf = socket(&running).await;
    let join =
        r#"{"connector_id":"c1","connector_name":"Pi","connector_type":"x","features":[],"bearer_token":"missing"}"#;
    let join = format!(r#"["1","1","sensocto:connector:c1","phx_join",{join}]"#);
    deaf.write_all(&frame(&join)).await.expect("written");
    let echo = frame(&format!(r#"["1","2","sensocto:connector:c1","ping",{{"fill":"{}"}}]"#, "x".repeat(60_000)));
    // Each is answered with as much, and nothing of it is read: in the end nobody takes anything any more.
    let talking = async { while deaf.write_all(&echo).await.is_ok() {} };
    tokio::select! {
        () = until_counted(&running, "undrained") => {}
        () = talking => {}
    }
    until_counted(&running, "undrained").await;
    read_to_end(&mut deaf).await;
    running.until("what it registered is gone", |world| world.view.count(sensocto_node::Kind::Connector) == 0).await;
    running.stop().await;
}

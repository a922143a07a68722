//! The client against a small node on loopback, which drives the real state machine of `sensocto-channels`.

mod node;
mod signals;

use std::time::Duration;

use serde_json::json;

use crate::{ChannelEvent, Client, ClientOptions, ConnectError, EVENTS_MAX, JoinError, PushError, Reconnect, Vsn};
use node::{Manner, Node};

/// Long enough for a loaded machine: no test waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(nodes: &[&Node]) -> ClientOptions {
    ClientOptions {
        reconnect: Reconnect::Backoff { delay_min: Duration::from_millis(1), delay_max: Duration::from_millis(20) },
        ..ClientOptions::new(nodes.iter().map(|node| node.url()))
    }
}

async fn connect(node: &Node) -> Client {
    Client::connect(options(&[node])).await.unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this should not take so long")
}

#[tokio::test]
async fn a_channel_is_joined_pushed_to_and_left() {
    for vsn in [Vsn::V1, Vsn::V2] {
        let node = Node::start(Manner::Kind).await;
        let client = Client::connect(ClientOptions { vsn, ..options(&[&node]) }).await.unwrap();
        let mut channel = client.join("room:1", json!({"k": 1})).await.unwrap();
        assert_eq!(channel.response().get(), r#"{"params":{"k":1}}"#);
        let reply = channel.push("echo", json!({"v": [1, 2]})).await.unwrap();
        assert!(reply.is_ok());
        assert_eq!(reply.parse::<serde_json::Value>().unwrap(), json!({"v": [1, 2]}));
        let reply = channel.push("complain", json!({})).await.unwrap();
        assert!(!reply.is_ok());
        channel.send("tell_me", json!({"n": 7})).await.unwrap();
        let Some(ChannelEvent::Message { event, payload }) = in_time(channel.next()).await else { panic!() };
        assert_eq!((event.as_str(), payload.get()), ("told", r#"{"n":7}"#));
        channel.leave().await.unwrap();
        let again = client.join("room:1", json!({})).await.unwrap();
        assert_eq!(again.topic(), "room:1");
    }
}

#[tokio::test]
async fn events_with_bytes_arrive() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    channel.send("tell_me_bytes", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Binary { bytes, .. }) if bytes == [1, 2, 3]));
}

#[tokio::test]
async fn a_refused_join_says_what_the_node_said() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let error = client.join("closed:1", json!({})).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused { response } if response == json!({"reason": "no"})));
    let error = client.join("nowhere", json!({})).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused { response } if response == json!({"reason": "unmatched topic"})));
    client.join("room:1", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_topic_is_joined_once_until_its_channel_is_dropped() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let channel = client.join("room:1", json!({})).await.unwrap();
    assert!(matches!(client.join("room:1", json!({})).await, Err(JoinError::AlreadyJoined)));
    drop(channel);
    client.join("room:1", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_join_that_is_not_answered_times_out_and_is_taken_back() {
    let mut node = Node::start(Manner::Mute).await;
    let options = ClientOptions { reply_timeout: Duration::from_millis(30), ..options(&[&node]) };
    let client = Client::connect(options).await.unwrap();
    assert!(matches!(in_time(client.join("room:1", json!({}))).await, Err(JoinError::Timeout)));
    assert!(in_time(node.heard()).await.contains("phx_join"));
    assert!(in_time(node.heard()).await.contains("phx_leave"));
}

#[tokio::test]
async fn a_push_that_is_not_answered_times_out() {
    let node = Node::start(Manner::Kind).await;
    let options = ClientOptions { reply_timeout: Duration::from_secs(1), ..options(&[&node]) };
    let client = Client::connect(options).await.unwrap();
    let channel = client.join("room:1", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.push("ignored", json!({}))).await, Err(PushError::Timeout)));
    assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
}

#[tokio::test]
async fn channels_are_joined_again_when_the_node_drops_the_socket() {
    let mut node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut first = client.join("room:1", json!({"k": 1})).await.unwrap();
    let mut second = client.join("room:2", json!({"k": 2})).await.unwrap();
    assert_eq!(in_time(node.connected()).await, 1);
    first.send("drop_the_socket", json!({})).await.unwrap();
    for (channel, params) in [(&mut first, r#"{"params":{"k":1}}"#), (&mut second, r#"{"params":{"k":2}}"#)] {
        assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
        let Some(ChannelEvent::Rejoined { response }) = in_time(channel.next()).await else { panic!() };
        assert_eq!(response.get(), params);
        assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
    }
    assert_eq!(in_time(node.connected()).await, 2);
}

#[tokio::test]
async fn a_push_that_was_under_way_when_the_socket_was_lost_is_an_error() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let channel = client.join("room:1", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.push("drop_the_socket", json!({}))).await, Err(PushError::Disconnected)));
}

#[tokio::test]
async fn the_next_node_is_tried_when_one_is_gone() {
    let (lost, other) = (Node::start(Manner::Kind).await, Node::start(Manner::Kind).await);
    let client = Client::connect(options(&[&lost, &other])).await.unwrap();
    assert_eq!(client.connected_to(), Some(lost.url().as_str()));
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    drop(lost);
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Rejoined { .. })));
    assert_eq!(client.connected_to(), Some(other.url().as_str()));
}

#[tokio::test]
async fn the_first_connection_takes_the_first_node_that_answers() {
    let (gone, node) = (node::unused_url().await, Node::start(Manner::Kind).await);
    let mut options = options(&[&node]);
    options.urls.insert(0, gone);
    let client = Client::connect(options).await.unwrap();
    assert_eq!(client.connected_to(), Some(node.url().as_str()));
}

#[tokio::test]
async fn a_first_connection_that_fails_names_every_node_and_no_token() {
    assert_eq!(Client::connect(ClientOptions::new([""; 0])).await.unwrap_err(), ConnectError::NoUrls);
    let urls = [node::unused_url().await, "nonsense".to_owned()];
    let options = ClientOptions { token: Some("secret".to_owned()), ..ClientOptions::new(urls.clone()) };
    let error = in_time(Client::connect(options)).await.unwrap_err();
    let text = error.to_string();
    assert!(urls.iter().all(|url| text.contains(url)), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_crashed_channel_is_joined_again_and_a_closed_one_is_not() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    channel.send("crash", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Rejoined { .. })));
    channel.send("end", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Closed)));
    assert!(channel.next().await.is_none());
    assert!(matches!(channel.push("echo", json!({})).await, Err(PushError::Closed)));
}

#[tokio::test]
async fn a_channel_whose_rejoins_are_refused_again_and_again_is_closed() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("once:1", json!({})).await.unwrap();
    channel.send("crash", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Closed)));
}

#[tokio::test]
async fn a_rejoin_on_demand_has_the_node_tell_everything_again() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    channel.rejoin().await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Rejoined { .. })));
    assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
}

#[tokio::test]
async fn heartbeats_are_sent_and_an_unanswered_one_moves_the_client_on() {
    let (mut mute, mut kind) = (Node::start(Manner::Mute).await, Node::start(Manner::Kind).await);
    let options = ClientOptions { heartbeat: Duration::from_millis(20), ..options(&[&mute, &kind]) };
    let client = Client::connect(options).await.unwrap();
    assert!(in_time(mute.heard()).await.contains(r#""phoenix","heartbeat",{}"#));
    assert_eq!(in_time(kind.connected()).await, 1);
    for _ in 0..3 {
        assert!(in_time(kind.heard()).await.contains("heartbeat"));
    }
    drop(client);
}

#[tokio::test]
async fn without_reconnection_a_lost_socket_closes_the_channels() {
    let node = Node::start(Manner::Kind).await;
    let client = Client::connect(ClientOptions { reconnect: Reconnect::Never, ..options(&[&node]) }).await.unwrap();
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    channel.send("drop_the_socket", json!({})).await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Closed)));
    assert!(matches!(client.join("room:2", json!({})).await, Err(JoinError::Disconnected)));
}

#[tokio::test]
async fn close_says_goodbye_and_ends_every_channel() {
    let mut node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    let pusher = channel.pusher();
    in_time(client.close()).await;
    assert_eq!(in_time(node.goodbye()).await, "closed by the client");
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Closed)));
    assert!(matches!(pusher.send("echo", json!({})).await, Err(PushError::Closed)));
}

#[tokio::test]
async fn the_socket_closes_when_the_client_and_every_channel_are_dropped() {
    let mut node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let channel = client.join("room:1", json!({})).await.unwrap();
    drop(client);
    assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
    drop(channel);
    assert_eq!(in_time(node.goodbye()).await, "closed by the client");
}

#[tokio::test]
async fn one_client_holds_five_hundred_channels() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channels = Vec::new();
    for number in 0..500 {
        channels.push(client.join(format!("room:{number}"), json!({"n": number})).await.unwrap());
    }
    channels[0].send("drop_the_socket", json!({})).await.unwrap();
    for channel in &mut channels {
        assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Disconnected)));
        assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Rejoined { .. })));
    }
}

#[tokio::test]
async fn two_hundred_clients_share_one_process() {
    let node = Node::start(Manner::Kind).await;
    let mut channels = Vec::new();
    for number in 0..200 {
        let client = connect(&node).await;
        channels.push(client.join(format!("room:{number}"), json!({})).await.unwrap());
    }
    for channel in &channels {
        assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_that_it_lagged_and_can_start_anew() {
    let node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut channel = client.join("room:1", json!({})).await.unwrap();
    for number in 0..=EVENTS_MAX {
        channel.send("tell_me", json!({ "n": number })).await.unwrap();
    }
    // The node answers in order, so every event has arrived when this reply has.
    assert!(channel.push("echo", json!({})).await.unwrap().is_ok());
    for _ in 1..EVENTS_MAX {
        assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Message { .. })));
    }
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Lagged)));
    channel.rejoin().await.unwrap();
    assert!(matches!(in_time(channel.next()).await, Some(ChannelEvent::Rejoined { .. })));
}

#[tokio::test]
async fn a_dropped_join_leaves_nothing_behind() {
    let mut node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    // Polled once, which sends the command, and then dropped.
    tokio::select! {
        biased;
        _ = client.join("room:1", json!({})) => panic!("the node cannot have answered yet"),
        () = std::future::ready(()) => {}
    }
    assert!(in_time(node.heard()).await.contains("phx_join"));
    assert!(in_time(node.heard()).await.contains("phx_leave"));
    client.join("room:1", json!({})).await.unwrap();
}

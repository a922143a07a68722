//! A node of a few lines: real frames, invented topics.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use sensocto_channels::{ChannelEnd, Frame, Json, Limits, Request, Socket, Status, Vsn};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response};

/// How a node behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It answers.
    Kind,
    /// It reads and says nothing.
    Mute,
}

/// Topics of the kind `once:*` that were joined: they are refused from then on.
type Once = Arc<Mutex<BTreeSet<String>>>;

/// What a test is told of one socket.
#[derive(Clone)]
struct Witness {
    heard: mpsc::UnboundedSender<String>,
    goodbye: mpsc::UnboundedSender<&'static str>,
}

/// A running node; dropping it drops its sockets.
pub(super) struct Node {
    url: String,
    heard: mpsc::UnboundedReceiver<String>,
    goodbye: mpsc::UnboundedReceiver<&'static str>,
    connected: mpsc::UnboundedReceiver<usize>,
    _task: JoinSet<()>,
}

/// The address of a port that nobody listens on.
pub(super) async fn unused_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("ws://{}", listener.local_addr().unwrap())
}

impl Node {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (heard, heard_by_test) = mpsc::unbounded_channel();
        let (goodbye, goodbye_of_test) = mpsc::unbounded_channel();
        let (count, connected) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let once = Once::default();
            let mut sockets = JoinSet::new();
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = count.send(number);
                let witness = Witness { heard: heard.clone(), goodbye: goodbye.clone() };
                sockets.spawn(serve(stream, manner, Arc::clone(&once), witness));
            }
        });
        Self { url, heard: heard_by_test, goodbye: goodbye_of_test, connected, _task: task }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// The next text frame that any socket received.
    pub(super) async fn heard(&mut self) -> String {
        self.heard.recv().await.unwrap()
    }

    /// How the next socket ended.
    pub(super) async fn goodbye(&mut self) -> &'static str {
        self.goodbye.recv().await.unwrap()
    }

    /// How many sockets were accepted when the next one was.
    pub(super) async fn connected(&mut self) -> usize {
        self.connected.recv().await.unwrap()
    }
}

#[expect(clippy::result_large_err, reason = "the type of the callback is tungstenite's")]
async fn upgrade(stream: TcpStream) -> (WebSocketStream<TcpStream>, Vsn) {
    let mut vsn = Vsn::V1;
    let see = |request: &Upgrade, response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri().path(), "/socket/websocket");
        let query = request.uri().query().unwrap_or_default();
        let version = query.split('&').find_map(|pair| pair.strip_prefix("vsn="));
        vsn = Vsn::from_query(version).unwrap();
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, see).await.unwrap();
    (socket, vsn)
}

async fn serve(stream: TcpStream, manner: Manner, once: Once, witness: Witness) {
    let (mut link, vsn) = upgrade(stream).await;
    let mut socket = Socket::new(vsn, Limits::default());
    while let Some(Ok(message)) = link.next().await {
        match message {
            Message::Text(text) => {
                let _ = witness.heard.send(text.to_string());
                if manner == Manner::Mute {
                    continue;
                }
                if text.contains("drop_the_socket") {
                    return;
                }
                socket.handle_text(&text).unwrap();
            }
            Message::Close(_) => {
                let _ = witness.goodbye.send("closed by the client");
                return;
            }
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        while let Some(request) = socket.poll_request() {
            answer(&mut socket, request, &once);
        }
        while let Some(frame) = socket.poll_transmit() {
            let message = match frame {
                Frame::Text(text) => Message::text(text),
                Frame::Binary(bytes) => Message::binary(bytes),
            };
            if link.send(message).await.is_err() {
                return;
            }
        }
    }
}

fn answer(socket: &mut Socket, request: Request, once: &Once) {
    match request {
        Request::Join { channel, topic, params, .. } => {
            let accepted = match topic.split(':').next() {
                Some("room" | "signals") => Some(true),
                Some("once") => Some(once.lock().unwrap().insert(topic)),
                Some("closed") => Some(false),
                _ => None,
            };
            let params = params.as_json().map(|raw| raw.to_owned());
            match accepted {
                Some(true) => socket.accept(channel, Json::of(&serde_json::json!({ "params": params }))),
                Some(false) => socket.refuse(channel, Json::reason("no")),
                None => socket.refuse_unmatched(channel),
            }
        }
        Request::Event { channel, event, payload, reply_to } => {
            let payload = payload.as_json().map(Json::from).unwrap_or_default();
            match event.as_str() {
                "echo" => socket.reply(reply_to, Status::Ok, payload),
                "complain" => socket.reply(reply_to, Status::Error, Json::reason("no")),
                "set_visible" => {
                    let refused = payload.as_str().contains("refused");
                    let invalid =
                        serde_json::json!({"reason": "invalid_field", "field": "sensor_ids", "allowed": "ids"});
                    let response = serde_json::json!({"watching": 1, "unknown": 1});
                    let (status, response) = if refused { (Status::Error, invalid) } else { (Status::Ok, response) };
                    socket.reply(reply_to, status, Json::of(&response));
                }
                "pin" => socket.reply(reply_to, Status::Ok, Json::of(&serde_json::json!({"level": "high"}))),
                "tell_me" => socket.push(channel, "told", payload),
                "tell_me_bytes" => socket.push_binary(channel, "told", &[1, 2, 3]).unwrap(),
                "crash" => socket.close(channel, ChannelEnd::Crashed),
                "end" => socket.close(channel, ChannelEnd::Normal),
                _ => {}
            }
        }
        Request::Leave { .. } => {}
    }
}

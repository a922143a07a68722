//! A real gateway over a real node, and a client that writes bytes as they are.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sensocto_node::engine::memory::Hub;
use sensocto_node::{
    Attributes, ConnectionId, Connector, ConnectorId, Next, Node, NodeConfig, NodeName, Presence, PresenceFields,
    PresenceRef, PresenceTopic, RegistryConfig, RoomId, Sensor, SensorId, UserId, World,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::Limits;
use crate::{Gateway, GatewayConfig};
use sensocto_tokens::{SigningKey, UserClaims};

/// Longer than anything here takes; it only turns a hanging test into a failing one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) gateway: Gateway,
}

/// How a test's gateway differs from one that a newcomer starts.
pub(crate) struct Setup {
    /// Listen on all interfaces, so that clients need tokens.
    pub(crate) everywhere: bool,
    pub(crate) config: GatewayConfig,
    pub(crate) limits: Limits,
}

impl Default for Setup {
    fn default() -> Setup {
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config =
            GatewayConfig { http, advertise: None, signing_key: None, open: false, allowed_origins: Vec::new() };
        Setup { everywhere: false, config, limits: Limits::default() }
    }
}

impl Setup {
    /// A gateway that others can reach, with a signing key.
    pub(crate) fn public() -> Setup {
        let mut setup = Setup { everywhere: true, ..Setup::default() };
        setup.config.signing_key = Some(key());
        setup
    }

    pub(crate) async fn start(mut self) -> Running {
        if self.everywhere {
            self.config.http = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        }
        let node = node().await;
        let gateway = Gateway::start_within(self.limits, self.config, node.handle()).await.expect("a gateway");
        Running { node, gateway }
    }
}

impl Running {
    pub(crate) async fn local() -> Running {
        Setup::default().start().await
    }

    /// Nodes of one cluster, each with a gateway.
    pub(crate) async fn cluster(names: &[&str]) -> Vec<Running> {
        let hub = Hub::default();
        let mut cluster = Vec::new();
        for name in names {
            let node = Node::start_on(&config(name), |me| hub.connect(me)).expect("a node");
            let gateway = Gateway::start(Setup::default().config, node.handle()).await.expect("a gateway");
            cluster.push(Running { node, gateway });
        }
        cluster
    }

    /// Waits until this node's world, or what else it knows by then, is as it should be.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&World) -> bool) {
        let handle = self.node.handle();
        let mut subscription = handle.subscribe();
        let followed = async {
            while !holds(subscription.world()) && !matches!(handle.next(&mut subscription).await, Next::Closed) {}
        };
        let waited = tokio::time::timeout(PATIENCE, followed).await;
        assert!(waited.is_ok() && holds(&handle.world()), "{}: {what}", handle.me());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.gateway.local_addr().port()))
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.expect("connected")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "").await
    }

    pub(crate) async fn get_as(&self, token: &str, target: &str) -> Answer {
        self.request("GET", target, &format!("Authorization: Bearer {token}\r\n")).await
    }

    /// Sends one request; `headers` are whole lines.
    pub(crate) async fn request(&self, method: &str, target: &str, headers: &str) -> Answer {
        let address = self.address();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
        self.raw(head.as_bytes()).await
    }

    /// Sends bytes and reads to the end.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("written");
        Answer::parse(&read_to_end(&mut stream).await)
    }

    pub(crate) async fn stop(self) {
        self.gateway.shutdown().await;
        self.node.shutdown().await;
    }
}

fn config(name: &str) -> NodeConfig {
    NodeConfig {
        name: NodeName::new(name).expect("a name"),
        cluster: "test".to_owned(),
        peer: None,
        data: None,
        registry: RegistryConfig::default(),
    }
}

pub(crate) async fn node() -> Node {
    Node::start(config("a")).await.expect("a node")
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32]).expect("a key")
}

pub(crate) fn user_token() -> String {
    let user_id = UserId::new("u1").expect("an id");
    key()
        .mint_user(&UserClaims { user_id, name: "Ada".to_owned(), valid_for: Duration::from_secs(60) })
        .expect("a token")
}

/// What is left of a connection; a reset counts as its end.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is one of the ways in which a server ends a connection.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    bytes
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Status 0 is no answer at all.
    pub(crate) fn parse(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 4..]));
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).unwrap_or(0);
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Answer { status, headers: headers.collect(), body: body.to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn sensor(id: &str, sensor_type: &str, room: Option<&str>) -> Sensor {
    Sensor {
        sensor_id: SensorId::new(id).expect("an id"),
        sensor_name: format!("Sensor {id}").into(),
        sensor_type: sensor_type.into(),
        connector_id: ConnectorId::new("c1").expect("an id"),
        connector_name: "Pi".into(),
        sampling_rate: 10.0,
        batch_size: 5,
        username: None,
        room_id: room.map(|room| RoomId::new(room).expect("an id")),
        attributes: Attributes::default(),
        registered_at_ms: 1_767_000_000_000,
    }
}

pub(crate) fn connector(id: &str) -> Connector {
    Connector {
        connector_id: ConnectorId::new(id).expect("an id"),
        connector_name: "Pi".to_owned(),
        connector_type: "python".to_owned(),
        features: vec!["batch".to_owned()],
        registered_at_ms: 1_767_000_000_000,
    }
}

pub(crate) fn presence(reference: &str, user: &str, name: &str, room: Option<&str>, online_at_ms: u64) -> Presence {
    Presence {
        presence_ref: PresenceRef::new(reference).expect("an id"),
        topic: PresenceTopic::new("all").expect("a topic"),
        connection: ConnectionId::new(reference).expect("an id"),
        user_id: UserId::new(user).expect("an id"),
        user_name: name.to_owned(),
        device: Some("web".to_owned()),
        room_id: room.map(|room| RoomId::new(room).expect("an id")),
        mode: None,
        online_at_ms,
        fields: PresenceFields::default(),
    }
}

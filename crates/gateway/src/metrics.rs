//! What the gateway counts. Every label is from a closed set: nothing that a client chose ever becomes one.

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sensocto_node::Handle;

use crate::presence::Hub;
use crate::socket::CloseCause;

/// The kinds of topics that a client can join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TopicKind {
    /// `sensocto:connector:…`
    Connector,
    /// `sensocto:sensor:…`
    Sensor,
    /// `discovery:…`
    Discovery,
    /// `presence:…`
    Presence,
    /// `signals:…` and `signal:…`
    Signals,
    /// `lobby:…`, `room:…`
    Rooms,
    /// Anything else.
    Unknown,
}

impl TopicKind {
    fn as_str(self) -> &'static str {
        match self {
            TopicKind::Connector => "connector",
            TopicKind::Sensor => "sensor",
            TopicKind::Discovery => "discovery",
            TopicKind::Presence => "presence",
            TopicKind::Signals => "signals",
            TopicKind::Rooms => "rooms",
            TopicKind::Unknown => "unknown",
        }
    }
}

/// Whether a join was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum JoinOutcome {
    Joined,
    Refused,
}

impl JoinOutcome {
    fn as_str(self) -> &'static str {
        match self {
            JoinOutcome::Joined => "joined",
            JoinOutcome::Refused => "refused",
        }
    }
}

/// Why a connection got no further than the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cut {
    /// There were as many as there may be.
    Full,
    /// It said nothing.
    Silent,
    /// It took too long over a request, or broke the rules of HTTP.
    Malformed,
    /// The system had no file for it.
    OutOfFiles,
}

impl Cut {
    fn as_str(self) -> &'static str {
        match self {
            Cut::Full => "full",
            Cut::Silent => "silent",
            Cut::Malformed => "malformed",
            Cut::OutOfFiles => "out_of_files",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JoinLabel {
    topic: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabel {
    code: u16,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    route: String,
    status: &'static str,
}

/// The gateway's metrics. Cloning it copies pointers.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayMetrics {
    sockets_open: Gauge,
    sockets_refused: Counter,
    socket_closes: Family<CloseLabel, Counter>,
    frames_in: Counter,
    frames_out: Counter,
    joins: Family<JoinLabel, Counter>,
    resyncs: Counter,
    presence_updates_coalesced: Counter,
    presence_lists_too_large: Counter,
    samples_flooded: Counter,
    timestamps_replaced: Counter,
    presence_topics: Gauge,
    users_last_seen: Gauge,
    tasks: Gauge,
    resident_bytes: Gauge,
    requests: Family<RequestLabel, Counter>,
    panics: Counter,
    connections_open: Gauge,
    connections_cut: Family<ReasonLabel, Counter>,
}

impl GatewayMetrics {
    /// Makes them part of the node's metrics.
    pub(crate) fn new(handle: &Handle) -> GatewayMetrics {
        let metrics = GatewayMetrics::default();
        handle.metrics().register(|registry| {
            registry.register("sockets_open", "Sockets that are open", metrics.sockets_open.clone());
            registry.register("sockets_refused", "Sockets refused for their origin", metrics.sockets_refused.clone());
            registry.register(
                "socket_closes",
                "Sockets closed by this node, by close code and cause",
                metrics.socket_closes.clone(),
            );
            registry.register("socket_frames_in", "Frames from clients", metrics.frames_in.clone());
            registry.register("socket_frames_out", "Frames to clients", metrics.frames_out.clone());
            registry.register("joins", "Joins of channels by kind of topic and outcome", metrics.joins.clone());
            registry.register(
                "resyncs",
                "Snapshots sent because a client was too slow for the changes",
                metrics.resyncs.clone(),
            );
            registry.register(
                "presence_updates_coalesced",
                "Updates of presences that came faster than one socket may make them",
                metrics.presence_updates_coalesced.clone(),
            );
            registry.register(
                "presence_lists_too_large",
                "Lists of presences that were too large to be told in one message; their watchers are told counts",
                metrics.presence_lists_too_large.clone(),
            );
            registry.register(
                "signals_samples_flooded",
                "Samples of sensors that sent faster than they may; of these the latest of each attribute were kept",
                metrics.samples_flooded.clone(),
            );
            registry.register(
                "signals_timestamps_replaced",
                "Samples whose time cannot be and that have the time of their receipt instead",
                metrics.timestamps_replaced.clone(),
            );
            registry.register(
                "presence_topics",
                "Topics in which somebody is, or that somebody watches",
                metrics.presence_topics.clone(),
            );
            registry.register("users_last_seen", "Users who left and are remembered", metrics.users_last_seen.clone());
            registry.register("tasks", "Tasks of this process that have not ended", metrics.tasks.clone());
            registry.register(
                "resident_bytes",
                "Memory of this process that is resident; 0 where the system does not say",
                metrics.resident_bytes.clone(),
            );
            registry.register("http_requests", "Requests by route and class of status", metrics.requests.clone());
            registry.register("http_panics", "Requests that ended in a defect of this program", metrics.panics.clone());
            registry.register(
                "connections_open",
                "Connections of clients, sockets included",
                metrics.connections_open.clone(),
            );
            registry.register(
                "connections_cut",
                "Connections cut by the listener, by reason",
                metrics.connections_cut.clone(),
            );
        });
        metrics
    }

    /// A socket was opened.
    pub(crate) fn socket_opened(&self) {
        self.sockets_open.inc();
    }

    /// A socket that was opened is no more, whoever ended it.
    pub(crate) fn socket_ended(&self) {
        self.sockets_open.dec();
    }

    /// A socket was refused for its origin.
    pub(crate) fn socket_refused(&self) {
        self.sockets_refused.inc();
    }

    /// This node closed a socket.
    pub(crate) fn socket_closed(&self, cause: CloseCause) {
        self.socket_closes.get_or_create(&CloseLabel { code: cause.code(), cause: cause.as_str() }).inc();
    }

    /// A frame came from a client.
    pub(crate) fn frame_in(&self) {
        self.frames_in.inc();
    }

    /// A frame went to a client.
    pub(crate) fn frame_out(&self) {
        self.frames_out.inc();
    }

    /// A client asked to join a channel.
    pub(crate) fn join(&self, topic: TopicKind, outcome: JoinOutcome) {
        self.joins.get_or_create(&JoinLabel { topic: topic.as_str(), outcome: outcome.as_str() }).inc();
    }

    /// A client was too slow for the changes and got a snapshot instead.
    pub(crate) fn resync(&self) {
        self.resyncs.inc();
    }

    /// An update of a presence came too fast, and the latest one stands for it.
    pub(crate) fn presence_update_coalesced(&self) {
        self.presence_updates_coalesced.inc();
    }

    /// A list of presences was too large to be told.
    pub(crate) fn presence_list_too_large(&self) {
        self.presence_lists_too_large.inc();
    }

    /// Samples came faster than a sensor may send them, and later ones stand for them.
    pub(crate) fn samples_flooded(&self, count: usize) {
        self.samples_flooded.inc_by(count as u64);
    }

    /// Samples had no time that can be.
    pub(crate) fn timestamps_replaced(&self, count: usize) {
        self.timestamps_replaced.inc_by(count as u64);
    }

    /// Reads what nobody counts.
    pub(crate) fn refresh(&self, presence: &Hub) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.presence_topics.set(number(presence.topics_len()));
        self.users_last_seen.set(number(presence.last_seen().len()));
        self.tasks.set(number(tokio::runtime::Handle::current().metrics().num_alive_tasks()));
        self.resident_bytes.set(resident_bytes().unwrap_or(0));
    }

    /// A request was answered. `route` is the pattern that matched, never the path that was asked for.
    pub(crate) fn request(&self, route: &str, status: StatusCode) {
        let status = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabel { route: route.to_owned(), status }).inc();
    }

    /// A request ended in a panic.
    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// A connection was taken in; it counts until the answer is dropped.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.connections_open.inc();
        OpenConnection(self.connections_open.clone())
    }

    /// The listener cut a connection.
    pub(crate) fn connection_cut(&self, cut: Cut) {
        self.connections_cut.get_or_create(&ReasonLabel { reason: cut.as_str() }).inc();
    }
}

/// What the system says about the memory of this process.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<i64>().ok().map(|kib| kib * 1024)
}

/// One connection in the count of open ones.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! What may be typed. Nothing here decides anything: `settings` and the commands give it its meaning.

mod rooms;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sensocto_model::{NodeName, PresenceTopic, UserId};
use sensocto_node::ClientUrl;
use sensocto_settings::{DurationText, LogFormat};

pub(crate) use rooms::{RoomArgs, RoomMemberArgs, RoomSensorArgs, RoomSettingsArgs, RoomsCommand, RoomsFilterArgs};

/// Discovers sensors, rooms and users across a cluster of equal nodes.
#[derive(Debug, Parser)]
#[command(name = "sensocto", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node: alone, or as one of a cluster
    ///
    /// Without arguments it is a single node on 127.0.0.1:4000 that needs nothing else. A value is taken from a flag, else from
    /// its environment variable, else from the file of --config, else it is the default.
    Serve(Box<ServeArgs>),
    /// Start three nodes on this machine with simulated sensors, and show what happens
    ///
    /// With --for it ends by itself, with exit code 0 only if every node saw every other and counted the same sensors.
    Demo(DemoArgs),
    /// Bring in simulated sensors over real sockets
    Simulate(SimulateArgs),
    /// List the sensors of the whole cluster, or watch them come and go
    #[command(subcommand)]
    Sensors(SensorsCommand),
    /// List the people of the whole cluster, or watch them come and go
    #[command(subcommand)]
    Users(UsersCommand),
    /// Watch what sensors measure, on whatever node they are
    #[command(subcommand)]
    Signals(SignalsCommand),
    /// List rooms, make, change and end them, and say who is in them
    #[command(subcommand)]
    Rooms(RoomsCommand),
    /// Ask a node how it sees the cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Ask a node why it shows an entry as it does: who owns it, since when, and the last conflict about it
    Why {
        /// What it is: sensor, connector or presence
        kind: String,
        /// Its id
        id: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Make signing keys, and tokens for users, sensors and guests
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Name of this node, unique in its cluster and the same after a restart [default: a]
    #[arg(long, value_name = "NAME", env = "SENSOCTO_NAME")]
    pub(crate) name: Option<NodeName>,
    /// Name of the cluster; nodes of different clusters do not see each other [default: sensocto]
    #[arg(long, value_name = "NAME", env = "SENSOCTO_CLUSTER")]
    pub(crate) cluster: Option<NodeName>,
    /// Where clients connect: sockets, HTTP API and the lobby [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR:PORT", env = "SENSOCTO_HTTP")]
    pub(crate) http: Option<SocketAddr>,
    /// Where clients of other nodes are told to find this one, as https://a.example.org [default: where --http listens]
    #[arg(long, value_name = "URL", env = "SENSOCTO_HTTP_ADVERTISE")]
    pub(crate) http_advertise: Option<ClientUrl>,
    /// Where other nodes connect; without it the node is a single one
    #[arg(long, value_name = "ADDR:PORT", env = "SENSOCTO_PEER")]
    pub(crate) peer: Option<SocketAddr>,
    /// Another node's --peer address, or a DNS name with a port that stands for several; may be repeated
    #[arg(long, value_name = "HOST:PORT", env = "SENSOCTO_JOIN", value_delimiter = ',')]
    pub(crate) join: Vec<String>,
    /// Directory for what has to outlive this process; without it everything is kept in memory
    #[arg(long, value_name = "DIR", env = "SENSOCTO_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// TOML file with these same values (--print-config shows its form)
    #[arg(long, value_name = "FILE", env = "SENSOCTO_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Key that signs tokens; makes it safe to listen beyond this machine (see `sensocto token`)
    #[arg(long, value_name = "FILE", env = "SENSOCTO_SIGNING_KEY_FILE")]
    pub(crate) signing_key_file: Option<PathBuf>,
    /// Let everybody in who reaches this node, as client and as node
    #[arg(long, env = "SENSOCTO_INSECURE_OPEN", value_parser = BoolishValueParser::new())]
    pub(crate) insecure_open: bool,
    /// Certificate authority whose nodes are let in (PEM)
    #[arg(long, value_name = "FILE", env = "SENSOCTO_PEER_CA")]
    pub(crate) peer_ca: Option<PathBuf>,
    /// Certificate of this node, signed by that authority (PEM)
    #[arg(long, value_name = "FILE", env = "SENSOCTO_PEER_CERT")]
    pub(crate) peer_cert: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "SENSOCTO_PEER_KEY")]
    pub(crate) peer_key: Option<PathBuf>,
    /// Web page origin that may open sockets besides the node's own, as https://example.org; may be repeated
    #[arg(long, value_name = "URL", env = "SENSOCTO_ALLOWED_ORIGIN", value_delimiter = ',')]
    pub(crate) allowed_origin: Vec<String>,
    /// How long the sensors of an unreachable node stay readable, marked stale [default: 30s]
    ///
    /// Longer: a node may be away longer without being forgotten. Shorter: what is gone for good is gone sooner.
    #[arg(long, value_name = "TIME", env = "SENSOCTO_GRACE")]
    pub(crate) grace: Option<DurationText>,
    /// Form of the log on standard error [default: text]
    #[arg(long, value_name = "FORM", env = "SENSOCTO_LOG_FORMAT", value_parser = log_format())]
    pub(crate) log_format: Option<LogFormat>,
    /// Print the settings that would be used, in the form of --config, and exit
    #[arg(long)]
    pub(crate) print_config: bool,
    /// End when standard input closes, so that a node does not outlive the program that started it
    #[arg(long, hide = true)]
    pub(crate) exit_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this time, and say by the exit code whether the nodes agreed
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<DurationText>,
    /// How many sensors to simulate
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) sensors: u32,
    /// How many nodes to start
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub(crate) nodes: u32,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A node to bring sensors to; may be repeated, and the sensors are spread over all
    #[arg(long = "url", value_name = "URL", default_value = "ws://127.0.0.1:4000")]
    pub(crate) urls: Vec<String>,
    /// How many sensors
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) sensors: u32,
    /// How many types of sensors, or which ones, as heartrate,ecg
    #[arg(long, value_name = "N|LIST", default_value = "12")]
    pub(crate) types: String,
    /// Measurements a second of each attribute
    #[arg(long, value_name = "HZ", default_value_t = 1.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// How many sensors a second leave, each replaced by a new one
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.0, value_parser = churn)]
    pub(crate) churn: f64,
    /// How many rooms to spread half of the sensors over
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) rooms: u32,
    /// How many users to make present; they need --signing-key-file
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) users: u32,
    /// End after this time; without it, on Ctrl-C
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<DurationText>,
    /// Token of the sensors (`sensocto token create sensor`); `missing` is taken on loopback only
    #[arg(long, value_name = "TOKEN", env = "SENSOCTO_TOKEN", hide_env_values = true, default_value = "missing")]
    pub(crate) token: String,
    /// Signing key of the nodes, to make the tokens of the users with
    #[arg(long, value_name = "FILE", env = "SENSOCTO_SIGNING_KEY_FILE")]
    pub(crate) signing_key_file: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SensorsCommand {
    /// List the sensors of every node
    List {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        order: OrderArgs,
        /// At most so many [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show sensors as they come, change and go, until Ctrl-C
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        filter: FilterArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignalsCommand {
    /// Show what sensors measure as it comes, until Ctrl-C; their connectors are told that somebody looks
    Watch {
        /// Ids of the sensors
        #[arg(required = true, value_name = "SENSOR", num_args = 1..=1_000)]
        sensors: Vec<String>,
        /// How closely to look
        #[arg(long, value_name = "LEVEL", value_enum, default_value = "medium")]
        level: AttentionLevel,
        /// How many samples of each attribute to show first
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=500))]
        recent: u32,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// How closely somebody looks at sensors.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AttentionLevel {
    /// Every second
    Low,
    /// Every 80 ms
    Medium,
    /// Every 20 ms
    High,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// List the people who are here, on any node
    List {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        filter: UsersFilterArgs,
        /// At most so many [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show people as they come, change and go, until Ctrl-C
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        /// Only those in this topic, as room:lab
        #[arg(long, value_name = "TOPIC", default_value = "all")]
        topic: PresenceTopic,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UsersFilterArgs {
    /// Only those in this topic, as room:lab
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<PresenceTopic>,
    /// Only those in this room
    #[arg(long, value_name = "ID")]
    pub(crate) room: Option<String>,
    /// Only those on this node
    #[arg(long = "node", value_name = "NAME")]
    pub(crate) on_node: Option<String>,
    /// Also those who left while the asked node ran, and when
    #[arg(long, conflicts_with_all = ["topic", "room", "on_node"])]
    pub(crate) offline: bool,
}

impl UsersFilterArgs {
    /// The filters that were given, under the names that the API uses.
    pub(crate) fn given(&self) -> Vec<(&'static str, &str)> {
        let topic = self.topic.as_ref().map(PresenceTopic::as_str);
        [("topic", topic), ("room", self.room.as_deref()), ("node", self.on_node.as_deref())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .chain(self.offline.then_some(("offline", "true")))
            .collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show every node, how it is, and what is still being joined
    Status {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Show how long changes take from every node to every other one, as each of them measures it all the time
    Matrix {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Let the node that is asked leave the cluster and work alone; its clients stay
    Leave {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Let the node that is asked take part in the cluster again
    Join {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Turn live queries of the node that is asked on or off; while they are off, clients are told to poll
    LiveQueries {
        state: OnOff,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Say that an unreachable node will not come back: its entries leave the world of the node that is asked
    Forget {
        /// The node that will not come back
        name: String,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// How a switch is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    /// As it is at the start
    On,
    /// Only where it is in the way
    Off,
}

/// Which node to ask, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The node to ask
    #[arg(long, value_name = "URL", env = "SENSOCTO_URL", default_value = "http://127.0.0.1:4000")]
    pub(crate) url: String,
    /// Token of a user (`sensocto token create user`); not needed where the node is open or on loopback
    #[arg(long, value_name = "TOKEN", env = "SENSOCTO_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print JSON, exactly as the node gives it
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only sensors of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only sensors of this connector
    #[arg(long, value_name = "ID")]
    pub(crate) connector: Option<String>,
    /// Only sensors of this node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Only sensors in this room
    #[arg(long, value_name = "ID")]
    pub(crate) room: Option<String>,
    /// Only sensors that measure this attribute
    #[arg(long, value_name = "ID")]
    pub(crate) attribute: Option<String>,
    /// Only sensors whose name begins with this, in whatever case
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Only sensors of whose name or id each of these words begins a word, in whatever case
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
}

/// Which lines of a list, and in which order.
#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// Only sensors that can be trusted so far: fresh, warming, stale or orphaned
    #[arg(long, value_name = "FRESHNESS")]
    pub(crate) freshness: Option<String>,
    /// By id, by name, or the last changed first [default: id]
    #[arg(long, value_name = "id|name|changed")]
    pub(crate) order: Option<String>,
}

impl OrderArgs {
    /// What was given, under the names that the API uses.
    pub(crate) fn given(&self) -> Vec<(&'static str, &str)> {
        [("freshness", &self.freshness), ("order", &self.order)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }
}

impl FilterArgs {
    /// The filters that were given, under the names that the API and the topic use.
    pub(crate) fn given(&self) -> Vec<(&'static str, &str)> {
        let Self { kind, connector, node, room, attribute, prefix, text } = self;
        [
            ("type", kind),
            ("connector", connector),
            ("node", node),
            ("room", room),
            ("attribute", attribute),
            ("prefix", prefix),
            ("text", text),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token
    Create(TokenArgs),
    /// Make the keys that tokens are signed with
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Write a new random key that its owner alone may read; a file that exists is left alone
    Create { file: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Whom the token is for
    pub(crate) holder: Holder,
    /// The key that the nodes know
    #[arg(long, value_name = "FILE", env = "SENSOCTO_SIGNING_KEY_FILE")]
    pub(crate) signing_key_file: PathBuf,
    /// Id of the user; for a sensor, the user it belongs to
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// Name to show for the user
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How long the token is good for [default: 24h for users, 30d for sensors]
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) valid_for: Option<DurationText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Holder {
    /// A person: opens sockets and reads
    User,
    /// A program that brings sensors in for a user
    Sensor,
    /// A visitor without an account, who may bring sensors in
    Guest,
}

fn rate(text: &str) -> Result<f64, String> {
    number_within(text, 0.001, 1_000.0)
}

fn churn(text: &str) -> Result<f64, String> {
    number_within(text, 0.0, 10_000.0)
}

fn number_within(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("not a number; use one from {low} to {high}"))?;
    if (low..=high).contains(&number) { Ok(number) } else { Err(format!("use a number from {low} to {high}")) }
}

/// The forms of a log: lines for people, or one JSON object a line.
fn log_format() -> impl clap::builder::TypedValueParser<Value = LogFormat> {
    use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
    let text = PossibleValue::new("text").help("Lines for people");
    let json = PossibleValue::new("json").help("One JSON object a line");
    PossibleValuesParser::new([text, json]).map(|form| if form == "json" { LogFormat::Json } else { LogFormat::Text })
}

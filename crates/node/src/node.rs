//! Bringing a node up, and down again.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sensocto_model::{Generation, Origin};
use sensocto_registry::Registry;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{NodeConfig, PeerConfig};
use crate::driver::{self, Driver};
use crate::engine::zenoh::{OpenError, ZenohEngine};
use crate::engine::{Engine, NoEngine, Received};
use crate::handle::{COMMANDS_MAX, Handle, Inner};
use crate::identity::{Identity, IdentityError};
use crate::metrics::Metrics;
use crate::remote::Remote;
use crate::world;

/// Why a node does not start. Each says what to do about it.
#[derive(Debug)]
pub enum StartError {
    /// Another process has the data directory.
    DataInUse {
        /// The directory.
        path: String,
    },
    /// The data directory cannot be used.
    Data {
        /// The directory.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Another process listens where this node should listen for its peers.
    PeerAddress {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// An address to join is none, or its name is unknown.
    JoinAddress {
        /// The address as it was given.
        address: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The cluster has a node of this name.
    NameTaken {
        /// The name.
        name: String,
        /// When the other one was started (its generation).
        generation: Generation,
    },
    /// The rooms on disk cannot be used.
    Store {
        /// The data directory.
        path: String,
        /// What the database says.
        message: String,
    },
    /// The engine does not start.
    Engine {
        /// What it says.
        message: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::DataInUse { path } => {
                write!(
                    formatter,
                    "the data directory {path} is used by another process: stop that one, or name another by --data"
                )
            }
            StartError::Data { path, error } => {
                write!(
                    formatter,
                    "the data directory {path} cannot be used ({error}): make it writable, or name another by --data"
                )
            }
            StartError::Store { path, message } => write!(
                formatter,
                "the rooms in {path} cannot be used ({message}): make the disk usable, or move rooms.redb away, and the other nodes bring its rooms back"
            ),
            StartError::PeerAddress { address, error } => {
                write!(
                    formatter,
                    "cannot listen for other nodes on {address} ({error}): name another address by --peer"
                )
            }
            StartError::JoinAddress { address, error } => {
                write!(formatter, "cannot join {address} ({error}): --join takes HOST:PORT of another node's --peer")
            }
            StartError::NameTaken { name, generation } => write!(
                formatter,
                "the cluster has a node named {name} already (generation {generation}): stop that one, or name this one differently by --name"
            ),
            StartError::Engine { message } => write!(formatter, "the engine between nodes does not start: {message}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a node ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndCause {
    /// Another process of the same name was there first.
    NameTaken {
        /// Its generation.
        generation: Generation,
    },
    /// The driver ended: a defect. Whoever watches the process should start it anew.
    DriverEnded,
}

impl fmt::Display for EndCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndCause::NameTaken { generation } => {
                write!(
                    formatter,
                    "the cluster has a node of this name already (generation {generation}): name this one differently by --name"
                )
            }
            EndCause::DriverEnded => formatter.write_str("the driver ended unexpectedly: start the node anew"),
        }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    stop: CancellationToken,
    driver: JoinHandle<()>,
    rooms: JoinHandle<()>,
    ended: watch::Receiver<Option<EndCause>>,
    _identity: Arc<Identity>,
}

impl Node {
    /// Starts a node: its identity, its engine, its driver.
    ///
    /// # Errors
    /// Says what stands in the way and what to do about it. Nothing is left running.
    pub async fn start(config: NodeConfig) -> Result<Node, StartError> {
        let identity = open_identity(&config)?;
        let me = Origin { node: config.name.clone(), generation: identity.generation };
        let Some(peer) = &config.peer else {
            return Node::run(identity, me, &config, Arc::new(NoEngine), Received::nothing(), Vec::new(), true);
        };
        let (engine, received, join) = connect(&me, &config.cluster, peer).await?;
        Node::run(identity, me, &config, engine, received, join, false)
    }

    /// Starts a node on an engine that is there already, for example one of [`crate::engine::memory`].
    ///
    /// # Errors
    /// The data directory cannot be used.
    pub fn start_on<E: Engine>(
        config: &NodeConfig,
        connect: impl FnOnce(Origin) -> (E, Received),
    ) -> Result<Node, StartError> {
        let identity = open_identity(config)?;
        let me = Origin { node: config.name.clone(), generation: identity.generation };
        let (engine, received) = connect(me.clone());
        Node::run(identity, me, config, Arc::new(engine), received, Vec::new(), false)
    }

    fn run(
        identity: Identity,
        me: Origin,
        config: &NodeConfig,
        engine: Arc<dyn Engine>,
        received: Received,
        join: Vec<(String, SocketAddr)>,
        alone: bool,
    ) -> Result<Node, StartError> {
        let clock = Clock::start();
        let rooms = crate::rooms::start(&me, alone, config.data.as_deref(), clock).map_err(|error| {
            let path = config.data.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
            StartError::Store { path, message: error.to_string() }
        })?;
        let mut registry = Registry::new(me.clone(), config.registry.clone(), clock.now());
        let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
        let (batches, _) = broadcast::channel(world::BATCHES_MAX);
        let (end, ended) = watch::channel(None);
        let (live, live_requests) = crate::live::requests();
        let inner = Arc::new(Inner {
            world: ArcSwap::from_pointee(driver::first_world(&mut registry)),
            propagations: crate::propagation::Propagations::new(me.clone()),
            signals: crate::signals::Signals::new(me.clone()),
            generation: me.generation.0.into(),
            me,
            clock,
            batches,
            commands,
            released: crate::handle::Released::default(),
            remote: Remote::new(),
            breakers: crate::breakers::Breakers::default(),
            pins: crate::listing::Pins::default(),
            rooms: Arc::clone(&rooms.shared),
            hellos: crate::hello::Hellos::default(),
            live,
            history: crate::why::History::default(),
            recent: crate::recent::Recent::default(),
            switches: crate::switches::Switches::default(),
            engine,
            fresh_for: config.registry.fresh_for,
            join,
            joined: ArcSwap::default(),
            metrics: Metrics::new(),
            stopping: CancellationToken::new(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(crate::hello::run(Handle(Arc::clone(&inner))));
        tokio::spawn(crate::live::Windows::new(Handle(Arc::clone(&inner)), live_requests).run());
        let rooms = crate::rooms::RoomsDriver::new(Handle(Arc::clone(&inner)), rooms);
        let rooms = tokio::spawn(rooms.run(stop.clone()));
        tokio::spawn(crate::signals::Traffic::new(Handle(Arc::clone(&inner)), received.signals).run());
        tokio::spawn(crate::signals::measure(Handle(Arc::clone(&inner))));
        let identity = Arc::new(identity);
        let driver = Driver::new(
            Arc::clone(&inner),
            registry,
            (commands_receiver, received.discovery),
            end.clone(),
            Arc::downgrade(&identity),
        );
        let running = tokio::spawn(driver.run(stop.clone()));
        let driver = tokio::spawn(async move {
            if running.await.is_err() {
                end.send_replace(Some(EndCause::DriverEnded));
            }
        });
        Ok(Node { handle: Handle(inner), stop, driver, rooms, ended, _identity: identity })
    }

    /// The Discovery API.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node has to end by itself.
    pub async fn ended(&self) -> EndCause {
        let mut ended = self.ended.clone();
        let cause = match ended.wait_for(Option::is_some).await {
            Ok(cause) => cause.clone(),
            Err(_) => None,
        };
        cause.unwrap_or(EndCause::DriverEnded)
    }

    /// Leaves the cluster: what this node's clients registered and released by now is unregistered everywhere.
    pub async fn shutdown(self) {
        // Others take the rooms over while this node is still there to finish what it has begun.
        self.handle.drain_rooms().await;
        self.handle.0.stopping.cancel();
        self.stop.cancel();
        if let Err(error) = self.rooms.await {
            tracing::warn!(%error, "the rooms did not end cleanly");
        }
        if let Err(error) = self.driver.await {
            tracing::warn!(%error, "the driver did not end cleanly");
        }
    }
}

/// What a node holds of the engine: itself, what comes from it, and the addresses it joins, each as it was given and resolved.
pub(crate) type Connected = (Arc<dyn Engine>, Received, Vec<(String, SocketAddr)>);

/// Brings the engine between nodes up.
pub(crate) async fn connect(me: &Origin, cluster: &str, peer: &PeerConfig) -> Result<Connected, StartError> {
    check_listen(peer).await?;
    let join = resolve(&peer.join).await?;
    let addresses: Vec<String> = join.iter().map(|(_, address)| address.to_string()).collect();
    let (engine, received) = ZenohEngine::open(me, cluster, peer, &addresses).await.map_err(|error| match error {
        OpenError::NameTaken(generation) => StartError::NameTaken { name: me.node.to_string(), generation },
        OpenError::Engine(message) => StartError::Engine { message },
    })?;
    Ok((Arc::new(engine), received, join))
}

fn open_identity(config: &NodeConfig) -> Result<Identity, StartError> {
    let path = config.data.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    Identity::open(config.data.as_deref()).map_err(|error| match error {
        IdentityError::Locked => StartError::DataInUse { path },
        IdentityError::Io(error) => StartError::Data { path, error },
    })
}

/// Finds out whether the address is free: the engine would say it less clearly.
async fn check_listen(peer: &PeerConfig) -> Result<(), StartError> {
    match tokio::net::TcpListener::bind(peer.listen).await {
        Ok(_) => Ok(()),
        Err(error) => Err(StartError::PeerAddress { address: peer.listen, error }),
    }
}

/// Every address behind every name.
async fn resolve(join: &[String]) -> Result<Vec<(String, SocketAddr)>, StartError> {
    let mut resolved = Vec::new();
    for address in join {
        let found = tokio::net::lookup_host(address.as_str())
            .await
            .map_err(|error| StartError::JoinAddress { address: address.clone(), error })?;
        resolved.extend(found.map(|found| (address.clone(), found)));
    }
    resolved.sort_by_key(|(_, address)| *address);
    resolved.dedup_by_key(|(_, address)| *address);
    Ok(resolved)
}

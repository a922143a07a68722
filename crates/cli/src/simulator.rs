//! Simulated sensors and users. They speak to nodes as real ones do: over sockets, with the client that everybody embeds.
//!
//! A fleet is made of connectors, one socket and about 25 sensors each, spread evenly over the nodes. A connector that loses its
//! node tries that node again for some seconds before it turns to another, so that both can be seen: sensors that go stale, and
//! sensors that move.

pub(crate) mod batch;
mod connector;
pub(crate) mod kinds;
pub(crate) mod random;
mod sensor;
pub(crate) mod tally;
mod users;

use std::sync::Arc;
use std::time::Duration;

use sensocto_client::{Client, ClientOptions, ConnectError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use connector::Connector;
use kinds::Kind;
use random::Random;
use tally::Tally;

/// Sensors that share one socket: fewer sockets cost less, more of them are closer to what a real fleet looks like.
const SENSORS_PER_CONNECTOR: u32 = 25;

/// Attempts at the own node before another one is tried; with the client's delays, about six seconds.
const ATTEMPTS_AT_OWN_NODE: usize = 6;

/// What to simulate.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `ws://host:port` of each node.
    pub(crate) urls: Vec<String>,
    pub(crate) sensors: u32,
    pub(crate) kinds: Vec<&'static Kind>,
    /// Measurements a second of each attribute.
    pub(crate) rate: f64,
    /// Sensors a second that leave and are replaced.
    pub(crate) churn: f64,
    pub(crate) rooms: u32,
    /// Bearer token of the sensors.
    pub(crate) token: String,
    pub(crate) users: Vec<User>,
}

/// A simulated person.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) token: String,
}

/// A simulation that runs.
pub(crate) struct Fleet {
    tally: Arc<Tally>,
    settled: watch::Receiver<u32>,
    churning: CancellationToken,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Fleet {
    /// Opens every socket, and then brings the sensors in behind the caller's back.
    ///
    /// # Errors
    /// A node does not answer.
    pub(crate) async fn start(plan: Plan) -> Result<Self, Failure> {
        let plan = Arc::new(plan);
        let (settled, settled_so_far) = watch::channel(0);
        let world = World {
            tally: Arc::default(),
            settled: Arc::new(settled),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            run: format!("{:x}", std::process::id()),
            plan: Arc::clone(&plan),
        };
        let mut churned = Vec::new();
        for (index, first) in (0..plan.sensors).step_by(SENSORS_PER_CONNECTOR as usize).enumerate() {
            let slots = first..plan.sensors.min(first + SENSORS_PER_CONNECTOR);
            let client = connect(&plan.urls, index, None).await?;
            let (senders, connector) = Connector::new(client, index, slots, world.clone());
            churned.extend(senders);
            world.tasks.spawn(connector.run());
        }
        for index in 0..plan.users.len() {
            let client = connect(&plan.urls, index, Some(&plan.users[index].token)).await?;
            world.tasks.spawn(users::run(client, index, world.clone()));
        }
        let churning = world.stopping.child_token();
        if plan.churn > 0.0 {
            let (ended, settled) = (churning.clone(), settled_so_far.clone());
            world.tasks.spawn(async move { ended.run_until_cancelled(churn(plan.churn, churned, settled)).await });
        }
        let World { tally, stopping, tasks, .. } = world;
        Ok(Self { tally, settled: settled_so_far, churning, stopping, tasks })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many sensors have had the answer to their first join, as it goes.
    pub(crate) fn settled(&self) -> watch::Receiver<u32> {
        self.settled.clone()
    }

    /// Lets the sensors that are there stay.
    pub(crate) fn end_churn(&self) {
        self.churning.cancel();
    }

    /// Closes every socket and waits for it.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What every part of a simulation knows.
#[derive(Clone)]
struct World {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    settled: Arc<watch::Sender<u32>>,
    stopping: CancellationToken,
    tasks: TaskTracker,
    /// Part of every id, so that two simulations in one cluster do not take each other's sensors over.
    run: String,
}

async fn connect(urls: &[String], index: usize, token: Option<&str>) -> Result<Client, Failure> {
    let options = ClientOptions { token: token.map(str::to_owned), ..ClientOptions::new(turns(urls, index)) };
    Client::connect(options).await.map_err(unreachable)
}

/// Why there is no connection, told once for each node: some are tried more often.
fn unreachable(error: ConnectError) -> Failure {
    let problem = match error {
        ConnectError::Unreachable { mut attempts } => {
            attempts.dedup();
            ConnectError::Unreachable { attempts }
        }
        ConnectError::NoUrls => error,
    };
    Failure::failed(format!("{problem}; is a node running there?"))
}

/// The nodes in the order in which the connector of this index tries them.
fn turns(urls: &[String], index: usize) -> Vec<String> {
    let own = index % urls.len().max(1);
    let (before, from) = urls.split_at(own);
    let Some((own, after)) = from.split_first() else { return Vec::new() };
    let others = after.iter().chain(before);
    std::iter::repeat_n(own, ATTEMPTS_AT_OWN_NODE).chain(others).cloned().collect()
}

/// Tells random sensors to leave, so many a second, once all have come.
async fn churn(per_second: f64, sensors: Vec<mpsc::Sender<()>>, mut settled: watch::Receiver<u32>) {
    if settled.wait_for(|settled| *settled as usize >= sensors.len()).await.is_err() {
        return;
    }
    let period = Duration::from_secs_f64(1.0 / per_second);
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut random = Random::new(1);
    loop {
        ticks.tick().await;
        if let Some(sensor) = sensors.get(random.below(sensors.len())) {
            // One that is leaving already need not be told twice.
            let _ = sensor.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_are_spread_and_try_their_own_node_first() {
        let urls = ["a", "b", "c"].map(str::to_owned);
        let firsts: Vec<String> = (0..6).map(|index| turns(&urls, index)[0].clone()).collect();
        assert_eq!(firsts, ["a", "b", "c", "a", "b", "c"]);
        let turns = turns(&urls, 1);
        assert!(turns[..ATTEMPTS_AT_OWN_NODE].iter().all(|url| url == "b"));
        assert_eq!(turns[ATTEMPTS_AT_OWN_NODE..], ["c", "a"]);
    }
}

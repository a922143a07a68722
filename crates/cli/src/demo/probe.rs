//! How long it takes until what is registered on one node is seen at another, measured all the time and from outside: by a
//! connector on the one and a viewer on the other, each with a socket of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};

use crate::failure::Failure;

/// The type of the sensors that are registered for this, by which viewers tell them from others.
const KIND: &str = "probe";

/// Time between two measurements, of whichever nodes: often enough for a p99 within seconds, seldom enough not to be the load itself.
const PERIOD: Duration = Duration::from_millis(100);

/// What takes longer than this has not arrived: ten times what nodes promise at most.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// Sightings that wait for those who measure. One who misses some counts his sensor as lost.
const SIGHTINGS_MAX: usize = 1_024;

/// Measurements that are remembered; older ones say nothing about how it is.
const REMEMBERED: usize = 600;

/// What was measured lately.
#[derive(Debug, Default)]
struct Measured {
    times: VecDeque<Duration>,
    lost: u64,
    /// Sensors that are registered at this moment, which no count should include.
    in_flight: u64,
}

/// Figures of what was measured lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Propagation {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    /// What did not arrive in time since the start.
    pub(crate) lost: u64,
}

/// A sensor that a viewer saw come or go.
#[derive(Clone, Debug)]
struct Sighting {
    viewer: usize,
    sensor_id: String,
    came: bool,
    at: Instant,
}

/// A measurement that runs until it is dropped.
pub(crate) struct Probe {
    measured: Arc<Mutex<Measured>>,
    _tasks: JoinSet<()>,
}

impl Probe {
    /// Opens a socket for registering and one for watching on every node. With one node there is no way to measure.
    pub(crate) async fn start(urls: &[String], token: &str) -> Result<Self, Failure> {
        let measured = Arc::default();
        let mut tasks = JoinSet::new();
        let (sightings, _) = broadcast::channel(SIGHTINGS_MAX);
        let mut clients = Vec::new();
        for (viewer, url) in urls.iter().enumerate() {
            clients.push(connect(url).await?);
            let watching = connect(url).await?;
            let channel = watching.join("discovery:sensors", json!({"type": KIND})).await.map_err(Failure::failed)?;
            tasks.spawn(view(channel, viewer, sightings.clone()));
        }
        let pairs = pairs(urls.len());
        let start = tokio::time::Instant::now();
        for (pair, (from, to)) in pairs.iter().enumerate() {
            let prober = Prober {
                from: clients[*from].clone(),
                to: clients[*to].clone(),
                viewer: *to,
                pair,
                token: token.to_owned(),
                seen: sightings.subscribe(),
                measured: Arc::clone(&measured),
            };
            // They take turns, as long as none is held up.
            let turn = start + PERIOD.saturating_mul(u32::try_from(pair).unwrap_or_default());
            tasks.spawn(prober.run(interval_at(turn, PERIOD.saturating_mul(u32::try_from(pairs.len()).unwrap_or(1)))));
        }
        Ok(Self { measured, _tasks: tasks })
    }

    pub(crate) fn propagation(&self) -> Propagation {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        figures(&measured.times, measured.lost)
    }

    /// How many sensors of the measurement are registered at this moment.
    pub(crate) fn in_flight(&self) -> u64 {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).in_flight
    }
}

async fn connect(url: &str) -> Result<Client, Failure> {
    Client::connect(ClientOptions::new([url])).await.map_err(Failure::failed)
}

fn figures(times: &VecDeque<Duration>, lost: u64) -> Propagation {
    let mut sorted: Vec<Duration> = times.iter().copied().collect();
    sorted.sort_unstable();
    // Nearest rank: the smallest time that so many hundredths of all do not exceed.
    let rank = |percent: usize| (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    Propagation { count: sorted.len(), p50: at(rank(50)), p99: at(rank(99)), max: at(rank(100)), lost }
}

#[derive(Deserialize)]
struct Diff {
    joins: Vec<SensorName>,
    leaves: Vec<SensorName>,
}

#[derive(Deserialize)]
struct SensorName {
    sensor_id: String,
}

/// Passes on what a viewer sees, with the time at which it saw it.
async fn view(mut channel: Channel, viewer: usize, sightings: broadcast::Sender<Sighting>) {
    while let Some(event) = channel.next().await {
        let at = Instant::now();
        let ChannelEvent::Message { event, payload } = event else { continue };
        let Ok(diff) = serde_json::from_str::<Diff>(payload.get()) else { continue };
        if event != "diff" {
            continue;
        }
        let joins = diff.joins.into_iter().map(|sensor| (sensor, true));
        for (sensor, came) in joins.chain(diff.leaves.into_iter().map(|sensor| (sensor, false))) {
            // Nobody may be measuring at this moment.
            let _ = sightings.send(Sighting { viewer, sensor_id: sensor.sensor_id, came, at });
        }
    }
}

/// Measures from one node to another.
struct Prober {
    from: Client,
    to: Client,
    viewer: usize,
    /// Part of the ids of its sensors.
    pair: usize,
    token: String,
    seen: broadcast::Receiver<Sighting>,
    measured: Arc<Mutex<Measured>>,
}

impl Prober {
    /// Measures at every tick. Pairs do not wait for each other: a node that is stopped delays none but its own.
    async fn run(mut self, mut ticks: Interval) {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u64.. {
            ticks.tick().await;
            // A node that is gone is no measure of those that are there.
            if self.from.connected_to().is_some() && self.to.connected_to().is_some() {
                self.measure(&format!("probe-{:x}-{}-{number}", std::process::id(), self.pair)).await;
            }
        }
    }

    async fn measure(&mut self, sensor_id: &str) {
        // What was seen before is of no interest, and may be more than is kept.
        self.seen = self.seen.resubscribe();
        let start = Instant::now();
        let (from, measured) = (self.from.clone(), Arc::clone(&self.measured));
        let params = params(sensor_id, &self.token);
        let register = async {
            let joined = timeout(LOST_AFTER, from.join(format!("sensocto:sensor:{sensor_id}"), params)).await;
            let channel = joined.ok()?.ok()?;
            update(&measured, |measured| measured.in_flight += 1);
            Some(channel)
        };
        // It is seen before the node has answered the connector, or after: both have to be waited for at once.
        let (channel, arrived) = tokio::join!(register, timeout(LOST_AFTER, self.sighting(sensor_id, true)));
        // Refused or not answered: the node has other worries, and nothing was sent that could be late.
        let Some(channel) = channel else { return };
        update(&self.measured, |measured| match arrived {
            Ok(Some(at)) => measured.remember(at - start),
            Ok(None) | Err(_) => measured.lost += 1,
        });
        let _ = channel.leave().await;
        update(&self.measured, |measured| measured.in_flight -= 1);
        let _ = timeout(LOST_AFTER, self.sighting(sensor_id, false)).await;
    }

    /// When the viewer saw a sensor come or go; none if there are no viewers any more.
    async fn sighting(&mut self, sensor_id: &str, came: bool) -> Option<Instant> {
        loop {
            match self.seen.recv().await {
                Ok(seen) if seen.viewer == self.viewer && seen.sensor_id == sensor_id && seen.came == came => {
                    return Some(seen.at);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn update(measured: &Mutex<Measured>, change: impl FnOnce(&mut Measured)) {
    change(&mut measured.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Measured {
    fn remember(&mut self, time: Duration) {
        if self.times.len() == REMEMBERED {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }
}

/// Every ordered pair of different nodes.
fn pairs(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
}

fn params(sensor_id: &str, token: &str) -> serde_json::Value {
    json!({
        "connector_id": "probe", "connector_name": "Propagation probe", "sensor_id": sensor_id, "sensor_name": "Probe",
        "sensor_type": KIND, "attributes": {}, "sampling_rate": 1, "batch_size": 1, "bearer_token": token
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_measured_towards_every_other() {
        assert_eq!(pairs(3), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
        assert_eq!(pairs(1), []);
    }

    #[test]
    fn figures_are_nearest_ranks_of_the_latest() {
        let mut measured = Measured::default();
        for milliseconds in 0..1_000 {
            measured.remember(Duration::from_millis(milliseconds));
        }
        let figures = figures(&measured.times, 2);
        assert_eq!((figures.count, figures.lost), (REMEMBERED, 2));
        assert_eq!(figures.p50, Duration::from_millis(699));
        assert_eq!(figures.p99, Duration::from_millis(993));
        assert_eq!(figures.max, Duration::from_millis(999));
        assert_eq!(super::figures(&VecDeque::new(), 0), Propagation::default());
    }
}

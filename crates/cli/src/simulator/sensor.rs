//! One simulated sensor: it registers, measures, and is replaced by a new one when it is told to leave.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sensocto_client::{Channel, ChannelEvent, Client, JoinError};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::World;
use super::batch::{Batch, Recommendation};
use super::kinds::{Course, Kind};
use super::random::Random;

/// How long a sensor that could not be registered for want of a connection waits before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Rooms have names like these while there are few.
const ROOMS: [&str; 6] = ["greenhouse", "gym", "lab", "office", "workshop", "ward"];

pub(super) struct Sensor {
    slot: u32,
    /// How many sensors have had this place before.
    life: u32,
    kind: &'static Kind,
    connector_id: String,
    connector_name: String,
    leave: mpsc::Receiver<()>,
    /// Whether it is counted as registered: a lost connection may be told before a channel is left, or instead.
    registered: bool,
    world: World,
}

/// How the life of a sensor ended.
enum End {
    /// It was told to leave; another takes its place.
    Replaced,
    /// Its channel is closed for good.
    Closed,
}

impl Sensor {
    pub(super) fn new(
        slot: u32,
        connector_id: &str,
        connector_name: &str,
        leave: mpsc::Receiver<()>,
        world: World,
    ) -> Self {
        let kind = world.plan.kinds[slot as usize % world.plan.kinds.len()];
        let (connector_id, connector_name) = (connector_id.to_owned(), connector_name.to_owned());
        Self { slot, life: 0, kind, connector_id, connector_name, leave, registered: false, world }
    }

    pub(super) async fn run(mut self, client: Client) {
        let stopping = self.world.stopping.clone();
        let lives = async {
            while let Some(channel) = self.register(&client).await {
                match self.live(channel).await {
                    End::Replaced => self.life += 1,
                    End::Closed => return,
                }
            }
        };
        stopping.run_until_cancelled(lives).await;
    }

    /// Registers, asking again while there is no connection; none if the node refuses.
    async fn register(&mut self, client: &Client) -> Option<Channel> {
        let answer = loop {
            match client.join(format!("sensocto:sensor:{}", self.id()), self.params()).await {
                Err(JoinError::Disconnected | JoinError::Timeout) => sleep(ASK_AGAIN).await,
                answer => break answer,
            }
        };
        let channel = match answer {
            Ok(channel) => {
                self.count(true);
                Some(channel)
            }
            Err(error) => {
                self.world.tally.failed(format!("sensor {}: {error}", self.id()));
                None
            }
        };
        if self.life == 0 {
            self.world.settled.send_modify(|settled| *settled += 1);
        }
        channel
    }

    async fn live(&mut self, mut channel: Channel) -> End {
        let seed = u64::from(self.slot) << 32 | u64::from(self.life);
        let (mut course, mut random) = (Course::new(seed), Random::new(seed));
        let (period, start) = (Duration::from_secs_f64(1.0 / self.world.plan.rate), Instant::now());
        // Sensors that start together must not measure together for ever.
        let mut ticks = interval_at(start + period.mul_f64(random.unit()), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut batch = Batch::new();
        loop {
            let due = batch.due_at().map(Instant::from_std);
            tokio::select! {
                now = ticks.tick() => {
                    let seconds = (now - start).as_secs_f64();
                    for attribute in self.kind.attributes {
                        batch.push(measurement(attribute, course.value(attribute, seconds)), now.into_std());
                    }
                }
                () = sleep_until(due.unwrap_or(start)), if due.is_some() => {}
                event = channel.next() => match event {
                    Some(event) => self.hear(&event, &mut batch),
                    None => return End::Closed,
                },
                Some(()) = self.leave.recv() => {
                    self.count(false);
                    // The node may be gone, and the sensor with it; it has left either way.
                    let _ = channel.leave().await;
                    return End::Replaced;
                }
            }
            if let Some(measurements) = batch.take_due(Instant::now().into_std()) {
                let count = measurements.len();
                // Without a connection what was measured is lost, as it is with a real sensor that does not store.
                if channel.send("measurements_batch", measurements).await.is_ok() {
                    self.world.tally.measured(count);
                }
            }
        }
    }

    fn hear(&mut self, event: &ChannelEvent, batch: &mut Batch) {
        match event {
            ChannelEvent::Message { event, payload } if event == "backpressure_config" => {
                if let Ok(recommendation) = serde_json::from_str::<Recommendation>(payload.get()) {
                    batch.follow(recommendation);
                }
            }
            ChannelEvent::Rejoined { .. } => self.count(true),
            ChannelEvent::Disconnected => self.count(false),
            ChannelEvent::Closed => {
                self.count(false);
                self.world.tally.failed(format!("sensor {}: its channel was closed", self.id()));
            }
            ChannelEvent::Message { .. } | ChannelEvent::Binary { .. } | ChannelEvent::Lagged => {}
        }
    }

    fn count(&mut self, registered: bool) {
        match (self.registered, registered) {
            (false, true) => self.world.tally.registered(),
            (true, false) => self.world.tally.unregistered(),
            (true, true) | (false, false) => {}
        }
        self.registered = registered;
    }

    fn id(&self) -> String {
        let (run, slot) = (&self.world.run, self.slot + 1);
        let generation = if self.life == 0 { String::new() } else { format!("-{}", self.life + 1) };
        format!("sim-{run}-{slot:04}{generation}")
    }

    fn params(&self) -> Value {
        let plan = &self.world.plan;
        let described = |id: &&str| {
            ((*id).to_owned(), json!({"attribute_id": id, "attribute_type": id, "sampling_rate": plan.rate}))
        };
        let attributes: Map<String, Value> = self.kind.attributes.iter().map(described).collect();
        let mut params = json!({
            "connector_id": self.connector_id, "connector_name": self.connector_name,
            "sensor_id": self.id(), "sensor_name": format!("{} {}", self.kind.title, self.slot + 1),
            "sensor_type": self.kind.name, "attributes": attributes,
            "sampling_rate": plan.rate, "batch_size": 5, "bearer_token": plan.token
        });
        if let Some(room) = room(self.slot, plan.rooms) {
            params["room_id"] = room.into();
        }
        params
    }
}

/// Every second sensor is in a room.
fn room(slot: u32, rooms: u32) -> Option<String> {
    let number = (slot / 2).checked_rem(rooms).filter(|_| slot.is_multiple_of(2))?;
    Some(ROOMS.get(number as usize).map_or_else(|| format!("room-{}", number + 1), |name| (*name).to_owned()))
}

fn measurement(attribute: &str, payload: Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    json!({"attribute_id": attribute, "payload": payload, "timestamp": u64::try_from(now).unwrap_or(u64::MAX)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_sensors_are_spread_over_the_rooms() {
        let rooms: Vec<Option<String>> = (0..8).map(|slot| room(slot, 2)).collect();
        let placed: Vec<&str> = rooms.iter().flatten().map(String::as_str).collect();
        assert_eq!(placed, ["greenhouse", "gym", "greenhouse", "gym"]);
        assert_eq!(room(0, 0), None);
        assert_eq!(room(12, 9), Some("room-7".to_owned()));
    }
}

//! One socket and the sensors behind it.

use std::ops::Range;

use sensocto_client::{ChannelEvent, Client};
use serde_json::json;
use tokio::sync::mpsc;

use super::World;
use super::sensor::Sensor;

pub(super) struct Connector {
    client: Client,
    id: String,
    name: String,
    sensors: Vec<Sensor>,
    world: World,
}

impl Connector {
    /// A connector, and for each of its sensors the way to tell it to leave.
    pub(super) fn new(client: Client, index: usize, slots: Range<u32>, world: World) -> (Vec<mpsc::Sender<()>>, Self) {
        let id = format!("sim-{}-connector-{:02}", world.run, index + 1);
        let name = format!("Simulator {}", index + 1);
        let (senders, sensors) = slots
            .map(|slot| {
                let (sender, leave) = mpsc::channel(1);
                (sender, Sensor::new(slot, &id, &name, leave, world.clone()))
            })
            .unzip();
        (senders, Self { client, id, name, sensors, world })
    }

    pub(super) async fn run(self) {
        let Self { client, id, name, sensors, world } = self;
        let stopping = world.stopping.clone();
        let work = async {
            let params = json!({
                "connector_id": id, "connector_name": name, "connector_type": "simulator", "features": [],
                "bearer_token": world.plan.token
            });
            let mut channel = match client.join(format!("sensocto:connector:{id}"), params).await {
                Ok(channel) => Some(channel),
                Err(error) => {
                    world.tally.failed(format!("connector {id}: {error}"));
                    None
                }
            };
            for sensor in sensors {
                world.tasks.spawn(sensor.run(client.clone()));
            }
            while let Some(event) = next_event(&mut channel).await {
                if let ChannelEvent::Rejoined { .. } = event {
                    world.tally.reconnected();
                }
            }
        };
        stopping.run_until_cancelled(work).await;
        client.close().await;
    }
}

/// The next event of a channel; waits for ever where there is none, because the sensors go on without it.
async fn next_event(channel: &mut Option<sensocto_client::Channel>) -> Option<ChannelEvent> {
    let event = match channel {
        Some(channel) => channel.next().await,
        None => None,
    };
    match event {
        Some(event) => Some(event),
        None => std::future::pending().await,
    }
}

//! Simulated people: present for as long as the simulation runs.

use sensocto_client::{ChannelEvent, Client};
use serde_json::json;

use super::World;

const DEVICES: [&str; 3] = ["desktop", "phone", "tablet"];

pub(super) async fn run(client: Client, index: usize, world: World) {
    let stopping = world.stopping.clone();
    stopping.run_until_cancelled(be_present(&client, index, &world)).await;
    client.close().await;
}

async fn be_present(client: &Client, index: usize, world: &World) {
    let name = &world.plan.users[index].name;
    let params = json!({"device": DEVICES[index % DEVICES.len()], "mode": "viewer", "user_name": name});
    let mut channel = match client.join("presence:all", params).await {
        Ok(channel) => channel,
        Err(error) => return world.tally.failed(format!("user {name}: {error}")),
    };
    world.tally.user_joined();
    let mut present = true;
    while let Some(event) = channel.next().await {
        let now = match event {
            ChannelEvent::Disconnected | ChannelEvent::Closed => false,
            ChannelEvent::Rejoined { .. } => true,
            ChannelEvent::Message { .. } | ChannelEvent::Binary { .. } | ChannelEvent::Lagged => present,
        };
        match (present, now) {
            (false, true) => world.tally.user_joined(),
            (true, false) => world.tally.user_left(),
            (true, true) | (false, false) => {}
        }
        present = now;
    }
}

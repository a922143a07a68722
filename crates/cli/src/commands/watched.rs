//! Topics that are watched until somebody asks this program to end.

use std::time::Duration;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use serde_json::Value;

use crate::api::host_of;
use crate::args::NodeArgs;
use crate::failure::Failure;
use crate::{output, stop};

/// Joins a topic and prints what comes: as it is with `--json`, else the lines that `lines` makes of an event and its payload.
pub(super) async fn watch(
    args: &NodeArgs,
    topic: &str,
    params: Value,
    lines: impl FnMut(&str, &str) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    let url = format!("ws://{}", host_of(&args.url)?);
    let options = ClientOptions { token: args.token.clone(), ..ClientOptions::new([url]) };
    let client = Client::connect(options)
        .await
        .map_err(|error| Failure::failed(format!("{error}; is a node running there?")))?;
    let mut channel = client.join(topic, params).await.map_err(Failure::failed)?;
    let outcome = tokio::select! {
        outcome = show(&mut channel, args.json, lines) => outcome,
        outcome = stop::requested() => outcome,
    };
    // Nobody waits for a goodbye to a node that is slow.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.close()).await;
    outcome
}

async fn show(
    channel: &mut Channel,
    json: bool,
    mut lines: impl FnMut(&str, &str) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    while let Some(event) = channel.next().await {
        match event {
            ChannelEvent::Message { event, payload } if json => {
                let event = Value::from(event);
                output::line(&format!(r#"{{"event":{event},"payload":{}}}"#, payload.get()))?;
            }
            ChannelEvent::Message { event, payload } => {
                for line in lines(&event, payload.get())? {
                    output::line(&line)?;
                }
            }
            ChannelEvent::Lagged => channel.rejoin().await.map_err(Failure::failed)?,
            ChannelEvent::Disconnected if json => output::line(r#"{"event":"disconnected"}"#)?,
            ChannelEvent::Disconnected => output::line("! the connection is lost; trying again")?,
            ChannelEvent::Closed => return Err(Failure::failed("the node closed the topic")),
            ChannelEvent::Rejoined { .. } | ChannelEvent::Binary { .. } => {}
        }
    }
    Ok(())
}

/// A payload that this program cannot read.
pub(super) fn unknown(error: serde_json::Error) -> Failure {
    Failure::failed(format!("the node said what this program does not know: {error}"))
}

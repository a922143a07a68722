//! Redis: the entries are a hash, each change is published, and each member keeps a map of its own.
//!
//! A member subscribes before it reads the hash, so that nothing is missed; a change that it hears twice changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use redis::AsyncCommands as _;
use tokio::sync::Notify;

use crate::Failure;
use crate::part::{Order, Orders, Watch, say_ready, value};

const HASH: &str = "world";
const CHANNEL: &str = "changes";
/// Commands that are sent without waiting for the answer to the first.
const PIPELINE: usize = 1_000;

pub(super) async fn writer(place: &str) -> Result<(), Failure> {
    let client = redis::Client::open(format!("redis://{place}/"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut orders = Orders::new();
    say_ready();
    while let Some(order) = orders.next().await? {
        let (keys, puts) = match &order {
            Order::Put(keys) => (keys, true),
            Order::Remove(keys) => (keys, false),
        };
        for part in keys.chunks(PIPELINE) {
            let mut pipe = redis::pipe();
            for key in part {
                if puts {
                    let value = value(key);
                    pipe.hset(HASH, key, &value).ignore().publish(CHANNEL, format!("{key} {value}")).ignore();
                } else {
                    pipe.hdel(HASH, key).ignore().publish(CHANNEL, key).ignore();
                }
            }
            pipe.query_async::<()>(&mut connection).await?;
        }
    }
    Ok(())
}

pub(super) async fn member(place: &str) -> Result<(), Failure> {
    let client = redis::Client::open(format!("redis://{place}/"))?;
    let mut changes = client.get_async_pubsub().await?;
    changes.subscribe(CHANNEL).await?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let map: HashMap<String, String> = connection.hgetall(HASH).await?;
    let map = Arc::new(Mutex::new(map));
    let end = Arc::new(Notify::new());
    let (asked, told) = (Arc::clone(&map), Arc::clone(&end));
    let held = move || asked.lock().unwrap_or_else(PoisonError::into_inner).len();
    let watch = Watch::start(held, move || told.notify_one());
    say_ready();
    let mut messages = changes.into_on_message();
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = end.notified() => None,
        };
        let Some(message) = message else { return Ok(()) };
        let payload: String = message.get_payload()?;
        let count = {
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            match payload.split_once(' ') {
                Some((key, value)) => {
                    map.insert(key.to_owned(), value.to_owned());
                    watch.has(key);
                }
                None => drop(map.remove(&payload)),
            }
            map.len()
        };
        watch.holds(count);
    }
}

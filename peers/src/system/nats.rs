//! NATS: a key-value bucket of JetStream in the server's memory; each member watches it and keeps a map of its own.

use std::collections::{HashMap, VecDeque};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream::{self, kv, stream::StorageType};
use futures_util::StreamExt as _;
use tokio::sync::Notify;

use crate::Failure;
use crate::part::{Order, Orders, Watch, say_ready, value};

const BUCKET: &str = "world";
/// Publications whose acknowledgement is not waited for yet.
const IN_FLIGHT: usize = 1_000;

async fn bucket(place: &str) -> Result<(jetstream::Context, kv::Store), Failure> {
    let context = jetstream::new(async_nats::connect(format!("nats://{place}")).await?);
    let config =
        kv::Config { bucket: BUCKET.into(), history: 1, storage: StorageType::Memory, ..kv::Config::default() };
    let store = context.create_key_value(config).await?;
    Ok((context, store))
}

pub(super) async fn writer(place: &str) -> Result<(), Failure> {
    let (context, store) = bucket(place).await?;
    let mut orders = Orders::new();
    say_ready();
    while let Some(order) = orders.next().await? {
        match order {
            // What `Store::put` does, without waiting for each acknowledgement before the next one.
            Order::Put(keys) => {
                let mut waiting = VecDeque::with_capacity(IN_FLIGHT);
                for key in keys {
                    let subject = format!("$KV.{BUCKET}.{key}");
                    waiting.push_back(context.publish(subject, value(&key).into()).await?);
                    if waiting.len() >= IN_FLIGHT
                        && let Some(oldest) = waiting.pop_front()
                    {
                        oldest.into_future().await?;
                    }
                }
                for acknowledgement in waiting {
                    acknowledgement.into_future().await?;
                }
            }
            Order::Remove(keys) => {
                let removals = futures_util::stream::iter(keys).map(|key| {
                    let store = store.clone();
                    async move { store.delete(&key).await }
                });
                let mut removals = removals.buffer_unordered(IN_FLIGHT);
                while let Some(removed) = removals.next().await {
                    removed?;
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn member(place: &str) -> Result<(), Failure> {
    let (_context, store) = bucket(place).await?;
    // From the first revision on: with a history of one, what has been replaced is not there any more. Of a bucket without entries the
    // client would see the end instead of what comes.
    let mut changes = match store.status().await?.values() {
        0 => store.watch_all().await?,
        _ => store.watch_all_from_revision(1).await?,
    };
    let map: Arc<Mutex<HashMap<String, bytes::Bytes>>> = Arc::default();
    let end = Arc::new(Notify::new());
    let (asked, told) = (Arc::clone(&map), Arc::clone(&end));
    let held = move || asked.lock().unwrap_or_else(PoisonError::into_inner).len();
    let watch = Watch::start(held, move || told.notify_one());
    say_ready();
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = end.notified() => None,
        };
        let Some(change) = change.transpose()? else { return Ok(()) };
        let count = {
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            match change.operation {
                kv::Operation::Put => {
                    watch.has(&change.key);
                    map.insert(change.key, change.value);
                }
                kv::Operation::Delete | kv::Operation::Purge => drop(map.remove(&change.key)),
            }
            map.len()
        };
        watch.holds(count);
    }
}

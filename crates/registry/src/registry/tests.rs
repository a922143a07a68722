//! Whole registries: what must never happen, and laws of clusters.

mod forged;
mod laws;
mod models;
mod moves;
mod namesakes;
mod never;
mod nodes;
mod ranges;
mod regressions;
mod repair;

use crate::testing::{Cluster, ms};
use crate::{Config, EventKind, Freshness};

/// Three nodes that know each other and are idle.
fn three() -> Cluster {
    three_with(crate::testing::config())
}

fn three_with(config: Config) -> Cluster {
    let mut cluster = Cluster::new(1, &["a", "b", "c"], config);
    cluster.run(ms(3_000));
    cluster
}

/// One event in short: what happened, to which id, at whose node.
fn told(kind: EventKind, id: &str, node: &str) -> (EventKind, String, String) {
    (kind, id.to_owned(), node.to_owned())
}

/// How fresh a sensor is on a node, and whose it is there.
fn freshness(cluster: &mut Cluster, viewer: &str, id: &str) -> Option<(Freshness, String)> {
    let (view, now) = (cluster.view(viewer), cluster.now);
    let held = view.get(sensocto_model::Kind::Sensor, id)?;
    Some((view.freshness(held, now).0, held.origin.to_string()))
}

fn refused(cluster: &mut Cluster, node: &str, reason: &str) -> u64 {
    cluster.registry(node).counters().refused.get(reason).copied().unwrap_or(0)
}

//! `sensocto cluster status`.

use sensocto_node::NodeName;
use serde_json::value::RawValue;

use crate::api::{Api, Health, NodeLoad};
use crate::args::{NodeArgs, OnOff};
use crate::failure::Failure;
use crate::output::{self, Table, printable};

pub(crate) const HEALTH: &str = "/api/v1/cluster/health";
const NODES: &str = "/api/v1/cluster/nodes";
const LEAVE: &str = "/api/v1/cluster/leave";
const JOIN: &str = "/api/v1/cluster/join";
const LIVE_QUERIES: &str = "/api/v1/cluster/live_queries";

pub(super) fn status(args: &NodeArgs) -> Result<(), Failure> {
    let api = Api::new(&args.url, args.token.as_deref())?;
    let raw: Box<RawValue> = api.get(HEALTH, &[])?;
    if args.json {
        return Ok(output::line(raw.get())?);
    }
    let health: Health = serde_json::from_str(raw.get())
        .map_err(|error| Failure::failed(format!("the node answered what this program does not know: {error}")))?;
    for line in shown(&health) {
        output::line(&line)?;
    }
    Ok(())
}

/// Says that an unreachable node will not come back.
pub(super) fn forget(name: &str, args: &NodeArgs) -> Result<(), Failure> {
    // Part of a path: what is no node's name is refused here, before it becomes part of another one.
    let name = NodeName::new(name).map_err(Failure::usage)?;
    Api::new(&args.url, args.token.as_deref())?.delete(&format!("{NODES}/{name}"))?;
    Ok(output::line(&format!("{name} is forgotten by the node at {}", args.url))?)
}

/// Lets a node leave the cluster, or join it again.
pub(super) fn set_apart(apart: bool, args: &NodeArgs) -> Result<(), Failure> {
    let (path, done) = if apart { (LEAVE, "works alone") } else { (JOIN, "takes part in the cluster") };
    Api::new(&args.url, args.token.as_deref())?.post(path)?;
    Ok(output::line(&format!("the node at {} {done}", args.url))?)
}

/// Turns live queries of a node on or off.
pub(super) fn set_live_queries(state: OnOff, args: &NodeArgs) -> Result<(), Failure> {
    let api = Api::new(&args.url, args.token.as_deref())?;
    let done = match state {
        OnOff::On => api.put(LIVE_QUERIES).map(|()| "answers live queries"),
        OnOff::Off => api.delete(LIVE_QUERIES).map(|()| "answers no live queries: its clients poll"),
    };
    Ok(output::line(&format!("the node at {} {}", args.url, done?))?)
}

fn shown(health: &Health) -> Vec<String> {
    let Health { node, sensors, connectors, rooms, users, identical, nodes, joining, apart, live_queries, room_store } =
        health;
    let mut lines = vec![format!(
        "node {}: {sensors} sensors, {connectors} connectors, {rooms} rooms, {users} users; identical on {} of {} nodes",
        printable(node),
        identical.nodes,
        identical.of
    )];
    if *apart {
        lines.push("it left the cluster and works alone (`sensocto cluster join` ends that)".to_owned());
    }
    if room_store.as_ref().is_some_and(|store| store.on_disk && !store.writable) {
        lines.push("its disk takes no writes: other nodes decide about rooms".to_owned());
    }
    if !live_queries {
        lines.push("it answers no live queries (`sensocto cluster live-queries on` ends that)".to_owned());
    }
    lines.push(String::new());
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut table = Table::new(&[
        "NODE",
        "STATE",
        "FRESHNESS",
        "SENSORS",
        "BEHIND",
        "DIGEST",
        "BREAKER",
        "RTT",
        "LOAD",
        "CPU",
        "MEMORY",
        "QUEUES",
        "SINCE",
        "CLIENTS",
        "CAUSE",
    ]);
    for node in nodes {
        let percent = |part: fn(&NodeLoad) -> u8| or_dash(node.load.as_ref().map(|load| format!("{} %", part(load))));
        table.row([
            node.name.clone(),
            node.state.clone(),
            node.freshness.clone(),
            node.sensors.to_string(),
            or_dash(node.versions_behind.map(|behind| behind.to_string())),
            or_dash(node.digest_age_ms.map(|age| format!("{} ago", output::time(age)))),
            node.breaker.clone(),
            or_dash(node.round_trip_us.map(|took| format!("{:.1} ms", took as f64 / 1_000.0))),
            or_dash(node.load.as_ref().map(|load| load.level.clone())),
            percent(|load| load.cpu_percent),
            percent(|load| load.memory_percent),
            percent(|load| load.queues_percent),
            output::time(node.since_ms),
            or_dash(node.url.clone()),
            node.cause.clone().unwrap_or_default(),
        ]);
    }
    lines.extend(table.lines());
    if !joining.is_empty() {
        let mut table = Table::new(&["JOINING", "STATE", "SINCE"]);
        for peer in joining {
            table.row([peer.address.clone(), peer.state.clone(), output::time(peer.since_ms)]);
        }
        lines.push(String::new());
        lines.extend(table.lines());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_there_yet_is_shown() {
        let health: Health = serde_json::from_value(serde_json::json!({
            "node": "a", "generation": 1, "sensors": 300, "connectors": 12, "rooms": 3, "users": 5, "room_store": {"on_disk": true, "writable": false, "ready": true, "identical": 0, "of": 1},
            "identical": {"nodes": 1, "of": 2},
            "nodes": [
                {"name": "a", "generation": 1, "state": "local", "freshness": "fresh", "since_ms": 61_000, "digest_age_ms": null,
                 "cause": null, "sensors": 200, "versions_behind": null, "breaker": "closed", "failures": 0,
                 "load": {"level": "elevated", "memory_protection": false, "cpu_percent": 61, "fan_out_percent": 0, "queues_percent": 3, "memory_percent": 40, "age_ms": 0}},
                {"name": "b", "generation": 1, "state": "suspect", "freshness": "stale", "since_ms": 900, "digest_age_ms": 2_100,
                 "cause": "no digest for 2.1 s", "sensors": 100, "versions_behind": 3, "breaker": "open", "failures": 3, "round_trip_us": 800, "url": "http://127.0.0.1:4002"}
            ],
            "joining": [{"address": "127.0.0.1:7403", "state": "retrying", "since_ms": 2_000}]
        }))
        .expect("the form that a node gives");
        let expected = "\
node a: 300 sensors, 12 connectors, 3 rooms, 5 users; identical on 1 of 2 nodes
its disk takes no writes: other nodes decide about rooms

NODE  STATE    FRESHNESS  SENSORS  BEHIND  DIGEST     BREAKER  RTT     LOAD      CPU   MEMORY  QUEUES  SINCE   CLIENTS                CAUSE
a     local    fresh      200      -       -          closed   -       elevated  61 %  40 %    3 %     1 min   -
b     suspect  stale      100      3       2.1 s ago  open     0.8 ms  -         -     -       -       900 ms  http://127.0.0.1:4002  no digest for 2.1 s

JOINING         STATE     SINCE
127.0.0.1:7403  retrying  2.0 s";
        assert_eq!(shown(&health).join("\n"), expected);
    }
}

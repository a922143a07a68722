//! `sensocto sensors list` and `sensors watch`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::watched::unknown;
use super::{paged, watched};
use crate::api::{Api, Sensor};
use crate::args::{FilterArgs, NodeArgs, OrderArgs};
use crate::failure::Failure;
use crate::output::{self, Table, printable};

pub(super) fn list(args: &NodeArgs, filter: &FilterArgs, order: &OrderArgs, limit: Option<u64>) -> Result<(), Failure> {
    let api = Api::new(&args.url, args.token.as_deref())?;
    let given = [filter.given(), order.given()].concat();
    let read = paged::read(&api, "sensors", &given, limit.unwrap_or(u64::MAX))?;
    if args.json {
        return paged::print_json("sensors", &read);
    }
    let mut table = Table::new(&["SENSOR", "NAME", "TYPE", "CONNECTOR", "ROOM", "NODE", "FRESHNESS"]);
    for sensor in &read.lines {
        let sensor: Sensor = serde_json::from_str(sensor.get()).map_err(unknown)?;
        let room = sensor.room_id.unwrap_or_else(|| "-".to_owned());
        table.row([
            sensor.sensor_id,
            sensor.sensor_name,
            sensor.sensor_type,
            sensor.connector_name,
            room,
            sensor.node,
            sensor.freshness,
        ]);
    }
    for line in table.lines() {
        output::line(&line)?;
    }
    Ok(output::line(&format!("{} of {} sensors", read.lines.len(), read.total))?)
}

pub(super) async fn watch(args: &NodeArgs, filter: &FilterArgs) -> Result<(), Failure> {
    let params: Map<String, Value> =
        filter.given().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    watched::watch(args, "discovery:sensors", Value::Object(params), lines).await
}

#[derive(Deserialize)]
struct Snapshot {
    total: u64,
    last: bool,
    node: String,
}

#[derive(Deserialize)]
struct Diff {
    total: u64,
    joins: Vec<Sensor>,
    changes: Vec<Sensor>,
    leaves: Vec<Leave>,
}

#[derive(Deserialize)]
struct Leave {
    sensor_id: String,
    node: String,
    cause: String,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    state: String,
    freshness: String,
    cause: Option<String>,
}

/// What a person is told about an event: `+` came, `~` changed, `-` left, `*` a node, `=` how many there are.
fn lines(event: &str, payload: &str) -> Result<Vec<String>, Failure> {
    let lines = match event {
        "snapshot" => {
            let snapshot: Snapshot = serde_json::from_str(payload).map_err(unknown)?;
            let line = format!("= {} sensors, as node {} sees them", snapshot.total, printable(&snapshot.node));
            if snapshot.last { vec![line] } else { Vec::new() }
        }
        "diff" => {
            let diff: Diff = serde_json::from_str(payload).map_err(unknown)?;
            let joins = diff.joins.iter().map(|sensor| described('+', sensor));
            let changes = diff.changes.iter().map(|sensor| described('~', sensor));
            let leaves =
                diff.leaves.iter().map(|Leave { sensor_id, node, cause }| format!("- {sensor_id} on {node}: {cause}"));
            let lines = joins.chain(changes).chain(leaves);
            lines.chain([format!("= {} sensors", diff.total)]).map(|line| printable(&line)).collect()
        }
        "nodes" => {
            let Nodes { nodes } = serde_json::from_str(payload).map_err(unknown)?;
            let shown = |node: &Node| {
                let cause = node.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                printable(&format!("* node {} is {}, its sensors are {}{cause}", node.name, node.state, node.freshness))
            };
            nodes.iter().map(shown).collect()
        }
        _ => Vec::new(),
    };
    Ok(lines)
}

fn described(mark: char, sensor: &Sensor) -> String {
    let Sensor { sensor_id, sensor_name, sensor_type, connector_id, node, .. } = sensor;
    format!("{mark} {sensor_id} \"{sensor_name}\" ({sensor_type}, connector {connector_id}) on {node}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_reads_a_line_for_each_sensor() {
        let sensor = json!({"sensor_id": "s1", "sensor_name": "Gym\u{1b}", "sensor_type": "ecg", "connector_id": "c1",
            "connector_name": "Pi", "node": "b", "room_id": null, "freshness": "fresh"});
        let diff = json!({"seq": 13, "total": 7, "joins": [sensor], "changes": [],
            "leaves": [{"sensor_id": "s2", "node": "a", "cause": "unregistered"}]});
        let lines = lines("diff", &diff.to_string()).expect("known");
        assert_eq!(lines, ["+ s1 \"Gym\u{fffd}\" (ecg, connector c1) on b", "- s2 on a: unregistered", "= 7 sensors"]);
    }

    #[test]
    fn a_node_that_is_gone_is_told_with_its_cause() {
        let nodes = json!({"nodes": [{"name": "b", "generation": 1, "state": "unreachable", "freshness": "orphaned", "since_ms": 1,
            "cause": "its process ended", "sensors": 9}]});
        let lines = lines("nodes", &nodes.to_string()).expect("known");
        assert_eq!(lines, ["* node b is unreachable, its sensors are orphaned: its process ended"]);
    }

    #[test]
    fn a_snapshot_in_parts_is_told_once() {
        let part = |last: bool| {
            json!({"seq": 1, "first": !last, "last": last, "total": 700, "node": "a", "sensors": []}).to_string()
        };
        assert_eq!(lines("snapshot", &part(false)).expect("known"), Vec::<String>::new());
        assert_eq!(lines("snapshot", &part(true)).expect("known"), ["= 700 sensors, as node a sees them"]);
    }
}

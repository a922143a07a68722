//! `sensocto users list` and `users watch`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::watched::unknown;
use super::{paged, watched};
use crate::api::Api;
use crate::args::{NodeArgs, UsersFilterArgs};
use crate::failure::Failure;
use crate::output::{self, Table, printable};

#[derive(Deserialize)]
struct User {
    user_id: String,
    user_name: Option<String>,
    online: bool,
    last_seen_ms: Option<u64>,
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    device: Option<String>,
    room_id: Option<String>,
    node: String,
    freshness: String,
}

pub(super) fn list(args: &NodeArgs, filter: &UsersFilterArgs, limit: Option<u64>) -> Result<(), Failure> {
    let api = Api::new(&args.url, args.token.as_deref())?;
    let read = paged::read(&api, "users", &filter.given(), limit.unwrap_or(u64::MAX))?;
    if args.json {
        return paged::print_json("users", &read);
    }
    let mut table = Table::new(&["USER", "NAME", "STATUS", "CONNECTIONS", "NODES", "ROOMS", "DEVICES", "FRESHNESS"]);
    for user in &read.lines {
        let user: User = serde_json::from_str(user.get()).map_err(unknown)?;
        table.row(row(user));
    }
    for line in table.lines() {
        output::line(&line)?;
    }
    Ok(output::line(&format!("{} of {} users", read.lines.len(), read.total))?)
}

fn row(user: User) -> [String; 8] {
    let distinct = |word: &dyn Fn(&Connection) -> Option<String>| {
        let mut words: Vec<String> = user.connections.iter().filter_map(word).collect();
        words.sort();
        words.dedup();
        if words.is_empty() { "-".to_owned() } else { words.join(",") }
    };
    let status = match user.last_seen_ms {
        _ if user.online => "online".to_owned(),
        Some(ms) => format!("left at {ms}"),
        None => "left".to_owned(),
    };
    let (nodes, rooms) = (distinct(&|one| Some(one.node.clone())), distinct(&|one| one.room_id.clone()));
    let (devices, freshness) = (distinct(&|one| one.device.clone()), distinct(&|one| Some(one.freshness.clone())));
    let connections = user.connections.len().to_string();
    let name = user.user_name.unwrap_or_else(|| "-".to_owned());
    [user.user_id, name, status, connections, nodes, rooms, devices, freshness]
}

/// Watches a topic without being present.
pub(super) async fn watch(args: &NodeArgs, topic: &str) -> Result<(), Failure> {
    let mut people = People::default();
    let lines = |event: &str, payload: &str| people.lines(event, payload);
    watched::watch(args, &format!("presence:{topic}"), json!({"present": false}), lines).await
}

type Metas = BTreeMap<String, Presence>;

#[derive(Deserialize)]
struct Presence {
    metas: Vec<Meta>,
}

#[derive(Deserialize, Clone)]
struct Meta {
    phx_ref: String,
    user_name: String,
    node: String,
}

#[derive(Deserialize)]
struct Diff {
    joins: Metas,
    leaves: Metas,
}

#[derive(Deserialize)]
struct Nodes {
    unreachable: Vec<String>,
}

/// Who is here, as far as this program was told.
#[derive(Default)]
struct People(BTreeMap<String, Vec<Meta>>);

impl People {
    /// What a person is told about an event: `+` came, `~` changed, `-` left, `*` a node, `=` how many there are.
    fn lines(&mut self, event: &str, payload: &str) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        match event {
            "presence_state" => {
                let state: Metas = serde_json::from_str(payload).map_err(unknown)?;
                self.0 = state.into_iter().map(|(user, presence)| (user, presence.metas)).collect();
            }
            "presence_diff" => {
                let Diff { joins, leaves } = serde_json::from_str(payload).map_err(unknown)?;
                lines = self.apply(joins, leaves);
            }
            "nodes" => {
                let Nodes { unreachable } = serde_json::from_str(payload).map_err(unknown)?;
                let which = if unreachable.is_empty() { "none".to_owned() } else { unreachable.join(", ") };
                return Ok(vec![printable(&format!("* unreachable nodes: {which}"))]);
            }
            _ => return Ok(lines),
        }
        lines.push(format!("= {} users", self.0.len()));
        Ok(lines)
    }

    fn apply(&mut self, joins: Metas, leaves: Metas) -> Vec<String> {
        let mut before: BTreeMap<String, bool> = BTreeMap::new();
        for (user, presence) in joins {
            before.insert(user.clone(), self.0.contains_key(&user));
            let metas = self.0.entry(user).or_default();
            for meta in presence.metas {
                if metas.iter().all(|known| known.phx_ref != meta.phx_ref) {
                    metas.push(meta);
                }
            }
        }
        for (user, presence) in leaves {
            before.entry(user.clone()).or_insert(self.0.contains_key(&user));
            let Some(metas) = self.0.get_mut(&user) else { continue };
            metas.retain(|known| presence.metas.iter().all(|left| left.phx_ref != known.phx_ref));
            if metas.is_empty() {
                self.0.remove(&user);
            }
        }
        let line = |(user, was): (&String, &bool)| match (self.0.get(user), was) {
            (Some(metas), was) => {
                let mark = if *was { '~' } else { '+' };
                let name = metas.last().map(|meta| meta.user_name.as_str()).unwrap_or_default();
                let nodes: Vec<&str> = metas.iter().map(|meta| meta.node.as_str()).collect();
                printable(&format!("{mark} {user} \"{name}\" on {}", nodes.join(", ")))
            }
            (None, _) => printable(&format!("- {user}")),
        };
        before.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_person_reads_a_line_for_each_user_that_comes_changes_or_leaves() {
        let meta = |phx_ref: &str, node: &str| json!({"metas": [{"phx_ref": phx_ref, "user_name": "Ada\u{1b}", "node": node}]});
        let mut people = People::default();
        let mut hear = |event: &str, payload: Value| people.lines(event, &payload.to_string()).expect("known");
        assert_eq!(hear("presence_state", json!({})), ["= 0 users"]);
        let joins = json!({"joins": {"ada": meta("1", "a")}, "leaves": {}});
        assert_eq!(hear("presence_diff", joins), ["+ ada \"Ada\u{fffd}\" on a", "= 1 users"]);
        let moves = json!({"joins": {"ada": meta("2", "b")}, "leaves": {"ada": meta("1", "a")}});
        assert_eq!(hear("presence_diff", moves), ["~ ada \"Ada\u{fffd}\" on b", "= 1 users"]);
        assert_eq!(hear("nodes", json!({"unreachable": ["b"]})), ["* unreachable nodes: b"]);
        let leaves = json!({"joins": {}, "leaves": {"ada": meta("2", "b")}});
        assert_eq!(hear("presence_diff", leaves), ["- ada", "= 0 users"]);
    }
}

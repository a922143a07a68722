//! Whether the nodes of a demonstration agree in the end.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::nodes::Member;
use crate::api::{Api, Health};
use crate::commands::cluster::HEALTH;

/// How long the nodes may take to agree once nothing changes any more; digests are exchanged every second.
const SETTLE_WITHIN: Duration = Duration::from_secs(15);

/// Health sends no event of its own, so it is asked for this often.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How long a node may take to answer. One that is stopped takes all of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What the first node to answer says about the cluster, so that one that is stopped holds nothing up.
pub(crate) async fn ask_any(members: &[Member]) -> Option<Health> {
    let mut asking = questions(members);
    while let Some(answer) = asking.join_next().await {
        if let Ok(Some((_, health))) = answer {
            return Some(health);
        }
    }
    None
}

/// What each node that answers says about the cluster, in the order of the nodes.
async fn ask_all(members: &[Member]) -> Vec<Option<Health>> {
    let mut answers: Vec<Option<Health>> = members.iter().map(|_| None).collect();
    for (index, health) in questions(members).join_all().await.into_iter().flatten() {
        answers[index] = Some(health);
    }
    answers
}

fn questions(members: &[Member]) -> JoinSet<Option<(usize, Health)>> {
    let mut asking = JoinSet::new();
    for (index, member) in members.iter().enumerate().filter(|(_, member)| member.is_alive()) {
        let url = member.lobby();
        asking.spawn_blocking(move || {
            let api = Api::new(&url, None).ok()?.answer_within(ANSWER_WITHIN);
            Some((index, api.get::<Health>(HEALTH, &[]).ok()?))
        });
    }
    asking
}

/// Waits until every node lists every node alive and proved, with `sensors` sensors.
///
/// # Errors
/// What differed until the end.
pub(crate) async fn converged(members: &[Member], sensors: u64) -> Result<(), Vec<String>> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let next = Instant::now() + ASK_EVERY;
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let differences = differences(&names, &ask_all(members).await, sensors);
        if differences.is_empty() {
            return Ok(());
        }
        if next > deadline {
            return Err(differences);
        }
        sleep_until(next).await;
    }
}

fn differences(names: &[&str], answers: &[Option<Health>], sensors: u64) -> Vec<String> {
    let each = names.iter().zip(answers);
    each.flat_map(|(name, answer)| match answer {
        Some(health) => differences_at(name, health, names, sensors),
        None => vec![format!("node {name} does not answer")],
    })
    .collect()
}

/// What one node sees otherwise than it should be.
fn differences_at(at: &str, health: &Health, names: &[&str], sensors: u64) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        match health.nodes.iter().find(|node| node.name == *name) {
            None => found.push(format!("node {at} does not list node {name}")),
            Some(node) if !matches!(node.state.as_str(), "local" | "alive") || node.freshness != "fresh" => {
                found.push(format!("node {at} sees node {name} as {} and {}", node.state, node.freshness));
            }
            Some(_) => {}
        }
    }
    if health.sensors != sensors {
        found.push(format!("node {at} counts {} sensors, not {sensors}", health.sensors));
    }
    let (same, of) = (health.identical.nodes, health.identical.of);
    if (same, of) != (names.len() as u64, names.len() as u64) {
        found.push(format!("node {at} has proof of the same world on {same} of {of} nodes, not on {}", names.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(states: &[(&str, &str, &str)], sensors: u64, identical: u64) -> Health {
        let node = |(name, state, freshness): &(&str, &str, &str)| {
            json!({"name": name, "generation": 1, "state": state, "freshness": freshness, "since_ms": 1, "digest_age_ms": null,
                "cause": null, "sensors": 1, "versions_behind": null, "breaker": "closed", "failures": 0})
        };
        serde_json::from_value(json!({"node": "a", "generation": 1, "sensors": sensors, "connectors": 1, "rooms": 0, "users": 0,
            "identical": {"nodes": identical, "of": 2}, "nodes": states.iter().map(node).collect::<Vec<_>>(), "joining": []}))
        .expect("the form that a node gives")
    }

    #[test]
    fn nodes_that_agree_differ_in_nothing() {
        let same = health(&[("a", "local", "fresh"), ("b", "alive", "fresh")], 300, 2);
        assert_eq!(differences(&["a", "b"], &[Some(same.clone()), Some(same)], 300), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_told_with_where_it_was_seen() {
        let other = health(&[("a", "local", "fresh"), ("b", "suspect", "stale")], 299, 1);
        assert_eq!(
            differences(&["a", "b"], &[Some(other), None], 300),
            [
                "node a sees node b as suspect and stale",
                "node a counts 299 sensors, not 300",
                "node a has proof of the same world on 1 of 2 nodes, not on 2",
                "node b does not answer"
            ]
        );
        let alone = health(&[("a", "local", "fresh")], 300, 2);
        assert_eq!(differences(&["a", "b"], &[Some(alone.clone()), Some(alone)], 300).len(), 2);
    }
}

//! `sensocto why`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::args::NodeArgs;
use crate::failure::Failure;
use crate::output::{self, printable};

#[derive(Deserialize)]
struct Why {
    asked: String,
    owner: Option<Holder>,
    others: Vec<Holder>,
    seen_ms_ago: Option<u64>,
    last_conflict: Option<Conflict>,
}

#[derive(Deserialize)]
struct Holder {
    node: String,
    generation: u64,
    version: u64,
    freshness: String,
    age_ms: u64,
}

#[derive(Deserialize)]
struct Conflict {
    from: String,
    to: String,
    ms_ago: u64,
}

pub(super) fn run(kind: &str, id: &str, args: &NodeArgs) -> Result<(), Failure> {
    if !["sensor", "connector", "presence"].contains(&kind) {
        return Err(Failure::Usage(format!("'{kind}' is no kind of entry; name sensor, connector or presence")));
    }
    let path = format!("/api/v1/why/{kind}/{}", encoded(id));
    let raw: Box<RawValue> = Api::new(&args.url, args.token.as_deref())?.get(&path, &[])?;
    if args.json {
        return Ok(output::line(raw.get())?);
    }
    let why: Why = serde_json::from_str(raw.get())
        .map_err(|error| Failure::failed(format!("the node answered what this program does not know: {error}")))?;
    for line in lines(kind, id, &why) {
        output::line(&printable(&line))?;
    }
    Ok(())
}

fn lines(kind: &str, id: &str, why: &Why) -> Vec<String> {
    let shown = |holder: &Holder| {
        let Holder { node, generation, version, freshness, age_ms } = holder;
        format!("node {node}, start {generation}, version {version}; {freshness}, proved {} ago", output::time(*age_ms))
    };
    let mut lines = vec![match &why.owner {
        Some(owner) => format!("{kind} {id}, as node {} sees it: owned by {}", why.asked, shown(owner)),
        None => format!("{kind} {id}, as node {} sees it: not in the world", why.asked),
    }];
    lines.extend(why.seen_ms_ago.map(|ago| format!("its last change was seen {} ago", output::time(ago))));
    lines.extend(why.others.iter().map(|other| format!("also held, by an older registration, by {}", shown(other))));
    lines.push(match &why.last_conflict {
        Some(Conflict { from, to, ms_ago }) => format!("taken over from {from} by {to}, {} ago", output::time(*ms_ago)),
        None => "no other node took it over, as far as that node remembers".to_owned(),
    });
    lines
}

/// An id as part of a path.
pub(super) fn encoded(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_a_path() {
        assert_eq!(encoded("ö/4 %..:x"), "%C3%B6%2F4%20%25..%3Ax");
    }

    #[test]
    fn a_person_reads_who_owns_it_and_who_held_it_before() {
        let why = serde_json::json!({"asked": "a", "kind": "sensor", "id": "s1", "others": [], "seen_ms_ago": 1_500,
            "owner": {"node": "b", "generation": 7, "version": 3, "freshness": "fresh", "age_ms": 400},
            "last_conflict": {"from": "c@1", "to": "b@7", "ms_ago": 2_000}});
        let expected = [
            "sensor s1, as node a sees it: owned by node b, start 7, version 3; fresh, proved 400 ms ago",
            "its last change was seen 1.5 s ago",
            "taken over from c@1 by b@7, 2.0 s ago",
        ];
        assert_eq!(lines("sensor", "s1", &serde_json::from_value(why).expect("the form of a node")), expected);
    }
}

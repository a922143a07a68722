//! A viewer that applies diffs, as the JavaScript client does, always sees what is there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Debug, Clone)]
enum Change {
    Join { key: u8 },
    Update { key: u8, nth: usize },
    Leave { key: u8, nth: usize },
    Send,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..3_u8).prop_map(|key| Change::Join { key }),
        3 => (0..3_u8, 0..3_usize).prop_map(|(key, nth)| Change::Update { key, nth }),
        2 => (0..3_u8, 0..3_usize).prop_map(|(key, nth)| Change::Leave { key, nth }),
        1 => Just(Change::Send),
    ]
}

type Seen = BTreeMap<String, BTreeSet<String>>;

/// Joins before leaves, as `Presence.syncDiff` has it.
fn apply(seen: &mut Seen, diff: &Json) {
    let diff: Value = serde_json::from_str(diff.as_str()).unwrap();
    for (key, phx_ref) in refs(&diff["joins"]) {
        seen.entry(key).or_default().insert(phx_ref);
    }
    for (key, phx_ref) in refs(&diff["leaves"]) {
        let metas = seen.get_mut(&key).expect("a leave follows its join");
        assert!(metas.remove(&phx_ref), "a leave follows its join");
        if metas.is_empty() {
            seen.remove(&key);
        }
    }
}

fn refs(metas: &Value) -> Vec<(String, String)> {
    let mut refs = Vec::new();
    for (key, presence) in metas.as_object().unwrap() {
        let metas = presence["metas"].as_array().unwrap();
        assert!(!metas.is_empty(), "a presence has metas");
        refs.extend(metas.iter().map(|meta| (key.clone(), meta["phx_ref"].as_str().unwrap().to_owned())));
    }
    refs
}

proptest! {
    #[test]
    fn a_viewer_that_applies_every_diff_sees_the_state(changes in vec(change(), 0..60)) {
        let mut here: BTreeMap<String, Vec<Meta>> = BTreeMap::new();
        let mut diff = Diff::new();
        let mut seen = Seen::new();
        for (number, change) in changes.iter().chain([&Change::Send]).enumerate() {
            let fresh = Meta::new(&format!("F{number}"), &BTreeMap::from([("n", number)])).unwrap();
            match change {
                Change::Join { key } => {
                    diff.join(&key.to_string(), &fresh);
                    here.entry(key.to_string()).or_default().push(fresh);
                }
                Change::Update { key, nth } => {
                    if let Some(meta) = here.get_mut(&key.to_string()).and_then(|metas| metas.get_mut(*nth)) {
                        diff.update(&key.to_string(), meta, &fresh);
                        *meta = fresh;
                    }
                }
                Change::Leave { key, nth } => {
                    if let Some(metas) = here.get_mut(&key.to_string()).filter(|metas| *nth < metas.len()) {
                        diff.leave(&key.to_string(), &metas.remove(*nth));
                    }
                }
                Change::Send => apply(&mut seen, &std::mem::take(&mut diff).to_json()),
            }
        }
        let pairs = here.iter().flat_map(|(key, metas)| metas.iter().map(move |meta| (key.as_str(), meta)));
        let state: Value = serde_json::from_str(state(pairs).as_str()).unwrap();
        let mut wanted = Seen::new();
        for (key, phx_ref) in refs(&state) {
            wanted.entry(key).or_default().insert(phx_ref);
        }
        prop_assert_eq!(seen, wanted);
    }
}

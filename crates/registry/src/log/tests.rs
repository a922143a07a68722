use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::message::Sets;
use crate::message::{self, Ask, Message};
use crate::set_hash::SetHash;
use crate::testing::{key, limits, origin, sensor, stamp, want};

const PLENTY: usize = 1 << 20;

fn put(log: &mut OriginLog, id: &str, name: &str) {
    log.put(key(id), sensor(id, name), stamp(1));
}

fn ids(puts: &[Put]) -> Vec<&str> {
    puts.iter().map(|put| put.key.id.as_str()).collect()
}

fn removed(delta: &Delta) -> Vec<(&str, u64)> {
    delta.removals.iter().map(|removal| (removal.key.id.as_str(), removal.version.0)).collect()
}

fn frames(answer: Answer) -> Vec<Message> {
    answer.map(|frame| message::decode(&frame).expect("a frame of an answer").1).collect()
}

fn ask(after: Option<u64>) -> Ask {
    Ask { id: 1, origin: origin("a", 1), want: want(after) }
}

/// `true` where the answer is the whole log, `false` where it is deltas.
fn is_whole(log: &OriginLog, after: Option<u64>) -> bool {
    let answer = Answer::from_origin(origin("a", 1), ask(after), log, limits(PLENTY));
    frames(answer).iter().any(|message| matches!(message, Message::Chunk(_)))
}

#[test]
fn an_empty_log_has_nothing_to_tell() {
    assert_eq!(OriginLog::default().delta(Version::ZERO, PLENTY), None);
}

#[test]
fn many_changes_of_one_key_are_one_line() {
    let mut log = OriginLog::default();
    for number in 0..1_000 {
        put(&mut log, "s1", &format!("name {number}"));
    }
    let delta = log.delta(Version::ZERO, PLENTY).expect("there is something");
    assert_eq!((delta.after, delta.upto), (Version(0), Version(1_000)));
    assert_eq!(ids(&delta.puts), ["s1"]);
    assert_eq!(delta.puts[0].body, sensor("s1", "name 999").encode());
    assert_eq!(delta.puts[0].version, Version(1_000));
}

#[test]
fn what_was_registered_and_removed_again_is_told_as_removed_only() {
    let mut log = OriginLog::default();
    put(&mut log, "s1", "x");
    put(&mut log, "s2", "x");
    log.remove(&key("s1"), None);
    let delta = log.delta(Version::ZERO, PLENTY).expect("there is something");
    assert_eq!(removed(&delta), [("s1", 3)]);
    assert_eq!(ids(&delta.puts), ["s2"]);
}

#[test]
fn what_was_removed_and_registered_again_is_told_as_there_only() {
    let mut log = OriginLog::default();
    put(&mut log, "s1", "x");
    log.remove(&key("s1"), None);
    put(&mut log, "s1", "y");
    let delta = log.delta(Version::ZERO, PLENTY).expect("there is something");
    assert_eq!((removed(&delta), ids(&delta.puts)), (vec![], vec!["s1"]));
    assert_eq!(log.tombstones(), 0);
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut log = OriginLog::default();
    assert!(log.remove(&key("s1"), None).is_none());
    assert_eq!((log.version(), log.tombstones()), (Version::ZERO, 0));
}

#[test]
fn each_delta_is_bounded_in_bytes_and_the_chain_tells_everything_once() {
    let mut log = OriginLog::default();
    for number in 0..200 {
        put(&mut log, &format!("s{number}"), "Greenhouse");
    }
    let bytes_max = 1_000;
    let line = put_bytes(&log.delta(Version::ZERO, 1).expect("one line").puts[0]);
    let (mut after, mut told) = (Version::ZERO, Vec::new());
    while let Some(delta) = log.delta(after, bytes_max) {
        assert_eq!(delta.after, after);
        assert!(delta.upto > after, "a delta goes forward");
        let bytes: usize = delta.puts.iter().map(put_bytes).sum();
        assert!(bytes < bytes_max + line + 2, "{bytes} bytes");
        let frame = message::encode(&origin("a", 1), &Message::Delta(delta.clone()));
        assert!(frame.len() < bytes_max + 2 * line, "{} bytes on the wire", frame.len());
        told.extend(delta.puts.iter().map(|put| put.key.clone()));
        after = delta.upto;
    }
    assert_eq!(after, log.version());
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 200);
}

#[test]
fn removals_that_everybody_has_are_forgotten_and_others_are_not() {
    let mut log = OriginLog::default();
    for id in ["s1", "s2", "s3"] {
        put(&mut log, id, "x");
    }
    for id in ["s1", "s2", "s3"] {
        log.remove(&key(id), None);
    }
    log.forget_removals(Version(5), Version::LIMIT, PLENTY);
    assert_eq!(log.tombstones(), 1);
    let delta = log.delta(Version(5), PLENTY).expect("the last removal");
    assert_eq!(removed(&delta), [("s3", 6)]);
}

#[test]
fn a_replica_before_a_forgotten_removal_gets_the_whole_log_and_one_behind_it_a_delta() {
    let mut log = OriginLog::default();
    for id in ["s1", "s2", "s3"] {
        put(&mut log, id, "x");
    }
    log.remove(&key("s1"), None);
    log.remove(&key("s2"), None);
    log.forget_removals(Version(4), Version::LIMIT, PLENTY);
    assert!(is_whole(&log, Some(3)));
    assert!(!is_whole(&log, Some(4)));
    assert!(is_whole(&log, Some(0)), "a delta may fill an empty copy while the answer is on its way");
    assert!(is_whole(&log, None));
}

#[test]
fn removals_are_capped_and_a_laggard_then_takes_the_whole_log() {
    let mut log = OriginLog::default();
    for number in 0..10 {
        put(&mut log, &format!("s{number}"), "x");
    }
    for number in 0..10 {
        log.remove(&key(&format!("s{number}")), None);
    }
    log.forget_removals(Version::ZERO, Version::LIMIT, 3);
    assert_eq!(log.tombstones(), 3);
    assert!(is_whole(&log, Some(10)));
    assert!(is_whole(&log, Some(16)));
    assert!(!is_whole(&log, Some(17)));
}

#[test]
fn an_answer_does_not_change_with_the_log() {
    let mut log = OriginLog::default();
    for number in 0..20 {
        put(&mut log, &format!("s{number:02}"), "x");
    }
    for after in [Some(0), None] {
        let before = frames(Answer::from_origin(origin("a", 1), ask(after), &log, limits(200)));
        let answer = Answer::from_origin(origin("a", 1), ask(after), &log, limits(200));
        let mut told: Vec<Message> = Vec::new();
        for frame in answer {
            told.push(message::decode(&frame).expect("a frame").1);
            put(&mut log, "s05", &format!("changed {}", told.len()));
            log.remove(&key("s19"), None);
        }
        assert_eq!(told, before);
        put(&mut log, "s19", "x");
    }
}

#[test]
fn the_whole_of_an_empty_log_is_one_last_chunk() {
    let told = frames(Answer::from_origin(origin("a", 1), ask(None), &OriginLog::default(), limits(PLENTY)));
    let [Message::Chunk(chunk)] = told.as_slice() else { panic!("{told:?}") };
    assert!(chunk.last && chunk.puts.is_empty());
    assert_eq!((chunk.upto, chunk.number), (Version::ZERO, 0));
}

#[test]
fn chunks_are_bounded_numbered_and_in_the_order_of_their_keys() {
    let mut log = OriginLog::default();
    for number in 0..100 {
        put(&mut log, &format!("s{number:03}"), "Greenhouse");
    }
    let told = frames(Answer::from_origin(origin("a", 1), ask(None), &log, limits(1_000)));
    let mut keys = Vec::new();
    for (number, message) in told.iter().enumerate() {
        let Message::Chunk(chunk) = message else { panic!("{message:?}") };
        assert_eq!((chunk.number as usize, chunk.last), (number, number + 1 == told.len()));
        assert_eq!(chunk.sets, *log.entries().sets());
        let last = chunk.puts.last().map_or(0, put_bytes);
        assert!(chunk.puts.iter().map(put_bytes).sum::<usize>() < 1_000 + last);
        keys.extend(chunk.puts.iter().map(|put| put.key.clone()));
    }
    assert!(told.len() > 5);
    assert!(keys.is_sorted() && keys.len() == 100);
}

/// One change of a log: which key, and its new name or its removal.
fn any_change() -> impl Strategy<Value = (u8, Option<u8>)> {
    (0_u8..8, prop::option::weighted(0.7, any::<u8>()))
}

fn change(log: &mut OriginLog, (id, name): (u8, Option<u8>)) {
    match name {
        Some(name) => put(log, &format!("s{id}"), &name.to_string()),
        None => {
            log.remove(&key(&format!("s{id}")), None);
        }
    }
}

/// Key -> version of its last change, and whether it is there.
fn naive(changes: &[(u8, Option<u8>)]) -> (BTreeMap<u8, (u64, bool)>, u64) {
    let (mut state, mut version) = (BTreeMap::new(), 0);
    for (id, name) in changes {
        let there = state.get(id).is_some_and(|(_, there)| *there);
        if name.is_some() || there {
            version += 1;
            state.insert(*id, (version, name.is_some()));
        }
    }
    (state, version)
}

mod laws {
    use super::*;

    proptest! {
        #[test]
        fn a_delta_tells_the_last_state_of_what_changed_after_it_and_nothing_else(
            changes in prop::collection::vec(any_change(), 0..40),
            after in 0_u64..45,
        ) {
            let mut log = OriginLog::default();
            changes.iter().for_each(|one| change(&mut log, *one));
            let (state, version) = naive(&changes);
            prop_assert_eq!(log.version(), Version(version));
            let mut expected: Vec<(String, u64, bool)> = state
                .iter()
                .filter(|(_, (changed, _))| *changed > after)
                .map(|(id, (changed, there))| (format!("s{id}"), *changed, *there))
                .collect();
            expected.sort();
            let delta = log.delta(Version(after), PLENTY);
            prop_assert_eq!(delta.is_some(), version > after);
            let mut told: Vec<(String, u64, bool)> = Vec::new();
            if let Some(delta) = &delta {
                prop_assert_eq!((delta.after, delta.upto), (Version(after), Version(version)));
                told.extend(delta.puts.iter().map(|put| (put.key.id.to_string(), put.version.0, true)));
                told.extend(delta.removals.iter().map(|gone| (gone.key.id.to_string(), gone.version.0, false)));
            }
            told.sort();
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn the_set_hash_is_that_of_the_entries_however_they_came_there(
            changes in prop::collection::vec(any_change(), 0..40),
        ) {
            let mut log = OriginLog::default();
            changes.iter().for_each(|one| change(&mut log, *one));
            let mut expected = Sets::default();
            for (key, entry) in log.entries().iter() {
                let record = entry.record().expect("an entry of this node");
                expected.0[key.kind.index()].count += 1;
                expected.0[key.kind.index()].hash.add(SetHash::of(key, entry.version, entry.stamp, &record.encode()));
            }
            prop_assert_eq!(log.entries().sets(), &expected);
        }

        #[test]
        fn a_set_hash_does_not_depend_on_the_order_of_its_changes(
            hashes in prop::collection::vec(any::<u128>(), 0..30),
            removed in prop::collection::vec(any::<u128>(), 0..10),
            seed in any::<u64>(),
        ) {
            let mut one = SetHash::default();
            hashes.iter().for_each(|hash| one.add(SetHash(*hash)));
            let mut changes: Vec<(bool, u128)> = hashes.iter().map(|hash| (true, *hash)).collect();
            for hash in &removed {
                changes.extend([(true, *hash), (false, *hash)]);
            }
            let mut rng = crate::testing::Rng::new(seed);
            changes.sort_by_cached_key(|_| rng.next());
            let mut other = SetHash::default();
            for (add, hash) in changes {
                if add { other.add(SetHash(hash)) } else { other.subtract(SetHash(hash)) }
            }
            prop_assert_eq!(one, other);
        }

        #[test]
        fn a_change_of_any_part_of_an_entry_changes_its_hash(
            id in "[a-z]{1,8}", version in any::<u64>(), wall_ms in any::<u64>(), counter in any::<u32>(), body in any::<[u8; 8]>(),
        ) {
            let stamp = Stamp { wall_ms, counter };
            let hash = SetHash::of(&key(&id), Version(version), stamp, &body);
            let other_stamp = Stamp { wall_ms, counter: counter ^ 1 };
            prop_assert_ne!(SetHash::of(&key(&format!("{id}x")), Version(version), stamp, &body), hash);
            prop_assert_ne!(SetHash::of(&key(&id), Version(version ^ 1), stamp, &body), hash);
            prop_assert_ne!(SetHash::of(&key(&id), Version(version), other_stamp, &body), hash);
            prop_assert_ne!(SetHash::of(&key(&id), Version(version), stamp, &body[1..]), hash);
        }
    }
}

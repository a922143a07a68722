use std::collections::BTreeMap;

use proptest::prelude::*;
use sensocto_model::Stamp;
use serde_bytes::ByteBuf;

use super::*;
use crate::answer::Answer;
use crate::log::OriginLog;
use crate::message::{self, Ask, Message};
use crate::testing::{delta, key, limits, origin, put, removal, sensor, stamp, want};

const PLENTY: usize = 1 << 20;

fn apply(replica: &mut Replica, delta: Delta) -> (DeltaStatus, Vec<(Key, bool)>) {
    let mut changes = Vec::new();
    let status = replica.apply_delta(delta, &mut changes);
    (status, changes.into_iter().map(|change| (change.key, change.new.is_some())).collect())
}

fn take(replica: &mut Replica, chunk: Chunk) -> (ChunkStatus, Vec<(Key, bool)>) {
    let mut changes = Vec::new();
    let status = replica.apply_chunk(chunk, None, &mut changes);
    (status, changes.into_iter().map(|change| (change.key, change.new.is_some())).collect())
}

/// What a copy holds: version and bytes by key.
fn content(entries: &EntrySet) -> BTreeMap<Key, (Version, Vec<u8>)> {
    entries.iter().map(|(key, entry)| (key.clone(), (entry.version, entry.to_put(key).body.into_vec()))).collect()
}

fn versions(replica: &Replica) -> Vec<(String, u64)> {
    replica.entries().iter().map(|(key, entry)| (key.id.to_string(), entry.version.0)).collect()
}

fn frames(log: &OriginLog, after: Option<Version>, bytes_max: usize) -> Vec<Message> {
    let ask = Ask { id: 1, origin: origin("a", 1), want: want(after.map(|after| after.0)) };
    let answer = Answer::from_origin(origin("a", 1), ask, log, limits(bytes_max));
    answer.map(|frame| message::decode(&frame).expect("a frame of an answer").1).collect()
}

fn chunks(log: &OriginLog, bytes_max: usize) -> Vec<Chunk> {
    let of = |message| match message {
        Message::Chunk(chunk) => chunk,
        Message::Delta(_) | Message::Digest(_) | Message::Births(..) | Message::Ask(_) | Message::Part(_) => {
            panic!("no chunk: {message:?}")
        }
    };
    frames(log, None, bytes_max).into_iter().map(of).collect()
}

fn log_of(ids: &[&str]) -> OriginLog {
    let mut log = OriginLog::default();
    for id in ids {
        log.put(key(id), sensor(id, "x"), stamp(1));
    }
    log
}

#[test]
fn a_removal_overtakes_a_queued_register_and_no_ghost_is_left() {
    let mut replica = Replica::default();
    let register = delta(0, 1, vec![], vec![put("s1", "x", 1)]);
    // The removal says what stands now, from the start of the log on; the register comes late.
    let (status, changes) = apply(&mut replica, delta(0, 2, vec![removal("s1", 2)], vec![]));
    assert_eq!((status, changes), (DeltaStatus::Applied, vec![(key("s1"), false)]));
    assert_eq!(apply(&mut replica, register), (DeltaStatus::Duplicate, vec![]));
    assert_eq!(replica.entries().len(), 0);
}

#[test]
fn a_removal_that_comes_first_waits_for_what_it_builds_on() {
    let mut replica = Replica::default();
    let gone = delta(1, 2, vec![removal("s1", 2)], vec![]);
    assert_eq!(apply(&mut replica, gone.clone()).0, DeltaStatus::Gap);
    assert!(replica.hold_back(gone, 50, PLENTY));
    apply(&mut replica, delta(0, 1, vec![], vec![put("s1", "x", 1)]));
    replica.release_held_back(&mut Vec::new());
    assert_eq!((replica.version(), replica.entries().len()), (Version(2), 0));
}

#[test]
fn an_old_update_never_overwrites_a_newer_one() {
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 5, vec![], vec![put("s1", "newest", 5)]));
    // It reaches further than the copy, but its line of s1 is older.
    let late = delta(0, 6, vec![], vec![put("s1", "older", 3), put("s2", "x", 6)]);
    let (status, changes) = apply(&mut replica, late);
    assert_eq!((status, changes), (DeltaStatus::Applied, vec![(key("s2"), true)]));
    assert_eq!(versions(&replica), [("s1".to_owned(), 5), ("s2".to_owned(), 6)]);
}

#[test]
fn an_old_removal_never_removes_what_was_registered_after_it() {
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 5, vec![], vec![put("s1", "again", 5)]));
    let (status, changes) = apply(&mut replica, delta(0, 6, vec![removal("s1", 4)], vec![put("s2", "x", 6)]));
    assert_eq!((status, changes), (DeltaStatus::Applied, vec![(key("s2"), true)]));
}

#[test]
fn removals_go_first_within_a_delta() {
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 1, vec![], vec![put("s1", "x", 1)]));
    let (_, changes) = apply(&mut replica, delta(1, 3, vec![removal("s1", 3)], vec![put("s0", "x", 2)]));
    assert_eq!(changes, [(key("s1"), false), (key("s0"), true)]);
}

#[test]
fn a_delta_that_says_what_no_origin_says_changes_nothing() {
    let limit = Version::LIMIT.0;
    let mut stamped = put("s1", "x", 5);
    stamped.stamp = Stamp { wall_ms: Stamp::WALL_MS_LIMIT, counter: 0 };
    let forged = [
        (delta(3, u64::MAX, vec![], vec![]), "version_implausible"),
        (delta(3, limit, vec![], vec![]), "version_implausible"),
        (delta(4, 4, vec![], vec![]), "delta_backwards"),
        (delta(u64::MAX, 3, vec![], vec![]), "delta_backwards"),
        (delta(3, 5, vec![], vec![put("s1", "x", 6)]), "version_outside_delta"),
        (delta(3, 5, vec![], vec![put("s1", "x", 3)]), "version_outside_delta"),
        (delta(3, 5, vec![], vec![put("s1", "x", u64::MAX)]), "version_outside_delta"),
        (delta(3, 5, vec![removal("s0", 6)], vec![]), "version_outside_delta"),
        (delta(3, 5, vec![removal("s0", 3)], vec![put("s1", "x", 4)]), "version_outside_delta"),
        (delta(3, 5, vec![removal("s0", 4)], vec![put("s2", "x", 4), stamped]), "stamp_implausible"),
    ];
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 3, vec![], vec![put("s0", "x", 3)]));
    let before = content(replica.entries());
    for (forged, reason) in forged {
        assert_eq!(apply(&mut replica, forged), (DeltaStatus::Refused(reason), vec![]));
        assert_eq!((content(replica.entries()), replica.version()), (before.clone(), Version(3)));
    }
}

#[test]
fn an_unreadable_record_is_kept_and_counted_and_hashed_as_it_came() {
    let mut unreadable = put("s1", "x", 1);
    unreadable.body = ByteBuf::from(vec![0xff; 40]);
    let bytes = unreadable.body.to_vec();
    let mut sets = Sets::default();
    sets.0[0].count = 1;
    sets.0[0].hash.add(crate::SetHash::of(&unreadable.key, unreadable.version, unreadable.stamp, &bytes));
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 1, vec![], vec![unreadable]));
    assert_eq!((replica.entries().unreadable(), replica.entries().sets()), (1, &sets));
    assert_eq!(content(replica.entries())[&key("s1")].1, bytes);
    apply(&mut replica, delta(1, 2, vec![], vec![put("s1", "readable again", 2)]));
    assert_eq!(replica.entries().unreadable(), 0);
}

#[test]
fn a_whole_log_replaces_the_copy_in_one_step_with_the_real_differences() {
    let mut log = log_of(&["s1", "s2", "s3"]);
    let mut replica = Replica::default();
    for message in frames(&log, Some(Version::ZERO), PLENTY) {
        let Message::Delta(delta) = message else { panic!("{message:?}") };
        apply(&mut replica, delta);
    }
    log.remove(&key("s1"), None);
    log.put(key("s2"), sensor("s2", "changed"), stamp(1));
    log.put(key("s4"), sensor("s4", "new"), stamp(1));
    let chunks = chunks(&log, 1);
    assert_eq!(chunks.len(), 3);
    let before = content(replica.entries());
    for chunk in &chunks[..2] {
        assert_eq!(take(&mut replica, chunk.clone()), (ChunkStatus::Kept, vec![]));
        assert_eq!(content(replica.entries()), before, "nothing is shown before the last chunk");
    }
    let (status, changes) = take(&mut replica, chunks[2].clone());
    assert_eq!(status, ChunkStatus::Replaced);
    assert_eq!(changes, [(key("s1"), false), (key("s2"), true), (key("s4"), true)]);
    assert_eq!((replica.version(), replica.entries().sets()), (log.version(), log.entries().sets()));
}

#[test]
fn a_truncated_log_changes_nothing_and_the_next_answer_starts_anew() {
    let log = log_of(&["s1", "s2", "s3"]);
    let chunks = chunks(&log, 1);
    let mut replica = Replica::default();
    take(&mut replica, chunks[0].clone());
    take(&mut replica, chunks[1].clone());
    replica.drop_unfinished();
    assert_eq!(take(&mut replica, chunks[2].clone()), (ChunkStatus::Refused("chunk_out_of_order"), vec![]));
    assert_eq!(replica.entries().len(), 0);
    let statuses: Vec<ChunkStatus> = chunks.iter().map(|chunk| take(&mut replica, chunk.clone()).0).collect();
    assert_eq!(statuses, [ChunkStatus::Kept, ChunkStatus::Kept, ChunkStatus::Replaced]);
}

#[test]
fn chunks_that_do_not_add_up_change_nothing() {
    let log = log_of(&["s1", "s2", "s3"]);
    let whole = chunks(&log, PLENTY).remove(0);
    let forge = |change: &dyn Fn(&mut Chunk)| {
        let mut chunk = whole.clone();
        change(&mut chunk);
        chunk
    };
    let forged = [
        (forge(&|chunk| chunk.puts.truncate(2)), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.puts[0].body[3] ^= 1), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.puts[0].version = Version(2)), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.sets.0[0].count += 1), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.sets = Sets::default()), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.puts.push(put("s4", "x", 1))), "chunks_do_not_add_up"),
        (forge(&|chunk| chunk.puts[1].version = Version(4)), "version_outside_delta"),
        (forge(&|chunk| chunk.puts[1].version = Version::ZERO), "version_outside_delta"),
        (forge(&|chunk| chunk.puts[2].stamp.wall_ms = u64::MAX), "stamp_implausible"),
        (forge(&|chunk| chunk.upto = Version(u64::MAX)), "version_implausible"),
        (forge(&|chunk| chunk.number = 1), "chunk_out_of_order"),
    ];
    for (number, (forged, reason)) in forged.into_iter().enumerate() {
        let mut replica = Replica::default();
        apply(&mut replica, delta(0, 1, vec![], vec![put("s9", "x", 1)]));
        let result = take(&mut replica, forged);
        assert_eq!(result, (ChunkStatus::Refused(reason), vec![]), "forgery {number}");
        assert_eq!(versions(&replica), [("s9".to_owned(), 1)]);
    }
}

#[test]
fn chunks_of_another_moment_or_another_question_do_not_mix() {
    let mut log = log_of(&["s1", "s2", "s3"]);
    let early = chunks(&log, 1);
    log.put(key("s4"), sensor("s4", "x"), stamp(1));
    let later = chunks(&log, 1);
    let mut replica = Replica::default();
    take(&mut replica, early[0].clone());
    assert_eq!(take(&mut replica, later[1].clone()).0, ChunkStatus::Refused("chunk_out_of_order"));
    let mut other = early[1].clone();
    other.id += 1;
    take(&mut replica, early[0].clone());
    assert_eq!(take(&mut replica, other).0, ChunkStatus::Refused("chunk_out_of_order"));
    take(&mut replica, early[0].clone());
    assert_eq!(take(&mut replica, early[0].clone()).0, ChunkStatus::Refused("chunk_out_of_order"), "twice");
    assert_eq!(replica.entries().len(), 0);
}

#[test]
fn chunks_of_an_older_moment_than_the_copy_change_nothing() {
    let log = log_of(&["s1"]);
    let mut replica = Replica::default();
    apply(&mut replica, delta(0, 2, vec![removal("s1", 2)], vec![]));
    let old = chunks(&log, PLENTY).remove(0);
    assert_eq!(take(&mut replica, old), (ChunkStatus::Older, vec![]));
    assert_eq!((replica.version(), replica.entries().len()), (Version(2), 0));
}

#[test]
fn a_whole_log_takes_a_copy_back_only_where_its_origin_was_asked_by_the_copy_as_it_stands() {
    let old = log_of(&["s1"]);
    for (stood, status) in [(None, ChunkStatus::Older), (Some(1), ChunkStatus::Older), (Some(2), ChunkStatus::Replaced)]
    {
        let mut replica = Replica::default();
        apply(&mut replica, delta(0, 2, vec![], vec![put("s1", "x", 1), put("s2", "x", 2)]));
        let chunk = chunks(&old, PLENTY).remove(0);
        assert_eq!(replica.apply_chunk(chunk, stood.map(Version), &mut Vec::new()), status, "{stood:?}");
    }
}

#[test]
fn what_is_held_back_is_bounded_in_bytes() {
    let mut replica = Replica::default();
    assert!(replica.hold_back(delta(5, 6, vec![], vec![]), 60, 100));
    assert!(!replica.hold_back(delta(6, 7, vec![], vec![]), 60, 100));
    replica.release_held_back(&mut Vec::new());
    assert_eq!(replica.held_back_bytes(), 60, "it still waits");
    replica.drop_held_back();
    assert!(replica.hold_back(delta(6, 7, vec![], vec![]), 60, 100), "what was dropped takes no room");
}

#[test]
fn what_is_held_back_is_applied_in_the_order_of_the_log() {
    let mut replica = Replica::default();
    for held in [delta(2, 3, vec![removal("s1", 3)], vec![]), delta(1, 2, vec![], vec![put("s2", "x", 2)])] {
        assert!(replica.hold_back(held, 50, PLENTY));
    }
    apply(&mut replica, delta(0, 1, vec![], vec![put("s1", "x", 1)]));
    replica.release_held_back(&mut Vec::new());
    assert_eq!((replica.version(), versions(&replica)), (Version(3), vec![("s2".to_owned(), 2)]));
}

/// One change: which key, and its new name or its removal.
fn any_changes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    prop::collection::vec((0_u8..8, prop::option::weighted(0.7, any::<u8>())), 1..40)
}

fn change(log: &mut OriginLog, (id, name): (u8, Option<u8>)) {
    let id = format!("s{id}");
    match name {
        Some(name) => {
            log.put(key(&id), sensor(&id, &name.to_string()), stamp(1));
        }
        None => {
            log.remove(&key(&id), None);
        }
    }
}

/// The log after each change.
fn history(changes: &[(u8, Option<u8>)]) -> Vec<OriginLog> {
    let mut logs = vec![OriginLog::default()];
    for one in changes {
        let mut log = logs[logs.len() - 1].clone();
        change(&mut log, *one);
        logs.push(log);
    }
    logs
}

fn same(replica: &Replica, log: &OriginLog) -> bool {
    replica.version() == log.version()
        && replica.entries().sets() == log.entries().sets()
        && content(replica.entries()) == content(log.entries())
}

mod laws {
    use super::*;

    proptest! {
        #[test]
        fn applying_a_delta_twice_or_late_changes_nothing(changes in any_changes(), cut in any::<prop::sample::Index>()) {
            let logs = history(&changes);
            let middle = &logs[cut.index(logs.len())];
            let last = &logs[logs.len() - 1];
            let mut replica = Replica::default();
            let deltas: Vec<Delta> =
                [middle.delta(Version::ZERO, PLENTY), last.delta(middle.version(), PLENTY)].into_iter().flatten().collect();
            for delta in &deltas {
                apply(&mut replica, delta.clone());
            }
            prop_assert!(same(&replica, last));
            for delta in deltas {
                prop_assert_eq!(apply(&mut replica, delta), (DeltaStatus::Duplicate, vec![]));
            }
            prop_assert!(same(&replica, last));
        }

        /// Deltas of many moments that overlap, in any order, some never: those that leave a gap are refused and change nothing, no
        /// key's version goes back, and one more delta from where the copy stands reaches the origin.
        #[test]
        fn overlapping_deltas_in_any_order_with_gaps_refused_end_equal(
            changes in any_changes(),
            spans in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..20),
        ) {
            let logs = history(&changes);
            let last = &logs[logs.len() - 1];
            let mut replica = Replica::default();
            for (from, to) in spans {
                let (from, to) = (logs[from.index(logs.len())].version(), &logs[to.index(logs.len())]);
                let Some(delta) = to.delta(from, PLENTY) else { continue };
                let before = content(replica.entries());
                let stood = replica.version();
                let (status, _) = apply(&mut replica, delta);
                if from > stood {
                    prop_assert_eq!(status, DeltaStatus::Gap);
                }
                if status != DeltaStatus::Applied {
                    prop_assert_eq!(content(replica.entries()), before);
                    prop_assert_eq!(replica.version(), stood);
                } else {
                    prop_assert!(same(&replica, to), "whole deltas give exactly the state of their moment");
                    for (key, (version, _)) in content(replica.entries()) {
                        prop_assert!(before.get(&key).is_none_or(|(old, _)| *old <= version));
                    }
                }
            }
            if let Some(rest) = last.delta(replica.version(), PLENTY) {
                prop_assert_eq!(apply(&mut replica, rest).0, DeltaStatus::Applied);
            }
            prop_assert!(same(&replica, last));
        }

        #[test]
        fn asking_reaches_the_origin_from_any_prefix_by_deltas_or_by_the_whole_log(
            changes in any_changes(),
            prefix in any::<prop::sample::Index>(),
            bytes_max in prop_oneof![Just(1_usize), Just(150), Just(PLENTY)],
            whole in any::<bool>(),
            tombstones_max in 0_usize..10,
        ) {
            let logs = history(&changes);
            let mut last = logs[logs.len() - 1].clone();
            let mut replica = Replica::default();
            if let Some(delta) = logs[prefix.index(logs.len())].delta(Version::ZERO, PLENTY) {
                apply(&mut replica, delta);
            }
            last.forget_removals(Version::ZERO, Version::LIMIT, tombstones_max);
            let after = (!whole).then_some(replica.version());
            for message in frames(&last, after, bytes_max) {
                match message {
                    Message::Delta(delta) => prop_assert_eq!(apply(&mut replica, delta).0, DeltaStatus::Applied),
                    Message::Chunk(chunk) => {
                        let expected = if chunk.last { ChunkStatus::Replaced } else { ChunkStatus::Kept };
                        prop_assert_eq!(take(&mut replica, chunk).0, expected);
                    }
                    Message::Digest(_) | Message::Births(..) | Message::Ask(_) | Message::Part(_) => prop_assert!(false, "no answer"),
                }
            }
            prop_assert!(same(&replica, &last));
        }

        #[test]
        fn changes_replayed_give_the_copy(changes in any_changes(), steps in prop::collection::vec(1_usize..6, 1..10)) {
            let logs = history(&changes);
            let (mut replica, mut replayed, mut at) = (Replica::default(), BTreeMap::new(), 0);
            for (number, step) in steps.into_iter().enumerate() {
                at = (at + step).min(logs.len() - 1);
                let mut changes = Vec::new();
                if number % 3 == 2 {
                    for chunk in chunks(&logs[at], 100) {
                        replica.apply_chunk(chunk, None, &mut changes);
                    }
                } else if let Some(delta) = logs[at].delta(replica.version(), PLENTY) {
                    replica.apply_delta(delta, &mut changes);
                }
                for change in changes {
                    match change.new {
                        Some(entry) => replayed.insert(change.key, entry.version),
                        None => replayed.remove(&change.key),
                    };
                }
                let held: BTreeMap<Key, Version> =
                    replica.entries().iter().map(|(key, entry)| (key.clone(), entry.version)).collect();
                prop_assert_eq!(&held, &replayed);
            }
        }
    }
}

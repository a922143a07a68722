//! Frames that say what no node says. The sender of a frame is what the frame says: who may speak at all is the transport's business.

use super::*;
use crate::message::{self, Ask, Chunk, Digest, Message, Reached, Sets, Want};
use crate::testing::{delta, key, name, origin, presence, put, removal, world_of};
use crate::{FrameError, Output};
use sensocto_model::{Kind, Stamp, Version};
use serde_bytes::ByteBuf;

fn frame(sender: &str, message: &Message) -> Vec<u8> {
    message::encode(&origin(sender, 1), message)
}

/// A cluster in which `a` stands at version 2.
fn standing() -> Cluster {
    let mut cluster = three();
    cluster.register("a", "s1", "x");
    cluster.register("a", "s2", "x");
    cluster.run(ms(2_000));
    cluster
}

/// Gives `b` a frame and checks that it was refused for `reason`, that the view did not change, and that all goes on.
fn check_refused(message: &Message, reason: &str) {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    let refused_before = refused(&mut cluster, "b", reason);
    cluster.inject("b", &frame("a", message)).expect("a whole frame");
    assert_eq!(refused(&mut cluster, "b", reason), refused_before + 1, "{message:?}");
    assert_eq!(world_of(&cluster.view("b")), before);
    cluster.register("a", "s3", "x");
    cluster.run(ms(2_000));
    cluster.check_converged();
    assert_eq!(freshness(&mut cluster, "b", "s3"), Some((Freshness::Fresh, "a@1".to_owned())));
}

#[test]
fn versions_near_the_end_of_numbers_are_refused() {
    for version in [u64::MAX, u64::MAX - 1, Version::LIMIT.0] {
        check_refused(&Message::Delta(delta(2, version, vec![], vec![])), "version_implausible");
        check_refused(&Message::Delta(delta(2, version, vec![removal("s1", version)], vec![])), "version_implausible");
        check_refused(
            &Message::Delta(delta(2, 3, vec![], vec![put("s1", "forged", version)])),
            "version_outside_delta",
        );
        check_refused(&Message::Delta(delta(2, 3, vec![removal("s1", version)], vec![])), "version_outside_delta");
        let digest = Digest { version: Version(version), sets: Sets::default(), reached: Some(vec![]) };
        check_refused(&Message::Digest(digest), "version_implausible");
    }
    check_refused(&Message::Delta(delta(u64::MAX, u64::MAX, vec![], vec![])), "version_implausible");
    check_refused(&Message::Delta(delta(2, 2, vec![], vec![])), "delta_backwards");
}

#[test]
fn stamps_that_no_clock_shows_are_refused() {
    for wall_ms in [u64::MAX, Stamp::WALL_MS_LIMIT] {
        let mut forged = put("s1", "forged", 3);
        forged.stamp = Stamp { wall_ms, counter: u32::MAX };
        check_refused(&Message::Delta(delta(2, 3, vec![], vec![forged])), "stamp_implausible");
    }
}

#[test]
fn an_empty_digest_is_overtaken_and_changes_nothing() {
    let digest = Digest { version: Version::ZERO, sets: Sets::default(), reached: Some(vec![]) };
    check_refused(&Message::Digest(digest), "digest_overtaken");
}

#[test]
fn a_digest_that_claims_an_empty_world_at_the_same_version_empties_nothing() {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    let digest = Digest { version: Version(2), sets: Sets::default(), reached: Some(vec![]) };
    cluster.inject("b", &frame("a", &Message::Digest(digest))).expect("a whole frame");
    cluster.heard("b");
    cluster.run(ms(3_000));
    assert_eq!((world_of(&cluster.view("b")), cluster.heard("b")), (before, vec![]));
    assert_eq!(freshness(&mut cluster, "b", "s1"), Some((Freshness::Fresh, "a@1".to_owned())));
}

#[test]
fn a_flipped_bit_anywhere_is_refused_and_counted() {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    let whole = frame("a", &Message::Delta(delta(2, 3, vec![removal("s1", 3)], vec![])));
    let mut flipped = 0;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let error = cluster.inject("b", &damaged).expect_err("damaged");
            assert!(matches!(error, FrameError::Format | FrameError::Checksum));
            flipped += 1;
        }
    }
    let counted = refused(&mut cluster, "b", "frame_format") + refused(&mut cluster, "b", "frame_checksum");
    assert_eq!((counted, world_of(&cluster.view("b"))), (flipped, before));
}

#[test]
fn a_delta_speaks_for_its_sender_alone() {
    let mut cluster = standing();
    let forged = delta(0, 9, vec![removal("s1", 8)], vec![put("s2", "forged", 9)]);
    cluster.inject("b", &frame("c", &Message::Delta(forged))).expect("a whole frame");
    for id in ["s1", "s2"] {
        assert_eq!(freshness(&mut cluster, "b", id), Some((Freshness::Fresh, "a@1".to_owned())), "{id}");
    }
    assert_eq!(cluster.stands("b", "a"), 2);
}

#[test]
fn nobody_tells_a_node_about_its_own_log() {
    let mut cluster = standing();
    let own = world_of(&cluster.view("a"));
    for sender in ["a", "b"] {
        let puts = vec![put("s1", "forged", 9)];
        let chunk = Chunk {
            id: 1,
            origin: origin("a", 1),
            upto: Version(9),
            sets: Sets::default(),
            number: 0,
            last: true,
            moved: vec![],
            puts,
        };
        cluster.inject("a", &frame(sender, &Message::Chunk(chunk))).expect("a whole frame");
    }
    cluster
        .inject("a", &frame("a", &Message::Delta(delta(2, 3, vec![removal("s1", 3)], vec![]))))
        .expect("a whole frame");
    assert_eq!(world_of(&cluster.view("a")), own);
}

#[test]
fn chunks_that_nobody_asked_for_are_refused() {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    for (sender, about, id) in [("a", "a", 1), ("c", "a", 1), ("c", "a", 99), ("c", "nobody", 1), ("c", "b", 1)] {
        let empty = Chunk {
            id,
            origin: origin(about, 1),
            upto: Version(1_000),
            sets: Sets::default(),
            number: 0,
            last: true,
            moved: vec![],
            puts: vec![],
        };
        let frame = frame(sender, &Message::Chunk(empty));
        cluster.inject("b", &frame).expect("a whole frame");
        cluster.inject_answer("b", id, &frame).expect("a whole frame");
    }
    assert_eq!(refused(&mut cluster, "b", "chunk_published"), 5);
    assert_eq!((refused(&mut cluster, "b", "answer_unasked"), world_of(&cluster.view("b"))), (5, before));
}

#[test]
fn a_whole_log_is_taken_only_from_the_node_that_was_asked() {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    cluster.network.cut(&name("b"), &name("a"));
    let now = cluster.now_of("b");
    let ahead = frame("a", &Message::Delta(delta(5, 6, vec![], vec![put("s6", "x", 6)])));
    cluster.registry("b").handle_frame(&ahead, now).expect("a whole frame");
    let output = std::iter::from_fn(|| cluster.registry("b").poll_output());
    let asked = output.filter_map(|output| match output {
        Output::Ask { to, id, .. } => Some((to, id)),
        Output::Publish(_)
        | Output::Event(_)
        | Output::Superseded { .. }
        | Output::NameTaken { .. }
        | Output::Overtaken { .. } => None,
    });
    let (to, id) = asked.last().expect("a question");
    assert_eq!(to, name("a"));
    let empty = Chunk {
        id,
        origin: origin("a", 1),
        upto: Version(9),
        sets: Sets::default(),
        number: 0,
        last: true,
        moved: vec![],
        puts: vec![],
    };
    cluster.inject_answer("b", id, &frame("c", &Message::Chunk(empty.clone()))).expect("a whole frame");
    let other_start = Message::Chunk(Chunk { origin: origin("a", 0), ..empty });
    cluster.inject_answer("b", id, &frame("a", &other_start)).expect("a whole frame");
    assert_eq!(refused(&mut cluster, "b", "answer_unasked"), 1);
    assert_eq!((refused(&mut cluster, "b", "chunk_unasked"), world_of(&cluster.view("b"))), (1, before));
}

#[test]
fn a_question_is_no_publication_and_a_publication_no_question() {
    let mut cluster = standing();
    let ask = Message::Ask(Ask { id: 1, origin: origin("b", 1), want: Want::Whole });
    cluster.inject("b", &frame("a", &ask)).expect("a whole frame");
    assert_eq!(refused(&mut cluster, "b", "ask_published"), 1);
    let digest = Message::Digest(Digest { version: Version(1), sets: Sets::default(), reached: Some(vec![]) });
    assert!(cluster.registry("b").answer(&frame("a", &digest)).expect("a whole frame").is_none());
    assert_eq!(refused(&mut cluster, "b", "not_an_ask"), 1);
    assert_eq!(cluster.registry("b").answer(b"x").err(), Some(FrameError::Size));
}

#[test]
fn a_question_about_what_this_node_has_no_copy_of_has_no_answer() {
    let mut cluster = standing();
    for about in [origin("nobody", 1), origin("a", 2), origin("a", 0), origin("b", 2)] {
        let ask = Message::Ask(Ask { id: 1, origin: about, want: Want::Whole });
        assert!(cluster.registry("b").answer(&frame("c", &ask)).expect("a whole frame").is_none());
    }
    let ask = Message::Ask(Ask { id: 1, origin: origin("a", 1), want: Want::After(Version(u64::MAX)) });
    assert_eq!(cluster.registry("a").answer(&frame("c", &ask)).expect("a whole frame").map(Iterator::count), Some(0));
}

#[test]
fn a_vector_that_claims_the_impossible_is_not_followed() {
    let mut cluster = standing();
    cluster.kill("a");
    let asks = cluster.registry("b").counters().asks;
    let reached = vec![
        Reached { origin: origin("a", 1), version: Version(u64::MAX) },
        Reached { origin: origin("a", 9), version: Version(50) },
        Reached { origin: origin("nobody", 1), version: Version(50) },
        Reached { origin: origin("b", 1), version: Version(50) },
    ];
    let digest = Digest { version: Version(0), sets: Sets::default(), reached: Some(reached) };
    cluster.inject("b", &frame("c", &Message::Digest(digest))).expect("a whole frame");
    assert_eq!(cluster.registry("b").counters().asks, asks);
}

#[test]
fn an_unreadable_record_is_kept_for_others_and_shown_to_nobody() {
    let mut cluster = standing();
    let unreadable = |id: &str, version, body: Vec<u8>| {
        let mut line = put(id, "x", version);
        line.body = ByteBuf::from(body);
        line
    };
    let mut other_key = put("s4", "x", 4);
    other_key.key = key("s5");
    let mut bad_field = put("s6", "two\nlines", 5);
    bad_field.stamp = Stamp { wall_ms: 9, counter: 9 };
    let puts =
        vec![unreadable("s3", 3, vec![0xff; 30]), other_key, bad_field, unreadable("s7", 6, presence("s7").encode())];
    let mut sets = Sets::default();
    let shown = cluster.view("b").count(Kind::Sensor);
    for line in &puts {
        sets.0[0].count += 1;
        sets.0[0].hash.add(crate::SetHash::of(&line.key, line.version, line.stamp, &line.body));
    }
    let message = Message::Delta(delta(0, 6, vec![], puts));
    cluster.inject("b", &message::encode(&origin("newer", 1), &message)).expect("a whole frame");
    let digest = Message::Digest(Digest { version: Version(6), sets, reached: Some(vec![]) });
    cluster.inject("b", &message::encode(&origin("newer", 1), &digest)).expect("a whole frame");
    let view = cluster.view("b");
    assert_eq!(view.count(Kind::Sensor), shown);
    assert_eq!((view.nodes()["newer"].unreadable, view.nodes()["newer"].counts[0]), (4, 4));
    assert_eq!(view.nodes()["newer"].proved_at, Some(cluster.now), "the digests agree");
    let ask = Message::Ask(Ask { id: 1, origin: origin("newer", 1), want: Want::Whole });
    let answer = cluster.registry("b").answer(&frame("c", &ask)).expect("a whole frame").expect("a copy");
    let frames: Vec<Vec<u8>> = answer.collect();
    let Ok((_, Message::Chunk(chunk))) = message::decode(&frames[0]) else { panic!("no chunk") };
    assert_eq!((chunk.puts.len(), chunk.sets), (4, sets), "others get the bytes as they came");
}

#[test]
fn a_record_that_is_not_allowed_is_not_registered() {
    let mut cluster = standing();
    let now = cluster.now_of("a");
    let record = crate::testing::sensor("s9", "two\nlines");
    assert!(cluster.registry("a").register(record, now).is_err());
    cluster.drain("a");
    assert_eq!((cluster.view("a").count(Kind::Sensor), cluster.stands("a", "a")), (2, 2));
}

/// A frame of a node of another version: its checksum is right, whatever it holds.
fn of_another_format(mut frame: Vec<u8>, format: u8) -> Vec<u8> {
    frame.truncate(frame.len() - 8);
    frame[0] = format;
    let checksum = xxhash_rust::xxh3::xxh3_64(&frame);
    frame.extend_from_slice(&checksum.to_le_bytes());
    frame
}

#[test]
fn nodes_of_two_formats_take_nothing_of_each_other_and_count_it() {
    let mut cluster = standing();
    let before = world_of(&cluster.view("b"));
    let published = cluster.node("a").published.clone();
    let question = Message::Ask(Ask { id: 1, origin: origin("b", 1), want: Want::Whole });
    for format in [message::FORMAT - 1, message::FORMAT + 1, 0, u8::MAX] {
        let counted = refused(&mut cluster, "b", "frame_format");
        for frame in &published {
            let refused = cluster.inject("b", &of_another_format(frame.clone(), format));
            assert_eq!(refused, Err(FrameError::Format));
        }
        let asked = cluster.registry("b").answer(&of_another_format(frame("a", &question), format));
        assert_eq!(asked.map(|_| ()), Err(FrameError::Format));
        let answered = cluster.inject_answer("b", 1, &of_another_format(published[0].clone(), format));
        assert_eq!(answered, Err(FrameError::Format));
        assert_eq!(refused(&mut cluster, "b", "frame_format"), counted + published.len() as u64 + 2);
    }
    assert_eq!(world_of(&cluster.view("b")), before);
    cluster.run(ms(2_000));
    cluster.check_converged();
}

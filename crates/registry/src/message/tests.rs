use proptest::collection::vec;
use proptest::prelude::*;
use sensocto_model::Kind;

use super::*;
use crate::testing::{delta, key, name, origin, put, removal};

fn range() -> Range {
    Range { after: Some(key("s0")), to: Some(key("s5")) }
}

fn part(content: Content) -> Message {
    Message::Part(Part {
        id: 2,
        origin: origin("b", 7),
        upto: Version(9),
        sets: Sets::default(),
        range: range(),
        content,
    })
}

fn real_messages() -> Vec<Message> {
    let sets = Sets([SetDigest { count: 3, hash: SetHash(u128::MAX / 3) }; 3]);
    let reached = Some(vec![Reached { origin: origin("b", 7), version: Version(300) }]);
    vec![
        Message::Delta(delta(3, 9, vec![removal("s1", 4)], vec![put("s2", "Greenhouse", 9)])),
        Message::Digest(Digest { version: Version(9), sets, reached }),
        Message::Births(
            Digest { version: Version(9), sets, reached: None },
            vec![Birth { origin: origin("a", 8), born: Generation(5) }],
        ),
        Message::Ask(Ask { id: 1 << 40, origin: origin("b", 7), want: Want::After(Version(3)) }),
        Message::Ask(Ask { id: 1, origin: origin("b", 7), want: Want::Whole }),
        Message::Chunk(Chunk {
            id: 5,
            origin: origin("b", 7),
            upto: Version(9),
            sets,
            number: 2,
            last: true,
            moved: vec![],
            puts: vec![put("s1", "x", 1), put("s2", "y", 2)],
        }),
        Message::Ask(Ask { id: 2, origin: origin("b", 7), want: Want::Ranges(vec![range(), Range::ALL]) }),
        part(Content::Pieces(vec![Piece { to: Some(key("s1")), set: sets.0[0] }, Piece { to: None, set: sets.0[0] }])),
        part(Content::Entries {
            puts: vec![put("s1", "x", 1)],
            moved: vec![Moved { key: key("s2"), to: Reached { origin: origin("c", 1), version: Version(4) } }],
        }),
    ]
}

/// A frame whose checksum is right, whatever it holds.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

#[test]
fn a_flipped_bit_anywhere_in_a_frame_is_found() {
    for message in real_messages() {
        let frame = encode(&origin("a", 5), &message);
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                let expected = if at == 0 { FrameError::Format } else { FrameError::Checksum };
                assert_eq!(decode(&damaged), Err(expected), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    for message in real_messages() {
        let frame = encode(&origin("a", 5), &message);
        for len in 0..frame.len() {
            assert!(decode(&frame[..len]).is_err(), "cut to {len} bytes");
        }
    }
}

#[test]
fn a_frame_of_another_format_is_refused_even_if_its_checksum_is_right() {
    let mut frame = encode(&origin("a", 5), &real_messages()[0]);
    frame.truncate(frame.len() - CHECKSUM_BYTES);
    frame[0] = FORMAT + 1;
    assert_eq!(decode(&sealed(frame)), Err(FrameError::Format));
}

#[test]
fn bytes_after_the_message_are_refused_even_if_the_checksum_is_right() {
    let mut frame = encode(&origin("a", 5), &real_messages()[0]);
    frame.truncate(frame.len() - CHECKSUM_BYTES);
    frame.push(0);
    assert_eq!(decode(&sealed(frame)), Err(FrameError::Malformed));
}

#[test]
fn a_list_that_claims_more_than_the_frame_holds_is_refused() {
    let mut body = vec![FORMAT];
    body = postcard::to_extend(&origin("a", 5), body).expect("an origin has bytes");
    // A delta from 0 to 1 whose list of removals claims 2^63 lines.
    body.extend_from_slice(&[0, 0, 1]);
    body.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    assert_eq!(decode(&sealed(body)), Err(FrameError::Malformed));
}

#[test]
fn a_frame_is_neither_too_short_nor_too_long() {
    assert_eq!(decode(&[]), Err(FrameError::Size));
    assert_eq!(decode(&[FORMAT; CHECKSUM_BYTES]), Err(FrameError::Size));
    assert_eq!(decode(&vec![FORMAT; FRAME_BYTES_MAX + 1]), Err(FrameError::Size));
}

#[test]
fn an_id_or_a_node_name_that_is_not_allowed_is_no_message() {
    let message = (("a/b", 1_u64), 2_u32);
    let body = postcard::to_extend(&message, vec![FORMAT]).expect("plain values have bytes");
    assert_eq!(decode(&sealed(body)), Err(FrameError::Malformed));
    let mut forged = put("s1", "x", 1);
    let text = encode(&origin("a", 5), &Message::Delta(delta(0, 1, vec![], vec![forged.clone()])));
    forged.key = key("s2");
    assert_ne!(decode(&text).expect("a frame").1, Message::Delta(delta(0, 1, vec![], vec![forged])));
}

#[test]
fn the_position_in_a_digest_is_that_of_the_same_start_only() {
    let reached_at = Some(vec![Reached { origin: origin("b", 7), version: Version(300) }]);
    let digest = Digest { version: Version(1), sets: Sets::default(), reached: reached_at };
    assert_eq!(reached(&digest, &name("b"), Generation(7)), Some(Version(300)));
    assert_eq!(reached(&digest, &name("b"), Generation(8)), None);
    assert_eq!(reached(&digest, &name("c"), Generation(7)), None);
}

#[test]
fn a_digest_of_the_largest_cluster_fits_into_a_frame() {
    let reached = (0..crate::Config::default().peers_max)
        .map(|number| Reached { origin: origin(&format!("n{number:0>62}"), u64::MAX), version: Version(u64::MAX) })
        .collect::<Vec<_>>();
    let reached = Some(reached);
    let digest = Digest { version: Version(1), sets: Sets::default(), reached };
    let frame = encode(&origin("a", 5), &Message::Digest(digest));
    assert!(decode(&frame).is_ok(), "{} bytes", frame.len());
}

fn any_origin() -> impl Strategy<Value = Origin> {
    ("[a-z][a-z0-9._-]{0,20}", any::<u64>()).prop_map(|(node, generation)| origin(&node, generation))
}

fn any_key() -> impl Strategy<Value = Key> {
    (0_usize..3, "[a-zA-Z0-9:]{1,40}").prop_map(|(kind, id)| Key { kind: Kind::ALL[kind], ..key(&id) })
}

fn any_sets() -> impl Strategy<Value = Sets> {
    any::<[(u64, u128); 3]>().prop_map(|sets| Sets(sets.map(|(count, hash)| SetDigest { count, hash: SetHash(hash) })))
}

fn any_range() -> impl Strategy<Value = Range> {
    (proptest::option::of(any_key()), proptest::option::of(any_key())).prop_map(|(after, to)| Range { after, to })
}

fn any_put() -> impl Strategy<Value = Put> {
    (any_key(), any::<u64>(), any::<(u64, u32)>(), vec(any::<u8>(), 0..200)).prop_map(|(key, version, stamp, body)| {
        let stamp = Stamp { wall_ms: stamp.0, counter: stamp.1 };
        Put { key, version: Version(version), stamp, body: ByteBuf::from(body) }
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let removal =
        (any_key(), any::<u64>()).prop_map(|(key, version)| Removal { key, version: Version(version), moved_to: None });
    let delta = (any::<(u64, u64)>(), vec(removal, 0..5), vec(any_put(), 0..5)).prop_map(|(span, removals, puts)| {
        Message::Delta(Delta {
            after: Version(span.0),
            upto: Version(span.1),
            read_at: Version(span.1),
            removals,
            puts,
        })
    });
    let reached =
        (any_origin(), any::<u64>()).prop_map(|(origin, version)| Reached { origin, version: Version(version) });
    let birth = (any_origin(), any::<u64>()).prop_map(|(origin, born)| Birth { origin, born: Generation(born) });
    let births = proptest::option::of(vec(birth, 0..3));
    let digest = (any::<u64>(), any_sets(), proptest::option::of(vec(reached, 0..6)), births).prop_map(
        |(version, sets, reached, births)| {
            let digest = Digest { version: Version(version), sets, reached };
            match births {
                Some(births) => Message::Births(digest, births),
                None => Message::Digest(digest),
            }
        },
    );
    let want = prop_oneof![
        Just(Want::Whole),
        any::<u64>().prop_map(|after| Want::After(Version(after))),
        vec(any_range(), 0..4).prop_map(Want::Ranges),
    ];
    let ask = (any::<u64>(), any_origin(), want).prop_map(|(id, origin, want)| Message::Ask(Ask { id, origin, want }));
    let pieces = vec((proptest::option::of(any_key()), any_sets()), 0..4).prop_map(|pieces| {
        Content::Pieces(pieces.into_iter().map(|(to, sets)| Piece { to, set: sets.0[0] }).collect())
    });
    let entries = vec(any_put(), 0..4).prop_map(|puts| Content::Entries { puts, moved: vec![] });
    let part = ((any::<u64>(), any_origin(), any::<u64>()), any_sets(), any_range(), prop_oneof![pieces, entries])
        .prop_map(|((id, origin, upto), sets, range, content)| {
            Message::Part(Part { id, origin, upto: Version(upto), sets, range, content })
        });
    let head = (any::<u64>(), any_origin(), any::<u64>(), any::<u32>(), any::<bool>());
    let chunk = (head, any_sets(), vec(any_put(), 0..5)).prop_map(|((id, origin, upto, number, last), sets, puts)| {
        Message::Chunk(Chunk { id, origin, upto: Version(upto), sets, number, last, moved: vec![], puts })
    });
    prop_oneof![delta, digest, ask, chunk, part]
}

mod laws {
    use super::*;

    proptest! {
        #[test]
        fn every_message_survives_its_frame(sender in any_origin(), message in any_message()) {
            prop_assert_eq!(decode(&encode(&sender, &message)), Ok((sender, message)));
        }

        #[test]
        fn equal_messages_have_equal_frames_and_different_ones_have_not(
            sender in any_origin(),
            one in any_message(),
            other in any_message(),
        ) {
            prop_assert_eq!(encode(&sender, &one) == encode(&sender, &other), one == other);
        }

        #[test]
        fn decoding_any_bytes_never_panics(bytes in vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn decoding_any_bytes_under_a_right_checksum_never_panics(bytes in vec(any::<u8>(), 0..400)) {
            let mut body = vec![FORMAT];
            body.extend_from_slice(&bytes);
            let _ = decode(&sealed(body));
        }

        #[test]
        fn a_damaged_frame_is_never_read_as_another_one(
            message in any_message(),
            damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..4),
        ) {
            let frame = encode(&origin("a", 1), &message);
            let mut damaged = frame.clone();
            for (index, byte, way) in damage {
                let at = index.index(damaged.len().max(1)).min(damaged.len());
                match way {
                    0 if at < damaged.len() => damaged[at] = byte,
                    1 if at < damaged.len() => {
                        damaged.remove(at);
                    }
                    _ => damaged.insert(at, byte),
                }
            }
            if damaged != frame {
                prop_assert!(decode(&damaged).is_err());
            }
        }

        #[test]
        fn a_damaged_message_under_a_right_checksum_never_panics_and_has_its_own_bytes(
            message in any_message(),
            index in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = encode(&origin("a", 1), &message);
            body.truncate(body.len() - CHECKSUM_BYTES);
            let at = index.index(body.len());
            body[at] = byte;
            if let Ok((sender, read)) = decode(&sealed(body)) {
                prop_assert_eq!(decode(&encode(&sender, &read)), Ok((sender, read)));
            }
        }
    }
}

use proptest::prelude::*;
use sensocto_model::room::RoomAsk;
use sensocto_model::{Generation, NodeName, Origin, RoomPatch};

use super::*;
use crate::apply::{self, Operation, What};

fn origin(node: u8) -> Origin {
    Origin { node: NodeName::new(&format!("n{node}")).expect("a name"), generation: Generation(1) }
}

fn user(number: u8) -> UserId {
    UserId::new(&format!("u{number}")).expect("an id")
}

fn operation(op: u64, by: UserId, ask: RoomAsk) -> Operation {
    Operation { room: RoomId::new("r").expect("an id"), op: OpId(op), what: What::Ask { by, ask } }
}

fn code(number: u8) -> JoinCode {
    JoinCode::from_random([number; 8])
}

/// A step of one of three copies: an operation by somebody, or a merge of another copy into it.
#[derive(Debug, Clone)]
enum Step {
    Do { copy: usize, by: u8, ask: u8, about: u8 },
    Merge { from: usize, into: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_usize, 0..4_u8, 0..9_u8, 0..4_u8).prop_map(|(copy, by, ask, about)| Step::Do { copy, by, ask, about }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(from, into)| Step::Merge { from, into }),
    ];
    prop::collection::vec(step, 0..40)
}

fn ask(kind: u8, about: u8) -> RoomAsk {
    let sensor = SensorId::new(&format!("s{about}")).expect("an id");
    match kind {
        0 | 1 => RoomAsk::Join { join_code: None },
        2 => RoomAsk::Leave,
        3 => RoomAsk::Kick(user(about)),
        4 => RoomAsk::Promote(user(about)),
        5 => RoomAsk::Demote(user(about)),
        6 => RoomAsk::AddSensor(sensor),
        7 => RoomAsk::RemoveSensor { sensor, names_room: about.is_multiple_of(2) },
        _ => RoomAsk::Update(RoomPatch { name: Some(format!("name {about}")), ..RoomPatch::default() }),
    }
}

/// Three copies after some steps, each written by a node of its own.
fn copies(steps: &[Step]) -> [Record; 3] {
    let created = operation(0, user(0), RoomAsk::Create { settings: RoomSettings::default(), join_code: code(1) });
    let tag = |copy: usize, at: usize| Tag {
        stamp: Stamp { wall_ms: at as u64 + 1, counter: 0 },
        origin: origin(u8::try_from(copy).unwrap_or_default()),
    };
    let first = apply::create(&created, &origin(0), &tag(0, 0)).expect("made");
    let mut copies = [first.clone(), first.clone(), first];
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Do { copy, by, ask: kind, about } => {
                let operation = operation(at as u64 + 1, user(*by), ask(*kind, *about));
                if let Ok(Some(after)) = apply::apply(&copies[*copy], &operation, &tag(*copy, at + 1)) {
                    copies[*copy] = after;
                }
            }
            Step::Merge { from, into } => {
                let from = copies[*from].clone();
                copies[*into].merge(&from);
            }
        }
    }
    copies
}

fn merged(one: &Record, other: &Record) -> Record {
    let mut merged = one.clone();
    merged.merge(other);
    merged
}

proptest! {
    #[test]
    fn copies_become_the_same_whatever_way_they_travel(steps in steps()) {
        let [a, b, c] = copies(&steps);
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        let all = merged(&merged(&a, &b), &c);
        prop_assert_eq!(merged(&all, &b), all.clone());
        prop_assert_eq!(Record::decode(&all.encode()).expect("read"), all);
    }

    #[test]
    fn bytes_from_outside_never_stop_a_node(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::decode(&bytes);
    }

    #[test]
    fn a_damaged_record_is_refused_or_still_within_the_limits(steps in steps(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = copies(&steps)[0].encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert!(record.room().is_none_or(|room| room.settings.validate().is_ok()));
        }
    }
}

fn done(record: &Record, op: u64, at: u64, node: u8, by: UserId, ask: RoomAsk) -> Record {
    let tag = Tag { stamp: Stamp { wall_ms: at, counter: 0 }, origin: origin(node) };
    let operation = operation(op, by, ask);
    apply::apply(record, &operation, &tag).expect("allowed").expect("something to do")
}

fn room_of_two() -> Record {
    let [first, ..] = copies(&[]);
    done(&first, 1, 10, 0, user(1), RoomAsk::Join { join_code: None })
}

#[test]
fn who_was_put_out_on_one_side_is_out_although_the_other_side_made_them_admin() {
    let before = room_of_two();
    let kicked = done(&before, 2, 20, 1, user(0), RoomAsk::Kick(user(1)));
    let promoted = done(&before, 3, 30, 2, user(0), RoomAsk::Promote(user(1)));
    let both = merged(&promoted, &kicked);
    assert_eq!(both.room().expect("there").role("u1"), None);
    assert_eq!(both.departure(&user(1)), Departure::Kicked);
}

#[test]
fn who_joined_on_one_side_stays_although_somebody_else_was_put_out_on_the_other() {
    let before = room_of_two();
    let joined = done(&before, 2, 20, 1, user(2), RoomAsk::Join { join_code: None });
    let kicked = done(&before, 3, 30, 2, user(0), RoomAsk::Kick(user(1)));
    let both = merged(&kicked, &joined).room().expect("there");
    assert_eq!((both.role("u1"), both.role("u2")), (None, Some(Role::Member)));
}

#[test]
fn a_deleted_room_stays_deleted_whatever_was_written_elsewhere() {
    let before = room_of_two();
    let deleted = done(&before, 2, 20, 1, user(0), RoomAsk::Delete);
    let renamed = done(&before, 3, 90, 2, user(0), ask(8, 1));
    assert_eq!(merged(&renamed, &deleted).room(), None);
    assert_eq!(merged(&deleted, &renamed).room(), None);
}

#[test]
fn an_operation_that_was_done_is_not_done_again() {
    let before = room_of_two();
    let again = operation(1, user(1), RoomAsk::Join { join_code: None });
    let tag = Tag { stamp: Stamp { wall_ms: 50, counter: 0 }, origin: origin(1) };
    assert_eq!(apply::apply(&before, &again, &tag), Ok(None));
}

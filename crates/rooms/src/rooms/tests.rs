use sensocto_model::room::RoomAsk;
use sensocto_model::{Generation, JoinCode, NodeName, RoomSettings, UserId};

use super::*;
use crate::{OpId, What};

fn now(ms: u64) -> Now {
    Now { mono: Duration::from_millis(ms), wall_ms: 1_000_000 + ms }
}

fn alone() -> Rooms {
    let me = Origin { node: NodeName::new("a").expect("a name"), generation: Generation(1) };
    Rooms::new(me, Config { alone: true, ..Config::default() }, now(0))
}

fn create(op: u64, id: &str) -> Operation {
    let ask = RoomAsk::Create { settings: RoomSettings::default(), join_code: JoinCode::from_random([7; 8]) };
    let by = UserId::new("ana").expect("an id");
    Operation { room: RoomId::new(id).expect("an id"), op: OpId(op), what: What::Ask { by, ask } }
}

/// Lets the disk take, or refuse, every write; what came of operations.
fn drain(rooms: &mut Rooms, stored: bool, at: u64) -> Vec<Result<Ack, RoomError>> {
    let mut results = Vec::new();
    while let Some(output) = rooms.poll_output() {
        match output {
            Output::Persist { batch, .. } => rooms.handle_persisted(batch, stored, now(at)),
            Output::Done { result, .. } => results.push(result),
            Output::Publish(_)
            | Output::Ask { .. }
            | Output::Answer { .. }
            | Output::Changed(_)
            | Output::NeedsCode { .. } => {}
        }
    }
    results
}

#[test]
fn a_node_alone_acknowledges_what_is_on_its_disk_and_says_that_it_is_one_copy() {
    let mut rooms = alone();
    rooms.submit(1, create(1, "r"), now(1)).expect("taken");
    assert!(rooms.view().is_empty(), "nobody sees what is not on disk");
    let results = drain(&mut rooms, true, 2);
    let [Ok(ack)] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!((ack.copies, ack.on_disk), (1, 1));
    assert_eq!(rooms.view().len(), 1);
}

#[test]
fn what_the_disk_refused_never_happened_and_is_said_so() {
    let mut rooms = alone();
    rooms.submit(1, create(1, "r"), now(1)).expect("taken");
    assert_eq!(drain(&mut rooms, false, 2), []);
    assert!(rooms.view().is_empty() && rooms.record(&RoomId::new("r").expect("an id")).is_none());
    assert!(!rooms.health().writable);
    rooms.handle_tick(now(1_000));
    rooms.handle_tick(now(6_000));
    assert_eq!(drain(&mut rooms, false, 6_000), [Err(RoomError::StorageFailing)]);
    rooms.handle_tick(now(9_000));
    assert_eq!(drain(&mut rooms, true, 9_000), []);
    assert!(rooms.health().writable, "a disk that takes writes again is used again");
}

#[test]
fn the_second_room_of_one_code_is_refused() {
    let mut rooms = alone();
    rooms.submit(1, create(1, "r"), now(1)).expect("taken");
    drain(&mut rooms, true, 2);
    rooms.submit(2, create(2, "other"), now(3)).expect("taken");
    assert_eq!(drain(&mut rooms, true, 4), [Err(RoomError::JoinCodeTaken)]);
}

#[test]
fn the_same_operation_asked_twice_is_done_once_and_acknowledged_twice() {
    let mut rooms = alone();
    rooms.submit(1, create(1, "r"), now(1)).expect("taken");
    drain(&mut rooms, true, 2);
    rooms.submit(2, create(1, "r"), now(3)).expect("taken");
    let results = drain(&mut rooms, true, 4);
    assert!(matches!(results.as_slice(), [Ok(_)]), "{results:?}");
    assert_eq!(rooms.view().len(), 1);
}

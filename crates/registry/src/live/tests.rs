use std::sync::Arc;

use proptest::prelude::*;
use sensocto_model::{Key, Record, RoomId, SensorId, Version};

use super::*;
use crate::entry::Entry;
use crate::testing::{origin, sensor, stamp};
use crate::view::{Order, SearchText};

#[derive(Debug, Clone)]
enum Step {
    Put { node: u8, id: u8, choice: u8, stamp: u8 },
    Remove { node: u8, id: u8 },
    Open { filter: u8, order: u8, limit: u8, from: u8 },
    Close(u8),
    Tell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0_u8..2, 0_u8..30, any::<u8>(), 0_u8..3).prop_map(|(node, id, choice, stamp)| Step::Put {
        node,
        id,
        choice,
        stamp,
    });
    let remove = (0_u8..2, 0_u8..30).prop_map(|(node, id)| Step::Remove { node, id });
    let open = (0_u8..8, 0_u8..3, 1_u8..12, 0_u8..30).prop_map(|(filter, order, limit, from)| Step::Open {
        filter,
        order,
        limit,
        from,
    });
    proptest::collection::vec(
        prop_oneof![8 => put, 4 => remove, 3 => open, 1 => any::<u8>().prop_map(Step::Close), 4 => Just(Step::Tell)],
        0..200,
    )
}

fn filter(number: u8) -> SensorFilter {
    let text = |text: &str| Some(text.to_owned());
    match number {
        0 => SensorFilter::default(),
        1 => SensorFilter { sensor_type: text("ecg"), ..SensorFilter::default() },
        2 => SensorFilter { room: text("lab"), sensor_type: text("gps"), ..SensorFilter::default() },
        3 => SensorFilter { node: text("a"), ..SensorFilter::default() },
        4 => SensorFilter { room: text(""), ..SensorFilter::default() },
        7 => SensorFilter { text: SearchText::new("n1"), ..SensorFilter::default() },
        5 => SensorFilter { text: SearchText::new("S0 n"), node: text("a"), ..SensorFilter::default() },
        _ => SensorFilter { name_prefix: text("n1"), ..SensorFilter::default() },
    }
}

/// What a client makes of the page that it got and the differences after it.
fn replay(page: &mut Vec<(String, u64)>, difference: &Difference) {
    let version = |row: &WindowRow| (row.id().to_owned(), row.held.entry.version.0);
    page.retain(|(id, _)| !difference.left.iter().any(|left| left.row.id() == id));
    let mut puts: Vec<(usize, (String, u64))> =
        difference.entered.iter().map(|(place, row)| (*place, version(row))).collect();
    for (place, row) in &difference.moved {
        let at = page.iter().position(|(other, _)| other == row.id()).expect("what moved was there");
        puts.push((*place, page.remove(at)));
    }
    puts.sort_by_key(|(place, _)| *place);
    for (place, line) in puts {
        page.insert(place, line);
    }
    for row in &difference.changed {
        *page.iter_mut().find(|(id, _)| id == row.id()).expect("what changed was there") = version(row);
    }
}

/// One subscriber: its window, and the page that it made of what it was told.
struct Subscriber {
    id: WindowId,
    spec: WindowSpec,
    page: Vec<(String, u64)>,
    total: usize,
}

fn lines(rows: &[WindowRow]) -> Vec<(String, u64)> {
    rows.iter().map(|row| (row.id().to_owned(), row.held.entry.version.0)).collect()
}

fn record(id: u8, choice: u8) -> Record {
    let Record::Sensor(mut sensor) = sensor(&format!("s{id:02}"), &format!("N{}", choice % 7)) else { unreachable!() };
    sensor.sensor_type = if choice & 8 == 0 { "ecg" } else { "gps" }.into();
    sensor.room_id = (choice & 16 != 0).then(|| RoomId::new("lab").expect("an id"));
    Record::Sensor(sensor)
}

/// Tells every subscriber, and compares what each made of it with the list itself.
fn tell_and_compare(live: &mut Live, view: &View, subscribers: &mut [Subscriber]) -> Result<(), TestCaseError> {
    for (id, difference) in live.differences(view) {
        let subscriber = subscribers.iter_mut().find(|subscriber| subscriber.id == id).expect("it is open");
        replay(&mut subscriber.page, &difference);
        subscriber.total = difference.total;
    }
    for (ids, total) in live.totals() {
        subscribers.iter_mut().filter(|subscriber| ids.contains(&subscriber.id)).for_each(|one| one.total = total);
    }
    for subscriber in subscribers.iter() {
        let WindowSpec { query, after, limit } = &subscriber.spec;
        let found = view.sensors(query, after.as_ref(), *limit, Duration::ZERO);
        let rows: Vec<WindowRow> = found.lines.iter().map(|line| WindowRow { held: line.held.clone() }).collect();
        prop_assert_eq!(&subscriber.page, &lines(&rows), "{:?}", subscriber.spec);
        prop_assert_eq!(subscriber.total, view.sensors_total(&query.filter, Duration::ZERO), "{:?}", query);
    }
    Ok(())
}

proptest! {
    #[test]
    fn replaying_the_differences_on_a_page_gives_the_list(steps in steps()) {
        let mut view = View::new(Duration::from_secs(5));
        let mut live = Live::default();
        let mut subscribers: Vec<Subscriber> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            let put = match step {
                Step::Put { node, id, choice, stamp } => Some((node, record(id, choice), u64::from(stamp), true)),
                Step::Remove { node, id } => Some((node, record(id, 0), 0, false)),
                Step::Open { filter: number, order, limit, from } => {
                    // A window is opened into the world that has been told.
                    tell_and_compare(&mut live, &view, &mut subscribers)?;
                    let query = SensorQuery { filter: filter(number), order: Order::ALL[usize::from(order)] };
                    let after = view.position(query.order, &format!("s{from:02}"));
                    let spec = WindowSpec { query, after, limit: usize::from(limit) };
                    let id = live.open(&view, spec.clone());
                    let (rows, total) = live.page(id).expect("open");
                    subscribers.push(Subscriber { id, spec, page: lines(rows), total });
                    None
                }
                Step::Close(number) => {
                    if !subscribers.is_empty() {
                        let at = usize::from(number) % subscribers.len();
                        live.close(subscribers.swap_remove(at).id);
                    }
                    None
                }
                Step::Tell => {
                    tell_and_compare(&mut live, &view, &mut subscribers)?;
                    None
                }
            };
            let Some((node, record, stamped, there)) = put else { continue };
            let node = Arc::new(origin(["a", "b"][usize::from(node)], 1));
            let key = record.key();
            let entry = Arc::new(Entry::new(record, Version(at as u64 + 1), stamp(stamped)));
            let event = view.apply(&node, key, there.then_some(entry), Cause::Unregistered);
            view.settle();
            live.take(event.as_slice());
        }
        tell_and_compare(&mut live, &view, &mut subscribers)?;
        for subscriber in subscribers.drain(..) {
            live.close(subscriber.id);
        }
        prop_assert!(live.is_empty() && live.groups() == 0 && live.by_condition.iter().all(BTreeMap::is_empty));
    }
}

#[test]
fn a_change_outside_of_a_window_is_not_told_to_it() {
    let mut view = View::new(Duration::from_secs(5));
    let a = Arc::new(origin("a", 1));
    let put = |view: &mut View, id: u8, choice: u8, version: u64| {
        let record = record(id, choice);
        let entry = Arc::new(Entry::new(record.clone(), Version(version), stamp(1)));
        let event = view.apply(&a, record.key(), Some(entry), Cause::Unregistered).expect("an event");
        view.settle();
        event
    };
    (0..30).for_each(|id| drop(put(&mut view, id, 0, 1)));
    let mut live = Live::default();
    let window = |from: Option<u8>| WindowSpec {
        query: SensorQuery::default(),
        after: from.map(|from| Position::Id(format!("s{from:02}"))),
        limit: 10,
    };
    let (first, second) = (live.open(&view, window(None)), live.open(&view, window(Some(9))));
    live.take(&[put(&mut view, 15, 1, 2)]);
    let told: Vec<WindowId> = live.differences(&view).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, [second]);
    live.take(&[put(&mut view, 25, 1, 3)]);
    assert!(live.differences(&view).is_empty(), "behind both");
    assert!(live.totals().is_empty());
    let left = Key::sensor(&SensorId::new("s03").expect("an id"));
    live.take(view.apply(&a, left, None, Cause::NodeGone).as_slice());
    view.settle();
    let (id, difference) = live.differences(&view).pop().expect("told");
    assert_eq!((id, difference.left[0].cause), (first, LeftCause::Gone(Cause::NodeGone)));
    assert_eq!((difference.entered[0].0, difference.entered[0].1.id()), (9, "s10"));
    assert_eq!(live.totals(), [(vec![first, second], 29)]);
}

//! Lists are what a plain search of the whole world finds, whatever led to it.

use sensocto_model::{
    Attribute, AttributeId, ConnectionId, ConnectorId, Presence, PresenceFields, PresenceRef, PresenceTopic, RoomId,
    Sensor, SensorId, UserId,
};

use super::*;

const TYPES: [&str; 3] = ["ecg", "gps", "a type whose name is long"];
const NAMES: [&str; 4] = ["Ada", "<adam> 7", "Öl", "a name that does not fit in place, of Adam"];

#[derive(Debug, Clone)]
enum Step {
    Put { node: u8, id: u16, choice: u8, stamp: u8 },
    Remove { node: u8, id: u16 },
    Join { node: u8, user: u8, connection: u8, room: u8 },
    Leave { node: u8, user: u8, connection: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0_u8..3, 0_u16..40, any::<u8>(), 0_u8..4).prop_map(|(node, id, choice, stamp)| Step::Put {
        node,
        id,
        choice,
        stamp,
    });
    let remove = (0_u8..3, 0_u16..40).prop_map(|(node, id)| Step::Remove { node, id });
    let join = (0_u8..3, 0_u8..4, 0_u8..3, 0_u8..3).prop_map(|(node, user, connection, room)| Step::Join {
        node,
        user,
        connection,
        room,
    });
    let leave = (0_u8..3, 0_u8..4, 0_u8..3).prop_map(|(node, user, connection)| Step::Leave { node, user, connection });
    proptest::collection::vec(prop_oneof![5 => put, 2 => remove, 2 => join, 1 => leave], 0..200)
}

fn sensor_of(id: u16, choice: u8) -> Record {
    let Record::Sensor(mut sensor) = sensor(
        &format!("{} number 00000000{id:03}", if id.is_multiple_of(2) { "sensor" } else { "Sensor" }),
        NAMES[usize::from(choice % 4)],
    ) else {
        unreachable!("a sensor")
    };
    sensor.sensor_type = TYPES[usize::from(choice / 4 % 3)].into();
    sensor.connector_id = ConnectorId::new(&format!("c{}", choice / 16 % 4)).expect("an id");
    sensor.room_id = (choice & 64 != 0).then(|| RoomId::new("lab").expect("an id"));
    for name in ["celsius", "volt"].iter().take(usize::from(choice / 8 % 3)) {
        let id = AttributeId::new(name).expect("an id");
        sensor.attributes.insert(id.clone(), Attribute::inferred(&id, None));
    }
    Record::Sensor(sensor)
}

fn presence_of(user: u8, connection: u8, room: u8) -> Record {
    Record::Presence(Presence {
        presence_ref: PresenceRef::new(&format!("{connection}:{user}")).expect("an id"),
        topic: PresenceTopic::new("all").expect("a topic"),
        connection: ConnectionId::new(&format!("{connection}:{user}")).expect("an id"),
        user_id: UserId::new(&format!("u{user}")).expect("an id"),
        user_name: "Ada".to_owned(),
        device: None,
        room_id: (room > 0).then(|| RoomId::new(["", "lab", "roof"][usize::from(room)]).expect("an id")),
        mode: None,
        online_at_ms: 0,
        fields: PresenceFields::default(),
    })
}

/// Takes the steps, and notes in which order what is shown last changed.
fn run(steps: &[Step]) -> (View, Vec<Key>) {
    let mut view = View::new(FRESH_FOR);
    let mut changed: Vec<Key> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let (node, record, stamped, gone) = match step {
            Step::Put { node, id, choice, stamp } => (node, sensor_of(*id, *choice), u64::from(*stamp), false),
            Step::Remove { node, id } => (node, sensor_of(*id, 0), 0, true),
            Step::Join { node, user, connection, room } => (node, presence_of(*user, *connection, *room), 1, false),
            Step::Leave { node, user, connection } => (node, presence_of(*user, *connection, 0), 1, true),
        };
        let node = Arc::new(origin(["a", "b", "c"][usize::from(*node)], 1));
        let key = record.key();
        let entry = Arc::new(Entry::new(record, Version(at as u64 + 1), stamp(stamped)));
        let event = view.apply(&node, key.clone(), (!gone).then_some(entry), Cause::Unregistered);
        // Whatever changes are gathered before a reader comes.
        if at % 7 < 2 {
            view.settle();
        }
        if event.is_some() {
            changed.retain(|other| *other != key);
            changed.push(key);
        }
    }
    let nodes = [("a", PeerState::Local), ("b", PeerState::Alive), ("c", PeerState::Unreachable)];
    let nodes = nodes.map(|(node, state)| (name(node), node_view(node, state, Some(ms(9_000)))));
    view.set_nodes(nodes.into_iter().collect());
    view.settle();
    (view, changed)
}

fn filters() -> Vec<SensorFilter> {
    let empty = SensorFilter::default;
    let text = |text: &str| Some(text.to_owned());
    vec![
        empty(),
        SensorFilter { sensor_type: text("ecg"), ..empty() },
        SensorFilter { sensor_type: text(TYPES[2]), room: text("lab"), ..empty() },
        SensorFilter { connector: text("c1"), ..empty() },
        SensorFilter { node: text("b"), ..empty() },
        SensorFilter { freshness: Some(Freshness::Fresh), ..empty() },
        SensorFilter { freshness: Some(Freshness::Orphaned), attribute: text("volt"), ..empty() },
        SensorFilter { name_prefix: text("ad"), ..empty() },
        SensorFilter { name_prefix: text("A"), node: text("a"), attribute: text("celsius"), ..empty() },
        SensorFilter { name_prefix: text("ÖL"), ..empty() },
        SensorFilter { room: text("nowhere"), ..empty() },
        SensorFilter { room: text(""), ..empty() },
        SensorFilter { room: text(""), sensor_type: text("ecg"), ..empty() },
        SensorFilter { text: SearchText::new("AD"), ..empty() },
        SensorFilter { text: SearchText::new("sens"), ..empty() },
        SensorFilter { text: SearchText::new("sensor öl"), ..empty() },
        SensorFilter { text: SearchText::new("num"), room: text("lab"), ..empty() },
        SensorFilter { text: SearchText::new("000000000"), ..empty() },
        SensorFilter { text: SearchText::new("00000000021"), ..empty() },
        SensorFilter { text: SearchText::new("0000000002 adam"), freshness: Some(Freshness::Fresh), ..empty() },
        SensorFilter { text: SearchText::new("nowhere"), ..empty() },
    ]
}

/// The ids that a plain search finds, in order.
fn expected(view: &View, changed: &[Key], query: &SensorQuery) -> Vec<String> {
    let passes = |held: &Held| {
        query.filter.matches_held(held)
            && query.filter.freshness.is_none_or(|wanted| view.freshness(held, ms(10_000)).0 == wanted)
    };
    let found = view.iter_after(Kind::Sensor, None).filter(|(held, _)| passes(held));
    let mut found: Vec<&Sensor> = found.filter_map(|(_, record)| record.as_sensor()).collect();
    match query.order {
        Order::Id => found.sort_by_key(|sensor| sensor.sensor_id.clone()),
        Order::Name => found.sort_by_key(|sensor| (sensor.sensor_name.to_lowercase(), sensor.sensor_id.clone())),
        Order::Changed => found.sort_by_key(|sensor| {
            std::cmp::Reverse(changed.iter().position(|key| *key == Key::sensor(&sensor.sensor_id)))
        }),
    }
    found.iter().map(|sensor| sensor.sensor_id.to_string()).collect()
}

/// The ids that the pages of a list have together.
fn paged(view: &View, query: &SensorQuery, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let found = view.sensors(query, after.as_ref(), limit, ms(10_000));
        assert!(found.lines.len() <= limit);
        ids.extend(found.lines.iter().map(|line| line.held.entry.record().expect("readable").key().id.to_string()));
        let Some(last) = found.lines.last().filter(|_| found.more) else { return ids };
        after = Some(Position::of(query.order, last.held, last.changed));
    }
}

proptest! {
    #[test]
    fn every_page_of_every_list_is_what_a_plain_search_finds(steps in steps(), limit in 1_usize..20) {
        let (view, changed) = run(&steps);
        for filter in filters() {
            for order in Order::ALL {
                let query = SensorQuery { filter: filter.clone(), order };
                let expected = expected(&view, &changed, &query);
                prop_assert_eq!(paged(&view, &query, limit), &expected[..], "{:?}", query);
                prop_assert_eq!(view.sensors_total(&filter, ms(10_000)), expected.len(), "{:?}", filter);
                let place = view.place_behind(&query, None, limit, ms(10_000));
                let behind = view.sensors(&query, place.as_ref(), 1, ms(10_000)).lines.first().and_then(|line| line.held.entry.record()).and_then(Record::as_sensor);
                prop_assert_eq!(behind.map(|sensor| sensor.sensor_id.to_string()), expected.get(limit).cloned(), "{:?}", query);
            }
        }
    }

    #[test]
    fn counts_people_and_rooms_are_kept_as_a_plain_search_finds_them(steps in steps()) {
        let (view, _) = run(&steps);
        let mut by_type: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_connector: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_node: BTreeMap<NodeName, usize> = BTreeMap::new();
        let mut rooms: BTreeMap<String, (usize, std::collections::BTreeSet<String>)> = BTreeMap::new();
        let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (held, record) in view.iter_after(Kind::Sensor, None) {
            let sensor = record.as_sensor().expect("a sensor");
            *by_type.entry(sensor.sensor_type.to_string()).or_default() += 1;
            *by_connector.entry(sensor.connector_id.to_string()).or_default() += 1;
            *by_node.entry(held.origin.node.clone()).or_default() += 1;
            if let Some(room) = &sensor.room_id {
                rooms.entry(room.to_string()).or_default().0 += 1;
            }
        }
        for (_, record) in view.iter_after(Kind::Presence, None) {
            let presence = record.as_presence().expect("a presence");
            people.entry(presence.user_id.to_string()).or_default().push(presence.presence_ref.to_string());
            if let Some(room) = &presence.room_id {
                rooms.entry(room.to_string()).or_default().1.insert(presence.user_id.to_string());
            }
        }
        prop_assert_eq!(view.count_by_type().collect::<BTreeMap<_, _>>(), by_type);
        prop_assert_eq!(view.count_by_connector().collect::<BTreeMap<_, _>>(), by_connector);
        prop_assert_eq!(view.count_by_node(), by_node);
        prop_assert_eq!((view.rooms_total(), view.people_total()), (rooms.len(), people.len()));
        let found = view.rooms(None, 100).0.into_iter().map(|room| (room.room_id, (room.sensors, room.people)));
        let expected = rooms.iter().map(|(room, (sensors, people))| (room.clone(), (*sensors, people.len())));
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let connections = |person: &Person<'_>| person.connections.iter().map(|(_, one)| one.presence_ref.to_string()).collect();
        let found = view.people(None, None, None, 100).0;
        let found: BTreeMap<String, Vec<String>> =
            found.iter().map(|person| (person.user_id.clone(), connections(person))).collect();
        prop_assert_eq!(found, people);
        let in_lab = view.people(Some("lab"), None, Some("u0"), 100).0.into_iter().map(|person| person.user_id);
        let expected = rooms.get("lab").into_iter().flat_map(|(_, people)| people.iter().cloned()).filter(|id| id != "u0");
        prop_assert_eq!(in_lab.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn ids_that_come_in_any_order_keep_it_where_labels_run_out() {
    let mut view = View::new(FRESH_FOR);
    let a = Arc::new(origin("a", 1));
    let mut add = |id: String| {
        let key = Key::sensor(&SensorId::new(&id).expect("an id"));
        let entry = Arc::new(Entry::new(sensor(&id, ""), Version(1), stamp(1)));
        view.apply(&a, key, Some(entry), Cause::Unregistered);
        view.settle();
    };
    add("a".to_owned());
    add("c".to_owned());
    // Nested ever deeper between two neighbours from alternating sides, and runs in both directions.
    let (mut low, mut high) = (1_000_000_u32, 3_000_000_u32);
    for step in 0..600_u32 {
        low += 1;
        high -= 1;
        add(format!("b{:07}", if step % 2 == 0 { low } else { high }));
        add(format!("bz{step:05}"));
        add(format!("ba{:05}", 99_999 - step));
    }
    let ids: Vec<String> = view.iter_after(Kind::Sensor, None).map(|(_, record)| record.key().id.to_string()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!((ids.len(), ids), (1_802, sorted));
    let query = SensorQuery {
        filter: SensorFilter { connector: Some("c1".to_owned()), ..SensorFilter::default() },
        order: Order::Id,
    };
    assert_eq!(paged(&view, &query, 100).len(), 1_802);
}

#[test]
fn words_that_most_names_have_lead_to_the_same_lists() {
    let mut view = View::new(FRESH_FOR);
    let a = Arc::new(origin("a", 1));
    for number in 0..5_000_u32 {
        let key = Key::sensor(&SensorId::new(&format!("s-{number}")).expect("an id"));
        let side = if number % 100 == 17 { "South" } else { "North" };
        let entry =
            Entry::new(sensor(&format!("s-{number}"), &format!("Greenhouse {number} {side}")), Version(1), stamp(1));
        view.apply(&a, key, Some(Arc::new(entry)), Cause::Unregistered);
    }
    view.settle();
    let query = |text: &str, order| SensorQuery {
        filter: SensorFilter { text: SearchText::new(text), ..SensorFilter::default() },
        order,
    };
    let changed: Vec<Key> =
        (0..5_000).map(|number| Key::sensor(&SensorId::new(&format!("s-{number}")).expect("an id"))).collect();
    for (text, total) in [("north", 4_950), ("NOR green", 4_950), ("south", 50), ("green 17", 111), ("s 1317 s", 1)] {
        assert_eq!(view.sensors_total(&query(text, Order::Id).filter, ms(10_000)), total, "{text}");
        for order in Order::ALL {
            let query = query(text, order);
            let (found, expected) = (paged(&view, &query, 400), expected(&view, &changed, &query));
            let differs = found.iter().zip(&expected).position(|(one, other)| one != other);
            assert_eq!((found.len(), differs), (expected.len(), None), "{query:?}");
        }
    }
}

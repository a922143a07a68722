//! Live queries of rooms: what a subscriber is told, applied to its page, gives the list that it may see, on whatever node it is.

use std::collections::BTreeMap;
use std::time::Duration;

use sensocto_node::engine::memory::Hub;
use sensocto_node::model::room::RoomAsk;
use sensocto_node::model::{RoomPatch, RoomSettings};
use sensocto_node::{
    Attributes, ConnectorId, Handle, ListDifference, ListQuery, ListRow, ListSpec, LiveCursor, LiveNext, LiveStart,
    LiveSubscription, LocalEntry, Node, NodeConfig, NodeName, PeerState, RegistryConfig, RoomId, RoomOrder, RoomQuery,
    Sensor, SensorId, UserId, Worlds,
};

/// What has to happen happens within this, or the test fails.
const DEADLINE: Duration = Duration::from_secs(30);
const NODES: [&str; 2] = ["a", "b"];
const USERS: [&str; 3] = ["ana", "bo", "carl"];
const NAMES: [&str; 6] = ["Lab", "lab 2", "Library", "Garden", "Attic", "Zoo"];
const ACTS: usize = 160;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

/// One line as a client knows it.
type Line = (String, String, usize, usize, u64);

fn line(row: &ListRow) -> Line {
    let ListRow::Room(row) = row else { panic!("{row:?}") };
    let room = &row.room;
    (room.id.to_string(), room.settings.name.clone(), room.members.len(), row.sensors, room.updated_at_ms)
}

/// A client that has only what it was told.
struct Client {
    handle: Handle,
    spec: ListSpec,
    lines: Vec<Line>,
    total: usize,
    cursor: Option<LiveCursor>,
    subscription: LiveSubscription,
}

impl Client {
    async fn connect(handle: &Handle, spec: ListSpec) -> Client {
        let mut subscription = handle.live(spec.clone(), None).await.expect("opened");
        let Some(LiveStart::Page { rows, total, cursor, .. }) = subscription.take_start() else { panic!("a page") };
        let lines = rows.iter().map(line).collect();
        let cursor = Some(LiveCursor::clone(&cursor));
        Client { handle: handle.clone(), spec, lines, total, cursor, subscription }
    }

    /// As the protocol says.
    fn apply(&mut self, difference: &ListDifference) {
        let moved = difference.moved.iter().map(|(_, row)| row.id());
        let gone: Vec<&str> = difference.left.iter().map(|(row, _)| row.id()).chain(moved).collect();
        self.lines.retain(|(id, ..)| !gone.contains(&id.as_str()));
        let mut comes: BTreeMap<usize, Line> = BTreeMap::new();
        comes.extend(difference.entered.iter().chain(&difference.moved).map(|(at, row)| (*at, line(row))));
        for (at, line) in comes {
            self.lines.insert(at, line);
        }
        for row in &difference.changed {
            let at = self.lines.iter().position(|(id, ..)| id == row.id()).expect("it is there");
            self.lines[at] = line(row);
        }
    }

    fn truth(&self) -> (Vec<Line>, usize) {
        let (world, rooms) = (self.handle.world(), self.handle.rooms());
        let worlds = Worlds { view: &world.view, rooms: &rooms.view };
        let rows = self.spec.query.read(worlds, self.spec.after.as_ref(), self.spec.limit).0;
        let ListQuery::Rooms(query) = &self.spec.query else { panic!("rooms") };
        (rows.iter().map(line).collect(), rooms.view.total(query))
    }

    async fn follow_until_true(&mut self) {
        let followed = tokio::time::timeout(DEADLINE, async {
            while (self.lines.clone(), self.total) != self.truth() {
                match self.subscription.next().await {
                    LiveNext::Update(update) => {
                        if let Some(difference) = &update.difference {
                            self.apply(difference);
                        }
                        self.total = update.total;
                        self.cursor = Some(LiveCursor::clone(&update.cursor));
                    }
                    LiveNext::Behind => *self = Client::connect(&self.handle, self.spec.clone()).await,
                    LiveNext::Closed => panic!("it ended"),
                }
            }
        });
        let followed = followed.await;
        let (lines, total) = self.truth();
        assert!(followed.is_ok(), "{:?}: {:?} {}, {lines:?} {total}", self.spec, self.lines, self.total);
    }
}

fn start() -> Vec<Node> {
    let hub = Hub::default();
    let config = |name: &str| NodeConfig {
        name: NodeName::new(name).expect("a name"),
        cluster: "test".into(),
        peer: None,
        data: None,
        registry: RegistryConfig::default(),
    };
    NODES.iter().map(|name| Node::start_on(&config(name), |me| hub.connect(me)).expect("started")).collect()
}

async fn know_each_other(handle: &Handle) {
    let mut subscription = handle.subscribe();
    let known = tokio::time::timeout(DEADLINE, async {
        let there = |state| matches!(state, PeerState::Alive | PeerState::Local);
        while subscription.world().view.nodes().values().filter(|node| there(node.state)).count() < NODES.len() {
            handle.next(&mut subscription).await;
        }
    });
    known.await.expect("in time");
}

/// Somebody does something to some room; what is against the rules is refused, as it should be.
async fn act(numbers: &mut Numbers, handles: &[Handle], rooms: &mut Vec<RoomId>) {
    let (handle, by) = (&handles[numbers.below(NODES.len())], user(numbers.of(&USERS)));
    let name = Some(numbers.of(&NAMES).to_owned());
    if rooms.len() < 3 || numbers.below(6) == 0 {
        let settings = RoomSettings {
            name: numbers.of(&NAMES).to_owned(),
            is_public: numbers.below(2) == 0,
            ..RoomSettings::default()
        };
        let made = handle.create_room(&by, settings, None).await.expect("made").room.expect("there");
        rooms.push(made.id.clone());
        return;
    }
    let room = rooms[numbers.below(rooms.len())].clone();
    let Some(there) = handle.rooms().view.get(room.as_str()).cloned() else { return };
    let (owner, other) = (there.owner_id.clone(), user(numbers.of(&USERS)));
    let (by, ask) = match numbers.below(8) {
        0 | 1 => (owner, RoomAsk::Update(RoomPatch { name, ..RoomPatch::default() })),
        2 => {
            let is_public = Some(!there.settings.is_public);
            (owner, RoomAsk::Update(RoomPatch { is_public, ..RoomPatch::default() }))
        }
        3 | 4 => (other, RoomAsk::Join { join_code: Some(there.join_code) }),
        5 => (other, RoomAsk::Leave),
        6 => (owner, RoomAsk::Kick(other)),
        _ => (owner, RoomAsk::Delete),
    };
    // The owner cannot leave, and a member does not join.
    let _ = handle.ask_room(&by, room, ask).await;
}

fn sensor(number: usize, room: &RoomId) -> Sensor {
    Sensor {
        sensor_id: SensorId::new(&format!("s{number:02}")).expect("an id"),
        sensor_name: "Sensor".into(),
        sensor_type: "ecg".into(),
        connector_id: ConnectorId::new("c1").expect("an id"),
        connector_name: "Pi".into(),
        sampling_rate: 1.0,
        batch_size: 1,
        username: None,
        room_id: Some(room.clone()),
        attributes: Attributes::default(),
        registered_at_ms: 0,
    }
}

fn specs() -> Vec<ListSpec> {
    let mut queries = Vec::new();
    for viewer in [None, Some("ana"), Some("bo")] {
        for order in RoomOrder::ALL {
            queries.push(RoomQuery { viewer: viewer.map(user), order, ..RoomQuery::default() });
        }
    }
    let bo = RoomQuery { viewer: Some(user("bo")), order: RoomOrder::Name, ..RoomQuery::default() };
    queries.push(RoomQuery { mine: true, ..bo.clone() });
    queries.push(RoomQuery { public: Some(false), order: RoomOrder::Changed, ..bo.clone() });
    queries.push(RoomQuery { public: Some(true), ..bo.clone() });
    queries.push(RoomQuery { owner: Some(user("ana")), ..bo.clone() });
    queries.push(RoomQuery { name_prefix: Some("LA".to_owned()), order: RoomOrder::Id, ..bo });
    let spec = |(query, limit)| ListSpec { query: ListQuery::Rooms(query), after: None, limit };
    queries.into_iter().flat_map(|query| [(query.clone(), 3), (query, 100)]).map(spec).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaying_the_differences_on_a_page_gives_the_list_that_its_reader_may_see() {
    let nodes = start();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        know_each_other(handle).await;
    }
    let (mut numbers, mut rooms, mut sensors) = (Numbers(11), Vec::new(), BTreeMap::<usize, LocalEntry>::new());
    let mut clients = Vec::new();
    for spec in specs() {
        for handle in &handles {
            clients.push(Client::connect(handle, spec.clone()).await);
        }
    }
    for number in 0..ACTS {
        act(&mut numbers, &handles, &mut rooms).await;
        let room = rooms[numbers.below(rooms.len())].clone();
        match numbers.below(4) {
            0 => drop(sensors.remove(&(number % 9))),
            1 => {
                let entry = handles[number % 2].register_sensor(sensor(number % 9, &room)).await.expect("registered");
                sensors.insert(number % 9, entry);
            }
            _ => {}
        }
        if number % 20 == 0 {
            for client in &mut clients {
                client.follow_until_true().await;
            }
        }
    }
    for client in &mut clients {
        client.follow_until_true().await;
    }
    assert!(clients.iter().any(|client| client.total > 3), "there were rooms");
    drop(sensors);
    drop(clients);
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_goes_on_at_another_node_where_it_has_what_is_there_and_gets_a_page_otherwise() {
    let nodes = start();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        know_each_other(handle).await;
    }
    let mut made = Vec::new();
    for name in NAMES {
        let settings = RoomSettings { name: name.to_owned(), ..RoomSettings::default() };
        made.push(handles[0].create_room(&user("ana"), settings, None).await.expect("made").room.expect("there"));
    }
    let query = ListQuery::Rooms(RoomQuery { order: RoomOrder::Name, ..RoomQuery::default() });
    let spec = ListSpec { query, after: None, limit: 3 };
    let mut client = Client::connect(&handles[0], spec.clone()).await;
    client.follow_until_true().await;
    // The other node has taken in everything, too: an operation there answers with it.
    let rename = |name: &str| RoomAsk::Update(RoomPatch { name: Some(name.to_owned()), ..RoomPatch::default() });
    let zoo = made[5].id.clone();
    handles[1].ask_room(&user("ana"), zoo.clone(), rename("Zoo 2")).await.expect("renamed");
    let mut equal = handles[1].subscribe_rooms();
    while equal.world().view.total(&RoomQuery::default()) < NAMES.len() {
        tokio::time::timeout(DEADLINE, equal.next()).await.expect("in time");
    }
    // What changed is outside of the window.
    let resumed = handles[1].live(spec.clone(), client.cursor.clone()).await.expect("opened").take_start();
    let Some(LiveStart::Missed(updates)) = &resumed else { panic!("{resumed:?}") };
    assert!(updates.len() == 1 && updates[0].difference.is_none() && updates[0].total == NAMES.len());
    handles[1].ask_room(&user("ana"), zoo, rename("Aardvark")).await.expect("renamed");
    let lost = handles[1].live(spec.clone(), client.cursor.clone()).await.expect("opened").take_start();
    assert!(matches!(&lost, Some(LiveStart::Page { lost: true, .. })), "{lost:?}");
    // On its own node it hears what it missed, which that one kept.
    let before = client.cursor.clone();
    client.follow_until_true().await;
    let kept = handles[0].live(spec, before).await.expect("opened").take_start();
    assert!(matches!(&kept, Some(LiveStart::Missed(updates)) if updates.iter().any(|one| one.difference.is_some())));
    drop(client);
    for node in nodes {
        node.shutdown().await;
    }
}

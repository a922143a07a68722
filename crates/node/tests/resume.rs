//! A subscriber of a live query that goes from node to node hears what it missed, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use sensocto_node::engine::memory::Hub;
use sensocto_node::{
    Attributes, ConnectorId, Handle, ListDifference, ListQuery, ListRow, ListSpec, LiveCursor, LiveNext, LiveStart,
    LiveSubscription, LocalEntry, Node, NodeConfig, NodeName, Order, PeerState, Position, Record, RegistryConfig,
    Sensor, SensorFilter, SensorId, SensorQuery, Worlds,
};

/// What has to happen happens within this, or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);
const NODES: [&str; 3] = ["a", "b", "c"];
const ROUNDS: usize = 200;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

fn sensor(id: usize, name: usize, kind: usize) -> Sensor {
    Sensor {
        sensor_id: SensorId::new(&format!("s{id:02}")).expect("an id"),
        sensor_name: format!("Name {name:02}").into(),
        sensor_type: ["ecg", "imu"][kind].into(),
        connector_id: ConnectorId::new("c1").expect("an id"),
        connector_name: "Pi".into(),
        sampling_rate: 1.0,
        batch_size: 1,
        username: None,
        room_id: None,
        attributes: Attributes::default(),
        registered_at_ms: 0,
    }
}

/// One line as a client knows it.
type Line = (String, String, u64);

fn line(row: &ListRow) -> Line {
    let ListRow::Entry(held) = row else { panic!("{row:?}") };
    (row.id().to_owned(), held.origin.node.to_string(), held.entry.version.0)
}

/// A client that has only what it was told.
struct Client {
    lines: Vec<Line>,
    cursor: Option<LiveCursor>,
    subscription: Option<LiveSubscription>,
    pages: usize,
    resumed: usize,
}

impl Client {
    async fn connect(&mut self, handle: &Handle, spec: &ListSpec) {
        let asked = self.cursor.is_some();
        let mut subscription = handle.live(spec.clone(), self.cursor.take()).await.expect("opened");
        match subscription.take_start().expect("a start") {
            LiveStart::Page { rows, cursor, lost, .. } => {
                assert_eq!(lost, asked, "a page after a resume says that it is one");
                self.lines = rows.iter().map(line).collect();
                self.cursor = Some(LiveCursor::clone(&cursor));
                self.pages += 1;
            }
            LiveStart::Missed(updates) => {
                assert!(asked && !updates.is_empty());
                self.resumed += 1;
                for update in updates {
                    self.apply(update.difference.as_ref());
                    self.cursor = Some(LiveCursor::clone(&update.cursor));
                }
            }
        }
        self.subscription = Some(subscription);
    }

    /// As the protocol says.
    fn apply(&mut self, difference: Option<&ListDifference>) {
        let Some(difference) = difference else { return };
        let gone: Vec<&str> = difference
            .left
            .iter()
            .map(|(row, _)| row.id())
            .chain(difference.moved.iter().map(|(_, row)| row.id()))
            .collect();
        self.lines.retain(|(id, _, _)| !gone.contains(&id.as_str()));
        let mut comes: BTreeMap<usize, Line> = BTreeMap::new();
        comes.extend(difference.entered.iter().chain(&difference.moved).map(|(at, row)| (*at, line(row))));
        for (at, line) in comes {
            self.lines.insert(at, line);
        }
        for row in &difference.changed {
            let at = self.lines.iter().position(|(id, _, _)| id == row.id()).expect("it is there");
            self.lines[at] = line(row);
        }
    }

    async fn follow_until(&mut self, truth: impl Fn() -> Vec<Line>, what: &str) {
        let followed = tokio::time::timeout(DEADLINE, async {
            while self.lines != truth() {
                match self.subscription.as_mut().expect("connected").next().await {
                    LiveNext::Update(update) => {
                        self.apply(update.difference.as_ref());
                        self.cursor = Some(LiveCursor::clone(&update.cursor));
                    }
                    LiveNext::Behind | LiveNext::Closed => panic!("{what}: it ended"),
                }
            }
        });
        let followed = followed.await;
        assert!(followed.is_ok(), "{what}: the client has {:?}, the node {:?}", self.lines, truth());
    }
}

/// Does something to the sensors of some node.
async fn act(numbers: &mut Numbers, handles: &[Handle], entries: &mut BTreeMap<(usize, usize), LocalEntry>) {
    let (node, id, name, kind) = (numbers.below(3), numbers.below(24), numbers.below(40), numbers.below(2));
    match (numbers.below(5), entries.get(&(node, id))) {
        (0, Some(_)) => drop(entries.remove(&(node, id))),
        (1 | 2, Some(entry)) => {
            // Another node may have taken it over.
            let _ = entry.update(Record::Sensor(sensor(id, name, kind))).await;
        }
        _ => {
            let entry = handles[node].register_sensor(sensor(id, name, kind)).await.expect("registered");
            entries.insert((node, id), entry);
        }
    }
}

async fn agree(handles: &[Handle]) {
    let marks: Vec<_> = handles.iter().map(Handle::mark).collect();
    for handle in handles {
        handle.reach(&marks, DEADLINE).await.expect("it gets there");
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

async fn goes_from_node_to_node(order: Order, after: Option<Position>) {
    let nodes = start();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        know_each_other(handle).await;
    }
    let filter = SensorFilter { sensor_type: Some("ecg".to_owned()), ..SensorFilter::default() };
    let spec = ListSpec { query: ListQuery::Sensors(SensorQuery { filter, order }), after, limit: 5 };
    let (mut numbers, mut entries) = (Numbers(7), BTreeMap::new());
    let mut client = Client { lines: Vec::new(), cursor: None, subscription: None, pages: 0, resumed: 0 };
    for round in 0..ROUNDS {
        let on = &handles[numbers.below(3)];
        client.connect(on, &spec).await;
        for _ in 0..numbers.below(6) {
            act(&mut numbers, &handles, &mut entries).await;
        }
        if numbers.below(2) == 0 {
            agree(&handles).await;
        }
        let truth = || {
            let world = on.world();
            spec.query
                .read(Worlds { view: &world.view, rooms: &Default::default() }, spec.after.as_ref(), spec.limit)
                .0
                .iter()
                .map(line)
                .collect::<Vec<_>>()
        };
        client.follow_until(truth, &format!("round {round} on {}", on.me().node)).await;
        // It loses its connection, and things go on.
        client.subscription = None;
        for _ in 0..numbers.below(8) {
            act(&mut numbers, &handles, &mut entries).await;
        }
    }
    assert!(client.pages < ROUNDS / 10 && client.resumed > ROUNDS / 2, "{} of {}", client.pages, client.resumed);
    drop(entries);
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_id_what_was_missed_gives_the_list() {
    goes_from_node_to_node(Order::Id, Some(Position::Id("s03".to_owned()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_name_what_was_missed_gives_the_list() {
    goes_from_node_to_node(Order::Name, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_cannot_be_known_a_page_says_so() {
    let nodes = start();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    for handle in &handles {
        know_each_other(handle).await;
    }
    let _entry = handles[0].register_sensor(sensor(1, 1, 0)).await.expect("registered");
    agree(&handles).await;
    let spec = ListSpec { query: ListQuery::Sensors(SensorQuery::default()), after: None, limit: 5 };
    let mut first = handles[0].live(spec.clone(), None).await.expect("opened");
    let Some(LiveStart::Page { cursor, .. }) = first.take_start() else { panic!("a page") };
    let query = ListQuery::Sensors(SensorQuery { order: Order::Changed, ..SensorQuery::default() });
    let changed = ListSpec { query, ..spec.clone() };
    let text = cursor.to_string();
    let unknown = text.replace("c@", "nobody@");
    let restarted = text.replace(&handles[0].me().to_string(), "a@1");
    for (spec, cursor) in [(&changed, &text), (&spec, &unknown), (&spec, &restarted)] {
        let resume = Some(cursor.parse().expect("a cursor"));
        let start = handles[1].live(spec.clone(), resume).await.expect("opened").take_start();
        assert!(matches!(&start, Some(LiveStart::Page { lost: true, .. })), "{cursor}: {start:?}");
    }
    let start = handles[1].live(spec, Some(LiveCursor::clone(&cursor))).await.expect("opened").take_start();
    assert!(matches!(&start, Some(LiveStart::Missed(updates)) if updates.len() == 1), "{start:?}");
    drop(first);
    for node in nodes {
        node.shutdown().await;
    }
}

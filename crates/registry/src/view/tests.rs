mod lists;

use proptest::prelude::*;
use sensocto_model::{Generation, Stamp};
use serde_bytes::ByteBuf;

use super::*;
use crate::message::Put;
use crate::testing::{connector, entry, key, ms, name, origin, presence, sensor, stamp};

const FRESH_FOR: Duration = Duration::from_secs(5);

fn held(node: &str, generation: u64, id: &str, stamp: Stamp) -> (Arc<Origin>, Key, Arc<Entry>) {
    let entry = Entry::new(sensor(id, node), Version(1), stamp);
    (Arc::new(origin(node, generation)), key(id), Arc::new(entry))
}

fn show(view: &mut View, (origin, key, entry): &(Arc<Origin>, Key, Arc<Entry>)) -> Option<Event> {
    let event = view.apply(origin, key.clone(), Some(Arc::clone(entry)), Cause::Unregistered);
    view.settle();
    event
}

fn hide(view: &mut View, (origin, key, _): &(Arc<Origin>, Key, Arc<Entry>)) -> Option<Event> {
    let event = view.apply(origin, key.clone(), None, Cause::Unregistered);
    view.settle();
    event
}

fn owner(view: &View, id: &str) -> Option<String> {
    view.get(Kind::Sensor, id).map(|held| held.origin.to_string())
}

fn node_view(node: &str, state: PeerState, proved_at: Option<Duration>) -> NodeView {
    NodeView {
        origin: Arc::new(origin(node, 1)),
        born: Generation(1),
        state,
        since: ms(1_000),
        cause: StateCause::Heard,
        digest_at: proved_at,
        proved_at,
        version: Version(1),
        claimed: Version(1),
        counts: [1, 0, 0],
        unreadable: 0,
        retired: 0,
    }
}

#[test]
fn the_newer_registration_holds_an_id_whatever_comes_first() {
    let (old, new) = (held("a", 1, "s1", stamp(1)), held("b", 1, "s1", stamp(2)));
    let mut one = View::new(FRESH_FOR);
    assert_eq!(show(&mut one, &old).expect("an event").kind, EventKind::Registered);
    assert_eq!(show(&mut one, &new).expect("an event").kind, EventKind::Updated);
    let mut other = View::new(FRESH_FOR);
    show(&mut other, &new);
    assert!(show(&mut other, &old).is_none());
    assert_eq!((owner(&one, "s1"), owner(&other, "s1")), (Some("b@1".into()), Some("b@1".into())));
    assert_eq!((one.count(Kind::Sensor), other.count(Kind::Sensor)), (1, 1));
}

#[test]
fn the_loser_leaves_without_a_word() {
    let (old, new) = (held("a", 1, "s1", stamp(1)), held("b", 1, "s1", stamp(2)));
    let mut view = View::new(FRESH_FOR);
    show(&mut view, &old);
    show(&mut view, &new);
    assert!(hide(&mut view, &old).is_none());
    assert_eq!(owner(&view, "s1"), Some("b@1".into()));
    let event = hide(&mut view, &new).expect("an event");
    assert_eq!(event.kind, EventKind::Unregistered(Cause::Unregistered));
    assert_eq!((view.count(Kind::Sensor), owner(&view, "s1")), (0, None));
}

#[test]
fn equal_stamps_are_decided_alike_on_every_node() {
    let (a, b) = (held("a", 9, "s1", stamp(1)), held("b", 1, "s1", stamp(1)));
    for order in [[&a, &b], [&b, &a]] {
        let mut view = View::new(FRESH_FOR);
        for one in order {
            show(&mut view, one);
        }
        assert_eq!(owner(&view, "s1"), Some("b@1".into()));
    }
}

#[test]
fn showing_the_same_state_again_is_no_event() {
    let one = held("a", 1, "s1", stamp(1));
    let mut view = View::new(FRESH_FOR);
    assert!(show(&mut view, &one).is_some());
    assert!(show(&mut view, &one).is_none());
    assert!(hide(&mut view, &held("b", 1, "s1", stamp(1))).is_none(), "another origin's word removes nothing");
    assert!(hide(&mut view, &held("a", 2, "s1", stamp(1))).is_none(), "another generation's word removes nothing");
}

#[test]
fn an_entry_that_cannot_be_read_is_shown_to_nobody() {
    let (_, readable, entry) = held("a", 1, "s1", stamp(1));
    let a = Arc::new(origin("a", 1));
    let mut view = View::new(FRESH_FOR);
    view.apply(&a, readable.clone(), Some(entry), Cause::Unregistered);
    let put = Put { key: key("s1"), version: Version(2), stamp: stamp(1), body: ByteBuf::from(vec![0xff; 9]) };
    let (_, unreadable) = Entry::received(put, &mut sensocto_model::Interner::default());
    assert!(unreadable.record().is_none());
    let event = view.apply(&a, readable, Some(Arc::new(unreadable)), Cause::Unregistered).expect("an event");
    assert_eq!(event.kind, EventKind::Unregistered(Cause::Unregistered));
    assert_eq!((view.count(Kind::Sensor), view.iter_after(Kind::Sensor, None).count()), (0, 0));
}

#[test]
fn a_clone_keeps_the_world_of_its_moment() {
    let mut view = View::new(FRESH_FOR);
    show(&mut view, &held("a", 1, "s1", stamp(1)));
    let then = view.clone();
    show(&mut view, &held("a", 1, "s2", stamp(1)));
    hide(&mut view, &held("a", 1, "s1", stamp(1)));
    assert_eq!((owner(&then, "s1"), owner(&then, "s2")), (Some("a@1".into()), None));
    assert_eq!((owner(&view, "s1"), owner(&view, "s2")), (None, Some("a@1".into())));
}

#[test]
fn kinds_do_not_share_ids_and_pages_go_on_after_an_id() {
    let mut view = View::new(FRESH_FOR);
    let a = Arc::new(origin("a", 1));
    for record in [sensor("x1", ""), sensor("x2", ""), sensor("x3", ""), connector("x1"), presence("x1")] {
        let entry = Arc::new(Entry::new(record.clone(), Version(1), stamp(1)));
        view.apply(&a, record.key(), Some(entry), Cause::Unregistered);
    }
    assert_eq!(Kind::ALL.map(|kind| view.count(kind)), [3, 1, 1]);
    let page = |after| -> Vec<String> {
        view.iter_after(Kind::Sensor, after).map(|(_, record)| record.key().id.to_string()).collect()
    };
    assert_eq!(page(None), ["x1", "x2", "x3"]);
    assert_eq!(page(Some("x1")), ["x2", "x3"]);
    assert_eq!(page(Some("x1a")), ["x2", "x3"], "the id may be gone meanwhile");
    assert!(page(Some("x3")).is_empty());
}

#[test]
fn freshness_follows_the_state_of_the_node_and_the_age_of_the_proof() {
    let cases = [
        (PeerState::Local, None, (Freshness::Fresh, 0)),
        (PeerState::Alive, None, (Freshness::Warming, 9_000)),
        (PeerState::Alive, Some(ms(5_000)), (Freshness::Fresh, 5_000)),
        (PeerState::Alive, Some(ms(4_999)), (Freshness::Stale, 5_001)),
        (PeerState::Suspect, Some(ms(9_999)), (Freshness::Stale, 1)),
        (PeerState::Unreachable, Some(ms(9_999)), (Freshness::Orphaned, 1)),
        (PeerState::Removed, None, (Freshness::Orphaned, 9_000)),
    ];
    for (state, proved_at, (freshness, age)) in cases {
        let node = node_view("a", state, proved_at);
        assert_eq!(node.freshness(ms(10_000), FRESH_FOR), (freshness, ms(age)), "{state:?} {proved_at:?}");
    }
}

#[test]
fn what_an_earlier_generation_left_is_stale_and_what_an_unknown_node_left_is_orphaned() {
    let mut view = View::new(FRESH_FOR);
    let mut node = node_view("a", PeerState::Alive, Some(ms(9_000)));
    node.origin = Arc::new(Origin { node: name("a"), generation: Generation(2) });
    view.set_nodes(BTreeMap::from([(name("a"), node)]));
    let of = |node, generation| Held { origin: Arc::new(origin(node, generation)), entry: entry("s1", "x", 1).1 };
    assert_eq!(view.freshness(&of("a", 2), ms(10_000)).0, Freshness::Fresh);
    assert_eq!(view.freshness(&of("a", 1), ms(10_000)), (Freshness::Stale, ms(9_000)));
    assert_eq!(view.freshness(&of("z", 1), ms(10_000)).0, Freshness::Orphaned);
}

fn any_held() -> impl Strategy<Value = (u8, u8, u8, u8)> {
    (0_u8..4, 1_u8..3, 0_u8..3, 0_u8..3)
}

fn held_of((node, generation, id, wall_ms): (u8, u8, u8, u8)) -> (Arc<Origin>, Key, Arc<Entry>) {
    let node = format!("n{node}");
    held(&node, u64::from(generation), &format!("s{id}"), stamp(u64::from(wall_ms)))
}

fn shown(view: &View) -> Vec<(String, String, Stamp)> {
    view.iter_after(Kind::Sensor, None)
        .map(|(held, record)| (record.key().id.to_string(), held.origin.to_string(), held.entry.stamp))
        .collect()
}

proptest! {
    /// Each origin has one state of each key at a time, so what is merged is one entry for each pair.
    #[test]
    fn merging_does_not_depend_on_the_order_of_origins(
        entries in prop::collection::btree_map((0_u8..4, 1_u8..3, 0_u8..3), 0_u8..3, 0..12),
        gone in prop::collection::vec(any_held(), 0..6),
        seed in any::<u64>(),
    ) {
        let entries: Vec<_> = entries.into_iter().map(|((node, generation, id), wall)| (node, generation, id, wall)).collect();
        let mut one = View::new(FRESH_FOR);
        entries.iter().for_each(|entry| { show(&mut one, &held_of(*entry)); });
        let mut rng = crate::testing::Rng::new(seed);
        let mut mixed = entries.clone();
        mixed.sort_by_cached_key(|_| rng.next());
        let mut other = View::new(FRESH_FOR);
        // What came and went before leaves no trace.
        gone.iter().for_each(|entry| { show(&mut other, &held_of(*entry)); });
        gone.iter().for_each(|entry| { hide(&mut other, &held_of(*entry)); });
        mixed.iter().for_each(|entry| { show(&mut other, &held_of(*entry)); });
        prop_assert_eq!(shown(&one), shown(&other));
    }

    #[test]
    fn who_holds_an_id_is_a_total_order(one in any_held(), two in any_held(), three in any_held()) {
        let of = |(origin, _, entry): (Arc<Origin>, Key, Arc<Entry>)| Held { origin, entry };
        let [one, two, three] = [one, two, three].map(|(node, generation, _, wall)| of(held_of((node, generation, 0, wall))));
        let same = |one: &Held, two: &Held| one.origin == two.origin && one.entry.stamp == two.entry.stamp;
        prop_assert_eq!(one.rank().cmp(&one.rank()), std::cmp::Ordering::Equal);
        prop_assert_eq!((one.rank() > two.rank()) || (two.rank() > one.rank()), !same(&one, &two));
        prop_assert!(!((one.rank() > two.rank()) && (two.rank() > one.rank())));
        if (one.rank() > two.rank()) && (two.rank() > three.rank()) {
            prop_assert!((one.rank() > three.rank()));
        }
    }

    #[test]
    fn events_replayed_from_empty_give_the_view(steps in prop::collection::vec((any_held(), any::<bool>()), 0..40)) {
        let mut view = View::new(FRESH_FOR);
        let mut replay = crate::testing::Replay::default();
        for (entry, there) in steps {
            let entry = held_of(entry);
            let event = if there { show(&mut view, &entry) } else { hide(&mut view, &entry) };
            event.iter().for_each(|event| replay.take(event));
            replay.check(&view);
        }
    }
}

use std::collections::BTreeMap;

use sensocto_node::Handle;
use serde_json::Value;

use super::*;
use crate::testing::{node, presence};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn key(key: &str) -> Arc<str> {
    Arc::from(key)
}

/// A held entry to stand in for all: what a topic compares are references.
async fn any_held(handle: &Handle) -> (Held, sensocto_node::LocalEntry) {
    let entry = handle.register_presence(presence("p", "u", "U", None, 1)).await.expect("registered");
    (handle.world().view.get(sensocto_node::Kind::Presence, "p").expect("held").clone(), entry)
}

struct Scene {
    held: Held,
    topic: Topic,
    wake: Arc<Notify>,
    seen: Seen,
}

/// What a client of the official package has.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    told: Option<u64>,
    users: BTreeMap<String, Vec<String>>,
    left: Vec<String>,
    messages: usize,
}

impl Scene {
    async fn new() -> Scene {
        let node = node().await;
        let (held, _entry) = any_held(&node.handle()).await;
        node.shutdown().await;
        let mut scene = Scene { held, topic: Topic::default(), wake: Arc::default(), seen: Seen::default() };
        scene.topic.watch(Arc::clone(&scene.wake), true);
        scene
    }

    fn shown(&self, user: &str, phx_ref: &str) -> Arc<Shown> {
        Arc::new(Shown {
            user: UserId::new(user).expect("an id"),
            online_at_ms: 1,
            held: self.held.clone(),
            meta: Meta::new(phx_ref, &BTreeMap::from([("user_id", user)])).expect("an object"),
        })
    }

    fn set(&mut self, id: &str, user: &str, phx_ref: &str, at: u64) {
        let shown = self.shown(user, phx_ref);
        self.topic.set(&key(id), Some(shown), ms(at));
    }

    fn gone(&mut self, id: &str, at: u64) {
        self.topic.set(&key(id), None, ms(at));
    }

    fn flush(&mut self, at: u64) {
        self.topic.flush(ms(at));
        self.seen.hear(&mut self.topic);
    }
}

impl Seen {
    fn hear(&mut self, topic: &mut Topic) {
        while let Some(news) = topic.news(self.told, None) {
            self.messages += 1;
            match news {
                News::State(state, position) => {
                    self.users.clear();
                    self.told = Some(position);
                    self.join(&serde_json::from_str(state.as_str()).expect("JSON"));
                }
                News::Diff(diff, position) => {
                    self.told = Some(position);
                    let diff: Value = serde_json::from_str(diff.as_str()).expect("JSON");
                    self.join(&diff["joins"]);
                    self.leave(&diff["leaves"]);
                }
                News::TooLarge => panic!("so few people are no large list"),
            }
        }
    }

    fn join(&mut self, joins: &Value) {
        for (user, reference) in refs(joins) {
            let metas = self.users.entry(user).or_default();
            if !metas.contains(&reference) {
                metas.push(reference);
            }
        }
    }

    fn leave(&mut self, leaves: &Value) {
        for (user, reference) in refs(leaves) {
            let metas = self.users.get_mut(&user).expect("no leave before its join");
            let at = metas.iter().position(|known| *known == reference).expect("no leave before its join");
            metas.remove(at);
            if metas.is_empty() {
                self.users.remove(&user);
                self.left.push(user);
            }
        }
    }

    fn list(&self) -> Vec<(&str, usize)> {
        self.users.iter().map(|(user, metas)| (user.as_str(), metas.len())).collect()
    }
}

fn refs(metas: &Value) -> Vec<(String, String)> {
    let users = metas.as_object().expect("an object");
    let of_user = |(user, presence): (&String, &Value)| {
        let metas = presence["metas"].as_array().expect("a list").clone();
        let user = user.clone();
        metas.into_iter().map(move |meta| (user.clone(), meta["phx_ref"].as_str().expect("a text").to_owned()))
    };
    users.iter().flat_map(of_user).collect()
}

#[tokio::test]
async fn the_first_change_after_a_quiet_time_is_told_at_once_and_a_burst_as_one() {
    let mut scene = Scene::new().await;
    scene.flush(0);
    scene.set("1", "ada", "r1", 1_000);
    assert_eq!(scene.topic.due_at(), Some(Duration::ZERO));
    scene.flush(1_000);
    assert_eq!((scene.seen.list(), scene.seen.messages), (vec![("ada", 1)], 2));
    for number in 0..100 {
        scene.set(&format!("p{number}"), &format!("u{number}"), &format!("x{number}"), 1_001);
        scene.flush(1_001);
    }
    assert_eq!((scene.topic.due_at(), scene.seen.messages), (Some(ms(1_010)), 2));
    scene.flush(1_010);
    assert_eq!((scene.seen.users.len(), scene.seen.messages), (101, 3));
    assert_eq!(scene.topic.due_at(), None);
}

#[tokio::test]
async fn who_comes_back_in_time_never_left() {
    let mut scene = Scene::new().await;
    scene.set("on a", "ada", "a.1", 0);
    scene.flush(0);
    scene.gone("on a", 1_000);
    scene.flush(1_000);
    assert_eq!(scene.topic.due_at(), Some(ms(1_250)));
    assert_eq!(scene.topic.count().users, 0, "whoever counts is told the truth at once");
    scene.set("on b", "ada", "b.1", 1_100);
    scene.flush(1_100);
    assert_eq!((scene.seen.users["ada"].as_slice(), scene.seen.left.len()), (["b.1".to_owned()].as_slice(), 0));
    scene.gone("on b", 2_000);
    scene.flush(2_249);
    assert_eq!(scene.seen.list(), [("ada", 1)]);
    scene.flush(2_250);
    assert_eq!((scene.seen.list().len(), scene.seen.left.as_slice()), (0, ["ada".to_owned()].as_slice()));
}

#[tokio::test]
async fn one_of_two_tabs_leaves_at_once_and_the_last_one_takes_the_user_along() {
    let mut scene = Scene::new().await;
    scene.set("tab 1", "ada", "r1", 0);
    scene.set("tab 2", "ada", "r2", 0);
    scene.flush(0);
    scene.gone("tab 1", 1_000);
    scene.flush(1_000);
    assert_eq!((scene.seen.list(), scene.seen.left.len()), (vec![("ada", 1)], 0));
    scene.gone("tab 2", 2_000);
    scene.flush(2_250);
    assert_eq!(scene.seen.left, ["ada"]);
}

#[tokio::test]
async fn a_state_in_the_middle_of_changes_fits_the_differences_that_follow() {
    let mut scene = Scene::new().await;
    scene.set("1", "ada", "r1", 0);
    scene.flush(0);
    scene.set("1", "ada", "r2", 10);
    scene.set("2", "ben", "s1", 10);
    let mut late = Seen::default();
    late.hear(&mut scene.topic);
    assert_eq!(late.users["ada"], ["r1"], "as everybody else was last told");
    scene.gone("2", 20);
    scene.flush(300);
    late.hear(&mut scene.topic);
    assert_eq!(late.users, scene.seen.users);
    assert_eq!(late.users["ada"], ["r2"]);
}

#[tokio::test]
async fn who_is_present_is_told_nothing_before_they_are_part_of_it() {
    let mut scene = Scene::new().await;
    scene.flush(0);
    scene.set("0", "zoe", "z1", 0);
    scene.flush(0);
    let own = key("1");
    assert_eq!(scene.topic.news(None, Some(&own)), None);
    scene.set("1", "ada", "r1", 10);
    assert_eq!(scene.topic.news(None, Some(&own)), None);
    scene.topic.flush(ms(50));
    assert!(
        matches!(scene.topic.news(None, Some(&own)), Some(News::State(state, _)) if state.as_str().contains("ada"))
    );
}

#[tokio::test]
async fn who_is_too_far_behind_gets_the_state_and_memory_is_bounded() {
    let mut scene = Scene::new().await;
    scene.flush(0);
    scene.set("0", "u0", "x0", 0);
    scene.flush(0);
    let mut slow = Seen::default();
    slow.hear(&mut scene.topic);
    for number in 1..=DIFFS_MAX + 10 {
        scene.set(&number.to_string(), &format!("u{number}"), &format!("x{number}"), number as u64 * 100);
        scene.flush(number as u64 * 100);
    }
    assert_eq!(scene.topic.diffs.len(), DIFFS_MAX);
    let messages = slow.messages;
    slow.hear(&mut scene.topic);
    assert_eq!((&slow.users, slow.messages - messages), (&scene.seen.users, 1));
    assert_eq!(scene.seen.messages, DIFFS_MAX + 12, "who kept up was told differences only");
}

#[tokio::test]
async fn nothing_is_kept_for_watchers_who_are_gone() {
    let mut scene = Scene::new().await;
    scene.set("1", "ada", "r1", 0);
    scene.flush(0);
    scene.set("1", "ada", "r2", 1);
    scene.topic.unwatch(0);
    assert_eq!((scene.topic.before.len(), scene.topic.diffs.len(), scene.topic.due_at()), (0, 0, None));
    scene.gone("1", 2);
    assert!(scene.topic.is_idle());
}

#[tokio::test]
async fn who_counts_is_told_at_most_twice_a_second_and_only_what_changed() {
    let mut scene = Scene::new().await;
    scene.topic.unwatch(0);
    scene.set("1", "ada", "r1", 0);
    scene.topic.watch(Arc::clone(&scene.wake), false);
    assert_eq!((scene.topic.counted().users, scene.topic.due_at()), (1, None));
    scene.set("2", "ben", "s1", 1_000);
    scene.topic.flush(ms(1_000));
    assert_eq!(scene.topic.counted().users, 2);
    scene.set("3", "cy", "t1", 1_100);
    scene.topic.flush(ms(1_499));
    assert_eq!((scene.topic.counted().users, scene.topic.due_at()), (2, Some(ms(1_500))));
    scene.gone("3", 1_499);
    assert_eq!(scene.topic.due_at(), None);
    assert!(scene.topic.before.is_empty() && scene.topic.diffs.is_empty(), "differences are made for who wants them");
}

#[tokio::test]
async fn a_list_that_is_too_large_is_not_told_and_its_watchers_count() {
    let mut scene = Scene::new().await;
    let many = "x".repeat(STATE_BYTES_MAX / 2);
    for (id, user) in [("1", "ada"), ("2", "bob"), ("3", "cy")] {
        let meta = Meta::new(id, &BTreeMap::from([("said", &many)])).expect("an object");
        let shown = Shown { user: UserId::new(user).expect("an id"), online_at_ms: 1, held: scene.held.clone(), meta };
        scene.topic.set(&key(id), Some(Arc::new(shown)), ms(0));
    }
    scene.topic.flush(ms(0));
    assert_eq!(scene.topic.news(None, None), Some(News::TooLarge));
    scene.topic.count_only(0);
    assert_eq!(scene.topic.counted(), Count { users: 3, connections: 3 });
    scene.gone("3", 1_000);
    assert!(scene.topic.due_at().is_some(), "it is told how many are left");
    scene.topic.flush(ms(2_000));
    assert_eq!(scene.topic.counted(), Count { users: 2, connections: 2 });
}

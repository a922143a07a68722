//! A private room is nowhere for whoever is not in it: every surface that a room can be named on, for a member, for somebody else and for
//! nobody, beside a room of which there is only the name.

use std::collections::BTreeMap;
use std::time::Duration;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use sensocto_node::model::room::RoomAsk;
use sensocto_node::model::{RoomPatch, RoomSettings};
use sensocto_node::{Handle, PresenceTopic, UserId};
use serde_json::{Map, Value, json};

use crate::UserClaims;
use crate::testing::{PATIENCE, Running, Setup, key, presence, sensor};

const NAMED_ONLY: &str = "5b0d3a7e-0000-4000-8000-000000000001";

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

fn token(by: &str) -> String {
    let claims = UserClaims { user_id: user(by), name: by.to_owned(), valid_for: Duration::from_secs(600) };
    key().mint_user(&claims).expect("a token")
}

async fn get(running: &Running, by: Option<&str>, path: &str) -> Value {
    let answer = match by {
        Some(by) => running.get_as(&token(by), path).await,
        None => running.get(path).await,
    };
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn client(running: &Running, by: Option<&str>) -> Client {
    let url = format!("ws://{}", running.address());
    let options = ClientOptions { token: by.map(token), ..ClientOptions::new([url]) };
    tokio::time::timeout(PATIENCE, Client::connect(options)).await.expect("in time").expect("connected")
}

async fn join(client: &Client, topic: &str, params: Value) -> Channel {
    let Value::Object(params) = params else { panic!("an object") };
    client.join(topic, params).await.expect("joined")
}

/// The next message of one of these events.
async fn next_of(channel: &mut Channel, events: &[&str]) -> (String, Value) {
    loop {
        let found = tokio::time::timeout(PATIENCE, channel.next()).await.expect("in time").expect("open");
        match found {
            ChannelEvent::Message { event, payload } if events.contains(&event.as_str()) => {
                return (event, serde_json::from_str(payload.get()).expect("JSON"));
            }
            // A channel whose reader may see something else than before is joined again.
            ChannelEvent::Message { .. } | ChannelEvent::Rejoined { .. } | ChannelEvent::Disconnected => {}
            other @ (ChannelEvent::Binary { .. } | ChannelEvent::Lagged | ChannelEvent::Closed) => panic!("{other:?}"),
        }
    }
}

async fn first(running: &Running, by: Option<&str>, topic: &str, params: Value, event: &str) -> Value {
    let client = client(running, by).await;
    let mut channel = join(&client, topic, params).await;
    let (_, payload) = next_of(&mut channel, &[event]).await;
    payload
}

/// What one reader hears of a room on each surface: what is said of the sensor and of the person who name it, and how many are in it.
async fn heard(running: &Running, by: Option<&str>, room: &str, of: &str) -> BTreeMap<String, Value> {
    let (sensor, person) = (format!("s-{of}"), format!("p-{of}"));
    let mut heard = BTreeMap::new();
    let mut hear = |surface: &str, value: Value| drop(heard.insert(surface.to_owned(), value));
    let list = get(running, by, "/api/v1/sensors").await;
    hear("sensors", named(&list["sensors"], "sensor_id", &sensor)["room_id"].clone());
    let one = get(running, by, &format!("/api/v1/sensors/{sensor}")).await;
    hear("one sensor", one["sensor"]["room_id"].clone());
    hear("sensors of it", get(running, by, &format!("/api/v1/sensors?room={room}")).await["total"].clone());
    let list = get(running, by, "/api/v1/users").await;
    hear("users", named(&list["users"], "user_id", &person)["connections"][0]["room_id"].clone());
    let one = get(running, by, &format!("/api/v1/users/{person}")).await;
    hear("one user", one["connections"][0]["room_id"].clone());
    hear("users of it", get(running, by, &format!("/api/v1/users?room={room}")).await["total"].clone());
    hear("users of its topic", get(running, by, &format!("/api/v1/users?topic=room:{room}")).await["total"].clone());
    hear("count", get(running, by, &format!("/api/v1/presence/room:{room}/count")).await["users"].clone());
    let snapshot = first(running, by, "discovery:sensors", json!({}), "snapshot").await;
    hear("snapshot", named(&snapshot["sensors"], "sensor_id", &sensor)["room_id"].clone());
    let snapshot = first(running, by, "discovery:sensors", json!({"room": room}), "snapshot").await;
    hear("snapshot of it", snapshot["total"].clone());
    let page = first(running, by, "discovery:sensors", json!({"window": {}}), "page").await;
    hear("window", named(&page["sensors"], "sensor_id", &sensor)["room_id"].clone());
    let page = first(running, by, "discovery:sensors", json!({"window": {}, "room": room}), "page").await;
    hear("window of it", page["total"].clone());
    let page = first(running, by, "discovery:users", json!({}), "page").await;
    hear("window of users", named(&page["users"], "user_id", &person)["connections"][0]["room_id"].clone());
    let page = first(running, by, "discovery:users", json!({"room": room}), "page").await;
    hear("window of users of it", page["total"].clone());
    let topic = format!("presence:room:{room}");
    let state = first(running, by, &topic, json!({"present": false}), "presence_state").await;
    hear("presences", state.as_object().map(Map::len).into());
    let counted = first(running, by, &topic, json!({"present": false, "watch": "count"}), "count").await;
    hear("counted presences", counted["users"].clone());
    let state = first(running, by, "presence:all", json!({"present": false}), "presence_state").await;
    hear("everybody", state[&person]["metas"][0].get("room_id").cloned().unwrap_or_default());
    heard
}

fn named(list: &Value, field: &str, id: &str) -> Value {
    let list = list.as_array().expect("a list");
    list.iter().find(|line| line[field] == id).unwrap_or_else(|| panic!("{id} is in {list:?}")).clone()
}

/// A sensor and a person that name a room; they are there for as long as what is returned.
async fn name_it(handle: &Handle, room: &str, of: &str) -> Vec<sensocto_node::LocalEntry> {
    let sensor = handle.register_sensor(sensor(&format!("s-{of}"), "ecg", Some(room))).await.expect("registered");
    let mut there = presence(&format!("ref-{of}"), &format!("p-{of}"), "Somebody", Some(room), 1);
    there.topic = PresenceTopic::new(&format!("room:{room}")).expect("a topic");
    vec![sensor, handle.register_presence(there).await.expect("registered")]
}

#[tokio::test]
async fn on_every_surface_a_private_room_is_said_to_its_members_alone() {
    let mut setup = Setup::public();
    // Whoever shows no token reads as well, and is the user `anonymous`.
    setup.config.open = true;
    let running = setup.start().await;
    let handle = running.node.handle();
    let make = |is_public| {
        let handle = handle.clone();
        async move {
            let settings = RoomSettings { is_public, ..RoomSettings::default() };
            handle.create_room(&user("owner"), settings, None).await.expect("made").room.expect("there")
        }
    };
    let (private, public) = (make(false).await, make(true).await);
    let join_code = Some(private.join_code);
    handle.ask_room(&user("member"), private.id.clone(), RoomAsk::Join { join_code }).await.expect("joined");
    let mut there = Vec::new();
    let rooms = [(private.id.as_str(), "private"), (public.id.as_str(), "public"), (NAMED_ONLY, "named")];
    for (room, of) in rooms {
        there.extend(name_it(&handle, room, of).await);
    }
    for (room, of) in rooms {
        for by in [Some("owner"), Some("member"), Some("stranger"), None] {
            let knows = of != "private" || matches!(by, Some("owner" | "member"));
            for (surface, value) in heard(&running, by, room, of).await {
                let expected = match (surface.as_str(), knows) {
                    // What is told to all at once says nothing of private rooms.
                    ("everybody", _) if of == "private" => Value::Null,
                    (
                        "sensors" | "one sensor" | "users" | "one user" | "snapshot" | "window" | "window of users"
                        | "everybody",
                        true,
                    ) => {
                        json!(room)
                    }
                    (
                        "sensors" | "one sensor" | "users" | "one user" | "snapshot" | "window" | "window of users"
                        | "everybody",
                        false,
                    ) => Value::Null,
                    (_, true) => json!(1),
                    (_, false) => json!(0),
                };
                assert_eq!(value, expected, "{surface} of the {of} room, for {by:?}");
            }
        }
    }
    drop(there);
    running.stop().await;
}

#[tokio::test]
async fn how_many_rooms_there_are_is_said_as_each_reader_may_see_them() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    for is_public in [true, false, false] {
        let settings = RoomSettings { is_public, ..RoomSettings::default() };
        handle.create_room(&user("owner"), settings, None).await.expect("made");
    }
    for (by, rooms) in [("owner", 3), ("stranger", 1)] {
        let health = get(&running, Some(by), "/api/v1/cluster/health").await;
        assert_eq!(health["rooms"], json!(rooms), "{by}");
        assert_eq!(get(&running, Some(by), "/api/v1/rooms").await["total"], json!(rooms), "{by}");
    }
    let metrics = running.get_as(&token("stranger"), "/metrics").await.text();
    assert!(metrics.contains("sensocto_rooms 1\n"), "{metrics}");
    running.stop().await;
}

#[tokio::test]
async fn whoever_is_put_out_of_a_room_sees_it_empty_from_then_on_and_whoever_joins_sees_it() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    let settings = RoomSettings { is_public: false, ..RoomSettings::default() };
    let room = handle.create_room(&user("owner"), settings, None).await.expect("made").room.expect("there");
    let id = room.id.as_str();
    let _there = name_it(&handle, id, "x").await;
    let enter = || RoomAsk::Join { join_code: Some(room.join_code) };
    let bo = client(&running, Some("bo")).await;
    let mut plain = join(&bo, "discovery:sensors", json!({"room": id})).await;
    let mut window = join(&bo, "discovery:sensors:1", json!({"room": id, "window": {}})).await;
    let mut people = join(&bo, "discovery:users", json!({"room": id})).await;
    let mut presences = join(&bo, &format!("presence:room:{id}"), json!({})).await;
    for round in 0..2 {
        for (total, act, by) in [(0, enter(), "bo"), (1, RoomAsk::Kick(user("bo")), "owner")] {
            let what = format!("round {round}, {total}");
            assert_eq!(next_of(&mut plain, &["snapshot"]).await.1["total"], json!(total), "{what}");
            assert_eq!(next_of(&mut window, &["page"]).await.1["total"], json!(total), "{what}");
            // Bo themselves are in it as well, once they may be.
            let users = next_of(&mut people, &["page"]).await.1["total"].as_u64().expect("a number");
            assert!(users == total || (total == 1 && users == 2), "{what}: {users}");
            let (_, state) = next_of(&mut presences, &["presence_state"]).await;
            assert_eq!(state.as_object().map(Map::len), Some(2 * usize::try_from(total).expect("small")), "{what}");
            handle.ask_room(&user(by), room.id.clone(), act).await.expect("done");
        }
    }
    // A room that becomes public is there for everybody.
    assert_eq!(next_of(&mut window, &["page"]).await.1["total"], json!(0));
    let public = RoomAsk::Update(RoomPatch { is_public: Some(true), ..RoomPatch::default() });
    handle.ask_room(&user("owner"), room.id.clone(), public).await.expect("done");
    assert_eq!(next_of(&mut window, &["page"]).await.1["total"], json!(1));
    drop(bo);
    running.stop().await;
}

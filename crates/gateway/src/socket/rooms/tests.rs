//! `lobby:` and `room:` over real sockets of two nodes: each event once, and nothing to whom it is not meant for.

mod live;

use std::time::Duration;

use sensocto_client::{Channel, ChannelEvent, Client, ClientOptions};
use sensocto_node::model::room::RoomAsk;
use sensocto_node::model::{RoomPatch, RoomSettings};
use sensocto_node::{Handle, RoomId, UserId};
use serde_json::{Map, Value, json};

use crate::UserClaims;
use crate::testing::{PATIENCE, Running, Setup, key, sensor};

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

async fn client(running: &Running, by: &str) -> Client {
    let claims = UserClaims { user_id: user(by), name: by.to_owned(), valid_for: Duration::from_secs(600) };
    let token = Some(key().mint_user(&claims).expect("a token"));
    let options = ClientOptions { token, ..ClientOptions::new([format!("ws://{}", running.address())]) };
    tokio::time::timeout(PATIENCE, Client::connect(options)).await.expect("in time").expect("connected")
}

async fn join(client: &Client, topic: &str) -> Channel {
    client.join(topic, Map::new()).await.expect("joined")
}

/// The next message, whatever it is.
async fn next(channel: &mut Channel) -> (String, Value) {
    let found = tokio::time::timeout(PATIENCE, channel.next()).await.expect("in time").expect("open");
    let ChannelEvent::Message { event, payload } = found else { panic!("{found:?}") };
    (event, serde_json::from_str(payload.get()).expect("JSON"))
}

async fn expect(channel: &mut Channel, event: &str, fields: &[(&str, Value)]) -> Value {
    let (found, payload) = next(channel).await;
    assert_eq!(found, event, "{payload}");
    for (field, value) in fields {
        assert_eq!(&payload[field], value, "{event} {field}");
    }
    payload
}

async fn ask(handle: &Handle, by: &str, room: &RoomId, ask: RoomAsk) {
    handle.ask_room(&user(by), room.clone(), ask).await.expect("done");
}

fn named(name: &str) -> RoomAsk {
    RoomAsk::Update(RoomPatch { name: Some(name.to_owned()), ..RoomPatch::default() })
}

#[tokio::test]
async fn a_room_tells_each_change_once_to_whoever_may_see_it() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    let room =
        handle.create_room(&user("ana"), RoomSettings::default(), None).await.expect("made").room.expect("there");
    let id = room.id.clone();
    let watcher = client(&running, "carl").await;
    let mut channel = join(&watcher, &format!("room:{id}")).await;
    expect(&mut channel, "room_state", &[("member_count", json!(1)), ("sensors", json!([]))]).await;
    ask(&handle, "bo", &id, RoomAsk::Join { join_code: None }).await;
    expect(&mut channel, "member_joined", &[("user_id", json!("bo")), ("role", json!("member"))]).await;
    ask(&handle, "ana", &id, RoomAsk::Promote(user("bo"))).await;
    expect(&mut channel, "member_role_changed", &[("user_id", json!("bo")), ("role", json!("admin"))]).await;
    let held = handle.register_sensor(sensor("s1", "ecg", Some(id.as_str()))).await.expect("registered");
    let added = expect(&mut channel, "sensor_added", &[]).await;
    assert_eq!((&added["sensor"]["sensor_id"], &added["sensor"]["sensor_name"]), (&json!("s1"), &json!("Sensor s1")));
    drop(held);
    expect(&mut channel, "sensor_removed", &[("sensor_id", json!("s1"))]).await;
    ask(&handle, "ana", &id, RoomAsk::Kick(user("bo"))).await;
    expect(&mut channel, "member_left", &[("user_id", json!("bo")), ("reason", json!("kicked"))]).await;
    ask(&handle, "ana", &id, named("Lab 2")).await;
    expect(&mut channel, "room_updated", &[("name", json!("Lab 2")), ("join_code", Value::Null)]).await;
    ask(&handle, "ana", &id, RoomAsk::Delete).await;
    expect(&mut channel, "room_closed", &[("reason", json!("deleted"))]).await;
    drop(watcher);
    running.stop().await;
}

#[tokio::test]
async fn a_lobby_tells_its_user_what_they_may_see_and_nobody_else() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    let bo = client(&running, "bo").await;
    let refused = bo.join("lobby:ana", Map::new()).await;
    assert!(format!("{:?}", refused.err()).contains("unauthorized"));
    let mut lobby = join(&bo, "lobby:bo").await;
    let empty =
        [("my_rooms", json!([])), ("public_rooms", json!([])), ("my_total", json!(0)), ("public_total", json!(0))];
    expect(&mut lobby, "lobby_state", &empty).await;
    let private = RoomSettings { is_public: false, ..RoomSettings::default() };
    let hidden = handle.create_room(&user("ana"), private, None).await.expect("made").room.expect("there");
    let public =
        handle.create_room(&user("ana"), RoomSettings::default(), None).await.expect("made").room.expect("there");
    // Had the private one been told of, it would come first.
    expect(&mut lobby, "room_added", &[("id", json!(public.id.as_str())), ("join_code", Value::Null)]).await;
    ask(&handle, "bo", &hidden.id, RoomAsk::Join { join_code: Some(hidden.join_code) }).await;
    expect(&mut lobby, "room_added", &[("id", json!(hidden.id.as_str())), ("role", json!("member"))]).await;
    let joined = [("action", json!("joined")), ("user_id", json!("bo"))];
    expect(&mut lobby, "membership_changed", &joined).await;
    ask(&handle, "ana", &hidden.id, RoomAsk::Kick(user("bo"))).await;
    expect(&mut lobby, "room_removed", &[("room_id", json!(hidden.id.as_str()))]).await;
    expect(&mut lobby, "membership_changed", &[("action", json!("kicked"))]).await;
    ask(&handle, "ana", &hidden.id, named("secret")).await;
    ask(&handle, "ana", &public.id, named("shown")).await;
    expect(&mut lobby, "room_updated", &[("name", json!("shown"))]).await;
    ask(&handle, "ana", &public.id, RoomAsk::Delete).await;
    expect(&mut lobby, "room_removed", &[("room_id", json!(public.id.as_str()))]).await;
    for (topic, reason) in [
        (format!("room:{}", hidden.id), "unauthorized"),
        (format!("room:{}", public.id), "unauthorized"),
        ("room:x".to_owned(), "invalid room id"),
    ] {
        let refused = bo.join(&topic, Map::new()).await;
        assert!(format!("{:?}", refused.err()).contains(reason), "{topic}");
    }
    drop(bo);
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_that_moves_between_nodes_stays_in_its_room_without_a_word_and_one_that_goes_leaves_it_once() {
    let cluster = Running::cluster(&["a", "b"]).await;
    for running in &cluster {
        running.until("knows the other", |world| world.view.nodes().len() == 2).await;
    }
    let (a, b) = (cluster[0].node.handle(), cluster[1].node.handle());
    let made = a.create_room(&user("ana"), RoomSettings::default(), None).await.expect("made");
    let id = made.room.expect("there").id.clone();
    let mut rooms = b.subscribe_rooms();
    while rooms.world().view.get(id.as_str()).is_none() {
        tokio::time::timeout(PATIENCE, rooms.next()).await.expect("in time");
    }
    let mut clients = Vec::new();
    let mut channels = Vec::new();
    for running in &cluster {
        let options = ClientOptions::new([format!("ws://{}", running.address())]);
        let client =
            tokio::time::timeout(PATIENCE, Client::connect(options)).await.expect("in time").expect("connected");
        let mut channel = join(&client, &format!("room:{id}")).await;
        expect(&mut channel, "room_state", &[("sensors", json!([]))]).await;
        clients.push(client);
        channels.push(channel);
    }
    let on_a = a.register_sensor(sensor("s1", "ecg", Some(id.as_str()))).await.expect("registered");
    for channel in &mut channels {
        expect(channel, "sensor_added", &[]).await;
    }
    // It comes to another node, and then leaves the one that it was on; back again, the other way round.
    let on_b = b.register_sensor(sensor("s1", "ecg", Some(id.as_str()))).await.expect("registered");
    cluster[0].until("it moved", |world| owner(world) == Some("b".to_owned())).await;
    drop(on_a);
    let back = a.register_sensor(sensor("s1", "ecg", Some(id.as_str()))).await.expect("registered");
    cluster[1].until("it moved back", |world| owner(world) == Some("a".to_owned())).await;
    drop(on_b);
    // Had a move been told, it would come before this.
    ask(&a, "bo", &id, RoomAsk::Join { join_code: None }).await;
    for channel in &mut channels {
        expect(channel, "member_joined", &[("user_id", json!("bo"))]).await;
    }
    drop(back);
    for channel in &mut channels {
        expect(channel, "sensor_removed", &[("sensor_id", json!("s1"))]).await;
    }
    ask(&a, "ana", &id, RoomAsk::Kick(user("bo"))).await;
    for channel in &mut channels {
        expect(channel, "member_left", &[("reason", json!("kicked"))]).await;
    }
    drop(clients);
    for running in cluster {
        running.stop().await;
    }
}

fn owner(world: &sensocto_node::World) -> Option<String> {
    Some(world.view.get(sensocto_node::Kind::Sensor, "s1")?.origin.node.to_string())
}

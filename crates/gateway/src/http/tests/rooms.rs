//! Rooms over HTTP: who may do what on each surface, and who learns what.

use std::time::Duration;

use sensocto_node::model::room::{RoomAsk, RoomVerb};
use sensocto_node::model::{JoinCode, Role, RoomError, RoomPatch, RoomSettings};
use sensocto_node::room_rules::{Standing, rule};
use sensocto_node::{Handle, RoomId, SensorId, UserId};
use serde_json::{Value, json};

use crate::UserClaims;
use crate::testing::{Answer, Running, Setup, key};

fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

fn token(id: &str) -> String {
    let claims = UserClaims { user_id: user(id), name: id.to_owned(), valid_for: Duration::from_secs(600) };
    key().mint_user(&claims).expect("a token")
}

async fn send(running: &Running, by: &str, method: &str, target: &str, body: &str) -> Answer {
    let headers = format!("Authorization: Bearer {}\r\nContent-Length: {}\r\n", token(by), body.len());
    let address = running.address();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n{body}");
    running.raw(head.as_bytes()).await
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or("done").to_owned()
}

/// A room with an owner, an admin, a member to act and one of each role to be acted on, and a sensor.
async fn prepare(handle: &Handle, is_public: bool) -> RoomId {
    let settings = RoomSettings { is_public, ..RoomSettings::default() };
    let room = handle.create_room(&user("owner"), settings, None).await.expect("made").room.expect("there");
    let enter = |join_code: JoinCode| RoomAsk::Join { join_code: Some(join_code) };
    for who in ["admin", "member", "other-admin", "other-member"] {
        handle.ask_room(&user(who), room.id.clone(), enter(room.join_code)).await.expect("joined");
    }
    for who in ["admin", "other-admin"] {
        handle.ask_room(&user("owner"), room.id.clone(), RoomAsk::Promote(user(who))).await.expect("promoted");
    }
    let sensor = SensorId::new("s1").expect("an id");
    handle.ask_room(&user("owner"), room.id.clone(), RoomAsk::AddSensor(sensor)).await.expect("added");
    room.id.clone()
}

fn actor(standing: Standing) -> (&'static str, bool) {
    match standing {
        Standing::In(Role::Owner) => ("owner", true),
        Standing::In(Role::Admin) => ("admin", true),
        Standing::In(Role::Member) => ("member", true),
        Standing::Beside => ("stranger", true),
        Standing::Outside => ("stranger", false),
    }
}

fn targets(verb: RoomVerb) -> Vec<(&'static str, Option<Role>)> {
    if !matches!(verb, RoomVerb::Kick | RoomVerb::Promote | RoomVerb::Demote) {
        return vec![("", None)];
    }
    vec![
        ("owner", Some(Role::Owner)),
        ("other-admin", Some(Role::Admin)),
        ("other-member", Some(Role::Member)),
        ("nobody", None),
    ]
}

async fn over_http(running: &Running, by: &str, verb: RoomVerb, room: &RoomId, target: &str) -> String {
    let path = format!("/api/v1/rooms/{room}");
    let (method, target, body) = match verb {
        RoomVerb::Create => ("POST", "/api/v1/rooms".to_owned(), "{}"),
        RoomVerb::Get => ("GET", path, ""),
        RoomVerb::Update => ("PATCH", path, r#"{"name":"changed"}"#),
        RoomVerb::Delete => ("DELETE", path, ""),
        RoomVerb::Join => ("POST", format!("{path}/join"), ""),
        RoomVerb::Leave => ("POST", format!("{path}/leave"), ""),
        RoomVerb::Kick => ("DELETE", format!("{path}/members/{target}"), ""),
        RoomVerb::Promote => ("POST", format!("{path}/members/{target}/promote"), ""),
        RoomVerb::Demote => ("POST", format!("{path}/members/{target}/demote"), ""),
        RoomVerb::RegenerateCode => ("POST", format!("{path}/join-code"), ""),
        RoomVerb::AddSensor => ("PUT", format!("{path}/sensors/s2"), ""),
        RoomVerb::RemoveSensor => ("DELETE", format!("{path}/sensors/s1"), ""),
    };
    code(&send(running, by, method, &target, body).await)
}

async fn over_handle(handle: &Handle, by: &str, verb: RoomVerb, room: &RoomId, target: &str) -> String {
    let by = user(by);
    let target = || user(target);
    let sensor = |id: &str| SensorId::new(id).expect("an id");
    let ask = match verb {
        RoomVerb::Create => {
            let done = handle.create_room(&by, RoomSettings::default(), None).await;
            return done.map_or_else(|error| error.as_str().to_owned(), |_| "done".to_owned());
        }
        RoomVerb::Get => {
            let rooms = handle.rooms();
            let seen = rooms.view.get_visible(room.as_str(), Some(by.as_str()));
            return seen.map_or(RoomError::NotFound.as_str(), |_| "done").to_owned();
        }
        RoomVerb::RegenerateCode => {
            let done = handle.regenerate_join_code(&by, room).await;
            return done.map_or_else(|error| error.as_str().to_owned(), |_| "done".to_owned());
        }
        RoomVerb::Update => RoomAsk::Update(RoomPatch { name: Some("changed".to_owned()), ..RoomPatch::default() }),
        RoomVerb::Delete => RoomAsk::Delete,
        RoomVerb::Join => RoomAsk::Join { join_code: None },
        RoomVerb::Leave => RoomAsk::Leave,
        RoomVerb::Kick => RoomAsk::Kick(target()),
        RoomVerb::Promote => RoomAsk::Promote(target()),
        RoomVerb::Demote => RoomAsk::Demote(target()),
        RoomVerb::AddSensor => RoomAsk::AddSensor(sensor("s2")),
        RoomVerb::RemoveSensor => RoomAsk::RemoveSensor { sensor: sensor("s1"), names_room: false },
    };
    let done = handle.ask_room(&by, room.clone(), ask).await;
    done.map_or_else(|error| error.as_str().to_owned(), |_| "done".to_owned())
}

#[tokio::test]
async fn each_role_may_do_on_every_surface_what_the_one_table_says() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    for standing in Standing::ALL {
        for verb in RoomVerb::ALL {
            for (target, role) in targets(verb) {
                let (by, is_public) = actor(standing);
                let expected =
                    rule(verb, standing, role).map_or_else(|error| error.as_str().to_owned(), |()| "done".to_owned());
                let room = prepare(&handle, is_public).await;
                let http = over_http(&running, by, verb, &room, target).await;
                assert_eq!(http, expected, "over HTTP: {verb} of {target:?} by {by}, public {is_public}");
                let room = prepare(&handle, is_public).await;
                let inside = over_handle(&handle, by, verb, &room, target).await;
                assert_eq!(inside, expected, "over the handle: {verb} of {target:?} by {by}, public {is_public}");
            }
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_room_is_made_read_changed_and_ended() {
    let running = Setup::public().start().await;
    let made = send(&running, "ana", "POST", "/api/v1/rooms", r#"{"name":"Lab 1","configuration":{"a":[1]}}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let room = &made["room"];
    assert_eq!((&made["copies"], &made["on_disk"]), (&json!(1), &json!(0)), "a node alone without a data directory");
    assert_eq!((&room["role"], &room["members"]), (&json!("owner"), &json!({"ana": "owner"})));
    assert_eq!((&room["configuration"], &room["description"]), (&json!({"a": [1]}), &Value::Null));
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().expect("an id"));
    let changed =
        send(&running, "ana", "PATCH", &path, r#"{"description":"two\nlines","is_public":false}"#).await.json();
    assert_eq!(changed["room"]["description"], "two\nlines");
    let by_code = format!("/api/v1/rooms/by-code/{}", room["join_code"].as_str().expect("a code").to_lowercase());
    let read = send(&running, "bo", "GET", &by_code, "").await.json();
    assert_eq!((&read["name"], &read["join_code"], &read["members"]), (&json!("Lab 1"), &Value::Null, &Value::Null));
    assert_eq!(code(&send(&running, "bo", "POST", &format!("{path}/join"), "").await), "not_found");
    let body = format!(r#"{{"join_code":{}}}"#, room["join_code"]);
    assert_eq!(code(&send(&running, "bo", "POST", &format!("{path}/join"), &body).await), "done");
    let gone = send(&running, "ana", "DELETE", &path, "").await.json();
    assert_eq!(gone["room"], Value::Null);
    assert_eq!(code(&send(&running, "ana", "GET", &path, "").await), "not_found");
    running.stop().await;
}

#[tokio::test]
async fn nobody_else_learns_of_a_private_room_or_how_many_there_are() {
    let running = Setup::public().start().await;
    for (is_public, count) in [(true, 3), (false, 2)] {
        for _ in 0..count {
            let body = json!({"is_public": is_public}).to_string();
            assert_eq!(send(&running, "ana", "POST", "/api/v1/rooms", &body).await.status, 201);
        }
    }
    let table = [
        ("ana", "", 5),
        ("ana", "?visibility=private", 2),
        ("ana", "?member=me", 5),
        ("bo", "", 3),
        ("bo", "?visibility=private", 0),
        ("bo", "?member=me", 0),
        ("bo", "?owner=ana", 3),
    ];
    for (by, query, total) in table {
        let page = send(&running, by, "GET", &format!("/api/v1/rooms{query}"), "").await.json();
        let lines = page["rooms"].as_array().expect("a list");
        assert_eq!((&page["total"], lines.len()), (&json!(total), total), "{by} {query}");
        assert!(lines.iter().all(|room| by == "ana" || room["join_code"] == Value::Null), "{by} {query}");
    }
    let first = send(&running, "ana", "GET", "/api/v1/rooms?limit=2", "").await.json();
    let next = first["next"].as_str().expect("a cursor");
    let rest = send(&running, "ana", "GET", &format!("/api/v1/rooms?limit=9&after={next}"), "").await.json();
    assert_eq!((rest["rooms"].as_array().map(Vec::len), &rest["next"]), (Some(3), &Value::Null));
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_would_be_right() {
    let running = Setup::public().start().await;
    let long = json!({"name": "x".repeat(101)}).to_string();
    let table = [
        (long.as_str(), "invalid_parameter", "name"),
        (r#"{"name":""}"#, "invalid_parameter", "name"),
        (r#"{"name":1}"#, "invalid_parameter", "name"),
        (r#"{"is_public":"yes"}"#, "invalid_parameter", "is_public"),
        (r#"{"join_code":"SHORT"}"#, "invalid_parameter", "join_code"),
        (r#"{"configuration":[]}"#, "invalid_parameter", "configuration"),
        (r#"{"colour":"red"}"#, "unknown_parameter", "colour"),
        ("[]", "invalid_parameter", "body"),
        ("{", "invalid_parameter", "body"),
    ];
    for (body, expected, field) in table {
        let answer = send(&running, "ana", "POST", "/api/v1/rooms", body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"], &error["field"]), (400, &json!(expected), &json!(field)), "{body}");
    }
    let foreign =
        format!("Origin: https://elsewhere.example\r\nAuthorization: Bearer {}\r\nContent-Length: 2\r\n", token("ana"));
    let head =
        format!("POST /api/v1/rooms HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{foreign}\r\n{{}}", running.address());
    let answer = running.raw(head.as_bytes()).await;
    assert_eq!((answer.status, code(&answer).as_str()), (403, "foreign_origin"));
    let taken = r#"{"join_code":"K7M2QXPA"}"#;
    assert_eq!(send(&running, "ana", "POST", "/api/v1/rooms", taken).await.status, 201);
    let second = send(&running, "bo", "POST", "/api/v1/rooms", taken).await;
    assert_eq!((second.status, code(&second).as_str()), (409, "join_code_taken"));
    running.stop().await;
}

//! `discovery:rooms` over real sockets, and the same as server-sent events.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::*;

async fn watch(client: &Client, params: Value) -> Channel {
    let Value::Object(params) = params else { panic!("an object") };
    client.join("discovery:rooms", params).await.expect("joined")
}

fn ids(payload: &Value) -> Vec<&str> {
    let rooms = payload["rooms"].as_array().expect("a list");
    rooms.iter().map(|room| room["name"].as_str().expect("a name")).collect()
}

async fn make(handle: &Handle, by: &str, name: &str, is_public: bool) -> std::sync::Arc<sensocto_node::model::Room> {
    let settings = RoomSettings { name: name.to_owned(), is_public, ..RoomSettings::default() };
    handle.create_room(&user(by), settings, None).await.expect("made").room.expect("there")
}

#[tokio::test]
async fn a_window_into_the_rooms_shows_what_its_reader_may_see_and_what_changes_in_it() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    let secret = make(&handle, "ana", "Attic", false).await;
    for name in ["Lab", "Garden", "Zoo"] {
        make(&handle, "ana", name, true).await;
    }
    let bo = client(&running, "bo").await;
    let mut channel = watch(&bo, json!({"order": "name", "window": {"limit": 2}})).await;
    let page = expect(&mut channel, "page", &[("total", json!(3))]).await;
    assert_eq!(ids(&page), ["Garden", "Lab"]);
    // A private room enters when its reader joins it, and leaves when they are put out.
    ask(&handle, "bo", &secret.id, RoomAsk::Join { join_code: Some(secret.join_code) }).await;
    let change = expect(&mut channel, "change", &[("total", json!(4))]).await;
    assert_eq!((&change["entered"][0]["at"], &change["entered"][0]["room"]["name"]), (&json!(0), &json!("Attic")));
    assert_eq!(change["entered"][0]["room"]["role"], "member");
    assert_eq!((&change["left"][0]["cause"], change["left"].as_array().map(Vec::len)), (&json!("moved"), Some(1)));
    ask(&handle, "ana", &secret.id, RoomAsk::Kick(user("bo"))).await;
    let change = expect(&mut channel, "change", &[("total", json!(3))]).await;
    assert_eq!(
        (&change["left"][0]["room_id"], &change["left"][0]["cause"]),
        (&json!(secret.id.as_str()), &json!("not_visible"))
    );
    // What the window does not show is told to nobody, and neither is how many private rooms there are.
    ask(&handle, "ana", &secret.id, named("Attic 2")).await;
    make(&handle, "ana", "Cellar", false).await;
    make(&handle, "ana", "Yard", true).await;
    let total = expect(&mut channel, "total", &[("total", json!(4))]).await;
    assert!(total.get("entered").is_none(), "{total}");
    // Scrolling.
    let reply = channel.push("set_window", json!({"skip": 2, "limit": 5})).await;
    assert!(reply.expect("answered").is_ok());
    let page = expect(&mut channel, "page", &[("total", json!(4)), ("next", Value::Null)]).await;
    assert_eq!(ids(&page), ["Yard", "Zoo"]);
    drop(bo);
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_in_a_query_of_rooms_is_named_with_what_would_be_right() {
    let running = Setup::public().start().await;
    let bo = client(&running, "bo").await;
    let table = [
        (json!({"order": "size"}), "order", "id, name, changed"),
        (json!({"member": "ana"}), "member", "me"),
        (json!({"visibility": "secret"}), "visibility", "public, private"),
        (json!({"owner": ""}), "owner", "1 to 128 bytes"),
        (json!({"prefix": "x".repeat(401)}), "prefix", "400 characters"),
        (json!({"window": {"limit": 1001}}), "limit", "1 to 1000"),
        (json!({"window": {"after": "x"}}), "after", "`next`"),
        (json!({"resume": "x"}), "resume", "`resume`"),
    ];
    for (params, field, allowed) in table {
        let Value::Object(join) = params.clone() else { panic!("an object") };
        let refused = format!("{:?}", bo.join("discovery:rooms", join).await.err());
        assert!(refused.contains(field) && refused.contains(allowed), "{params}: {refused}");
    }
    for (query, field) in
        [("order=size", "order"), ("prefix=%00&order=x", "order"), ("member=ana", "member"), ("limit=0", "limit")]
    {
        for path in ["rooms", "live/rooms"] {
            let answer = running.get_as(&token("bo"), &format!("/api/v1/{path}?{query}")).await;
            assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!(field)), "{path} {query}");
        }
    }
    drop(bo);
    running.stop().await;
}

fn token(by: &str) -> String {
    let claims = UserClaims { user_id: user(by), name: by.to_owned(), valid_for: Duration::from_secs(600) };
    key().mint_user(&claims).expect("a token")
}

/// A stream of server-sent events.
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(running: &Running, by: &str, target: &str, last: Option<&str>) -> Events {
        let mut stream = running.connect().await;
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{last}\r\n",
            running.address(),
            token(by)
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        Events(BufReader::new(stream))
    }

    /// The next event: its name, id and data.
    async fn next(&mut self) -> (String, String, Value) {
        let (mut event, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line);
            assert!(tokio::time::timeout(PATIENCE, read).await.expect("in time").expect("read") > 0, "it ended");
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("id", text)) => text.clone_into(&mut id),
                Some(("data", data)) => return (event, id, serde_json::from_str(data).expect("JSON")),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_rooms_goes_on_after_the_last_event_that_was_heard() {
    let running = Setup::public().start().await;
    let handle = running.node.handle();
    let lab = make(&handle, "ana", "Lab", true).await;
    let mut events = Events::open(&running, "bo", "/api/v1/live/rooms?order=changed&limit=2", None).await;
    let (event, id, page) = events.next().await;
    assert_eq!((event.as_str(), ids(&page)), ("page", vec!["Lab"]));
    drop(events);
    ask(&handle, "ana", &lab.id, named("Lab 2")).await;
    let mut events = Events::open(&running, "bo", "/api/v1/live/rooms?order=changed&limit=2", Some(&id)).await;
    let (event, id, change) = events.next().await;
    assert_eq!((event.as_str(), &change["changed"][0]["name"]), ("change", &json!("Lab 2")));
    drop(events);
    let mut events = Events::open(&running, "bo", "/api/v1/live/rooms?order=changed&limit=2", Some(&id)).await;
    let (event, _, total) = events.next().await;
    assert_eq!((event.as_str(), &total["total"]), ("total", &json!(1)), "nothing was missed");
    // Somebody else who shows this id has not heard what they may see.
    let private = make(&handle, "ana", "Attic", false).await;
    let mut events = Events::open(&running, "ana", "/api/v1/live/rooms?order=changed&limit=2", Some(&id)).await;
    let (event, _, page) = events.next().await;
    // Both may have changed within one millisecond, and are then in the order of their ids.
    let mut names = ids(&page);
    names.sort_unstable();
    assert_eq!((event.as_str(), &page["resumed"], names), ("page", &json!(false), vec!["Attic", "Lab 2"]));
    ask(&handle, "ana", &private.id, RoomAsk::Delete).await;
    let (event, _, change) = events.next().await;
    assert_eq!((event.as_str(), &change["left"][0]["cause"]), ("change", &json!("deleted")));
    drop(events);
    running.stop().await;
}

use sensocto_model::{ConnectionId, NodeName, Presence, PresenceFields, PresenceRef, PresenceTopic, RoomId, UserId};

use crate::engine::memory::Hub;
use crate::{Handle, LocalEntry, Node, NodeConfig, RegistryConfig, UserFilter, UsersPage};

/// `reference` also orders the connections of a user.
async fn enter(handle: &Handle, reference: &str, (topic, room): (&str, &str), user: &str, tab: &str) -> LocalEntry {
    let presence = Presence {
        presence_ref: PresenceRef::new(reference).expect("an id"),
        topic: PresenceTopic::new(topic).expect("a topic"),
        connection: ConnectionId::new(tab).expect("an id"),
        user_id: UserId::new(user).expect("an id"),
        user_name: user.to_owned(),
        device: None,
        room_id: Some(RoomId::new(room).expect("an id")),
        mode: None,
        online_at_ms: 1,
        fields: PresenceFields::default(),
    };
    handle.register_presence(presence).await.expect("registered")
}

fn lines(page: &UsersPage) -> Vec<(&str, usize)> {
    page.people.iter().map(|person| (person.user_id.as_str(), person.connections.len())).collect()
}

#[tokio::test]
async fn people_are_listed_by_room_and_node_and_one_connection_in_several_topics_is_one() {
    let config = NodeConfig {
        name: NodeName::new("a").expect("a name"),
        cluster: "test".into(),
        peer: None,
        data: None,
        registry: RegistryConfig::default(),
    };
    let node = Node::start_on(&config, |me| Hub::default().connect(me)).expect("started");
    let handle = node.handle();
    let entries = [
        // One tab in two topics stands where it says to everybody that it is.
        enter(&handle, "1", ("all", "lab"), "ada", "tab 1").await,
        enter(&handle, "2", ("room:hall", "hall"), "ada", "tab 1").await,
        enter(&handle, "3", ("room:lab", "lab"), "bob", "tab 1").await,
        enter(&handle, "4", ("room:lab", "lab"), "bob", "tab 2").await,
        enter(&handle, "5", ("room:hall", "hall"), "cy", "tab 1").await,
    ];
    let world = handle.world();
    let room = |room: &str| UserFilter { room: Some(room.to_owned()), node: None };
    let on = |node: &str| UserFilter { room: None, node: Some(node.to_owned()) };
    let list = |filter: &UserFilter, after: Option<&str>, limit| handle.list_users(&world, filter, after, limit);

    let everybody = list(&UserFilter::default(), None, 10);
    assert_eq!((lines(&everybody), everybody.total), (vec![("ada", 1), ("bob", 2), ("cy", 1)], 3));
    let first = list(&room("lab"), None, 1);
    assert_eq!((lines(&first), first.total, first.next.as_deref()), (vec![("ada", 1)], 2, Some("ada")));
    let second = list(&room("lab"), first.next.as_deref(), 1);
    assert_eq!((lines(&second), second.total, second.next.as_deref()), (vec![("bob", 2)], 2, None));
    let hall = list(&room("hall"), None, 10);
    assert_eq!((lines(&hall), hall.total), (vec![("cy", 1)], 1));
    assert_eq!((list(&on("a"), None, 10).total, list(&on("b"), None, 10).total), (3, 0));
    assert_eq!(list(&room("nowhere"), None, 10).total, 0);
    drop(entries);
    node.shutdown().await;
}

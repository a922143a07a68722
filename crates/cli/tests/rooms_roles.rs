//! Each role may do on the command line what the one table of rules says, and is told why not otherwise.

mod support;

use sensocto_node::model::Role;
use sensocto_node::model::room::RoomVerb;
use sensocto_node::room_rules::{Standing, rule};
use serde_json::{Value, json};
use support::{Cluster, run};

/// Tokens of people, by their names.
struct People {
    key: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl People {
    fn new() -> People {
        let directory = tempfile::tempdir().expect("a directory");
        let key = directory.path().join("key");
        let made = run(&["token", "key", "create", key.to_str().expect("a plain path")]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        People { key, _directory: directory }
    }

    fn token(&self, user: &str) -> String {
        let key = self.key.to_str().expect("a plain path");
        let made = run(&["token", "create", "user", "--signing-key-file", key, "--user", user, "--name", user]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        made.stdout.trim().to_owned()
    }
}

fn ask(cluster: &Cluster, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let url = format!("http://{}/api/v1/rooms{path}", cluster.http(0));
    let request = if method == "PUT" { ureq::put(url) } else { ureq::post(url) };
    let mut answer = request.header("authorization", format!("Bearer {token}")).send(body.to_string()).expect("done");
    serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON")
}

/// A room with an owner, an admin, a member to act and one of each role to be acted on, and a sensor.
fn prepare(cluster: &Cluster, tokens: &dyn Fn(&str) -> String, is_public: bool) -> String {
    let made = ask(cluster, &tokens("owner"), "POST", "", &json!({"is_public": is_public}));
    let (id, code) = (made["room"]["id"].as_str().expect("an id").to_owned(), made["room"]["join_code"].clone());
    for who in ["admin", "member", "other-admin", "other-member"] {
        ask(cluster, &tokens(who), "POST", &format!("/{id}/join"), &json!({"join_code": code}));
    }
    for who in ["admin", "other-admin"] {
        ask(cluster, &tokens("owner"), "POST", &format!("/{id}/members/{who}/promote"), &json!({}));
    }
    ask(cluster, &tokens("owner"), "PUT", &format!("/{id}/sensors/s1"), &json!({}));
    id
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

fn command<'a>(verb: RoomVerb, room: &'a str, target: &'a str) -> Vec<&'a str> {
    match verb {
        RoomVerb::Create => vec!["create", "--name", "another"],
        RoomVerb::Get => vec!["show", room],
        RoomVerb::Update => vec!["update", room, "--name", "changed"],
        RoomVerb::Delete => vec!["delete", room],
        RoomVerb::Join => vec!["join", room],
        RoomVerb::Leave => vec!["leave", room],
        RoomVerb::Kick => vec!["kick", room, target],
        RoomVerb::Promote => vec!["promote", room, target],
        RoomVerb::Demote => vec!["demote", room, target],
        RoomVerb::RegenerateCode => vec!["regenerate-code", room],
        RoomVerb::AddSensor => vec!["add-sensor", room, "s2"],
        RoomVerb::RemoveSensor => vec!["remove-sensor", room, "s1"],
    }
}

#[test]
fn each_role_may_do_on_the_command_line_what_the_one_table_says() {
    let people = People::new();
    let key = people.key.to_str().expect("a plain path").to_owned();
    let cluster = Cluster::start_with(1, &["--signing-key-file", &key]);
    let url = format!("http://{}", cluster.http(0));
    let users = ["owner", "admin", "member", "other-admin", "other-member", "stranger"];
    let tokens: std::collections::BTreeMap<&str, String> =
        users.into_iter().map(|user| (user, people.token(user))).collect();
    let token = |user: &str| tokens[user].clone();
    for standing in Standing::ALL {
        let (by, is_public) = actor(standing);
        for verb in RoomVerb::ALL {
            for (target, role) in targets(verb) {
                let room = prepare(&cluster, &token, is_public);
                let what =
                    [&["rooms"][..], &command(verb, &room, target), &["--url", &url, "--token", &tokens[by]]].concat();
                let ended = run(&what);
                let what =
                    format!("{verb} of {target:?} by {by}, public {is_public}: {} {}", ended.stdout, ended.stderr);
                match rule(verb, standing, role) {
                    Ok(()) => assert_eq!(ended.code, Some(0), "{what}"),
                    Err(error) => {
                        assert_ne!(ended.code, Some(0), "{what}");
                        assert!(ended.stderr.contains(&error.to_string()), "{error}: {what}");
                    }
                }
            }
        }
    }
}

//! `sensocto rooms …`

mod watch;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::paged;
use super::watched::unknown;
use super::why::encoded;
use crate::api::Api;
use crate::args::{NodeArgs, RoomArgs, RoomMemberArgs, RoomSensorArgs, RoomSettingsArgs, RoomsCommand};
use crate::failure::Failure;
use crate::output::{self, Table, printable};
use watch::watch;

/// A room, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Room {
    id: String,
    name: String,
    owner_id: String,
    join_code: Option<String>,
    is_public: bool,
    role: Option<String>,
    member_count: u64,
    sensor_count: u64,
    home: String,
}

#[derive(Debug, Deserialize)]
struct Done {
    room: Option<Value>,
    copies: u64,
    on_disk: u64,
}

/// Carries a command about rooms out.
pub(super) fn run(command: &RoomsCommand) -> Result<(), Failure> {
    let one = |room: &RoomArgs, method, rest: &str, body: Value| {
        write(&room.node, method, &format!("{}{rest}", path(&room.room)), &body)
    };
    let member = |args: &RoomMemberArgs, method, rest: &str| {
        one(&args.room, method, &format!("/members/{}{rest}", encoded(&args.user)), json!({}))
    };
    let sensor = |args: &RoomSensorArgs, method| {
        one(&args.room, method, &format!("/sensors/{}", encoded(&args.sensor)), json!({}))
    };
    match command {
        RoomsCommand::List { node, filter, limit } => list(node, &filter.given(), limit.unwrap_or(u64::MAX)),
        RoomsCommand::Watch { node, filter, limit } => super::block_on(watch(node, filter, *limit)),
        RoomsCommand::Show { room, node } => show(node, room),
        RoomsCommand::Create { settings, join_code, node } => {
            let mut body = body(settings);
            if let Some(code) = join_code {
                body.insert("join_code".to_owned(), code.as_str().into());
            }
            write(node, "POST", "/api/v1/rooms", &Value::Object(body))
        }
        RoomsCommand::Update { room, settings } => one(room, "PATCH", "", Value::Object(body(settings))),
        RoomsCommand::Delete(room) => one(room, "DELETE", "", json!({})),
        RoomsCommand::Join { room, join_code: Some(code) } => one(room, "POST", "/join", json!({"join_code": code})),
        RoomsCommand::Join { room, join_code: None } => one(room, "POST", "/join", json!({})),
        RoomsCommand::Leave(room) => one(room, "POST", "/leave", json!({})),
        RoomsCommand::Kick(args) => member(args, "DELETE", ""),
        RoomsCommand::Promote(args) => member(args, "POST", "/promote"),
        RoomsCommand::Demote(args) => member(args, "POST", "/demote"),
        RoomsCommand::RegenerateCode(room) => one(room, "POST", "/join-code", json!({})),
        RoomsCommand::AddSensor(args) => sensor(args, "PUT"),
        RoomsCommand::RemoveSensor(args) => sensor(args, "DELETE"),
    }
}

fn list(node: &NodeArgs, given: &[(&'static str, &str)], limit: u64) -> Result<(), Failure> {
    let api = Api::new(&node.url, node.token.as_deref())?;
    let read = paged::read(&api, "rooms", given, limit)?;
    if node.json {
        return paged::print_json("rooms", &read);
    }
    let mut table = Table::new(&["ROOM", "NAME", "OWNER", "ROLE", "CODE", "VISIBILITY", "MEMBERS", "SENSORS", "HOME"]);
    for room in &read.lines {
        table.row(row(serde_json::from_str(room.get()).map_err(unknown)?));
    }
    for line in table.lines() {
        output::line(&line)?;
    }
    Ok(output::line(&format!("{} of {} rooms", read.lines.len(), read.total))?)
}

fn row(room: Room) -> [String; 9] {
    [
        room.id,
        printable(&room.name),
        printable(&room.owner_id),
        room.role.unwrap_or_else(|| "-".to_owned()),
        room.join_code.unwrap_or_else(|| "-".to_owned()),
        if room.is_public { "public" } else { "private" }.to_owned(),
        room.member_count.to_string(),
        room.sensor_count.to_string(),
        room.home,
    ]
}

fn show(node: &NodeArgs, room: &str) -> Result<(), Failure> {
    let api = Api::new(&node.url, node.token.as_deref())?;
    // An id is a UUID and has dashes; a join code has none.
    let path = if room.contains('-') { path(room) } else { format!("/api/v1/rooms/by-code/{}", encoded(room)) };
    let room: Value = api.get(&path, &[])?;
    print(&room)
}

fn write(node: &NodeArgs, method: &str, path: &str, body: &Value) -> Result<(), Failure> {
    let api = Api::new(&node.url, node.token.as_deref())?;
    let done: Value = api.write(method, path, body)?;
    if node.json {
        return Ok(output::line(&done.to_string())?);
    }
    let done: Done = serde_json::from_value(done).map_err(unknown)?;
    if let Some(room) = &done.room {
        print(room)?;
    }
    Ok(output::line(&format!("done, on {} nodes at least, {} of them on disk", done.copies, done.on_disk))?)
}

fn print(room: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(room).map_err(unknown)?;
    for line in text.lines() {
        output::line(&printable(line))?;
    }
    Ok(())
}

fn body(settings: &RoomSettingsArgs) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(name) = &settings.name {
        body.insert("name".to_owned(), name.as_str().into());
    }
    if let Some(description) = &settings.description {
        let description = if description.is_empty() { Value::Null } else { description.as_str().into() };
        body.insert("description".to_owned(), description);
    }
    if let Some(public) = settings.public {
        body.insert("is_public".to_owned(), public.into());
    }
    body
}

fn path(room: &str) -> String {
    format!("/api/v1/rooms/{}", encoded(room))
}

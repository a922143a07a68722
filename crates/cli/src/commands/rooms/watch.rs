//! `sensocto rooms watch`: a window into the list of rooms, and what changes in it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::args::{NodeArgs, RoomsFilterArgs};
use crate::commands::watched::{self, unknown};
use crate::failure::Failure;
use crate::output::printable;

/// Lines of the window where nothing is said.
const LIMIT_DEFAULT: u64 = 100;

pub(super) async fn watch(args: &NodeArgs, filter: &RoomsFilterArgs, limit: Option<u64>) -> Result<(), Failure> {
    let given = filter.given().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    let mut params: Map<String, Value> = given.collect();
    params.insert("window".to_owned(), json!({"limit": limit.unwrap_or(LIMIT_DEFAULT)}));
    let mut names = Names::default();
    let lines = |event: &str, payload: &str| names.lines(event, payload);
    watched::watch(args, "discovery:rooms", Value::Object(params), lines).await
}

#[derive(Deserialize)]
struct Room {
    id: String,
    name: String,
    owner_id: String,
    is_public: bool,
    member_count: u64,
    sensor_count: u64,
}

#[derive(Deserialize)]
struct Page {
    total: u64,
    node: String,
    rooms: Vec<Room>,
}

#[derive(Deserialize)]
struct Change {
    total: u64,
    left: Vec<Left>,
    moved: Vec<Moved>,
    entered: Vec<Entered>,
    changed: Vec<Room>,
}

#[derive(Deserialize)]
struct Left {
    room_id: String,
    cause: String,
}

#[derive(Deserialize)]
struct Moved {
    at: u64,
    room_id: String,
}

#[derive(Deserialize)]
struct Entered {
    room: Room,
}

#[derive(Deserialize)]
struct Total {
    total: u64,
}

#[derive(Deserialize)]
struct Refused {
    reason: String,
}

/// What the rooms are called of which only the id is told when they move or leave.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// What a person is told about an event: `+` is in the window, `~` changed, `>` moved, `-` left, `=` how many there are.
    fn lines(&mut self, event: &str, payload: &str) -> Result<Vec<String>, Failure> {
        let lines = match event {
            "page" => {
                let Page { total, node, rooms } = serde_json::from_str(payload).map_err(unknown)?;
                self.0.clear();
                let rooms: Vec<String> = rooms.iter().map(|room| self.described('+', room)).collect();
                rooms.into_iter().chain([format!("= {total} rooms, as node {node} sees them")]).collect()
            }
            "change" => {
                let Change { total, left, moved, entered, changed } = serde_json::from_str(payload).map_err(unknown)?;
                let mut lines: Vec<String> = Vec::new();
                for Left { room_id, cause } in left {
                    let name = self.0.remove(&room_id).unwrap_or_default();
                    lines.push(format!("- {room_id} \"{name}\": {cause}"));
                }
                lines.extend(entered.iter().map(|entered| self.described('+', &entered.room)));
                lines.extend(changed.iter().map(|room| self.described('~', room)));
                for Moved { at, room_id } in moved {
                    let name = self.0.get(&room_id).map(String::as_str).unwrap_or_default();
                    lines.push(format!("> {room_id} \"{name}\" to line {}", at + 1));
                }
                lines.push(format!("= {total} rooms"));
                lines
            }
            "total" => {
                let Total { total } = serde_json::from_str(payload).map_err(unknown)?;
                vec![format!("= {total} rooms")]
            }
            "refused" => {
                let Refused { reason } = serde_json::from_str(payload).map_err(unknown)?;
                return Err(Failure::failed(format!("the node refused: {}", printable(&reason))));
            }
            _ => Vec::new(),
        };
        Ok(lines.into_iter().map(|line| printable(&line)).collect())
    }

    fn described(&mut self, mark: char, room: &Room) -> String {
        let Room { id, name, owner_id, is_public, member_count, sensor_count } = room;
        self.0.insert(id.clone(), name.clone());
        let kind = if *is_public { "public" } else { "private" };
        format!("{mark} {id} \"{name}\" ({kind}, of {owner_id}), {member_count} members, {sensor_count} sensors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_a_line_for_each_room_that_enters_changes_moves_or_leaves() {
        let room = |id: &str, name: &str| json!({"id": id, "name": name, "owner_id": "ana", "is_public": false, "member_count": 1, "sensor_count": 2});
        let mut names = Names::default();
        let mut hear = |event: &str, payload: Value| names.lines(event, &payload.to_string()).expect("known");
        let page =
            hear("page", json!({"total": 7, "node": "a", "rooms": [room("r1", "Lab\u{1b}"), room("r2", "Gym")]}));
        let seen = "(private, of ana), 1 members, 2 sensors";
        let expected = [format!("+ r1 \"Lab\u{fffd}\" {seen}"), format!("+ r2 \"Gym\" {seen}")];
        assert_eq!(page, [&expected[..], &["= 7 rooms, as node a sees them".to_owned()]].concat());
        let change = json!({"total": 6, "left": [{"room_id": "r2", "node": "a", "cause": "not_visible"}],
            "moved": [{"at": 1, "room_id": "r1"}], "entered": [{"at": 0, "room": room("r3", "Bar")}], "changed": [room("r1", "Lab 2")]});
        let entered = format!("+ r3 \"Bar\" {seen}");
        let changed = format!("~ r1 \"Lab 2\" {seen}");
        let lines = ["- r2 \"Gym\": not_visible", &entered, &changed, "> r1 \"Lab 2\" to line 2", "= 6 rooms"];
        assert_eq!(hear("change", change), lines);
        assert_eq!(hear("total", json!({"total": 5})), ["= 5 rooms"]);
    }
}

//! What clients were told: a second, naive account of what has to be true in the end.

use std::collections::{BTreeMap, BTreeSet};

use sensocto_model::room::RoomAsk;
use sensocto_model::{NodeName, Room, RoomError, RoomId, UserId};
use sensocto_rooms::{Ack, Operation, What};

/// An operation that a client asked for.
#[derive(Debug)]
struct Entry {
    operation: Operation,
    asked_at: u64,
    result: Option<Result<Ack, RoomError>>,
    ended_at: u64,
    /// It was on one node alone, whose disk was lost.
    lost: bool,
    /// Whoever waited for it is gone.
    untold: bool,
}

/// All of them, by the number of the request.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Homes that acknowledged something, by room and number of the term.
    homes: BTreeMap<(RoomId, u64), BTreeSet<NodeName>>,
}

impl Ledger {
    pub(super) fn ask(&mut self, request: u64, operation: Operation, at: u64) {
        self.entries
            .insert(request, Entry { operation, asked_at: at, result: None, ended_at: at, lost: false, untold: false });
    }

    pub(super) fn end(&mut self, request: u64, result: Result<Ack, RoomError>, at: u64) {
        let Some(entry) = self.entries.get_mut(&request) else { return };
        if let Ok(ack) = &result {
            let key = (entry.operation.room.clone(), ack.term.number);
            self.homes.entry(key).or_default().insert(ack.term.home.node.clone());
        }
        entry.result = Some(result);
        entry.ended_at = at;
    }

    /// The room that a request is about.
    pub(super) fn room(&self, request: u64) -> Option<&RoomId> {
        self.entries.get(&request).map(|entry| &entry.operation.room)
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.entries.values().filter(|entry| matches!(entry.result, Some(Ok(_)))).count() as u64
    }

    /// The disk of a node is lost: what was there alone is excused.
    pub(super) fn disk_lost(&mut self, node: &NodeName) {
        for entry in self.entries.values_mut() {
            let alone = matches!(&entry.result, Some(Ok(ack)) if ack.on_disk < 2 && ack.term.home.node == *node);
            entry.lost |= alone || entry.result.is_none();
        }
    }

    /// The node that clients waited at is gone: nobody is told what came of it, and it may have been done all the same.
    pub(super) fn untold(&mut self, requests: &BTreeSet<u64>) {
        for request in requests {
            if let Some(entry) = self.entries.get_mut(request) {
                entry.untold = true;
            }
        }
    }

    pub(super) fn unanswered(&self) -> usize {
        self.entries.values().filter(|entry| entry.result.is_none() && !entry.untold).count()
    }

    /// Rules that hold only where nodes always saw each other as they were.
    pub(super) fn check_calm(&self) -> Result<(), String> {
        for ((room, number), homes) in &self.homes {
            if homes.len() > 1 {
                return Err(format!("term {number} of {room} had several homes: {homes:?}"));
            }
        }
        Ok(())
    }

    /// Holds what a node shows against what clients were told. `calm`: the network was as it should be; `one_decides`: and no two nodes
    /// decided in turn without the other's word.
    pub(super) fn check<'a>(
        &self,
        get: impl Fn(&RoomId) -> Option<&'a Room>,
        calm: bool,
        one_decides: bool,
    ) -> Result<(), String> {
        for (request, entry) in
            self.entries.iter().filter(|(_, entry)| matches!(entry.result, Some(Ok(_))) && !entry.lost)
        {
            let What::Ask { by, ask } = &entry.operation.what else { continue };
            let room = get(&entry.operation.room);
            let ended = self.asked(&entry.operation.room, |ask| matches!(ask, RoomAsk::Delete));
            let wrong = match (ask, room) {
                (RoomAsk::Delete, room) => room.is_some(),
                (_, None) => !ended,
                (RoomAsk::Join { .. }, Some(room)) => !room.members.contains_key(by) && !self.went(&room.id, by),
                (RoomAsk::AddSensor(sensor), Some(room)) => {
                    let out =
                        |ask: &RoomAsk| matches!(ask, RoomAsk::RemoveSensor { sensor: gone, .. } if gone == sensor);
                    !room.sensor_ids.contains(sensor) && !self.asked(&room.id, out)
                }
                (RoomAsk::Kick(user), Some(room)) => {
                    calm && room.members.contains_key(user) && !self.joined_after(entry, user)
                }
                (RoomAsk::Leave, Some(room)) => calm && room.members.contains_key(by) && !self.joined_after(entry, by),
                (RoomAsk::Update(patch), Some(room)) => {
                    one_decides
                        && self.is_last_update(*request, entry)
                        && patch.name.as_ref().is_some_and(|name| room.settings.name != *name)
                }
                _ => false,
            };
            if wrong {
                return Err(format!("request {request} was acknowledged and is lost: {:?}, now {room:?}", entry));
            }
        }
        Ok(())
    }

    fn asked(&self, room: &RoomId, wanted: impl Fn(&RoomAsk) -> bool) -> bool {
        self.entries.values().any(|entry| {
            entry.operation.room == *room && matches!(&entry.operation.what, What::Ask { ask, .. } if wanted(ask))
        })
    }

    fn went(&self, room: &RoomId, user: &UserId) -> bool {
        self.entries.values().any(|entry| {
            let What::Ask { by, ask } = &entry.operation.what else { return false };
            let leaves = matches!(ask, RoomAsk::Leave) && by == user;
            let kicked = matches!(ask, RoomAsk::Kick(kicked) if kicked == user);
            (leaves || kicked) && entry.operation.room == *room
        })
    }

    /// Whether somebody may have joined again after they went, or at the same time.
    fn joined_after(&self, went: &Entry, user: &UserId) -> bool {
        self.entries.values().any(|entry| {
            let joins = matches!(&entry.operation.what, What::Ask { by, ask: RoomAsk::Join { .. } } if by == user);
            joins
                && entry.operation.room == went.operation.room
                && (entry.result.is_none() || entry.ended_at >= went.asked_at)
        })
    }

    /// Whether every other update of the room had ended when this one was asked for, and none came after it.
    fn is_last_update(&self, request: u64, last: &Entry) -> bool {
        self.entries.iter().filter(|(other, _)| **other != request).all(|(_, entry)| {
            let updates = matches!(&entry.operation.what, What::Ask { ask: RoomAsk::Update(_), .. });
            !updates
                || entry.operation.room != last.operation.room
                || (entry.result.is_some() && entry.ended_at < last.asked_at)
        })
    }
}

//! Operations on their way to a room's home, asked again until somebody decides or the time is up.

use std::time::Duration;

use sensocto_model::RoomError;
use serde_bytes::ByteBuf;

use super::peers::ExchangeKind;
use super::{Ack, Output, Rooms};
use crate::apply::Operation;
use crate::message::{Message, Refusal, Verdict};
use crate::rank;
use crate::record::Record;

/// How often an operation is handed on: nodes that see each other differently find the home nevertheless.
const HOPS_MAX: u8 = 2;

/// An operation that somebody waits for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) operation: Operation,
    caller: Caller,
    pub(super) deadline: Duration,
    hops: u8,
    /// When to ask again; `None` while somebody has it in hand.
    again_at: Option<Duration>,
    refused: Option<Refusal>,
}

/// Who waits for it.
#[derive(Debug, Clone, Copy)]
enum Caller {
    /// A client of this node.
    Request(u64),
    /// Another node.
    Question(u64),
}

impl Rooms {
    /// Takes a local client's operation in.
    pub(super) fn ask(&mut self, request: u64, operation: Operation) {
        let deadline = self.now.mono + self.config.operation_max;
        self.route_new(Caller::Request(request), operation, deadline, HOPS_MAX);
    }

    /// Takes another node's question in.
    pub(super) fn take_do(&mut self, question: u64, operation: Operation, hops: u8) {
        if !operation.is_valid() || self.asked.len() >= self.config.waiting_max {
            self.counters.turned_away += 1;
            let verdict = Verdict::Refused(Refusal::NotHome);
            return self.answer(question, &Message::Did { verdict, record: None });
        }
        // Whoever asks asks again after that.
        let deadline = self.now.mono + self.config.exchange_max;
        self.route_new(Caller::Question(question), operation, deadline, hops.min(HOPS_MAX));
    }

    fn route_new(&mut self, caller: Caller, operation: Operation, deadline: Duration, hops: u8) {
        let id = self.next_id();
        let asked = Asked { operation, caller, deadline, hops, again_at: None, refused: None };
        self.asked.insert(id, asked);
        self.route(id);
    }

    /// Brings an operation to the home, as this node sees it.
    fn route(&mut self, id: u64) {
        let Some(asked) = self.asked.get_mut(&id) else { return };
        asked.again_at = None;
        let (room, hops) = (asked.operation.room.clone(), asked.hops);
        let home = rank::home(&room, self.candidates()).cloned();
        match home {
            Some(home) if home == self.me.node => self.decide(id),
            Some(home) if hops > 0 => {
                let Some(asked) = self.asked.get(&id) else { return };
                let message = Message::Do { operation: asked.operation.clone(), hops: hops - 1 };
                self.exchange(&home, ExchangeKind::Do(id), &message);
            }
            Some(_) => self.finish(id, Verdict::Refused(Refusal::NotHome)),
            None => {
                let refusal = if self.disk.writable { Refusal::NotHome } else { Refusal::Storage };
                self.finish(id, Verdict::Refused(refusal));
            }
        }
    }

    /// What another node said about an operation.
    pub(super) fn take_did(&mut self, id: u64, verdict: &Verdict, record: Option<&ByteBuf>) {
        if let Some(record) = record {
            match Record::decode(record) {
                // Whoever asked reads what they wrote.
                Ok(record) => {
                    self.merge(&record);
                }
                Err(_) => self.counters.unreadable += 1,
            }
        }
        self.finish(id, verdict.clone());
    }

    /// Nobody said anything about it.
    pub(super) fn undecided(&mut self, id: u64) {
        self.finish(id, Verdict::Refused(Refusal::NotHome));
    }

    /// Ends an operation, or has it asked again where it was not decided and there is time.
    pub(super) fn finish(&mut self, id: u64, verdict: Verdict) {
        let Some(asked) = self.asked.get_mut(&id) else { return };
        if let Verdict::Refused(refusal) = verdict {
            self.counters.refused += 1;
            asked.refused = Some(refusal);
            if matches!(asked.caller, Caller::Request(_)) && self.now.mono < asked.deadline {
                asked.again_at = Some(self.now.mono + self.config.pause);
                return;
            }
        }
        let Some(asked) = self.asked.remove(&id) else { return };
        match asked.caller {
            Caller::Request(request) => {
                let result = match verdict {
                    Verdict::Done { copies, on_disk, term } => Ok(Ack { copies, on_disk, term }),
                    Verdict::Error(error) => Err(error),
                    Verdict::Refused(refusal) => Err(self.gave_up(refusal)),
                };
                self.outputs.push_back(Output::Done { request, result });
            }
            Caller::Question(question) => {
                let done = matches!(verdict, Verdict::Done { .. });
                let record = self.settled(&asked.operation.room).filter(|_| done);
                let record = record.map(|record| ByteBuf::from(record.encode()));
                self.answer(question, &Message::Did { verdict, record });
            }
        }
    }

    fn gave_up(&mut self, refusal: Refusal) -> RoomError {
        self.counters.timed_out += 1;
        match refusal {
            Refusal::Storage => RoomError::StorageFailing,
            Refusal::NotHome | Refusal::LaterTerm if self.draining => RoomError::Stopping,
            Refusal::NotHome | Refusal::LaterTerm => RoomError::Unavailable,
        }
    }

    /// Asks again what is due, and ends what has taken too long.
    pub(super) fn look_at_asked(&mut self) {
        let mono = self.now.mono;
        if mono > self.looked_at {
            return;
        }
        let due = |asked: &Asked| asked.again_at.is_some_and(|at| at <= mono) && mono < asked.deadline;
        let late: Vec<u64> = self.asked.iter().filter(|(_, asked)| asked.deadline <= mono).map(|(id, _)| *id).collect();
        let again: Vec<u64> = self.asked.iter().filter(|(_, asked)| due(asked)).map(|(id, _)| *id).collect();
        for id in late {
            let refused = self.asked.get(&id).and_then(|asked| asked.refused).unwrap_or(Refusal::NotHome);
            self.finish(id, Verdict::Refused(refused));
        }
        for id in again {
            self.route(id);
        }
    }
}

//! What a process is told, and in what order it reads it.

use std::rc::Rc;

use sensocto_registry::Now;

use super::{Job, Run};
use crate::checkers::{Checked, ensure};
use crate::model::Writer;
use crate::names;
use crate::network::Class;
use crate::node::{ClientOp, Input};

impl Run<'_> {
    /// Something comes to a node.
    pub(super) fn arrive(&mut self, at: usize, input: Input) -> Checked {
        if at == self.around.hostile {
            self.ask_the_hostile_node(&input);
            return Ok(());
        }
        if self.put_in_inbox(at, input) { self.read(at) } else { Ok(()) }
    }

    /// Returns whether it can be read at once.
    pub(super) fn put_in_inbox(&mut self, at: usize, input: Input) -> bool {
        let (now, inbox_max) = (self.now, self.plan.setup.inbox_max);
        let Some(process) = self.nodes[at].process.as_mut() else { return false };
        if matches!(input, Input::Frame { .. }) {
            if process.frames_waiting >= inbox_max {
                self.points.reach("inbox_overflow");
                return false;
            }
            process.frames_waiting += 1;
        }
        process.inbox.push_back(input);
        let away = process.away_until() > now;
        if away {
            self.wake_later(at);
        }
        !away
    }

    /// Reads what waits, so many inputs at a time as the setting says.
    pub(super) fn read(&mut self, at: usize) -> Checked {
        let batch = self.plan.setup.batch;
        loop {
            let mut read = 0;
            while read < batch {
                let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
                let Some(input) = process.inbox.pop_front() else { break };
                if matches!(input, Input::Frame { .. }) {
                    process.frames_waiting -= 1;
                }
                process.traffic.inputs += 1;
                process.viewer.since_sampled += 1;
                process.viewer.since_compared += 1;
                self.events += 1;
                read += 1;
                self.handle(at, input)?;
                self.drain(at)?;
            }
            if read == 0 {
                return Ok(());
            }
            self.settle(at)?;
            let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
            if process.slow_until > self.now && process.cost > 0 {
                process.busy_until = self.now + process.cost * read as u64;
                self.wake_later(at);
                return Ok(());
            }
        }
    }

    fn handle(&mut self, at: usize, input: Input) -> Checked {
        let clock = self.nodes[at].now(self.now);
        let now = self.now;
        self.trace.number(at as u64 ^ now << 8);
        self.trace.line(now, || format!("n{at} <- {}", describe(&input)));
        let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
        match input {
            Input::Frame { from, generation, bytes, damaged } => {
                let result = process.registry.handle_frame(&bytes, clock);
                self.came(at, from, damaged, result.is_ok())?;
                if !damaged && let Some(process) = self.nodes[at].process.as_mut() {
                    process.viewer.hear(from, generation, now);
                }
                Ok(())
            }
            Input::AnswerFrame { from, generation, process: number, id, bytes, damaged } => {
                if number != process.number {
                    return Ok(());
                }
                let result = process.registry.handle_answer_frame(id, &bytes, clock);
                if !damaged {
                    process.viewer.meet(from, generation, now);
                }
                self.came(at, from, damaged, result.is_ok())
            }
            Input::AnswerEnd { process: number, id, complete } => {
                if number == process.number {
                    process.registry.handle_answer_end(id, complete, clock);
                }
                Ok(())
            }
            Input::Up(origin) => {
                process.traffic.ups += 1;
                if let Some(seen) = names::node_number(&origin.node) {
                    process.viewer.meet(seen, origin.generation.0, now);
                }
                process.registry.handle_peer_up(&origin, clock);
                Ok(())
            }
            Input::Down(origin) => {
                process.registry.handle_peer_down(&origin, clock);
                Ok(())
            }
            Input::Ask { from, process: number, id, frame } => self.answer(at, (from, number), id, &frame),
            Input::Client { entry, op } => self.client(at, entry, op, clock),
        }
    }

    /// A damaged frame is refused, a whole one is read.
    fn came(&mut self, at: usize, from: usize, damaged: bool, read: bool) -> Checked {
        ensure(read != damaged || from == self.around.hostile, "damage", || {
            format!("n{at} read a frame of n{from}: {read}; it was damaged: {damaged}")
        })?;
        if damaged {
            self.points.reach("damaged_frame");
        }
        Ok(())
    }

    fn answer(&mut self, at: usize, (from, number): (usize, u64), id: u64, frame: &[u8]) -> Checked {
        let Some(process) = self.nodes[at].process.as_mut() else { return Ok(()) };
        let Ok(answer) = process.registry.answer(frame) else {
            self.points.reach("damaged_question");
            return Ok(());
        };
        let rates = self.network.rates;
        let cut = self.network.rng.chance(rates.answer_cut).then(|| self.network.rng.below(4));
        let mut last_at = 0;
        let mut complete = true;
        match answer {
            None => {
                self.points.reach("no_answer");
                complete = false;
                if !self.plan.setup.refuses_aloud {
                    return Ok(());
                }
            }
            Some(frames) => {
                for (place_in_answer, bytes) in frames.enumerate() {
                    if cut == Some(place_in_answer as u64) {
                        self.points.reach("answer_cut");
                        complete = false;
                        break;
                    }
                    self.trace.bytes(&bytes);
                    let bytes: Rc<[u8]> = bytes.into();
                    last_at = self.send_answer(at, (from, number), id, bytes, last_at);
                }
            }
        }
        // Whoever cuts an answer does not always say so.
        if complete || self.network.rng.chance(500) {
            let fate = self.network.send(self.now, at, from, Class::Answer);
            if let Some((end_at, place)) = fate.first {
                let input = Input::AnswerEnd { process: number, id, complete };
                self.queue_at(end_at.max(last_at + 1), Job::Arrive { to: from, place: Some(place), input });
            }
        }
        Ok(())
    }

    fn send_answer(&mut self, at: usize, (to, process): (usize, u64), id: u64, bytes: Rc<[u8]>, last_at: u64) -> u64 {
        let fate = self.network.send(self.now, at, to, Class::Answer);
        let Some((arrives_at, place)) = fate.first else { return last_at };
        let arrives_at = arrives_at.max(last_at + 1);
        let (bytes, damaged) = self.perhaps_damage(bytes, fate.damaged);
        let (from, generation) = self.nodes[at].origin();
        let input = Input::AnswerFrame { from, generation, process, id, bytes, damaged };
        self.queue_at(arrives_at, Job::Arrive { to, place: Some(place), input });
        arrives_at
    }

    pub(super) fn perhaps_damage(&mut self, bytes: Rc<[u8]>, damage: bool) -> (Rc<[u8]>, bool) {
        if !damage {
            return (bytes, false);
        }
        let damaged: Rc<[u8]> = self.network.damage(&bytes).into();
        let differs = damaged != bytes;
        (damaged, differs)
    }

    /// A client does something at a node.
    fn client(&mut self, at: usize, entry: u32, op: ClientOp, clock: Now) -> Checked {
        let origin = (at, self.nodes[at].origin());
        match op {
            ClientOp::Register => self.register(origin, entry, clock),
            ClientOp::Update => self.update(origin, entry, false),
            ClientOp::Repeat => self.update(origin, entry, true),
            ClientOp::Unregister => self.unregister(origin, entry, false),
            ClientOp::UnregisterLate => self.unregister(origin, entry, true),
        }
    }

    fn register(&mut self, by: Writer, entry: u32, clock: Now) -> Checked {
        let Some(process) = self.nodes[by.0].process.as_mut() else { return Ok(()) };
        self.writes += 1;
        let Ok(record) = names::record(entry, self.writes, self.plan.setup.padding) else { return Ok(()) };
        let key = record.key();
        let Ok(registration) = process.registry.register(record.clone(), clock) else {
            return ensure(false, "client", || format!("e{entry} was refused at n{}", by.0));
        };
        let stamps = process.stamps.entry(entry).or_default();
        *stamps = (registration.stamp, stamps.0);
        self.model.put(by, entry, registration.stamp, record, self.now, self.around.grace.saturating_sub(1_500_000));
        let version = self.model.written(by.1).version();
        ensure(registration.mark.version.0 == version, "client", || {
            format!("e{entry} got the mark {}, it is change {version} of n{}", registration.mark.version, by.0)
        })?;
        let shown = process.registry.view().get(key.kind, key.id.as_str());
        let here = shown.is_some_and(|held| held.origin == process.origin && held.entry.stamp == registration.stamp);
        ensure(here, "client", || format!("e{entry} was registered at n{} and is shown as {shown:?}", by.0))
    }

    fn update(&mut self, by: Writer, entry: u32, repeat: bool) -> Checked {
        let Some(process) = self.nodes[by.0].process.as_mut() else { return Ok(()) };
        let Some((stamp, _)) = process.stamps.get(&entry).copied() else { return Ok(()) };
        let held = self.model.holding(by.0, entry).filter(|holding| holding.stamp == stamp);
        let holds = held.is_some();
        self.writes += 1;
        let record = match held.filter(|_| repeat) {
            Some(holding) => Ok(holding.record.clone()),
            None => names::record(entry, self.writes, self.plan.setup.padding),
        };
        let Ok(record) = record else { return Ok(()) };
        let mark = process.registry.update(record.clone(), stamp).ok();
        if holds && !repeat {
            self.model.put(by, entry, stamp, record, self.now, u64::MAX);
        }
        self.points.reach(if holds { "update_held" } else { "update_superseded" });
        let version = holds.then(|| self.model.holding(by.0, entry).map_or(0, |holding| holding.version));
        ensure(mark.as_ref().map(|mark| mark.version.0) == version, "client", || {
            format!("the change of e{entry} at n{} got {mark:?}, due is {version:?}", by.0)
        })
    }

    fn unregister(&mut self, by: Writer, entry: u32, late: bool) -> Checked {
        let Some(process) = self.nodes[by.0].process.as_mut() else { return Ok(()) };
        let Some((present, before)) = process.stamps.get(&entry).copied() else { return Ok(()) };
        let stamp = if late { before } else { present };
        let holds = self.model.holding(by.0, entry).is_some_and(|holding| holding.stamp == stamp);
        let Ok(key) = names::record(entry, 0, 0).map(|record| record.key()) else { return Ok(()) };
        let done = process.registry.unregister(&key, stamp).is_some();
        if holds {
            process.removals += 1;
            self.model.removed(by, entry, self.now);
        }
        self.points.reach(if holds { "unregister_held" } else { "unregister_superseded" });
        ensure(done == holds, "client", || format!("e{entry} at n{}: taken out {done}, held {holds}", by.0))
    }
}

fn describe(input: &Input) -> String {
    match input {
        Input::Frame { from, bytes, damaged, .. } => {
            format!("n{from} {}{}", super::carry::frame_in_words(bytes), if *damaged { " (damaged)" } else { "" })
        }
        Input::AnswerFrame { from, id, bytes, damaged, .. } => {
            let damaged = if *damaged { " (damaged)" } else { "" };
            format!("n{from} answer {id}: {}{damaged}", super::carry::frame_in_words(bytes))
        }
        Input::Ask { from, id, frame, .. } => format!("n{from} question {id}: {}", super::carry::frame_in_words(frame)),
        Input::AnswerEnd { id, complete, .. } => format!("answer {id} ends, complete: {complete}"),
        Input::Up(origin) => format!("engine: {origin} is there"),
        Input::Down(origin) => format!("engine: {origin} is gone"),
        Input::Client { entry, op } => format!("client: {op:?} e{entry}"),
    }
}

//! Carries a plan out.

use std::collections::BTreeSet;

use sensocto_model::room::RoomAsk;
use sensocto_model::{JoinCode, RoomId, RoomPatch, RoomSettings, SensorId, UserId};
use sensocto_rooms::{OpId, Operation, What};

use super::world::{Event, World};
use super::{RoomsOutcome, RoomsPlan};
use crate::rng::Rng;

/// How long after the end of the faults everything has to be as it should.
const HEALED_MS: u64 = 10_000;
/// How long before that clients go on: an operation may take five seconds.
const SETTLE_MS: u64 = 12_000;
/// Things that may happen in one run; more is a storm.
const EVENTS_MAX: u64 = 400_000;

/// Carries a plan out. `log` keeps every line.
#[must_use]
pub fn run(plan: &RoomsPlan, log: bool) -> RoomsOutcome {
    let mut world = World::new(plan, log);
    let failure = carry_out(&mut world).err();
    for node in &world.nodes {
        if let Some(rooms) = &node.rooms {
            world.take_overs += rooms.counters().take_overs;
            world.codes_replaced += rooms.counters().codes_replaced;
        }
    }
    RoomsOutcome {
        events: world.events,
        hash: world.hash,
        failure,
        acknowledged: world.ledger.acknowledged(),
        take_overs: world.take_overs,
        codes_replaced: world.codes_replaced,
        lines: world.lines.unwrap_or_default(),
    }
}

/// What is done to the cluster.
enum Act {
    Ask,
    Cut,
    OneWay,
    Crash,
    Pause,
    DiskFails,
    DiskLost,
}

fn carry_out(world: &mut World) -> Result<(), String> {
    let alone = world.nodes.len() == 1;
    for node in 0..world.nodes.len() {
        world.nodes[node].start(0, alone)?;
    }
    world.notice();
    let mut rng = Rng::new(world.plan.seed, 3);
    let mut acts: Vec<(u64, Act)> = Vec::new();
    let plan = world.plan.clone();
    let mut draw = |count: u64, act: fn() -> Act| {
        for _ in 0..count {
            acts.push((rng.between(3_000, 3_000 + plan.faults_ms), act()));
        }
    };
    draw(plan.operations, || Act::Ask);
    draw(plan.cuts, || Act::Cut);
    draw(plan.one_way_cuts, || Act::OneWay);
    draw(plan.crashes, || Act::Crash);
    draw(plan.pauses, || Act::Pause);
    draw(plan.disk_failures, || Act::DiskFails);
    draw(u64::from(plan.disk_lost), || Act::DiskLost);
    acts.sort_by_key(|(at, _)| *at);
    let mut client = Client { rng: Rng::new(plan.seed, 4), next: 0, rooms: Vec::new() };
    for (at, act) in acts {
        advance(world, at)?;
        perform(world, &mut client, &act)?;
    }
    let end = world.at.max(3_000 + plan.faults_ms);
    advance(world, end)?;
    heal(world);
    advance(world, end + SETTLE_MS)?;
    check(world)?;
    advance(world, end + SETTLE_MS + HEALED_MS)?;
    check(world)
}

/// Nothing fails any more.
fn heal(world: &mut World) {
    world.note(|| "healed".to_owned());
    world.quiet = true;
    world.doomed = None;
    world.cuts.clear();
    for node in &mut world.nodes {
        node.disk_fails_until = 0;
        node.paused_until = node.paused_until.min(world.at);
    }
    world.notice();
}

/// Lets the cluster go on up to a moment.
fn advance(world: &mut World, upto: u64) -> Result<(), String> {
    loop {
        let next = world.next_at();
        if next > upto {
            world.at = upto;
            return Ok(());
        }
        while let Some(event) = world.next_due(next) {
            happen(world, event)?;
        }
        world.at = world.at.max(next);
        for node in 0..world.nodes.len() {
            let at = world.at;
            let sim = &mut world.nodes[node];
            if sim.is_running(at) && sim.wake_at() <= at {
                let now = sim.now(at);
                if let Some(rooms) = &mut sim.rooms {
                    rooms.handle_tick(now);
                }
                world.carry_out(node)?;
            }
        }
        if world.events > EVENTS_MAX {
            return Err("a storm: there is no end of messages".to_owned());
        }
    }
}

fn happen(world: &mut World, event: Event) -> Result<(), String> {
    let at = world.at;
    let node = match &event {
        Event::Frame { to, .. } | Event::Question { to, .. } | Event::Answer { to, .. } => *to,
        Event::Written { node, .. } | Event::Notice { node } | Event::Start { node } | Event::Code { node, .. } => {
            *node
        }
    };
    if world.nodes[node].paused_until > at {
        // What comes for a node that stands still waits for it.
        let later = world.nodes[node].paused_until - at;
        world.schedule(later, event);
        return Ok(());
    }
    world.note(|| describe(&event));
    let now = world.nodes[node].now(at);
    match event {
        Event::Frame { frame, .. } => {
            if let Some(rooms) = &mut world.nodes[node].rooms {
                rooms.handle_frame(&frame, now).map_err(|error| error.to_string())?;
            }
        }
        Event::Question { from, generation, exchange, frame, .. } => {
            let question = world.question(from, generation, exchange);
            if let Some(rooms) = &mut world.nodes[node].rooms {
                rooms.handle_question(question, &frame, now).map_err(|error| error.to_string())?;
            }
        }
        Event::Answer { generation, exchange, frame, .. } => {
            let sim = &mut world.nodes[node];
            if let Some(rooms) = sim.rooms.as_mut().filter(|_| sim.generation == generation) {
                match frame {
                    Some(frame) => rooms.handle_answer(exchange, &frame, now).map_err(|error| error.to_string())?,
                    None => rooms.handle_unanswered(exchange, now),
                }
            }
        }
        Event::Written { generation, batch, records, .. } => {
            let sim = &mut world.nodes[node];
            if let Some(rooms) = sim.rooms.as_mut().filter(|_| sim.generation == generation) {
                let stored = sim.disk_fails_until <= at;
                for (room, bytes) in records.into_iter().filter(|_| stored) {
                    match bytes {
                        Some(bytes) => drop(sim.disk.insert(room, bytes)),
                        None => drop(sim.disk.remove(&room)),
                    }
                }
                rooms.handle_persisted(batch, stored, now);
            }
        }
        Event::Notice { .. } => notice(world, node),
        Event::Start { .. } => {
            let alone = world.nodes.len() == 1;
            world.nodes[node].start(at, alone)?;
            world.notice();
        }
        Event::Code { room, code, .. } => {
            let number = world.rng.bits();
            let what = What::ReplaceCode { from: code, to: JoinCode::from_random(number.to_le_bytes()) };
            let operation = Operation { room, op: OpId(number), what };
            if let Some(rooms) = &mut world.nodes[node].rooms {
                // Whoever is turned away is asked again.
                let _ = rooms.submit(u64::MAX - number % 1_000_000, operation, now);
            }
        }
    }
    world.carry_out(node)
}

fn describe(event: &Event) -> String {
    match event {
        Event::Frame { to, frame } => format!("n{to} hears {} bytes", frame.len()),
        Event::Question { from, to, exchange, frame, .. } => {
            format!("n{to} is asked {exchange} by n{from}, {} bytes", frame.len())
        }
        Event::Answer { to, exchange, frame, .. } => {
            format!("n{to} is answered {exchange}, {:?} bytes", frame.as_ref().map(Vec::len))
        }
        Event::Written { node, batch, records, .. } => format!("n{node} has written {batch}, {} rooms", records.len()),
        Event::Notice { node } => format!("n{node} looks around"),
        Event::Start { node } => format!("n{node} starts"),
        Event::Code { node, room, .. } => format!("n{node} needs a code for {room}"),
    }
}

/// A node finds out whom it hears.
fn notice(world: &mut World, node: usize) {
    let at = world.at;
    let heard = |other: &usize| *other != node && world.nodes[*other].is_running(at) && !world.is_cut(*other, node);
    let sees: BTreeSet<_> = (0..world.nodes.len()).filter(heard).map(|other| world.nodes[other].origin()).collect();
    let sim = &mut world.nodes[node];
    let now = sim.now(at);
    if let Some(rooms) = sim.rooms.as_mut().filter(|_| sim.sees != sees) {
        rooms.handle_reachable(&sees, now);
        sim.sees = sees;
    }
}

fn perform(world: &mut World, client: &mut Client, act: &Act) -> Result<(), String> {
    let (at, nodes) = (world.at, world.nodes.len());
    let node = client.rng.index(nodes);
    match act {
        Act::Ask => return ask(world, client, node),
        Act::Cut => {
            let until = at + client.rng.between(100, 8_000);
            let side: Vec<bool> = (0..nodes).map(|_| client.rng.chance(500)).collect();
            for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
                if side[from] != side[to] {
                    world.cuts.insert((from, to), until);
                }
            }
            world.note(|| format!("cut {side:?} until {until}"));
            world.notice();
            for other in 0..nodes {
                world.schedule(until - at + 300, Event::Notice { node: other });
            }
        }
        Act::OneWay => {
            let until = at + client.rng.between(100, 5_000);
            let to = client.rng.index(nodes);
            world.cuts.insert((node, to), until);
            world.note(|| format!("cut n{node} to n{to} until {until}"));
            world.notice();
            world.schedule(until - at + 300, Event::Notice { node: to });
        }
        Act::Crash => world.crash(node, client.rng.between(10, 4_000)),
        Act::Pause => {
            world.nodes[node].paused_until = at + client.rng.between(50, 5_000);
            world.note(|| format!("n{node} stands still"));
            let after = world.nodes[node].paused_until - at;
            world.notice();
            for other in 0..nodes {
                world.schedule(after + 300, Event::Notice { node: other });
            }
        }
        Act::DiskFails => {
            world.nodes[node].disk_fails_until = at + client.rng.between(500, 6_000);
            world.note(|| format!("the disk of n{node} refuses writes"));
        }
        Act::DiskLost => world.doomed = Some(node),
    }
    Ok(())
}

/// What clients do.
struct Client {
    rng: Rng,
    next: u64,
    rooms: Vec<RoomId>,
}

fn ask(world: &mut World, client: &mut Client, node: usize) -> Result<(), String> {
    client.next += 1;
    let (request, at) = (client.next, world.at);
    let operation = client.draw();
    if !world.nodes[node].is_running(at) {
        return Ok(());
    }
    world.note(|| format!("n{node} asks {request} {operation:?}"));
    world.ledger.ask(request, operation.clone(), at);
    world.requests.insert(request, node);
    let sim = &mut world.nodes[node];
    let now = sim.now(at);
    if let Some(rooms) = &mut sim.rooms {
        rooms.submit(request, operation, now).map_err(|error| format!("turned away: {error}"))?;
    }
    world.carry_out(node)
}

impl Client {
    fn user(&mut self) -> UserId {
        // Few enough that people meet.
        UserId::new(&format!("u{}", self.rng.below(12))).expect("an id")
    }

    fn draw(&mut self) -> Operation {
        let op = OpId(self.next);
        let owner = UserId::new("owner").expect("an id");
        if self.rooms.is_empty() || self.rng.chance(150) {
            let room = RoomId::new(&format!("room-{}", self.next)).expect("an id");
            self.rooms.push(room.clone());
            // Few codes, so that two sides of a partition give the same one.
            let number = self.rng.below(40) as u8;
            let ask =
                RoomAsk::Create { settings: RoomSettings::default(), join_code: JoinCode::from_random([number; 8]) };
            return Operation { room, op, what: What::Ask { by: owner, ask } };
        }
        let room = self.rooms[self.rng.index(self.rooms.len())].clone();
        let sensor = SensorId::new(&format!("s{}", self.rng.below(10))).expect("an id");
        let someone = self.user();
        let (by, ask) = match self.rng.below(20) {
            0..=7 => (someone, RoomAsk::Join { join_code: None }),
            8 => (someone, RoomAsk::Leave),
            9 | 10 => (owner, RoomAsk::Kick(someone)),
            11 => (owner, RoomAsk::Promote(someone)),
            12 => (owner, RoomAsk::Demote(someone)),
            13..=15 => (owner, RoomAsk::AddSensor(sensor)),
            16 => (owner, RoomAsk::RemoveSensor { sensor, names_room: self.rng.chance(500) }),
            17 | 18 => {
                let name = Some(format!("name {}", self.next));
                (owner, RoomAsk::Update(RoomPatch { name, ..RoomPatch::default() }))
            }
            _ if self.rng.chance(300) => (owner, RoomAsk::Delete),
            _ => (owner, RoomAsk::RegenerateCode { join_code: JoinCode::from_random(self.rng.bits().to_le_bytes()) }),
        };
        Operation { room, op, what: What::Ask { by, ask } }
    }
}

/// What has to be true when nothing has failed for a while.
fn check(world: &World) -> Result<(), String> {
    let calm = world.plan.is_calm();
    // Two nodes that are there in turn, each with its own disk, decide each without the other's word: a room may have two homes in one
    // term, and the later one of two changes of one fact may be the other node's.
    let one_decides = calm && world.plan.crashes <= 1;
    if world.ledger.unanswered() > 0 {
        return Err(format!("{} operations were never answered", world.ledger.unanswered()));
    }
    if one_decides {
        world.ledger.check_calm()?;
    }
    let mut first: Option<(u128, usize)> = None;
    for (number, node) in world.nodes.iter().enumerate() {
        let Some(rooms) = &node.rooms else { return Err(format!("n{number} is down")) };
        if !rooms.can_be_home() || !rooms.is_idle() {
            return Err(format!("n{number} is not well: {:?}", rooms.health()));
        }
        let here = (rooms.hash(), rooms.view().len());
        if *first.get_or_insert(here) != here {
            return Err(format!("n{number} holds other rooms than n0: {here:?} and {first:?}"));
        }
        world.ledger.check(|room| rooms.view().get(room.as_str()).map(AsRef::as_ref), calm, one_decides)?;
        let mut codes = BTreeSet::new();
        for room in rooms.view().iter() {
            if !codes.insert(room.join_code) {
                return Err(format!("n{number} shows the join code of {} twice", room.id));
            }
            let home = rooms.home(&room.id);
            let others = world.nodes.iter().filter_map(|node| node.rooms.as_ref()).map(|rooms| rooms.home(&room.id));
            if home.is_none() || others.into_iter().any(|other| other != home) {
                return Err(format!("nodes do not agree on the home of {}", room.id));
            }
            let stored = node.disk.get(&room.id).and_then(|bytes| sensocto_rooms::Record::decode(bytes).ok());
            if stored.as_ref().and_then(sensocto_rooms::Record::room).as_ref() != Some(room) {
                return Err(format!("n{number} shows {} otherwise than its disk", room.id));
            }
        }
    }
    Ok(())
}

//! What nodes say to each other, in bytes: repairing one entry that differs among many, and being idle.
//!
//! `cargo run --release -p sensocto-bench --bin traffic -- [ENTRIES] [NODES]`. Counted are frames, without what the transport adds;
//! a frame that is published counts once for each node that gets it. These are counts, not times: they are the same on every machine.
#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sensocto_bench::sensor;
use sensocto_model::{Generation, NodeName, Origin, Record, Stamp};
use sensocto_registry::message::{self, Delta, Message, Put};
use sensocto_registry::{Config, Counters, Now, Output, Registry};

/// Goals of these figures, in bytes and bytes per second.
const REPAIR_GOAL: usize = 20_000;
const IDLE_GOAL: usize = 1_000;

/// Registries that hear each other at once.
struct Cluster {
    nodes: Vec<Registry>,
    now: Now,
    published: usize,
    asked: usize,
    answered: usize,
}

impl Cluster {
    fn new(count: usize) -> Cluster {
        let now = Now { mono: Duration::from_secs(1), wall_ms: 1_767_000_000_000 };
        let origin = |number: usize| {
            let node = NodeName::new(&format!("node-{number}")).unwrap_or_else(|error| panic!("{error}"));
            Origin { node, generation: Generation(now.wall_ms + number as u64) }
        };
        let nodes = (0..count).map(|number| Registry::new(origin(number), Config::default(), now)).collect();
        Cluster { nodes, now, published: 0, asked: 0, answered: 0 }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now.mono + span;
        while let Some(next) = self.nodes.iter().map(Registry::poll_timeout).min().filter(|next| *next <= until) {
            self.now.mono = self.now.mono.max(next);
            for at in 0..self.nodes.len() {
                if self.nodes[at].poll_timeout() <= self.now.mono {
                    self.nodes[at].handle_tick(self.now);
                    self.carry_out(at);
                }
            }
        }
        self.now.mono = until;
    }

    /// Does what a registry wants done, and what follows from that.
    fn carry_out(&mut self, first: usize) {
        let mut busy = VecDeque::from([first]);
        while let Some(at) = busy.pop_front() {
            while let Some(output) = self.nodes[at].poll_output() {
                match output {
                    Output::Publish(frame) => {
                        for to in (0..self.nodes.len()).filter(|to| *to != at) {
                            self.published += frame.len();
                            self.nodes[to].handle_frame(&frame, self.now).unwrap_or_else(|error| panic!("{error}"));
                            busy.push_back(to);
                        }
                    }
                    Output::Ask { to, id, frame } => {
                        self.asked += frame.len();
                        let to = self.nodes.iter().position(|node| node.me().node == to);
                        let answer = to.and_then(|to| self.nodes[to].answer(&frame).ok().flatten());
                        for frame in answer.into_iter().flatten() {
                            self.answered += frame.len();
                            let taken = self.nodes[at].handle_answer_frame(id, &frame, self.now);
                            taken.unwrap_or_else(|error| panic!("{error}"));
                        }
                        self.nodes[at].handle_answer_end(id, true, self.now);
                    }
                    Output::Event(_)
                    | Output::Superseded { .. }
                    | Output::NameTaken { .. }
                    | Output::Overtaken { .. } => {}
                }
            }
        }
    }
}

fn renamed(record: &Record, name: &str) -> Record {
    let Record::Sensor(mut sensor) = record.clone() else { return record.clone() };
    sensor.sensor_name = name.into();
    Record::Sensor(sensor)
}

/// Gives node 1 a change that node 0 never made, and lets node 0 make another one of the same entry: both stand at one version.
fn differ(cluster: &mut Cluster, record: &Record, stamp: Stamp) {
    let at = cluster.nodes[0].view().nodes()["node-0"].version;
    let body = serde_bytes::ByteBuf::from(renamed(record, "wrong").encode());
    let put = Put { key: record.key(), version: at.next(), stamp, body };
    let wrong = Delta { after: at, upto: at.next(), read_at: at.next(), removals: Vec::new(), puts: vec![put] };
    let frame = message::encode(cluster.nodes[0].me(), &Message::Delta(wrong));
    let now = cluster.now;
    cluster.nodes[1].handle_frame(&frame, now).unwrap_or_else(|error| panic!("{error}"));
    cluster.nodes[0].update(renamed(record, "right"), stamp).unwrap_or_else(|error| panic!("{error}"));
    cluster.carry_out(1);
}

fn repair(entries: usize) -> usize {
    let mut cluster = Cluster::new(2);
    let at = entries / 3;
    let mut differing = None;
    for number in 0..entries {
        let record = sensor("s", number);
        let now = cluster.now;
        let registration = cluster.nodes[0].register(record.clone(), now);
        let stamp = registration.unwrap_or_else(|error| panic!("{error}")).stamp;
        if number == at {
            differing = Some((record, stamp));
        }
        while cluster.nodes[0].poll_output().is_some_and(|output| matches!(output, Output::Event(_))) {}
    }
    cluster.run(Duration::from_secs(5));
    let before: Counters = cluster.nodes[1].counters().clone();
    let Some((record, stamp)) = differing else { return 0 };
    differ(&mut cluster, &record, stamp);
    (cluster.published, cluster.asked, cluster.answered) = (0, 0, 0);
    let started = Instant::now();
    cluster.run(Duration::from_secs(2));
    let took = started.elapsed();
    let after = cluster.nodes[1].counters().clone();
    assert_eq!(after.logs_mended, before.logs_mended + 1, "the difference was found");
    assert_eq!(after.logs_replaced, before.logs_replaced, "without the whole log");
    let sets = [0, 1].map(|node| cluster.nodes[node].view().nodes()["node-0"].counts);
    assert_eq!(sets[0], sets[1]);
    let bytes = cluster.asked + cluster.answered;
    println!(
        "one entry that differs among {entries}: {bytes} bytes in {} questions ({} asked, {} answered), goal {REPAIR_GOAL}; {took:.2?} of both nodes together",
        after.asks - before.asks,
        cluster.asked,
        cluster.answered,
    );
    bytes
}

fn idle(nodes: usize) -> usize {
    const SECONDS: usize = 60;
    let mut cluster = Cluster::new(nodes);
    for at in 0..nodes {
        for number in 0..100 {
            let now = cluster.now;
            let registered = cluster.nodes[at].register(sensor(&format!("n{at}"), number), now);
            registered.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    cluster.run(Duration::from_secs(20));
    (cluster.published, cluster.asked, cluster.answered) = (0, 0, 0);
    for _ in 0..SECONDS {
        // As a node's driver does, so that there is always something to measure.
        for at in 0..nodes {
            cluster.nodes[at].beat();
        }
        cluster.run(Duration::from_secs(1));
    }
    assert_eq!((cluster.asked, cluster.answered), (0, 0), "nobody asks in peace");
    let each = cluster.published / nodes / SECONDS;
    println!("{nodes} idle nodes: each sends {each} bytes/s to all the others together, goal {IDLE_GOAL}");
    each
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let (entries, nodes) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(8));
    let idle = idle(nodes);
    let repair = repair(entries);
    if idle > IDLE_GOAL || repair > REPAIR_GOAL {
        println!("above a goal");
        std::process::exit(1);
    }
}

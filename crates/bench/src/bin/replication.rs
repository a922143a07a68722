//! Three processes over the engine on loopback: how long one registration takes to another node, beside a raw publication of the same
//! size; how fast a hundred thousand travel; how long a node that joins needs.
//!
//! `cargo run --release -p sensocto-bench --bin replication -- [ENTRIES]`
#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sensocto_bench::{Times, cpu_time, sensor};
use sensocto_node::engine::{self, Inbound};
use sensocto_node::{
    EventKind, Generation, Handle, Kind, LocalEntry, Next, Node, NodeConfig, NodeName, Origin, PeerConfig, PeerState,
    Record, RegistryConfig,
};

/// What has to happen happens within this, or the benchmark fails.
const DEADLINE: Duration = Duration::from_secs(120);
/// Registrations, and publications, that are timed one at a time.
const SINGLE: usize = 2_000;
/// Tasks that register one by one at the same time.
const TASKS: usize = 256;

type Failure = Box<dyn std::error::Error>;

/// Nanoseconds since 1970: the one clock that processes of one machine share.
fn wall_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn peer(listen: SocketAddr, join: Option<SocketAddr>) -> PeerConfig {
    PeerConfig { listen, join: join.iter().map(ToString::to_string).collect(), tls: None }
}

fn config(name: &str, peer: PeerConfig) -> Result<NodeConfig, Failure> {
    let registry = RegistryConfig::default();
    Ok(NodeConfig { name: NodeName::new(name)?, cluster: "bench".into(), peer: Some(peer), data: None, registry })
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Another process of the cluster. It ends when its standard input is closed.
struct Member {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Member {
    fn start(args: &[String]) -> Result<Member, Failure> {
        let mut child =
            Command::new(std::env::current_exe()?).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut member = Member { child, stdin, stdout };
        let ready = member.line()?;
        if ready == "ready" { Ok(member) } else { Err(format!("a member said {ready:?}").into()) }
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn say(&mut self, command: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().ok_or("ended")?;
        writeln!(stdin, "{command}")?;
        Ok(stdin.flush()?)
    }

    /// When the member saw what it was told to wait for.
    fn seen(&mut self) -> Result<u128, Failure> {
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // A member that has ended needs no end, and one that hangs must not outlive the benchmark.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn since(started: u128, seen: u128) -> Duration {
    Duration::from_nanos(u64::try_from(seen.saturating_sub(started)).unwrap_or(u64::MAX))
}

/// A member: for each line `count N` it says when its world has N sensors, and each sensor `p-…` as it comes.
async fn member(name: &str, listen: &str, join: &str) -> Result<(), Failure> {
    let node = Node::start(config(name, peer(listen.parse()?, Some(join.parse()?)))?).await?;
    let handle = node.handle();
    println!("ready");
    let (commands, mut wanted) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let count = line.strip_prefix("count ").and_then(|count| count.parse::<usize>().ok());
            if commands.send(count).is_err() {
                return;
            }
        }
    });
    let mut subscription = handle.subscribe();
    let mut waiting: Option<usize> = None;
    loop {
        tokio::select! {
            command = wanted.recv() => match command {
                Some(count) => waiting = count,
                None => break,
            },
            next = handle.next(&mut subscription) => match next {
                Next::Batch(batch) => {
                    let joins = batch.events.iter().filter(|event| event.kind == EventKind::Registered);
                    for _ in joins.filter(|event| event.key.id.as_str().starts_with("p-")) {
                        println!("{}", wall_ns());
                    }
                }
                Next::Resync(_) => {}
                Next::Closed => break,
            },
        }
        if waiting.is_some_and(|count| subscription.world().view.count(Kind::Sensor) == count && is_proved(&handle)) {
            println!("{}", wall_ns());
            waiting = None;
        }
    }
    node.shutdown().await;
    Ok(())
}

/// Whether the copies of all other nodes are as far as those have said.
fn is_proved(handle: &Handle) -> bool {
    let world = handle.world();
    world.view.nodes().values().all(|node| node.state == PeerState::Local || node.claimed == node.version)
}

/// A member without a registry: it says when each frame came.
async fn raw_member(name: &str, listen: &str, join: &str) -> Result<(), Failure> {
    let me = Origin { node: NodeName::new(name)?, generation: Generation(1) };
    let (engine, mut inbound) = engine::connect(&me, "raw", &peer(listen.parse()?, Some(join.parse()?))).await?;
    let end = tokio::task::spawn_blocking(|| std::io::stdin().lines().map_while(Result::ok).count());
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = &mut end => break,
            came = inbound.recv() => match came {
                Some(Inbound::Up(origin, _)) if origin.node.as_str() == "a" => println!("ready"),
                Some(Inbound::Frame(_)) => println!("{}", wall_ns()),
                Some(Inbound::Up(..) | Inbound::Question(_) | Inbound::Down(_)) => {}
                None => break,
            },
        }
    }
    engine.close().await;
    Ok(())
}

fn start_members(kind: &str, join: SocketAddr) -> Result<Vec<Member>, Failure> {
    ["b", "c"]
        .iter()
        .map(|name| {
            Member::start(&[kind.to_owned(), (*name).to_owned(), free_address()?.to_string(), join.to_string()])
        })
        .collect()
}

/// Publishes frames of the size of a delta with one sensor, one at a time.
async fn raw(bytes: usize) -> Result<Times, Failure> {
    let listen = free_address()?;
    let me = Origin { node: NodeName::new("a")?, generation: Generation(1) };
    let (engine, _inbound) = engine::connect(&me, "raw", &peer(listen, None)).await?;
    let mut members = start_members("raw-member", listen)?;
    let mut times = Vec::new();
    for _ in 0..SINGLE {
        let started = wall_ns();
        engine.publish(vec![7; bytes]);
        for member in &mut members {
            times.push(since(started, member.seen()?));
        }
    }
    drop(members);
    engine.close().await;
    Ok(Times::of(times))
}

async fn register(handle: &Handle, record: Record) -> Result<LocalEntry, Failure> {
    match record {
        Record::Sensor(sensor) => Ok(handle.register_sensor(sensor).await?),
        Record::Connector(_) | Record::Presence(_) => Err("not a sensor".into()),
    }
}

fn wait_for(members: &mut [Member], count: usize) -> Result<u128, Failure> {
    members.iter_mut().try_for_each(|member| member.say(&format!("count {count}")))?;
    let mut last = 0;
    for member in members {
        last = last.max(member.seen()?);
    }
    Ok(last)
}

async fn measure(entries: usize) -> Result<(), Failure> {
    let raw = raw(260).await?;
    println!("one raw publication of 260 bytes, until both others have it: {raw}");
    let listen = free_address()?;
    let node = Node::start(config("a", peer(listen, None))?).await?;
    let handle = node.handle();
    let mut members = start_members("member", listen)?;
    wait_for(&mut members, 0)?;
    let mut times = Vec::new();
    for number in 0..SINGLE {
        let record = sensor("p", number);
        let started = wall_ns();
        let entry = register(&handle, record).await?;
        for member in &mut members {
            times.push(since(started, member.seen()?));
        }
        drop(entry);
    }
    let times = Times::of(times);
    println!("one registration on A, until it is in the world of both others: {times}");
    let ratio = |share| times.at(share).as_secs_f64() / raw.at(share).as_secs_f64();
    println!("ratio: p50 {:.2}, p99 {:.2} (goal: at most 2)", ratio(0.5), ratio(0.99));
    wait_for(&mut members, 0)?;

    let held = register_all(&handle, entries, &mut members).await?;
    unregister_all(held, entries, &mut members)?;
    let held = register_batch(&handle, entries, &mut members).await?;
    let started = wall_ns();
    let mut joining = start_member("d", listen)?;
    joining.say(&format!("count {entries}"))?;
    let seen = joining.seen()?;
    println!("a fourth node joins {entries} entries: {:.2?} from its process's start on", since(started, seen));
    drop(joining);
    unregister_all(held, entries, &mut members)?;
    drop(members);
    node.shutdown().await;
    Ok(())
}

/// Entries on their way from A to the others: when they set out, and what all processes had done by then.
struct Run {
    started: u128,
    cpu: Vec<Duration>,
}

impl Run {
    fn start(members: &mut [Member], count: usize) -> Result<Run, Failure> {
        members.iter_mut().try_for_each(|member| member.say(&format!("count {count}")))?;
        Ok(Run { started: wall_ns(), cpu: Run::cpu(members) })
    }

    fn cpu(members: &[Member]) -> Vec<Duration> {
        std::iter::once(std::process::id())
            .chain(members.iter().map(|member| member.child.id()))
            .map(cpu_time)
            .collect()
    }

    /// Waits until all members have said that they are there.
    fn end(self, what: &str, entries: usize, members: &mut [Member]) -> Result<(), Failure> {
        let seen = members.iter_mut().map(Member::seen).collect::<Result<Vec<_>, _>>()?;
        let took = since(self.started, seen.into_iter().max().unwrap_or(0));
        let cpu = Run::cpu(members).into_iter().zip(self.cpu).map(|(after, before)| after.saturating_sub(before));
        let cpu: Vec<String> = cpu.map(|cpu| format!("{:.1}", cpu.as_secs_f64() * 1e6 / entries as f64)).collect();
        let rate = entries as f64 / took.as_secs_f64();
        println!("{what}: {rate:.0} entries/s ({took:.2?}); µs of processor an entry on A, B, C: {}", cpu.join(", "));
        Ok(())
    }
}

fn records(entries: usize) -> Vec<Record> {
    (0..entries).map(|number| sensor("s", number)).collect()
}

fn unregister_all(held: Vec<LocalEntry>, entries: usize, members: &mut [Member]) -> Result<(), Failure> {
    let run = Run::start(members, 0)?;
    drop(held);
    run.end(&format!("unregister {entries} on A, until both others have none"), entries, members)
}

/// Registers in one call.
async fn register_batch(handle: &Handle, entries: usize, members: &mut [Member]) -> Result<Vec<LocalEntry>, Failure> {
    let records = records(entries);
    let run = Run::start(members, entries)?;
    let held = handle.register_many(records).await.into_iter().collect::<Result<_, _>>()?;
    run.end(&format!("register {entries} on A in one call, until both others hold all"), entries, members)?;
    Ok(held)
}

fn start_member(name: &str, join: SocketAddr) -> Result<Member, Failure> {
    Member::start(&["member".to_owned(), name.to_owned(), free_address()?.to_string(), join.to_string()])
}

/// Registers one by one from several tasks at once, as sockets do.
async fn register_all(handle: &Handle, entries: usize, members: &mut [Member]) -> Result<Vec<LocalEntry>, Failure> {
    let records = records(entries);
    let run = Run::start(members, entries)?;
    let mut tasks = tokio::task::JoinSet::new();
    let share = records.len().div_ceil(TASKS).max(1);
    let mut records = records.into_iter();
    loop {
        let part: Vec<Record> = records.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        let handle = handle.clone();
        tasks.spawn(async move {
            let mut held = Vec::with_capacity(part.len());
            for record in part {
                held.push(register(&handle, record).await.map_err(|error| error.to_string())?);
            }
            Ok::<_, String>(held)
        });
    }
    let mut held = Vec::new();
    while let Some(done) = tasks.join_next().await {
        held.extend(done??);
    }
    run.end(
        &format!("register {entries} on A one by one from {TASKS} tasks, until both others hold all"),
        entries,
        members,
    )?;
    Ok(held)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["member", name, listen, join] => member(name, listen, join).await,
        ["raw-member", name, listen, join] => raw_member(name, listen, join).await,
        rest => {
            let entries = rest.first().map_or(Ok(100_000), |text| text.parse())?;
            let started = Instant::now();
            tokio::time::timeout(DEADLINE, measure(entries)).await??;
            println!("in {:.1?}", started.elapsed());
            Ok(())
        }
    }
}

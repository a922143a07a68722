//! Lists over HTTP, at a rate that does not wait for answers: pages of 100 of a million sensors, asked for by one client process of a
//! node that is another process; and lists of people.
//!
//! `cargo run --release -p sensocto-bench --example http -- [SENSORS] [REQUESTS A SECOND] [SECONDS]`
//!
//! A request's time runs from the moment at which it was to be sent, so that one slow answer counts for all that had to wait for it.
#![expect(clippy::print_stdout, reason = "a figure that nobody sees is none")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sensocto_bench::{Times, sensor};
use sensocto_gateway::{Gateway, GatewayConfig};
use sensocto_node::{
    ConnectionId, Handle, LocalEntry, Node, NodeConfig, NodeName, Presence, PresenceFields, PresenceRef, PresenceTopic,
    Record, RegistryConfig, RoomId, UserFilter, UserId,
};

/// Connections of the client. A request whose connection still waits for an answer is sent late, and that is part of its time.
const CONNECTIONS: usize = 32;
/// What a page may take (issue: p99).
const GOAL: Duration = Duration::from_millis(2);
/// A request that is sent later than this was held up by the client or by the answer before it.
const LATE: Duration = Duration::from_millis(1);
/// People who are here.
const USERS: usize = 10_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn presence(number: usize) -> Result<Presence, Failure> {
    let name = format!("user-{number:05}");
    Ok(Presence {
        presence_ref: PresenceRef::new(&name)?,
        topic: PresenceTopic::new("room:hall")?,
        connection: ConnectionId::new(&name)?,
        user_id: UserId::new(&name)?,
        user_name: format!("User {number}"),
        device: Some("web".to_owned()),
        room_id: Some(RoomId::new("hall")?),
        mode: None,
        online_at_ms: 1_767_000_000_000,
        fields: PresenceFields::default(),
    })
}

/// Registers from several tasks at once, as sockets do.
async fn register(handle: &Handle, sensors: usize) -> Result<Vec<LocalEntry>, Failure> {
    const TASKS: usize = 256;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let handle = handle.clone();
        tasks.spawn(async move {
            let mut held = Vec::new();
            for number in (task..sensors).step_by(TASKS) {
                if let Record::Sensor(sensor) = sensor("s", number) {
                    held.push(handle.register_sensor(sensor).await?);
                }
            }
            for number in (task..USERS).step_by(TASKS) {
                held.push(handle.register_presence(presence(number)?).await?);
            }
            Ok::<_, Failure>(held)
        });
    }
    let mut held = Vec::new();
    while let Some(done) = tasks.join_next().await {
        held.extend(done??);
    }
    Ok(held)
}

/// How long a list of everybody takes inside of the node.
fn list_users(handle: &Handle, filter: &UserFilter) -> Result<Times, Failure> {
    let world = handle.world();
    let mut times = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        let page = handle.list_users(&world, filter, None, USERS);
        times.push(started.elapsed());
        if (page.people.len(), page.total) != (USERS, USERS) {
            return Err(format!("{} people of {}", page.people.len(), page.total).into());
        }
    }
    Ok(Times::of(times))
}

/// The node: says where it listens once everything is in it, and ends with its standard input.
async fn serve(sensors: usize) -> Result<(), Failure> {
    let name = NodeName::new("a")?;
    let config =
        NodeConfig { name, cluster: "bench".into(), peer: None, data: None, registry: RegistryConfig::default() };
    let node = Node::start(config).await.map_err(|error| error.to_string())?;
    let http = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = GatewayConfig { http, advertise: None, signing_key: None, open: false, allowed_origins: Vec::new() };
    let gateway = Gateway::start(config, node.handle()).await.map_err(|error| error.to_string())?;
    let held = register(&node.handle(), sensors).await?;
    for (what, room) in [("of everybody", None), ("of a room", Some("hall".to_owned()))] {
        let times = list_users(&node.handle(), &UserFilter { room, node: None })?;
        println!("list_users {what}, {USERS} people, in the node: {times} (goal: 5 ms)");
    }
    println!("ready {}", gateway.local_addr());
    tokio::task::spawn_blocking(|| std::io::stdin().lines().map_while(Result::ok).count()).await?;
    gateway.shutdown().await;
    drop(held);
    node.shutdown().await;
    Ok(())
}

/// The node in a process of its own. It ends when this is dropped.
struct Served(Child);

impl Served {
    fn start(sensors: usize) -> Result<(Served, SocketAddr), Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", &sensors.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut served = Served(command.spawn()?);
        let stdout = served.0.stdout.take().ok_or("no output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match line.strip_prefix("ready ") {
                Some(address) => return Ok((served, address.parse()?)),
                None => println!("{line}"),
            }
        }
        Err("the node ended".into())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A node that has ended needs no end, and one that hangs must not outlive the benchmark.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One connection that asks, and waits for the answer.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; 256 * 1024] })
    }

    /// The body of the answer.
    fn get(&mut self, target: &str) -> Result<&[u8], Failure> {
        write!(self.stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut read = 0;
        let (head, length) = loop {
            read += self.read_behind(read)?;
            let text = &self.buffer[..read];
            if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
                break (end + 4, length(std::str::from_utf8(&text[..end])?)?);
            }
        };
        while read < head + length {
            read += self.read_behind(read)?;
        }
        Ok(&self.buffer[head..head + length])
    }

    fn read_behind(&mut self, read: usize) -> Result<usize, Failure> {
        if read == self.buffer.len() {
            self.buffer.resize(read * 2, 0);
        }
        match self.stream.read(&mut self.buffer[read..])? {
            0 => Err("the node closed the connection".into()),
            more => Ok(more),
        }
    }
}

fn length(head: &str) -> Result<usize, Failure> {
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head.lines().next().unwrap_or_default().into());
    }
    let line =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    Ok(line.ok_or("no length")?.trim().parse()?)
}

/// The cursor of the next page, which stands near the end of a page.
fn next_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.rsplit_once("\"next\":\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// What one connection saw: how long each request took, and how late each was sent.
type Seen = Vec<(Duration, Duration)>;

/// Asks for every `CONNECTIONS`-th request of a schedule.
fn ask(
    address: SocketAddr,
    path: &str,
    first: usize,
    rate: usize,
    count: usize,
    began: Instant,
) -> Result<Seen, Failure> {
    let mut connection = Connection::open(address)?;
    let mut seen = Seen::new();
    let mut after: Option<String> = None;
    for number in (first..count).step_by(CONNECTIONS) {
        let due = began + Duration::from_secs_f64(number as f64 / rate as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let late = due.elapsed();
        let cursor = after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let body = connection.get(&format!("{path}{cursor}"))?;
        // Each connection goes through the list by itself: from the second page on, no two ask for the same.
        after = next_of(body);
        seen.push((due.elapsed(), late));
    }
    Ok(seen)
}

fn measure(address: SocketAddr, what: &str, path: &str, rate: usize, seconds: usize) -> Result<(), Failure> {
    let bytes = Connection::open(address)?.get(path)?.len();
    let began = Instant::now() + Duration::from_millis(100);
    let path: Arc<str> = Arc::from(path);
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            let path = Arc::clone(&path);
            std::thread::spawn(move || ask(address, &path, first, rate, rate * seconds, began))
        })
        .collect();
    let mut seen = Seen::new();
    for asked in asking {
        seen.extend(asked.join().map_err(|_| "a connection panicked")??);
    }
    let share = |which: fn(&(Duration, Duration)) -> bool| {
        100.0 * seen.iter().filter(|one| which(one)).count() as f64 / seen.len() as f64
    };
    let (slow, late) = (share(|(took, _)| *took > GOAL), share(|(_, late)| *late > LATE));
    let times = Times::of(seen.iter().map(|(took, _)| *took).collect());
    println!("{what}, {rate}/s, {bytes} bytes: {times}; {slow:.2} % over 2 ms, {late:.2} % sent more than 1 ms late");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serving, sensors] = &args[..]
        && serving == "serve"
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(serve(sensors.parse()?));
    }
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |text| text.parse());
    let (sensors, rate, seconds) = (number(0, 1_000_000)?, number(1, 2_000)?, number(2, 10)?);
    let started = Instant::now();
    let (_served, address) = Served::start(sensors)?;
    println!("{sensors} sensors and {USERS} people are there after {:.1?}", started.elapsed());
    measure(address, "pages of 100 by key", "/api/v1/sensors?limit=100", rate, seconds)?;
    measure(address, "pages of 100 by type", "/api/v1/sensors?type=heartrate&limit=100", rate, seconds)?;
    measure(address, "pages of one connector", "/api/v1/sensors?connector=connector-17&limit=100", rate, seconds)?;
    measure(address, "pages of 100 people", "/api/v1/users?limit=100", rate, seconds)?;
    println!("in {:.1?}", started.elapsed());
    Ok(())
}

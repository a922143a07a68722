//! Real nodes for tests: each a process of its own, ended with the test whatever happens.
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a node may take to start or to end: far more than it needs, for machines that are busy.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a state that sends no event is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A program of ours that a test has run to its end.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The `sensocto` program, deaf to the variables of whoever runs the tests.
pub(crate) fn sensocto(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sensocto"));
    command.args(args);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SENSOCTO_")) {
        command.env_remove(name);
    }
    command
}

/// The same, started by another program.
fn within(starter: &[String], args: &[&str]) -> Command {
    let Some((program, before)) = starter.split_first() else { return sensocto(args) };
    let mut command = Command::new(program);
    command.args(before).arg(env!("CARGO_BIN_EXE_sensocto")).args(args);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SENSOCTO_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end. Its standard input is closed, so a node that is given `--exit-with-stdin` ends by itself.
pub(crate) fn run(args: &[&str]) -> Finished {
    finish(&mut sensocto(args))
}

pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Addresses of loopback where nobody listens, none of them given twice. They lie below the ports that systems hand out to
/// connections, so that none is taken between here and the node that is to listen there.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Tests may run as several processes at once; each begins somewhere else.
    let start = std::process::id().wrapping_mul(37);
    let next = || 20_000 + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    let free = |port: u32| {
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).expect("below 32,000")));
        TcpListener::bind(address).ok().map(|_| address)
    };
    std::iter::repeat_with(next).take(12_000).filter_map(free).take(count).collect()
}

/// Nodes that are started together and joined with each other.
pub(crate) struct Cluster {
    members: Vec<Member>,
    flags: Vec<String>,
}

struct Member {
    name: String,
    http: SocketAddr,
    peer: SocketAddr,
    /// What its command line begins with, where it does not run as it is.
    within: Vec<String>,
    data: TempDir,
    process: Option<Process>,
}

/// Where a node is to run.
pub(crate) struct Place {
    pub(crate) http: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// A program and its arguments that is to start the node, as `ip netns exec one`.
    pub(crate) within: Vec<String>,
}

struct Process {
    child: Child,
    /// Closing it is what ends the node, so it is held as long as the node is wanted.
    stdin: Option<ChildStdin>,
    log: Arc<Mutex<String>>,
}

impl Cluster {
    /// Starts `count` nodes, named a, b, c …, and waits until each listens.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, &[])
    }

    /// The same, each with further flags of `serve`.
    pub(crate) fn start_with(count: usize, flags: &[&str]) -> Self {
        let addresses = free_addresses(2 * count);
        let place = |index| Place { http: addresses[index], peer: addresses[count + index], within: Vec::new() };
        Self::start_at((0..count).map(place).collect(), flags)
    }

    /// The same, at places of the caller's choice.
    pub(crate) fn start_at(places: Vec<Place>, flags: &[&str]) -> Self {
        let count = places.len();
        let member = |(index, Place { http, peer, within }): (usize, Place)| Member {
            name: char::from(b'a' + u8::try_from(index).expect("a few nodes")).to_string(),
            http,
            peer,
            within,
            data: tempfile::tempdir().expect("a directory for the node"),
            process: None,
        };
        let members = places.into_iter().enumerate().map(member).collect();
        let mut cluster = Self { members, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() };
        for index in 0..count {
            cluster.restart(index);
        }
        cluster
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.members[index].name
    }

    pub(crate) fn http(&self, index: usize) -> SocketAddr {
        self.members[index].http
    }

    /// `ws://…` of a node, as clients are given it.
    pub(crate) fn url(&self, index: usize) -> String {
        format!("ws://{}", self.members[index].http)
    }

    pub(crate) fn peer(&self, index: usize) -> SocketAddr {
        self.members[index].peer
    }

    /// Process id of a node that runs.
    pub(crate) fn pid(&self, index: usize) -> u32 {
        self.process(index).child.id()
    }

    /// What a node has logged since it was started.
    pub(crate) fn log(&self, index: usize) -> String {
        self.process(index).log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a node that does not run, at its addresses and with its data, and waits until it listens.
    pub(crate) fn restart(&mut self, index: usize) {
        assert!(self.members[index].process.is_none(), "node {} runs already", self.members[index].name);
        let flags = self.flags_of(index);
        let mut command = within(&self.members[index].within, &flags.iter().map(String::as_str).collect::<Vec<_>>());
        self.members[index].process = Some(Process::start(&mut command));
    }

    /// Takes away what a node that does not run has on its disk.
    pub(crate) fn empty_disk(&mut self, index: usize) {
        assert!(self.members[index].process.is_none(), "node {} runs", self.members[index].name);
        self.members[index].data = tempfile::tempdir().expect("a directory for the node");
    }

    /// Pauses a node (SIGSTOP): it keeps its sockets and answers nothing.
    pub(crate) fn stop(&self, index: usize) {
        signal(self.pid(index), "STOP");
    }

    /// Lets a paused node go on (SIGCONT).
    pub(crate) fn cont(&self, index: usize) {
        signal(self.pid(index), "CONT");
    }

    /// Ends a node at once (SIGKILL), paused or not.
    pub(crate) fn kill(&mut self, index: usize) {
        drop(self.members[index].process.take());
    }

    /// Asks a node to end (SIGTERM) and waits for it.
    pub(crate) fn terminate(&mut self, index: usize) -> ExitStatus {
        let process = self.members[index].process.take().expect("the node runs");
        signal(process.child.id(), "TERM");
        process.wait()
    }

    /// Reads a resource of a node as JSON, whatever its status.
    pub(crate) fn http_get(&self, index: usize, path: &str) -> Value {
        let url = format!("http://{}{path}", self.members[index].http);
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build();
        let mut answer = ureq::Agent::from(config).get(&url).call().unwrap_or_else(|error| panic!("{url}: {error}"));
        let body = answer.body_mut().with_config().limit(256 * 1024 * 1024).read_to_string().expect("a whole answer");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}"))
    }

    /// Waits until every node that runs sees as many nodes alive as run, with the same world proved on all.
    pub(crate) fn wait_until_identical(&self) {
        let running: Vec<usize> = (0..self.len()).filter(|index| self.members[*index].process.is_some()).collect();
        until(DEADLINE, "every node sees the same world", || {
            let identical = |index: &usize| {
                let health = self.http_get(*index, "/api/v1/cluster/health");
                health["identical"]["nodes"] == running.len() && health["identical"]["of"] == running.len()
            };
            running.iter().all(identical).then_some(())
        });
    }

    fn process(&self, index: usize) -> &Process {
        self.members[index].process.as_ref().expect("the node runs")
    }

    fn flags_of(&self, index: usize) -> Vec<String> {
        let member = &self.members[index];
        let data = member.data.path().to_str().expect("a plain path").to_owned();
        let own = ["serve", "--exit-with-stdin", "--name", &member.name, "--data", &data].map(str::to_owned);
        let mut flags = Vec::from(own);
        flags.extend(["--http".to_owned(), member.http.to_string(), "--peer".to_owned(), member.peer.to_string()]);
        for other in self.members.iter().filter(|other| other.name != member.name) {
            flags.extend(["--join".to_owned(), other.peer.to_string()]);
        }
        flags.extend(self.flags.iter().cloned());
        flags
    }
}

impl Process {
    /// Starts a node and waits for the line in which it says that it listens.
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = lines_of(child.stdout.take().expect("piped"));
        let log = Arc::default();
        collect(child.stderr.take().expect("piped"), Arc::clone(&log));
        let process = Self { stdin: child.stdin.take(), child, log };
        let deadline = Instant::now() + DEADLINE;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with("ready ") => return process,
                Ok(_) => {}
                Err(problem) => {
                    let log = process.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    panic!("the node did not get ready ({problem}); it said:\n{log}");
                }
            }
        }
    }

    /// Waits for the end of a process that is about to end.
    fn wait(mut self) -> ExitStatus {
        let id = self.child.id();
        let (ended, end) = mpsc::channel();
        let waiter = thread::spawn(move || {
            let status = self.child.wait();
            let _ = ended.send(());
            status
        });
        if end.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
            signal(id, "KILL");
            panic!("process {id} did not end when it was asked to");
        }
        waiter.join().expect("the waiter ends").expect("the process was ours")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has been waited for has no id any more that would be ours to signal.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), "CONT");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Looks again and again until `look` finds something. For states that send no event; where there is one, wait for that.
pub(crate) fn until<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whether a process is there and has not ended: one that nobody has waited for yet is there, but has ended.
pub(crate) fn is_running(id: u32) -> bool {
    if let Ok(state) = std::fs::read_to_string(format!("/proc/{id}/stat")) {
        return !state.rsplit(')').next().is_some_and(|after| after.trim_start().starts_with('Z'));
    }
    let output = Command::new("kill").args(["-0", &id.to_string()]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Sends a signal by its name without `SIG`.
pub(crate) fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {id} cannot be sent {name}");
}

fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Once nobody waits for lines the rest is read all the same, or the process would block on a full pipe.
            let _ = sender.send(line);
        }
    });
    lines
}

fn collect(stream: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = into.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

//! The nodes of a demonstration: processes of this same program that end with it, however it ends.
//!
//! Each holds one end of a pipe. When this process closes the other end, or is no more, the node ends by itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ports::Addresses;
use crate::failure::Failure;

/// How long a node may take to listen, and to end when it is asked to.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A node that ended although nobody asked it to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) index: usize,
    pub(crate) how: String,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) addresses: Addresses,
    pub(crate) pid: u32,
    alive: Arc<AtomicBool>,
    stdin: ChildStdin,
}

impl Member {
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// `ws://…`, as clients are given it.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.addresses.http)
    }

    /// The lobby page.
    pub(crate) fn lobby(&self) -> String {
        format!("http://{}/", self.addresses.http)
    }
}

pub(crate) struct Nodes {
    pub(crate) members: Vec<Member>,
    ended: mpsc::Receiver<Ended>,
    waiters: JoinSet<()>,
    killing: CancellationToken,
}

/// A process that was started and has yet to say that it listens.
struct Starting {
    name: String,
    addresses: Addresses,
    child: Child,
    stdout: ChildStdout,
    stdin: ChildStdin,
    log: PathBuf,
}

impl Nodes {
    /// Starts a node at each of the addresses, all at once, and waits until they listen. They keep their data and logs in `work`.
    ///
    /// # Errors
    /// A node does not start; what it said is passed on, and those that started end.
    pub(crate) async fn start(addresses: &[Addresses], work: &Path, signing_key: &Path) -> Result<Self, Failure> {
        let starting = (0..addresses.len())
            .map(|index| spawn(addresses, index, work, signing_key))
            .collect::<Result<Vec<_>, Failure>>()?;
        let (sender, ended) = mpsc::channel(addresses.len().max(1));
        let mut nodes = Self { members: Vec::new(), ended, waiters: JoinSet::new(), killing: CancellationToken::new() };
        for (index, mut starting) in starting.into_iter().enumerate() {
            wait_until_ready(&mut starting).await?;
            let Starting { name, addresses, child, stdin, .. } = starting;
            let alive = Arc::new(AtomicBool::new(true));
            let pid = child.id().unwrap_or_default();
            let (killing, sender) = (nodes.killing.clone(), sender.clone());
            nodes.waiters.spawn(watch(child, index, Arc::clone(&alive), killing, sender));
            nodes.members.push(Member { name, addresses, pid, alive, stdin });
        }
        Ok(nodes)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.members.iter().map(Member::url).collect()
    }

    /// The next node that ends by itself, or is ended by somebody who wants to see what happens.
    pub(crate) async fn next_ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Every node has ended and been told.
            None => std::future::pending().await,
        }
    }

    /// Asks every node to end, and sees to it that it does.
    pub(crate) async fn stop(self) {
        let Self { members, mut waiters, killing, .. } = self;
        drop(members.into_iter().map(|member| member.stdin).collect::<Vec<_>>());
        let all_ended = async { while waiters.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, all_ended).await.is_err() {
            killing.cancel();
            while waiters.join_next().await.is_some() {}
        }
    }
}

fn spawn(all: &[Addresses], index: usize, work: &Path, signing_key: &Path) -> Result<Starting, Failure> {
    let addresses = all[index];
    let name = char::from(b'a' + u8::try_from(index).unwrap_or(25).min(25)).to_string();
    let failed = |error: std::io::Error| Failure::failed(format!("node {name} cannot be started: {error}"));
    let log = work.join(format!("{name}.log"));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["serve", "--exit-with-stdin", "--name", &name, "--cluster", "demo"]);
    command.args(["--http", &addresses.http.to_string(), "--peer", &addresses.peer.to_string()]);
    for other in all.iter().filter(|other| other.peer != addresses.peer) {
        command.args(["--join", &other.peer.to_string()]);
    }
    command.arg("--data").arg(work.join(&name)).arg("--signing-key-file").arg(signing_key);
    // What somebody has set for a node of their own is not meant for these.
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("SENSOCTO_"))
    {
        command.env_remove(variable);
    }
    // Ctrl-C goes to every process of a terminal's group; in groups of their own, the nodes end when they are told, in order.
    #[cfg(unix)]
    command.process_group(0);
    let log_file = File::create(&log).map_err(failed)?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure::failed(format!("node {name} has no pipes")));
    };
    Ok(Starting { name, addresses, child, stdout, stdin, log })
}

async fn wait_until_ready(starting: &mut Starting) -> Result<(), Failure> {
    let mut lines = BufReader::new(&mut starting.stdout).lines();
    let ready = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("ready ") {
                return true;
            }
        }
        false
    };
    let problem = match timeout(START_TIMEOUT, ready).await {
        Ok(true) => return Ok(()),
        Ok(false) => {
            let log = fs::read_to_string(&starting.log).unwrap_or_default();
            let said = log.lines().rev().find(|line| line.starts_with("error: ")).or(log.lines().last());
            said.map_or("it said nothing", |line| line.trim_start_matches("error: ")).to_owned()
        }
        Err(_) => format!("it does not listen after {} s", START_TIMEOUT.as_secs()),
    };
    Err(Failure::failed(format!("node {} did not start: {problem}", starting.name)))
}

/// Waits for the end of a process.
async fn watch(
    mut child: Child,
    index: usize,
    alive: Arc<AtomicBool>,
    killing: CancellationToken,
    ended: mpsc::Sender<Ended>,
) {
    let status = match killing.run_until_cancelled(child.wait()).await {
        Some(status) => status,
        None => {
            // It may have ended on its own just now, which is as good.
            let _ = child.start_kill();
            child.wait().await
        }
    };
    alive.store(false, Ordering::Relaxed);
    let how = status.map_or_else(|error| error.to_string(), described);
    let _ = ended.send(Ended { index, how }).await;
}

#[cfg(unix)]
fn described(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(not(unix))]
fn described(status: ExitStatus) -> String {
    status.to_string()
}

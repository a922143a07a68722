//! A part of a system in a process of its own, and the words in which it is told what to do.
//!
//! | to a writer | it says |
//! |---|---|
//! | `put PREFIX FROM COUNT` | the time before the first of them |
//! | `remove PREFIX FROM COUNT` | the time before the first of them |
//!
//! | to a member | it says |
//! |---|---|
//! | `count N` | the time at which it holds N entries |
//! | nothing | the time at which it has each entry whose key begins with `p-` |
//!
//! Times are nanoseconds since 1970, by the one clock that all processes of a machine share. A part says `ready` first, and ends when
//! its standard input does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::Failure;

/// What has to happen happens within this, or the system's line says that it did not.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Keys of entries that are timed one at a time.
pub(crate) const SINGLE: &str = "p";

pub(crate) fn wall_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// The process of a part, as the one who measures sees it.
pub(crate) struct Part {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Part {
    pub(crate) fn start(command: &mut Command) -> Result<Part, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().ok_or("a part without output")?);
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let part = Part { child, stdin, lines };
        let ready = part.line()?;
        if ready == "ready" { Ok(part) } else { Err(format!("a part said {ready:?} instead of `ready`").into()) }
    }

    fn line(&self) -> Result<String, Failure> {
        self.lines.recv_timeout(DEADLINE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("not within {DEADLINE:?}").into(),
            RecvTimeoutError::Disconnected => "a part ended".into(),
        })
    }

    pub(crate) fn say(&mut self, words: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().ok_or("a part has ended")?;
        writeln!(stdin, "{words}")?;
        Ok(stdin.flush()?)
    }

    /// The next time that the part says.
    pub(crate) fn time(&self) -> Result<u128, Failure> {
        Ok(self.line()?.trim().parse()?)
    }

    /// The memory that the process holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // A part that has ended needs no end, and one that hangs must not outlive the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(words: impl std::fmt::Display) {
    println!("{words}");
}

pub(crate) fn say_ready() {
    say("ready");
}

/// The lines of the standard input, until it ends.
fn orders() -> UnboundedReceiver<String> {
    let (sender, orders) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    orders
}

/// What a writer is told.
pub(crate) enum Order {
    Put(Vec<String>),
    Remove(Vec<String>),
}

/// The writer's side of the words.
pub(crate) struct Orders(UnboundedReceiver<String>);

impl Orders {
    pub(crate) fn new() -> Orders {
        Orders(orders())
    }

    /// The next order, whose time is running from then on; nothing when there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Order>, Failure> {
        let Some(line) = self.0.recv().await else { return Ok(None) };
        let words: Vec<&str> = line.split_whitespace().collect();
        let [verb, prefix, from, count] = words.as_slice() else { return Err(format!("not an order: {line}").into()) };
        let from: usize = from.parse()?;
        let keys = (from..from + count.parse::<usize>()?).map(|number| key(prefix, number)).collect();
        let order = match *verb {
            "put" => Order::Put(keys),
            "remove" => Order::Remove(keys),
            other => return Err(format!("not an order: {other}").into()),
        };
        say(wall_ns());
        Ok(Some(order))
    }
}

pub(crate) fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number:07}")
}

/// 200 bytes that belong to a key.
pub(crate) fn value(key: &str) -> String {
    format!("{key:0<200}")
}

/// The member's side of the words: what it is waited for.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<Option<usize>>>);

impl Watch {
    /// Listens to what is wanted; `held` tells how many entries there are, and `end` is called when the input ends.
    pub(crate) fn start(held: impl Fn() -> usize + Send + 'static, end: impl FnOnce() + Send + 'static) -> Watch {
        let watch = Watch(Arc::default());
        let wanted = watch.clone();
        let mut orders = orders();
        std::thread::spawn(move || {
            while let Some(line) = orders.blocking_recv() {
                *wanted.wanted() = line.strip_prefix("count ").and_then(|count| count.parse().ok());
                wanted.holds(held());
            }
            end();
        });
        watch
    }

    fn wanted(&self) -> MutexGuard<'_, Option<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry came.
    pub(crate) fn has(&self, key: &str) {
        if key.strip_prefix(SINGLE).is_some_and(|rest| rest.starts_with('-')) {
            say(wall_ns());
        }
    }

    /// There are so many entries.
    pub(crate) fn holds(&self, count: usize) {
        let mut wanted = self.wanted();
        if *wanted == Some(count) {
            *wanted = None;
            say(wall_ns());
        }
    }
}

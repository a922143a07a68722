//! The demonstration as a person meets it: it agrees, it survives a killed node, and it leaves nothing running.

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use support::{is_running, sensocto, signal, until};

/// A whole demonstration with its start and end takes some seconds; this is for machines that are busy.
const DEADLINE: Duration = Duration::from_secs(120);

/// Demonstrations like the same ports, and find others only before they start.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Demo {
    child: Child,
    events: Receiver<Value>,
    pids: Vec<u32>,
    /// Where it puts what is temporary, so that nothing is left of one that is killed.
    _directory: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a directory for the demonstration");
        let mut command = sensocto(&["demo", "--json", "--sensors", "60"]);
        command.env("TMPDIR", directory.path());
        let mut child =
            command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let (sender, events) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                let _ = sender.send(event);
            }
        });
        Self { child, events, pids: Vec::new(), _directory: directory, _turn: turn }
    }

    /// The next event of this name; those before it are passed over.
    fn wait_for(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let event = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let event = event.unwrap_or_else(|error| panic!("no event {name}: {error}"));
            if event["event"] == "node" {
                let pid = event["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
                self.pids.push(pid.expect("a process id"));
            }
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Waits for the end; returns the exit code. Every node has ended by then.
    fn end(mut self) -> Option<i32> {
        self.wait_for("stopped");
        let code = self.child.wait().expect("it was ours").code();
        assert!(!self.pids.is_empty());
        for pid in &self.pids {
            assert!(!is_running(*pid), "process {pid} is left");
        }
        code
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_bounded_demonstration_converges_and_leaves_nothing_running() {
    let mut demo = Demo::start(&["--for", "4s"]);
    let arrived = demo.wait_for("arrived");
    assert_eq!(arrived["sensors"], 60, "{arrived}");
    let verdict = demo.wait_for("verdict");
    assert_eq!(verdict["converged"], true, "{verdict}");
    assert_eq!(demo.pids.len(), 3);
    assert_eq!(demo.end(), Some(0));
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
fn propagation_is_measured_between_all_nodes() {
    let mut demo = Demo::start(&[]);
    let start = Instant::now();
    let status = loop {
        let status = demo.wait_for("status");
        if status["propagation"]["count"].as_u64() >= Some(12) && status["users"] == 5 {
            break status;
        }
        assert!(start.elapsed() < DEADLINE, "{status}");
    };
    println!("propagation {}", status["propagation"]);
    assert_eq!(status["nodes_alive"], 3, "{status}");
    signal(demo.child.id(), "INT");
    assert_eq!(demo.end(), Some(0));
}

#[test]
fn a_killed_node_is_told_and_the_demonstration_goes_on() {
    let mut demo = Demo::start(&[]);
    demo.wait_for("status");
    let pid = demo.pids[2];
    signal(pid, "KILL");
    let ended = demo.wait_for("node_ended");
    assert_eq!((&ended["name"], &ended["how"]), (&Value::from("c"), &Value::from("killed by signal 9")));
    let start = Instant::now();
    while demo.wait_for("status")["nodes_alive"] != 2 {
        assert!(start.elapsed() < DEADLINE);
    }
    signal(demo.child.id(), "INT");
    assert_eq!(demo.end(), Some(0));
}

#[test]
fn nodes_end_when_their_demonstration_is_killed() {
    let mut demo = Demo::start(&[]);
    demo.wait_for("hint");
    demo.child.kill().expect("it was ours");
    demo.child.wait().expect("it was ours");
    for pid in demo.pids.clone() {
        until(DEADLINE, "the node has ended", || (!is_running(pid)).then_some(()));
    }
}

//! How a node measures itself: its processor time, its memory, its queues, and how late it is.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sensocto_signals::{LOAD_SAMPLED_EVERY, Reading};
use tokio::time::Instant;

use crate::engine::SIGNALS_MAX;
use crate::handle::Handle;

/// A timer that is this late means that the node does nothing else any more.
const LATE_MAX: Duration = Duration::from_millis(250);
/// Of these, processor time is counted in `/proc`: the kernel's USER_HZ, 100 on every architecture that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures the node every second, until it stops.
pub(crate) async fn measure(handle: Handle) {
    let inner = &handle.0;
    let mut processor = Processor::new();
    let mut expected = Instant::now() + LOAD_SAMPLED_EVERY;
    loop {
        tokio::select! {
            () = inner.stopping.cancelled() => return,
            () = tokio::time::sleep_until(expected) => {}
        }
        let now = Instant::now();
        let late = now.duration_since(expected).as_secs_f64() / LATE_MAX.as_secs_f64();
        expected = now + LOAD_SAMPLED_EVERY;
        let waiting = inner.signals.counters.frames_waiting.load(Ordering::Relaxed) as f64 / SIGNALS_MAX as f64;
        let commands = &inner.commands;
        let queued = commands.max_capacity() - commands.capacity();
        let reading = Reading {
            cpu: processor.used(now),
            fan_out: waiting.max(late),
            queues: queued as f64 / commands.max_capacity() as f64,
            memory: memory_used(),
        };
        let changed = inner.signals.meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(reading);
        if let Some(load) = changed {
            tracing::info!(load = load.level.as_str(), memory_protection = load.memory_protection, "the load changed");
            inner.signals.set_load(load);
        }
    }
}

/// How much of its processor time this process uses.
struct Processor {
    cores: f64,
    used: Option<f64>,
    at: Instant,
}

impl Processor {
    fn new() -> Processor {
        // It knows the limits of control groups.
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        Processor { cores, used: processor_seconds(), at: Instant::now() }
    }

    /// The part that was used since it was last asked for; 0 where the system does not say.
    fn used(&mut self, now: Instant) -> f64 {
        let used = processor_seconds();
        let part = match (self.used, used) {
            (Some(before), Some(used)) => (used - before) / (now.duration_since(self.at).as_secs_f64() * self.cores),
            (_, None) | (None, Some(_)) => 0.0,
        };
        (self.used, self.at) = (used, now);
        part
    }
}

fn processor_seconds() -> Option<f64> {
    seconds_of_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time in `/proc/<pid>/stat`: the 14th and 15th field. The second one, in brackets, may hold spaces.
fn seconds_of_stat(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// The part of the memory that is used: of the control group where it has a limit, else of the machine; 0 where the system does not say.
fn memory_used() -> f64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    memory_of_group(&groups, Path::new("/sys/fs/cgroup")).or_else(memory_of_machine).unwrap_or(0.0)
}

/// Of the control group of this process, version 2 or 1. What can be given back at once, the page cache, does not count.
fn memory_of_group(groups: &str, root: &Path) -> Option<f64> {
    let path_of = |prefix: fn(&str) -> bool| {
        let mut lines = groups.lines().filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok());
        let found = lines.find(|[id, controllers, _]: &[&str; 3]| prefix(&format!("{id}:{controllers}")));
        found.map(|[_, _, path]| path.trim_start_matches('/'))
    };
    let read = |folder: &Path, limit: &str, used: &str, cache: &str| {
        // A process in a container sees its own group as the root.
        [folder.to_path_buf(), folder.ancestors().find(|folder| folder.join(limit).exists())?.to_path_buf()]
            .iter()
            .find_map(|folder| part_used(folder, limit, used, cache))
    };
    let second = path_of(|place| place == "0:")
        .and_then(|path| read(&root.join(path), "memory.max", "memory.current", "inactive_file"));
    second.or_else(|| {
        let path = path_of(|place| place.ends_with(":memory"))?;
        read(&root.join("memory").join(path), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    })
}

fn part_used(folder: &Path, limit: &str, used: &str, cache: &str) -> Option<f64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<f64>().ok()).unwrap_or(0.0);
    // Version 1 writes "no limit" as a number that is larger than any machine.
    let limit = number(limit).filter(|limit| (1.0..1e15).contains(limit))?;
    Some(((number(used)? - cached) / limit).max(0.0))
}

fn memory_of_machine() -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Some(1.0 - kib("MemAvailable:")? / kib("MemTotal:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_strange_name() {
        let stat = "7 (a ) b) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1 1";
        assert_eq!(seconds_of_stat(stat), Some(3.0));
        assert_eq!(seconds_of_stat("nonsense"), None);
    }

    #[test]
    fn memory_is_that_of_the_control_group_without_its_cache() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        };
        write("app/memory.max", "1000\n");
        write("app/memory.current", "700\n");
        write("app/memory.stat", "anon 500\ninactive_file 200\n");
        assert_eq!(memory_of_group("0::/app\n", folder.path()), Some(0.5));
        write("memory/old/memory.limit_in_bytes", "1000\n");
        write("memory/old/memory.usage_in_bytes", "900\n");
        assert_eq!(memory_of_group("9:memory:/old\n", folder.path()), Some(0.9));
        write("open/memory.max", "max\n");
        assert_eq!(memory_of_group("0::/open\n", folder.path()), None);
        assert_eq!(memory_of_group("", folder.path()), None);
    }

    #[test]
    fn this_machine_says_something_sensible() {
        let mut processor = Processor::new();
        let used = processor.used(Instant::now() + Duration::from_secs(1));
        assert!((0.0..=1.5).contains(&used) && (0.0..=1.0).contains(&memory_used()));
    }
}

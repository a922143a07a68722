//! What is measured of each system, in the same way.

use std::time::Duration;

use sensocto_bench::Times;

use crate::Failure;
use crate::part::{Part, SINGLE};
use crate::system::System;

/// Entries that are put one at a time.
const SINGLES: usize = 500;

/// What was seen of one system.
pub(crate) struct Seen {
    /// One entry, until both members have it.
    pub(crate) single: Times,
    /// All entries at once, until both members hold all.
    pub(crate) put: Duration,
    /// A third member from the start of its process on, until it holds all.
    pub(crate) join: Duration,
    /// Memory of a member per entry in bytes.
    pub(crate) bytes: f64,
    /// All removed at once, until no member holds any.
    pub(crate) remove: Duration,
}

pub(crate) async fn measure(system: System, entries: usize) -> Result<Seen, Failure> {
    eprintln!("{}: {entries} entries", system.name());
    let place = system.start()?;
    let mut writer = place.writer("a")?;
    let mut members = vec![place.member("b")?, place.member("c")?];
    hold(&mut members, 0)?;
    all_seen(&members)?;

    let mut times = Vec::with_capacity(SINGLES * members.len());
    for number in 0..SINGLES {
        let started = order(&mut writer, "put", SINGLE, number, 1)?;
        for member in &members {
            times.push(since(started, member.time()?));
        }
    }
    hold(&mut members, 0)?;
    order(&mut writer, "remove", SINGLE, 0, SINGLES)?;
    all_seen(&members)?;

    let empty = members[0].resident_bytes()?;
    hold(&mut members, entries)?;
    let started = order(&mut writer, "put", "s", 0, entries)?;
    let put = since(started, all_seen(&members)?);
    let bytes = members[0].resident_bytes()?.saturating_sub(empty) as f64 / entries as f64;

    let started = crate::part::wall_ns();
    let mut late = vec![place.member("d")?];
    hold(&mut late, entries)?;
    let join = since(started, all_seen(&late)?);
    drop(late);

    hold(&mut members, 0)?;
    let started = order(&mut writer, "remove", "s", 0, entries)?;
    let remove = since(started, all_seen(&members)?);
    Ok(Seen { single: Times::of(times), put, join, bytes, remove })
}

fn order(writer: &mut Part, verb: &str, prefix: &str, from: usize, count: usize) -> Result<u128, Failure> {
    writer.say(&format!("{verb} {prefix} {from} {count}"))?;
    writer.time()
}

fn hold(members: &mut [Part], count: usize) -> Result<(), Failure> {
    members.iter_mut().try_for_each(|member| member.say(&format!("count {count}")))
}

/// The time at which the last of them had what it was told to wait for.
fn all_seen(members: &[Part]) -> Result<u128, Failure> {
    let times = members.iter().map(Part::time).collect::<Result<Vec<_>, _>>()?;
    Ok(times.into_iter().max().unwrap_or_default())
}

fn since(started: u128, seen: u128) -> Duration {
    Duration::from_nanos(u64::try_from(seen.saturating_sub(started)).unwrap_or(u64::MAX))
}

//! `sensocto demo`: a cluster on one machine, for whoever wants to see it before reading about it.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sensocto_gateway::SigningKey;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

use super::simulate::{claims, users};
use crate::args::DemoArgs;
use crate::demo::nodes::{Member, Nodes};
use crate::demo::ports::{self, Addresses};
use crate::demo::probe::{Probe, Propagation};
use crate::demo::screen::Screen;
use crate::demo::verdict;
use crate::failure::Failure;
use crate::simulator::tally::Counts;
use crate::simulator::{Fleet, Plan, kinds};
use crate::stop;

const TYPES: &str = "12";
const ROOMS: u32 = 3;
const USERS: u32 = 5;
/// Sensors a second that leave and are replaced: enough to see the lobby live.
const CHURN: f64 = 1.0;
/// How long the sensors may take to register: far more than they need, but a demonstration that has to end cannot wait for ever.
const ARRIVE_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let screen = Screen::new(args.json);
    let stopped = CancellationToken::new();
    let signal = stopped.clone();
    tokio::spawn(async move {
        // Without signals the demonstration still ends with --for; with them, at once.
        if stop::requested().await.is_ok() {
            signal.cancel();
        }
    });
    let work = tempfile::Builder::new()
        .prefix("sensocto-demo-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("a temporary directory is needed: {error}")))?;
    let key_file = work.path().join("signing.key");
    let key = SigningKey::create(&key_file).map_err(Failure::failed)?;

    let addresses = ports::choose(args.nodes)?;
    let Some(nodes) = stopped.run_until_cancelled(start_nodes(screen, &addresses, work.path(), &key_file)).await else {
        return Ok(());
    };
    let mut nodes = nodes?;
    let outcome = simulate(&args, screen, &stopped, &mut nodes, &key).await;
    screen.say("stopping", json!({}), "stopping the nodes")?;
    nodes.stop().await;
    screen.say("stopped", json!({}), "stopped; nothing is left running")?;
    outcome
}

async fn start_nodes(screen: Screen, addresses: &[Addresses], work: &Path, key: &Path) -> Result<Nodes, Failure> {
    screen.say("starting", json!({"nodes": addresses.len()}), &format!("starting {} nodes …", addresses.len()))?;
    for addresses in addresses.iter().filter(|addresses| !addresses.as_preferred) {
        let Addresses { http, peer, .. } = addresses;
        let text = format!("a usual port is taken, so one node listens on {http} for clients and {peer} for nodes");
        screen.say("port_taken", json!({"http": http, "peer": peer}), &text)?;
    }
    let start = Instant::now();
    let nodes = Nodes::start(addresses, work, key).await?;
    screen.say(
        "started",
        json!({"ms": milliseconds(start.elapsed())}),
        &format!("ready after {:.1?}", start.elapsed()),
    )?;
    Ok(nodes)
}

/// Brings sensors and users in, and shows what happens until it is time to end.
async fn simulate(
    args: &DemoArgs,
    screen: Screen,
    stopped: &CancellationToken,
    nodes: &mut Nodes,
    key: &SigningKey,
) -> Result<(), Failure> {
    let token = key.mint_sensor(&claims("demo", "demo")?).map_err(Failure::failed)?;
    let plan = Plan {
        urls: nodes.urls(),
        sensors: args.sensors,
        kinds: kinds::chosen(TYPES).map_err(Failure::Failed)?,
        rate: 1.0,
        churn: CHURN,
        rooms: ROOMS,
        token: token.clone(),
        users: users(USERS, key)?,
    };
    let start = Instant::now();
    let Some(fleet) = stopped.run_until_cancelled(Fleet::start(plan)).await else { return Ok(()) };
    let fleet = fleet?;
    match stopped.run_until_cancelled(show_arrival(screen, &fleet, args.sensors, start)).await {
        Some(shown) => shown?,
        None => {
            fleet.stop().await;
            return Ok(());
        }
    }
    let outcome = present(args, screen, stopped, nodes, &fleet, &token).await;
    fleet.stop().await;
    outcome
}

async fn present(
    args: &DemoArgs,
    screen: Screen,
    stopped: &CancellationToken,
    nodes: &mut Nodes,
    fleet: &Fleet,
    token: &str,
) -> Result<(), Failure> {
    introduce(screen, nodes)?;
    let probe = Probe::start(&nodes.urls(), token).await?;
    let time = args.duration.map(|duration| duration.0);
    let interrupted = watch(screen, stopped, nodes, fleet, &probe, time).await?;
    drop(probe);
    fleet.end_churn();
    match time {
        Some(_) if !interrupted => judge(screen, &nodes.members, fleet, args.sensors).await,
        _ => Ok(()),
    }
}

/// Counts the sensors up as they are brought in. It goes on without those that do not make it.
async fn show_arrival(screen: Screen, fleet: &Fleet, sensors: u32, start: Instant) -> Result<(), Failure> {
    match timeout_at(start + ARRIVE_WITHIN, count_up(screen, fleet, sensors)).await {
        Ok(counted) => counted?,
        Err(_) => screen.say("late", json!({}), "not every sensor is registered yet; going on")?,
    }
    let took = start.elapsed();
    let registered = fleet.tally().counts().sensors();
    let fields = json!({"sensors": registered, "of": sensors, "ms": milliseconds(took)});
    screen.say("arrived", fields, &format!("{registered} of {sensors} sensors are registered after {took:.1?}"))?;
    if let Some(problem) = fleet.tally().first_error() {
        screen.say("problem", json!({"problem": problem}), &format!("problem: {problem}"))?;
    }
    Ok(())
}

async fn count_up(screen: Screen, fleet: &Fleet, sensors: u32) -> Result<(), Failure> {
    let mut settled = fleet.settled();
    let mut ticks = interval(Duration::from_millis(500));
    loop {
        let so_far = *settled.borrow_and_update();
        if so_far >= sensors {
            return Ok(());
        }
        tokio::select! {
            _ = settled.changed() => {}
            _ = ticks.tick() => {
                screen.status("arriving", json!({"sensors": so_far, "of": sensors}), &format!("sensors: {so_far} of {sensors}"))?;
            }
        }
    }
}

/// Says where to look, and what may be tried.
fn introduce(screen: Screen, nodes: &Nodes) -> Result<(), Failure> {
    for Member { name, pid, addresses, .. } in &nodes.members {
        let lobby = format!("http://{}/", addresses.http);
        let fields = json!({"name": name, "lobby": lobby, "http": addresses.http, "peer": addresses.peer, "pid": pid});
        screen.say("node", fields, &format!("node {name}   lobby {lobby}   process {pid}"))?;
    }
    let Some(last) = nodes.members.last() else { return Ok(()) };
    let pid = last.pid;
    let hint = format!(
        "to see a failure: `kill -STOP {pid}` pauses node {}, `kill -CONT {pid}` lets it go on, `kill -9 {pid}` ends it; \
         Ctrl-C ends everything",
        last.name
    );
    Ok(screen.say("hint", json!({"hint": hint}), &hint)?)
}

/// Shows a line each second until the time is over (false) or somebody ends it (true).
async fn watch(
    screen: Screen,
    stopped: &CancellationToken,
    nodes: &mut Nodes,
    fleet: &Fleet,
    probe: &Probe,
    time: Option<Duration>,
) -> Result<bool, Failure> {
    let over = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = (Instant::now(), fleet.tally().counts());
    loop {
        tokio::select! {
            () = stopped.cancelled() => return Ok(true),
            () = &mut over => return Ok(false),
            ended = nodes.next_ended() => {
                let name = &nodes.members[ended.index].name;
                let text = format!("node {name} is gone ({}); its sensors turn stale, and move after some seconds", ended.how);
                screen.say("node_ended", json!({"name": name, "how": ended.how}), &text)?;
            }
            _ = ticks.tick() => {
                let Some(status) = within(stopped, Status::take(nodes, fleet, probe, before)).await else { return Ok(true) };
                before = (Instant::now(), fleet.tally().counts());
                screen.status("status", status.fields(), &status.text())?;
            }
        }
    }
}

async fn within<T>(stopped: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    stopped.run_until_cancelled(work).await
}

/// How it stands at one moment.
struct Status {
    alive: usize,
    nodes: usize,
    sensors: u64,
    users: u64,
    events_per_second: f64,
    propagation: Propagation,
}

impl Status {
    async fn take(nodes: &Nodes, fleet: &Fleet, probe: &Probe, before: (Instant, Counts)) -> Self {
        let in_flight = probe.in_flight();
        let health = verdict::ask_any(&nodes.members).await;
        let counts = fleet.tally().counts();
        let seconds = before.0.elapsed().as_secs_f64().max(0.001);
        let alive = |state: &str| matches!(state, "local" | "alive");
        Self {
            alive: health.as_ref().map_or(0, |health| health.nodes.iter().filter(|node| alive(&node.state)).count()),
            nodes: nodes.members.len(),
            sensors: health.as_ref().map_or(0, |health| health.sensors.saturating_sub(in_flight)),
            users: health.as_ref().map_or(0, |health| health.users),
            events_per_second: f64::from(u32::try_from(counts.events_since(&before.1)).unwrap_or(u32::MAX)) / seconds,
            propagation: probe.propagation(),
        }
    }

    fn text(&self) -> String {
        let Self { alive, nodes, sensors, users, events_per_second, propagation } = self;
        let Propagation { count, p50, p99, lost, .. } = propagation;
        let shown = |time: &Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
        let arrival = match count {
            0 => "propagation –".to_owned(),
            _ => format!("propagation p50 {} p99 {} ({count} measured)", shown(p50), shown(p99)),
        };
        let lost = if *lost == 0 { String::new() } else { format!(", {lost} did not arrive") };
        format!(
            "nodes {alive}/{nodes}   sensors {sensors}   users {users}   {events_per_second:.0} events/s   {arrival}{lost}"
        )
    }

    fn fields(&self) -> serde_json::Value {
        let Propagation { count, p50, p99, max, lost } = self.propagation;
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "nodes_alive": self.alive, "nodes": self.nodes, "sensors": self.sensors, "users": self.users,
            "events_per_second": self.events_per_second.round(),
            "propagation": {"count": count, "p50_ms": ms(p50), "p99_ms": ms(p99), "max_ms": ms(max), "lost": lost}
        })
    }
}

async fn judge(screen: Screen, members: &[Member], fleet: &Fleet, sensors: u32) -> Result<(), Failure> {
    let counts = fleet.tally().counts();
    match verdict::converged(members, u64::from(sensors)).await {
        Ok(()) => {
            let fields = json!({"converged": true, "differences": [], "simulation": counts});
            let text =
                format!("converged: {} nodes see each other alive and count {sensors} sensors each", members.len());
            Ok(screen.say("verdict", fields, &text)?)
        }
        Err(differences) => {
            let fields = json!({"converged": false, "differences": differences, "simulation": counts});
            screen.say("verdict", fields, &format!("not converged: {}", differences.join("; ")))?;
            Err(Failure::Reported)
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

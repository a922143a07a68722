//! `presence:all`: who is here, on any node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sensocto_channels::presence::{self, Diff, Meta};
use sensocto_channels::{Json, Payload};
use sensocto_node::{
    Batch, EventKind, FieldError, Handle, Held, Kind, LocalEntry, Presence, PresenceRef, Record, RoomId, World,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::discovery::Told;
use super::{connector, params};
use crate::App;
use crate::auth::User;

/// Changes that a client may be behind; above it a fresh state is cheaper than the differences.
const PENDING_MAX: usize = 2_000;

/// One who watches, and who may be here themselves.
#[derive(Debug)]
pub(super) struct PresenceChannel {
    // In the world for as long as the channel is joined.
    _entry: Option<LocalEntry>,
    current: bool,
    diff: Diff,
    pending: usize,
}

#[derive(Serialize)]
struct MetaFields<'a> {
    user_id: &'a str,
    user_name: &'a str,
    device: Option<&'a str>,
    room_id: Option<&'a str>,
    mode: Option<&'a str>,
    online_at: u64,
    node: &'a str,
}

impl PresenceChannel {
    /// Makes a known user present, and an anonymous one a watcher.
    pub(super) async fn join(app: &App, user: &User, join: &Payload) -> Result<PresenceChannel, Json> {
        let join: Map<String, Value> = join.parse().map_err(|_| Json::reason(params::JOIN_CRASHED))?;
        let presence = read(&app.handle, user, &join).map_err(params::invalid_field)?;
        let entry = match presence {
            None => None,
            Some(presence) => {
                let registered = app.handle.register_presence(presence).await;
                Some(registered.map_err(|error| connector::refused(&error))?)
            }
        };
        Ok(PresenceChannel { _entry: entry, current: false, diff: Diff::new(), pending: 0 })
    }

    /// Notes what changed.
    pub(super) fn take(&mut self, batch: &Batch) {
        if !self.current {
            return;
        }
        for event in batch.events.iter().filter(|event| event.key.kind == Kind::Presence) {
            let Some((user, new)) = meta(&event.held) else { continue };
            let old = event.previous.as_ref().and_then(meta);
            match (event.kind, old) {
                (EventKind::Registered, _) => self.diff.join(user, &new),
                (EventKind::Unregistered(_), _) => self.diff.leave(user, &new),
                (EventKind::Updated, Some((old_user, old))) if old_user == user => self.diff.update(user, &old, &new),
                (EventKind::Updated, old) => {
                    self.diff.join(user, &new);
                    if let Some((old_user, old)) = old {
                        self.diff.leave(old_user, &old);
                    }
                }
            }
            self.pending += 1;
        }
        if self.pending > PENDING_MAX {
            self.start_over();
        }
    }

    /// Forgets what the client has: it gets the state next.
    pub(super) fn start_over(&mut self) {
        self.current = false;
        self.diff = Diff::new();
        self.pending = 0;
    }

    /// What to tell a client that has room for it.
    pub(super) fn tell(&mut self, world: &Arc<World>) -> Option<Told> {
        if !self.current {
            self.current = true;
            return Some((presence::EVENT_STATE, state(world)));
        }
        self.pending = 0;
        let diff = std::mem::take(&mut self.diff);
        (!diff.is_empty()).then(|| (presence::EVENT_DIFF, diff.to_json()))
    }
}

fn state(world: &World) -> Json {
    let mut metas: Vec<(u64, &str, Meta)> = world
        .view
        .iter_after(Kind::Presence, None)
        .filter_map(|(held, record)| {
            let (user, meta) = meta(held)?;
            Some((record.as_presence()?.online_at_ms, user, meta))
        })
        .collect();
    metas.sort_by_key(|(online_at_ms, ..)| *online_at_ms);
    presence::state(metas.iter().map(|(_, user, meta)| (*user, meta)))
}

/// The user and the meta of an entry. The reference changes with the entry, and is the same on every node.
fn meta(held: &Held) -> Option<(&str, Meta)> {
    let presence = held.entry.record().and_then(Record::as_presence)?;
    let fields = MetaFields {
        user_id: presence.user_id.as_str(),
        user_name: &presence.user_name,
        device: presence.device.as_deref(),
        room_id: presence.room_id.as_ref().map(RoomId::as_str),
        mode: presence.mode.as_deref(),
        online_at: presence.online_at_ms,
        node: held.origin.node.as_str(),
    };
    let reference = format!("{}:{}", presence.presence_ref, held.entry.version);
    let meta = Meta::new(&reference, &fields).ok()?;
    Some((presence.user_id.as_str(), meta))
}

fn read(handle: &Handle, user: &User, join: &Map<String, Value>) -> Result<Option<Presence>, FieldError> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let User::Known { id, name } = user else { return Ok(None) };
    let me = handle.me();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(Some(Presence {
        presence_ref: PresenceRef::new(&format!("{}:{}:{number}", me.node, me.generation))?,
        user_id: id.clone(),
        user_name: params::optional_text(join, "user_name")?.unwrap_or(name).to_owned(),
        device: params::optional_text(join, "device")?.map(str::to_owned),
        room_id: params::optional_text(join, "room_id")?.map(RoomId::new).transpose()?,
        mode: params::optional_text(join, "mode")?.map(str::to_owned),
        online_at_ms: handle.clock().now().wall_ms,
    }))
}

//! The arguments of `sensocto rooms …`.

use clap::{Args, Subcommand};

use super::NodeArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum RoomsCommand {
    /// List the rooms that you may see
    List {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        filter: RoomsFilterArgs,
        /// At most so many [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show the first rooms that you may see, and then what changes among them, until Ctrl-C
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        filter: RoomsFilterArgs,
        /// How many of them, at most 1000 [default: 100]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: Option<u64>,
    },
    /// Show one room, by its id or its join code
    Show {
        /// The room's id, or its join code
        room: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Make a room, with yourself as its owner
    Create {
        #[command(flatten)]
        settings: RoomSettingsArgs,
        /// Choose its join code instead of having one drawn
        #[arg(long, value_name = "CODE")]
        join_code: Option<String>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Change what a room says
    Update {
        #[command(flatten)]
        room: RoomArgs,
        #[command(flatten)]
        settings: RoomSettingsArgs,
    },
    /// End a room
    Delete(RoomArgs),
    /// Enter a room; a private one needs its join code
    Join {
        #[command(flatten)]
        room: RoomArgs,
        /// Its join code
        #[arg(long, value_name = "CODE")]
        join_code: Option<String>,
    },
    /// Leave a room
    Leave(RoomArgs),
    /// Put somebody out of a room
    Kick(RoomMemberArgs),
    /// Make a member an admin
    Promote(RoomMemberArgs),
    /// Make an admin a member
    Demote(RoomMemberArgs),
    /// Give a room another join code
    RegenerateCode(RoomArgs),
    /// Put a sensor into a room
    AddSensor(RoomSensorArgs),
    /// Take a sensor out of a room
    RemoveSensor(RoomSensorArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RoomsFilterArgs {
    /// Only those of this owner
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Only those that you are in
    #[arg(long)]
    mine: bool,
    /// Only public or private ones
    #[arg(long, value_name = "KIND", value_parser = ["public", "private"])]
    visibility: Option<String>,
    /// Only rooms whose name begins so, in whatever case
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// By id, by name, or the last changed first [default: id]
    #[arg(long, value_name = "id|name|changed", value_parser = ["id", "name", "changed"], hide_possible_values = true)]
    order: Option<String>,
}

impl RoomsFilterArgs {
    /// What was given, under the names that the API and the topic use.
    pub(crate) fn given(&self) -> Vec<(&'static str, &str)> {
        let Self { owner, mine, visibility, prefix, order } = self;
        let named = [("owner", owner), ("visibility", visibility), ("prefix", prefix), ("order", order)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        named.chain(mine.then_some(("member", "me"))).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct RoomArgs {
    /// The room's id
    pub(crate) room: String,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RoomMemberArgs {
    #[command(flatten)]
    pub(crate) room: RoomArgs,
    /// Who
    #[arg(value_name = "USER")]
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct RoomSensorArgs {
    #[command(flatten)]
    pub(crate) room: RoomArgs,
    /// Which one
    #[arg(value_name = "SENSOR")]
    pub(crate) sensor: String,
}

#[derive(Debug, Args)]
pub(crate) struct RoomSettingsArgs {
    /// Its name, of 1 to 100 characters
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// What it is for; an empty text takes it away
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Whether everybody may see and join it
    #[arg(long, value_name = "BOOL")]
    pub(crate) public: Option<bool>,
}

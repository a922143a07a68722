//! The commands, one module each.

pub(crate) mod cluster;
mod demo;
mod matrix;
mod paged;
mod rooms;
mod sensors;
mod serve;
mod signals;
mod simulate;
mod token;
mod users;
mod watched;
mod why;

use std::future::Future;

use crate::args::{ClusterCommand, Command, SensorsCommand, SignalsCommand, UsersCommand};
use crate::failure::Failure;

/// Carries a command out.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Simulate(args) => block_on(simulate::run(args)),
        Command::Sensors(SensorsCommand::List { node, filter, order, limit }) => {
            sensors::list(&node, &filter, &order, limit)
        }
        Command::Sensors(SensorsCommand::Watch { node, filter }) => block_on(sensors::watch(&node, &filter)),
        Command::Users(UsersCommand::List { node, filter, limit }) => users::list(&node, &filter, limit),
        Command::Users(UsersCommand::Watch { node, topic }) => block_on(users::watch(&node, topic.as_str())),
        Command::Signals(SignalsCommand::Watch { sensors, level, recent, node }) => {
            block_on(signals::watch(&node, &sensors, level, recent))
        }
        Command::Rooms(command) => rooms::run(&command),
        Command::Cluster(ClusterCommand::Status { node }) => cluster::status(&node),
        Command::Cluster(ClusterCommand::Matrix { node }) => matrix::run(&node),
        Command::Cluster(ClusterCommand::Leave { node }) => cluster::set_apart(true, &node),
        Command::Cluster(ClusterCommand::Join { node }) => cluster::set_apart(false, &node),
        Command::Cluster(ClusterCommand::LiveQueries { state, node }) => cluster::set_live_queries(state, &node),
        Command::Cluster(ClusterCommand::Forget { name, node }) => cluster::forget(&name, &node),
        Command::Why { kind, id, node } => why::run(&kind, &id, &node),
        Command::Token(command) => token::run(command),
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(work)
}

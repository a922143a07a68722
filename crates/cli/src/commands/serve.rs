//! `sensocto serve`: the one place where the settings of a node become a node and its gateway.

use std::io::IsTerminal as _;

use sensocto_gateway::{Gateway, GatewayConfig, SigningKey};
use sensocto_node::{EndCause, Node, NodeConfig, PeerConfig, PeerTls, RegistryConfig};
use sensocto_settings::{LogFormat, Settings};
use tracing_subscriber::EnvFilter;

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::settings;
use crate::{output, stop};

pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let settings = settings::of(args).map_err(Failure::usage)?;
    if args.print_config {
        return Ok(output::text(&settings.to_toml())?);
    }
    start_log(settings.log_format)?;
    super::block_on(serve(settings, args.exit_with_stdin))
}

/// Runs a node until it is asked to end, or has to.
async fn serve(settings: Settings, exit_with_stdin: bool) -> Result<(), Failure> {
    let signing_key = settings.signing_key_file.as_deref().map(SigningKey::read).transpose().map_err(Failure::usage)?;
    let gateway_config = GatewayConfig {
        http: settings.http,
        advertise: settings.http_advertise.clone(),
        signing_key,
        open: settings.open,
        allowed_origins: settings.allowed_origins.clone(),
    };
    let node = Node::start(node_config(&settings)).await.map_err(Failure::usage)?;
    let gateway = match Gateway::start(gateway_config, node.handle()).await {
        Ok(gateway) => gateway,
        Err(error) => {
            node.shutdown().await;
            return Err(Failure::usage(error));
        }
    };
    let peer = settings.peer.as_ref().map_or_else(|| "-".to_owned(), |peer| peer.listen.to_string());
    let ready = format!("ready http={} peer={peer} name={}", gateway.local_addr(), settings.name);
    let outcome = tokio::select! {
        outcome = announce_and_wait(&ready, exit_with_stdin) => outcome,
        cause = node.ended() => Err(failure_of(&cause)),
    };
    // Clients first: they learn that they should go elsewhere while their sensors still count.
    gateway.shutdown().await;
    node.shutdown().await;
    outcome
}

/// Tells whoever started this node that it listens, and waits until it is asked to end.
async fn announce_and_wait(ready: &str, exit_with_stdin: bool) -> Result<(), Failure> {
    output::line(ready)?;
    tokio::select! {
        outcome = stop::requested() => outcome,
        () = stop::stdin_closed(), if exit_with_stdin => Ok(()),
    }
}

fn failure_of(cause: &EndCause) -> Failure {
    match cause {
        EndCause::NameTaken { .. } => Failure::usage(cause),
        EndCause::DriverEnded => Failure::failed(cause),
    }
}

fn node_config(settings: &Settings) -> NodeConfig {
    let peer = settings.peer.as_ref().map(|peer| PeerConfig {
        listen: peer.listen,
        join: peer.join.clone(),
        tls: peer.tls.as_ref().map(|files| PeerTls {
            ca: files.ca.clone(),
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }),
    });
    NodeConfig {
        name: settings.name.clone(),
        cluster: settings.cluster.to_string(),
        peer,
        data: settings.data.clone(),
        registry: RegistryConfig { grace: settings.grace, ..RegistryConfig::default() },
    }
}

/// Logs go to standard error. `RUST_LOG` chooses among them, as in other programs.
fn start_log(format: LogFormat) -> Result<(), Failure> {
    // The engine tells much that only its authors need.
    let default = || EnvFilter::new("info,zenoh=warn,zenoh_link=error,zenoh_transport=error");
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .map_err(|error| Failure::usage(format!("RUST_LOG={filter} is not a filter: {error}")))?,
        _ => default(),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(|error| Failure::failed(format!("the log cannot be started: {error}")))
}

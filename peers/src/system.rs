//! The systems, and how their parts are started.

mod chitchat;
mod nats;
mod redis;
mod sensocto;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Instant;

use tempfile::TempDir;

use crate::Failure;
use crate::part::{DEADLINE, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Sensocto,
    Redis,
    Nats,
    Chitchat,
    ErlangPg,
}

impl System {
    pub(crate) const ALL: [System; 5] =
        [System::Sensocto, System::Redis, System::Nats, System::Chitchat, System::ErlangPg];

    fn word(self) -> &'static str {
        match self {
            System::Sensocto => "sensocto",
            System::Redis => "redis",
            System::Nats => "nats",
            System::Chitchat => "chitchat",
            System::ErlangPg => "pg",
        }
    }

    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            System::Sensocto => "Sensocto discovery",
            System::Redis => "Redis: a hash and a channel, each member with a map",
            System::Nats => "NATS: a key-value bucket in memory, each member with a map",
            System::Chitchat => "chitchat, gossip every 20 ms",
            System::ErlangPg => "Erlang's `pg`, each member with a table of ETS",
        }
    }

    pub(crate) async fn writer(self, name: &str, place: &str) -> Result<(), Failure> {
        match self {
            System::Sensocto => sensocto::writer(name, place).await,
            System::Redis => redis::writer(place).await,
            System::Nats => nats::writer(place).await,
            System::Chitchat => chitchat::writer(name, place).await,
            System::ErlangPg => Err("a part of Erlang is no part of this program".into()),
        }
    }

    pub(crate) async fn member(self, name: &str, place: &str) -> Result<(), Failure> {
        match self {
            System::Sensocto => sensocto::member(name, place).await,
            System::Redis => redis::member(place).await,
            System::Nats => nats::member(place).await,
            System::Chitchat => chitchat::member(name, place).await,
            System::ErlangPg => Err("a part of Erlang is no part of this program".into()),
        }
    }

    /// Starts what all parts need: the server of a system that has one, a place to meet for the others.
    pub(crate) fn start(self) -> Result<Place, Failure> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().to_str().ok_or("a directory whose name is no text")?;
        let meeting = match self {
            System::Chitchat => free_udp()?,
            System::Sensocto | System::Redis | System::Nats | System::ErlangPg => free_tcp()?,
        };
        let port = meeting.port().to_string();
        let server = match self {
            System::Redis => {
                let args = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir", data];
                Some(Server::start("redis-server", &args, meeting)?)
            }
            System::Nats => {
                let args = ["-a", "127.0.0.1", "-p", &port, "-js", "-sd", data];
                Some(Server::start("nats-server", &args, meeting)?)
            }
            System::ErlangPg => {
                let epmd = ["-address", "127.0.0.1", "-port", &port];
                Some(Server::start("epmd", &epmd, meeting)?)
            }
            System::Sensocto | System::Chitchat => None,
        };
        Ok(Place { system: self, meeting, _server: server, _directory: directory })
    }
}

impl FromStr for System {
    type Err = Failure;

    fn from_str(word: &str) -> Result<System, Failure> {
        let allowed = System::ALL.map(System::word).join(", ");
        System::ALL
            .into_iter()
            .find(|system| system.word() == word)
            .ok_or_else(|| format!("no system {word:?}; there are {allowed}").into())
    }
}

/// Where the parts of one system meet.
pub(crate) struct Place {
    system: System,
    meeting: SocketAddr,
    _server: Option<Server>,
    _directory: TempDir,
}

impl Place {
    pub(crate) fn writer(&self, name: &str) -> Result<Part, Failure> {
        self.part("writer", name)
    }

    pub(crate) fn member(&self, name: &str) -> Result<Part, Failure> {
        self.part("member", name)
    }

    fn part(&self, kind: &str, name: &str) -> Result<Part, Failure> {
        let mut command = if self.system == System::ErlangPg {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/erlang/pg.escript");
            let mut command = Command::new("escript");
            command.env("ERL_EPMD_PORT", self.meeting.port().to_string()).arg(script);
            command.args([kind, name]);
            command
        } else {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([kind, self.system.word(), name, &self.meeting.to_string()]);
            command
        };
        Part::start(&mut command)
    }
}

/// The server of a system. It ends with what was measured.
struct Server(Child);

impl Server {
    fn start(program: &str, args: &[&str], listens: SocketAddr) -> Result<Server, Failure> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().map_err(|error| format!("skipped: {program} is not installed ({error})"))?;
        let mut server = Server(server);
        let started = Instant::now();
        // A server does not say when it listens, so it is asked until it does.
        while TcpStream::connect(listens).is_err() {
            if let Some(status) = server.0.try_wait()? {
                return Err(format!("{program} ended with {status}").into());
            }
            if started.elapsed() > DEADLINE {
                return Err(format!("{program} does not listen").into());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_tcp() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn free_udp() -> Result<SocketAddr, Failure> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?)
}

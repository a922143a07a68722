//! Addresses for the nodes of a demonstration.

use std::net::{SocketAddr, TcpListener};

use crate::failure::Failure;

const HTTP: u16 = 4000;
const PEER: u16 = 7401;

/// Where one node listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// Whether these are the addresses that people expect.
    pub(crate) as_preferred: bool,
}

/// Addresses for `count` nodes: from 4000 and 7401 upwards, and any other port where one of these is taken.
pub(crate) fn choose(count: u32) -> Result<Vec<Addresses>, Failure> {
    // Held until all are known: otherwise a free port could be found twice.
    let mut held = Vec::new();
    let mut hold = |preferred: u16| -> Result<SocketAddr, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", preferred)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        held.push(listener);
        Ok(address)
    };
    (0..u16::try_from(count).unwrap_or(u16::MAX))
        .map(|index| {
            let (http, peer) = (hold(HTTP + index)?, hold(PEER + index)?);
            let as_preferred = (http.port(), peer.port()) == (HTTP + index, PEER + index);
            Ok(Addresses { http, peer, as_preferred })
        })
        .collect()
}

fn no_port(error: std::io::Error) -> Failure {
    Failure::failed(format!("no port of 127.0.0.1 can be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced_and_all_differ() {
        let taken = TcpListener::bind(("127.0.0.1", HTTP));
        let chosen = choose(3).expect("free ports");
        let mut ports: Vec<u16> = chosen.iter().flat_map(|one| [one.http.port(), one.peer.port()]).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
        // Taken by this test or by something else on the machine.
        assert!(!ports.contains(&HTTP) && !chosen[0].as_preferred, "{ports:?}");
        drop(taken);
    }
}

//! Limits on what a client may cost, before anything is known about it.

use std::time::Duration;

/// Connections at once, whatever the system allows.
const CONNECTIONS_MAX: usize = 20_000;
/// Connections at once where the system does not say how many files a process may hold.
const CONNECTIONS_WITHOUT_WORD: usize = 512;
/// Files kept free of clients: links to other nodes, the listener, the data directory.
const FILES_KEPT: usize = 128;

/// Largest request head in bytes: request line and headers.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most headers in a request.
pub(crate) const HEADERS_MAX: usize = 64;
/// Largest token in bytes. A larger one is refused unread.
/// Most lines on one page of a list.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Lines on one page where the request does not say.
pub(crate) const PAGE_DEFAULT: usize = 100;

/// The limits of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at once, sockets included. The next one hears 503 and is closed. Too high and the node runs out of files, which
    /// also hurts its links to other nodes; too low and clients are turned away that could be served.
    pub(crate) connections: usize,
    /// How long a new connection may say nothing.
    pub(crate) first_byte: Duration,
    /// How long a request head may take, and how long a connection may be idle between two requests.
    pub(crate) head: Duration,
    /// How long a socket may say nothing. Every client sends a heartbeat every 30 s: low, and slow networks lose their sockets; high,
    /// and a device that vanished is shown as if it were there.
    pub(crate) silent: Duration,
    /// How long the client of a socket may take nothing while there is something for it.
    pub(crate) undrained: Duration,
    /// How long a client may take nothing of what is sent to it. Longer than the patience of a socket, which says goodbye first.
    pub(crate) unread: Duration,
    /// How long to accept nothing when the system has no file left for a connection.
    pub(crate) accept_pause: Duration,
    /// How long connections may take to end when the gateway stops.
    pub(crate) shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: connections(files_max().as_deref()),
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(10),
            silent: Duration::from_secs(60),
            undrained: Duration::from_secs(30),
            unread: Duration::from_secs(40),
            accept_pause: Duration::from_millis(100),
            shutdown: Duration::from_secs(5),
        }
    }
}

/// What the system says about the limits of this process.
fn files_max() -> Option<String> {
    std::fs::read_to_string("/proc/self/limits").ok()
}

/// How many connections fit beside the rest of the process.
fn connections(limits: Option<&str>) -> usize {
    let line = limits.and_then(|text| text.lines().find_map(|line| line.strip_prefix("Max open files")));
    let files = match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => return CONNECTIONS_MAX,
        Some(soft) => soft.parse::<usize>().ok(),
        None => None,
    };
    let Some(files) = files else { return CONNECTIONS_WITHOUT_WORD };
    // With very few files, half of them: clients and peers both have to live.
    files.saturating_sub(FILES_KEPT).max(files / 2).clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest_of_the_process() {
        let table = [
            ("Max open files            1024                 524288               files", 896),
            ("Max open files            200                  200                  files", 100),
            ("Max open files            1                    1                    files", 1),
            ("Max open files            1048576              1048576              files", CONNECTIONS_MAX),
            ("Max open files            unlimited            unlimited            files", CONNECTIONS_MAX),
            ("Max open files", CONNECTIONS_WITHOUT_WORD),
            ("Max open files            many                 more                 files", CONNECTIONS_WITHOUT_WORD),
            ("Max processes             12                   12                   processes", CONNECTIONS_WITHOUT_WORD),
        ];
        for (line, expected) in table {
            let text = format!("Limit                     Soft Limit           Hard Limit           Units\n{line}\n");
            assert_eq!(connections(Some(&text)), expected, "{line}");
        }
        assert_eq!(connections(None), CONNECTIONS_WITHOUT_WORD);
    }
}

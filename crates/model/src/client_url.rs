//! Where the clients of a node connect.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// Longest address in bytes.
const BYTES_MAX: usize = 256;

/// The address of a node for its clients: scheme, host and port, and nothing behind it, as `http://10.0.0.1:4000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientUrl(String);

impl ClientUrl {
    /// What such an address may be.
    pub const ALLOWED: &'static str = "http:// or https://, a host and, where needed, a port, of at most 256 bytes";

    /// Reads an address. A `/` at its end is left out.
    ///
    /// # Errors
    /// Names `http_advertise` and what is allowed.
    pub fn new(text: &str) -> Result<ClientUrl, FieldError> {
        let error = FieldError { field: "http_advertise", allowed: ClientUrl::ALLOWED };
        let text = text.strip_suffix('/').unwrap_or(text);
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(error)?;
        // What is written into a security policy and shown to people: nothing that means something there gets in.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        let whole = !host.is_empty() && !host.starts_with(':') && host.bytes().all(plain) && text.len() <= BYTES_MAX;
        whole.then(|| ClientUrl(text.to_ascii_lowercase())).ok_or(error)
    }

    /// Where a listener is reached; `None` where it listens on every address, none of which it knows to be right.
    #[must_use]
    pub fn of_listener(address: SocketAddr) -> Option<ClientUrl> {
        (!address.ip().is_unspecified()).then(|| ClientUrl(format!("http://{address}")))
    }

    /// As a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for sockets: `ws://` or `wss://`.
    #[must_use]
    pub fn for_sockets(&self) -> String {
        // `https` becomes `wss` by the same cut.
        format!("ws{}", self.0.trim_start_matches("http"))
    }
}

impl FromStr for ClientUrl {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<ClientUrl, FieldError> {
        ClientUrl::new(text)
    }
}

impl TryFrom<String> for ClientUrl {
    type Error = FieldError;

    fn try_from(text: String) -> Result<ClientUrl, FieldError> {
        ClientUrl::new(&text)
    }
}

impl From<ClientUrl> for String {
    fn from(url: ClientUrl) -> String {
        url.0
    }
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for (text, url, sockets) in [
            ("http://127.0.0.1:4000/", "http://127.0.0.1:4000", "ws://127.0.0.1:4000"),
            ("https://A.example", "https://a.example", "wss://a.example"),
            ("http://[::1]:4000", "http://[::1]:4000", "ws://[::1]:4000"),
        ] {
            let read = ClientUrl::new(text).expect("an address");
            assert_eq!((read.as_str(), read.for_sockets().as_str()), (url, sockets));
        }
        let long = format!("http://{}", "a".repeat(256));
        for text in [
            "",
            "http://",
            "ftp://a",
            "a:4000",
            "http://a/b",
            "http://a;b",
            "http://a b",
            "http://u@a",
            "http://:1",
            &long,
        ] {
            assert_eq!(ClientUrl::new(text).expect_err("refused").field, "http_advertise", "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_address_knows_none() {
        assert_eq!(ClientUrl::of_listener(SocketAddr::from(([0, 0, 0, 0], 4000))), None);
        let own = ClientUrl::of_listener(SocketAddr::from(([127, 0, 0, 1], 4000))).expect("an address");
        assert_eq!(ClientUrl::new(own.as_str()), Ok(own));
    }
}

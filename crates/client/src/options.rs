//! What a client is told when it connects.

use std::fmt;
use std::time::Duration;

use sensocto_channels::Vsn;

/// How to reach the nodes and how patient to be.
#[derive(Clone)]
pub struct ClientOptions {
    /// Nodes as `ws://host:port`, tried in turn, the first one first. Clients of one process should not all list the same
    /// node first.
    pub urls: Vec<String>,
    /// The user token; without it the socket is the user `anonymous`.
    pub token: Option<String>,
    /// The serializer. V2 is the one to use; V1 exists for tests against old clients' habits.
    pub vsn: Vsn,
    /// Time between two heartbeats. A low value finds a dead connection sooner (after two of them at most) and costs one
    /// frame each way; a value above 60 s makes nodes close the connection.
    pub heartbeat: Duration,
    /// How long a join, a push and a leave wait for their reply.
    pub reply_timeout: Duration,
    /// How long one node may take to answer the handshake. A high value delays the attempt at the next node.
    pub connect_timeout: Duration,
    /// What to do when an established connection is lost.
    pub reconnect: Reconnect,
}

/// What to do when an established connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// End: every channel is closed.
    Never,
    /// Try the next node after a delay that doubles from `delay_min` to `delay_max`, of which a random half is left out so
    /// that many clients of a lost node do not return at one instant.
    Backoff {
        /// The first delay. A low value returns sooner, and hits a restarting node harder.
        delay_min: Duration,
        /// The longest delay.
        delay_max: Duration,
    },
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::Backoff { delay_min: Duration::from_millis(100), delay_max: Duration::from_secs(5) }
    }
}

impl ClientOptions {
    /// Options with the usual values for these nodes: no token, V2, a heartbeat each 30 s, 10 s for a reply, 5 s for a
    /// handshake, reconnection after 100 ms to 5 s.
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            token: None,
            vsn: Vsn::V2,
            heartbeat: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            reconnect: Reconnect::default(),
        }
    }

    /// The address of the socket on one node.
    pub(crate) fn socket_url(&self, base: &str) -> String {
        let mut url = format!("{}/socket/websocket?vsn={}", base.trim_end_matches('/'), self.vsn.as_query());
        if let Some(token) = &self.token {
            url.push_str("&token=");
            percent_encode(&mut url, token);
        }
        url
    }
}

impl fmt::Debug for ClientOptions {
    /// Leaves the token out: options end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("urls", &self.urls)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("vsn", &self.vsn)
            .field("heartbeat", &self.heartbeat)
            .field("reply_timeout", &self.reply_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("reconnect", &self.reconnect)
            .finish()
    }
}

/// Writes everything but the unreserved characters of RFC 3986, section 2.3, as `%XX`.
fn percent_encode(out: &mut String, text: &str) {
    use fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_url_carries_the_version_and_the_encoded_token() {
        let mut options = ClientOptions::new(["ws://h:1/"]);
        assert_eq!(options.socket_url("ws://h:1/"), "ws://h:1/socket/websocket?vsn=2.0.0");
        options.token = Some("a b&c=é.~".to_owned());
        options.vsn = Vsn::V1;
        assert_eq!(options.socket_url("ws://h:1"), "ws://h:1/socket/websocket?vsn=1.0.0&token=a%20b%26c%3D%C3%A9.~");
    }

    #[test]
    fn a_token_is_not_printed() {
        let options = ClientOptions { token: Some("secret".to_owned()), ..ClientOptions::new(["ws://h:1"]) };
        assert!(!format!("{options:?}").contains("secret"));
    }
}

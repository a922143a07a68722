//! The HTTP API of a node, as this program uses it.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A page of a thousand sensors with many attributes stays below this.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Longer, and a script hangs on a node that is stopped; shorter, and a busy machine looks broken.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One node, spoken to over HTTP.
pub(crate) struct Api {
    agent: ureq::Agent,
    timeout: Duration,
    base: String,
    token: Option<String>,
}

impl Api {
    /// # Errors
    /// The URL is none that this program can speak to.
    pub(crate) fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        let host = host_of(url)?;
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Ok(Self {
            agent: config.into(),
            timeout: TIMEOUT,
            base: format!("http://{host}"),
            token: token.map(str::to_owned),
        })
    }

    /// For a caller that has something better to do than to wait.
    pub(crate) fn answer_within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// The node is not there, refuses (its reason is passed on), or answers what is not expected.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in query {
            request = request.query(*name, *value);
        }
        let body = self.answer(request)?;
        let base = &self.base;
        serde_json::from_str(&body)
            .map_err(|error| Failure::failed(format!("{base}{path} answered what this program does not know: {error}")))
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// The node is not there, or refuses (its reason is passed on).
    pub(crate) fn delete(&self, path: &str) -> Result<(), Failure> {
        self.answer(self.agent.delete(format!("{}{path}", self.base))).map(drop)
    }

    /// Has something done.
    ///
    /// # Errors
    /// The node is not there, or refuses (its reason is passed on).
    pub(crate) fn post(&self, path: &str) -> Result<(), Failure> {
        let request = self.prepared(self.agent.post(format!("{}{path}", self.base)));
        self.read(request.send_empty()).map(drop)
    }

    /// Puts a resource where it was not.
    ///
    /// # Errors
    /// The node is not there, or refuses (its reason is passed on).
    pub(crate) fn put(&self, path: &str) -> Result<(), Failure> {
        let request = self.prepared(self.agent.put(format!("{}{path}", self.base)));
        self.read(request.send_empty()).map(drop)
    }

    /// Has something done, and reads what came of it. `method` is POST, PUT, PATCH or DELETE; the last one takes no body.
    ///
    /// # Errors
    /// The node is not there, refuses (its reason is passed on), or answers what is not expected.
    pub(crate) fn write<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Failure> {
        let url = format!("{}{path}", self.base);
        let body = match method {
            "DELETE" => self.answer(self.agent.delete(url))?,
            "PUT" => self.answer_to(self.agent.put(url), body)?,
            "PATCH" => self.answer_to(self.agent.patch(url), body)?,
            _ => self.answer_to(self.agent.post(url), body)?,
        };
        let base = &self.base;
        serde_json::from_str(&body)
            .map_err(|error| Failure::failed(format!("{base}{path} answered what this program does not know: {error}")))
    }

    fn answer(&self, request: ureq::RequestBuilder<ureq::typestate::WithoutBody>) -> Result<String, Failure> {
        self.read(self.prepared(request).call())
    }

    fn answer_to(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        body: &serde_json::Value,
    ) -> Result<String, Failure> {
        let request = self.prepared(request).header("content-type", "application/json");
        self.read(request.send(body.to_string()))
    }

    fn prepared<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.config().timeout_global(Some(self.timeout)).build();
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, Failure> {
        let base = &self.base;
        let mut answer = answer
            .map_err(|error| Failure::failed(format!("no answer from {base}: {error}; is a node running there?")))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| Failure::failed(format!("the answer of {base} broke off: {error}")))?;
        if status.is_success() { Ok(body) } else { Err(refusal(base, status.as_u16(), &body)) }
    }
}

/// A refusal in the node's own words. What was asked for wrongly is the caller's to mend, like a wrong flag.
fn refusal(base: &str, status: u16, body: &str) -> Failure {
    #[derive(Deserialize)]
    struct Answer {
        error: Refusal,
    }
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        field: Option<String>,
        allowed: Option<String>,
    }
    let Ok(Answer { error }) = serde_json::from_str(body) else {
        return Failure::failed(format!("{base} answered with status {status}"));
    };
    let field = error.field.map(|field| format!("{field}: ")).unwrap_or_default();
    let allowed = error.allowed.map(|allowed| format!(" (allowed: {allowed})")).unwrap_or_default();
    let line = crate::output::printable(&format!("{field}{}{allowed}", error.message));
    match status {
        400 | 422 => Failure::Usage(line),
        401 => Failure::Failed(format!("{line}; give --token (`sensocto token create user` makes one)")),
        _ => Failure::Failed(format!("{base}: {line}")),
    }
}

/// `host:port` of a URL as people write it.
///
/// # Errors
/// Another scheme, or something behind the host.
pub(crate) fn host_of(url: &str) -> Result<&str, Failure> {
    let host = match url.split_once("://") {
        Some(("http" | "ws", host)) => host,
        Some(("https" | "wss", _)) => {
            return Err(Failure::Usage(format!(
                "{url}: nodes speak plain HTTP, and what stands before them ends TLS; give the node's own http:// address"
            )));
        }
        _ => url,
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.is_empty() || host.contains(['/', '?', '#', ' ', '@']) || host.contains("://") {
        return Err(Failure::Usage(format!("'{url}' is not the address of a node; write it as http://127.0.0.1:4000")));
    }
    Ok(host)
}

/// What is shown of a sensor.
#[derive(Debug, Deserialize)]
pub(crate) struct Sensor {
    pub(crate) sensor_id: String,
    pub(crate) sensor_name: String,
    pub(crate) sensor_type: String,
    pub(crate) connector_id: String,
    pub(crate) connector_name: String,
    pub(crate) node: String,
    pub(crate) room_id: Option<String>,
    pub(crate) freshness: String,
}

/// A node's view of its cluster.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) node: String,
    pub(crate) sensors: u64,
    pub(crate) connectors: u64,
    pub(crate) rooms: u64,
    pub(crate) users: u64,
    #[serde(default)]
    pub(crate) room_store: Option<RoomStore>,
    pub(crate) identical: Identical,
    pub(crate) nodes: Vec<NodeHealth>,
    #[serde(default)]
    pub(crate) joining: Vec<Joining>,
    #[serde(default)]
    pub(crate) apart: bool,
    #[serde(default = "answered")]
    pub(crate) live_queries: bool,
}

/// How a node keeps rooms.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RoomStore {
    pub(crate) on_disk: bool,
    pub(crate) writable: bool,
}

/// Live queries are answered where a node says nothing of them.
fn answered() -> bool {
    true
}

/// On how many nodes the world is proved to be the same.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Identical {
    pub(crate) nodes: u64,
    pub(crate) of: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NodeHealth {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) freshness: String,
    pub(crate) since_ms: u64,
    pub(crate) digest_age_ms: Option<u64>,
    pub(crate) cause: Option<String>,
    pub(crate) sensors: u64,
    pub(crate) versions_behind: Option<u64>,
    pub(crate) breaker: String,
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) round_trip_us: Option<u64>,
    #[serde(default)]
    pub(crate) load: Option<NodeLoad>,
}

/// How loaded a node said that it is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NodeLoad {
    pub(crate) level: String,
    pub(crate) cpu_percent: u8,
    pub(crate) queues_percent: u8,
    pub(crate) memory_percent: u8,
}

/// A peer address that is configured and not yet a node that is known.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Joining {
    pub(crate) address: String,
    pub(crate) state: String,
    pub(crate) since_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_in_several_ways() {
        for url in ["http://127.0.0.1:4000", "ws://127.0.0.1:4000/", "127.0.0.1:4000"] {
            assert_eq!(host_of(url).expect("an address"), "127.0.0.1:4000");
        }
        for url in ["https://127.0.0.1:4000", "ftp://x", "", "http://", "http://x/api", "a b"] {
            assert!(matches!(host_of(url), Err(Failure::Usage(_))), "{url}");
        }
    }

    #[test]
    fn a_refusal_passes_on_what_is_allowed() {
        let body =
            r#"{"error":{"code":"invalid_parameter","field":"limit","message":"too large","allowed":"1 to 1000"}}"#;
        let refused = refusal("http://x", 400, body);
        assert!(
            matches!(&refused, Failure::Usage(line) if line == "limit: too large (allowed: 1 to 1000)"),
            "{refused:?}"
        );
        assert!(matches!(refusal("http://x", 503, "oops"), Failure::Failed(_)));
    }

    #[test]
    fn a_refusal_without_a_field_is_understood() {
        let body = r#"{"error":{"code":"not_found","message":"no such sensor"}}"#;
        assert!(matches!(refusal("http://x", 404, body), Failure::Failed(line) if line.ends_with("no such sensor")));
    }
}

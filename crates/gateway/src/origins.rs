//! Which web pages may talk to this node, and under which names it may be addressed.
//!
//! A browser sends along where a page comes from (`Origin`), and a page of another site must not use a person's browser to reach a
//! node that trusts the person's network (cross-site WebSocket hijacking). A program that is no browser sends no origin and is not
//! meant by this.

use std::net::IpAddr;

use axum::http::HeaderValue;
use axum::http::uri::{Authority, Uri};

/// A host and a port, in lower case, the port always said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    host: String,
    port: u16,
}

/// A page's origin as a browser writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PageOrigin {
    scheme: String,
    site: Site,
}

impl PageOrigin {
    fn parse(text: &str) -> Option<PageOrigin> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?;
        // An origin has neither a path nor a user; the parser turns an absent path into `/`.
        let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/") && !text.ends_with('/');
        let site = Site::of(authority, default_port(&scheme)?)?;
        bare.then_some(PageOrigin { scheme, site })
    }
}

impl PageOrigin {
    /// Whether two are one place. All names of this machine are: people type `localhost` where a node calls itself 127.0.0.1.
    fn is_same(&self, other: &PageOrigin) -> bool {
        let here = self.site.is_loopback() && other.site.is_loopback() && self.site.port == other.site.port;
        self == other || (here && self.scheme == other.scheme)
    }
}

impl Site {
    fn of(authority: &Authority, default_port: u16) -> Option<Site> {
        let host = authority.host().to_ascii_lowercase();
        let port = match authority.port() {
            Some(port) => port.as_str().parse().ok()?,
            None => default_port,
        };
        let plain = !host.is_empty() && !authority.as_str().contains('@');
        plain.then_some(Site { host, port })
    }

    fn parse(text: &str, default_port: u16) -> Option<Site> {
        Site::of(&text.parse::<Authority>().ok()?, default_port)
    }

    /// Whether only this machine can be meant.
    fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let by_number = bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        // Browsers resolve `localhost` and every name under it to this machine without asking anybody (RFC 6761, 6.3).
        by_number || self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Who may ask from where.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    allowed: Vec<PageOrigin>,
    // A node that trusts whoever reaches it over loopback must not be reached by a name that a stranger points at 127.0.0.1
    // (DNS rebinding): such a page is "of the same origin" in the eyes of the browser.
    loopback_names_only: bool,
}

impl Origins {
    /// Takes the list of origins, each like `https://app.example` or `http://10.0.0.7:8080`.
    ///
    /// # Errors
    /// The first text that is no such origin.
    pub(crate) fn new(allowed: &[String], loopback_names_only: bool) -> Result<Origins, String> {
        let parse = |text: &String| PageOrigin::parse(text).ok_or_else(|| text.clone());
        let allowed = allowed.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Origins { allowed, loopback_names_only })
    }

    /// Whether a request with these `Origin` and `Host` headers may open a socket. Whole origins are compared, never parts of them.
    pub(crate) fn allows(&self, origin: Option<&HeaderValue>, host: Option<&HeaderValue>) -> bool {
        if !self.allows_host(host) {
            return false;
        }
        let Some(origin) = origin else { return true };
        // `null` (a sandboxed frame, a file) does not parse and is refused with everything else that is no origin.
        let Some(origin) = origin.to_str().ok().and_then(PageOrigin::parse) else { return false };
        let default_port = default_port(&origin.scheme).unwrap_or_default();
        let own = host.and_then(|host| Site::parse(host.to_str().ok()?, default_port));
        own.as_ref() == Some(&origin.site) || self.allowed.contains(&origin)
    }

    /// Whether this node may be addressed like that.
    pub(crate) fn allows_host(&self, host: Option<&HeaderValue>) -> bool {
        if !self.loopback_names_only {
            return true;
        }
        // Browsers always say it.
        let Some(host) = host else { return true };
        let Ok(host) = host.to_str() else { return false };
        let named = |origin: &PageOrigin| {
            default_port(&origin.scheme).and_then(|port| Site::parse(host, port)).as_ref() == Some(&origin.site)
        };
        Site::parse(host, 80).is_some_and(|site| site.is_loopback()) || self.allowed.iter().any(named)
    }
}

/// Whether a page comes from one of some addresses.
pub(crate) fn is_of<'a>(origin: Option<&HeaderValue>, mut addresses: impl Iterator<Item = &'a str>) -> bool {
    let origin = origin.and_then(|origin| PageOrigin::parse(origin.to_str().ok()?));
    origin.is_some_and(|origin| {
        addresses.any(|address| PageOrigin::parse(address).is_some_and(|node| node.is_same(&origin)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).expect("a header")
    }

    fn allows(origins: &Origins, origin: &str, host: &str) -> bool {
        origins.allows(Some(&header(origin)), Some(&header(host)))
    }

    fn public() -> Origins {
        Origins::new(&["https://app.example".to_owned(), "http://lab.example:8080".to_owned()], false).expect("origins")
    }

    #[test]
    fn a_page_of_another_node_on_this_machine_is_known_under_every_name_of_the_machine() {
        let nodes = ["http://127.0.0.1:4001", "http://10.0.0.7:4000"];
        let known = |origin: &str| is_of(Some(&header(origin)), nodes.into_iter());
        assert!(known("http://127.0.0.1:4001") && known("http://localhost:4001") && known("http://10.0.0.7:4000"));
        assert!(!known("http://localhost:3000") && !known("https://localhost:4001") && !known("http://10.0.0.7:4001"));
        assert!(!known("null") && !is_of(None, nodes.into_iter()));
    }

    #[test]
    fn only_whole_origins_of_the_list_and_the_nodes_own_pages_are_allowed() {
        let table = [
            ("https://app.example", "node.example", true),
            ("https://APP.example", "node.example", true),
            ("https://app.example:443", "node.example", true),
            ("http://lab.example:8080", "node.example", true),
            ("http://node.example:4000", "node.example:4000", true),
            ("https://node.example", "node.example", true),
            ("https://node.example", "node.example:443", true),
            ("http://[::1]:4000", "[::1]:4000", true),
            ("http://app.example", "node.example", false),
            ("https://app.example:8443", "node.example", false),
            ("http://lab.example", "node.example", false),
            ("https://evil-app.example", "node.example", false),
            ("https://app.example.evil", "node.example", false),
            ("https://sub.app.example", "node.example", false),
            ("https://app.example/", "node.example", false),
            ("https://app.example/x", "node.example", false),
            ("https://user@app.example", "node.example", false),
            ("https://app.example@evil.example", "node.example", false),
            ("http://node.example:4001", "node.example:4000", false),
            ("null", "node.example", false),
            ("", "node.example", false),
            ("app.example", "node.example", false),
            ("file://", "node.example", false),
            ("chrome-extension://abc", "node.example", false),
            ("https://*", "node.example", false),
        ];
        for (origin, host, expected) in table {
            assert_eq!(allows(&public(), origin, host), expected, "{origin} to {host}");
        }
    }

    #[test]
    fn a_client_that_is_no_browser_sends_no_origin_and_is_allowed() {
        assert!(public().allows(None, Some(&header("node.example"))));
        assert!(public().allows(None, None));
        assert!(!public().allows(Some(&header("https://node.example")), None));
    }

    #[test]
    fn a_header_that_is_no_text_is_refused() {
        let garbage = HeaderValue::from_bytes(b"https://app.example\xff").expect("a header");
        assert!(!public().allows(Some(&garbage), Some(&header("node.example"))));
    }

    #[test]
    fn a_node_on_loopback_is_not_reached_by_a_name_that_a_stranger_points_at_it() {
        let origins = Origins::new(&["https://app.example".to_owned()], true).expect("origins");
        for host in [
            "127.0.0.1:4000",
            "localhost:4000",
            "LOCALHOST",
            "a.localhost:4000",
            "[::1]:4000",
            "127.8.8.8",
            "app.example",
        ] {
            assert!(origins.allows_host(Some(&header(host))), "{host}");
        }
        for host in [
            "evil.example:4000",
            "localhost.evil.example",
            "10.0.0.1:4000",
            "127.0.0.1.evil.example",
            "app.example:1",
            "",
        ] {
            assert!(!origins.allows_host(Some(&header(host))), "{host}");
        }
        assert!(!allows(&origins, "http://evil.example:4000", "evil.example:4000"));
        assert!(allows(&origins, "http://127.0.0.1:4000", "127.0.0.1:4000"));
        assert!(origins.allows_host(None));
        assert!(public().allows_host(Some(&header("whatever.example"))));
    }

    #[test]
    fn a_list_with_something_else_than_origins_is_an_error() {
        for text in ["*", "null", "app.example", "https://app.example/path", "ftp://app.example", ""] {
            assert_eq!(Origins::new(&[text.to_owned()], false).err().as_deref(), Some(text));
        }
    }
}

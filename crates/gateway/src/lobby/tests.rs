use super::*;

fn built(path: &str) -> Option<File> {
    let text: &[u8] = match path {
        "index.html" => b"<!doctype html>",
        "assets/index-abc.js" => b"let a;",
        "favicon.svg" => b"<svg/>",
        _ => return None,
    };
    Some(File { bytes: text.into(), hash: [text.len() as u8; 32] })
}

fn get(path: &str) -> Response {
    respond(&Method::GET, path, &HeaderMap::new(), built)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[test]
fn the_page_is_asked_for_each_time_and_its_files_once() {
    for path in ["/", "/index.html"] {
        let page = get(path);
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), ASK);
    }
    let script = get("/assets/index-abc.js");
    assert_eq!((script.status(), header(&script, "cache-control")), (StatusCode::OK, KEEP));
    assert_eq!(header(&script, "content-type"), "text/javascript; charset=utf-8");
    let icon = get("/favicon.svg");
    assert_eq!((header(&icon, "content-type"), header(&icon, "cache-control")), ("image/svg+xml", ASK));
}

#[test]
fn the_page_takes_nothing_from_elsewhere_and_nothing_inline() {
    let page = get("/");
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
}

#[test]
fn the_page_may_go_on_with_the_sockets_of_other_nodes_and_nothing_else_may() {
    let others = ["ws://10.0.0.2:4000".to_owned(), "wss://b.example".to_owned()];
    let page = allow_places(get("/"), &others);
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(policy.ends_with("connect-src 'self' ws://10.0.0.2:4000 wss://b.example"), "{policy}");
    assert_eq!(header(&allow_places(get("/nothing"), &others), "content-security-policy"), "");
}

#[test]
fn a_file_that_the_client_has_is_not_sent_again() {
    let tag = header(&get("/"), "etag").to_owned();
    let answer = |known: &str| {
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(known).expect("a header"))]);
        respond(&Method::GET, "/", &headers, built).status()
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        assert_eq!(answer(&known), StatusCode::NOT_MODIFIED, "{known}");
    }
    for other in ["\"x\"", tag.trim_matches('"'), ""] {
        assert_eq!(answer(other), StatusCode::OK, "{other}");
    }
}

#[test]
fn only_what_was_embedded_is_found() {
    let table = [
        "/..",
        "/../Cargo.toml",
        "/assets/../index.html",
        "/assets/../../package.json",
        "/%2e%2e/package.json",
        "/%2e%2e%2fpackage.json",
        "/%252e%252e%252fpackage.json",
        "/..%5cpackage.json",
        "/..\\package.json",
        "//index.html",
        "/./index.html",
        "//etc/passwd",
        "/etc/passwd",
        "/assets",
        "/assets/",
        "/index.html/",
        "/INDEX.HTML",
        "/index.html%00",
        "/assets%2findex-abc.js",
        "/.env",
    ];
    for path in table {
        assert_eq!(get(path).status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            serve(&Method::GET, path, &HeaderMap::new(), &[]).status(),
            StatusCode::NOT_FOUND,
            "{path} in the binary"
        );
    }
}

#[test]
fn a_page_is_read_and_nothing_else() {
    assert_eq!(respond(&Method::HEAD, "/", &HeaderMap::new(), built).status(), StatusCode::OK);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        for find in [built, |_: &str| None] {
            let answer = respond(&method, "/", &HeaderMap::new(), find);
            assert_eq!((answer.status(), header(&answer, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"));
        }
    }
}

#[tokio::test]
async fn a_binary_without_the_page_says_how_to_build_it() {
    let answer = respond(&Method::GET, "/", &HeaderMap::new(), |_| None);
    assert_eq!(answer.status(), StatusCode::OK);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("cargo xtask demo") && text.contains("npm run build"), "{text}");
}

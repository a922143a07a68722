//! Each rule finds a violation that is planted, and lets pass what only looks like one.

use super::lexer;
use super::manifest::{Purpose, dependencies};
use super::{SourceFile, Violation, rules};

const LIST: &str = "# comment\nregistry: sensocto-model serde\nchannels: serde\n";

fn check(path: &str, text: &str) -> Vec<Violation> {
    rules::check(&[SourceFile { path: path.to_owned(), text: text.to_owned() }], LIST)
}

fn lines(path: &str, text: &str) -> Vec<usize> {
    check(path, text).into_iter().map(|violation| violation.line).collect()
}

#[test]
fn an_arrow_upwards_is_found_and_one_downwards_is_not() {
    let manifest =
        "[package]\nname = \"x\"\n\n[dependencies]\nsensocto-model.workspace = true\nsensocto-node.workspace = true\n";
    assert_eq!(lines("crates/registry/Cargo.toml", manifest), [6, 6], "an arrow upwards, and not in the list");
    assert_eq!(lines("crates/gateway/Cargo.toml", manifest), [0_usize; 0]);
    assert_eq!(lines("crates/client/Cargo.toml", manifest), [5, 6]);
}

#[test]
fn a_crate_that_nobody_listed_may_use_none() {
    assert_eq!(lines("crates/new/Cargo.toml", "[dependencies]\nsensocto-model.workspace = true\n"), [2]);
    assert_eq!(lines("xtask/Cargo.toml", "[dependencies]\nsensocto-model.workspace = true\n"), [2]);
}

#[test]
fn tests_of_the_gateway_may_use_the_client_and_its_code_may_not() {
    assert_eq!(
        lines("crates/gateway/Cargo.toml", "[dev-dependencies]\nsensocto-client.workspace = true\n"),
        [0_usize; 0]
    );
    assert_eq!(lines("crates/gateway/Cargo.toml", "[dependencies]\nsensocto-client.workspace = true\n"), [2]);
}

#[test]
fn zenoh_and_axum_each_have_one_owner_even_under_another_name() {
    let renamed = "[dependencies]\nbus = { package = \"zenoh\", version = \"1\" }\n";
    assert_eq!(lines("crates/gateway/Cargo.toml", renamed), [2]);
    assert_eq!(lines("crates/node/Cargo.toml", renamed), [0_usize; 0]);
    assert_eq!(lines("crates/cli/Cargo.toml", "[dev-dependencies.axum]\nversion = \"0.8\"\n"), [1]);
    assert_eq!(lines("Cargo.toml", "[workspace.dependencies]\nzenoh = \"1\"\naxum = \"0.8\"\n"), [0_usize; 0]);
}

#[test]
fn a_sans_io_crate_keeps_to_the_list_and_its_tests_need_not() {
    let manifest =
        "[dependencies]\nserde.workspace = true\nrand = \"0.9\"\n\n[dev-dependencies]\nproptest.workspace = true\n";
    assert_eq!(lines("crates/registry/Cargo.toml", manifest), [3]);
    assert_eq!(lines("crates/node/Cargo.toml", manifest), [0_usize; 0]);
}

#[test]
fn zenoh_is_named_in_its_engine_and_nowhere_else() {
    let source = "use zenoh::Session;\nfn f() { let _ = ::zenoh::open; }\n";
    assert_eq!(lines("crates/node/src/driver.rs", source), [1, 2]);
    assert_eq!(lines("crates/node/src/engine/zenohs.rs", source), [1, 2]);
    for allowed in ["crates/node/src/engine/zenoh.rs", "crates/node/src/engine/zenoh/wire.rs"] {
        assert_eq!(lines(allowed, source), [0_usize; 0]);
    }
}

#[test]
fn a_module_of_ours_called_zenoh_is_not_the_crate() {
    let source = "mod zenoh;\npub use zenoh::Engine;\nuse ::zenoh::Session;\n";
    assert_eq!(lines("crates/node/src/engine.rs", source), [3]);
    assert_eq!(lines("crates/node/src/lib.rs", "use crate::engine::zenoh::Engine;\nlet zenoh = 1;\n"), [0_usize; 0]);
}

#[test]
fn clocks_sockets_and_hash_maps_are_found_in_a_sans_io_crate() {
    let source = "use std::time::{Duration, Instant};\nuse std::collections::HashMap;\nuse std::{fmt, fs};\n\
                  fn f() { std::thread::spawn(g); }\nuse tokio::time;\nfn h(at: SystemTime) { std::env::var(\"A\"); }\n";
    assert_eq!(lines("crates/registry/src/log.rs", source), [1, 2, 3, 4, 5, 6, 6]);
    assert_eq!(lines("crates/channels/src/frame.rs", source).len(), 7);
    assert_eq!(lines("crates/node/src/driver.rs", source), [0_usize; 0]);
}

#[test]
fn what_is_written_in_tests_comments_and_texts_does_not_count() {
    let source = "// std::fs is not used\n/* HashMap /* nested */ HashSet */\nconst A: &str = \"std::fs \\\" HashMap\";\n\
                  const B: &str = r#\"tokio \"quoted\" tokio\"#;\nconst C: u8 = b'\\'';\nfn f<'a>(x: &'a str) -> char { 'H' }\n\
                  #[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n    fn g() { if true {} }\n}\n\
                  #[cfg(test)]\nuse std::fs;\nfn after() -> HashSet {}\n";
    assert_eq!(lines("crates/registry/src/log.rs", source), [14]);
    assert_eq!(lines("crates/registry/src/log/tests.rs", "use std::fs;\n"), [0_usize; 0]);
    assert_eq!(lines("crates/registry/tests/laws.rs", "use std::fs;\n"), [0_usize; 0]);
}

#[test]
fn groups_are_taken_apart() {
    let found: Vec<String> =
        lexer::paths("use a::{b::{self, c}, d as e};\n").into_iter().map(|path| path.segments.join("::")).collect();
    assert_eq!(found, ["use", "a::b::self", "a::b::c", "a::d", "a::as", "a::e"]);
}

#[test]
fn every_kind_of_dependency_section_is_read() {
    let text = "[dependencies]\na = \"1\"\n[target.'cfg(unix)'.dependencies]\nb.workspace = true\n\
                [build-dependencies]\nc = \"1\"\n[dev-dependencies]\n# d = \"1\"\ne = \"1\"\n\
                [dependencies.f]\npackage = \"g\"\nversion = \"1\"\n[features]\nh = []\n";
    let found: Vec<(String, Purpose)> = dependencies(text).into_iter().map(|one| (one.package, one.purpose)).collect();
    let build = ["a", "b", "c", "g"];
    assert_eq!(found.iter().filter(|one| one.1 == Purpose::Build).map(|one| one.0.as_str()).collect::<Vec<_>>(), build);
    assert_eq!(found.iter().filter(|one| one.1 == Purpose::Tests).map(|one| one.0.as_str()).collect::<Vec<_>>(), ["e"]);
}

#[test]
fn a_violation_names_the_place_and_the_rule() {
    let found = check("crates/client/Cargo.toml", "[dependencies]\nsensocto-node.workspace = true\n");
    assert_eq!(found[0].to_string(), "crates/client/Cargo.toml:2: client must not use node (it may use channels)");
}

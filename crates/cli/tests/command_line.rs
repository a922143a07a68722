//! What the command line answers to what is typed wrongly, and to what cannot be done.

mod support;

use std::fs;
use std::net::TcpListener;

use support::{Finished, finish, free_addresses, run, sensocto};

/// Asserts that a command was refused with exit code 2 and one line that says all of this.
fn assert_refused(finished: &Finished, says: &[&str]) {
    let Finished { code, stdout, stderr } = finished;
    assert_eq!(*code, Some(2), "{stderr}");
    assert_eq!(stdout, "", "nothing goes to standard output");
    assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
    }
}

/// Starts a node that would end as soon as it has started, on ports of its own unless `flags` say otherwise.
fn serve(flags: &[&str]) -> Finished {
    let http = free_addresses(1)[0].to_string();
    let mut args = vec!["serve", "--exit-with-stdin"];
    if !flags.contains(&"--http") {
        args.extend(["--http", &http]);
    }
    args.extend(flags);
    run(&args)
}

#[test]
fn an_unknown_flag_is_refused_with_what_may_be_meant() {
    assert_refused(&run(&["serve", "--htpp", "127.0.0.1:4000"]), &["--htpp", "--http", "--help"]);
}

#[test]
fn a_value_that_is_not_allowed_is_refused_with_its_flag() {
    assert_refused(&run(&["serve", "--http", "localhost"]), &["localhost", "--http"]);
    assert_refused(&run(&["serve", "--name", "a/b"]), &["a/b", "--name", "letter or digit first"]);
    assert_refused(&run(&["serve", "--grace", "soon"]), &["soon", "--grace", "30s"]);
    assert_refused(&run(&["serve", "--grace", "10h"]), &["--grace", "1s to 1h"]);
    assert_refused(&run(&["simulate", "--sensors", "0"]), &["--sensors"]);
    assert_refused(&run(&["simulate", "--types", "sonar"]), &["sonar", "heartrate"]);
    assert_refused(&run(&["simulate", "--users", "3"]), &["--signing-key-file"]);
    assert_refused(&run(&["cluster", "status", "--url", "https://example.org"]), &["http://"]);
}

#[test]
fn a_command_that_is_not_there_is_refused() {
    assert_refused(&run(&["server"]), &["server", "serve"]);
}

#[test]
fn listening_beyond_loopback_without_credentials_is_refused() {
    assert_refused(&serve(&["--http", "0.0.0.0:0"]), &["--signing-key-file", "safe", "--insecure-open", "open"]);
    assert_refused(&serve(&["--peer", "0.0.0.0:7401"]), &["--peer-ca", "safe", "--insecure-open", "open"]);
}

#[test]
fn a_port_in_use_is_named() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("bound").to_string();
    assert_refused(&serve(&["--http", &address]), &[&address, "another"]);
    assert_refused(&serve(&["--peer", &address]), &[&address, "another"]);
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("plain");
    assert_refused(&serve(&["--data", path]), &[path]);
}

#[test]
fn an_address_to_join_that_does_not_resolve_is_named() {
    let peer = free_addresses(1)[0].to_string();
    // The top-level domain `invalid` is kept free for this (RFC 2606).
    assert_refused(&serve(&["--peer", &peer, "--join", "nodes.invalid:7401"]), &["nodes.invalid:7401"]);
}

#[test]
fn an_origin_that_is_none_is_named() {
    for origin in ["example.org", "https://example.org/path", "*"] {
        assert_refused(&serve(&["--allowed-origin", origin]), &[origin, "https://"]);
    }
}

#[test]
fn an_unreadable_key_is_named() {
    assert_refused(&serve(&["--signing-key-file", "no-such-key"]), &["no-such-key"]);
    assert_refused(&run(&["token", "create", "guest", "--signing-key-file", "no-such-key"]), &["no-such-key"]);
}

#[test]
fn the_settings_are_printed_and_a_flag_wins_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("node.toml");
    fs::write(&file, "name = \"file\"\ncluster = \"file\"\ngrace = \"7s\"\n").expect("written");
    let mut command = sensocto(&["serve", "--print-config", "--name", "flag", "--config"]);
    command.arg(&file).env("SENSOCTO_NAME", "environment").env("SENSOCTO_CLUSTER", "environment");
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for line in ["name = \"flag\"", "cluster = \"environment\"", "grace = \"7s\"", "http = \"127.0.0.1:4000\""] {
        assert!(finished.stdout.lines().any(|printed| printed == line), "{line} is not in:\n{}", finished.stdout);
    }
}

#[test]
fn an_unknown_key_of_the_settings_file_is_named_with_the_known_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("node.toml");
    fs::write(&file, "nmae = \"a\"\n").expect("written");
    let path = file.to_str().expect("plain");
    assert_refused(&serve(&["--config", path]), &[path, "line 1", "nmae", "name", "signing_key_file"]);
}

#[test]
fn a_variable_that_is_not_allowed_is_refused_like_its_flag() {
    let finished = finish(sensocto(&["serve", "--print-config"]).env("SENSOCTO_HTTP", "4000"));
    assert_refused(&finished, &["4000", "--http"]);
}

#[test]
fn a_key_is_made_once_and_tokens_are_made_with_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("signing.key");
    let path = path.to_str().expect("plain");
    let made = run(&["token", "key", "create", path]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let key = fs::read(path).expect("written");
    assert_only_the_owner_may_read(path);

    assert_refused(&run(&["token", "key", "create", path]), &[path]);
    assert_eq!(fs::read(path).expect("still there"), key, "a key that exists is left alone");

    let create = |holder: &str, flags: &[&str]| {
        let mut args = vec!["token", "create", holder, "--signing-key-file", path];
        args.extend(flags);
        run(&args)
    };
    for holder in ["user", "sensor"] {
        let token = create(holder, &["--user", "ana", "--for", "1h"]);
        assert_eq!(token.code, Some(0), "{}", token.stderr);
        assert_eq!(token.stdout.trim().split('.').count(), 3, "a JSON Web Token: {}", token.stdout);
        assert_refused(&create(holder, &[]), &["--user"]);
    }
    let guest = create("guest", &[]);
    assert!(guest.stdout.starts_with("guest:guest_"), "{}", guest.stdout);
    assert_refused(&create("guest", &["--user", "ana"]), &["--user"]);
}

#[cfg(unix)]
fn assert_only_the_owner_may_read(path: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_only_the_owner_may_read(_: &str) {}

#[test]
fn a_node_that_is_not_there_fails_the_command_with_its_address() {
    let address = free_addresses(1)[0].to_string();
    let finished = run(&["sensors", "list", "--url", &format!("http://{address}")]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
}

#[test]
fn help_is_no_failure() {
    for args in [&["--help"][..], &["serve", "--help"], &["token", "create", "--help"], &["--version"]] {
        let finished = run(args);
        assert_eq!(finished.code, Some(0));
        assert!(finished.stdout.contains("sensocto"), "{}", finished.stdout);
    }
}

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use sensocto_settings::*;

use super::of;
use crate::args::{Cli, Command};

/// Settings of a command line. The variables of the environment are not set in tests.
fn settings(flags: &[&str]) -> Result<Settings, SettingsError> {
    let typed = ["sensocto", "serve"].into_iter().chain(flags.iter().copied());
    let Command::Serve(args) = Cli::try_parse_from(typed).expect("known flags").command else { panic!("not serve") };
    of(&args)
}

fn refused(flags: &[&str]) -> String {
    let problem = settings(flags).expect_err("refused").to_string();
    assert!(!problem.contains('\n'), "one line: {problem}");
    problem
}

/// A file that lives as long as the directory that comes with it.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("node.toml");
    fs::write(&path, text).expect("written");
    let path = path.to_str().expect("plain").to_owned();
    (directory, path)
}

#[test]
fn without_arguments_it_is_a_single_node_on_loopback() {
    let found = settings(&[]).expect("valid");
    assert_eq!(found.http, SocketAddr::from(([127, 0, 0, 1], 4000)));
    assert_eq!((found.name.as_str(), found.peer, found.data, found.open), ("a", None, None, false));
    assert_eq!(found.grace, Duration::from_secs(30));
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let (_directory, path) = file("name = \"from-file\"\ngrace = \"5s\"\nhttp = \"127.0.0.1:5000\"\n");
    let found = settings(&["--config", &path, "--name", "from-flag"]).expect("valid");
    assert_eq!(found.name.as_str(), "from-flag");
    assert_eq!(found.grace, Duration::from_secs(5));
    assert_eq!(found.http.port(), 5000);
    assert_eq!(found.cluster.as_str(), "sensocto");
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_the_known_ones() {
    let (_directory, path) = file("name = \"a\"\nhtttp = \"127.0.0.1:4000\"\n");
    let problem = refused(&["--config", &path]);
    assert!(
        problem.contains("line 2") && problem.contains("htttp") && problem.contains("signing_key_file"),
        "{problem}"
    );
}

#[test]
fn a_value_of_the_file_that_is_not_allowed_is_named_with_its_line() {
    for (text, says) in [
        ("grace = \"soon\"\n", "30s"),
        ("name = \"a/b\"\n", "letter or digit first"),
        ("http = 4000\n", "line 1"),
        ("name = \n", "line 1"),
    ] {
        let (_directory, path) = file(text);
        let problem = refused(&["--config", &path]);
        assert!(problem.contains(says), "{problem}");
    }
    assert!(refused(&["--config", "no-such-file.toml"]).contains("cannot be read"));
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let (directory, path) = file("data = \"state\"\nsigning_key_file = \"/etc/sensocto.key\"\n");
    let found = settings(&["--config", &path]).expect("valid");
    assert_eq!(found.data, Some(directory.path().join("state")));
    assert_eq!(found.signing_key_file, Some("/etc/sensocto.key".into()));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let flags = [
        "--name",
        "b",
        "--http",
        "127.0.0.1:4002",
        "--peer",
        "127.0.0.1:7402",
        "--join",
        "127.0.0.1:7401",
        "--join",
        "nodes.example.org:7401",
        "--data",
        "/var/lib/sensocto",
        "--peer-ca",
        "/ca.pem",
        "--peer-cert",
        "/b.pem",
        "--peer-key",
        "/b.key",
        "--allowed-origin",
        "https://example.org",
        "--grace",
        "1m",
        "--log-format",
        "json",
        "--insecure-open",
    ];
    let found = settings(&flags).expect("valid");
    let (_directory, path) = file(&found.to_toml());
    assert_eq!(settings(&["--config", &path]), Ok(found));
}

#[test]
fn listening_beyond_loopback_needs_credentials_or_a_word_that_none_are_wanted() {
    let problem = refused(&["--http", "0.0.0.0:4000"]);
    assert!(problem.contains("--signing-key-file") && problem.contains("--insecure-open"), "{problem}");
    assert!(settings(&["--http", "0.0.0.0:4000", "--signing-key-file", "k"]).is_ok());
    assert!(settings(&["--http", "[::]:4000", "--insecure-open"]).is_ok());
    assert!(settings(&["--http", "[::1]:4000"]).is_ok());

    let problem = refused(&["--peer", "10.1.2.3:7401"]);
    assert!(
        problem.contains("--peer-ca, --peer-cert and --peer-key") && problem.contains("--insecure-open"),
        "{problem}"
    );
    // A key for clients says nothing about nodes.
    refused(&["--peer", "10.1.2.3:7401", "--signing-key-file", "k"]);
    let tls = ["--peer", "10.1.2.3:7401", "--peer-ca", "a", "--peer-cert", "b", "--peer-key", "c"];
    assert!(settings(&tls).is_ok());
    assert!(settings(&["--peer", "10.1.2.3:7401", "--insecure-open"]).is_ok());
}

#[test]
fn the_files_of_a_node_belong_together() {
    let problem = refused(&["--peer", "127.0.0.1:7401", "--peer-ca", "a", "--peer-key", "c"]);
    assert!(problem.ends_with("--peer-cert is missing"), "{problem}");
}

#[test]
fn what_needs_a_peer_address_says_so() {
    assert!(refused(&["--join", "127.0.0.1:7401"]).contains("needs --peer"));
    assert!(refused(&["--peer-ca", "a", "--peer-cert", "b", "--peer-key", "c"]).contains("needs --peer"));
    assert!(refused(&["--peer", "127.0.0.1:0"]).contains("other than 0"));
}

#[test]
fn an_address_to_join_is_a_host_with_a_port() {
    for good in ["127.0.0.1:7401", "[::1]:7401", "nodes.example.org:7401", "node-1:7401"] {
        assert!(settings(&["--peer", "127.0.0.1:7402", "--join", good]).is_ok(), "{good}");
    }
    for bad in ["127.0.0.1", "127.0.0.1:0", ":7401", "a b:7401", "tcp/127.0.0.1:7401", "1.2.3:7401", "x:99999"] {
        assert!(refused(&["--peer", "127.0.0.1:7402", "--join", bad]).contains(bad), "{bad}");
    }
}

#[test]
fn a_grace_has_bounds() {
    for bad in ["500ms", "2h"] {
        assert!(refused(&["--grace", bad]).contains("1s to 1h"), "{bad}");
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// Lines as a settings file has them, and others.
    fn any_line() -> impl Strategy<Value = String> {
        let keys = prop_oneof![
            prop::sample::select(vec![
                "name",
                "http",
                "peer",
                "join",
                "grace",
                "allowed_origins",
                "insecure_open",
                "data"
            ]),
            Just("other"),
        ];
        let values = prop_oneof![
            "\\PC{0,20}",
            "\"\\PC{0,20}\"",
            prop::sample::select(vec![
                "\"127.0.0.1:1\"",
                "\"30s\"",
                "true",
                "-1",
                "1e999",
                "[]",
                "[\"a\", 1]",
                "{}",
                "1979-05-27"
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![(keys, values).prop_map(|(key, value)| format!("{key} = {value}")), "\\PC{0,40}"]
    }

    proptest! {
        #[test]
        fn any_file_is_settings_or_one_line_that_says_what_is_wrong(lines in prop::collection::vec(any_line(), 0..6)) {
            let (_directory, path) = file(&lines.join("\n"));
            if let Err(problem) = settings(&["--config", &path]) {
                let problem = problem.to_string();
                prop_assert!(!problem.is_empty() && !problem.contains('\n'), "{}", problem);
            }
        }
    }
}

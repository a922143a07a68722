//! The rules themselves.

use super::lexer::{self, NamedPath};
use super::manifest::{self, Dependency, Purpose};
use super::{SourceFile, Violation};

/// Which crate of ours may use which. A crate that is not listed may use none.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("registry", &["model"]),
    ("rooms", &["model"]),
    ("channels", &[]),
    ("signals", &["model"]),
    ("node", &["registry", "rooms", "signals", "model"]),
    ("tokens", &["model"]),
    ("gateway", &["channels", "node", "tokens", "model"]),
    ("client", &["channels"]),
    ("settings", &["model"]),
    ("cli", &["gateway", "node", "client", "settings", "model"]),
    ("sim", &["registry", "rooms", "model"]),
    ("bench", &["client", "node", "registry", "rooms", "model"]),
    ("peers", &["bench", "node"]),
    ("fuzz", &["registry", "channels", "tokens", "settings", "model"]),
];

/// What tests and examples alone may use besides: the gateway is tried with the client that people use, and measured as a whole.
const ARROWS_OF_TESTS: &[(&str, &[&str])] = &[("gateway", &["client"]), ("bench", &["gateway"])];

/// Packages that one crate alone may use.
const OWNED: &[(&str, &str)] = &[("zenoh", "node"), ("axum", "gateway")];

/// The only sources that may name Zenoh.
const ZENOH_SOURCES: &str = "crates/node/src/engine/zenoh";

/// Crates without input and output.
const SANS_IO: &[&str] = &["registry", "rooms", "channels", "signals"];

/// What a crate without input and output must not name; a path is forbidden with all that is below it.
const FORBIDDEN_PATHS: &[&[&str]] =
    &[&["std", "time", "Instant"], &["std", "net"], &["std", "thread"], &["std", "env"], &["std", "fs"]];

/// What it must not name under any path. The order of hash maps and sets differs from run to run.
const FORBIDDEN_NAMES: &[&str] = &["SystemTime", "HashMap", "HashSet", "tokio"];

/// Holds manifests and sources against the rules. `list` is the text of `sans-io-dependencies.txt`.
pub(crate) fn check(files: &[SourceFile], list: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        if file.path.ends_with("Cargo.toml") {
            check_manifest(file, list, &mut violations);
        } else {
            check_source(file, &mut violations);
        }
    }
    violations
}

fn check_manifest(file: &SourceFile, list: &str, violations: &mut Vec<Violation>) {
    let owner = crate_of(&file.path);
    for dependency in manifest::dependencies(&file.text) {
        let checks = [
            beyond_arrows(owner, &dependency),
            owned_elsewhere(owner, &dependency),
            beyond_list(owner, &dependency, list),
        ];
        violations.extend(checks.into_iter().flatten().map(|problem| Violation {
            file: file.path.clone(),
            line: dependency.line,
            problem,
        }));
    }
}

fn beyond_arrows(owner: &str, dependency: &Dependency) -> Option<String> {
    let target = dependency.package.strip_prefix("sensocto-")?;
    let in_tests = dependency.purpose == Purpose::Tests && allowed(ARROWS_OF_TESTS, owner).contains(&target);
    if allowed(ARROWS, owner).contains(&target) || in_tests {
        return None;
    }
    Some(format!("{owner} must not use {target} (it may use {})", listed(allowed(ARROWS, owner))))
}

fn owned_elsewhere(owner: &str, dependency: &Dependency) -> Option<String> {
    let (package, only) = OWNED.iter().find(|(package, _)| *package == dependency.package)?;
    (*only != owner).then(|| format!("{owner} must not use {package}; only {only} may"))
}

fn beyond_list(owner: &str, dependency: &Dependency, list: &str) -> Option<String> {
    if !SANS_IO.contains(&owner) || dependency.purpose == Purpose::Tests {
        return None;
    }
    let listed = list
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, packages)| name == owner && packages.split_whitespace().any(|known| known == dependency.package));
    let package = &dependency.package;
    (!listed).then(|| format!("{owner} has no input or output, and {package} is not in xtask/sans-io-dependencies.txt"))
}

fn check_source(file: &SourceFile, violations: &mut Vec<Violation>) {
    let owner = crate_of(&file.path);
    let sans_io = SANS_IO.contains(&owner) && !is_test(&file.path);
    let may_name_zenoh = file.path.strip_prefix(ZENOH_SOURCES).is_some_and(|rest| rest.starts_with(['.', '/', '_']));
    // Beside the module of ours that is called like the crate, a bare `zenoh::` means the module.
    let has_module = lexer::declares_module(&file.text, "zenoh");
    for path in lexer::paths(&file.text) {
        let zenoh = !may_name_zenoh && names_zenoh(&path, has_module);
        let problem = if zenoh {
            Some(format!("names the zenoh crate; only {ZENOH_SOURCES}* may"))
        } else if sans_io {
            forbidden(&path).map(|name| format!("{owner} has no input or output, and must not name {name}"))
        } else {
            None
        };
        let line = path.line;
        violations.extend(problem.map(|problem| Violation { file: file.path.clone(), line, problem }));
    }
}

fn names_zenoh(path: &NamedPath, has_module: bool) -> bool {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    matches!(segments[..], ["", "zenoh", ..]) || (matches!(segments[..], ["zenoh", _, ..]) && !has_module)
}

fn forbidden(path: &NamedPath) -> Option<String> {
    let segments: Vec<&str> =
        path.segments.iter().map(String::as_str).skip_while(|segment| segment.is_empty()).collect();
    let below = FORBIDDEN_PATHS.iter().find(|prefix| segments.starts_with(prefix)).map(|prefix| prefix.join("::"));
    below.or_else(|| segments.into_iter().find(|name| FORBIDDEN_NAMES.contains(name)).map(str::to_owned))
}

/// Sources that are tests as a whole: `foo/tests.rs`, `foo/tests/…` and the crate's `tests/…`.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/")
}

/// The crate that a file belongs to, by its folder.
fn crate_of(path: &str) -> &str {
    let path = path.strip_prefix("crates/").unwrap_or(path);
    path.split('/').next().unwrap_or(path)
}

fn allowed(table: &[(&str, &'static [&'static str])], owner: &str) -> &'static [&'static str] {
    table.iter().find(|(name, _)| *name == owner).map_or(&[], |(_, targets)| targets)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none of our crates".to_owned() } else { names.join(", ") }
}

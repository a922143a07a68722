//! The steps of a test run.
//!
//! The page comes first, because the program embeds it: built later, it would make cargo compile the program twice.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{arrows, documents, process, web};

use super::{fuzz, schema};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Steps without whose success this one would only repeat a failure.
    pub(crate) after: &'static [&'static str],
    /// Makes the step possible, or says why it is skipped.
    pub(crate) prepare: fn(&Path) -> Result<(), String>,
    pub(crate) run: fn(&Path) -> Result<(), String>,
}

pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the layout of the Rust code", after: &[], prepare: always, run: fmt },
    Step { name: "arrows", what: "which crate may use which", after: &[], prepare: always, run: check_arrows },
    Step {
        name: "documents",
        what: "tests, files and links that documents name",
        after: &[],
        prepare: always,
        run: check_documents,
    },
    Step { name: "web-build", what: "the lobby page", after: &[], prepare: node, run: build_page },
    Step { name: "web-unit", what: "unit tests of the page", after: &["web-build"], prepare: node, run: web_unit },
    Step { name: "clippy", what: "lints, all targets", after: &[], prepare: always, run: clippy },
    Step {
        name: "rust",
        what: "unit, property and system tests, the latter on real processes",
        after: &[],
        prepare: always,
        run: rust,
    },
    Step {
        name: "laws",
        what: "each law of the core and of the channels in 10,000 cases",
        after: &["rust"],
        prepare: always,
        run: laws,
    },
    Step {
        name: "models",
        what: "small models of the core, every state of them",
        after: &["rust"],
        prepare: always,
        run: models,
    },
    Step {
        name: "simulator",
        what: "2,000 seeds of whole clusters under faults, each run twice, and 1,000 with many more faults",
        after: &[],
        prepare: always,
        run: simulator,
    },
    Step {
        name: "planted",
        what: "the simulator finds each fault that is planted in the registry",
        after: &["simulator"],
        prepare: always,
        run: planted,
    },
    Step {
        name: "fuzz",
        what: "decoders of bytes from outside, a minute each",
        after: &[],
        prepare: fuzz::prepare,
        run: fuzz::run,
    },
    Step {
        name: "api",
        what: "the API, without the streams of live queries, against its own description, by schemathesis",
        after: &[],
        prepare: schema::prepare,
        run: schema::run,
    },
    Step {
        name: "rooms-simulator",
        what: "1,000 seeds of rooms under faults, each run twice, and each planted fault found",
        after: &[],
        prepare: always,
        run: rooms_simulator,
    },
    Step {
        name: "partition",
        what: "rooms on five processes in network namespaces, two cut off from three",
        after: &["rust"],
        prepare: namespaces,
        run: partition,
    },
    Step {
        name: "clients",
        what: "the phoenix npm package and a V1 client against real nodes",
        after: &["web-build"],
        prepare: node,
        run: clients,
    },
    Step {
        name: "browser",
        what: "the lobby in headless Chromium",
        after: &["web-build"],
        prepare: chromium,
        run: browser,
    },
];

fn always(_: &Path) -> Result<(), String> {
    Ok(())
}

fn node(root: &Path) -> Result<(), String> {
    web::missing_tools(root).map_or(Ok(()), Err)
}

fn cargo(root: &Path, args: &[&str]) -> Result<(), String> {
    process::run(root, &process::cargo(), args)
}

fn fmt(root: &Path) -> Result<(), String> {
    cargo(root, &["fmt", "--all", "--check"])
}

fn clippy(root: &Path) -> Result<(), String> {
    cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// The property tests draw the same cases each time, so that a run fails for what was changed; `PROPTEST_RNG_SEED` and
/// `PROPTEST_CASES` in the environment choose others.
fn rust(root: &Path) -> Result<(), String> {
    // The models have a step of their own, which shows how many states there were.
    cargo_test(root, &["test", "--workspace", "--", "--skip", MODELS], &[("PROPTEST_RNG_SEED", "1")])
}

/// Where the small models are.
const MODELS: &str = "registry::tests::models";

fn models(root: &Path) -> Result<(), String> {
    cargo_test(root, &["test", "--workspace", "--lib", "--quiet", "--", "--nocapture", MODELS], &[])
}

/// The laws are in modules of that name; whole clusters take longer, and have the cases of the step before and the simulator.
fn laws(root: &Path) -> Result<(), String> {
    let args = ["test", "--workspace", "--lib", "--bins", "--quiet", "--", "laws::", "--skip", "registry::tests::laws"];
    cargo_test(root, &args, &[("PROPTEST_RNG_SEED", "1"), ("PROPTEST_CASES", "10000")])
}

/// Runs tests with variables that the environment does not set already.
fn cargo_test(root: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    println!("$ cargo {}", args.join(" "));
    let mut command = Command::new(process::cargo());
    command.args(args).current_dir(root).stdin(Stdio::null());
    for (name, value) in variables.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
        command.env(name, value);
    }
    process::finish("cargo", args, &mut command)
}

fn simulator(root: &Path) -> Result<(), String> {
    let run = ["run", "--quiet", "--package", "sensocto-sim", "--bin", "sim", "--features", "points", "--"];
    cargo(root, &[&run[..], &["--seeds", "2000", "--twice", "--points"]].concat())?;
    cargo(root, &[&run[..], &["--seeds", "1000", "--scenario", "storm"]].concat())
}

fn planted(root: &Path) -> Result<(), String> {
    cargo(
        root,
        &[
            "run",
            "--quiet",
            "--package",
            "sensocto-sim",
            "--bin",
            "sim",
            "--features",
            "planted",
            "--",
            "--planted",
            "all",
        ],
    )
}

fn rooms_simulator(root: &Path) -> Result<(), String> {
    let program = ["run", "--quiet", "--package", "sensocto-sim", "--bin", "rooms-sim"];
    cargo(root, &[&program[..], &["--", "--seeds", "1000"]].concat())?;
    cargo(root, &[&program[..], &["--features", "planted", "--", "--planted", "--seeds", "1000"]].concat())
}

fn check_arrows(root: &Path) -> Result<(), String> {
    let violations = arrows::check(root)?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() { Ok(()) } else { Err(format!("{} found", violations.len())) }
}

fn check_documents(root: &Path) -> Result<(), String> {
    let missing = documents::check(root)?;
    for line in &missing {
        println!("{line}");
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("{} not there", missing.len())) }
}

fn build_page(root: &Path) -> Result<(), String> {
    if web::is_built(root) {
        println!("web/dist is younger than its sources; nothing to build");
        return web::install(root);
    }
    web::build(root)
}

fn web_unit(root: &Path) -> Result<(), String> {
    process::run(&root.join("web"), "npm", &["test"])
}

fn clients(root: &Path) -> Result<(), String> {
    end_to_end(root, "e2e:clients")
}

fn browser(root: &Path) -> Result<(), String> {
    end_to_end(root, "e2e:browser")
}

/// Runs a script of `web/package.json` that starts nodes itself, so the program has to be built before it: the way in which the
/// Rust tests build it, since another choice of packages would have cargo build the engine anew.
fn end_to_end(root: &Path, script: &str) -> Result<(), String> {
    cargo(root, &["test", "--workspace", "--no-run", "--quiet"])?;
    process::run(&root.join("web"), "npm", &["run", script])
}

fn partition(root: &Path) -> Result<(), String> {
    // The same choice of packages as for the other tests, so that nothing is built anew.
    cargo(root, &["test", "--workspace", "--quiet", "--test", "partition", "--", "--ignored", "--nocapture"])
}

fn namespaces(_: &Path) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("network namespaces are those of Linux".to_owned());
    }
    if !is_root() {
        return Err("making network namespaces needs root".to_owned());
    }
    if process::find("ip").is_some() {
        return Ok(());
    }
    if process::find("apt-get").is_none() {
        return Err("`ip` (iproute2) is not installed, and there is no apt-get to install it with".to_owned());
    }
    apt(&["update", "--quiet"])?;
    apt(&["install", "--quiet", "--yes", "--no-install-recommends", "iproute2"])?;
    if process::find("ip").is_some() {
        Ok(())
    } else {
        Err("iproute2 was installed but `ip` cannot be found".to_owned())
    }
}

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

fn chromium(root: &Path) -> Result<(), String> {
    node(root)?;
    if find_browser() {
        return Ok(());
    }
    if process::find("apt-get").is_none() {
        return Err("Chromium is not installed, and there is no apt-get to install it with".to_owned());
    }
    if !is_root() {
        return Err("Chromium is not installed; `apt-get install chromium` as root would make this step run".to_owned());
    }
    apt(&["update", "--quiet"])?;
    apt(&["install", "--quiet", "--yes", "--no-install-recommends", "chromium"])?;
    if find_browser() { Ok(()) } else { Err("Chromium was installed but cannot be found".to_owned()) }
}

fn find_browser() -> bool {
    BROWSERS.iter().any(|browser| process::find(browser).is_some())
}

fn apt(args: &[&str]) -> Result<(), String> {
    println!("$ apt-get {}", args.join(" "));
    let mut command = Command::new("apt-get");
    // Progress bars of apt say nothing to the reader of a log; its errors do.
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    process::finish("apt-get", args, &mut command)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

//! A schema-driven fuzzer against a running node: schemathesis reads the node's own description of its API, sends what it allows and
//! what it does not, and compares the answers with it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process;

/// How long the fuzzer goes on, in seconds.
const SECONDS: &str = "60";
/// Requests of one kind for each operation.
const EXAMPLES: &str = "60";

fn environment(root: &Path) -> PathBuf {
    root.join("target/xtask/schema")
}

fn fuzzer(root: &Path) -> PathBuf {
    environment(root).join("bin/schemathesis")
}

/// Brings the fuzzer in, in an environment of its own, or says why that does not work.
pub(super) fn prepare(root: &Path) -> Result<(), String> {
    let python = process::find("python3").ok_or("python3 is not installed")?;
    let requirements = root.join("xtask/src/test/schema/requirements.txt");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let directory = environment(root);
    if !directory.join("bin/python3").is_file() {
        process::run(root, &path(&python), &["-m", "venv", &path(&directory)])
            .map_err(|problem| format!("Python cannot make an environment: {problem}"))?;
    }
    let pip = path(&directory.join("bin/pip"));
    let install = ["install", "--quiet", "--disable-pip-version-check", "--requirement", &path(&requirements)];
    process::run(root, &pip, &install).map_err(|problem| format!("schemathesis cannot be had from PyPI: {problem}"))
}

/// Runs the fuzzer against a node that holds something.
pub(super) fn run(root: &Path) -> Result<(), String> {
    process::run(root, &process::cargo(), &["test", "--workspace", "--no-run", "--quiet"])?;
    let program = process::debug_directory(root).join("sensocto");
    let serve = ["serve", "--http", "127.0.0.1:0", "--exit-with-stdin"];
    let mut node = Running::start(&program, &serve, Stdio::piped())?;
    let url = format!("http://{}", node.http()?);
    let simulate = ["simulate", "--url", &url.replace("http", "ws"), "--sensors", "40", "--rooms", "4", "--for", "2m"];
    let _sensors = Running::start(&program, &simulate, Stdio::null())?;
    let document = format!("{url}/api/openapi.json");
    // A live query is a stream that does not end. One worker: Python's own parser fails now and then where two use it.
    let args = [
        &["run", &document, "--exclude-path-regex", "/live/", "--checks", "all", "--workers", "1"][..],
        &["--phases", "examples,coverage,fuzzing", "--max-time", SECONDS, "--max-examples", EXAMPLES],
        &["--seed", "1", "--request-timeout", "20", "--suppress-health-check", "all", "--no-color"],
    ]
    .concat();
    let fuzzer = fuzzer(root);
    println!("$ schemathesis {}", args.join(" "));
    let mut command = Command::new(&fuzzer);
    command
        .args(&args)
        .current_dir(environment(root))
        .env("SENSOCTO_URL", &url)
        .env("SCHEMATHESIS_HOOKS", root.join("xtask/src/test/schema/hooks.py"))
        .stdin(Stdio::null());
    process::finish("schemathesis", &args, &mut command)
}

/// A program that ends with this, however this ends.
struct Running(Child);

impl Running {
    fn start(program: &Path, args: &[&str], stdout: Stdio) -> Result<Running, String> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::null());
        command.spawn().map(Running).map_err(|error| format!("{} could not be started: {error}", program.display()))
    }

    /// Where the node listens, once it does.
    fn http(&mut self) -> Result<String, String> {
        let stdout = self.0.stdout.take().ok_or("the node's output is not read")?;
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.filter_map(|line| {
            let rest = line.strip_prefix("ready http=")?.to_owned();
            rest.split(' ').next().map(str::to_owned)
        });
        { address }.next().ok_or_else(|| "the node did not start".to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

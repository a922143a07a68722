//! The lobby page: when it has to be built, and building it.

use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use crate::process;

/// Folders of `web/` whose files do not go into the page.
const NOT_SOURCES: &[&str] = &["node_modules", "dist", "e2e", "scripts", "test", "test-results"];

/// Why the page cannot be built here, if it cannot.
pub(crate) fn missing_tools(root: &Path) -> Option<String> {
    if !root.join("web/package.json").is_file() {
        return Some("web/package.json is missing from this checkout".to_owned());
    }
    let missing: Vec<&str> = ["node", "npm"].into_iter().filter(|tool| process::find(tool).is_none()).collect();
    (!missing.is_empty()).then(|| format!("Node.js is not installed ({} not found)", missing.join(" and ")))
}

/// Installs what the page and its tests are built with, unless that is done already.
pub(crate) fn install(root: &Path) -> Result<(), String> {
    let web = root.join("web");
    let wanted = modified(&web.join("package-lock.json"));
    // npm writes this file last, after everything else is in its place.
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    process::run(&web, "npm", &["ci", "--no-audit", "--no-fund"])
}

/// Whether `web/dist` is there and younger than every source of the page.
pub(crate) fn is_built(root: &Path) -> bool {
    let web = root.join("web");
    let Some(built) = modified(&web.join("dist/index.html")) else { return false };
    newest_source(&web).is_ok_and(|newest| newest.is_none_or(|newest| newest <= built))
}

/// Builds the page into `web/dist`.
pub(crate) fn build(root: &Path) -> Result<(), String> {
    install(root)?;
    process::run(&root.join("web"), "npm", &["run", "build"])
}

fn newest_source(directory: &Path) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || NOT_SOURCES.contains(&&*name) {
            continue;
        }
        let found = if entry.file_type()?.is_dir() { newest_source(&entry.path())? } else { modified(&entry.path()) };
        newest = newest.max(found);
    }
    Ok(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

//! Has the crate built again when the lobby page was.
//!
//! The files of `web/dist` are embedded by a macro, and the compiler does not know that a file which is not there yet would have
//! been. A path that is absent cannot be watched either: cargo takes it for changed every time.

use std::path::{Path, PathBuf};

const DIST: &str = "../../web/dist";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if Path::new(DIST).is_dir() {
        println!("cargo::rerun-if-changed={DIST}");
    } else if let Some(watch) = watch_for_it() {
        println!("cargo::rerun-if-changed={}", watch.display());
    }
}

/// A folder with a link to where the page will be. Cargo follows links inside of a folder that it watches, and passes over those that
/// lead nowhere, so the folder is unchanged until the page is built.
#[cfg(unix)]
fn watch_for_it() -> Option<PathBuf> {
    use std::fs;
    let watch = PathBuf::from(std::env::var_os("OUT_DIR")?).join("watch");
    let link = watch.join("dist");
    fs::create_dir_all(&watch).ok()?;
    if fs::symlink_metadata(&link).is_err() {
        let target = std::env::current_dir().ok()?.join(DIST);
        std::os::unix::fs::symlink(target, &link).ok()?;
    }
    // What a build script makes is newer than its start, which would count as a change at the next build.
    let folder = fs::File::open(&watch).ok()?;
    folder.set_modified(std::time::UNIX_EPOCH).ok()?;
    Some(watch)
}

#[cfg(not(unix))]
fn watch_for_it() -> Option<PathBuf> {
    None
}

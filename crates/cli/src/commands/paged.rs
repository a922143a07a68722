//! Lists that nodes give in pages.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::failure::Failure;
use crate::output;

/// The largest page that nodes give.
const PAGE: u64 = 1_000;

/// A page. Each line is kept as it came, so that `--json` passes it on exactly.
#[derive(Deserialize)]
struct Page {
    #[serde(rename = "sensors", alias = "users", alias = "rooms")]
    lines: Vec<Box<RawValue>>,
    total: u64,
    next: Option<String>,
}

/// What was read of a list, and how many lines the whole list has.
pub(super) struct Read {
    pub(super) lines: Vec<Box<RawValue>>,
    pub(super) total: u64,
}

/// Reads page after page of `/api/v1/<what>` until there are `wanted` lines, or no more.
pub(super) fn read(api: &Api, what: &str, given: &[(&str, &str)], wanted: u64) -> Result<Read, Failure> {
    let mut lines: Vec<Box<RawValue>> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let limit = (wanted - lines.len() as u64).min(PAGE).to_string();
        let mut query = given.to_vec();
        query.push(("limit", &limit));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = api.get(&format!("/api/v1/{what}"), &query)?;
        lines.extend(page.lines);
        match page.next {
            Some(next) if (lines.len() as u64) < wanted => after = Some(next),
            Some(_) | None => return Ok(Read { lines, total: page.total }),
        }
    }
}

/// Prints a list as the node gave it.
pub(super) fn print_json(what: &str, read: &Read) -> Result<(), Failure> {
    let lines: Vec<&str> = read.lines.iter().map(|line| line.get()).collect();
    Ok(output::line(&format!(r#"{{"{what}":[{}],"total":{}}}"#, lines.join(","), read.total))?)
}

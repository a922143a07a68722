//! `cargo xtask documents`: what the documents name is there: tests, files, and the places that links lead to.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

/// Underscores from which on a name in backquotes is taken for the name of a test: tests are sentences.
const UNDERSCORES_MIN: usize = 3;

/// What the node puts before the name of each metric.
const METRIC: &str = "sensocto_";

struct Document {
    /// Relative to the workspace, with slashes.
    path: String,
    text: String,
}

/// What the workspace has of what documents may name.
struct Sources {
    /// All words of the Rust sources that may be names of tests.
    words: BTreeSet<String>,
    /// The browser's and the clients' tests, as text.
    scripts: String,
}

pub(crate) fn run(root: &Path) -> ExitCode {
    match check(root) {
        Ok(missing) if missing.is_empty() => {
            println!("what the documents name is there");
            ExitCode::SUCCESS
        }
        Ok(missing) => {
            for line in missing {
                println!("{line}");
            }
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that a document names and that is not there, a line each.
///
/// # Errors
/// A file that cannot be read, in one line.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut documents = Vec::new();
    let mut sources = Sources { words: BTreeSet::new(), scripts: String::new() };
    collect(root, "", &mut documents, &mut sources)
        .map_err(|error| format!("the workspace cannot be read: {error}"))?;
    let exists = |path: &str| root.join(path).exists();
    Ok(documents.iter().flat_map(|document| missing(document, &sources, &exists)).collect())
}

fn collect(directory: &Path, prefix: &str, documents: &mut Vec<Document>, sources: &mut Sources) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, documents, sources)?;
        } else if name.ends_with(".md") {
            documents.push(Document { path, text: fs::read_to_string(entry.path())? });
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path())?;
            sources.words.extend(words(&text).filter(|word| is_sentence(word)).map(str::to_owned));
        } else if name.ends_with(".mjs") || name.ends_with(".ts") {
            sources.scripts.push_str(&fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
}

fn is_sentence(word: &str) -> bool {
    word.bytes().filter(|byte| *byte == b'_').count() >= UNDERSCORES_MIN
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !word.starts_with('_')
}

fn missing(document: &Document, sources: &Sources, exists: &impl Fn(&str) -> bool) -> Vec<String> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in document.text.lines().enumerate() {
        let place = format!("{}:{}", document.path, number + 1);
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for name in between(line, "`", "`").filter(|name| is_sentence(name)) {
            let metric = name.strip_prefix(METRIC).unwrap_or(name);
            if is_sentence(metric) && !sources.words.contains(metric) {
                found.push(format!("{place}: nothing in the sources is named {name}"));
            }
        }
        for target in between(line, "](", ")") {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !exists(&resolve(folder, path)) {
                found.push(format!("{place}: the link leads to {path}, which is not there"));
            }
        }
        if document.path == "SECURITY.md" {
            for title in between(line, "\"", "\"").filter(|title| title.split(' ').count() > 3) {
                if !sources.scripts.contains(&format!("\"{title}\"")) {
                    found.push(format!("{place}: no test is named \"{title}\""));
                }
            }
        }
    }
    found
}

/// The parts of a line that stand between two marks.
fn between<'a>(line: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_once(open)?;
        let (part, after) = behind.split_once(close)?;
        rest = after;
        Some(part)
    })
}

/// A relative path seen from a folder of the workspace.
fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<String> {
        let sources = Sources {
            words: BTreeSet::from(["what_is_there_is_found".to_owned()]),
            scripts: "test(\"a page is what it is\", …)".to_owned(),
        };
        let document = Document { path: path.to_owned(), text: text.to_owned() };
        missing(&document, &sources, &|path: &str| path == "docs/registry.md")
    }

    #[test]
    fn a_test_that_is_named_and_not_there_is_found() {
        assert_eq!(
            lines("a.md", "`what_is_there_is_found`, `a_metric_name` and `Some::thing_else_than_that`"),
            [""; 0]
        );
        assert_eq!(
            lines("a.md", "one\n`what_is_not_there_at_all`"),
            ["a.md:2: nothing in the sources is named what_is_not_there_at_all"]
        );
        assert_eq!(lines("a.md", "```\n`what_is_not_there_at_all`\n```"), [""; 0], "an example");
        assert_eq!(lines("SECURITY.md", "\"a page is what it is\""), [""; 0]);
        assert_eq!(lines("SECURITY.md", "\"a page is what it was\"").len(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        for good in ["[x](docs/registry.md#memory)", "[x](#here)", "[x](https://example.org/y)", "f(x)"] {
            assert_eq!(lines("README.md", good), [""; 0], "{good}");
        }
        assert_eq!(lines("docs/adr/0001.md", "[x](../registry.md)"), [""; 0]);
        assert_eq!(
            lines("docs/rooms.md", "[x](protocol.md)"),
            ["docs/rooms.md:1: the link leads to protocol.md, which is not there"]
        );
    }
}

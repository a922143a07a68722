//! The dependencies that a `Cargo.toml` names. Only as much of TOML as manifests of this workspace use.

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Part of what is built (or of building it).
    Build,
    /// Used by tests, examples and benches alone.
    Tests,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's own name, also where it is renamed.
    pub(crate) package: String,
    pub(crate) purpose: Purpose,
    pub(crate) line: usize,
}

/// Every dependency in a manifest, `[target.….dependencies]` and `[dependencies.name]` among them.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut section = Section::Other;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let number = index + 1;
        if let Some(header) = line.strip_prefix('[') {
            section = Section::of(header.trim_start_matches('[').split(']').next().unwrap_or_default());
            if let Section::One(purpose, name) = &section {
                found.push(Dependency { package: name.clone(), purpose: *purpose, line: number });
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let key = key.trim().trim_matches('"');
        match &section {
            Section::Table(purpose) => {
                let name = key.split('.').next().unwrap_or(key);
                let package = renamed(value).unwrap_or(name).to_owned();
                found.push(Dependency { package, purpose: *purpose, line: number });
            }
            Section::One(..) if key == "package" => {
                if let Some(last) = found.last_mut() {
                    last.package = value.trim().trim_matches('"').to_owned();
                }
            }
            Section::One(..) | Section::Other => {}
        }
    }
    found
}

enum Section {
    /// `[dependencies]` and the like: a dependency on each line.
    Table(Purpose),
    /// `[dependencies.name]`: one dependency, spread over lines.
    One(Purpose, String),
    Other,
}

impl Section {
    fn of(header: &str) -> Self {
        if header.starts_with("workspace") {
            return Self::Other;
        }
        for (word, purpose) in [
            ("dev-dependencies", Purpose::Tests),
            ("build-dependencies", Purpose::Build),
            ("dependencies", Purpose::Build),
        ] {
            if header == word || header.ends_with(&format!(".{word}")) {
                return Self::Table(purpose);
            }
            let within = header.strip_prefix(&format!("{word}."));
            let within = within.or_else(|| header.split_once(&format!(".{word}.")).map(|(_, name)| name));
            if let Some(name) = within {
                return Self::One(purpose, name.trim_matches('"').to_owned());
            }
        }
        Self::Other
    }
}

/// The package of `name = { package = "other", … }`.
fn renamed(value: &str) -> Option<&str> {
    let after = value.split_once("package")?.1.trim_start().strip_prefix('=')?;
    after.trim_start().strip_prefix('"')?.split('"').next()
}

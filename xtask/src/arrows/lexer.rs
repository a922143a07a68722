//! Which paths a Rust source names. Comments, texts and items under `#[cfg(test)]` name nothing.

/// A path as it is written, with groups (`a::{b, c}`) taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// Begins with an empty segment where the path begins with `::`.
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Words behind which a `::` begins a path of its own.
const BEFORE_PATHS: [&str; 14] =
    ["use", "as", "in", "let", "mut", "ref", "dyn", "impl", "for", "where", "match", "if", "while", "return"];

/// Every path in a source, in its order.
pub(crate) fn paths(source: &str) -> Vec<NamedPath> {
    let tokens = without_tests(tokens(source));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = matches!(&tokens[at].kind, Kind::Name(_)) || tokens[at].kind == Kind::PathSeparator;
        if starts { at = read_path(&tokens, at, &[], &mut found) } else { at += 1 }
    }
    found
}

/// Whether a source declares a module of that name.
pub(crate) fn declares_module(source: &str, module: &str) -> bool {
    tokens(source)
        .windows(2)
        .any(|pair| pair[0].kind == Kind::Name("mod".to_owned()) && pair[1].kind == Kind::Name(module.to_owned()))
}

/// Reads the path at `at`, whose outer segments are `prefix`; returns the place behind it.
fn read_path(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<NamedPath>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[at].line;
    if tokens[at].kind == Kind::PathSeparator && prefix.is_empty() {
        segments.push(String::new());
    }
    loop {
        match tokens.get(at).map(|token| &token.kind) {
            Some(Kind::Name(name)) => {
                segments.push(name.clone());
                at += 1;
                if BEFORE_PATHS.contains(&name.as_str()) {
                    break;
                }
                if tokens.get(at).map(|token| &token.kind) != Some(&Kind::PathSeparator) {
                    break;
                }
                at += 1;
            }
            Some(Kind::PathSeparator) => at += 1,
            Some(Kind::Other('{')) if segments.len() > prefix.len() => return read_group(tokens, at, &segments, found),
            _ => break,
        }
    }
    found.push(NamedPath { segments, line });
    at
}

/// Reads `{a, b::c, …}` behind a path; returns the place behind the closing brace.
fn read_group(tokens: &[Token], open: usize, prefix: &[String], found: &mut Vec<NamedPath>) -> usize {
    let mut at = open + 1;
    while let Some(token) = tokens.get(at) {
        at = match &token.kind {
            Kind::Other('}') => return at + 1,
            Kind::Name(_) => read_path(tokens, at, prefix, found),
            Kind::PathSeparator | Kind::Other(_) => at + 1,
        };
    }
    at
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Name(String),
    PathSeparator,
    Other(char),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    line: usize,
}

/// Drops every item that stands under an attribute `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let marker: Vec<Kind> = vec![
        Kind::Other('#'),
        Kind::Other('['),
        Kind::Name("cfg".to_owned()),
        Kind::Other('('),
        Kind::Name("test".to_owned()),
        Kind::Other(')'),
        Kind::Other(']'),
    ];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].iter().take(marker.len()).map(|token| &token.kind);
        if here.eq(marker.iter()) {
            at = end_of_item(&tokens, at + marker.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The place behind an item: after its `;`, or after the brace that closes its body.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.kind {
            Kind::Other('{' | '(' | '[') => depth += 1,
            Kind::Other(close @ ('}' | ')' | ']')) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && close == '}' {
                    return at + 1;
                }
            }
            Kind::Other(';') if depth == 0 => return at + 1,
            Kind::Name(_) | Kind::PathSeparator | Kind::Other(_) => {}
        }
    }
    tokens.len()
}

fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let kind;
        (kind, at) = next_token(&chars, at);
        if let Some(kind) = kind {
            tokens.push(Token { kind, line });
        }
        line += chars[start..at].iter().filter(|character| **character == '\n').count();
    }
    tokens
}

/// The token at `at` (none for white space, comments, texts and numbers), and the place behind it.
fn next_token(chars: &[char], at: usize) -> (Option<Kind>, usize) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => (None, end_of_line(chars, at)),
        '/' if next == Some('*') => (None, end_of_block_comment(chars, at)),
        '"' => (None, end_of_text(chars, at)),
        '\'' => (None, end_of_quote(chars, at)),
        ':' if next == Some(':') => (Some(Kind::PathSeparator), at + 2),
        first if first.is_alphabetic() || first == '_' => {
            if let Some(end) = end_of_raw_text(chars, at) {
                return (None, end);
            }
            let raw_name = first == 'r' && next == Some('#');
            let start = if raw_name { at + 2 } else { at };
            let end = end_of_name(chars, start);
            (Some(Kind::Name(chars[start..end].iter().collect())), end)
        }
        digit if digit.is_ascii_digit() => (None, end_of_name(chars, at)),
        space if space.is_whitespace() => (None, at + 1),
        other => (Some(Kind::Other(other)), at + 1),
    }
}

fn end_of_name(chars: &[char], at: usize) -> usize {
    let length = chars[at..].iter().take_while(|character| character.is_alphanumeric() || **character == '_').count();
    at + length.max(1)
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|character| **character != '\n').count()
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn end_of_text(chars: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// Behind a character such as `'x'`, or behind the quote alone where it begins a lifetime.
fn end_of_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = chars.iter().skip(at + 3).take_while(|character| **character != '\'').count();
            (at + 4 + rest).min(chars.len())
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// The place behind a text with a prefix, such as `r#"…"#`, `b"…"` or `br"…"`; none if `at` begins a name.
fn end_of_raw_text(chars: &[char], at: usize) -> Option<usize> {
    let prefix = chars[at..].iter().take_while(|character| matches!(character, 'r' | 'b' | 'c')).count();
    if prefix == 0 || prefix > 2 {
        return None;
    }
    let raw = chars[at..at + prefix].contains(&'r');
    let hashes = chars[at + prefix..].iter().take_while(|character| **character == '#').count();
    let open = at + prefix + hashes;
    if chars.get(open) != Some(&'"') || (hashes > 0 && !raw) {
        return None;
    }
    if !raw {
        return Some(end_of_text(chars, open));
    }
    let closes = |place: &usize| {
        chars[*place] == '"' && chars[place + 1..].iter().take(hashes).filter(|hash| **hash == '#').count() == hashes
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |place| place + 1 + hashes))
}

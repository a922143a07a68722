//! What a demonstration shows: lines that stay, and one line at the bottom that changes.

use std::io::{self, IsTerminal as _};

use serde_json::{Value, json};

use crate::output;

/// How the output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Terminal,
    File,
    Program,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    reader: Reader,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let reader = match (json, io::stdout().is_terminal()) {
            (true, _) => Reader::Program,
            (false, true) => Reader::Terminal,
            (false, false) => Reader::File,
        };
        Self { reader }
    }

    /// Says something that stays. `fields` are for programs, and `text` is for people.
    pub(crate) fn say(self, event: &str, fields: Value, text: &str) -> io::Result<()> {
        match self.reader {
            Reader::Program => output::text(&format!("{}\n", with_event(event, fields))),
            // Over the line that changes, which is drawn anew by whoever draws it.
            Reader::Terminal => output::text(&format!("\r\u{1b}[2K{text}\n")),
            Reader::File => output::text(&format!("{text}\n")),
        }
    }

    /// Says how it stands.
    pub(crate) fn status(self, event: &str, fields: Value, text: &str) -> io::Result<()> {
        match self.reader {
            Reader::Terminal => output::text(&format!("\r\u{1b}[2K{text}")),
            Reader::Program | Reader::File => self.say(event, fields, text),
        }
    }
}

fn with_event(event: &str, fields: Value) -> Value {
    let mut line = json!({"event": event});
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    line
}

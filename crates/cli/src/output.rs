//! Output for people (aligned tables) and for programs (JSON as it is).

use std::io::{self, Write as _};

/// Writes a line to standard output at once.
pub(crate) fn line(text: &str) -> io::Result<()> {
    self::text(&format!("{text}\n"))
}

/// Writes text that has its own line ends.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Text from a client as a terminal may show it: nothing in it moves the cursor or turns the writing direction.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if hidden(character) { '\u{fffd}' } else { character }).collect()
}

/// Rows under headings, each column as wide as its widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let shown = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(shown).collect()
    }
}

/// An age or a wait, as short as it can be said: `12 ms`, `3.4 s`, `5 min`, `2 h`.
pub(crate) fn time(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["ID", "NAME", "NODE"]);
        table.row(["s1".to_owned(), "Gewächshaus".to_owned(), "a".to_owned()]);
        table.row(["sensor-2".to_owned(), String::new(), "b".to_owned()]);
        let lines = table.lines();
        assert_eq!(lines, ["ID        NAME         NODE", "s1        Gewächshaus  a", "sensor-2               b"]);
    }

    #[test]
    fn what_a_client_wrote_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn times_are_short() {
        let shown: Vec<String> = [12, 3_450, 61_000, 7_200_000].into_iter().map(time).collect();
        assert_eq!(shown, ["12 ms", "3.4 s", "1 min", "2 h"]);
    }
}

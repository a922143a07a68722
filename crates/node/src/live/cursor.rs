//! Where a subscriber stands: what it has been told, in a form that any node understands.

use std::fmt;
use std::str::FromStr;

use sensocto_model::{FieldError, Origin, Version};
use sensocto_registry::Mark;

use crate::marks::{mark_text, parse_mark};
use crate::world::World;

/// Marks in one cursor: those of as many nodes as a cluster may have.
const MARKS_MAX: usize = 1_024;

/// Names the last thing that a subscriber was told.
///
/// On the node that told it, it is the place in what that node told. On any other one it is how far each node's log had been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCursor {
    /// The node that told it.
    pub told_by: Origin,
    /// The number of its world.
    pub seq: u64,
    /// How far it had seen the log of each node.
    pub marks: Vec<Mark>,
    /// Stands for the window as the subscriber has it, where it is of rooms: those are in no log.
    pub digest: Option<u64>,
}

impl LiveCursor {
    /// What a cursor may be.
    pub const ALLOWED: &'static str = "the `resume` of a message of the same list";

    pub(super) fn new(told_by: &Origin, seq: u64, world: &World, digest: Option<u64>) -> LiveCursor {
        let mark =
            |node: &sensocto_registry::NodeView| Mark { origin: Origin::clone(&node.origin), version: node.version };
        LiveCursor { told_by: told_by.clone(), seq, marks: world.view.nodes().values().map(mark).collect(), digest }
    }
}

impl fmt::Display for LiveCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&mark_text(&Mark { origin: self.told_by.clone(), version: Version(self.seq) }))?;
        for (number, mark) in self.marks.iter().enumerate() {
            formatter.write_str(if number == 0 { ";" } else { "," })?;
            formatter.write_str(&mark_text(mark))?;
        }
        self.digest.map_or(Ok(()), |digest| write!(formatter, ";{digest:016x}"))
    }
}

impl FromStr for LiveCursor {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<LiveCursor, FieldError> {
        let error = FieldError { field: "resume", allowed: LiveCursor::ALLOWED };
        let (told, marks) = text.split_once(';').ok_or(error)?;
        let told = parse_mark(told).map_err(|_| error)?;
        let (marks, digest) = match marks.split_once(';') {
            Some((marks, digest)) => (marks, Some(u64::from_str_radix(digest, 16).map_err(|_| error)?)),
            None => (marks, None),
        };
        let marks = marks.split(',').take(MARKS_MAX + 1).map(parse_mark).collect::<Result<Vec<Mark>, _>>();
        let marks = marks.ok().filter(|marks| marks.len() <= MARKS_MAX).ok_or(error)?;
        Ok(LiveCursor { told_by: told.origin, seq: told.version.0, marks, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let text = "a.1@17:5;a.1@17:3,b@9:8";
        let cursor: LiveCursor = text.parse().expect("a cursor");
        assert_eq!((cursor.to_string().as_str(), cursor.seq, cursor.marks.len()), (text, 5, 2));
        let text = "a@17:5;a@17:3;00000000000000ff";
        let cursor: LiveCursor = text.parse().expect("a cursor");
        assert_eq!((cursor.to_string().as_str(), cursor.digest), (text, Some(255)));
        let many = vec!["a@1:1"; MARKS_MAX + 1].join(",");
        for wrong in [
            "",
            "a@1:1",
            "a@1:1;",
            ";a@1:1",
            "17.5",
            "a@1:1;b",
            "a@1:1;a@1:1;",
            "a@1:1;a@1:1;x",
            "a@1:1;a@1:1;1;1",
            &format!("a@1:1;{many}"),
        ] {
            assert_eq!(wrong.parse::<LiveCursor>().expect_err("refused").field, "resume", "{wrong}");
        }
    }
}

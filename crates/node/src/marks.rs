//! Marks: a read waits until this node has seen a write that another one made.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sensocto_model::{FieldError, Generation, NodeName, Origin, Version};
use sensocto_registry::Mark;

use crate::handle::Handle;
use crate::world::{Next, World};

/// How far ahead of this node's wall clock the generation of a mark may be. Generations are times of starts.
const GENERATION_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The rule of a mark's text.
pub const MARK_ALLOWED: &str = "NODE@GENERATION:VERSION as a node gave it";

/// A mark as a text.
#[must_use]
pub fn mark_text(mark: &Mark) -> String {
    format!("{}@{}:{}", mark.origin.node, mark.origin.generation.0, mark.version.0)
}

/// Reads a mark.
///
/// # Errors
/// Names `at_least` and what a mark is.
pub fn parse_mark(text: &str) -> Result<Mark, FieldError> {
    let error = FieldError { field: "at_least", allowed: MARK_ALLOWED };
    let (origin, version) = text.rsplit_once(':').ok_or(error)?;
    let (node, generation) = origin.rsplit_once('@').ok_or(error)?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        u64::from_str(text).ok().filter(|_| digits).ok_or(error)
    };
    let origin = Origin { node: NodeName::new(node).map_err(|_| error)?, generation: Generation(number(generation)?) };
    Ok(Mark { origin, version: Version(number(version)?) })
}

/// Why a read at a mark was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkError {
    /// No node of this name is known.
    UnknownNode(NodeName),
    /// Nobody can have given this mark yet.
    FromTheFuture(Mark),
    /// This node's copy did not get there in time.
    TimedOut {
        /// What was waited for.
        mark: Mark,
        /// Where the copy stands.
        stands: Mark,
    },
    /// The node is stopping.
    Stopping,
}

impl fmt::Display for MarkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MarkError::UnknownNode(node) => write!(formatter, "no node named {node} is known here"),
            MarkError::FromTheFuture(mark) => write!(formatter, "{} was given by nobody yet", mark_text(mark)),
            MarkError::TimedOut { mark, stands } => {
                write!(formatter, "this node's copy stands at {}, not yet at {}", mark_text(stands), mark_text(mark))
            }
            MarkError::Stopping => formatter.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for MarkError {}

impl Handle {
    /// The mark of this node's last change: whoever reaches it has seen all that this node wrote so far.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let (me, world) = (self.me(), self.world());
        world.view.nodes().get(&me.node).map_or_else(
            || Mark { origin: me.clone(), version: Version::ZERO },
            |node| Mark { origin: Origin::clone(&node.origin), version: node.version },
        )
    }

    /// Where this node's copies of all logs stand, its own included, in the order of the nodes' names.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let world = self.world();
        let mark =
            |node: &sensocto_registry::NodeView| Mark { origin: Origin::clone(&node.origin), version: node.version };
        world.view.nodes().values().map(mark).collect()
    }

    /// Waits until this node's world has all of some marks, without looking again and again: each new world is looked at once.
    ///
    /// # Errors
    /// A mark can never be reached, or was not in time.
    pub async fn reach(&self, marks: &[Mark], timeout: Duration) -> Result<(), MarkError> {
        if self.missing(&self.world(), marks)?.is_none() {
            return Ok(());
        }
        let waited = tokio::time::timeout(timeout, self.follow_to(marks)).await;
        match waited {
            Ok(reached) => reached,
            Err(_) => match self.missing(&self.world(), marks)? {
                None => Ok(()),
                Some((mark, stands)) => Err(MarkError::TimedOut { mark, stands }),
            },
        }
    }

    async fn follow_to(&self, marks: &[Mark]) -> Result<(), MarkError> {
        let mut subscription = self.subscribe();
        loop {
            if self.missing(subscription.world(), marks)?.is_none() {
                return Ok(());
            }
            if matches!(self.next(&mut subscription).await, Next::Closed) {
                return Err(MarkError::Stopping);
            }
        }
    }

    /// The first mark that a world has not reached, and where the copy stands.
    fn missing(&self, world: &World, marks: &[Mark]) -> Result<Option<(Mark, Mark)>, MarkError> {
        for mark in marks {
            let node = world.view.nodes().get(&mark.origin.node);
            let node = node.ok_or_else(|| MarkError::UnknownNode(mark.origin.node.clone()))?;
            let stands = Mark { origin: Origin::clone(&node.origin), version: node.version };
            let (is, wanted) = (stands.origin.generation, mark.origin.generation);
            let mine = self.me().node == stands.origin.node;
            // A process that goes on under a later generation goes on with the log that it had.
            let same_log = wanted == is || wanted == node.born;
            let latest = self.clock().now().wall_ms.saturating_add(GENERATION_AHEAD_MS_MAX);
            let future = (mine && (wanted > is || (same_log && mark.version > stands.version)))
                || (wanted > is && wanted.0 > latest)
                || !mark.version.is_plausible();
            if future {
                return Err(MarkError::FromTheFuture(mark.clone()));
            }
            // What an earlier start wrote is gone, or was written again by the present one.
            let reached = if same_log { stands.version >= mark.version } else { is > wanted };
            if !reached {
                return Ok(Some((mark.clone(), stands)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for text in ["a@1767000000000:17", "node-1.eu@1:0"] {
            assert_eq!(mark_text(&parse_mark(text).expect("a mark")), text);
        }
        for wrong in
            ["", "a", "a@1", "a:1", "a@:1", "a@1:", "a@-1:2", "a@1:+2", "@1:2", "a b@1:2", "a@1:99999999999999999999"]
        {
            assert_eq!(parse_mark(wrong).expect_err("refused").field, "at_least", "{wrong}");
        }
    }
}

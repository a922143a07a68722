//! The heads of runs: where ids lately came in one behind the other.
//!
//! Many senders register runs of ids side by side. A run gets labels in small steps; were each new id put in the middle of its gap, as
//! is right for ids at random, a gap would be used up after 32 of them.

use std::sync::Arc;

use super::table::Label;

/// Runs that are followed at one time; of two that fall on one place the older is forgotten, which costs one halving of its gap.
const PLACES: usize = 4_096;

/// The labels that were given last, each at a place that follows from it. Cloning it copies a pointer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heads(Option<Arc<[u32]>>);

impl Heads {
    /// Where a label would be, and what is written there for it.
    fn place(label: Label) -> (usize, u32) {
        // Fibonacci hashing: the upper bits depend on all of the label.
        let mixed = (label ^ (label >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // 12 bits fit into a usize; the 32 bits below them are the rest, and zero stands for nothing.
        ((mixed >> 52) as usize % PLACES, ((mixed >> 20) as u32).max(1))
    }

    /// Whether a label is a head.
    pub(crate) fn has(&self, label: Label) -> bool {
        let (place, mark) = Heads::place(label);
        self.0.as_ref().is_some_and(|marks| marks[place] == mark)
    }

    /// A run goes on from one label to another, or begins where there is none before.
    pub(crate) fn go_on(&mut self, before: Option<Label>, label: Label) {
        let marks = Arc::make_mut(self.0.get_or_insert_with(|| Arc::from([0; PLACES])));
        if let Some((place, mark)) = before.map(Heads::place)
            && marks[place] == mark
        {
            marks[place] = 0;
        }
        let (place, mark) = Heads::place(label);
        marks[place] = mark;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_head() {
        let mut heads = Heads::default();
        assert!(!heads.has(7));
        heads.go_on(None, 7);
        heads.go_on(Some(7), 8);
        assert_eq!((heads.has(7), heads.has(8)), (false, true));
    }

    #[test]
    fn most_of_many_runs_are_followed_at_one_time() {
        let mut heads = Heads::default();
        (0..256).for_each(|run| heads.go_on(None, run << 40));
        assert!((0..256_u64).filter(|run| heads.has(run << 40)).count() > 230);
    }
}

//! A sorted set that is a value, and takes its changes in batches.
//!
//! It is a B+ tree whose leaves are blocks of just the length that they need. A batch is merged into the blocks that it falls on, each
//! of them once, and everything else is shared with the set as it was: that is what a world costs that is told of many changes at once.

use std::sync::Arc;

/// Bytes of a full leaf. A change copies one leaf, and a page reads them one after the other.
const LEAF_BYTES: usize = 1_024;
/// Children of a full branch.
const BRANCH_MAX: usize = 32;
/// A node with less than this share of a full one is put together with its neighbour.
const SMALL: usize = 4;

/// One change: a line that is to be there, or not.
pub(crate) type Edit<T> = (T, bool);

/// Distinct lines in order. Cloning it copies a pointer.
#[derive(Debug, Clone)]
pub(crate) struct Sorted<T> {
    root: Node<T>,
    len: usize,
}

#[derive(Debug)]
enum Node<T> {
    Leaf(Arc<[T]>),
    Branch(Arc<[Child<T>]>),
}

#[derive(Debug)]
struct Child<T> {
    /// Its last line.
    last: T,
    node: Node<T>,
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Node<T> {
        match self {
            Node::Leaf(lines) => Node::Leaf(Arc::clone(lines)),
            Node::Branch(children) => Node::Branch(Arc::clone(children)),
        }
    }
}

impl<T: Clone> Clone for Child<T> {
    fn clone(&self) -> Child<T> {
        Child { last: self.last.clone(), node: self.node.clone() }
    }
}

impl<T> Node<T> {
    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(lines) => lines.len() * SMALL < leaf_max::<T>(),
            Node::Branch(children) => children.len() * SMALL < BRANCH_MAX,
        }
    }
}

const fn leaf_max<T>() -> usize {
    let lines = LEAF_BYTES / size_of::<T>();
    if lines < 8 { 8 } else { lines }
}

impl<T> Default for Sorted<T> {
    fn default() -> Sorted<T> {
        Sorted { root: Node::Leaf(Arc::from([])), len: 0 }
    }
}

impl<T: Ord + Clone> Sorted<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes in changes. Of several of one line the last one counts.
    pub(crate) fn edit(&mut self, mut edits: Vec<Edit<T>>) {
        // Stable, so that the last change of a line stays the last one.
        edits.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut grown = 0;
        let mut level = Vec::new();
        edit_node(&self.root, &edits, &mut level, &mut grown);
        self.len = self.len.saturating_add_signed(grown);
        // What became of the root may be several nodes, and what stands above them again.
        while level.len() > 1 {
            level = branches(level);
        }
        self.root = level.pop().map_or_else(|| Node::Leaf(Arc::from([])), |only| only.node);
        while let Node::Branch(children) = &self.root
            && let [only] = children.as_ref()
        {
            self.root = only.node.clone();
        }
    }

    /// The lines from the first one on that is not `before` the start.
    pub(crate) fn from(&self, before: impl Fn(&T) -> bool) -> Walk<'_, T> {
        let mut walk = Walk { above: Vec::new(), lines: [].iter() };
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(lines) => {
                    walk.lines = lines[lines.partition_point(before)..].iter();
                    return walk;
                }
                Node::Branch(children) => {
                    let at = children.partition_point(|child| before(&child.last));
                    let Some(child) = children.get(at) else { return walk };
                    walk.above.push(children[at + 1..].iter());
                    node = &child.node;
                }
            }
        }
    }

    /// The lines that are `within` the end, the last one first.
    pub(crate) fn back_from(&self, within: impl Fn(&T) -> bool) -> WalkBack<'_, T> {
        let mut walk = WalkBack { above: Vec::new(), lines: [].iter() };
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(lines) => {
                    walk.lines = lines[..lines.partition_point(within)].iter();
                    return walk;
                }
                Node::Branch(children) => {
                    let at = children.partition_point(|child| within(&child.last));
                    walk.above.push(children[..at].iter());
                    let Some(child) = children.get(at) else { return walk };
                    node = &child.node;
                }
            }
        }
    }

    /// All lines.
    pub(crate) fn iter(&self) -> Walk<'_, T> {
        self.from(|_| false)
    }
}

/// The lines of a set, in order.
pub(crate) struct Walk<'a, T> {
    above: Vec<std::slice::Iter<'a, Child<T>>>,
    lines: std::slice::Iter<'a, T>,
}

impl<'a, T> Iterator for Walk<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(line) = self.lines.next() {
                return Some(line);
            }
            let Some(child) = self.above.last_mut()?.next() else {
                self.above.pop();
                continue;
            };
            match &child.node {
                Node::Leaf(lines) => self.lines = lines.iter(),
                Node::Branch(children) => self.above.push(children.iter()),
            }
        }
    }
}

/// The lines of a set, the last one first.
pub(crate) struct WalkBack<'a, T> {
    above: Vec<std::slice::Iter<'a, Child<T>>>,
    lines: std::slice::Iter<'a, T>,
}

impl<'a, T> Iterator for WalkBack<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(line) = self.lines.next_back() {
                return Some(line);
            }
            let Some(child) = self.above.last_mut()?.next_back() else {
                self.above.pop();
                continue;
            };
            match &child.node {
                Node::Leaf(lines) => self.lines = lines.iter(),
                Node::Branch(children) => self.above.push(children.iter()),
            }
        }
    }
}

/// Adds to `level` what becomes of a node, as nodes of its height.
fn edit_node<T: Ord + Clone>(node: &Node<T>, edits: &[Edit<T>], level: &mut Vec<Child<T>>, grown: &mut isize) {
    match node {
        Node::Leaf(lines) => leaves(&merge(lines, edits, grown), level),
        Node::Branch(children) => {
            let mut edited = Vec::with_capacity(children.len() + 2);
            let mut rest = edits;
            for (at, child) in children.iter().enumerate() {
                // What lies behind the last child is its own.
                let end = if at + 1 == children.len() {
                    rest.len()
                } else {
                    rest.partition_point(|(line, _)| *line <= child.last)
                };
                let (own, others) = rest.split_at(end);
                rest = others;
                if own.is_empty() {
                    edited.push(child.clone());
                } else {
                    edit_node(&child.node, own, &mut edited, grown);
                }
            }
            join_small(&mut edited);
            level.extend(branches(edited));
        }
    }
}

/// The lines of a leaf with the changes made.
fn merge<T: Ord + Clone>(lines: &[T], edits: &[Edit<T>], grown: &mut isize) -> Vec<T> {
    let mut merged = Vec::with_capacity(lines.len() + edits.len());
    let mut rest = lines;
    for (at, (line, there)) in edits.iter().enumerate() {
        if edits.get(at + 1).is_some_and(|(next, _)| next == line) {
            continue;
        }
        let before = match rest.first() {
            // Changes often come in runs, behind everything or one next to the other.
            Some(first) if first < line => rest.partition_point(|other| other < line),
            Some(_) | None => 0,
        };
        merged.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        let was = rest.first().is_some_and(|first| first == line);
        if was {
            rest = &rest[1..];
        }
        if *there {
            merged.push(line.clone());
        }
        *grown += isize::from(*there) - isize::from(was);
    }
    merged.extend_from_slice(rest);
    merged
}

/// Adds lines to `level`, in as few leaves as they need, which are of about one length.
fn leaves<T: Clone>(lines: &[T], level: &mut Vec<Child<T>>) {
    let count = lines.len().div_ceil(leaf_max::<T>());
    for part in lines.chunks(lines.len().div_ceil(count.max(1)).max(1)) {
        if let Some(last) = part.last() {
            level.push(Child { last: last.clone(), node: Node::Leaf(Arc::from(part)) });
        }
    }
}

/// The nodes above a level, as few as it needs.
fn branches<T: Clone>(level: Vec<Child<T>>) -> Vec<Child<T>> {
    let count = level.len().div_ceil(BRANCH_MAX);
    let each = level.len().div_ceil(count.max(1)).max(1);
    let mut above = Vec::with_capacity(count);
    let mut rest = level.into_iter();
    loop {
        let part: Arc<[Child<T>]> = rest.by_ref().take(each).collect();
        let Some(last) = part.last().map(|child| child.last.clone()) else { return above };
        above.push(Child { last, node: Node::Branch(part) });
    }
}

/// Puts small nodes of one height together with their neighbours.
fn join_small<T: Clone>(level: &mut Vec<Child<T>>) {
    if level.len() < 2 || !level.iter().any(|child| child.node.is_small()) {
        return;
    }
    let mut joined: Vec<Child<T>> = Vec::with_capacity(level.len());
    for child in level.drain(..) {
        let apart = joined.last().is_none_or(|before| !before.node.is_small() && !child.node.is_small());
        let before = if apart { None } else { joined.pop() };
        let Some(before) = before else {
            joined.push(child);
            continue;
        };
        match (before.node, child.node) {
            (Node::Leaf(one), Node::Leaf(other)) => {
                leaves(&one.iter().chain(other.iter()).cloned().collect::<Vec<T>>(), &mut joined);
            }
            (Node::Branch(one), Node::Branch(other)) => {
                joined.extend(branches(one.iter().chain(other.iter()).cloned().collect()));
            }
            // All nodes of one level have one height.
            (one, other) => {
                joined.push(Child { last: before.last, node: one });
                joined.push(Child { last: child.last, node: other });
            }
        }
    }
    *level = joined;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The height of a tree, whose nodes are sorted, not empty, and no longer than they may be.
    fn check<T: Ord + Clone + std::fmt::Debug>(node: &Node<T>, is_root: bool) -> usize {
        match node {
            Node::Leaf(lines) => {
                assert!((is_root || !lines.is_empty()) && lines.len() <= leaf_max::<T>());
                assert!(lines.is_sorted_by(|one, other| one < other));
                0
            }
            Node::Branch(children) => {
                assert!(!children.is_empty() && (!is_root || children.len() > 1) && children.len() <= BRANCH_MAX);
                assert!(children.is_sorted_by(|one, other| one.last < other.last));
                let heights: BTreeSet<usize> = children.iter().map(|child| check(&child.node, false)).collect();
                assert_eq!(heights.len(), 1, "all leaves are at one height");
                heights.first().copied().unwrap_or_default() + 1
            }
        }
    }

    fn blocks<T>(node: &Node<T>) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Branch(children) => children.iter().map(|child| blocks(&child.node)).sum(),
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_the_changes_left_whatever_their_batches(
            batches in proptest::collection::vec(
                proptest::collection::vec((0_u16..3_000, any::<bool>()), 0..2_000), 0..8),
            from in 0_u16..3_000,
        ) {
            let (mut set, mut model) = (Sorted::default(), BTreeSet::new());
            for batch in batches {
                for (line, there) in &batch {
                    if *there { model.insert(*line); } else { model.remove(line); }
                }
                let before = set.clone();
                let held: Vec<u16> = before.iter().copied().collect();
                set.edit(batch);
                check(&set.root, true);
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(before.iter().eq(held.iter()), "a clone stays as it was");
            }
            prop_assert!(set.iter().eq(model.iter()));
            prop_assert!(set.from(|line| *line < from).eq(model.range(from..)));
            prop_assert!(set.from(|line| *line <= from).eq(model.range(from + 1..)));
            prop_assert!(set.back_from(|line| *line < from).eq(model.range(..from).rev()));
            prop_assert!(set.back_from(|_| true).eq(model.iter().rev()));
        }
    }

    #[test]
    fn many_lines_make_a_tree_and_their_removal_makes_it_small_again() {
        let mut set = Sorted::default();
        for batch in 0..100_u64 {
            set.edit((0..1_000).map(|line| (line * 100 + batch, true)).collect());
        }
        assert_eq!((set.len(), check(&set.root, true) >= 2), (100_000, true));
        assert!(blocks(&set.root) <= 100_000 / leaf_max::<u64>() * 5 / 2, "{} blocks", blocks(&set.root));
        for line in 0..99_990_u64 {
            set.edit(vec![(line, false)]);
        }
        check(&set.root, true);
        assert!(set.iter().copied().eq(99_990..100_000));
        assert!(blocks(&set.root) <= 2, "{} blocks", blocks(&set.root));
        set.edit((0..100_000).map(|line| (line, false)).collect());
        assert_eq!((set.len(), set.iter().count()), (0, 0));
    }
}

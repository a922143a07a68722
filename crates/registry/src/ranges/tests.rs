use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::log::OriginLog;
use crate::message::{self, Ask, Message, Want};
use crate::replica::{ChunkStatus, Replica};
use crate::testing::{key, limits, origin, sensor, stamp};

fn put(log: &mut OriginLog, id: usize, name: &str) {
    let at = log.version().0 + 1;
    log.put(key(&format!("s{id:05}")), sensor(&format!("s{id:05}"), name), stamp(at));
}

fn log_of(entries: usize) -> OriginLog {
    let mut log = OriginLog::default();
    (0..entries).for_each(|id| put(&mut log, id, "x"));
    log
}

fn parts(log: &OriginLog, ranges: Vec<Range>) -> Vec<(usize, Part)> {
    let ask = Ask { id: 1, origin: origin("a", 1), want: Want::Ranges(ranges) };
    let of = |frame: Vec<u8>| match message::decode(&frame) {
        Ok((_, Message::Part(part))) => (frame.len(), part),
        other => panic!("no part: {other:?}"),
    };
    Answer::from_origin(origin("a", 1), ask, log, limits(48 * 1024)).map(of).collect()
}

/// A copy of a whole log.
fn copy_of(log: &OriginLog) -> Replica {
    let ask = Ask { id: 1, origin: origin("a", 1), want: Want::Whole };
    let mut replica = Replica::default();
    for frame in Answer::from_origin(origin("a", 1), ask, log, limits(48 * 1024)) {
        let Ok((_, Message::Chunk(chunk))) = message::decode(&frame) else { panic!("no chunk") };
        replica.apply_chunk(chunk, None, &mut Vec::new());
    }
    replica
}

/// What it took: bytes, questions, and how it ended.
struct Course {
    bytes: usize,
    questions: usize,
    changes: usize,
    end: ChunkStatus,
}

/// Compares a copy with what a log is at each question.
fn mend(replica: &mut Replica, mut log_at: impl FnMut(usize) -> OriginLog) -> Course {
    let mut course = Course { bytes: 0, questions: 0, changes: 0, end: ChunkStatus::Kept };
    replica.start_mending();
    let mut ranges = vec![Range::ALL];
    while !ranges.is_empty() {
        for (bytes, part) in parts(&log_at(course.questions), ranges) {
            course.bytes += bytes;
            if let Err(reason) = replica.apply_part(part) {
                course.end = ChunkStatus::Refused(reason);
                return course;
            }
        }
        course.questions += 1;
        ranges = replica.next_ranges().expect("every range was answered");
    }
    let mut changes = Vec::new();
    course.end = replica.finish_mending(Some(Version::LIMIT), &mut changes);
    course.changes = changes.len();
    course
}

#[test]
fn one_entry_that_differs_is_found_and_nothing_else_is_sent() {
    let log = log_of(20_000);
    let mut wrong = log.clone();
    put(&mut wrong, 7_777, "other");
    let mut replica = copy_of(&wrong);
    let course = mend(&mut replica, |_| log.clone());
    assert_eq!((course.end, course.changes), (ChunkStatus::Replaced, 1));
    assert_eq!(
        (replica.entries().sets(), replica.version(), replica.is_settled()),
        (log.entries().sets(), log.version(), true)
    );
    assert!(course.bytes < 6_000 && course.questions <= 5, "{} bytes, {} questions", course.bytes, course.questions);
}

#[test]
fn a_copy_that_lacks_too_much_is_not_compared_for_long() {
    let log = log_of(5_000);
    let mut other = OriginLog::default();
    (0..4_000).for_each(|id| put(&mut other, id, "other"));
    let course = mend(&mut copy_of(&other), |_| log.clone());
    assert_eq!(course.end, ChunkStatus::Refused("ranges_too_many"));
    let course = mend(&mut copy_of(&log_of(2_000)), |_| log.clone());
    assert_eq!((course.end, course.questions), (ChunkStatus::Refused("copy_too_small"), 0));
}

#[test]
fn a_log_that_goes_on_while_it_is_compared_leaves_a_copy_that_its_deltas_complete() {
    let log = log_of(1_000);
    let mut wrong = log.clone();
    (0..3).for_each(|number| put(&mut wrong, 100 + number * 300, "other"));
    let mut replica = copy_of(&wrong);
    let mut later = log.clone();
    (0..10).for_each(|number| put(&mut later, number * 100, "later"));
    let course = mend(&mut replica, |question| if question == 0 { log.clone() } else { later.clone() });
    assert_eq!(course.end, ChunkStatus::Replaced);
    assert_eq!((replica.version(), replica.is_settled()), (log.version(), false));
    let rest = later.delta(log.version(), 1 << 20).expect("it went on");
    replica.apply_delta(rest, &mut Vec::new());
    assert_eq!((replica.entries().sets(), replica.is_settled()), (later.entries().sets(), true));
}

#[test]
fn parts_that_say_what_no_log_says_end_the_comparison_and_change_nothing() {
    let log = log_of(1_000);
    let honest = || parts(&log, vec![Range::ALL]).remove(0).1;
    let pieces = |change: &dyn Fn(&mut Vec<Piece>)| {
        let mut part = honest();
        let Content::Pieces(pieces) = &mut part.content else { panic!("a large range is described by pieces") };
        change(pieces);
        part
    };
    let entry = crate::testing::put("s1", "x", 2_000);
    let cases = [
        ("pieces_wrong", pieces(&|pieces| pieces.truncate(1))),
        ("pieces_wrong", pieces(&|pieces| pieces.swap(0, 1))),
        ("pieces_wrong", pieces(&|pieces| pieces[3].to = None)),
        ("pieces_wrong", pieces(&|pieces| pieces.extend(pieces.clone()))),
        ("range_unasked", Part { range: Range { after: Some(key("s1")), to: None }, ..honest() }),
        ("version_implausible", Part { upto: Version(u64::MAX), ..honest() }),
        ("version_outside_delta", Part { content: Content::Entries { puts: vec![entry], moved: vec![] }, ..honest() }),
        ("copy_too_small", pieces(&|pieces| pieces[0].set.count = u64::MAX)),
    ];
    for (reason, part) in cases {
        let mut replica = copy_of(&log);
        replica.start_mending();
        assert_eq!(replica.apply_part(part), Err(reason));
        assert_eq!(replica.next_ranges(), None);
        assert_eq!(replica.entries().sets(), log.entries().sets());
    }
}

#[test]
fn ranges_that_do_not_add_up_change_nothing() {
    let log = log_of(10);
    let mut replica = copy_of(&log_of(9));
    let mut part = parts(&log, vec![Range::ALL]).remove(0).1;
    part.sets = Sets::default();
    replica.start_mending();
    assert_eq!(replica.apply_part(part), Ok(()));
    assert_eq!(replica.next_ranges(), Some(vec![]));
    assert_eq!(replica.finish_mending(None, &mut Vec::new()), ChunkStatus::Refused("ranges_do_not_add_up"));
    assert_eq!(replica.entries().len(), 9);
}

#[test]
fn a_copy_goes_back_only_where_its_origin_was_asked_by_the_copy_as_it_stands() {
    let old = log_of(10);
    let mut new = old.clone();
    put(&mut new, 3, "new");
    for (stood, end) in [(None, ChunkStatus::Older), (Some(10), ChunkStatus::Older), (Some(11), ChunkStatus::Replaced)]
    {
        let mut replica = copy_of(&new);
        replica.start_mending();
        assert_eq!(replica.apply_part(parts(&old, vec![Range::ALL]).remove(0).1), Ok(()));
        assert_eq!(replica.next_ranges(), Some(vec![]));
        assert_eq!(replica.finish_mending(stood.map(Version), &mut Vec::new()), end, "{stood:?}");
    }
}

mod laws {
    use super::*;

    proptest! {
        #[test]
        fn comparing_ranges_reaches_the_log_from_any_copy(
            ours in prop::collection::vec((0_usize..600, any::<bool>()), 0..60),
            theirs in prop::collection::vec((0_usize..600, any::<bool>()), 0..60),
            entries in 0_usize..600,
        ) {
            let base = log_of(entries);
            let with = |changes: &[(usize, bool)], name| {
                let mut log = base.clone();
                for (id, there) in changes {
                    if *there { put(&mut log, *id, name) } else { log.remove(&key(&format!("s{id:05}")), None); }
                }
                log
            };
            let (mine, log) = (with(&ours, "mine"), with(&theirs, "theirs"));
            let mut replica = copy_of(&mine);
            let course = mend(&mut replica, |_| log.clone());
            match course.end {
                ChunkStatus::Replaced => prop_assert_eq!(replica.entries().sets(), log.entries().sets()),
                // It lacks too much of the log for that: nothing has changed.
                ChunkStatus::Refused("ranges_too_many" | "copy_too_small") => {
                    prop_assert_eq!(replica.entries().sets(), mine.entries().sets());
                }
                ChunkStatus::Kept | ChunkStatus::Older | ChunkStatus::Refused(_) => prop_assert!(false, "{:?}", course.end),
            }
        }
    }
}

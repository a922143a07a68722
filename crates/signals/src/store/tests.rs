use proptest::prelude::*;

use super::*;
use crate::Level;

fn id(text: &str) -> AttributeId {
    AttributeId::new(text).unwrap()
}

fn sample(number: u64) -> Sample {
    Sample::new(&number.to_string(), "0")
}

fn push(store: &mut Store, attribute: &str, number: u64) {
    assert_eq!(store.push(&id(attribute), sample(number), LoadLevel::Normal, STORE_BYTES_MAX), Pushed::Kept);
}

fn all() -> Interest {
    Interest::whole(Level::High)
}

fn due(mode: Mode) -> Due {
    Due::all(mode)
}

fn payloads(samples: &[Sample]) -> Vec<String> {
    samples.iter().map(|sample| sample.payload().to_owned()).collect()
}

#[test]
fn a_reader_gets_the_latest_and_every_sample_of_waveforms() {
    let mut store = Store::new(1);
    let mut cursor = Cursor::default();
    for number in 0..3 {
        push(&mut store, "celsius", number);
        push(&mut store, "ecg", number);
    }
    let read = store.read(&mut cursor, &all(), due(Mode::Batch));
    assert_eq!(read[0], (id("celsius"), Picked::Latest(sample(2))));
    assert_eq!(read[1], (id("ecg"), Picked::Every(vec![sample(0), sample(1), sample(2)])));
    assert!(store.read(&mut cursor, &all(), due(Mode::Batch)).is_empty());
}

#[test]
fn recent_samples_are_not_told_again() {
    let mut store = Store::new(1);
    let mut cursor = Cursor::default();
    (0..50).for_each(|number| push(&mut store, "temperature", number));
    let recent = store.recent(&mut cursor, &all(), 100);
    assert_eq!(payloads(&recent[0].1), (30..50).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(store.read(&mut cursor, &all(), due(Mode::Batch)).is_empty());
    push(&mut store, "temperature", 50);
    assert_eq!(store.read(&mut cursor, &all(), due(Mode::Batch)).len(), 1);
}

#[test]
fn an_attribute_that_is_new_is_told_with_its_recent_samples() {
    let mut store = Store::new(1);
    let mut cursor = Cursor::default();
    push(&mut store, "hr", 1);
    assert_eq!(store.recent(&mut cursor, &all(), 10).len(), 1);
    push(&mut store, "hr", 2);
    push(&mut store, "ecg", 3);
    let recent = store.recent(&mut cursor, &all(), 10);
    assert_eq!(recent, [(id("ecg"), vec![sample(3)])]);
    assert_eq!(store.read(&mut cursor, &all(), due(Mode::Batch)), [(id("hr"), Picked::Latest(sample(2)))]);
    cursor.clear();
    assert_eq!(store.recent(&mut cursor, &all(), 10).len(), 2);
}

#[test]
fn only_what_is_of_interest_is_read() {
    let mut store = Store::new(1);
    push(&mut store, "ecg", 1);
    push(&mut store, "hr", 1);
    let interest = Interest::attribute(id("ecg"), Level::Low);
    let read = store.read(&mut Cursor::default(), &interest, due(Mode::Batch));
    assert_eq!(read.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ecg"]);
}

#[test]
fn a_late_reader_of_an_overrun_store_knows_how_many_came() {
    let mut store = Store::new(1);
    let mut cursor = Cursor::default();
    (0..100).for_each(|number| push(&mut store, "spo2", number));
    let read = store.read(&mut cursor, &all(), due(Mode::Digest));
    let Picked::Digest(digest) = &read[0].1 else { panic!("{read:?}") };
    assert_eq!(digest.count, 100);
    assert_eq!(digest.numbers.map(|numbers| (numbers.min, numbers.max)), Some((80.0, 99.0)));
}

#[test]
fn a_new_registration_is_read_from_its_beginning() {
    let mut store = Store::new(1);
    let mut cursor = Cursor::default();
    (0..9).for_each(|number| push(&mut store, "hr", number));
    store.read(&mut cursor, &all(), due(Mode::Batch));
    let mut store = Store::new(2);
    push(&mut store, "hr", 100);
    assert_eq!(store.read(&mut cursor, &all(), due(Mode::Batch)), [(id("hr"), Picked::Latest(sample(100)))]);
}

#[test]
fn a_store_stays_within_its_bytes_and_keeps_the_last_of_each() {
    let mut store = Store::new(1);
    let long = "1".repeat(8_000);
    for number in 0..40 {
        for attribute in ["a", "b", "c"] {
            store.push(&id(attribute), Sample::new(&long, &number.to_string()), LoadLevel::Normal, 64 * 1024);
            assert!(store.bytes() <= 64 * 1024, "{}", store.bytes());
        }
    }
    let last: Vec<&str> = store.latest().map(|(_, sample)| sample.timestamp()).collect();
    assert_eq!(last, ["39", "39", "39"]);
    store.push(&id("a"), Sample::new(&long, "40"), LoadLevel::Normal, 1);
    assert_eq!(store.latest().count(), 3);
}

#[test]
fn a_sensor_has_at_most_its_attributes() {
    let mut store = Store::new(1);
    (0..64).for_each(|number| push(&mut store, &format!("a{number}"), 0));
    let pushed = store.push(&id("b"), sample(0), LoadLevel::Normal, STORE_BYTES_MAX);
    assert_eq!(pushed, Pushed::TooManyAttributes);
}

proptest! {
    /// Stretches may be lost, doubled or late: what arrives is in order, without repetition, and the end is the same.
    #[test]
    fn a_copy_has_what_arrived_once_and_in_order(
        runs in prop::collection::vec((1..6_u64, any::<bool>(), any::<bool>()), 1..20)
    ) {
        let (mut store, mut copy) = (Store::new(1), Store::new(1));
        let (mut cursor, mut reader) = (Cursor::default(), Cursor::default());
        let mut next = 0;
        let mut seen: Vec<u64> = Vec::new();
        for (count, lost, doubled) in runs {
            for _ in 0..count {
                push(&mut store, "ecg", next);
                next += 1;
            }
            let read = store.read_stretches(&mut cursor, &all(), due(Mode::Batch));
            if lost {
                cursor.step_back();
                continue;
            }
            for _ in 0..=u8::from(doubled) {
                for (attribute, stretch) in read.clone() {
                    copy.apply(&attribute, stretch, LoadLevel::Normal, STORE_BYTES_MAX);
                }
            }
            for (_, picked) in copy.read(&mut reader, &all(), due(Mode::Batch)) {
                let Picked::Every(samples) = picked else { panic!("a waveform") };
                seen.extend(samples.iter().map(|sample| sample.payload().parse::<u64>().unwrap()));
            }
        }
        prop_assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
        let read = store.read_stretches(&mut cursor, &all(), due(Mode::Batch));
        for (attribute, stretch) in read {
            copy.apply(&attribute, stretch, LoadLevel::Normal, STORE_BYTES_MAX);
        }
        let last = |store: &Store| store.latest().map(|(_, sample)| sample.payload().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(last(&copy), last(&store));
    }
}

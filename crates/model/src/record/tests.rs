use proptest::prelude::*;

use super::*;
use crate::{Attribute, AttributeId};

fn sensor(id: &str, name: &str) -> Record {
    let attribute = Attribute { attribute_type: "temperature".into(), sampling_rate: Some(1.0) };
    Record::Sensor(Sensor {
        sensor_id: SensorId::new(id).expect("valid"),
        sensor_name: name.into(),
        sensor_type: "temperature".into(),
        connector_id: ConnectorId::new("c1").expect("valid"),
        connector_name: "Pi".into(),
        sampling_rate: 10.0,
        batch_size: 5,
        username: None,
        room_id: None,
        attributes: [(AttributeId::new("celsius").expect("valid"), attribute)].into_iter().collect(),
        registered_at_ms: 1,
    })
}

#[test]
fn a_record_survives_its_bytes() {
    let record = sensor("s1", "Greenhouse");
    assert_eq!(Record::decode(&record.key(), &record.encode(), &mut Interner::default()), Ok(record));
}

#[test]
fn a_record_under_another_key_is_refused() {
    let record = sensor("s1", "Greenhouse");
    let other = sensor("s2", "Greenhouse").key();
    assert_eq!(Record::decode(&other, &record.encode(), &mut Interner::default()), Err(DecodeError::KeyMismatch));
}

#[test]
fn bytes_after_the_end_are_refused() {
    let record = sensor("s1", "Greenhouse");
    let mut bytes = record.encode();
    bytes.push(0);
    assert_eq!(Record::decode(&record.key(), &bytes, &mut Interner::default()), Err(DecodeError::Malformed));
}

#[test]
fn a_record_with_a_field_that_is_not_allowed_is_refused() {
    let record = sensor("s1", "two\nlines");
    let refused = Record::decode(&record.key(), &record.encode(), &mut Interner::default()).expect_err("refused");
    assert!(matches!(refused, DecodeError::Invalid(FieldError { field: "sensor_name", .. })));
}

mod laws {
    use super::*;

    proptest! {
        #[test]
        fn decoding_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let key = sensor("s1", "x").key();
            let _ = Record::decode(&key, &bytes, &mut Interner::default());
        }

        #[test]
        fn decoding_a_damaged_record_never_panics_and_never_invents_a_key(at in 0_usize..60, bit in 0_u8..8) {
            let record = sensor("s1", "Greenhouse");
            let mut bytes = record.encode();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            if let Ok(read) = Record::decode(&record.key(), &bytes, &mut Interner::default()) {
                prop_assert_eq!(read.key(), record.key());
            }
        }
    }
}

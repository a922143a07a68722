//! Laws of decoding and encoding, over generated messages.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::Json;

/// Strings that need escapes, several bytes a character, or nothing special. Never empty: a binary frame cannot tell an
/// empty ref from none.
fn word() -> impl Strategy<Value = String> {
    "[a-z0-9:\"\\\\\n\u{1}éß漢🌍]{1,20}"
}

fn json() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::empty()),
        word().prop_map(|word| Json::reason(&word)),
        vec(any::<i32>(), 0..5).prop_map(|numbers| Json::of(&numbers)),
    ]
}

fn vsn() -> impl Strategy<Value = Vsn> {
    prop_oneof![Just(Vsn::V1), Just(Vsn::V2)]
}

/// The payload's owner: JSON, or bytes.
#[derive(Debug, Clone)]
enum Carried {
    Json(Json),
    Bytes(Vec<u8>),
}

impl Carried {
    fn as_ref(&self) -> PayloadRef<'_> {
        match self {
            Self::Json(json) => PayloadRef::Json(json.as_raw()),
            Self::Bytes(bytes) => PayloadRef::Binary(bytes),
        }
    }
}

fn carried() -> impl Strategy<Value = Carried> {
    prop_oneof![json().prop_map(Carried::Json), vec(any::<u8>(), 0..40).prop_map(Carried::Bytes)]
}

fn decode_all(vsn: Vsn, bytes: &[u8]) {
    // Only that nothing panics matters: most of these are errors.
    let _ = ClientMessage::decode_binary(vsn, bytes);
    let _ = ServerMessage::decode_binary(vsn, bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = ClientMessage::decode_text(vsn, &text);
    let _ = ServerMessage::decode_text(vsn, &text);
}

fn to_bytes(frame: Frame) -> Vec<u8> {
    match frame {
        Frame::Text(text) => text.into_bytes(),
        Frame::Binary(bytes) => bytes,
    }
}

fn server_message<'a>(
    kind: u8,
    join_ref: &'a Option<String>,
    reference: &'a Option<String>,
    topic: &'a str,
    event: &'a str,
    payload: PayloadRef<'a>,
) -> ServerMessage<'a> {
    let status = if kind.is_multiple_of(2) { Status::Ok } else { Status::Error };
    let (reference, topic, event) =
        (reference.as_deref().map(Cow::Borrowed), Cow::Borrowed(topic), Cow::Borrowed(event));
    let join_ref = join_ref.as_deref().map(Cow::Borrowed);
    match kind % 5 {
        0 => ServerMessage::Reply { join_ref, reference, topic, status, response: payload },
        1 => ServerMessage::Push { join_ref: join_ref.or(Some("j".into())), topic, event, payload },
        2 => ServerMessage::Broadcast { topic, event, payload },
        3 => ServerMessage::Close { join_ref, topic },
        _ => ServerMessage::Crash { join_ref, topic },
    }
}

proptest! {
    #[test]
    fn decoding_any_bytes_never_panics(vsn in vsn(), bytes in vec(any::<u8>(), 0..200)) {
        decode_all(vsn, &bytes);
    }

    #[test]
    fn decoding_a_damaged_frame_never_panics(
        vsn in vsn(),
        (join_ref, reference) in (option::of(word()), option::of(word())),
        (topic, event) in (word(), word()),
        carried in carried(),
        (at, by, cut) in (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()),
    ) {
        let message = ClientMessage {
            join_ref: join_ref.map(Cow::Owned),
            reference: reference.map(Cow::Owned),
            topic: topic.into(),
            event: event.into(),
            payload: carried.as_ref(),
        };
        if let Ok(frame) = message.encode(vsn) {
            let mut bytes = to_bytes(frame);
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= by;
            }
            decode_all(vsn, &bytes);
        }
    }

    #[test]
    fn what_a_client_writes_a_node_reads(
        vsn in vsn(),
        (join_ref, reference) in (option::of(word()), option::of(word())),
        (topic, event) in (word(), word()),
        carried in carried(),
    ) {
        let message = ClientMessage {
            join_ref: join_ref.map(Cow::Owned),
            reference: reference.map(Cow::Owned),
            topic: topic.into(),
            event: event.into(),
            payload: carried.as_ref(),
        };
        match message.encode(vsn) {
            Ok(Frame::Text(text)) => prop_assert_eq!(ClientMessage::decode_text(vsn, &text).unwrap(), message),
            Ok(Frame::Binary(bytes)) => prop_assert_eq!(ClientMessage::decode_binary(vsn, &bytes).unwrap(), message),
            Err(error) => prop_assert_eq!((error, vsn), (EncodeError::BinaryOnV1, Vsn::V1)),
        }
    }

    #[test]
    fn what_a_node_writes_a_v2_client_reads(
        kind in any::<u8>(),
        (join_ref, reference) in (option::of(word()), option::of(word())),
        (topic, event) in (word(), word()),
        carried in carried(),
    ) {
        let message = server_message(kind, &join_ref, &reference, &topic, &event, carried.as_ref());
        match message.encode(Vsn::V2).unwrap() {
            Frame::Text(text) => prop_assert_eq!(ServerMessage::decode_text(Vsn::V2, &text).unwrap(), message),
            Frame::Binary(bytes) => prop_assert_eq!(ServerMessage::decode_binary(Vsn::V2, &bytes).unwrap(), message),
        }
    }

    #[test]
    fn every_text_frame_is_json_that_holds_the_strings(
        vsn in vsn(),
        kind in any::<u8>(),
        (join_ref, reference) in (option::of(word()), option::of(word())),
        (topic, event) in (word(), word()),
        json in json(),
    ) {
        let message = server_message(kind, &join_ref, &reference, &topic, &event, PayloadRef::Json(json.as_raw()));
        let Ok(Frame::Text(text)) = message.encode(vsn) else { panic!("not text") };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let (written_topic, written_event) = match vsn {
            Vsn::V1 => (&value["topic"], &value["event"]),
            Vsn::V2 => (&value[2], &value[3]),
        };
        prop_assert_eq!(written_topic, message.topic());
        prop_assert_eq!(written_event, message.event());
    }

    #[test]
    fn a_decoder_accepts_nothing_that_cannot_be_written_again(text in "[\\[\\]{}\"a-c,:0-9nul\\\\ ]{0,60}") {
        if let Ok(message) = ClientMessage::decode_text(Vsn::V2, &text) {
            prop_assert!(message.encode(Vsn::V2).is_ok());
        }
    }
}

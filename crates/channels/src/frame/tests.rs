use super::*;
use crate::Json;

fn text(frame: Result<Frame, EncodeError>) -> String {
    match frame {
        Ok(Frame::Text(text)) => text,
        other => panic!("not a text frame: {other:?}"),
    }
}

fn bytes(frame: Result<Frame, EncodeError>) -> Vec<u8> {
    match frame {
        Ok(Frame::Binary(bytes)) => bytes,
        other => panic!("not a binary frame: {other:?}"),
    }
}

fn some(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

#[test]
fn a_v2_text_frame_is_an_array_of_five() {
    let message = ClientMessage::decode_text(Vsn::V2, r#"["3","4","room:1","phx_join",{"k":[1, 2]}]"#).unwrap();
    assert_eq!(message.join_ref, some("3"));
    assert_eq!(message.reference, some("4"));
    assert_eq!(message.topic, "room:1");
    assert_eq!(message.event, "phx_join");
    assert!(matches!(message.payload, PayloadRef::Json(raw) if raw.get() == r#"{"k":[1, 2]}"#));
    assert!(matches!(message.topic, Cow::Borrowed(_)), "a string without escapes is not copied");
}

#[test]
fn null_refs_array_payloads_and_further_elements_are_accepted_in_v2() {
    let message = ClientMessage::decode_text(Vsn::V2, r#" [null,null,"t","e",[1],"more",{}] "#).unwrap();
    assert_eq!((message.join_ref, message.reference), (None, None));
    assert!(matches!(message.payload, PayloadRef::Json(raw) if raw.get() == "[1]"));
}

#[test]
fn escapes_are_resolved_and_written_again() {
    let message = ClientMessage::decode_text(Vsn::V2, r#"["\u0031","\"","t\n\u0001é","e\\",null]"#).unwrap();
    assert_eq!(message.join_ref, some("1"));
    assert_eq!(message.reference, some("\""));
    assert_eq!(message.topic, "t\n\u{1}é");
    assert_eq!(message.event, "e\\");
    assert_eq!(text(message.encode(Vsn::V2)), r#"["1","\"","t\n\u0001é","e\\",null]"#);
}

#[test]
fn what_is_not_a_v2_frame_is_an_error_with_a_reason() {
    use DecodeError::{NotJson, Shape};
    for (frame, wanted) in [
        ("", "json"),
        ("[", "json"),
        (r#"["1","2","t","e",{}"#, "json"),
        (r#"["1","2","t","e",{}]x"#, "json"),
        (r#"["1","2","t","e",{a}]"#, "json"),
        (r#"["1","2","t","\ud800",{}]"#, "json"),
        ("[]", "shape"),
        (r#"["1","2","t","e"]"#, "shape"),
        (r#"[1,"2","t","e",{}]"#, "shape"),
        (r#"["1","2",null,"e",{}]"#, "shape"),
        (r#"{"topic":"t","event":"e","payload":{},"ref":"1"}"#, "shape"),
        ("7", "shape"),
    ] {
        let error = ClientMessage::decode_text(Vsn::V2, frame).unwrap_err();
        let got = match error {
            NotJson { .. } => "json",
            Shape { .. } => "shape",
            other => panic!("{frame}: {other:?}"),
        };
        assert_eq!(got, wanted, "{frame}: {error}");
    }
}

#[test]
fn a_v1_frame_is_an_object_with_keys_in_any_order() {
    let frame = r#"{"ref":"2","payload":{"k":1},"topic":"sensocto:sensor:s1","extra":[],"event":"phx_join"}"#;
    let message = ClientMessage::decode_text(Vsn::V1, frame).unwrap();
    assert_eq!(message.topic, "sensocto:sensor:s1");
    assert_eq!(message.event, "phx_join");
    assert_eq!(message.reference, some("2"));
    assert_eq!(message.join_ref, None);
    assert!(matches!(message.payload, PayloadRef::Json(raw) if raw.get() == r#"{"k":1}"#));
}

#[test]
fn a_v1_frame_may_have_a_null_ref_and_a_join_ref_but_lacks_no_key() {
    let frame = r#"{"topic":"t","event":"e","payload":null,"ref":null,"join_ref":"9"}"#;
    let message = ClientMessage::decode_text(Vsn::V1, frame).unwrap();
    assert_eq!((message.join_ref, message.reference), (some("9"), None));
    for frame in [
        r#"{"event":"e","payload":{},"ref":"1"}"#,
        r#"{"topic":"t","payload":{},"ref":"1"}"#,
        r#"{"topic":"t","event":"e","ref":"1"}"#,
        r#"{"topic":"t","event":"e","payload":{}}"#,
        r#"["t","e",{},"1"]"#,
    ] {
        let error = ClientMessage::decode_text(Vsn::V1, frame).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. }), "{frame}: {error:?}");
    }
}

#[test]
fn strings_over_their_limit_are_refused() {
    let too_long = |bytes: usize| "x".repeat(bytes);
    for (frame, field, bytes) in [
        (format!(r#"["{}",null,"t","e",{{}}]"#, too_long(256)), Field::JoinRef, 256),
        (format!(r#"[null,"{}","t","e",{{}}]"#, too_long(256)), Field::Ref, 256),
        (format!(r#"[null,null,"{}","e",{{}}]"#, too_long(513)), Field::Topic, 513),
        (format!(r#"[null,null,"t","{}",{{}}]"#, too_long(256)), Field::Event, 256),
    ] {
        assert_eq!(ClientMessage::decode_text(Vsn::V2, &frame), Err(DecodeError::TooLong { field, bytes }));
    }
}

#[test]
fn the_observed_binary_push_of_the_javascript_client_is_read() {
    let mut frame = vec![0x00, 0x01, 0x01, 0x13, 0x03, 0x33, 0x35];
    frame.extend_from_slice(b"sensocto:sensor:js1bin");
    frame.extend_from_slice(&[1, 2, 3]);
    let message = ClientMessage::decode_binary(Vsn::V2, &frame).unwrap();
    assert_eq!(message.join_ref, some("3"));
    assert_eq!(message.reference, some("5"));
    assert_eq!(message.topic, "sensocto:sensor:js1");
    assert_eq!(message.event, "bin");
    assert_eq!(message.payload, PayloadRef::Binary(&[1, 2, 3]));
    assert_eq!(bytes(message.encode(Vsn::V2)), frame);
}

#[test]
fn a_null_ref_is_an_empty_string_in_a_binary_frame() {
    let message = ClientMessage::decode_binary(Vsn::V2, &[0, 0, 0, 1, 1, b't', b'e']).unwrap();
    assert_eq!((message.join_ref, message.reference), (None, None));
    assert_eq!(message.payload, PayloadRef::Binary(&[]));
}

#[test]
fn the_three_binary_kinds_of_a_node_have_their_own_headers() {
    let payload = PayloadRef::Binary(&[7]);
    let push = ServerMessage::Push { join_ref: some("3"), topic: "tt".into(), event: "eee".into(), payload };
    assert_eq!(bytes(push.encode(Vsn::V2)), b"\x00\x01\x02\x033tteee\x07");
    let reply = ServerMessage::Reply {
        join_ref: some("3"),
        reference: some("55"),
        topic: "tt".into(),
        status: Status::Ok,
        response: payload,
    };
    assert_eq!(bytes(reply.encode(Vsn::V2)), b"\x01\x01\x02\x02\x02355ttok\x07");
    let broadcast = ServerMessage::Broadcast { topic: "tt".into(), event: "eee".into(), payload };
    assert_eq!(bytes(broadcast.encode(Vsn::V2)), b"\x02\x02\x03tteee\x07");
    for message in [push, reply, broadcast] {
        let frame = bytes(message.encode(Vsn::V2));
        assert_eq!(ServerMessage::decode_binary(Vsn::V2, &frame).unwrap(), message);
    }
}

#[test]
fn binary_frames_that_no_client_may_send_are_refused() {
    use DecodeError::{BinaryOnV1, NotUtf8, Truncated, UnknownKind};
    let decode = |bytes: &'static [u8]| ClientMessage::decode_binary(Vsn::V2, bytes).unwrap_err();
    assert_eq!(decode(&[]), Truncated);
    assert_eq!(decode(&[0, 0, 0, 1]), Truncated);
    assert_eq!(decode(&[0, 0, 0, 2, 1, b't', b'e']), Truncated);
    assert_eq!(decode(&[0, 0, 0, 1, 1, 0xff, b'e']), NotUtf8 { field: Field::Topic });
    assert_eq!(decode(&[1, 0, 0, 1, 1, b't', b'e']), UnknownKind { kind: 1 });
    assert_eq!(ClientMessage::decode_binary(Vsn::V1, &[0, 0, 0, 1, 1, b't', b'e']), Err(BinaryOnV1));
}

#[test]
fn what_a_binary_header_cannot_say_is_not_written() {
    let payload = PayloadRef::Binary(&[]);
    let topic: Cow<'_, str> = "x".repeat(256).into();
    let message = ServerMessage::Broadcast { topic, event: "e".into(), payload };
    assert_eq!(message.encode(Vsn::V2), Err(EncodeError::TooLong { field: Field::Topic, bytes: 256 }));
    assert_eq!(message.encode(Vsn::V1), Err(EncodeError::BinaryOnV1));
}

#[test]
fn each_message_of_a_node_has_its_text_form_in_both_serializers() {
    let json = Json::of(&[1]);
    let payload = PayloadRef::Json(json.as_raw());
    let topic = || Cow::Borrowed("t");
    let cases = [
        (
            ServerMessage::Reply {
                join_ref: some("1"),
                reference: some("2"),
                topic: topic(),
                status: Status::Error,
                response: payload,
            },
            r#"["1","2","t","phx_reply",{"status":"error","response":[1]}]"#,
            r#"{"topic":"t","event":"phx_reply","payload":{"status":"error","response":[1]},"ref":"2"}"#,
        ),
        (
            ServerMessage::Push { join_ref: some("1"), topic: topic(), event: "e".into(), payload },
            r#"["1",null,"t","e",[1]]"#,
            r#"{"topic":"t","event":"e","payload":[1],"ref":null}"#,
        ),
        (
            ServerMessage::Broadcast { topic: topic(), event: "e".into(), payload },
            r#"[null,null,"t","e",[1]]"#,
            r#"{"topic":"t","event":"e","payload":[1],"ref":null}"#,
        ),
        (
            ServerMessage::Close { join_ref: some("1"), topic: topic() },
            r#"["1","1","t","phx_close",{}]"#,
            r#"{"topic":"t","event":"phx_close","payload":{},"ref":"1"}"#,
        ),
        (
            ServerMessage::Crash { join_ref: None, topic: topic() },
            r#"[null,null,"t","phx_error",{}]"#,
            r#"{"topic":"t","event":"phx_error","payload":{},"ref":null}"#,
        ),
    ];
    for (message, v2, v1) in cases {
        assert_eq!(text(message.encode(Vsn::V2)), v2);
        assert_eq!(text(message.encode(Vsn::V1)), v1);
        assert_eq!(ServerMessage::decode_text(Vsn::V2, v2).unwrap(), message);
    }
}

#[test]
fn a_v1_client_reads_a_broadcast_as_a_push_without_join_ref_and_a_close_by_its_ref() {
    let push = r#"{"topic":"t","event":"e","payload":{},"ref":null}"#;
    assert!(matches!(ServerMessage::decode_text(Vsn::V1, push), Ok(ServerMessage::Push { join_ref: None, .. })));
    let close = r#"{"topic":"t","event":"phx_close","payload":{},"ref":"4"}"#;
    let message = ServerMessage::decode_text(Vsn::V1, close).unwrap();
    assert_eq!(message, ServerMessage::Close { join_ref: some("4"), topic: "t".into() });
}

#[test]
fn a_reply_without_response_has_an_empty_one_and_one_without_status_is_an_error() {
    let frame = r#"["1","2","t","phx_reply",{"status":"ok"}]"#;
    let message = ServerMessage::decode_text(Vsn::V2, frame).unwrap();
    assert!(matches!(message, ServerMessage::Reply { response: PayloadRef::Json(raw), .. } if raw.get() == "{}"));
    let frame = r#"["1","2","t","phx_reply",{"response":{}}]"#;
    assert!(matches!(ServerMessage::decode_text(Vsn::V2, frame), Err(DecodeError::Shape { .. })));
    let frame = r#"["1","2","t","phx_reply",{"status":"maybe"}]"#;
    assert_eq!(ServerMessage::decode_text(Vsn::V2, frame), Err(DecodeError::UnknownStatus));
}

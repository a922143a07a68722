use super::*;

fn socket(vsn: Vsn) -> Socket {
    Socket::new(vsn, Limits::default())
}

fn sent(socket: &mut Socket) -> Vec<String> {
    std::iter::from_fn(|| socket.poll_transmit())
        .map(|frame| match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => format!("{bytes:?}"),
        })
        .collect()
}

fn say(socket: &mut Socket, frame: &str) {
    socket.handle_text(frame).unwrap();
}

fn asked_to_join(socket: &mut Socket) -> (ChannelId, Option<ChannelId>) {
    match socket.poll_request() {
        Some(Request::Join { channel, replaces, .. }) => (channel, replaces),
        other => panic!("not a join: {other:?}"),
    }
}

fn event(socket: &mut Socket) -> (ChannelId, String, ReplyTo) {
    match socket.poll_request() {
        Some(Request::Event { channel, event, reply_to, .. }) => (channel, event, reply_to),
        other => panic!("not an event: {other:?}"),
    }
}

fn no_request(socket: &mut Socket) {
    let request = socket.poll_request();
    assert!(request.is_none(), "{request:?}");
}

/// Joins, accepts, and throws the reply away.
fn join(socket: &mut Socket, frame: &str) -> ChannelId {
    say(socket, frame);
    let (channel, _) = asked_to_join(socket);
    socket.accept(channel, Json::empty());
    sent(socket);
    channel
}

#[test]
fn the_example_session_of_the_protocol_is_spoken_byte_for_byte() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["3","3","room:0b2c","phx_join",{}]"#);
    let (room, replaces) = asked_to_join(&mut socket);
    assert_eq!(replaces, None);
    socket.accept(room, Json::empty());
    #[derive(serde::Serialize)]
    struct State {
        room_id: &'static str,
        sensors: [u8; 0],
        member_count: u8,
    }
    socket.push(room, "room_state", Json::of(&State { room_id: "0b2c", sensors: [], member_count: 1 }));
    say(&mut socket, r#"[null,"4","phoenix","heartbeat",{}]"#);
    say(&mut socket, r#"["3","5","room:0b2c","phx_leave",{}]"#);
    assert!(matches!(socket.poll_request(), Some(Request::Leave { channel }) if channel == room));
    assert_eq!(
        sent(&mut socket),
        [
            r#"["3","3","room:0b2c","phx_reply",{"status":"ok","response":{}}]"#,
            r#"["3",null,"room:0b2c","room_state",{"room_id":"0b2c","sensors":[],"member_count":1}]"#,
            r#"[null,"4","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
            r#"["3","5","room:0b2c","phx_reply",{"status":"ok","response":{}}]"#,
            r#"["3","3","room:0b2c","phx_close",{}]"#,
        ]
    );
}

#[test]
fn refused_joins_say_why_and_an_unmatched_topic_has_no_join_ref() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["7","7","nope:1","phx_join",{}]"#);
    let (channel, _) = asked_to_join(&mut socket);
    socket.refuse_unmatched(channel);
    say(&mut socket, r#"["8","8","sensocto:sensor:s1","phx_join",{"connector_id":"c1"}]"#);
    let (channel, _) = asked_to_join(&mut socket);
    socket.refuse(channel, Json::reason("join crashed"));
    assert_eq!(
        sent(&mut socket),
        [
            r#"[null,"7","nope:1","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#,
            r#"["8","8","sensocto:sensor:s1","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#,
        ]
    );
    assert_eq!(socket.channels().count(), 0);
}

#[test]
fn a_v1_session_has_objects_without_join_ref() {
    let mut socket = socket(Vsn::V1);
    say(&mut socket, r#"{"topic":"t","event":"phx_join","payload":{"k":1},"ref":"2"}"#);
    let Some(Request::Join { channel, topic, params, replaces: None }) = socket.poll_request() else { panic!() };
    assert_eq!(topic, "t");
    assert_eq!(params.as_json().unwrap().get(), r#"{"k":1}"#);
    socket.accept(channel, Json::empty());
    socket.push(channel, "backpressure_config", Json::empty());
    say(&mut socket, r#"{"topic":"t","event":"ping","payload":{},"ref":"3"}"#);
    let (_, _, reply_to) = event(&mut socket);
    socket.reply(reply_to, Status::Ok, Json::empty());
    say(&mut socket, r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"4"}"#);
    say(&mut socket, r#"{"topic":"t","event":"phx_leave","payload":{},"ref":"5"}"#);
    assert_eq!(
        sent(&mut socket),
        [
            r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#,
            r#"{"topic":"t","event":"backpressure_config","payload":{},"ref":null}"#,
            r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"3"}"#,
            r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"4"}"#,
            r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"5"}"#,
            r#"{"topic":"t","event":"phx_close","payload":{},"ref":null}"#,
        ]
    );
}

#[test]
fn a_heartbeat_is_answered_while_a_topic_named_phoenix_has_no_other_events() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"[null,"1","phoenix","other",{}]"#);
    assert_eq!(
        sent(&mut socket),
        [r#"[null,"1","phoenix","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#]
    );
    say(&mut socket, r#"["9","2","phoenix","heartbeat",{}]"#);
    assert_eq!(sent(&mut socket), [r#"[null,"2","phoenix","phx_reply",{"status":"ok","response":{}}]"#]);
    no_request(&mut socket);
}

#[test]
fn the_reply_to_a_second_join_precedes_the_close_of_the_first_and_the_pushes_of_the_second() {
    let mut socket = socket(Vsn::V2);
    let old = join(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    say(&mut socket, r#"["2","2","t","phx_join",{}]"#);
    let (new, replaces) = asked_to_join(&mut socket);
    assert_eq!(replaces, Some(old));
    socket.push(old, "late", Json::empty());
    socket.push(new, "early", Json::empty());
    socket.broadcast(new, "all", Json::empty());
    assert_eq!(socket.pending_frames(), 0);
    socket.accept(new, Json::empty());
    assert_eq!(
        sent(&mut socket),
        [
            r#"["2","2","t","phx_reply",{"status":"ok","response":{}}]"#,
            r#"["1","1","t","phx_close",{}]"#,
            r#"["2",null,"t","early",{}]"#,
            r#"[null,null,"t","all",{}]"#,
        ]
    );
    assert_eq!(socket.channels().collect::<Vec<_>>(), [(new, "t")]);
}

#[test]
fn a_refused_second_join_ends_the_first_too() {
    for (vsn, first, second, frames) in [
        (
            Vsn::V2,
            r#"["1","1","t","phx_join",{}]"#,
            r#"["2","2","t","phx_join",{}]"#,
            [
                r#"["2","2","t","phx_reply",{"status":"error","response":{"reason":"no"}}]"#,
                r#"["1","1","t","phx_close",{}]"#,
            ],
        ),
        (
            Vsn::V1,
            r#"{"topic":"t","event":"phx_join","payload":{},"ref":"1"}"#,
            r#"{"topic":"t","event":"phx_join","payload":{},"ref":"2"}"#,
            [
                r#"{"topic":"t","event":"phx_reply","payload":{"status":"error","response":{"reason":"no"}},"ref":"2"}"#,
                r#"{"topic":"t","event":"phx_close","payload":{},"ref":null}"#,
            ],
        ),
    ] {
        let mut socket = socket(vsn);
        join(&mut socket, first);
        say(&mut socket, second);
        let (new, _) = asked_to_join(&mut socket);
        socket.push(new, "early", Json::empty());
        socket.refuse(new, Json::reason("no"));
        assert_eq!(sent(&mut socket), frames);
        assert_eq!(socket.channels().count(), 0);
    }
}

#[test]
fn a_v1_client_is_spared_the_close_of_a_replaced_channel() {
    let mut socket = socket(Vsn::V1);
    join(&mut socket, r#"{"topic":"t","event":"phx_join","payload":{},"ref":"1"}"#);
    say(&mut socket, r#"{"topic":"t","event":"phx_join","payload":{},"ref":"2"}"#);
    let (new, _) = asked_to_join(&mut socket);
    socket.accept(new, Json::empty());
    assert_eq!(
        sent(&mut socket),
        [r#"{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#]
    );
}

#[test]
fn a_leave_of_another_join_is_ignored_and_one_without_join_ref_is_not() {
    let mut socket = socket(Vsn::V2);
    let channel = join(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    say(&mut socket, r#"["0","2","t","phx_leave",{}]"#);
    no_request(&mut socket);
    assert_eq!(socket.pending_frames(), 0);
    assert_eq!(socket.channel("t"), Some(channel));
    say(&mut socket, r#"[null,"3","t","phx_leave",{}]"#);
    assert!(matches!(socket.poll_request(), Some(Request::Leave { .. })));
    assert_eq!(
        sent(&mut socket),
        [r#"["1","3","t","phx_reply",{"status":"ok","response":{}}]"#, r#"["1","1","t","phx_close",{}]"#]
    );
    assert_eq!(socket.channel("t"), None);
}

#[test]
fn a_leave_of_a_topic_that_is_not_joined_is_answered_with_its_own_refs() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["5","6","t","phx_leave",{}]"#);
    assert_eq!(sent(&mut socket), [r#"["5","6","t","phx_reply",{"status":"ok","response":{}}]"#]);
    no_request(&mut socket);
}

#[test]
fn events_reach_the_channel_of_their_join_and_stale_ones_do_not() {
    let mut socket = socket(Vsn::V2);
    let channel = join(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    say(&mut socket, r#"["1","2","t","measurement",{"v":1}]"#);
    let Some(Request::Event { channel: to, event: name, payload, reply_to }) = socket.poll_request() else { panic!() };
    assert_eq!((to, name.as_str(), reply_to.channel()), (channel, "measurement", channel));
    assert_eq!(payload.as_json().unwrap().get(), r#"{"v":1}"#);
    say(&mut socket, r#"["0","3","t","measurement",{}]"#);
    no_request(&mut socket);
    say(&mut socket, r#"[null,"4","t","measurement",{}]"#);
    assert_eq!(event(&mut socket).0, channel);
    assert_eq!(socket.pending_frames(), 0, "a channel may stay silent");
}

#[test]
fn a_join_without_join_ref_makes_nothing_stale_and_lends_its_ref_to_messages() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"[null,"1","t","phx_join",{}]"#);
    let (channel, _) = asked_to_join(&mut socket);
    socket.accept(channel, Json::empty());
    say(&mut socket, r#"["77","2","t","e",{}]"#);
    let (_, _, reply_to) = event(&mut socket);
    socket.reply(reply_to, Status::Error, Json::empty());
    socket.push(channel, "p", Json::empty());
    socket.close(channel, ChannelEnd::Normal);
    assert_eq!(
        sent(&mut socket),
        [
            r#"[null,"1","t","phx_reply",{"status":"ok","response":{}}]"#,
            r#"["1","2","t","phx_reply",{"status":"error","response":{}}]"#,
            r#"["1",null,"t","p",{}]"#,
            r#"[null,null,"t","phx_close",{}]"#,
        ]
    );
}

#[test]
fn an_event_on_a_topic_that_is_not_joined_is_unmatched() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["1","2","t","e",{}]"#);
    assert_eq!(
        sent(&mut socket),
        [r#"[null,"2","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#]
    );
    no_request(&mut socket);
}

#[test]
fn replies_and_pushes_of_a_channel_that_is_gone_are_dropped() {
    let mut socket = socket(Vsn::V2);
    let channel = join(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    say(&mut socket, r#"["1","2","t","e",{}]"#);
    let (_, _, reply_to) = event(&mut socket);
    socket.close(channel, ChannelEnd::Crashed);
    assert_eq!(sent(&mut socket), [r#"["1","1","t","phx_error",{}]"#]);
    let again = join(&mut socket, r#"["3","3","t","phx_join",{}]"#);
    assert_ne!(again, channel);
    socket.reply(reply_to, Status::Ok, Json::empty());
    socket.push(channel, "p", Json::empty());
    socket.broadcast(channel, "p", Json::empty());
    socket.close(channel, ChannelEnd::Normal);
    socket.accept(channel, Json::empty());
    socket.refuse(channel, Json::empty());
    assert_eq!(socket.pending_frames(), 0);
    assert_eq!(socket.topic(again), Some("t"));
}

#[test]
fn a_forgotten_join_is_refused_before_the_next_frame() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    let (forgotten, _) = asked_to_join(&mut socket);
    say(&mut socket, r#"[null,"2","phoenix","heartbeat",{}]"#);
    assert_eq!(
        sent(&mut socket),
        [
            r#"["1","1","t","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#,
            r#"[null,"2","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
        ]
    );
    socket.accept(forgotten, Json::empty());
    assert_eq!(socket.pending_frames(), 0);
}

#[test]
fn closing_a_channel_whose_join_is_open_refuses_the_join() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    let (channel, _) = asked_to_join(&mut socket);
    socket.close(channel, ChannelEnd::Normal);
    assert_eq!(
        sent(&mut socket),
        [r#"["1","1","t","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#]
    );
}

#[test]
fn a_join_over_the_limit_is_refused_but_one_that_replaces_is_not() {
    let mut socket = Socket::new(Vsn::V2, Limits { channels_max: 1, ..Limits::default() });
    let first = join(&mut socket, r#"["1","1","a","phx_join",{}]"#);
    say(&mut socket, r#"["2","2","b","phx_join",{}]"#);
    no_request(&mut socket);
    assert_eq!(
        sent(&mut socket),
        [r#"["2","2","b","phx_reply",{"status":"error","response":{"reason":"too many channels joined"}}]"#]
    );
    say(&mut socket, r#"["3","3","a","phx_join",{}]"#);
    assert_eq!(asked_to_join(&mut socket).1, Some(first));
}

#[test]
fn malformed_frames_are_fatal_and_change_nothing() {
    let mut v2 = socket(Vsn::V2);
    let channel = join(&mut v2, r#"["1","1","t","phx_join",{}]"#);
    assert!(matches!(v2.handle_text("nonsense"), Err(Fatal::Malformed(DecodeError::NotJson { .. }))));
    assert!(matches!(v2.handle_text("[]"), Err(Fatal::Malformed(DecodeError::Shape { .. }))));
    assert_eq!(v2.handle_binary(&[9]), Err(Fatal::Malformed(DecodeError::UnknownKind { kind: 9 })));
    assert_eq!(v2.pending_frames(), 0);
    no_request(&mut v2);
    assert_eq!(v2.channels().collect::<Vec<_>>(), [(channel, "t")]);
    let mut v1 = socket(Vsn::V1);
    assert_eq!(v1.handle_binary(&[0, 0, 0, 0, 0]), Err(Fatal::Malformed(DecodeError::BinaryOnV1)));
}

#[test]
fn frames_are_refused_while_too_many_requests_wait() {
    let mut socket = Socket::new(Vsn::V2, Limits { requests_max: 1, ..Limits::default() });
    say(&mut socket, r#"["1","1","t","phx_join",{}]"#);
    assert_eq!(socket.handle_text(r#"[null,"2","phoenix","heartbeat",{}]"#), Err(Fatal::RequestsFull));
    let (channel, _) = asked_to_join(&mut socket);
    socket.accept(channel, Json::empty());
    assert_eq!(socket.pending_frames(), 1);
}

#[test]
fn binary_events_arrive_and_are_answered_in_kind() {
    let mut socket = socket(Vsn::V2);
    let channel = join(&mut socket, r#"["3","3","t","phx_join",{}]"#);
    socket.handle_binary(b"\x00\x01\x01\x01\x0335tbin\x01\x02").unwrap();
    let Some(Request::Event { payload: Payload::Binary(bytes), reply_to, .. }) = socket.poll_request() else {
        panic!()
    };
    assert_eq!(bytes, [1, 2]);
    socket.reply_binary(reply_to, Status::Ok, &[7]).unwrap();
    socket.push_binary(channel, "e", &[8]).unwrap();
    socket.broadcast_binary(channel, "e", &[9]).unwrap();
    assert_eq!(socket.poll_transmit(), Some(Frame::Binary(b"\x01\x01\x01\x01\x0235tok\x07".to_vec())));
    assert_eq!(socket.poll_transmit(), Some(Frame::Binary(b"\x00\x01\x01\x013te\x08".to_vec())));
    assert_eq!(socket.poll_transmit(), Some(Frame::Binary(b"\x02\x01\x01te\x09".to_vec())));
}

#[test]
fn bytes_cannot_be_sent_to_a_v1_client() {
    let mut socket = socket(Vsn::V1);
    let channel = join(&mut socket, r#"{"topic":"t","event":"phx_join","payload":{},"ref":"1"}"#);
    assert_eq!(socket.push_binary(channel, "e", &[1]), Err(EncodeError::BinaryOnV1));
    assert_eq!(socket.pending_frames(), 0);
}

#[test]
fn pending_bytes_count_what_was_not_taken() {
    let mut socket = socket(Vsn::V2);
    say(&mut socket, r#"[null,"4","phoenix","heartbeat",{}]"#);
    let expected = r#"[null,"4","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!((socket.pending_bytes(), socket.pending_frames()), (expected.len(), 1));
    sent(&mut socket);
    assert_eq!((socket.pending_bytes(), socket.pending_frames()), (0, 0));
}

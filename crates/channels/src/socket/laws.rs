//! Invariants of a socket under any sequence of frames and answers.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One step of a client or of the node.
#[derive(Debug, Clone)]
enum Step {
    Say { join_ref: Option<u8>, topic: u8, event: Said },
    Answer(Answer),
    Push { nth: usize },
    Close { nth: usize, how: ChannelEnd },
}

#[derive(Debug, Clone, Copy)]
enum Said {
    Join,
    Leave,
    Event,
    Heartbeat,
}

/// What the node does with the next open join.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    Refuse,
    Unmatched,
}

fn step() -> impl Strategy<Value = Step> {
    let said = prop_oneof![
        3 => Just(Said::Join),
        1 => Just(Said::Leave),
        3 => Just(Said::Event),
        1 => Just(Said::Heartbeat),
    ];
    let answer = prop_oneof![4 => Just(Answer::Accept), 1 => Just(Answer::Refuse), 1 => Just(Answer::Unmatched)];
    prop_oneof![
        4 => (proptest::option::of(0..4_u8), 0..3_u8, said)
            .prop_map(|(join_ref, topic, event)| Step::Say { join_ref, topic, event }),
        3 => answer.prop_map(Step::Answer),
        2 => (0..4_usize).prop_map(|nth| Step::Push { nth }),
        1 => (0..4_usize, prop_oneof![Just(ChannelEnd::Normal), Just(ChannelEnd::Crashed)])
            .prop_map(|(nth, how)| Step::Close { nth, how }),
    ]
}

/// What the caller of a socket keeps, next to what the invariants need.
struct World {
    socket: Socket,
    open: Option<ChannelId>,
    known: Vec<ChannelId>,
    joins_said: usize,
    joins_answered: usize,
    messages: u64,
}

impl World {
    fn new(vsn: Vsn) -> Self {
        let limits = Limits { channels_max: 2, requests_max: 64 };
        let socket = Socket::new(vsn, limits);
        Self { socket, open: None, known: Vec::new(), joins_said: 0, joins_answered: 0, messages: 0 }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Say { join_ref, topic, event } => self.say(*join_ref, *topic, *event),
            Step::Answer(answer) => {
                if let Some(channel) = self.open.take() {
                    match answer {
                        Answer::Accept => self.socket.accept(channel, Json::empty()),
                        Answer::Refuse => self.socket.refuse(channel, Json::empty()),
                        Answer::Unmatched => self.socket.refuse_unmatched(channel),
                    }
                }
            }
            Step::Push { nth } => {
                if let Some(&channel) = self.known.get(*nth) {
                    self.socket.push(channel, "pushed", Json::empty());
                }
            }
            Step::Close { nth, how } => {
                if let Some(&channel) = self.known.get(*nth) {
                    self.socket.close(channel, *how);
                }
            }
        }
        self.drain();
    }

    fn say(&mut self, join_ref: Option<u8>, topic: u8, event: Said) {
        self.messages += 1;
        let (topic, event) = match event {
            Said::Join => (format!("t{topic}"), EVENT_JOIN),
            Said::Leave => (format!("t{topic}"), EVENT_LEAVE),
            Said::Event => (format!("t{topic}"), "e"),
            Said::Heartbeat => (TOPIC_PHOENIX.to_owned(), EVENT_HEARTBEAT),
        };
        let message = ClientMessage {
            join_ref: join_ref.map(|join_ref| Cow::Owned(join_ref.to_string())),
            reference: Some(Cow::Owned(format!("r{}-{event}", self.messages))),
            topic: topic.into(),
            event: event.into(),
            payload: PayloadRef::Json(Json::empty().as_raw()),
        }
        .encode(self.socket.vsn());
        let Ok(Frame::Text(frame)) = message else { panic!("{message:?}") };
        self.joins_said += usize::from(event == EVENT_JOIN);
        self.open = None;
        self.socket.handle_text(&frame).unwrap();
    }

    fn drain(&mut self) {
        while let Some(request) = self.socket.poll_request() {
            match request {
                Request::Join { channel, replaces, .. } => {
                    if let Some(old) = replaces {
                        assert!(self.known.contains(&old));
                    }
                    assert!(!self.known.contains(&channel), "a channel id is used once");
                    self.known.push(channel);
                    self.open = Some(channel);
                }
                Request::Event { channel, reply_to, .. } => {
                    assert_eq!(self.socket.channel(self.socket.topic(channel).unwrap()), Some(channel));
                    self.socket.reply(reply_to, Status::Ok, Json::empty());
                }
                Request::Leave { channel } => assert_eq!(self.socket.topic(channel), None),
            }
        }
        while let Some(frame) = self.socket.poll_transmit() {
            let Frame::Text(text) = frame else { panic!("{frame:?}") };
            let message = ServerMessage::decode_text(self.socket.vsn(), &text).unwrap();
            if let ServerMessage::Reply { reference: Some(reference), .. } = message {
                self.joins_answered += usize::from(reference.ends_with(EVENT_JOIN));
            }
        }
    }

    fn invariant_one_channel_a_topic(&self) {
        let topics: BTreeSet<&str> = self.socket.channels().map(|(_, topic)| topic).collect();
        assert_eq!(topics.len(), self.socket.channels().count());
        assert_eq!(topics.len(), self.socket.topics.len());
        for (channel, topic) in self.socket.channels() {
            assert_eq!(self.socket.channel(topic), Some(channel));
        }
    }

    fn invariant_limits(&self) {
        assert!(self.socket.channels().count() <= 2);
        assert_eq!(self.socket.pending_bytes(), 0, "everything was taken");
    }

    fn invariant_every_join_but_the_open_one_is_answered_once(&self) {
        let open = usize::from(self.socket.joining.is_some());
        assert_eq!(self.joins_said, self.joins_answered + open);
    }
}

proptest! {
    #[test]
    fn a_socket_keeps_its_invariants(v1 in any::<bool>(), steps in vec(step(), 0..60)) {
        let mut world = World::new(if v1 { Vsn::V1 } else { Vsn::V2 });
        for step in &steps {
            world.take(step);
            world.invariant_one_channel_a_topic();
            world.invariant_limits();
            world.invariant_every_join_but_the_open_one_is_answered_once();
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(frames in vec("\\[(null|\"1\"),\"[1-3]\",\"[ab]\",\"(phx_join|phx_leave|e)\",\\{\\}\\]", 0..20)) {
        let run = || {
            let mut socket = Socket::new(Vsn::V2, Limits::default());
            let mut out = Vec::new();
            for frame in &frames {
                socket.handle_text(frame).unwrap();
                while let Some(request) = socket.poll_request() {
                    if let Request::Join { channel, .. } = request {
                        socket.accept(channel, Json::empty());
                    }
                }
                out.extend(std::iter::from_fn(|| socket.poll_transmit()));
            }
            out
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn any_bytes_are_handled_or_fatal(v1 in any::<bool>(), bytes in vec(any::<u8>(), 0..100)) {
        let mut socket = Socket::new(if v1 { Vsn::V1 } else { Vsn::V2 }, Limits::default());
        let _ = socket.handle_binary(&bytes);
        let _ = socket.handle_text(&String::from_utf8_lossy(&bytes));
    }
}

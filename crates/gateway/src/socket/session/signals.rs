//! Channels of signals on one socket, and what the connectors on it are told.

use std::time::Duration;

use sensocto_channels::{ChannelId, Json, Payload};

use super::Session;
use crate::metrics::{JoinOutcome, TopicKind};
use crate::socket::members::Member;
use crate::socket::signals::{self, SignalsChannel};
use crate::socket::{backpressure, params};

impl Session {
    pub(super) fn join_signals(&mut self, channel: ChannelId, topic: &str, join: &Payload) {
        let many = topic.starts_with(signals::MANY);
        let most = if many { signals::MANY_MAX } else { signals::ONE_MAX };
        let joined = if !self.app.may_read(&self.user) {
            Err(Json::reason(params::UNAUTHORIZED))
        } else if self.members.signals_of(many) >= most {
            Err(Json::reason("too_many_signals"))
        } else {
            SignalsChannel::join(&self.app.handle, &self.signals_news, topic, join)
        };
        match joined {
            Ok((signals, response)) => {
                self.app.metrics.join(TopicKind::Signals, JoinOutcome::Joined);
                self.channels.accept(channel, response);
                self.members.insert(channel, Member::Signals(Box::new(signals)));
            }
            Err(response) => {
                self.app.metrics.join(TopicKind::Signals, JoinOutcome::Refused);
                self.channels.refuse(channel, response);
            }
        }
    }

    /// Tells a connector how fast anybody wants the data of a sensor.
    pub(super) fn advise(&mut self, channel: ChannelId, config: &sensocto_node::backpressure::Config) {
        let wall_ms = self.app.handle.clock().now().wall_ms;
        let config = backpressure::json(config, self.explicit_vsn, wall_ms);
        self.channels.push(channel, backpressure::EVENT, config);
    }

    /// When the attention of a viewer changes by time alone, on the node's clock.
    pub(super) fn attention_due_at(&mut self) -> Option<Duration> {
        let mut due = None;
        self.members.each_signals(|_, signals| due = due.into_iter().chain(signals.attention_due_at()).min());
        due
    }

    /// Tells connectors how fast to send, and viewers what sensors measure.
    pub(super) fn tell_signals(&mut self) {
        for (channel, config) in self.advice.tell(self.app.handle.clock().mono()) {
            self.advise(channel, &config);
        }
        let Session { channels, members, .. } = self;
        members.each_signals(|channel, signals| {
            for (event, payload) in signals.tell() {
                channels.push(channel, event, payload);
            }
        });
    }
}

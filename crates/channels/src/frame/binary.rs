//! V2 binary frames.

use std::borrow::Cow;

use super::error::length_byte;
use super::{ClientMessage, DecodeError, EncodeError, Field, ServerMessage, Status};
use crate::{PayloadRef, Vsn};

const KIND_PUSH: u8 = 0;
const KIND_REPLY: u8 = 1;
const KIND_BROADCAST: u8 = 2;

pub(super) fn require_v2(vsn: Vsn) -> Result<(), DecodeError> {
    match vsn {
        Vsn::V1 => Err(DecodeError::BinaryOnV1),
        Vsn::V2 => Ok(()),
    }
}

pub(super) fn decode_client(bytes: &[u8]) -> Result<ClientMessage<'_>, DecodeError> {
    match bytes.split_first().ok_or(DecodeError::Truncated)? {
        (&KIND_PUSH, rest) => {
            let ([join_ref, reference, topic, event], mut rest) = header::<4>(rest)?;
            Ok(ClientMessage {
                join_ref: optional(take(&mut rest, join_ref, Field::JoinRef)?),
                reference: optional(take(&mut rest, reference, Field::Ref)?),
                topic: take(&mut rest, topic, Field::Topic)?.into(),
                event: take(&mut rest, event, Field::Event)?.into(),
                payload: PayloadRef::Binary(rest),
            })
        }
        (&kind, _) => Err(DecodeError::UnknownKind { kind }),
    }
}

pub(super) fn decode_server(bytes: &[u8]) -> Result<ServerMessage<'_>, DecodeError> {
    match bytes.split_first().ok_or(DecodeError::Truncated)? {
        (&KIND_PUSH, rest) => {
            let ([join_ref, topic, event], mut rest) = header::<3>(rest)?;
            Ok(ServerMessage::Push {
                join_ref: optional(take(&mut rest, join_ref, Field::JoinRef)?),
                topic: take(&mut rest, topic, Field::Topic)?.into(),
                event: take(&mut rest, event, Field::Event)?.into(),
                payload: PayloadRef::Binary(rest),
            })
        }
        (&KIND_REPLY, rest) => {
            let ([join_ref, reference, topic, status], mut rest) = header::<4>(rest)?;
            Ok(ServerMessage::Reply {
                join_ref: optional(take(&mut rest, join_ref, Field::JoinRef)?),
                reference: optional(take(&mut rest, reference, Field::Ref)?),
                topic: take(&mut rest, topic, Field::Topic)?.into(),
                status: Status::parse(take(&mut rest, status, Field::Status)?)?,
                response: PayloadRef::Binary(rest),
            })
        }
        (&KIND_BROADCAST, rest) => {
            let ([topic, event], mut rest) = header::<2>(rest)?;
            Ok(ServerMessage::Broadcast {
                topic: take(&mut rest, topic, Field::Topic)?.into(),
                event: take(&mut rest, event, Field::Event)?.into(),
                payload: PayloadRef::Binary(rest),
            })
        }
        (&kind, _) => Err(DecodeError::UnknownKind { kind }),
    }
}

pub(super) fn encode_client(message: &ClientMessage<'_>, data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let strings = [
        (Field::JoinRef, message.join_ref.as_deref().unwrap_or_default()),
        (Field::Ref, message.reference.as_deref().unwrap_or_default()),
        (Field::Topic, &message.topic),
        (Field::Event, &message.event),
    ];
    encode(KIND_PUSH, &strings, data)
}

pub(super) fn encode_server(message: &ServerMessage<'_>, data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let join_ref = (Field::JoinRef, message.join_ref().unwrap_or_default());
    let topic = (Field::Topic, message.topic());
    match message {
        ServerMessage::Reply { reference, status, .. } => {
            let reference = (Field::Ref, reference.as_deref().unwrap_or_default());
            encode(KIND_REPLY, &[join_ref, reference, topic, (Field::Status, status.as_str())], data)
        }
        ServerMessage::Broadcast { event, .. } => encode(KIND_BROADCAST, &[topic, (Field::Event, event)], data),
        ServerMessage::Push { .. } | ServerMessage::Close { .. } | ServerMessage::Crash { .. } => {
            encode(KIND_PUSH, &[join_ref, topic, (Field::Event, message.event())], data)
        }
    }
}

fn encode(kind: u8, strings: &[(Field, &str)], data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let strings_bytes: usize = strings.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(1 + strings.len() + strings_bytes + data.len());
    out.push(kind);
    for &(field, text) in strings {
        out.push(length_byte(field, text)?);
    }
    for (_, text) in strings {
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(data);
    Ok(out)
}

fn header<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), DecodeError> {
    bytes.split_first_chunk::<N>().map(|(lengths, rest)| (*lengths, rest)).ok_or(DecodeError::Truncated)
}

fn take<'a>(rest: &mut &'a [u8], length: u8, field: Field) -> Result<&'a str, DecodeError> {
    let (text, after) = rest.split_at_checked(usize::from(length)).ok_or(DecodeError::Truncated)?;
    *rest = after;
    std::str::from_utf8(text).map_err(|_| DecodeError::NotUtf8 { field })
}

/// A null ref is written as an empty one.
fn optional(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

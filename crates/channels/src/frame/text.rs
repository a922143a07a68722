//! V1 and V2 text frames.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{check_decode, check_encode};
use super::{ClientMessage, DecodeError, EncodeError, ServerMessage, Status};
use crate::Vsn;

/// The five parts that a text frame has in both serializers and both directions.
pub(super) struct Fields<'a> {
    pub(super) join_ref: Option<Cow<'a, str>>,
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) topic: Cow<'a, str>,
    pub(super) event: Cow<'a, str>,
    pub(super) payload: &'a RawValue,
}

pub(super) fn decode(vsn: Vsn, text: &str) -> Result<Fields<'_>, DecodeError> {
    let fields = match vsn {
        Vsn::V1 => decode_v1(text)?,
        Vsn::V2 => serde_json::from_str::<Fields<'_>>(text)?,
    };
    check_decode(fields.join_ref.as_deref(), fields.reference.as_deref(), &fields.topic, &fields.event)?;
    Ok(fields)
}

/// A string that borrows from the frame unless it holds escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn decode_v1(text: &str) -> Result<Fields<'_>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        topic: Cow<'a, str>,
        #[serde(borrow)]
        event: Cow<'a, str>,
        #[serde(borrow)]
        payload: &'a RawValue,
        // Null is allowed, absence is not: an attribute of its own keeps serde from reading absence as null.
        #[serde(borrow, rename = "ref", deserialize_with = "present")]
        reference: Option<Text<'a>>,
        #[serde(borrow, default)]
        join_ref: Option<Text<'a>>,
    }
    // Without this an array of the values would pass too: serde reads structs from both.
    if !text.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(text)?;
        return Err(DecodeError::Shape { column: 0 });
    }
    let object: Object<'_> = serde_json::from_str(text)?;
    Ok(Fields {
        join_ref: object.join_ref.map(|text| text.0),
        reference: object.reference.map(|text| text.0),
        topic: object.topic,
        event: object.event,
        payload: object.payload,
    })
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    Option::<Text<'de>>::deserialize(deserializer)
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor)
    }
}

/// Reads the five elements of a V2 frame; further ones are ignored, as Phoenix ignores them.
struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of join_ref, ref, topic, event and payload")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let join_ref: Option<Text<'de>> = required(&mut elements, 0)?;
        let reference: Option<Text<'de>> = required(&mut elements, 1)?;
        let topic: Text<'de> = required(&mut elements, 2)?;
        let event: Text<'de> = required(&mut elements, 3)?;
        let payload: &'de RawValue = required(&mut elements, 4)?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Fields {
            join_ref: join_ref.map(|text| text.0),
            reference: reference.map(|text| text.0),
            topic: topic.0,
            event: event.0,
            payload,
        })
    }
}

fn required<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(elements: &mut A, index: usize) -> Result<T, A::Error> {
    elements.next_element()?.ok_or_else(|| A::Error::invalid_length(index, &ArrayVisitor))
}

/// The two parts of a reply's payload; a response that is left out or null reads as an empty object.
pub(super) fn decode_reply(payload: &RawValue) -> Result<(Status, &RawValue), DecodeError> {
    #[derive(serde::Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        status: Cow<'a, str>,
        #[serde(borrow, default)]
        response: Option<&'a RawValue>,
    }
    let reply: Reply<'_> = serde_json::from_str(payload.get())?;
    Ok((Status::parse(&reply.status)?, reply.response.unwrap_or(super::empty_object())))
}

pub(super) fn encode_client(vsn: Vsn, message: &ClientMessage<'_>, payload: &RawValue) -> String {
    let (join_ref, reference) = (message.join_ref.as_deref(), message.reference.as_deref());
    let mut out = start(vsn, join_ref, reference, &message.topic, &message.event, payload.get().len());
    out.push_str(payload.get());
    finish(vsn, &mut out, reference, join_ref);
    out
}

pub(super) fn encode_server(vsn: Vsn, message: &ServerMessage<'_>, payload: &RawValue) -> Result<String, EncodeError> {
    let (join_ref, reference) = (message.join_ref(), message.reference());
    check_encode(join_ref, reference, message.topic(), message.event())?;
    let mut out = start(vsn, join_ref, reference, message.topic(), message.event(), payload.get().len());
    if let ServerMessage::Reply { status, .. } = message {
        out.push_str(r#"{"status":""#);
        out.push_str(status.as_str());
        out.push_str(r#"","response":"#);
        out.push_str(payload.get());
        out.push('}');
    } else {
        out.push_str(payload.get());
    }
    finish(vsn, &mut out, reference, None);
    Ok(out)
}

/// Everything before the payload. The longest fixed text around the parts is 80 bytes.
fn start(
    vsn: Vsn,
    join_ref: Option<&str>,
    reference: Option<&str>,
    topic: &str,
    event: &str,
    payload_bytes: usize,
) -> String {
    let refs_bytes = join_ref.map_or(0, str::len) + reference.map_or(0, str::len);
    let mut out = String::with_capacity(80 + refs_bytes + topic.len() + event.len() + payload_bytes);
    match vsn {
        Vsn::V1 => {
            out.push_str(r#"{"topic":"#);
            push_string(&mut out, topic);
            out.push_str(r#","event":"#);
            push_string(&mut out, event);
            out.push_str(r#","payload":"#);
        }
        Vsn::V2 => {
            out.push('[');
            push_optional(&mut out, join_ref);
            out.push(',');
            push_optional(&mut out, reference);
            out.push(',');
            push_string(&mut out, topic);
            out.push(',');
            push_string(&mut out, event);
            out.push(',');
        }
    }
    out
}

/// Everything after the payload. Only clients say `join_ref` in V1.
fn finish(vsn: Vsn, out: &mut String, reference: Option<&str>, join_ref_v1: Option<&str>) {
    match vsn {
        Vsn::V1 => {
            out.push_str(r#","ref":"#);
            push_optional(out, reference);
            if let Some(join_ref) = join_ref_v1 {
                out.push_str(r#","join_ref":"#);
                push_string(out, join_ref);
            }
            out.push('}');
        }
        Vsn::V2 => out.push(']'),
    }
}

fn push_optional(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_string(out, text),
        None => out.push_str("null"),
    }
}

/// A JSON string: quotes, backslashes and control characters are escaped (RFC 8259, section 7), the rest is copied.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

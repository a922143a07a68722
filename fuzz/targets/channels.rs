//! What both serializers have in common.

use sensocto_channels::frame::{ClientMessage, Frame, ServerMessage};
use sensocto_channels::{Json, Limits, Request, Socket, Vsn};

/// Reads bytes as a client's frame in each form, and as several frames of one socket; what can be read is written and read again.
pub fn read(vsn: Vsn, bytes: &[u8]) {
    if let Ok(message) = ClientMessage::decode_binary(vsn, bytes) {
        again(vsn, &message);
    }
    let _ = ServerMessage::decode_binary(vsn, bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(message) = ClientMessage::decode_text(vsn, &text) {
        again(vsn, &message);
    }
    let _ = ServerMessage::decode_text(vsn, &text);

    let mut socket = Socket::new(vsn, Limits { channels_max: 4, requests_max: 8 });
    for line in text.split('\n') {
        if socket.handle_text(line).is_err() {
            break;
        }
        while let Some(request) = socket.poll_request() {
            if let Request::Join { channel, .. } = request {
                socket.accept(channel, Json::empty());
            }
        }
        while socket.poll_transmit().is_some() {}
    }
    let _ = socket.handle_binary(bytes);
}

fn again(vsn: Vsn, message: &ClientMessage<'_>) {
    match message.encode(vsn) {
        Ok(Frame::Text(text)) => assert!(ClientMessage::decode_text(vsn, &text).is_ok(), "{text}"),
        Ok(Frame::Binary(bytes)) => assert!(ClientMessage::decode_binary(vsn, &bytes).is_ok(), "{bytes:?}"),
        // What was read may be longer than what may be written.
        Err(_) => {}
    }
}

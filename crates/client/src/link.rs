//! The WebSocket: opening it and writing to it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use futures_util::SinkExt;
use futures_util::stream::{SplitSink, SplitStream};
use sensocto_channels::Frame;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::error::Attempt;
use crate::{ClientOptions, MESSAGE_BYTES_MAX};

/// Small buffers: a process may hold a thousand of these, and most frames are shorter.
const BUFFER_BYTES: usize = 4 * 1024;

pub(crate) type Link = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type Writer = SplitSink<Link, Message>;
pub(crate) type Reader = SplitStream<Link>;

/// Opens a socket on one node.
pub(crate) async fn connect(options: &ClientOptions, url: &str) -> Result<Link, Attempt> {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    // Small frames should leave at once: no Nagle delay.
    let connecting = connect_async_with_config(options.socket_url(url), Some(config), true);
    let failed = |reason: String| Attempt { url: url.to_owned(), reason };
    match tokio::time::timeout(options.connect_timeout, connecting).await {
        Ok(Ok((link, _))) => Ok(link),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {:?}", options.connect_timeout))),
    }
}

/// Writes everything in `outbox` and flushes. Dropping the future loses nothing: a frame leaves the outbox only when the
/// socket has room for it.
pub(crate) async fn write(writer: &mut Writer, outbox: &mut VecDeque<Frame>) -> Result<(), Error> {
    poll_fn(|context| poll_write(writer, outbox, context)).await
}

fn poll_write(writer: &mut Writer, outbox: &mut VecDeque<Frame>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
    while !outbox.is_empty() {
        ready!(writer.poll_ready_unpin(context))?;
        match outbox.pop_front() {
            Some(Frame::Text(text)) => writer.start_send_unpin(Message::text(text))?,
            Some(Frame::Binary(bytes)) => writer.start_send_unpin(Message::binary(bytes))?,
            None => {}
        }
    }
    writer.poll_flush_unpin(context)
}

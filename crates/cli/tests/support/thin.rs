//! A WebSocket as thin as can be: for tests with thousands of them, and for clients that stop reading.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Bytes that are read at one time.
const READ_BYTES: usize = 2 * 1024;

/// A frame of the node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    /// The close code.
    Close(u16),
    /// The connection is gone.
    End,
}

/// One socket of V2.
pub(crate) struct Thin {
    stream: TcpStream,
    buffer: Vec<u8>,
    place: usize,
}

impl Thin {
    /// Connects; with `receive_bytes` the system keeps about so much for a client that does not read.
    pub(crate) async fn connect(address: SocketAddr, receive_bytes: Option<u32>) -> Thin {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).expect("a buffer");
        }
        let mut stream = socket.connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("a TCP socket");
        let request = format!(
            "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Thin { stream, buffer: Vec::new(), place: 0 }
    }

    /// Sends a text, masked with zeros.
    pub(crate) async fn send(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            length @ ..126 => frame.push(0x80 | u8::try_from(length).expect("short")),
            length @ ..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).expect("short").to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        // A node that closed the socket reads no more; what it said is found by reading.
        let _ = self.stream.write_all(&frame).await;
    }

    /// Joins a topic and waits for the reply.
    pub(crate) async fn join(&mut self, topic: &str, params: &str) -> String {
        self.send(&format!(r#"["1","1","{topic}","phx_join",{params}]"#)).await;
        loop {
            match self.next().await {
                Frame::Text(text) if text.contains("phx_reply") => return text,
                Frame::Text(_) => {}
                ended @ (Frame::Close(_) | Frame::End) => panic!("{topic}: {ended:?}"),
            }
        }
    }

    /// The next frame. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.take() {
                return frame;
            }
            self.buffer.drain(..std::mem::take(&mut self.place));
            self.buffer.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Frame::End,
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let bytes = self.buffer.get(self.place..)?;
        let (kind, length) = (*bytes.first()? & 0x0F, usize::from(*bytes.get(1)?));
        let (head, length) = match length {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
            length => (2, length),
        };
        let payload = bytes.get(head..head + length)?;
        let frame = match kind {
            8 => Frame::Close(payload.get(..2).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]))),
            _ => Frame::Text(String::from_utf8_lossy(payload).into_owned()),
        };
        self.place += head + length;
        Some(frame)
    }
}

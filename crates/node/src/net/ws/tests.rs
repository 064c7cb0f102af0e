//! What a socket makes of bytes, against the library alone on the same bytes.

use super::*;
use crate::net::pipe::Head;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes in pieces, then the end, or nothing; what is written is kept, unless nothing can be.
#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    written: Arc<Mutex<Vec<u8>>>,
    is_deaf: bool,
    is_open: bool,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(out.remaining()));
            out.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        } else if self.is_open {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// All bytes at once.
struct Whole<'a>(&'a [u8], Vec<u8>);

impl Read for Whole<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What came of it: messages, the end, and what was answered.
type Story = (Vec<Vec<u8>>, End, Vec<(u8, Vec<u8>)>);

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX))
}

/// The library alone.
fn expected(bytes: &[u8]) -> Story {
    let mut library =
        WebSocket::from_raw_socket(Whole(bytes, Vec::new()), Role::Client, Some(config()));
    let mut messages = Vec::new();
    let end = loop {
        match library.read() {
            Ok(Message::Text(text)) => messages.push(text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => messages.push(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let words = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                let reason = if words.is_empty() { "closed by the venue".into() } else { words };
                break End { code, reason };
            }
            Ok(_) => {}
            Err(error) => {
                break End {
                    code: None,
                    reason: format!("the connection broke: {}", chain(&error)),
                };
            }
        }
        // A pong goes out with the next read at the latest.
        library.flush().unwrap();
    };
    drop(library.flush());
    (messages, end, answers(&library.get_ref().1))
}

/// What a socket makes of them in pieces, the first of which came with the handshake.
fn told(pieces: Vec<Vec<u8>>) -> Story {
    let written = Arc::new(Mutex::new(Vec::new()));
    let script =
        Script { pieces: pieces.into(), written: Arc::clone(&written), ..Script::default() };
    let mut socket = Socket::over(Head::new(Box::new(script)).into_pipe(), config());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut messages = Vec::new();
    let end = loop {
        // It lets others on now and then; bytes are always here, or the end is.
        while socket.poll_ready(&mut cx).is_pending() {}
        match socket.take() {
            Some(Incoming::Frame(bytes)) => messages.push(bytes.to_vec()),
            Some(Incoming::Closed(end)) => break end,
            None => panic!("it was ready"),
        }
        while let Some(Incoming::Frame(bytes)) = socket.take() {
            messages.push(bytes.to_vec());
        }
    };
    let written = written.lock().unwrap().clone();
    (messages, end, answers(&written))
}

/// Frames that a client has sent, unmasked: the first byte and the payload.
fn answers(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, a, b, c, d, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(second & 0x7F));
        let mask = [a, b, c, d];
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(x, y)| x ^ **y).collect();
        frames.push((*first, payload));
        bytes = rest;
    }
    frames
}

/// A frame as a server sends it, or must not.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(short as u8 | mask),
        middle @ 126..65_536 => {
            bytes.push(126 | mask);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(127 | mask);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&[1, 2, 3, 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[ -~]{0,300}".prop_map(String::into_bytes),
        2 => "\\PC{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..140),
        1 => (0..200_000_usize).prop_map(|length| vec![b'x'; length]),
    ]
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    // Messages, parts of messages, pings, and what nobody may send.
    let first = prop_oneof![
        12 => Just(0x81_u8),
        4 => Just(0x82),
        4 => prop::sample::select(vec![0x01, 0x02, 0x00, 0x80]),
        4 => prop::sample::select(vec![0x89, 0x8A]),
        1 => prop::sample::select(vec![0x88, 0x83, 0x8B, 0xC1, 0x91, 0x09]),
    ];
    let masked = prop_oneof![40 => Just(false), 1 => Just(true)];
    let plain = (first, payloads(), masked)
        .prop_map(|(first, payload, masked)| frame(first, &payload, masked));
    let too_long = Just([&[0x81, 127][..], &(1_u64 << 40).to_be_bytes()].concat());
    let close = Just(frame(0x88, b"\x0f\xa4no data", false));
    let parts = payloads().prop_map(|text| {
        let (first, last) = text.split_at(text.len() / 2);
        [frame(0x01, first, false), frame(0x89, b"hi", false), frame(0x80, last, false)].concat()
    });
    let one = prop_oneof![30 => plain, 4 => parts, 1 => too_long, 1 => close];
    prop::collection::vec(one, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a server sends, and however it is cut: the same messages, the same end, the same
    /// answers as from the library.
    #[test]
    fn a_socket_says_what_the_library_says(
        bytes in frames(),
        sizes in prop::collection::vec(
            prop_oneof![1..20_usize, 1..2000_usize, 1..90_000_usize],
            1..30,
        ),
    ) {
        let (mut rest, mut sizes, mut pieces) = (&bytes[..], sizes.iter().cycle(), Vec::new());
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            pieces.push(piece.to_vec());
            rest = more;
        }
        prop_assert_eq!(told(pieces), expected(&bytes));
    }
}

#[test]
fn what_comes_with_the_answer_to_the_handshake_is_kept() {
    let text = frame(0x81, b"early", false);
    for cut in 0..40 {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let head = bytes.len();
        bytes.extend_from_slice(&text);
        let rest = bytes.split_off(bytes.len() - cut.min(bytes.len()));
        let script = Script { pieces: [bytes, rest].into(), ..Script::default() };
        let mut stream = Head::new(Box::new(script));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut room, mut read) = ([0; 4096], 0);
        while read < head {
            let mut out = ReadBuf::new(&mut room);
            let polled = Pin::new(&mut stream).poll_read(&mut cx, &mut out);
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            read += out.filled().len();
        }
        assert_eq!(read, head, "not a byte of what comes behind");
        let mut socket = Socket::over(stream.into_pipe(), config());
        assert!(socket.poll_ready(&mut cx).is_ready());
        assert_eq!(socket.take(), Some(Incoming::Frame(b"early")), "cut {cut} before the end");
    }
}

/// What has come stays good although nothing can be sent any more; and so does the code of the end.
#[test]
fn what_has_come_is_handed_out_though_a_send_fails() {
    let close = frame(0x88, b"\x0f\xa1log in again", false);
    for texts in [&["a"][..], &["a", "b", "c"]] {
        let mut bytes: Vec<u8> =
            texts.iter().flat_map(|text| frame(0x81, text.as_bytes(), false)).collect();
        bytes.extend_from_slice(&close);
        let script = Script { pieces: [bytes].into(), is_deaf: true, ..Script::default() };
        let mut socket = Socket::over(Head::new(Box::new(script)).into_pipe(), config());
        for text in texts {
            assert_eq!(socket.try_next(), Some(Incoming::Frame(text.as_bytes())));
            socket.send("pong".into());
        }
        let Some(Incoming::Closed(end)) = socket.try_next() else { panic!("it has ended") };
        assert_eq!(end.code, Some(4001), "{end:?}");
    }
}

#[test]
fn a_send_that_fails_is_the_end_when_nothing_else_comes() {
    let script = Script { is_deaf: true, is_open: true, ..Script::default() };
    let mut socket = Socket::over(Head::new(Box::new(script)).into_pipe(), config());
    assert_eq!(socket.try_next(), None);
    socket.send("ping".into());
    let Some(Incoming::Closed(end)) = socket.try_next() else { panic!("it has ended") };
    assert!(end.code.is_none() && end.reason.starts_with("the connection broke"), "{end:?}");
}

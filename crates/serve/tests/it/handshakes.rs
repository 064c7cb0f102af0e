//! Requests that are not what they should be, up to a WebSocket: an answer in words, or the end.

use super::desk::{Desk, ask};
use super::hostile::{Guest, frame};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
/// What every handshake needs.
const RIGHT: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn request(desk: &Desk, first: &str, lines: &[&str]) -> String {
    format!("{first}\r\nHost: {}\r\n{}\r\n\r\n", desk.address, lines.join("\r\n"))
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused_in_words() {
    // Some would stay connected for the next request.
    let desk = Desk::with(|options| options.head_wait = Duration::from_millis(300)).await;
    let first = "GET /ws HTTP/1.1";
    for (at, wrong) in [
        (0, "Connection: close"),
        (1, "Upgrade: h2c"),
        (2, "Sec-WebSocket-Version: 12"),
        (3, "X-Nothing: at all"),
    ] {
        let mut lines = RIGHT.to_vec();
        lines[at] = wrong;
        lines.push("Connection: close");
        let (status, _, body) = ask(desk.address, &request(&desk, first, &lines)).await;
        assert_eq!(status, 400, "{wrong}: {body}");
        assert!(body.contains("\"code\":\"no_websocket\""), "{wrong}: {body}");
    }
    for first in ["POST /ws HTTP/1.1", "GET /ws HTTP/1.0", "BREW /ws HTTP/1.1", "GET /ws HTTP/9.9"]
    {
        let text = request(&desk, first, &RIGHT);
        let (status, head, _) = ask(desk.address, &text).await;
        assert!(matches!(status, 0 | 400 | 405 | 505), "{first}: {head}");
    }
    for format in ["format=xml", "surprise=1"] {
        let text = request(&desk, &format!("GET /ws?{format} HTTP/1.1"), &RIGHT);
        let (status, _, body) =
            ask(desk.address, &text.replace("\r\n\r\n", "\r\nX: y\r\n\r\n")).await;
        assert!(status == 400 && body.contains("bad_query"), "{format}: {body}");
    }
    desk.stop_server().await;
}

#[tokio::test]
async fn compression_is_offered_in_vain() {
    let desk = Desk::open().await;
    let mut guest = Guest::of(&desk).await;
    let offers =
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-bomb; a=1";
    let mut lines = RIGHT.to_vec();
    lines.push(offers);
    let mut socket = TcpStream::connect(desk.address).await.unwrap();
    let text = request(&desk, "GET /ws HTTP/1.1", &lines);
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("extensions"), "{head}");
    // So a frame that is marked as compressed is against the rules.
    socket.write_all(&frame(0xc1, &[0xaa, 0x56, 0x4a, 0x04, 0x00])).await.unwrap();
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is still open"));
    guest.is_served().await;
    desk.stop_server().await;
}

#[tokio::test]
async fn bodies_and_silence_do_not_hold_a_place_for_ever() {
    let desk = Desk::with(|options| {
        (options.max_clients, options.head_wait) = (40, Duration::from_millis(300));
    });
    let desk = desk.await;
    let mut guest = Guest::of(&desk).await;
    let post = "POST /api/v1/feeds HTTP/1.1";
    let mut all = Vec::new();
    for (first, lines) in [
        // A body letter by letter, of a path that takes none, and in chunks that never end.
        ("GET /healthz HTTP/1.1", "Content-Length: 100000000"),
        (post, "Content-Length: 100000000"),
        (post, "Transfer-Encoding: chunked"),
        // Nothing after an answer.
        ("GET /healthz HTTP/1.1", "X: y"),
    ] {
        for _ in 0..9 {
            let mut socket = TcpStream::connect(desk.address).await.unwrap();
            let text = request(&desk, first, &[lines]);
            socket.write_all(text.as_bytes()).await.unwrap();
            socket
                .write_all(if lines.starts_with('T') { b"1\r\nx\r\n" } else { b"" })
                .await
                .unwrap();
            all.push(socket);
        }
    }
    for mut socket in all {
        let end = async {
            let (mut buffer, mut answer) = ([0; 4096], Vec::new());
            loop {
                // Each letter that may still be sent is one more that keeps it waiting.
                let wait = timeout(Duration::from_millis(50), socket.read(&mut buffer)).await;
                match wait {
                    Ok(Ok(0) | Err(_)) => return answer,
                    Ok(Ok(count)) => answer.extend(&buffer[..count]),
                    Err(_) if socket.write_all(b"x").await.is_err() => return answer,
                    Err(_) => {}
                }
            }
        };
        let answer = timeout(PATIENCE, end).await.expect("a body may take for ever");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    guest.is_served().await;
    let last = "GET /healthz HTTP/1.1";
    let text = request(&desk, last, &["Connection: close"]);
    assert_eq!(ask(desk.address, &text).await.0, 200, "their places are free again");
    desk.stop_server().await;
}

#[tokio::test]
async fn answers_that_nobody_takes_are_not_kept() {
    let desk = Desk::with(|options| {
        (options.max_clients, options.write_wait) = (3, Duration::from_millis(300));
    });
    let desk = desk.await;
    let mut guest = Guest::of(&desk).await;
    let text = request(&desk, "GET /api/v1/instruments?limit=5000 HTTP/1.1", &["X: y"]);
    let many = text.repeat(200);
    // They ask again and again and read nothing, until the connection is broken.
    let greedy = async || {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        while socket.write_all(many.as_bytes()).await.is_ok() {}
    };
    let both = async { tokio::join!(greedy(), greedy()) };
    timeout(PATIENCE, both).await.expect("answers are kept for ever");
    guest.is_served().await;
    desk.stop_server().await;
}

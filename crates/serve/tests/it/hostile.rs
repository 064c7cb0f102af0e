//! Clients that mean harm, over raw sockets: nothing crashes, memory stays bounded, each is told or
//! cut off, and others are served meanwhile.

use super::desk::{Desk, ask, get};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A socket on which the handshake of a WebSocket is done.
pub async fn upgraded(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    socket
}

/// A frame as a client must send it.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match body.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [7, 1, 200, 33];
    bytes.extend(mask);
    bytes.extend(body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Sends, and reads until the server has closed; the bytes that it sent.
async fn sent_away(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = upgraded(address).await;
    // The server may have had enough already.
    drop(socket.write_all(bytes).await);
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is still open"));
    answer
}

/// Somebody harmless who is served all the while, and reads as it comes; how much has come.
pub struct Guest(watch::Receiver<u64>);

impl Guest {
    pub async fn of(desk: &Desk) -> Guest {
        let mut client = desk.client().await;
        client.say(r#"{"op":"subscribe","inst":"*","channel":"*"}"#).await;
        assert_eq!(client.next().await.unwrap()["type"], "subscribed");
        let (counted, count) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok(message) = client.next().await {
                let seq = *counted.borrow() + 1;
                assert_eq!(message["seq"], seq, "{message}");
                assert!(message["lost"].is_null(), "{message}");
                counted.send_replace(seq);
            }
        });
        Guest(count)
    }

    pub async fn is_served(&mut self) {
        let more = *self.0.borrow() + 20;
        let served = timeout(PATIENCE, self.0.wait_for(|count| *count >= more)).await;
        served.expect("nothing comes").expect("the guest was sent away, or got something wrong");
    }
}

#[tokio::test]
async fn frames_that_are_none_end_one_connection_and_no_other() {
    let desk = Desk::open().await;
    let mut guest = Guest::of(&desk).await;
    let unmasked = [&[0x81, 2][..], b"{}"].concat();
    let huge = [&[0x81, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 64]].concat();
    let large = frame(0x81, &vec![b'x'; 1 << 20]);
    let reserved = frame(0xf1, b"{}");
    let unknown = frame(0x83, b"{}");
    let long_ping = frame(0x89, &[0; 200]);
    let lone = frame(0x80, b"goes on with nothing");
    let text_in_text = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    let bad_text = frame(0x81, &[0xff, 0xfe, 0xc0]);
    let bad_close = frame(0x88, &[3]);
    let binary = frame(0x82, b"{}");
    let mut fragments = frame(0x01, b"x");
    (0..20_000).for_each(|_| fragments.extend(frame(0x00, b"x")));
    let cases = [
        ("without a mask", unmasked),
        ("of 2^64 bytes", huge),
        ("of a MiB", large),
        ("with reserved bits", reserved),
        ("of an unknown kind", unknown),
        ("a ping that is too long", long_ping),
        ("that goes on with nothing", lone),
        ("a text within a text", text_in_text),
        ("that is not UTF-8", bad_text),
        ("a close of one byte", bad_close),
        ("binary", binary),
        ("in endless fragments", fragments),
    ];
    for (what, bytes) in cases {
        let answer = sent_away(desk.address, &bytes).await;
        // A close with a code that says what is wrong, if it gets through.
        let coded = answer.len() >= 4 && answer[0] == 0x88;
        let code = coded.then(|| u16::from_be_bytes([answer[2], answer[3]]));
        let known = code.is_none_or(|code| matches!(code, 1002 | 1003 | 1007 | 1009));
        assert!(known, "a frame {what}: {code:?}");
        guest.is_served().await;
    }
    desk.stop_server().await;
}

#[tokio::test]
async fn floods_are_bounded() {
    let desk = Desk::open().await;
    let mut guest = Guest::of(&desk).await;
    // Requests without reading their answers.
    let mut flood = Vec::new();
    (0..50_000).for_each(|_| flood.extend(frame(0x81, br#"{"op":"ping","id":1}"#)));
    let mut socket = upgraded(desk.address).await;
    let (mut reading, mut writing) = socket.split();
    let all = async {
        // It is closed before the end if answers pile up, otherwise all are taken.
        let _ = writing.write_all(&flood).await;
    };
    let answers = async {
        let mut buffer = [0; 4096];
        // Reads slowly: a page, then the guest is served, and so on.
        for _ in 0..20 {
            if !matches!(reading.read(&mut buffer).await, Ok(1..)) {
                break;
            }
            guest.is_served().await;
        }
    };
    let (sent, ()) = tokio::join!(timeout(PATIENCE, all), answers);
    // It may have been cut off, or be still waiting for a reader.
    drop(sent);
    drop(socket);
    // Pings and pongs in great number.
    let mut socket = upgraded(desk.address).await;
    let pings: Vec<u8> = (0..20_000).flat_map(|_| frame(0x89, b"are you there")).collect();
    let _ = timeout(Duration::from_secs(5), socket.write_all(&pings)).await;
    guest.is_served().await;
    drop(socket);
    // Deep and odd JSON.
    let mut client = desk.client().await;
    for text in ["[".repeat(16_000), "{\"op\":".repeat(2_000), "\"\\ud800\"".to_owned()] {
        client.say(&text).await;
        assert_eq!(client.next().await.unwrap()["code"], "bad_json");
    }
    for from in [
        "-1",
        "1.5",
        "\"x\"",
        "\"\"",
        "{}",
        "[]",
        "null5",
        "{\"feed\":1}",
        "[1]",
        "true",
        "{\"feed\":1,\"n\":1,\"tsRecv\":1,\"x\":1}",
        "18446744073709551616",
        "[{\"feed\":1,\"n\":1,\"tsRecv\":1},{\"feed\":1,\"n\":1,\"tsRecv\":1}]",
    ] {
        let ask = r#"{"op":"subscribe","inst":"*","channel":"trades","from":"#;
        client.say(&format!("{ask}{from}}}")).await;
        let code = client.next().await.unwrap()["code"].clone();
        assert!(code == "bad_from" || code == "bad_json", "{from}: {code}");
    }
    client.say(r#"{"op":"subscribe","inst":"*","channel":"trades","from":1}"#).await;
    assert_eq!(client.next().await.unwrap()["code"], "too_old");
    client.say(r#"{"op":"subscribe","inst":"*","channel":"*","format":"x"}"#).await;
    assert_eq!(client.next().await.unwrap()["code"], "bad_format");
    guest.is_served().await;
    desk.stop_server().await;
}

#[tokio::test]
async fn heads_that_do_not_end_are_cut_off() {
    let desk = Desk::with(|options| {
        options.max_clients = 40;
        options.head_wait = Duration::from_millis(300);
    });
    let desk = desk.await;
    let mut guest = Guest::of(&desk).await;
    // Many headers, and long ones.
    let many: String = (0..5_000).map(|i| format!("X-{i}: y\r\n")).collect();
    for more in [many, format!("X: {}\r\n", "y".repeat(200_000))] {
        let status = get(desk.address, "/api/v1/feeds", &more).await.0;
        assert!(matches!(status, 0 | 400 | 431), "{status}");
    }
    // A body that nobody asked for.
    let body = format!("GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: 99999999\r\n", desk.address);
    let status = ask(desk.address, &format!("{body}Connection: close\r\n\r\n")).await.0;
    assert!(matches!(status, 200 | 400 | 413), "{status}");
    // A head letter by letter, in all places that there are; one is the guest's.
    let mut slow = Vec::new();
    for _ in 0..38 {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        slow.push(socket);
    }
    guest.is_served().await;
    for mut socket in slow {
        let mut answer = Vec::new();
        let over = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        assert!(over.is_ok(), "a head may take for ever");
    }
    // Their places are free again.
    assert_eq!(get(desk.address, "/healthz", "").await.0, 200);
    guest.is_served().await;
    desk.stop_server().await;
}

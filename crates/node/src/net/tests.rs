//! The dialer, REST and WebSocket against tiny servers and proxies on this machine.

use super::*;
use crate::testing::{echo_http, listener, read_head, rude_server};
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const WAIT: Duration = Duration::from_secs(10);

fn dialer(proxy: &str) -> Arc<Dialer> {
    let proxy = match proxy {
        "" => ProxySetting::None,
        url => ProxySetting::Url(url.to_owned()),
    };
    Arc::new(Dialer::new(&proxy, &TlsTrust::Bundled).unwrap())
}

fn rest(proxy: &str, base: SocketAddr, simulated: bool) -> Rest {
    Rest::new(dialer(proxy), &format!("http://{base}"), simulated).unwrap()
}

/// Passes CONNECT requests on; reports their heads.
async fn http_proxy() -> (SocketAddr, mpsc::Receiver<String>) {
    let (listener, address) = listener().await;
    let (heads, seen) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let head = read_head(&mut client).await;
            let target = head.split(' ').nth(1).unwrap().to_owned();
            heads.send(head).await.unwrap();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                drop(copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    (address, seen)
}

/// A SOCKS 5 proxy that wants a name and a password; reports `user:password host:port`. Any name
/// leads to `target`. Refuses with `refusal` unless it is 0.
async fn socks_proxy(target: SocketAddr, refusal: u8) -> (SocketAddr, mpsc::Receiver<String>) {
    let (listener, address) = listener().await;
    let (asked, seen) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let said = socks_handshake(&mut client).await;
            asked.send(said).await.unwrap();
            client.write_all(&[5, refusal, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if refusal == 0 {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    drop(copy_bidirectional(&mut client, &mut server).await);
                });
            }
        }
    });
    (address, seen)
}

async fn socks_handshake(client: &mut TcpStream) -> String {
    async fn take(client: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    }
    async fn text(client: &mut TcpStream) -> String {
        let length = take(client, 1).await[0];
        String::from_utf8(take(client, length.into()).await).unwrap()
    }
    let methods = take(client, 2).await[1];
    take(client, methods.into()).await;
    client.write_all(&[5, 2]).await.unwrap();
    take(client, 1).await;
    let user = text(client).await;
    let password = text(client).await;
    client.write_all(&[1, 0]).await.unwrap();
    let host = match take(client, 4).await[3] {
        1 => take(client, 4).await.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => text(client).await,
        other => panic!("address type {other}"),
    };
    let port = take(client, 2).await;
    format!("{user}:{password} {host}:{}", u16::from_be_bytes([port[0], port[1]]))
}

/// Says every text back.
async fn echo_ws() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

async fn echoes(dialer: &Dialer, url: &str) {
    let mut socket = Socket::open(dialer, url, WAIT).await.unwrap();
    socket.send("ping".to_owned());
    assert_eq!(socket.next().await, Incoming::Frame(b"ping"));
    socket.close().await;
}

#[tokio::test]
async fn rest_keeps_connections_and_says_who_it_is() {
    let server = echo_http().await;
    let demo = rest("", server, true);
    for n in 0..3 {
        let (status, body) = demo.get(&format!("/api/v5/public/time?n={n}")).await.unwrap();
        let head = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(status, 200);
        assert!(head.starts_with(&format!("GET /api/v5/public/time?n={n} HTTP/1.1")), "{head}");
        assert!(head.contains(&format!("host: {server}")), "{head}");
        assert!(head.contains("x-simulated-trading: 1"), "{head}");
        assert!(head.contains("user-agent: market-data/"), "{head}");
    }
    let (_, body) = rest("", server, false).get("/").await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("simulated"));
}

#[tokio::test(start_paused = true)]
async fn requests_of_all_feeds_keep_the_pace_of_each_limit() {
    let rest = rest("", "127.0.0.1:1".parse().unwrap(), false);
    let began = tokio::time::Instant::now();
    let turn = |path: &str| rest.turn(path).duration_since(began).as_millis();
    let trades = "/api/v5/market/history-trades?instId=";
    let turns = ["A-U", "B-U", "C-U"].map(|id| turn(&format!("{trades}{id}&limit=100")));
    assert_eq!(turns, [0, 110, 220], "whichever the instrument");
    assert_eq!(turn("/api/v5/market/history-candles?instId=A-U"), 0, "a limit of its own");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(turn(trades), 1_000, "no turn is kept for whoever comes late");
    for n in 0..1_000 {
        turn(&format!("/api/v5/{n}"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    assert!(rest.rules() <= 256, "what nobody waits for is forgotten");
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let server = rude_server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rest = rest("", server, false);
    for _ in 0..3 {
        assert_eq!(rest.get("/").await.unwrap().1, "ok");
    }
}

#[tokio::test]
async fn both_kinds_of_proxy_carry_both_kinds_of_traffic() {
    let (web, ws) = (echo_http().await, echo_ws().await);
    let (proxy, mut heads) = http_proxy().await;
    let url = format!("http://me:p%40ss@{proxy}");
    assert_eq!(rest(&url, web, false).get("/").await.unwrap().0, 200);
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with(&format!("CONNECT {web} ")), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic bWU6cEBzcw=="), "{head}");
    echoes(&dialer(&url), &format!("ws://{ws}/ws/v5/public")).await;

    let (proxy, mut asked) = socks_proxy(web, 0).await;
    let far = |scheme: &str| {
        let proxy = dialer(&format!("{scheme}://me:p%40ss@{proxy}"));
        Rest::new(proxy, &format!("http://localhost:{}", web.port()), false).unwrap()
    };
    assert_eq!(far("socks5h").get("/").await.unwrap().0, 200);
    assert_eq!(asked.recv().await.unwrap(), format!("me:p@ss localhost:{}", web.port()));
    assert_eq!(far("socks5").get("/").await.unwrap().0, 200);
    assert_eq!(asked.recv().await.unwrap(), format!("me:p@ss 127.0.0.1:{}", web.port()));
    let (proxy, _asked) = socks_proxy(ws, 0).await;
    echoes(&dialer(&format!("socks5h://a:b@{proxy}")), "ws://ws.okx.com/ws/v5/public").await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_what_it_said() {
    let target: SocketAddr = ([192, 0, 2, 1], 443).into();
    for (answer, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "user and password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        ("", "hung up"),
    ] {
        let proxy = rude_server(answer).await;
        let error = rest(&format!("http://{proxy}"), target, false).get("/").await.unwrap_err().0;
        assert!(error.contains(&format!("the proxy http://{proxy}")), "{error}");
        assert!(error.contains("192.0.2.1:443") && error.contains(words), "{error}");
    }
    let (proxy, _asked) = socks_proxy(target, 2).await;
    let url = format!("socks5h://a:b@{proxy}");
    let error = rest(&url, target, false).get("/").await.unwrap_err().0;
    assert!(error.contains("the proxy socks5h://") && !error.contains("a:b"), "{error}");
    let (gone, address) = listener().await;
    drop(gone);
    let error = rest(&format!("http://{address}"), target, false).get("/").await.unwrap_err().0;
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_refused_handshake_says_the_status() {
    let server = rude_server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    let opened = Socket::open(&dialer(""), &format!("ws://{server}/x"), WAIT).await;
    let reason = opened.err().unwrap().reason;
    assert!(reason.contains("503") && reason.contains(&server.to_string()), "{reason}");
    let (gone, address) = listener().await;
    drop(gone);
    let opened = Socket::open(&dialer(""), &format!("ws://{address}/x"), WAIT).await;
    assert!(opened.err().unwrap().reason.contains("refused"));
    let opened = Socket::open(&dialer(""), "ftp://x", WAIT).await;
    assert!(opened.err().unwrap().reason.contains("wss"));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (_listener, address) = listener().await;
    let wait = Duration::from_millis(50);
    let opened = Socket::open(&dialer(""), &format!("ws://{address}/x"), wait).await;
    assert!(opened.err().unwrap().reason.contains("no answer"));
    let opened = Socket::open(&dialer(""), &format!("wss://{address}/x"), wait).await;
    assert!(opened.err().unwrap().reason.contains("no answer"));
}

#[tokio::test]
async fn what_is_not_tls_is_said_so() {
    let (listener, server) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let opened = Socket::open(&dialer(""), &format!("wss://{server}/x"), WAIT).await;
    let reason = opened.err().unwrap().reason;
    assert!(reason.contains("no TLS with"), "{reason}");
}

#[tokio::test]
async fn a_close_frame_gives_its_code_and_pings_are_answered() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::Ping("hi".into())).await.unwrap();
        let pong = socket.next().await.unwrap().unwrap();
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let frame = CloseFrame { code: 4004.into(), reason: "no data".into() };
        socket.send(Message::Close(Some(frame))).await.unwrap();
        pong
    });
    let url = format!("ws://{address}/x");
    let mut socket = Socket::open(&dialer(""), &url, WAIT).await.unwrap();
    let end = socket.next().await;
    assert_eq!(end, Incoming::Closed(End { code: Some(4004), reason: "no data".to_owned() }));
    assert_eq!(server.await.unwrap(), Message::Pong("hi".into()));
}

/// Gives pings to a socket when told to.
async fn pinging(mut told: mpsc::Receiver<()>) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while told.recv().await.is_some() {
            socket.send(Message::Ping("okx".into())).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_venue_that_pings_by_itself_is_gone_after_50_s_of_nothing_and_not_before() {
    let (tell, told) = mpsc::channel(1);
    let url = format!("ws://{}/ws/v5/public-sbe", pinging(told).await);
    let mut socket = Socket::open_signed(&dialer(""), &url, WAIT, &[]).await.unwrap();
    tokio::time::pause();
    // Pings are no frames, and each is worth another 50 s.
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(49)).await;
        socket.has_read();
        tell.send(()).await.unwrap();
        while !socket.has_read() {
            assert_eq!(socket.try_next(), None);
            tokio::task::yield_now().await;
        }
    }
    tokio::time::advance(Duration::from_secs(49)).await;
    assert_eq!(socket.try_next(), None);
    tokio::time::advance(Duration::from_secs(2)).await;
    let end = End { code: None, reason: "silent: not even a ping for 50 s".to_owned() };
    assert_eq!(socket.try_next(), Some(Incoming::Closed(end)));
}

#[tokio::test]
async fn a_socket_that_we_ping_has_no_such_rule() {
    let (_tell, told) = mpsc::channel(1);
    let url = format!("ws://{}/ws/v5/public", pinging(told).await);
    let mut socket = Socket::open(&dialer(""), &url, WAIT).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(socket.try_next(), None, "silence is the feed's business");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_cannot_stop_us_reading() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for n in 0..1000 {
            if socket.send(Message::text(format!("{n}"))).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    });
    let url = format!("ws://{address}/x");
    let mut socket = Socket::open(&dialer(""), &url, WAIT).await.unwrap();
    for n in 0..1000 {
        if n < 100 {
            // More than any system takes for a reader that does not read.
            socket.send("x".repeat(256 << 10));
        }
        match socket.next().await {
            Incoming::Frame(text) => assert_eq!(text, format!("{n}").as_bytes()),
            Incoming::Closed(End { reason, .. }) => {
                assert!(n > 0 && reason.contains("full"), "after {n}: {reason}");
                return server.abort();
            }
        }
    }
    panic!("25 MB were taken by a peer that reads nothing");
}

/// A WebSocket server behind TLS that says every text back, and its certificate.
async fn echo_wss() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    (address, made.cert.pem())
}

#[tokio::test]
async fn tls_works_with_a_trusted_certificate_only_with_and_without_a_proxy() {
    let (server, pem) = echo_wss().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, pem.as_bytes()).unwrap();
    let trust = TlsTrust::File(file.path().to_owned());
    let url = format!("wss://localhost:{}/ws/v5/public", server.port());
    echoes(&Dialer::new(&ProxySetting::None, &trust).unwrap(), &url).await;

    let (http, _heads) = http_proxy().await;
    let (socks, _asked) = socks_proxy(server, 0).await;
    for proxy in [format!("http://{http}"), format!("socks5h://a:b@{socks}")] {
        echoes(&Dialer::new(&ProxySetting::Url(proxy), &trust).unwrap(), &url).await;
    }

    let opened = Socket::open(&dialer(""), &url, WAIT).await;
    let reason = opened.err().unwrap().reason;
    assert!(reason.contains("no TLS with localhost") && reason.contains("certificate"), "{reason}");
    let other = url.replace("localhost", "127.0.0.1");
    let trusting = Dialer::new(&ProxySetting::None, &trust).unwrap();
    let reason = Socket::open(&trusting, &other, WAIT).await.err().unwrap().reason;
    assert!(reason.contains("not valid for name"), "{reason}");
}

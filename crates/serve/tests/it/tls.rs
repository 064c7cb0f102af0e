//! Encrypted connections: the certificate of the files is shown, and everything works behind it.

use crate::desk::{Desk, token};
use market_data::config::Serve;
use market_data_serve::ServeOptions;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A certificate for localhost and its key in two files; the settings that name them.
fn files(dir: &Path) -> (rcgen::CertifiedKey<rcgen::KeyPair>, Serve) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let serve = Serve { cert_file: Some(cert), key_file: Some(key), ..Serve::default() };
    (made, serve)
}

#[tokio::test]
async fn what_is_served_is_served_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let (made, serve) = files(dir.path());
    let tls = ServeOptions::from_config(&serve).unwrap().tls;
    // The desk waits until it is ready, unencrypted; so it is made ready by hand here.
    let desk = Desk::unready(|options| (options.tls, options.token) = (tls, Some(token()))).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(desk.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut socket = connector.connect(name, socket).await.unwrap();
    let ask = "GET /api/v1/feeds?token=0123456789abcdef0123 HTTP/1.1\r\nHost: localhost\r\n\
               Connection: close\r\n\r\n";
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close without the last word of TLS; what came is looked at.
    drop(timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await.unwrap());
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Whoever does not shake hands gets nothing in plain text.
    let (_, head, body) = crate::desk::get(desk.address, "/healthz", "").await;
    assert!(
        head.starts_with("HTTP/1.1 400 ") && body.contains("\"code\":\"not_encrypted\""),
        "{head}"
    );
    // Nor does who begins as TLS does and goes on otherwise.
    let (_, head, body) =
        crate::desk::ask(desk.address, "\u{16}\u{3}\u{1}GET / HTTP/1.1\r\n\r\n").await;
    assert!(!head.contains("HTTP") && !body.contains("status"), "{head}");
    desk.stop_server().await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_, good) = files(dir.path());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let wrong = dir.path().join("wrong.pem");
    std::fs::write(&wrong, other.signing_key.serialize_pem()).unwrap();
    let words = |serve: &Serve| ServeOptions::from_config(serve).unwrap_err().to_string();
    let half = words(&Serve { key_file: None, ..good.clone() });
    assert!(half.contains("key_file"), "{half}");
    let missing = words(&Serve { cert_file: Some("/nowhere/c.pem".into()), ..good.clone() });
    assert!(missing.contains("/nowhere/c.pem"), "{missing}");
    let apart = words(&Serve { key_file: Some(wrong.clone()), ..good.clone() });
    assert!(apart.contains("wrong.pem"), "{apart}");
    let no_cert = words(&Serve { cert_file: Some(wrong), ..good });
    assert!(no_cert.contains("no certificate"), "{no_cert}");
}

//! One way out for WebSocket and REST: name, proxy, TCP, TLS.
//!
//! Names are resolved anew at every dial, so a venue that moves is found again.
//!
//! Invariant: an error says which step failed and with whom.

use super::proxy::Proxies;
use super::{ProxySetting, TlsTrust, tls};
use crate::error::{Error, chain};
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How long TCP may take to one address of a name.
const TCP_WAIT: Duration = Duration::from_secs(8);
/// Longest answer of a proxy.
const PROXY_HEAD_MAX: usize = 8192;

/// A byte stream to somewhere, plain or encrypted.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection that could not be made, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DialError(pub String);

/// Makes connections.
pub(crate) struct Dialer {
    proxies: Proxies,
    tls: TlsConnector,
    tcp: HttpConnector,
}

impl Dialer {
    /// A dialer with these rules; the environment is read once, here.
    pub fn new(proxy: &ProxySetting, trust: &TlsTrust) -> Result<Dialer, Error> {
        let proxies = Proxies::new(proxy, |name| std::env::var(name).ok())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TCP_WAIT));
        Ok(Dialer { proxies, tls: TlsConnector::from(tls::client_config(trust)?), tcp })
    }

    /// The same, from this address of this machine.
    pub fn bound_to(mut self, address: Option<IpAddr>) -> Dialer {
        self.tcp.set_local_address(address);
        self
    }

    /// Connects to the host of `uri` (`ws`, `wss`, `http` or `https`).
    ///
    /// Dropping the future gives up and leaves nothing behind.
    pub async fn dial(&self, uri: &Uri) -> Result<Box<dyn ByteStream>, DialError> {
        let (host, port, encrypted) = parts(uri)?;
        let scheme = if encrypted { "https" } else { "http" };
        let target = address(scheme, &host, port)?;
        let tcp = match self.proxies.route(&target) {
            Some(proxy) => self.through(&proxy, target).await?,
            None => connect(self.tcp.clone(), target)
                .await
                .map_err(|e| DialError(format!("cannot reach {host}:{port}: {e}")))?,
        };
        if !encrypted {
            return Ok(Box::new(tcp));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| DialError(format!("{host} is not a name a certificate can carry")))?;
        match self.tls.connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(e) => Err(DialError(format!("no TLS with {host}:{port}: {}", chain(&e)))),
        }
    }

    async fn through(&self, proxy: &Intercept, target: Uri) -> Result<TcpStream, DialError> {
        let scheme = proxy.uri().scheme_str().unwrap_or("http");
        let host = proxy.uri().host().unwrap_or_default();
        let port = proxy.uri().port_u16().unwrap_or(if scheme == "http" { 80 } else { 1080 });
        let via = address("http", host, port)?;
        let wanted = target.authority().map_or(String::new(), ToString::to_string);
        let said = if scheme == "http" {
            let auth = proxy.basic_auth().map(|auth| auth.as_bytes());
            match connect(self.tcp.clone(), via).await {
                Ok(stream) => tunnel(stream, &wanted, auth).await,
                Err(error) => Err(error),
            }
        } else {
            let target = if scheme == "socks5" { resolved(target).await? } else { target };
            let mut socks = SocksV5::new(via, self.tcp.clone());
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            connect(socks, target).await
        };
        said.map_err(|e| {
            DialError(format!("the proxy {scheme}://{host}:{port} did not reach {wanted}: {e}"))
        })
    }
}

async fn connect<C>(mut connector: C, target: Uri) -> Result<TcpStream, String>
where
    C: Service<Uri, Response = TokioIo<TcpStream>>,
    C::Error: StdError + 'static,
{
    poll_fn(|cx| connector.poll_ready(cx)).await.map_err(|e| chain(&e))?;
    connector.call(target).await.map(TokioIo::into_inner).map_err(|e| chain(&e))
}

/// Asks an HTTP proxy for a tunnel. By hand, because a refusal should say the proxy's status.
async fn tunnel(
    mut stream: TcpStream,
    wanted: &str,
    auth: Option<&[u8]>,
) -> Result<TcpStream, String> {
    let mut ask = format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n").into_bytes();
    if let Some(auth) = auth {
        ask.extend_from_slice(b"Proxy-Authorization: ");
        ask.extend_from_slice(auth);
        ask.extend_from_slice(b"\r\n");
    }
    ask.extend_from_slice(b"\r\n");
    stream.write_all(&ask).await.map_err(|e| e.to_string())?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > PROXY_HEAD_MAX {
            return Err("its answer is too long".to_owned());
        }
        // The other side of the tunnel never speaks first, so nothing behind the head is lost.
        if stream.read_buf(&mut head).await.map_err(|e| e.to_string())? == 0 {
            return Err("it hung up without an answer".to_owned());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default().trim();
    match line.split_ascii_whitespace().nth(1) {
        Some("200") if line.starts_with("HTTP/1.") => Ok(stream),
        Some("407") => Err(format!("it wants a user and password ({line})")),
        _ => Err(format!("it answered {line:?}")),
    }
}

/// Replaces the name by one of its addresses.
async fn resolved(target: Uri) -> Result<Uri, DialError> {
    let host = target.host().unwrap_or_default().to_owned();
    let port = target.port_u16().unwrap_or(443);
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    let found = found.map_err(|e| DialError(format!("cannot resolve {host}: {e}")))?;
    let mut all: Vec<_> = found.collect();
    // Old SOCKS servers know IPv4 only.
    all.sort_by_key(|a| a.is_ipv6());
    let first = all.first().ok_or_else(|| DialError(format!("{host} has no address")))?;
    let ip = match first.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    address("http", &ip, port)
}

/// Host, port and whether TLS is wanted.
pub(crate) fn parts(uri: &Uri) -> Result<(String, u16, bool), DialError> {
    let encrypted = match uri.scheme_str() {
        Some("ws" | "http") => false,
        Some("wss" | "https") => true,
        _ => return Err(DialError(format!("{uri} does not start with wss, ws, https or http"))),
    };
    let host = uri.host().ok_or_else(|| DialError(format!("{uri} names no host")))?;
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    Ok((host.to_owned(), port, encrypted))
}

fn address(scheme: &str, host: &str, port: u16) -> Result<Uri, DialError> {
    let made = Uri::builder().scheme(scheme).authority(format!("{host}:{port}"));
    let made = made.path_and_query("/").build();
    made.map_err(|e| DialError(format!("{host}:{port} is not an address: {e}")))
}

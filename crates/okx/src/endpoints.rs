//! Where OKX listens: one set of addresses for each of its regions, and addresses of one's own.
//!
//! The shell asks here before it connects; nothing here connects or resolves a name. All three
//! addresses can be replaced one by one, the business socket included.
//!
//! Invariants: an address has a scheme and a host; none carries a password; no address of OKX
//! names port 8443, which OKX stopped serving on 2026-10-31 (changelog of 2026-09-30).
//!
//! Start at [`Endpoints::of`].

use crate::channel::Path;
use std::fmt;
use std::str::FromStr;

/// Where on a host the public socket lives (docs, read 2026-11-23).
const PUBLIC: &str = "/ws/v5/public";
/// Where on a host the business socket lives (docs, read 2026-11-23).
const BUSINESS: &str = "/ws/v5/business";
/// Where on a host the binary socket lives (docs, read 2026-11-23).
const BINARY: &str = "/ws/v5/public-sbe";
/// The port that OKX no longer serves for WebSockets.
const DEAD_PORT: u16 = 8443;

/// One of OKX's separate worlds. Instrument lists differ between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Region {
    /// okx.com, production.
    #[default]
    Global,
    /// okx.com, demo trading: invented liquidity, other instrument numbers.
    Demo,
    /// my.okx.com (European Economic Area), production.
    Eea,
    /// my.okx.com, demo trading.
    EeaDemo,
    /// app.okx.com (United States and Australia), production.
    Us,
    /// app.okx.com, demo trading.
    UsDemo,
}

impl Region {
    /// Every region.
    pub const ALL: [Region; 6] =
        [Region::Global, Region::Demo, Region::Eea, Region::EeaDemo, Region::Us, Region::UsDemo];

    /// As written in configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Region::Global => "global",
            Region::Demo => "demo",
            Region::Eea => "eea",
            Region::EeaDemo => "eea-demo",
            Region::Us => "us",
            Region::UsDemo => "us-demo",
        }
    }

    /// Hosts of the sockets and of REST. Global: docs of 2026-08-22 and the changelog of
    /// 2026-05-20; the others: as other clients use them (read 2026-11-23), OKX names no source.
    fn hosts(self) -> (&'static str, &'static str) {
        match self {
            Region::Global => ("ws.okx.com", "openapi.okx.com"),
            Region::Demo => ("wspap.okx.com", "openapi.okx.com"),
            Region::Eea => ("wseea.okx.com", "eea.okx.com"),
            Region::EeaDemo => ("wseeapap.okx.com", "eea.okx.com"),
            Region::Us => ("wsus.okx.com", "us.okx.com"),
            Region::UsDemo => ("wsuspap.okx.com", "us.okx.com"),
        }
    }

    fn is_demo(self) -> bool {
        matches!(self, Region::Demo | Region::EeaDemo | Region::UsDemo)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no [`Region`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRegion(pub String);

impl fmt::Display for UnknownRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Region::ALL.map(Region::as_str).join(", ");
        write!(f, "unknown region {:?}; use one of: {known}", self.0)
    }
}

impl std::error::Error for UnknownRegion {}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Region, UnknownRegion> {
        let same = |r: &Region| r.as_str().eq_ignore_ascii_case(text.trim());
        Region::ALL.into_iter().find(same).ok_or_else(|| UnknownRegion(text.to_owned()))
    }
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    /// The address as given; a password in it is blanked.
    pub url: String,
    /// What is wrong and what to write instead.
    pub why: String,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the address {:?}: {}", self.url, self.why)
    }
}

impl std::error::Error for UrlError {}

/// The three addresses a node talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The public socket, a full `ws://` or `wss://` address.
    pub public: String,
    /// The business socket (candles, single trades), a full `ws://` or `wss://` address.
    pub business: String,
    /// The binary socket (SBE), a full `ws://` or `wss://` address; `None` where OKX names none,
    /// which is everywhere but okx.com, production and demo (docs, read 2026-11-23).
    pub binary: Option<String>,
    /// The base of REST paths, `http://` or `https://`, without a slash at its end.
    pub rest: String,
    /// Whether REST requests carry the header `x-simulated-trading: 1` (demo trading).
    pub simulated: bool,
}

impl Default for Endpoints {
    fn default() -> Endpoints {
        Endpoints::of(Region::Global)
    }
}

impl Endpoints {
    /// OKX's own addresses, all on the default port 443.
    pub fn of(region: Region) -> Endpoints {
        let (socket, rest) = region.hosts();
        Endpoints {
            public: format!("wss://{socket}{PUBLIC}"),
            business: format!("wss://{socket}{BUSINESS}"),
            binary: matches!(region, Region::Global | Region::Demo)
                .then(|| format!("wss://{socket}{BINARY}")),
            rest: format!("https://{rest}"),
            simulated: region.is_demo(),
        }
    }

    /// Everything behind one base such as `ws://127.0.0.1:9443` or `http://127.0.0.1:9443`, laid
    /// out as OKX lays out its hosts. A full socket address is taken as its base.
    ///
    /// # Errors
    /// [`UrlError`] when the base has no scheme or host, carries a query, or is OKX itself, whose
    /// REST lives on another host than its sockets.
    pub fn local(base: &str) -> Result<Endpoints, UrlError> {
        let parts = split(base, &["ws", "wss", "http", "https"])?;
        if is_okx(parts.host) {
            let known = Region::ALL.map(Region::as_str).join(", ");
            return Err(refuse(base, format!("it is OKX's own; name a region instead: {known}")));
        }
        if parts.tail.contains(['?', '#']) {
            return Err(refuse(base, "a base address has no query; leave it out"));
        }
        let folder = parts.tail.trim_end_matches('/');
        let folder = folder.strip_suffix(BINARY).unwrap_or(folder);
        let folder = folder.strip_suffix(PUBLIC).unwrap_or(folder);
        let folder = folder.strip_suffix(BUSINESS).unwrap_or(folder).trim_end_matches('/');
        let secure = if matches!(parts.scheme, "wss" | "https") { "s" } else { "" };
        let place = format!("{}{folder}", parts.authority);
        Ok(Endpoints {
            public: format!("ws{secure}://{place}{PUBLIC}"),
            business: format!("ws{secure}://{place}{BUSINESS}"),
            binary: Some(format!("ws{secure}://{place}{BINARY}")),
            rest: format!("http{secure}://{place}"),
            simulated: false,
        })
    }

    /// The same with another public socket.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not a usable `ws://` or `wss://` address.
    pub fn with_public(self, url: &str) -> Result<Endpoints, UrlError> {
        Ok(Endpoints { public: socket(url)?, ..self })
    }

    /// The same with another business socket.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not a usable `ws://` or `wss://` address.
    pub fn with_business(self, url: &str) -> Result<Endpoints, UrlError> {
        Ok(Endpoints { business: socket(url)?, ..self })
    }

    /// The same with another binary socket.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not a usable `ws://` or `wss://` address.
    pub fn with_binary(self, url: &str) -> Result<Endpoints, UrlError> {
        Ok(Endpoints { binary: Some(socket(url)?), ..self })
    }

    /// The same with another REST base.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not a usable `http://` or `https://` address.
    pub fn with_rest(self, url: &str) -> Result<Endpoints, UrlError> {
        let parts = split(url, &["http", "https"])?;
        if parts.tail.contains(['?', '#']) {
            return Err(refuse(url, "a REST base has no query; leave it out"));
        }
        Ok(Endpoints { rest: url.trim().trim_end_matches('/').to_owned(), ..self })
    }

    /// The socket on which channels of `path` live; empty where there is none.
    pub fn url(&self, path: Path) -> &str {
        match path {
            Path::Public => &self.public,
            Path::Business => &self.business,
            Path::Binary => self.binary.as_deref().unwrap_or_default(),
        }
    }

    /// The full address of a REST path such as `/api/v5/public/time`.
    pub fn rest_url(&self, path: &str) -> String {
        format!("{}{path}", self.rest)
    }
}

struct Parts<'a> {
    scheme: &'a str,
    /// Host and port as written.
    authority: &'a str,
    host: &'a str,
    /// Path and query, from the slash on; may be empty.
    tail: &'a str,
}

fn refuse(url: &str, why: impl Into<String>) -> UrlError {
    let shown = match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}***{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    };
    UrlError { url: shown, why: why.into() }
}

fn split<'a>(url: &'a str, schemes: &[&str]) -> Result<Parts<'a>, UrlError> {
    let wanted = format!("it must start with {}://", schemes.join(":// or "));
    let text = url.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(refuse(url, format!("{wanted}, for example {}://{text}", schemes[0])));
    };
    if !schemes.contains(&scheme) {
        return Err(refuse(url, wanted));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(refuse(url, "it contains a space or a control character"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        return Err(refuse(url, "OKX's public data needs no name or password; leave them out"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err(refuse(url, "it names no host"));
    }
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(refuse(url, "its port is not a number from 1 to 65535")),
    };
    if port == Some(DEAD_PORT) && is_okx(host) && scheme.starts_with("ws") {
        let why = "OKX has not served port 8443 since 2026-10-31; leave the port out";
        return Err(refuse(url, why));
    }
    Ok(Parts { scheme, authority, host, tail })
}

fn socket(url: &str) -> Result<String, UrlError> {
    split(url, &["wss", "ws"]).map(|_| url.trim().to_owned())
}

fn is_okx(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "okx.com" || host.ends_with(".okx.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_on_the_default_port() {
        let lines: Vec<String> = Region::ALL
            .into_iter()
            .map(|region| {
                let at = Endpoints::of(region);
                for url in [&at.public, &at.business] {
                    assert!(socket(url).is_ok());
                    assert_eq!(url.matches(':').count(), 1, "{url} names a port");
                }
                assert_eq!(region.as_str().parse(), Ok(region));
                format!("{region} {} {} {} {}", at.public, at.business, at.rest, at.simulated)
            })
            .collect();
        let global = "global wss://ws.okx.com/ws/v5/public wss://ws.okx.com/ws/v5/business \
                      https://openapi.okx.com false";
        let demo = "demo wss://wspap.okx.com/ws/v5/public wss://wspap.okx.com/ws/v5/business \
                    https://openapi.okx.com true";
        assert_eq!(lines[..2], [global, demo]);
        assert_eq!(
            "mars".parse::<Region>().unwrap_err().to_string(),
            "unknown region \"mars\"; use one of: global, demo, eea, eea-demo, us, us-demo"
        );
    }

    #[test]
    fn one_base_gives_all_three() {
        for base in
            ["ws://127.0.0.1:9443", "http://127.0.0.1:9443/", "ws://127.0.0.1:9443/ws/v5/public"]
        {
            let at = Endpoints::local(base).unwrap();
            assert_eq!(at.public, "ws://127.0.0.1:9443/ws/v5/public");
            assert_eq!(at.business, "ws://127.0.0.1:9443/ws/v5/business");
            assert_eq!(
                at.rest_url("/api/v5/public/time"),
                "http://127.0.0.1:9443/api/v5/public/time"
            );
            assert!(!at.simulated);
        }
        let at = Endpoints::local("https://[::1]:8443/okx/").unwrap();
        assert_eq!(at.business, "wss://[::1]:8443/okx/ws/v5/business");
        assert_eq!(Endpoints::local("ws://[::1]").unwrap().rest, "http://[::1]");
    }

    #[test]
    fn each_address_can_be_replaced_alone() {
        let at = Endpoints::of(Region::Demo)
            .with_business("ws://127.0.0.1:9/b?brokerId=9999")
            .and_then(|e| e.with_rest("http://localhost:8080//"))
            .unwrap();
        assert_eq!(at.url(Path::Public), "wss://wspap.okx.com/ws/v5/public");
        assert_eq!(at.url(Path::Business), "ws://127.0.0.1:9/b?brokerId=9999");
        assert_eq!(at.rest, "http://localhost:8080");
        assert!(at.simulated);
        let at = at.with_public("wss://ws.okx.com:443/ws/v5/public").unwrap();
        assert_eq!(at.public, "wss://ws.okx.com:443/ws/v5/public");
    }

    #[test]
    fn refuses_with_a_way_out() {
        let local = |url| Endpoints::local(url).unwrap_err().to_string();
        let public = |url| Endpoints::default().with_public(url).unwrap_err().to_string();
        let rest = |url| Endpoints::default().with_rest(url).unwrap_err().to_string();
        let texts = [
            local("127.0.0.1:9443"),
            local("ws://"),
            local("ws://x:99999"),
            local("ws://ws.okx.com/ws/v5/public"),
            public("https://ws.okx.com/ws/v5/public"),
            public("wss://ws.okx.com:8443/ws/v5/public"),
            public("wss://me:secret@host/ws"),
            rest("https://a b"),
        ];
        let wanted = [
            "cannot use the address \"127.0.0.1:9443\": it must start with ws:// or wss:// or \
             http:// or https://, for example ws://127.0.0.1:9443",
            "cannot use the address \"ws://\": it names no host",
            "cannot use the address \"ws://x:99999\": its port is not a number from 1 to 65535",
            "cannot use the address \"ws://ws.okx.com/ws/v5/public\": it is OKX's own; name a \
             region instead: global, demo, eea, eea-demo, us, us-demo",
            "cannot use the address \"https://ws.okx.com/ws/v5/public\": it must start with \
             wss:// or ws://",
            "cannot use the address \"wss://ws.okx.com:8443/ws/v5/public\": OKX has not served \
             port 8443 since 2026-10-31; leave the port out",
            "cannot use the address \"wss://***@host/ws\": OKX's public data needs no name or \
             password; leave them out",
            "cannot use the address \"https://a b\": it contains a space or a control character",
        ];
        assert_eq!(texts, wanted);
    }
}

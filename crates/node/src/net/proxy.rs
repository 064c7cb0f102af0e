//! Which proxy, if any, a connection goes through.
//!
//! The matching rules (`NO_PROXY` and friends) are hyper-util's; this file adds what it leaves
//! out: a value that cannot be used is an error instead of being ignored.
//!
//! Invariants: with a proxy configured nothing silently goes around it; addresses of this machine
//! are reached directly when the proxy comes from the environment (it could not reach them).

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Where the proxy comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxySetting {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case.
    #[default]
    FromEnvironment,
    /// No proxy, whatever the environment says.
    None,
    /// This one for everything: `http://`, `socks5://` (names resolved here) or `socks5h://`
    /// (names resolved by the proxy), with `user:password@` if needed.
    Url(String),
}

/// A proxy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the proxy {shown} from {origin}: {why}")]
pub struct ProxyError {
    /// The proxy without its password.
    pub shown: String,
    /// The variable or setting that names it.
    pub origin: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Proxies {
    matcher: Option<Matcher>,
    skip_loopback: bool,
}

impl Proxies {
    /// Reads the setting; `env` looks a variable up.
    pub fn new(
        setting: &ProxySetting,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Proxies, ProxyError> {
        match setting {
            ProxySetting::None => Ok(Proxies { matcher: None, skip_loopback: false }),
            ProxySetting::Url(url) => {
                check(url, "the settings")?;
                let matcher = Matcher::builder().all(url.as_str()).build();
                Ok(Proxies { matcher: Some(matcher), skip_loopback: false })
            }
            ProxySetting::FromEnvironment => Proxies::from_environment(env),
        }
    }

    fn from_environment(env: impl Fn(&str) -> Option<String>) -> Result<Proxies, ProxyError> {
        let first = |names: [&'static str; 2]| {
            let found = |n: &'static str| env(n).filter(|v| !v.is_empty()).map(|v| (n, v));
            names.into_iter().find_map(found)
        };
        let value = |found: Option<(&'static str, String)>| match found {
            Some((name, value)) => check(&value, name).map(|()| value),
            None => Ok(String::new()),
        };
        let matcher = Matcher::builder()
            .all(value(first(["ALL_PROXY", "all_proxy"]))?)
            .http(value(first(["HTTP_PROXY", "http_proxy"]))?)
            .https(value(first(["HTTPS_PROXY", "https_proxy"]))?)
            .no(first(["NO_PROXY", "no_proxy"]).map_or(String::new(), |(_, v)| v))
            .build();
        Ok(Proxies { matcher: Some(matcher), skip_loopback: true })
    }

    /// The proxy for a destination whose scheme is `http` or `https`.
    pub fn route(&self, target: &Uri) -> Option<Intercept> {
        if self.skip_loopback && target.host().is_some_and(is_loopback) {
            return None;
        }
        self.matcher.as_ref()?.intercept(target)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Refuses what the matcher would ignore and what the dialer cannot speak.
fn check(url: &str, origin: &str) -> Result<(), ProxyError> {
    let error = |why| {
        let shown = match url.rsplit_once('@') {
            Some((left, host)) => {
                let scheme = left.split_once("://").map_or("", |(scheme, _)| scheme);
                format!("{scheme}://***@{host}")
            }
            None => url.to_owned(),
        };
        Err(ProxyError { shown, origin: origin.to_owned(), why })
    };
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
    match scheme {
        "http" | "socks5" | "socks5h" => {}
        "https" => return error("a proxy behind TLS is not supported; use http://"),
        "socks4" | "socks4a" => return error("SOCKS 4 is not supported; use socks5://"),
        _ => return error("the scheme is not one of http, socks5, socks5h"),
    }
    let probe = Uri::from_static("https://example.invalid/");
    match Matcher::builder().all(url).build().intercept(&probe) {
        Some(_) => Ok(()),
        None => error("it is not an address such as http://host:port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        let vars: Vec<_> = vars.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Proxies::new(&ProxySetting::FromEnvironment, move |name| {
            vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone())
        })
    }

    fn route(proxies: &Proxies, target: &str) -> Option<String> {
        proxies.route(&target.parse().unwrap()).map(|i| i.uri().to_string())
    }

    #[test]
    fn reads_every_variable_in_both_cases() {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            let p = with(&[(name, "http://proxy.corp:3128")]).unwrap();
            let got = route(&p, "https://ws.okx.com");
            assert_eq!(got.as_deref(), Some("http://proxy.corp:3128/"), "{name}");
        }
        for name in ["HTTP_PROXY", "http_proxy"] {
            let p = with(&[(name, "proxy.corp:3128")]).unwrap();
            assert_eq!(route(&p, "https://ws.okx.com"), None, "{name}");
            assert!(route(&p, "http://ws.okx.com").is_some(), "{name}");
        }
        for name in ["NO_PROXY", "no_proxy"] {
            let p = with(&[("ALL_PROXY", "socks5h://p:1080"), (name, "okx.com,10.0.0.0/8")]);
            let p = p.unwrap();
            assert_eq!(route(&p, "https://ws.okx.com"), None, "{name}");
            assert_eq!(route(&p, "https://10.1.2.3"), None, "{name}");
            assert!(route(&p, "https://okx.org").is_some(), "{name}");
        }
    }

    #[test]
    fn this_machine_is_reached_directly_unless_the_proxy_is_explicit() {
        let p = with(&[("ALL_PROXY", "http://p:1")]).unwrap();
        for host in ["127.0.0.1:9443", "localhost:1", "[::1]:80"] {
            assert_eq!(route(&p, &format!("http://{host}")), None);
        }
        let p = Proxies::new(&ProxySetting::Url("http://p:1".into()), |_| None).unwrap();
        assert!(route(&p, "http://127.0.0.1:9443").is_some());
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_without_its_password() {
        for (bad, why) in [
            ("https://p:1", "TLS"),
            ("socks4://p:1", "SOCKS 4"),
            ("ftp://me:secret@p:1", "scheme"),
            ("http://", "address"),
        ] {
            let error = with(&[("HTTPS_PROXY", bad)]).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("HTTPS_PROXY"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(with(&[("HTTPS_PROXY", "")]).is_ok());
    }

    #[test]
    fn credentials_are_decoded() {
        let p = with(&[("ALL_PROXY", "http://me:p%40ss@p:1")]).unwrap();
        let found = p.route(&Uri::from_static("https://x.y")).unwrap();
        assert_eq!(found.basic_auth().unwrap(), "Basic bWU6cEBzcw==");
        let p = with(&[("ALL_PROXY", "socks5://me:p%40ss@p:1")]).unwrap();
        let found = p.route(&Uri::from_static("https://x.y")).unwrap();
        assert_eq!(found.raw_auth().unwrap(), ("me", "p@ss"));
    }
}

//! How a well-behaved client treats OKX, judged by what one connection sends and how long it stays
//! silent.
//!
//! `life.rs` tells it of every frame in both directions. The numbers are OKX's (docs, read
//! 2026-11-23) and are written down here a second time on purpose: the judge does not ask the
//! judged.
//!
//! Start at [`Manners::sent`].

use super::json::Json;
use std::collections::{BTreeSet, VecDeque};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Bytes of one request.
const REQUEST_MAX: usize = 65_536;
/// Requests per hour and connection.
const REQUESTS_PER_HOUR: usize = 480;
/// Characters of an `id`.
const ID_MAX: usize = 32;
/// The exchange ends a connection after 30 s of silence; our own promise is a ping after 20 s at
/// the latest, and a little for a timer that is late.
const SILENCE_MAX: u64 = 20 * SECOND + SECOND / 10;
/// Handshakes per second and address.
const HANDSHAKES_PER_SECOND: usize = 3;

/// A subscribe or unsubscribe request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Subscribe rather than unsubscribe.
    pub subscribe: bool,
    /// (channel, key) of each argument.
    pub args: Vec<(String, String)>,
}

/// What is known of one connection.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    requests: VecDeque<u64>,
    ids: BTreeSet<String>,
    /// (channel, instId) of books asked for.
    books: BTreeSet<(String, String)>,
    heard_ns: u64,
    pinged: bool,
}

impl Manners {
    /// A connection that opened at `now`.
    pub fn new(now: u64) -> Manners {
        Manners { heard_ns: now, ..Manners::default() }
    }

    /// The feed heard something.
    pub fn heard(&mut self, now: u64) {
        self.heard_ns = now;
        self.pinged = false;
    }

    /// Time passes.
    ///
    /// # Errors
    /// When the feed let the silence grow without a ping.
    pub fn waited(&self, now: u64) -> Result<(), String> {
        let silent = now.saturating_sub(self.heard_ns);
        if silent > SILENCE_MAX && !self.pinged {
            return Err(format!("silent for {} ms and no ping was sent", silent / 1_000_000));
        }
        Ok(())
    }

    /// The feed sends a text frame. `None` is a ping.
    ///
    /// # Errors
    /// Says which rule the frame breaks.
    pub fn sent(&mut self, now: u64, text: &str) -> Result<Option<Request>, String> {
        if text == "ping" {
            self.pinged = true;
            return Ok(None);
        }
        if text.len() > REQUEST_MAX {
            return Err(format!("a request of {} bytes; {REQUEST_MAX} is the most", text.len()));
        }
        let json = Json::parse(text).ok_or_else(|| format!("a request that is no JSON: {text}"))?;
        let request = read(&json).ok_or_else(|| format!("an odd request: {text}"))?;
        self.number(json.text("id"))?;
        self.budget(now)?;
        self.exclusion(&request)?;
        Ok(Some(request))
    }

    /// The feed sends a login.
    ///
    /// # Errors
    /// When it is one request too many.
    pub fn logged_in(&mut self, now: u64) -> Result<(), String> {
        self.budget(now)
    }

    fn number(&mut self, id: &str) -> Result<(), String> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric());
        if id.is_empty() || id.len() > ID_MAX || !plain {
            return Err(format!("id {id:?}: OKX takes 1 to {ID_MAX} letters and digits"));
        }
        if !self.ids.insert(id.to_owned()) {
            return Err(format!("id {id:?} is used twice on one connection"));
        }
        Ok(())
    }

    fn budget(&mut self, now: u64) -> Result<(), String> {
        self.requests.push_back(now);
        while self.requests.front().is_some_and(|&at| at + HOUR <= now) {
            self.requests.pop_front();
        }
        if self.requests.len() > REQUESTS_PER_HOUR {
            return Err(format!("{} requests within an hour", self.requests.len()));
        }
        Ok(())
    }

    fn exclusion(&mut self, request: &Request) -> Result<(), String> {
        for (channel, inst) in &request.args {
            let key = (channel.clone(), inst.clone());
            if !request.subscribe {
                self.books.remove(&key);
                continue;
            }
            if channel.starts_with("books") {
                self.books.insert(key);
            }
            let has = |name: &str| self.books.contains(&(name.to_owned(), inst.clone()));
            if has("books-l2-tbt") && (has("books") || has("books50-l2-tbt")) {
                return Err(format!("books-l2-tbt beside a lesser book of {inst}"));
            }
        }
        Ok(())
    }
}

/// Channels whose argument names nothing.
const NAMELESS: [&str; 3] = ["status", "economic-calendar", "public-struc-block-trades"];

/// What an argument names most narrowly; empty if it names nothing.
pub fn narrowest(arg: &Json) -> &str {
    let names = ["sprdId", "instId", "instFamily", "instType"].map(|name| arg.text(name));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

fn read(json: &Json) -> Option<Request> {
    let subscribe = match json.text("op") {
        "subscribe" => true,
        "unsubscribe" => false,
        _ => return None,
    };
    let mut args = Vec::new();
    for arg in json.get("args")?.list() {
        let channel = arg.text("channel");
        let key = narrowest(arg);
        if channel.is_empty() || (key.is_empty() && !NAMELESS.contains(&channel)) {
            return None;
        }
        args.push((channel.to_owned(), key.to_owned()));
    }
    (!args.is_empty()).then_some(Request { subscribe, args })
}

/// The handshakes of one address.
#[derive(Clone, Debug, Default)]
pub struct Handshakes(VecDeque<u64>);

impl Handshakes {
    /// A handshake starts.
    ///
    /// # Errors
    /// When it is the fourth within a second.
    pub fn start(&mut self, now: u64) -> Result<(), String> {
        self.0.push_back(now);
        while self.0.front().is_some_and(|&at| at + SECOND <= now) {
            self.0.pop_front();
        }
        if self.0.len() > HANDSHAKES_PER_SECOND {
            return Err(format!("{} handshakes within a second", self.0.len()));
        }
        Ok(())
    }
}

/// The code of an error event that tells the client off for a mistake of its own.
pub fn reproach(text: &str) -> Option<String> {
    if !text.starts_with('{') || !text.contains("\"error\"") {
        return None;
    }
    let json = Json::parse(text)?;
    let code = json.text("code");
    let ours = ["60012", "60013", "60014", "60033", "64001", "64002"].contains(&code);
    (json.text("event") == "error" && ours).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &str = r#"{"id":"a1","op":"subscribe","args":[{"channel":"books","instId":"X"}]}"#;

    #[test]
    fn a_good_request_passes_once() {
        let mut manners = Manners::new(0);
        let request = manners.sent(0, ASK).unwrap().unwrap();
        assert_eq!(request.args, [("books".to_owned(), "X".to_owned())]);
        assert!(manners.sent(0, ASK).unwrap_err().contains("twice"));
    }

    #[test]
    fn each_rule_has_teeth() {
        let mut manners = Manners::new(0);
        assert!(manners.sent(0, &ASK.replace("a1", "a-1")).is_err());
        assert!(manners.sent(0, &ASK.replace("a1", &"a".repeat(33))).is_err());
        assert!(
            manners.sent(0, &ASK.replace("\"X\"", &format!("{:?}", "X".repeat(70_000)))).is_err()
        );
        manners.sent(0, &ASK.replace("a1", "b1")).unwrap();
        let tbt = ASK.replace("a1", "b2").replace("books", "books-l2-tbt");
        assert!(manners.sent(0, &tbt).unwrap_err().contains("beside"));
        assert!(manners.waited(20 * SECOND).is_ok());
        assert!(manners.waited(21 * SECOND).is_err());
        assert_eq!(manners.sent(21 * SECOND, "ping").unwrap(), None);
        assert!(manners.waited(21 * SECOND).is_ok());
        let ask = |n: u32| ASK.replace("a1", &format!("n{n}"));
        let mut manners = Manners::new(0);
        assert!((0..480).all(|n| manners.sent(u64::from(n), &ask(n)).is_ok()));
        assert!(manners.sent(500, &ask(481)).is_err());
        let mut handshakes = Handshakes::default();
        assert!((0..3).all(|n| handshakes.start(n).is_ok()));
        assert!(handshakes.start(SECOND - 1).is_err());
    }

    #[test]
    fn only_reproaches_count() {
        let error = r#"{"event":"error","code":"60033","msg":"","connId":"x"}"#;
        assert_eq!(reproach(error).as_deref(), Some("60033"));
        assert_eq!(reproach(&error.replace("60033", "60018")), None);
        assert_eq!(reproach("pong"), None);
    }
}

//! What clients ask for on a WebSocket, and what they are told.
//!
//! `exchange.rs` hands text frames over. Requests are read in the order of arrival; a delayed one
//! holds up those behind it. Texts of errors follow OKX's where a capture or its documentation
//! shows them.
//!
//! Invariants: one ack per argument, errors without `arg`, `id` echoed if and only if it was
//! sent; acks and errors of one connection keep their order.
//!
//! Start at [`Exchange::request_arrives`].

use serde_json::Value;

use crate::api::ConnId;
use crate::calendar::SECOND;
use crate::channel::{BookKind, Channel, Endpoint, FeedKey, Target};
use crate::exchange::{Event, Exchange};
use crate::instrument::Kind;
use crate::market::Market;
use crate::net::Frame;
use crate::session::CHANNELS_MAX;
use crate::text::json;

/// One argument of a request.
struct Arg {
    channel: String,
    /// Everything else that it names, in the order of [`NAMES`].
    named: [Option<String>; NAMES.len()],
    /// `instIdCode`, a number, for the binary socket.
    code: Option<i64>,
    /// As it is echoed.
    echo: String,
}

/// What an argument can name, in the order in which it is echoed.
const NAMES: [&str; 5] = ["instType", "instFamily", "instId", "sprdId", "uly"];

impl Arg {
    fn get(&self, name: &str) -> Option<&str> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.named[at].as_deref()
    }

    /// What it is about, by the most exact name it gives.
    fn about(&self) -> &str {
        let names = ["instId", "sprdId", "instFamily", "instType"];
        names.iter().find_map(|name| self.get(name)).unwrap_or("")
    }

    /// `,instId:BTC-USDT`, as errors quote it.
    fn quoted(&self) -> String {
        let given = NAMES.iter().zip(&self.named);
        let quote = |(name, value): (&&str, &Option<String>)| {
            value.as_ref().map(|value| format!(",{name}:{value}"))
        };
        given.filter_map(quote).collect()
    }
}

impl Exchange {
    /// A request arrives: read at once, or later if the exchange is slow.
    pub(crate) fn request_arrives(&mut self, conn: ConnId, text: &str) {
        let now = self.now_ns;
        let slow = self.config.faults.slowack / 2;
        let late = if self.net.hit(slow, "slowack") {
            now + self.net.rng.between(5, 40) * SECOND
        } else {
            now
        };
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let behind = state.backlog.back().map_or(now, |&(at, _)| at);
        let at = late.max(behind);
        if at > now {
            state.backlog.push_back((at, text.to_owned()));
            // Asked in time counts, even if it is read late.
            state.ever_subscribed = true;
            self.schedule(at, Event::Backlog(conn));
        } else {
            self.read_request(conn, text);
        }
    }

    /// Reads the requests that have waited long enough.
    pub(crate) fn read_backlog(&mut self, conn: ConnId) {
        loop {
            let now = self.now_ns;
            let Some(state) = self.conns.get_mut(&conn) else { return };
            match state.backlog.front() {
                Some(&(at, _)) if at <= now => {}
                _ => return,
            }
            if let Some((_, text)) = state.backlog.pop_front() {
                self.read_request(conn, &text);
            }
        }
    }

    fn read_request(&mut self, conn: ConnId, text: &str) {
        let now = self.now_ns;
        let invalid = |text: &str| format!("Invalid request: {text}");
        let Ok(Value::Object(request)) = serde_json::from_str::<Value>(text) else {
            return self.refuse_request(conn, None, "60012", &invalid(text));
        };
        let id = match request.get("id") {
            None => None,
            Some(Value::String(id)) if good_id(id) => Some(id.clone()),
            Some(_) => return self.refuse_request(conn, None, "60033", "Parameter id error."),
        };
        let id = id.as_deref();
        let op = request.get("op").and_then(Value::as_str).unwrap_or("");
        if !matches!(op, "subscribe" | "unsubscribe" | "login") {
            return self.refuse_request(conn, id, "60012", &invalid(text));
        }
        let args = match request.get("args") {
            Some(Value::Array(args)) if !args.is_empty() => args,
            _ => return self.refuse_request(conn, id, "60013", "Invalid args"),
        };
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if !state.may_request(now) {
            return self.refuse_request(conn, id, "60014", "Requests too frequent.");
        }
        for arg in args {
            match op {
                "login" => self.login(conn, id, arg),
                "subscribe" => self.subscribe(conn, id, arg),
                _ => self.unsubscribe(conn, id, arg),
            }
        }
    }

    /// Tells a client that it is logged in.
    pub(crate) fn say_login(&mut self, conn: ConnId, id: Option<&str>) {
        let Some(state) = self.conns.get(&conn) else { return };
        let hex = json(&state.hex);
        let text = format!(
            "{{{}\"event\":\"login\",\"code\":\"0\",\"msg\":\"\",\"connId\":{hex}}}",
            id_part(id)
        );
        self.say(conn, text, None);
    }

    fn subscribe(&mut self, conn: ConnId, id: Option<&str>, arg: &Value) {
        let Some(arg) = read_arg(arg) else {
            return self.refuse_request(conn, id, "60013", "Invalid args");
        };
        let key = match self.find_feed(conn, &arg) {
            Ok(key) => key,
            Err((code, msg)) => return self.refuse_request(conn, id, code, &msg),
        };
        if self.net.hit(self.config.faults.errorack, "errorack") {
            let (code, msg) = match self.net.rng.below(3) {
                0 => ("60018", unknown(&arg)),
                1 => ("60014", "Requests too frequent.".to_owned()),
                _ => ("64007", "Operation failed due to internal error.".to_owned()),
            };
            return self.refuse_with(conn, id, (code, &msg), Some("errorack"));
        }
        let count = self.conns.get(&conn).map_or(0, |state| state.subs.len());
        if count >= CHANNELS_MAX {
            return self.close(conn, 4009, "Too many channels on this connection");
        }
        self.acknowledge(conn, id, "subscribe", &arg.echo);
        self.keep_apart(conn, id, key, &arg);
    }

    /// The rule of 2024-07-17: `books-l2-tbt` does not stand beside `books` or `books50-l2-tbt`.
    fn keep_apart(&mut self, conn: ConnId, id: Option<&str>, key: FeedKey, arg: &Arg) {
        let has = |state: &Exchange, kind: BookKind| {
            let other = (key.0, Channel::Book(kind));
            state.conns.get(&conn).is_some_and(|state| state.subs.contains(&other))
        };
        let lesser = [BookKind::Books, BookKind::L50Tbt];
        if let Channel::Book(kind) = key.1 {
            let beside = lesser.contains(&kind) && has(self, BookKind::L2Tbt);
            let rate = if lesser.contains(&kind) { self.config.faults.evict } else { 0 };
            if beside || self.net.hit(rate, "evict") {
                let msg = "Subscription conflicts with an existing order book subscription.";
                let msg = format!("{msg} channel:{}{}", arg.channel, arg.quoted());
                let fault = (!beside).then_some("evict");
                if !beside {
                    self.leave(conn, key);
                }
                return self.refuse_with(conn, id, ("64004", &msg), fault);
            }
            if kind == BookKind::L2Tbt {
                for other in lesser {
                    if has(self, other) {
                        self.evict(conn, (key.0, Channel::Book(other)), None);
                    }
                }
            }
        }
        self.join(conn, key);
    }

    /// Ends a subscription that the client did not give up.
    pub(crate) fn evict(&mut self, conn: ConnId, key: FeedKey, fault: Option<&'static str>) {
        let Some(feed) = self.feeds.get(&key) else { return };
        let echo = feed.arg.clone();
        self.leave(conn, key);
        let Some(state) = self.conns.get(&conn) else { return };
        let hex = &state.hex;
        let text = format!("{{\"event\":\"unsubscribe\",\"arg\":{echo},\"connId\":\"{hex}\"}}");
        self.say(conn, text, fault);
    }

    fn unsubscribe(&mut self, conn: ConnId, id: Option<&str>, arg: &Value) {
        let Some(arg) = read_arg(arg) else {
            return self.refuse_request(conn, id, "60013", "Invalid args");
        };
        // An unknown channel is refused, a subscription that does not exist is acknowledged.
        match self.find_feed(conn, &arg) {
            Ok(key) => {
                self.acknowledge(conn, id, "unsubscribe", &arg.echo);
                let live = self.conns.get(&conn).is_some_and(|state| state.subs.contains(&key));
                if live && self.net.hit(self.config.faults.late, "late") {
                    let until = self.now_ns + self.net.rng.between(1_000, 5_000) * 1_000_000;
                    self.trail(conn, key, until);
                } else if live {
                    self.leave(conn, key);
                }
            }
            Err((code, msg)) => self.refuse_request(conn, id, code, &msg),
        }
    }

    /// Which feed an argument means, or the error for it.
    fn find_feed(&self, conn: ConnId, arg: &Arg) -> Result<FeedKey, (&'static str, String)> {
        let none = || ("60018", unknown(arg));
        let state = self.conns.get(&conn).ok_or_else(none)?;
        if state.endpoint == Endpoint::Sbe {
            let code = arg.code.ok_or_else(none)?;
            let key = self.find_sbe(&arg.channel, code).ok_or_else(none)?;
            return allowed(state.tier, key);
        }
        let recorded = self.find_recorded(&arg.channel, arg.about());
        let channel = match recorded {
            Some(((_, channel), _)) => channel,
            None => Channel::named(&arg.channel).ok_or_else(none)?,
        };
        let endpoint = match recorded {
            Some((_, true)) => Endpoint::Business,
            Some((_, false)) => Endpoint::Public,
            None => channel.endpoint(),
        };
        match (state.endpoint, endpoint) {
            (Endpoint::Public, Endpoint::Business) => {
                let msg = "This channel has been migrated to the '/business' URL. Please \
                           subscribe using the new URL.";
                return Err(("64001", msg.to_owned()));
            }
            (Endpoint::Business, Endpoint::Public) => {
                let msg = "This channel is not supported by \"/business\" URL. Please use \
                           \"/private\"(or \"/public\") URL.";
                return Err(("64002", msg.to_owned()));
            }
            _ => {}
        }
        if let Some((key, _)) = recorded {
            return Ok(key);
        }
        if self.shelf.is_some() && channel != Channel::Instruments {
            return Err(none());
        }
        if arg.get("uly").is_some() && arg.get("instFamily").is_none() {
            let msg = "Parameter uly is not supported. Please use instFamily.".to_owned();
            return Err(("64000", msg));
        }
        let target = self.find_target(channel, arg).ok_or_else(none)?;
        allowed(state.tier, (target, channel))
    }

    fn find_target(&self, channel: Channel, arg: &Arg) -> Option<Target> {
        let family = |name: &str, kind: &'static str| {
            let at = *self.families.get(name)?;
            let has =
                |market: &Market| market.inst.family == name && market.inst.kind.name() == kind;
            self.markets.iter().any(has).then_some(Target::Family(kind, at))
        };
        match channel {
            Channel::Status | Channel::EconomicCalendar | Channel::StrucBlockTrades => {
                Some(Target::All)
            }
            Channel::Instruments => type_among(arg, &TYPES).map(Target::Type),
            Channel::EventMarkets => type_among(arg, &["EVENTS"]).map(Target::Type),
            Channel::Liquidations => {
                type_among(arg, &["SWAP", "FUTURES", "MARGIN", "OPTION"]).map(Target::Type)
            }
            Channel::AdlWarning => {
                let kind = type_among(arg, &["SWAP", "FUTURES", "OPTION"])?;
                match arg.get("instFamily") {
                    Some(name) => family(name, kind),
                    None => Some(Target::Type(kind)),
                }
            }
            Channel::OptSummary => family(arg.get("instFamily")?, "OPTION"),
            Channel::OptionTrades | Channel::EstimatedPrice => {
                let some = ["OPTION", "FUTURES", "SWAP", "EVENTS"];
                let count = if channel == Channel::OptionTrades { 1 } else { some.len() };
                let kind = type_among(arg, &some[..count])?;
                match arg.get("instId") {
                    Some(id) => self.find_inst(id, channel).filter(|n| {
                        matches!(n, Target::Inst(n) if self.markets[*n].inst.kind.name() == kind)
                    }),
                    None => family(arg.get("instFamily")?, kind),
                }
            }
            Channel::IndexTickers | Channel::IndexCandle(_) => {
                let about = arg.get("instId")?;
                self.indices.iter().position(|index| index.name == about).map(Target::Index)
            }
            _ if channel.of_spread() => self.find_inst(arg.get("sprdId")?, channel),
            _ => self.find_inst(arg.get("instId")?, channel),
        }
    }

    fn find_inst(&self, about: &str, channel: Channel) -> Option<Target> {
        let n = *self.by_id.get(about)?;
        let inst = &self.markets[n].inst;
        let (spot, event) = (inst.kind == Kind::Spot, inst.kind == Kind::Events);
        let fits = match channel {
            Channel::FundingRate => crate::rows::has_funding(inst),
            Channel::OpenInterest => !spot,
            Channel::PriceLimit => !event,
            _ => true,
        };
        let spread = (inst.kind == Kind::Spread) == channel.of_spread();
        (fits && spread && inst.open_for_subscription()).then_some(Target::Inst(n))
    }

    fn acknowledge(&mut self, conn: ConnId, id: Option<&str>, event: &str, echo: &str) {
        let now = self.now_ns;
        let slow = self.config.faults.slowack / 2;
        let late = self.net.hit(slow, "slowack");
        let delay = if late { self.net.rng.between(5, 40) * SECOND } else { 0 };
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.ack_floor_ns = state.ack_floor_ns.max(now + delay);
        let hex = &state.hex;
        let id = id_part(id);
        let text = format!("{{{id}\"event\":\"{event}\",\"arg\":{echo},\"connId\":\"{hex}\"}}");
        self.say(conn, text, late.then_some("slowack"));
    }

    /// Answers with an error event.
    pub(crate) fn refuse_request(&mut self, conn: ConnId, id: Option<&str>, code: &str, msg: &str) {
        self.refuse_with(conn, id, (code, msg), None);
    }

    fn refuse_with(
        &mut self,
        conn: ConnId,
        id: Option<&str>,
        (code, msg): (&str, &str),
        fault: Option<&'static str>,
    ) {
        let Some(state) = self.conns.get(&conn) else { return };
        let (id, msg, hex) = (id_part(id), json(msg), &state.hex);
        let text = format!(
            "{{{id}\"event\":\"error\",\"code\":\"{code}\",\"msg\":{msg},\"connId\":\"{hex}\"}}"
        );
        self.say(conn, text, fault);
    }

    /// Sends an event frame, never before an earlier one.
    pub(crate) fn say(&mut self, conn: ConnId, text: String, fault: Option<&'static str>) {
        let now = self.now_ns;
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.last_alive_ns = now;
        let at = state.ack_floor_ns.max(now);
        if now >= state.silent_until_ns {
            self.net.text(&self.config.faults, (conn, at), &Frame::plain(text), fault);
        }
    }
}

/// The feed, for those who may have it.
fn allowed(tier: Option<u8>, key: FeedKey) -> Result<FeedKey, (&'static str, String)> {
    match tier {
        None if key.1.needs_login() => Err(("60011", "Please log in".to_owned())),
        Some(tier) if tier < key.1.tier() => {
            let msg = "Your current fee tier does not support this channel.";
            Err(("64003", msg.to_owned()))
        }
        _ => Ok(key),
    }
}

fn read_arg(arg: &Value) -> Option<Arg> {
    let text = |name: &str| arg.get(name).and_then(Value::as_str);
    let channel = text("channel")?;
    let mut echo = format!("{{\"channel\":{}", json(channel));
    let named = NAMES.map(|name| text(name).map(str::to_owned));
    for (name, value) in NAMES.iter().zip(&named) {
        if let Some(value) = value {
            echo.push_str(&format!(",\"{name}\":{}", json(value)));
        }
    }
    let code = arg.get("instIdCode").and_then(Value::as_i64);
    if let Some(code) = code {
        echo.push_str(&format!(",\"instIdCode\":{code}"));
    }
    echo.push('}');
    Some(Arg { channel: channel.to_owned(), named, code, echo })
}

/// Every `instType`.
const TYPES: [&str; 6] = ["SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"];

fn type_among(arg: &Arg, allowed: &[&'static str]) -> Option<&'static str> {
    let given = arg.get("instType")?;
    allowed.iter().find(|name| **name == given).copied()
}

/// One to 32 letters and digits.
fn good_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn id_part(id: Option<&str>) -> String {
    id.map_or(String::new(), |id| format!("\"id\":{},", json(id)))
}

fn unknown(arg: &Arg) -> String {
    format!(
        "Wrong URL or channel:{}{} doesn't exist. Please use the correct URL, channel and \
         parameters referring to API document.",
        arg.channel,
        arg.quoted()
    )
}

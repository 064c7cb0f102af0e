//! Subscriptions over `/ws`: which are wanted, what their numbers are, and whether anything is
//! missing from them.
//!
//! Invariants: after a reconnect everything wanted is asked for again; a subscription with a hole
//! in `seq` or a `lost` is begun anew, so what is shown comes from a state and what follows it; a
//! confirmation of what is not wanted any more ends it.

use serde_json::{Value, json};

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Prices of the list.
    Tickers,
    /// The book of the chosen instrument.
    Book,
    /// Its trades.
    Trades,
    /// Its mark, funding and the like.
    Facts,
}

/// One of them.
#[derive(Debug)]
struct Want {
    /// Ours, in the question and its answer.
    id: u64,
    purpose: Purpose,
    ask: Value,
    /// The server's number, once it has confirmed.
    sub: Option<u64>,
    /// Of the last frame.
    seq: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Wants {
    list: Vec<Want>,
    last: u64,
    open: bool,
}

/// What a frame from the server comes to.
#[derive(Debug, PartialEq)]
pub enum Heard<'a> {
    /// Nothing for the state.
    Nothing,
    /// A record of this subscription.
    Record(Purpose, &'a Value),
    /// So many records of it were lost (0: nobody knows); it was begun anew.
    Lost(Purpose, u64),
    /// It was refused, in the server's words.
    Refused(Purpose, &'a str),
}

impl Wants {
    /// The socket is up: asks for everything.
    pub fn opened(&mut self, out: &mut Vec<String>) {
        self.open = true;
        for want in &mut self.list {
            want.ask(&mut self.last, out);
        }
    }

    /// The socket is gone.
    pub fn closed(&mut self) {
        self.open = false;
        for want in &mut self.list {
            want.sub = None;
        }
    }

    /// Wants something more; `ask` has the fields of the request.
    pub fn add(&mut self, purpose: Purpose, ask: Value, out: &mut Vec<String>) {
        let mut want = Want { id: 0, purpose, ask, sub: None, seq: 0 };
        if self.open {
            want.ask(&mut self.last, out);
        }
        self.list.push(want);
    }

    /// Wants nothing of that purpose any more.
    pub fn end(&mut self, purpose: Purpose, out: &mut Vec<String>) {
        for want in self.list.extract_if(.., |want| want.purpose == purpose) {
            out.extend(want.sub.map(unsubscribe));
        }
    }

    /// Takes a frame.
    pub fn hear<'a>(&mut self, frame: &'a Value, out: &mut Vec<String>) -> Heard<'a> {
        let whole = |field: &str| frame.get(field).and_then(Value::as_u64);
        let Some(kind) = frame.get("type").and_then(Value::as_str) else {
            return self.data(frame, out);
        };
        let id = whole("id");
        let want = self.list.iter_mut().find(|want| Some(want.id) == id);
        match (kind, want) {
            ("subscribed", Some(want)) => want.sub = whole("sub"),
            // Left before the answer came.
            ("subscribed", None) => out.extend(whole("sub").map(unsubscribe)),
            ("error", Some(want)) => {
                let words = frame.get("message").and_then(Value::as_str).unwrap_or_default();
                return Heard::Refused(want.purpose, words);
            }
            _ => {}
        }
        Heard::Nothing
    }

    fn data<'a>(&mut self, frame: &'a Value, out: &mut Vec<String>) -> Heard<'a> {
        let whole = |field: &str| frame.get(field).and_then(Value::as_u64);
        let Some(sub) = whole("sub") else { return Heard::Nothing };
        let Some(want) = self.list.iter_mut().find(|want| want.sub == Some(sub)) else {
            return Heard::Nothing;
        };
        want.seq += 1;
        if frame.get("lost").is_some() || whole("seq") != Some(want.seq) {
            out.push(unsubscribe(sub));
            want.ask(&mut self.last, out);
            return Heard::Lost(want.purpose, whole("lost").unwrap_or(0));
        }
        match frame.get("record") {
            Some(record) => Heard::Record(want.purpose, record),
            None => Heard::Nothing,
        }
    }
}

impl Want {
    /// Each time with another id, so that a late answer to an earlier question is known as such.
    fn ask(&mut self, last: &mut u64, out: &mut Vec<String>) {
        *last += 1;
        (self.id, self.sub, self.seq) = (*last, None, 0);
        let mut ask = self.ask.clone();
        ask["op"] = json!("subscribe");
        ask["id"] = json!(self.id);
        out.push(ask.to_string());
    }
}

fn unsubscribe(sub: u64) -> String {
    json!({"op": "unsubscribe", "sub": sub}).to_string()
}

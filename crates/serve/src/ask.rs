//! What a WebSocket client asks for, and the answers, as text.
//!
//! Invariant: whatever the text, the outcome is a request or an error in words.

use crate::client::{Close, Outbox, Policy, Sub};
use crate::hub::Hub;
use crate::pattern::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

mod from;

/// Most levels of a view.
pub(crate) const DEPTH_MAX: u16 = 400;
/// Least and most of `interval`, ms.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 10..=60_000;
/// Longest `id`, in bytes of text.
const ID_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    op: String,
    #[serde(default)]
    id: Value,
    inst: Option<String>,
    channel: Option<String>,
    depth: Option<u64>,
    interval: Option<u64>,
    policy: Option<String>,
    from: Option<Value>,
    format: Option<String>,
    sub: Option<u64>,
}

type Bad = (&'static str, String);

/// One client's side of the conversation.
pub(crate) struct Conversation {
    pub hub: Arc<Hub>,
    pub client: Arc<Outbox>,
    pub subscriptions_max: usize,
    /// Numbers of its subscriptions.
    pub open: Vec<u64>,
    pub last: u64,
    /// Whether records are sent in the binary form unless a subscription says otherwise.
    pub binary: bool,
}

impl Conversation {
    /// Takes one message and answers it.
    pub fn take(&mut self, message: &str) {
        let request: Request = match serde_json::from_str(message) {
            Ok(request) => request,
            Err(error) => {
                let what = format!("not a request: {error}");
                return self.bad(&Value::Null, ("bad_json", what));
            }
        };
        let id = request.id.clone();
        let small = match &id {
            Value::Null | Value::Number(_) => true,
            Value::String(text) => text.len() <= ID_MAX,
            _ => false,
        };
        if !small {
            let what = format!("`id` is a number or a text of at most {ID_MAX} bytes");
            return self.bad(&Value::Null, ("bad_id", what));
        }
        let done = match request.op.as_str() {
            "subscribe" => self.subscribe(request),
            "unsubscribe" => self.unsubscribe(&request),
            "ping" => {
                self.client.answer(json!({"type": "pong", "id": id}).to_string());
                Ok(())
            }
            _ => {
                let what = "`op` is `subscribe`, `unsubscribe` or `ping`".to_owned();
                Err(("bad_op", what))
            }
        };
        if let Err(bad) = done {
            self.bad(&id, bad);
        }
    }

    /// Ends the connection, because of what the client sent.
    pub fn end(&self, reason: &'static str) {
        self.client.close(Close { code: 1003, reason });
    }

    fn bad(&self, id: &Value, (code, message): Bad) {
        let answer = json!({"type": "error", "id": id, "code": code, "message": message});
        self.client.answer(answer.to_string());
    }

    fn subscribe(&mut self, mut request: Request) -> Result<(), Bad> {
        // Those that could not join from the past are over.
        self.open.retain(|sub| self.client.has(*sub));
        if self.open.len() >= self.subscriptions_max {
            let most = self.subscriptions_max;
            return Err(("too_many_subscriptions", format!("at most {most} on one connection")));
        }
        let name = |text: &Option<String>, code, what: &str| {
            let parsed = text.as_deref().and_then(Pattern::parse);
            parsed.ok_or_else(|| (code, format!("`{what}` is a name or a pattern with `*`")))
        };
        let inst = name(&request.inst, "bad_inst", "inst")?;
        let channel = name(&request.channel, "bad_channel", "channel")?;
        self.is_followed(&channel)?;
        let depth = depth(&request)?;
        let policy = policy(&request)?;
        let interval = interval(&request, policy)?;
        let binary = match request.format.as_deref() {
            None => self.binary,
            Some("json") => false,
            Some("binary") => true,
            Some(_) => return Err(("bad_format", "`format` is `json` or `binary`".to_owned())),
        };
        let from = request.from.take().map(from::read).transpose()?;
        if from.is_some() && policy == Policy::Conflate {
            let what = "`from` is every record; it needs `policy` `gap` or `disconnect`".to_owned();
            return Err(("bad_from", what));
        }
        self.last += 1;
        let number = self.last;
        self.open.push(number);
        let names = (inst.clone(), channel.clone());
        let client = Arc::clone(&self.client);
        let sub = Sub { id: number, inst, channel, depth, interval, policy, binary, client };
        let (id, told) = (request.id.clone(), request.id);
        let answer = move |past: Option<&str>, matches: usize| {
            let mut answer = json!({
                "type": "subscribed",
                "id": told,
                "sub": number,
                "inst": names.0.as_str(),
                "channel": names.1.as_str(),
                "matches": matches,
            });
            if let Some(past) = past {
                answer["from"] = past.into();
            }
            answer.to_string()
        };
        match from {
            None => self.hub.subscribe(sub, |matches| answer(None, matches)),
            Some(from) => self.join(sub, from, (id, answer)),
        }
        Ok(())
    }

    /// Lets a subscription begin in the past, while the conversation goes on.
    fn join(
        &self,
        sub: Sub,
        from: crate::join::From,
        (id, answer): (Value, impl Fn(Option<&str>, usize) -> String + Send + Sync + 'static),
    ) {
        self.client.open(&sub);
        let (hub, sub) = (Arc::clone(&self.hub), Arc::new(sub));
        tokio::spawn(async move {
            let told = |past: &str, matches| answer(Some(past), matches);
            let joined = hub.join(&sub, from, &told).await;
            if let Err((code, message)) = joined
                && sub.client.forget(sub.id)
            {
                let error = json!({
                    "type": "error", "id": id, "sub": sub.id, "code": code, "message": message,
                });
                sub.client.answer(error.to_string());
            }
        });
    }

    /// A name that nobody receives would be silent for ever; better to say so.
    fn is_followed(&self, channel: &Pattern) -> Result<(), Bad> {
        let channels = self.hub.channels();
        if channels.is_empty() || channels.iter().any(|name| channel.matches(name)) {
            return Ok(());
        }
        let known: Vec<&str> = channels.iter().map(String::as_str).collect();
        let what = format!("no such channel is received; there are: {}", known.join(", "));
        Err(("bad_channel", what))
    }

    fn unsubscribe(&mut self, request: &Request) -> Result<(), Bad> {
        let wanted = request.sub.filter(|sub| self.open.contains(sub));
        let Some(sub) = wanted.filter(|sub| self.hub.unsubscribe(&self.client, *sub)) else {
            return Err(("bad_sub", "`sub` is the number of no subscription here".to_owned()));
        };
        self.open.retain(|open| *open != sub);
        let answer = json!({"type": "unsubscribed", "id": request.id, "sub": sub});
        self.client.answer(answer.to_string());
        Ok(())
    }
}

fn depth(request: &Request) -> Result<Option<u16>, Bad> {
    let depth = request.depth.map(|depth| {
        let fits = u16::try_from(depth).ok().filter(|d| (1..=DEPTH_MAX).contains(d));
        fits.ok_or_else(|| ("bad_depth", format!("`depth` is 1 to {DEPTH_MAX}")))
    });
    depth.transpose()
}

fn policy(request: &Request) -> Result<Policy, Bad> {
    match request.policy.as_deref() {
        None | Some("gap") => Ok(Policy::Gap),
        Some("conflate") => Ok(Policy::Conflate),
        Some("disconnect") => Ok(Policy::Disconnect),
        Some(_) => Err(("bad_policy", "`policy` is `gap`, `conflate` or `disconnect`".to_owned())),
    }
}

fn interval(request: &Request, policy: Policy) -> Result<Duration, Bad> {
    match request.interval {
        None => Ok(Duration::ZERO),
        Some(_) if policy != Policy::Conflate => {
            Err(("bad_interval", "`interval` needs `\"policy\":\"conflate\"`".to_owned()))
        }
        Some(ms) if INTERVAL_MS.contains(&ms) => Ok(Duration::from_millis(ms)),
        Some(_) => {
            let (from, to) = (INTERVAL_MS.start(), INTERVAL_MS.end());
            Err(("bad_interval", format!("`interval` is {from} to {to} ms")))
        }
    }
}

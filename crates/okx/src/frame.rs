//! The envelope: is a message a pong, an event or data, and of which subscription?
//!
//! Told apart in the order OKX's shapes demand: the exact text `pong` (or `ping`), then an object
//! with `event`, then an object with `arg` and `data`. What `data` holds is left as text. Called by
//! `feed.rs` for every message.

use crate::json::{self, JsonError, Kind, Raw};
use std::borrow::Cow;
use std::fmt;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// The answer to our ping.
    Pong,
    /// A ping as text; OKX does not send it, but a polite client answers.
    Ping,
    /// Something about the connection or a subscription.
    Event(EventFrame<'a>),
    /// Rows of a channel.
    Data(DataFrame<'a>),
}

/// `{"event":…}`. Every field may be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFrame<'a> {
    /// `subscribe`, `unsubscribe`, `error`, `notice`, `login`, `channel-conn-count`, …
    pub event: Cow<'a, str>,
    /// The `id` of the request that it answers.
    pub id: Cow<'a, str>,
    /// A code, for errors and notices.
    pub code: Cow<'a, str>,
    /// Words.
    pub msg: Cow<'a, str>,
    /// The venue's name for the connection.
    pub conn_id: Cow<'a, str>,
    /// The argument that it is about.
    pub arg: Option<Raw<'a>>,
}

/// `{"arg":…,"data":[…]}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DataFrame<'a> {
    /// The subscription's argument.
    pub arg: Raw<'a>,
    /// Whether `action` says `snapshot` or `update`; `None` when absent.
    pub action: Option<Action>,
    /// The rows.
    pub data: Raw<'a>,
}

/// What a book row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replaces the book.
    Snapshot,
    /// Changes it.
    Update,
    /// A word that this version does not know.
    Unknown,
}

/// Why a message is not a [`Frame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not JSON.
    Json(JsonError),
    /// JSON of another shape.
    Shape(&'static str),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Json(error) => write!(f, "not JSON: {error}"),
            FrameError::Shape(what) => write!(f, "unexpected shape: {what}"),
        }
    }
}

/// Reads the envelope of one message.
///
/// # Errors
/// [`FrameError`] when it is not JSON or has neither `event` nor `arg` and `data`.
pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    match bytes {
        b"pong" => return Ok(Frame::Pong),
        b"ping" => return Ok(Frame::Ping),
        _ => {}
    }
    let raw = json::parse(bytes).map_err(FrameError::Json)?;
    if raw.kind() != Kind::Object {
        return Err(FrameError::Shape("not an object"));
    }
    let mut event = EventFrame::default();
    let (mut is_event, mut arg, mut action, mut data) = (false, None, None, None);
    for (name, value) in raw.fields() {
        match &*name {
            "event" => {
                is_event = true;
                event.event = value.text().unwrap_or_default();
            }
            "id" => event.id = text(value),
            "code" => event.code = text(value),
            "msg" => event.msg = text(value),
            "connId" => event.conn_id = text(value),
            "arg" => arg = Some(value),
            "action" => action = Some(read_action(value)),
            "data" => data = Some(value),
            _ => {}
        }
    }
    if is_event {
        event.arg = arg;
        return Ok(Frame::Event(event));
    }
    match (arg, data) {
        (Some(arg), Some(data)) if data.kind() == Kind::Array && arg.kind() == Kind::Object => {
            Ok(Frame::Data(DataFrame { arg, action, data }))
        }
        (Some(_), Some(_)) => Err(FrameError::Shape("arg is no object or data is no array")),
        (Some(_), None) => Err(FrameError::Shape("arg without data")),
        _ => Err(FrameError::Shape("neither event nor arg")),
    }
}

/// A string, or the text of a number: OKX has sent codes both ways.
fn text(value: Raw<'_>) -> Cow<'_, str> {
    match value.kind() {
        Kind::Number => Cow::Borrowed(value.as_str()),
        _ => value.text().unwrap_or_default(),
    }
}

fn read_action(value: Raw<'_>) -> Action {
    match value.text().as_deref() {
        Some("snapshot") => Action::Snapshot,
        Some("update") => Action::Update,
        _ => Action::Unknown,
    }
}

/// Channel and key of an argument: `{"channel":"books","instId":"BTC-USDT"}`. The key is as the
/// channel's [`KeyKind`](crate::channel::KeyKind) says; of an unknown channel it is the first of
/// `instId`, `sprdId`, `instFamily`, `instType` that is there, and empty for none.
pub fn argument(arg: Raw<'_>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let channel = arg.field("channel")?.text()?;
    if let Some(spec) = crate::channel::find(&channel) {
        return Some((channel, spec.key.key_of(arg)));
    }
    let keys = ["instId", "sprdId", "instFamily", "instType"];
    let key = keys.iter().find_map(|name| arg.field(name)?.text()).unwrap_or_default();
    Some((channel, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_shapes_apart() {
        assert_eq!(parse(b"pong"), Ok(Frame::Pong));
        let Ok(Frame::Event(event)) =
            parse(br#"{"id":"q1","event":"error","code":"60018","msg":"no","connId":"bfcb4b8e"}"#)
        else {
            panic!("an event")
        };
        assert_eq!((&*event.id, &*event.code, event.arg), ("q1", "60018", None));
        let Ok(Frame::Data(data)) =
            parse(br#"{"data":[{}],"action":"update","arg":{"instId":"B-U","channel":"books"}}"#)
        else {
            panic!("data")
        };
        assert_eq!(data.action, Some(Action::Update));
        assert_eq!(argument(data.arg), Some(("books".into(), "B-U".into())));
    }

    #[test]
    fn other_shapes_are_errors_in_words() {
        let shape = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(shape("[]"), "unexpected shape: not an object");
        assert_eq!(shape("{}"), "unexpected shape: neither event nor arg");
        assert_eq!(shape(r#"{"arg":{}}"#), "unexpected shape: arg without data");
        assert_eq!(
            shape(r#"{"arg":{"channel":"books""#),
            "not JSON: expected a comma or the end of an object at byte 25"
        );
        assert_eq!(shape("pong "), "not JSON: unexpected character at byte 0");
    }
}

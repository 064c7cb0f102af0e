//! The envelope: told apart as an independent reading with serde_json tells it apart.

use market_data_okx::frame::{self, Action, Frame, FrameError};
use serde_json::Value;

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let ours = frame::parse(bytes);
    if matches!(bytes, b"pong" | b"ping") {
        assert!(matches!(ours, Ok(Frame::Pong | Frame::Ping)), "{ours:?}");
        return;
    }
    // A number out of range makes serde_json give up where text is enough for us.
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if let Err(FrameError::Json(error)) = &ours {
        assert_eq!(error.why, "nested too deeply", "serde_json takes it");
        return;
    }
    // Of a key that stands there twice serde_json keeps the last, we the first.
    if has_twice(bytes, &value) {
        return;
    }
    let Value::Object(fields) = value else {
        assert!(matches!(ours, Err(FrameError::Shape(_))), "no object: {ours:?}");
        return;
    };
    if fields.contains_key("event") {
        let Ok(Frame::Event(event)) = ours else { panic!("an event: {ours:?}") };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(event.event, text("event"), "event");
        match fields.get("msg") {
            // Numbers are kept as the text they came in.
            Some(number @ Value::Number(_)) => {
                assert_eq!(serde_json::from_str::<Value>(&event.msg).ok().as_ref(), Some(number));
            }
            _ => assert_eq!(event.msg, text("msg"), "msg"),
        }
        assert_eq!(event.arg.is_some(), fields.contains_key("arg"), "arg");
        return;
    }
    let (arg, data) = (fields.get("arg"), fields.get("data"));
    let (Some(Value::Object(arg)), Some(Value::Array(rows))) = (arg, data) else {
        assert!(matches!(ours, Err(FrameError::Shape(_))), "no data: {ours:?}");
        return;
    };
    let Ok(Frame::Data(data)) = ours else { panic!("data: {ours:?}") };
    assert_eq!(data.data.items().count(), rows.len(), "rows");
    let action = fields.get("action").map(|action| match action.as_str() {
        Some("snapshot") => Action::Snapshot,
        Some("update") => Action::Update,
        _ => Action::Unknown,
    });
    // A word with escapes is unknown to us; OKX writes none.
    if data.action != Some(Action::Unknown) {
        assert_eq!(data.action, action, "action");
    }
    let known = frame::argument(data.arg);
    if let Some((channel, _)) = known {
        assert!(arg.values().any(|value| value.as_str() == Some(&channel)), "{channel}");
    } else {
        let escaped = data.arg.as_str().contains('\\');
        assert!(!arg.get("channel").is_some_and(Value::is_string) || escaped);
    }
}

/// Whether some object has a key twice: then the text has more pairs than the value.
fn has_twice(bytes: &[u8], value: &Value) -> bool {
    let (mut colons, mut inside, mut escaped) = (0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b':' => colons += usize::from(!inside),
            _ => {}
        }
    }
    colons != pairs(value)
}

fn pairs(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(pairs).sum::<usize>(),
        Value::Array(items) => items.iter().map(pairs).sum(),
        _ => 0,
    }
}

//! The text of what we send: subscribe and unsubscribe, split by size.
//!
//! Invariant: the same subscriptions in the same order give the same bytes.

use crate::channel::{self, KeyKind};
use crate::limits::REQUEST_BYTES_MAX;
use market_data_model::{Subscription, wire};
use serde::{Deserialize, Serialize};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Begin.
    Subscribe,
    /// End.
    Unsubscribe,
}

impl Op {
    fn as_str(self) -> &'static str {
        match self {
            Op::Subscribe => "subscribe",
            Op::Unsubscribe => "unsubscribe",
        }
    }
}

/// The text of one request. `id` must be letters and digits, at most 32 (OKX answers 60033
/// otherwise).
pub fn text<'a>(op: Op, id: &str, args: impl Iterator<Item = &'a Subscription>) -> String {
    text_of(op, id, args, write_argument)
}

/// The text of a request with arguments that `write` writes.
pub(crate) fn text_of<T>(
    op: Op,
    id: &str,
    args: impl Iterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>),
) -> String {
    let mut out = Vec::with_capacity(REQUEST_BYTES_MAX);
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b"\",\"op\":\"");
    out.extend_from_slice(op.as_str().as_bytes());
    out.extend_from_slice(b"\",\"args\":[");
    for (i, argument) in args.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(argument, &mut out);
    }
    out.extend_from_slice(b"]}");
    String::from_utf8(out).expect("made of strings only")
}

fn write_argument(subscription: &Subscription, out: &mut Vec<u8>) {
    let kind = channel::find(&subscription.channel).map_or(KeyKind::InstId, |s| s.key);
    out.extend_from_slice(b"{\"channel\":");
    wire::escape(&subscription.channel, out);
    for (field, value) in kind.fields(&subscription.key) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":");
        wire::escape(value, out);
    }
    out.push(b'}');
}

/// How many bytes an argument takes, its comma included.
pub fn argument_bytes(subscription: &Subscription) -> usize {
    let mut out = Vec::new();
    write_argument(subscription, &mut out);
    out.len() + 1
}

/// Bytes of a request besides its arguments, with the longest id.
pub const OVERHEAD_BYTES: usize = 96;

/// Splits `args` into runs that each fit one request; a single argument always does. `bytes_of`
/// is [`argument_bytes`] of the subscription behind an argument.
pub fn split<'a, T>(
    args: &'a [T],
    bytes_of: impl Fn(&T) -> usize + 'a,
) -> impl Iterator<Item = &'a [T]> + 'a {
    let mut rest = args;
    std::iter::from_fn(move || {
        let mut bytes = OVERHEAD_BYTES;
        let mut count = 0;
        for arg in rest {
            bytes += bytes_of(arg);
            if count > 0 && bytes > REQUEST_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let (head, tail) = rest.split_at(count);
        rest = tail;
        (count > 0).then_some(head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_okx_reads() {
        let args =
            [Subscription::new("books", "BTC-USDT"), Subscription::new("instruments", "SPOT")];
        assert_eq!(
            text(Op::Subscribe, "m1", args.iter()),
            r#"{"id":"m1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"instruments","instType":"SPOT"}]}"#
        );
    }

    #[test]
    fn splits_by_bytes_and_loses_nothing() {
        let args: Vec<_> =
            (0..500).map(|i| Subscription::new("tickers", &format!("COIN{i}-USDT-SWAP"))).collect();
        let runs: Vec<_> = split(&args, argument_bytes).collect();
        assert!(runs.len() > 5);
        assert_eq!(runs.concat(), args);
        for run in runs {
            assert!(text(Op::Unsubscribe, &"x".repeat(32), run.iter()).len() <= REQUEST_BYTES_MAX);
        }
    }
}

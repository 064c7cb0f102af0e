//! The same facts in any spelling give the same events: key order, space, escapes and unknown
//! fields do not matter, and every number comes out as it went in.
#![allow(clippy::unwrap_used)]

use market_data_model::*;
use market_data_okx::{OkxConfig, OkxFeed};
use proptest::prelude::*;

/// A JSON value to be spelled in several ways.
#[derive(Clone, Debug)]
enum Json {
    Object(Vec<(&'static str, Json)>),
    Array(Vec<Json>),
    Text(String),
    Whole(i64),
}

fn text(value: impl Into<String>) -> Json {
    Json::Text(value.into())
}

/// Spells plainly, as OKX does, or oddly, driven by a seed.
struct Speller {
    seed: u64,
    odd: bool,
}

impl Speller {
    fn roll(&mut self, sides: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % sides
    }

    fn space(&mut self, out: &mut String) {
        if self.odd && self.roll(3) == 0 {
            out.push_str([" ", "\n", "\t\r", "  "][self.roll(4) as usize]);
        }
    }

    fn spell(&mut self, json: &Json, out: &mut String) {
        self.space(out);
        match json {
            Json::Object(fields) => self.object(fields, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    self.spell(item, out);
                }
                out.push(']');
            }
            Json::Text(value) => self.string(value, out),
            Json::Whole(value) => out.push_str(&value.to_string()),
        }
        self.space(out);
    }

    fn object(&mut self, fields: &[(&'static str, Json)], out: &mut String) {
        let mut fields = fields.to_vec();
        if self.odd {
            fields.push(("somethingNew", Json::Array(vec![Json::Whole(7)])));
            for i in (1..fields.len()).rev() {
                let j = self.roll(i as u64 + 1) as usize;
                fields.swap(i, j);
            }
        }
        out.push('{');
        for (i, (name, value)) in fields.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            self.space(out);
            self.string(name, out);
            self.space(out);
            out.push(':');
            self.spell(value, out);
        }
        out.push('}');
    }

    fn string(&mut self, value: &str, out: &mut String) {
        out.push('"');
        for c in value.chars() {
            if self.odd && self.roll(40) == 0 {
                out.push_str(&format!("\\u{:04X}", c as u32));
            } else {
                out.push(c);
            }
        }
        out.push('"');
    }
}

fn spelled(json: &Json, seed: u64, odd: bool) -> String {
    let mut out = String::new();
    Speller { seed, odd }.spell(json, &mut out);
    out
}

/// Everything the feed says of these frames, as JSON lines without the headers' receive times.
fn events(frames: &[String]) -> Vec<String> {
    let mut config = OkxConfig::new(FeedId(1), "test");
    (config.passive, config.view_depth) = (true, 3);
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    out.clear();
    for (i, frame) in frames.iter().enumerate() {
        feed.handle(Nanos(2 + i as u64), Input::Frame(frame.as_bytes()), &mut out);
    }
    let line = |event: EventRef<'_>| {
        let mut line = Vec::new();
        wire::write_json(&event, &mut line);
        String::from_utf8(line).unwrap()
    };
    out.events.iter().map(line).collect()
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "(0|[1-9][0-9]{0,7})(\\.[0-9]{1,9})?",
        1 => "(0|[1-9][0-9]{0,16})\\.[0-9]{13,16}",
    ]
}

fn blank_or_number() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 6 => number()]
}

fn frame(channel: &'static str, action: Option<&'static str>, data: Vec<Json>) -> Json {
    let arg = Json::Object(vec![("channel", text(channel)), ("instId", text("B-U"))]);
    let mut fields = vec![("arg", arg)];
    fields.extend(action.map(|a| ("action", text(a))));
    fields.push(("data", Json::Array(data)));
    Json::Object(fields)
}

fn trade_row() -> impl Strategy<Value = Json> {
    (any::<u32>(), number(), number(), any::<bool>(), 1u32..50, 1i64..).prop_map(
        |(id, px, sz, buy, count, seq)| {
            Json::Object(vec![
                ("instId", text("B-U")),
                ("tradeId", text(id.to_string())),
                ("px", text(px)),
                ("sz", text(sz)),
                ("side", text(if buy { "buy" } else { "sell" })),
                ("ts", text("1791369350776")),
                ("count", text(count.to_string())),
                ("source", text("0")),
                ("seqId", Json::Whole(seq)),
            ])
        },
    )
}

fn ticker_row() -> impl Strategy<Value = Json> {
    const NAMES: [&str; 13] = [
        "last",
        "lastSz",
        "askPx",
        "askSz",
        "bidPx",
        "bidSz",
        "open24h",
        "high24h",
        "low24h",
        "sodUtc0",
        "sodUtc8",
        "volCcy24h",
        "vol24h",
    ];
    prop::collection::vec(blank_or_number(), NAMES.len()).prop_map(|values| {
        let mut fields = vec![("instType", text("SPOT")), ("instId", text("B-U"))];
        fields.extend(NAMES.into_iter().zip(values.into_iter().map(text)));
        fields.push(("ts", text("1785096000000")));
        Json::Object(fields)
    })
}

fn levels() -> impl Strategy<Value = Json> {
    // A book's prices fit 64 bits at its finest decimal; refusing others is not judged here.
    let price = "(0|[1-9][0-9]{0,7})(\\.[0-9]{1,9})?";
    let level = (price, number(), 0u32..70_000).prop_map(|(px, qty, orders)| {
        Json::Array(vec![text(px), text(qty), text("0"), text(orders.to_string())])
    });
    prop::collection::vec(level, 0..12).prop_map(Json::Array)
}

fn book_row(prev: i64, seq: i64) -> impl Strategy<Value = Json> {
    (levels(), levels()).prop_map(move |(asks, bids)| {
        Json::Object(vec![
            ("asks", asks),
            ("bids", bids),
            ("ts", text("1791369351001")),
            ("checksum", Json::Whole(0)),
            ("seqId", Json::Whole(seq)),
            ("prevSeqId", Json::Whole(prev)),
        ])
    })
}

fn bar_row() -> impl Strategy<Value = Json> {
    (prop::collection::vec(number(), 7), any::<bool>()).prop_map(|(numbers, closed)| {
        let mut cells = vec![text("1785096000000")];
        cells.extend(numbers.into_iter().map(text));
        cells.push(text(if closed { "1" } else { "0" }));
        Json::Array(cells)
    })
}

fn frames() -> impl Strategy<Value = Vec<Json>> {
    let rows = |row| prop::collection::vec(row, 1..4);
    (
        rows(trade_row().boxed()),
        rows(ticker_row().boxed()),
        rows(bar_row().boxed()),
        book_row(-1, 10),
        book_row(10, 25),
        book_row(25, 3),
    )
        .prop_map(|(trades, tickers, bars, snapshot, update, reset)| {
            vec![
                frame("trades", None, trades),
                frame("tickers", None, tickers),
                frame("candle1m", None, bars),
                frame("books", Some("snapshot"), vec![snapshot]),
                frame("books", Some("update"), vec![update]),
                frame("books", Some("update"), vec![reset]),
            ]
        })
}

/// Every number of the frame, as text, that is a price or a quantity.
fn numbers(json: &Json, out: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            let counted = ["tradeId", "ts", "count", "instId", "side", "source", "channel"];
            let fields = fields.iter().filter(|(name, _)| !counted.contains(name));
            fields.for_each(|(_, value)| numbers(value, out));
        }
        Json::Array(items) => items.iter().for_each(|item| numbers(item, out)),
        Json::Text(value) => out.extend((!value.is_empty()).then(|| format!("\"{value}\""))),
        Json::Whole(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spelling_does_not_matter(frames in frames(), seed: u64) {
        let plain: Vec<_> = frames.iter().map(|f| spelled(f, 0, false)).collect();
        let odd: Vec<_> = frames.iter().map(|f| spelled(f, seed, true)).collect();
        let (plain, odd) = (events(&plain), events(&odd));
        prop_assert!(plain.iter().all(|line| !line.contains("\"fault\"")), "{plain:?}");
        prop_assert_eq!(plain, odd);
    }

    #[test]
    fn every_number_comes_out_as_it_went_in(row in ticker_row(), bar in bar_row()) {
        for (json, line) in [
            (row.clone(), events(&[spelled(&frame("tickers", None, vec![row]), 0, false)])),
            (bar.clone(), events(&[spelled(&frame("candle1m", None, vec![bar]), 0, false)])),
        ] {
            let mut expected = Vec::new();
            numbers(&json, &mut expected);
            // Not numbers of the record: kind, open time (a whole number there) and the flag.
            let skip = ["\"SPOT\"", "\"1785096000000\"", "\"0\"", "\"1\""];
            for number in expected.iter().filter(|n| !skip.contains(&n.as_str())) {
                prop_assert!(line[0].contains(number.as_str()), "{number} is not in {}", line[0]);
            }
        }
    }
}

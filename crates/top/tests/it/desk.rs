//! A server's words in the form of `docs/api.md`, and a screen that hears them.

use market_data_top::{Action, Asked, Input, Key, Screen, Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

/// 2026-11-23 12:20:38 UTC, in ms.
pub const START: u64 = 1_795_436_438_000;

/// A screen, its clock, and what it has asked.
pub struct Desk {
    pub screen: Screen,
    pub now: u64,
    pub said: Vec<Value>,
    pub quit: bool,
    subs: u64,
}

impl Desk {
    pub fn new() -> Desk {
        let screen = Screen::new("http://127.0.0.1:9870");
        Desk { screen, now: START, said: Vec::new(), quit: false, subs: 0 }
    }

    /// One whose socket is up, with the list, and everything it asked for confirmed.
    pub fn open() -> Desk {
        let mut desk = Desk::new();
        desk.put(Input::Opened);
        desk.put(Input::Answer(Asked::Watch, &watch().to_string()));
        desk.put(Input::Answer(Asked::Feeds, &feeds(4_000).to_string()));
        desk.now += 2_000;
        desk.put(Input::Answer(Asked::Feeds, &feeds(4_250).to_string()));
        desk.put(Input::Answer(Asked::Gaps, r#"{"gaps":[]}"#));
        desk.confirm();
        desk
    }

    /// The same, with a book and trades.
    pub fn live() -> Desk {
        let mut desk = Desk::open();
        desk.record("books", 1, &book(1));
        for i in 0..12 {
            desk.record("trades", i + 1, &trade(i));
        }
        desk
    }

    pub fn put(&mut self, input: Input<'_>) {
        let mut actions = Vec::new();
        self.screen.handle(self.now, input, &mut actions);
        for action in actions {
            match action {
                Action::Send(text) => self.said.push(serde_json::from_str(&text).unwrap()),
                Action::Quit => self.quit = true,
            }
        }
    }

    pub fn keys(&mut self, text: &str) {
        for letter in text.chars() {
            self.put(Input::Key(Key::Letter(letter)));
        }
    }

    /// Confirms what was asked and is not confirmed yet, in order; numbers are 1, 2, 3 …
    pub fn confirm(&mut self) {
        for i in 0..self.said.len() {
            let ask = &mut self.said[i];
            if ask["op"] != "subscribe" || ask.get("confirmed").is_some() {
                continue;
            }
            self.subs += 1;
            ask["confirmed"] = json!(self.subs);
            let answer = json!({"type": "subscribed", "id": ask["id"], "sub": self.subs,
                "inst": ask["inst"], "channel": ask["channel"], "matches": 1});
            self.put(Input::Frame(&answer.to_string()));
        }
    }

    /// The number of the newest subscription of a channel.
    pub fn sub(&self, channel: &str) -> u64 {
        let asked = self.said.iter().rev().find(|ask| ask["channel"] == channel);
        asked.unwrap()["confirmed"].as_u64().unwrap()
    }

    /// A record of that channel's subscription.
    pub fn record(&mut self, channel: &str, seq: u64, record: &Value) {
        let frame = json!({"sub": self.sub(channel), "seq": seq, "record": record});
        self.put(Input::Frame(&frame.to_string()));
    }

    /// The picture as text.
    pub fn picture(&self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let theme = Theme::new(true);
        terminal.draw(|frame| draw(&self.screen, &theme, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
    }
}

pub fn watch() -> Value {
    let row = |inst: &str, kind: &str, prices: [&str; 4], quote: Value| {
        let [last, open, high, low] = prices;
        json!({"instId": inst, "instType": kind, "last": last, "bid": last, "ask": last,
            "open24h": open, "high24h": high, "low24h": low, "volume": "14390.00001439",
            "quoteVolume": quote, "tsRecv": 1_795_436_438_000_000_000_u64,
            "channels": ["books", "candle1m", "tickers", "trades"], "stale": null,
            "spark": [open, low, last, high, last]})
    };
    let mut swap =
        row("BTC-USDT-SWAP", "SWAP", ["90961.9", "90961", "91000", "90001.5"], json!(null));
    swap["channels"] = json!(["books", "funding-rate", "mark-price", "tickers", "trades"]);
    json!({"watch": [
        row("BTC-USDT", "SPOT", ["91000.2", "90670.9", "91012.2", "90374.4"], json!("1305076588.3")),
        swap,
        row("ETH-USDT", "SPOT", ["3000.11", "3076.4", "3080", "2990.05"], json!("440000000.5")),
        row("PEPE-USDT", "SPOT", ["0.00000712", "0.000007", "0.00000799", "0.0000069"], json!("9e9")),
    ]})
}

pub fn feeds(frames: u64) -> Value {
    let feed = |number: u64, path: &str, live: u64| {
        json!({"feed": number, "url": format!("wss://ws.okx.com:8443/ws/v5/{path}"),
            "connected": true, "frames": frames / number, "bytes": 1, "records": 7,
            "faults": 0, "gapsOpen": 0, "gaps": 2, "resyncs": 0, "reconnects": 1,
            "requestsLeft": 470, "lastFrameAgeMs": 12,
            "venueToReceiveUs": {"p50": 12_345, "p99": 64_000, "p999": 80_000},
            "receiveToRecordUs": null, "subscriptions": {"live": live, "waiting": 0}})
    };
    json!({"feeds": [feed(1, "public", 12), feed(2, "business", 3)],
        "sinks": [{"name": "serve", "delivered": 12_345, "dropped": 0, "waits": 0, "depth": 0}],
        "tape": {"records": 8_000, "bytes": 1_234_567, "lost": 0, "lagMs": 3, "error": null}})
}

pub fn book(id: u64) -> Value {
    let side = |from: u64, down: bool| -> Vec<Value> {
        let px = |i: u64| if down { from - 3 * i } else { from + 4 * i };
        let text = |px: u64| match px % 10 {
            0 => format!("{}", px / 10),
            tenth => format!("{}.{tenth}", px / 10),
        };
        (0..25)
            .map(|i| json!([text(px(i)), format!("0.{:04}", 400 + 517 * i % 3_000), 2]))
            .collect()
    };
    json!({"v": 1, "type": "orderbook", "channel": "books", "instId": "BTC-USDT",
        "lastUpdateId": 14_767_456_260 + id, "depth": 25, "state": "live",
        "bids": side(910_001, true), "asks": side(910_002, false)})
}

pub fn trade(number: u64) -> Value {
    json!({"v": 1, "type": "trade", "channel": "trades", "instId": "BTC-USDT",
        "timestamp": START + number * 130, "tradeId": number.to_string(),
        "price": format!("9100{}.{}", number % 3, number % 7),
        "quantity": format!("0.0{}", 1 + number * 7_919),
        "side": if number.is_multiple_of(3) { "sell" } else { "buy" }, "count": 1})
}

pub fn gap(event: &str) -> Value {
    let closed = event == "closed";
    let end = json!({"id": 2, "tsRecv": (START + 1_200) * 1_000_000});
    json!({"v": 1, "type": "gap", "channel": "books", "instId": "BTC-USDT", "timestamp": null,
        "tsRecv": (START + 1_000) * 1_000_000, "feed": 1, "n": 5, "gap": 1, "event": event,
        "cause": "sequence", "whose": "venue",
        "from": {"id": 1, "tsRecv": START * 1_000_000},
        "to": if closed { end } else { json!({"id": null, "tsRecv": null}) },
        "lost": null, "healed": if closed { json!("snapshot") } else { json!(null) }})
}

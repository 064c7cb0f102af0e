//! The binary socket judged by a reader of the documented layout.

use std::collections::BTreeMap;

use market_data_sim::{ConnId, MarketSize, Opened, SimConfig, ToClient, signature};
use serde_json::Value;

use crate::rig::{NaiveBook, Rig, SECOND, config, units};

const PATH: &str = "/ws/v5/public-sbe";

fn headers(rig: &Rig, key: &str, secret: &str) -> Vec<(String, String)> {
    let time = (rig.now / SECOND).to_string();
    let sign = signature(secret, &time);
    [("KEY", key), ("PASSPHRASE", key), ("TIMESTAMP", &time), ("SIGN", &sign)]
        .map(|(name, value)| (format!("ok-access-{}", name.to_lowercase()), value.to_owned()))
        .to_vec()
}

fn open(rig: &mut Rig, key: &str) -> ConnId {
    let headers = headers(rig, key, key);
    match rig.exchange.open_signed(rig.now, PATH, &headers) {
        Opened::Accepted(conn) => conn,
        Opened::Refused { status, body } => panic!("{status} {body}"),
    }
}

/// `instIdCode` of an instrument, from REST.
fn code(rig: &mut Rig, id: &str) -> i64 {
    let kind = if id.ends_with("SWAP") { "SWAP" } else { "SPOT" };
    let path = format!("/api/v5/public/instruments?instType={kind}&instId={id}");
    let body: Value = serde_json::from_str(&rig.exchange.rest(rig.now, &path).body).unwrap();
    body["data"][0]["instIdCode"].as_i64().unwrap()
}

fn listen(rig: &mut Rig, conn: ConnId, code: i64, channels: &[&str]) {
    for channel in channels {
        let arg = format!("{{\"channel\":\"{channel}\",\"instIdCode\":{code}}}");
        rig.send(conn, &format!("{{\"op\":\"subscribe\",\"args\":[{arg}]}}"));
    }
}

/// Reads little-endian numbers one after the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> i64 {
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        let bits = head.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        // The sign comes from the highest bit that was sent.
        let shift = 64 - 8 * count as u32;
        ((bits << shift) as i64) >> shift
    }

    fn group(&mut self) -> Vec<(i64, i64, i64)> {
        assert_eq!(self.take(2), 20);
        let count = self.take(2);
        (0..count).map(|_| (self.take(8), self.take(8), self.take(4))).collect()
    }
}

/// A message: its template and root, and its groups.
#[derive(Debug)]
struct Message {
    template: i64,
    root: Vec<i64>,
    asks: Vec<(i64, i64, i64)>,
    bids: Vec<(i64, i64, i64)>,
}

fn read(bytes: &[u8]) -> Message {
    let mut reader = Reader(bytes);
    let header: Vec<i64> = (0..4).map(|_| reader.take(2)).collect();
    assert_eq!(&header[2..], [1, 0], "schema and version");
    let widths: &[usize] = match header[1] {
        1_000 => &[8, 8, 8, 8, 8, 8, 8, 8, 4, 4, 1, 1],
        1_001 | 1_002 => &[8, 8, 8, 8, 8, 1, 1],
        1_005 => &[8, 8, 8, 8, 8, 8, 8, 2, 1, 1, 1, 1],
        1_006 => &[8, 8, 8, 1, 1],
        other => panic!("template {other}"),
    };
    assert_eq!(header[0] as usize, widths.iter().sum::<usize>(), "block length");
    let root = widths.iter().map(|width| reader.take(*width)).collect();
    let grouped = matches!(header[1], 1_001 | 1_006);
    let (asks, bids) = if grouped { (reader.group(), reader.group()) } else { Default::default() };
    assert!(reader.0.is_empty(), "bytes behind the message");
    Message { template: header[1], root, asks, bids }
}

/// A mantissa with its exponent as the 10^-20 of the rig.
fn scaled(mantissa: i64, exponent: i64) -> i128 {
    i128::from(mantissa) * 10i128.pow((20 + exponent) as u32)
}

/// One book: prices in the rig's units, so that a finer tick changes nothing.
#[derive(Default)]
struct Book {
    seq: i64,
    sides: [BTreeMap<i128, (i128, i64)>; 2],
}

impl Book {
    fn change(&mut self, message: &Message, exponents: (i64, i64)) {
        for (side, levels) in [&message.asks, &message.bids].into_iter().enumerate() {
            for (px, lots, orders) in levels {
                let px = scaled(*px, exponents.0);
                match lots {
                    0 => drop(self.sides[side].remove(&px)),
                    _ => drop(self.sides[side].insert(px, (scaled(*lots, exponents.1), *orders))),
                }
            }
        }
    }

    fn equals(&self, json: &NaiveBook) -> bool {
        let read = |levels: &[(String, String, String)]| -> BTreeMap<i128, (i128, i64)> {
            let row =
                |l: &(String, String, String)| (units(&l.0), (units(&l.1), l.2.parse().unwrap()));
            levels.iter().map(row).collect()
        };
        json.seq == Some(self.seq) && self.sides == [read(&json.asks), read(&json.bids)]
    }
}

fn binary(what: &ToClient) -> Option<Message> {
    match what {
        ToClient::Binary(bytes) => Some(read(bytes)),
        _ => None,
    }
}

/// The same market as JSON and as SBE: both books at every id both reach, and both trades.
fn cross_check(mut rig: Rig, id: &str, seconds: u64) -> (usize, usize, usize) {
    let public = rig.open("/ws/v5/public");
    rig.login(public);
    let conn = open(&mut rig, "sim");
    let code = code(&mut rig, id);
    rig.subscribe(public, &["books-l2-tbt", "trades", "bbo-tbt"], &[id]);
    listen(&mut rig, conn, code, &["books-l2-tbt", "trades", "bbo-tbt"]);
    let reply =
        rig.exchange.rest(rig.now, &format!("/api/v5/market/books-sbe?instIdCode={code}&source=0"));
    assert_eq!(reply.content_type, "application/sbe");
    let first = read(&reply.bytes);
    let mut book = Book { seq: first.root[2], ..Book::default() };
    book.change(&first, (first.root[3], first.root[4]));
    let mut json = NaiveBook::default();
    let (mut same, mut finer) = (0, 0);
    let (mut bests, mut tops) = (Vec::new(), BTreeMap::new());
    let (mut deals, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..seconds {
        rig.run(SECOND);
        rig.exchange.receive(rig.now, conn, market_data_sim::FromClient::Pong(b"okx"));
    }
    for delivery in &rig.out {
        if let Some(message) = binary(&delivery.what) {
            assert_eq!((delivery.conn, message.root[0]), (conn, code));
            match message.template {
                1_001 | 1_002 => {
                    let (seq, prev) = (message.root[3], message.root[4]);
                    assert_eq!(prev, book.seq, "{message:?}");
                    book.seq = seq;
                    book.change(&message, (message.root[5], message.root[6]));
                    finer += usize::from(message.template == 1_002);
                }
                1_000 => bests.push(message.root),
                _ => deals.push(message.root),
            }
        } else if let Some(text) =
            crate::rig::text(delivery).filter(|text| text.contains("\"data\""))
        {
            let frame: Value = serde_json::from_str(text).unwrap();
            match frame["arg"]["channel"].as_str() {
                Some("books-l2-tbt") => json.apply(&frame).unwrap(),
                Some("bbo-tbt") => {
                    let row = &frame["data"][0];
                    drop(tops.insert(row["seqId"].as_i64().unwrap(), row.clone()));
                }
                _ => rows.extend(frame["data"].as_array().unwrap().clone()),
            }
        }
        same += usize::from(book.equals(&json));
    }
    assert_eq!(deals.len(), rows.len());
    for (deal, row) in deals.iter().zip(&rows) {
        let text = |name: &str| row[name].as_str().unwrap();
        assert_eq!(scaled(deal[4], deal[9]), units(text("px")), "{row}");
        assert_eq!(scaled(deal[5], deal[10]), units(text("sz")), "{row}");
        assert_eq!(
            (deal[6].to_string(), deal[7].to_string()),
            (text("tradeId").into(), text("count").into())
        );
        assert_eq!(deal[8] == 1, row["side"] == "buy");
        assert_eq!(deal[11].to_string(), text("source"));
        assert_eq!(deal[3], row["seqId"].as_i64().unwrap());
        assert_eq!(deal[1] / 1_000, text("ts").parse::<i64>().unwrap());
    }
    compare_tops(&bests, &tops);
    assert!(bests.len() > 10 && deals.len() > 3, "{} {}", bests.len(), deals.len());
    (same, finer, deals.len())
}

/// Best prices, sizes and counts of both, at the ids that both sent.
fn compare_tops(bests: &[Vec<i64>], tops: &BTreeMap<i64, Value>) {
    let mut compared = 0;
    for best in bests {
        let Some(row) = tops.get(&best[3]) else { continue };
        let (px, sz) = (best[10], best[11]);
        for (name, price, size, count) in
            [("asks", best[4], best[5], best[8]), ("bids", best[6], best[7], best[9])]
        {
            let wanted = row[name].get(0).map_or((0, 0, "0"), |level| {
                let text = |n: usize| level[n].as_str().unwrap();
                (units(text(0)), units(text(1)), text(3))
            });
            let found = (scaled(price, px), scaled(size, sz));
            assert_eq!(found, (wanted.0, wanted.1), "{name} of {row}");
            assert_eq!(count.to_string(), wanted.2, "{name} of {row}");
        }
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn json_and_sbe_say_the_same() {
    for seed in 0..3 {
        let rig = Rig::new(config(seed, MarketSize::Small, "none"));
        let (same, finer, _) = cross_check(rig, "BTC-USDT", 60);
        assert!(same > 100 && finer == 0, "seed {seed}: {same}");
    }
}

#[test]
fn a_finer_tick_is_told_by_exponents() {
    let lives = SimConfig { lives: true, ..config(1, MarketSize::Small, "none") };
    let (same, finer, _) = cross_check(Rig::new(lives), "TICK-USDT-SWAP", 120);
    assert!(same > 20, "{same}");
    assert_eq!(finer, 1);
}

#[test]
fn handshakes_are_signed() {
    let mut rig = Rig::small(1);
    let now = rig.now;
    let bad = headers(&rig, "sim", "nonsense");
    for (headers, wanted) in [(Vec::new(), "60027"), (bad, "60007")] {
        match rig.exchange.open_signed(now, PATH, &headers) {
            Opened::Refused { status: 401, body } => assert!(body.contains(wanted), "{body}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(rig.exchange.open(now, PATH), Opened::Refused { status: 401, .. }));
}

#[test]
fn requests_follow_the_rules_of_the_binary_socket() {
    let mut rig = Rig::small(1);
    let conn = open(&mut rig, "sim-basic");
    let code = code(&mut rig, "BTC-USDT");
    let last = |rig: &Rig| rig.events().last().unwrap().clone();
    rig.subscribe(conn, &["bbo-tbt"], &["BTC-USDT"]);
    assert_eq!(last(&rig)["code"], "60018", "names are numbers here");
    rig.send(conn, "ping");
    assert_eq!(last(&rig)["code"], "60012", "and pings are protocol pings");
    listen(&mut rig, conn, code, &["books-l2-tbt"]);
    assert_eq!(last(&rig)["code"], "64003");
    listen(&mut rig, conn, code, &["bbo-tbt"]);
    let ack = last(&rig);
    assert_eq!(ack["event"], "subscribe");
    assert_eq!(ack["arg"]["instIdCode"], code);
    rig.out.clear();
    rig.run(90 * SECOND);
    let pings = rig.out.iter().filter(|d| matches!(d.what, ToClient::Ping(_))).count();
    let closed = rig.out.iter().find(|d| matches!(d.what, ToClient::Close { .. }));
    assert!(pings >= 3 && closed.is_some(), "nobody answered {pings} pings");
    let reply = rig.exchange.rest(rig.now, "/api/v5/market/books-sbe?instIdCode=1");
    assert!(reply.body.starts_with('{') && reply.bytes.is_empty());
}

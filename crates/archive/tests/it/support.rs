//! Random events of every kind, archives made of them, and everything read back.

use market_data_archive::{Archive, Made, Segment, WriteOptions, read};
use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers without a crate: SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn new() -> Dice {
        let seed = std::env::var("ARCHIVE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(1);
        println!("ARCHIVE_SEED={seed}");
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        (!self.one_in(4)).then(|| make(self))
    }

    fn decimal(&mut self) -> Decimal {
        match self.below(40) {
            0 => Decimal::parse(b"-0.00").expect("a number"),
            1 => Decimal::parse(b"100000000000000000000").expect("a number"),
            2 => Decimal::parse(b"0.0000000000000000001").expect("a number"),
            3 => {
                Decimal::parse(b"-12345678901234567890.123456789012345678").unwrap_or(Decimal::ZERO)
            }
            4 => Decimal::from_parts(-(self.below(1 << 40) as i128), 7).expect("it fits"),
            _ => {
                let scale = self.below(14) as u8;
                Decimal::from_parts(self.below(10_000_000).into(), scale).expect("it fits")
            }
        }
    }

    fn px(&mut self) -> Px {
        Px(self.decimal())
    }

    fn qty(&mut self) -> Qty {
        Qty(self.decimal())
    }

    fn text(&mut self) -> Box<str> {
        ["", "x", "a \"quoted\"\nline", "ünïcode \u{1f980}", "\u{0}\t\\"][self.below(5) as usize]
            .into()
    }

    fn level(&mut self, rpi: bool) -> Level {
        let non_rpi = if rpi { self.qty() } else { Qty(Decimal::NONE) };
        let orders = self.below(1 << 32) as u32;
        Level { px: self.px(), qty: self.qty(), non_rpi, orders }
    }
}

pub const CHANNELS: [&str; 6] =
    ["trades", "tickers", "candle1m", "books", "books5", "open-interest"];

fn names() -> Arc<Names> {
    let mut swap = Instrument::named("BTC-USDT-SWAP");
    swap.inst_type = Some(InstType::Swap);
    let mut spot = Instrument::named("BTC-USDT");
    spot.inst_type = Some(InstType::Spot);
    spot.row = "{\"instId\":\n\"BTC-USDT\"}".into();
    let odd = Instrument::named("../Ü/%=x");
    let instruments = vec![swap, spot, odd, Instrument::named("")];
    Arc::new(Names {
        venue: "okx",
        channels: CHANNELS.iter().map(|channel| Arc::from(*channel)).collect(),
        instruments: instruments.into_iter().map(Arc::new).collect(),
    })
}

/// So many events of every kind, in the order of a tape.
pub fn events(dice: &mut Dice, count: usize, from: Nanos) -> Batch {
    let names = names();
    let mut batch = Batch::default();
    let mut counts = BTreeMap::new();
    let mut now = from;
    for _ in 0..count {
        let feed = FeedId(1 + dice.below(3) as u32);
        let n = counts.entry(feed).or_insert(0u64);
        *n += 1;
        now = now + dice.below(3) * 1_000_000_007;
        let header = Header {
            feed,
            n: *n,
            channel: None,
            inst: None,
            ts_event: dice.some(|dice| Nanos(dice.below(1 << 60) / 1_000_000 * 1_000_000)),
            ts_recv: now - dice.below(2) * 1_000,
        };
        push(dice, &mut batch, &names, header);
    }
    batch.set_names(&names);
    batch
}

fn push(dice: &mut Dice, batch: &mut Batch, names: &Names, mut header: Header) {
    let kind = dice.below(12) as usize;
    header.inst = Some(dice.below(4) as u32);
    if kind < CHANNELS.len() {
        header.channel = Some(kind as u16);
        // What has a channel is about an instrument with an id, or about none.
        header.inst = header.inst.filter(|inst| *inst < 3);
    }
    match kind {
        0 => batch.push_trade(header, trade(dice)),
        1 => batch.push_ticker(header, ticker(dice)),
        2 => batch.push_bar(header, bar(dice)),
        3 | 4 => {
            book(dice, batch, header, if kind == 3 { BookKind::Delta } else { BookKind::View })
        }
        5 => batch.push_other(header, Other::Raw(Raw { row: "{\"oi\": \"1\"\r\n}".into() })),
        _ => rare(dice, batch, names, header, kind),
    }
}

fn trade(dice: &mut Dice) -> Trade {
    let aggressor = [Aggressor::Buyer, Aggressor::Seller, Aggressor::Unknown];
    Trade {
        trade_id: if dice.one_in(9) { u64::MAX } else { dice.below(1 << 40) },
        px: dice.px(),
        qty: dice.qty(),
        aggressor: aggressor[dice.below(3) as usize],
        count: dice.some(|dice| dice.below(9) as u32),
        source: dice.some(|_| Tiny::new("1")).flatten(),
        seq: dice.some(|dice| dice.next().cast_signed()),
        filled: None,
    }
}

fn ticker(dice: &mut Dice) -> Ticker {
    Ticker {
        last: dice.some(Dice::px),
        last_qty: dice.some(Dice::qty),
        bid: dice.some(Dice::px),
        ask: dice.some(Dice::px),
        vol_24h: dice.some(Dice::qty),
        vol_ccy_24h: dice.some(Dice::qty),
        ..Ticker::default()
    }
}

const BAR_STATES: [BarState; 6] = [
    BarState::Forming,
    BarState::Confirmed,
    BarState::FilledFromRest,
    BarState::RebuiltFromTrades,
    BarState::NoTrades,
    BarState::Missing,
];

fn bar(dice: &mut Dice) -> Bar {
    Bar {
        kind: BarKind::Trade,
        interval: "1m",
        open_ms: dice.below(1 << 41),
        close_ms: dice.below(1 << 41),
        open: dice.px(),
        high: dice.px(),
        low: dice.px(),
        close: dice.px(),
        volume: dice.some(Dice::qty),
        volume_ccy: dice.some(Dice::qty),
        volume_quote: dice.some(Dice::qty),
        closed: dice.some(|dice| dice.one_in(2)),
        state: dice.some(|dice| BAR_STATES[dice.below(6) as usize]),
        filled: dice.some(|_| FilledFrom::Rest),
        flow: dice.some(|dice| BarFlow {
            trades: dice.below(1 << 20),
            taker_base: dice.some(Dice::qty),
            taker_quote: dice.some(Dice::qty),
        }),
    }
}

fn book(dice: &mut Dice, batch: &mut Batch, header: Header, kind: BookKind) {
    let kind = if kind == BookKind::Delta && dice.one_in(5) { BookKind::Snapshot } else { kind };
    let rpi = dice.one_in(3);
    let mut side = || {
        let count = dice.below(4);
        (0..count).map(|_| dice.level(rpi)).collect::<Vec<_>>()
    };
    let (bids, asks) = (side(), side());
    let head = BookHead {
        kind,
        prev_seq: dice.some(|dice| dice.next().cast_signed()),
        seq: dice.some(|dice| dice.next().cast_signed()),
        depth: 400,
    };
    batch.push_book(header, head, bids.into_iter(), asks.into_iter());
}

fn rare(dice: &mut Dice, batch: &mut Batch, names: &Names, mut header: Header, kind: usize) {
    header.channel = dice.some(|dice| dice.below(6) as u16);
    let instrument = &names.instruments[dice.below(4) as usize];
    if dice.one_in(3) {
        header.inst = None;
    }
    let other = match kind {
        6 | 7 => Other::Gap(Gap {
            id: dice.next(),
            closed: dice.one_in(2),
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: dice.some(|dice| dice.next().cast_signed()),
            from: dice.some(|dice| Nanos(dice.next())),
            to_id: dice.some(|dice| dice.next().cast_signed()),
            to: dice.some(|dice| Nanos(dice.next())),
            lost: dice.some(Dice::next),
            healed: dice.some(|_| Healed::Snapshot),
        }),
        8 => Other::Session(Session {
            step: SessionStep::Up,
            number: dice.next(),
            url: dice.text().into(),
            reason: dice.text().into(),
            conn_id: dice.text().into(),
        }),
        9 => Other::Subscription(SubscriptionNews {
            step: SubscriptionStep::Refused,
            code: dice.text().into(),
            reason: dice.text().into(),
        }),
        10 => Other::Fault(Fault {
            code: FaultCode::BadRow,
            reason: dice.text().into(),
            frame: dice.text().into(),
        }),
        _ => Other::Instrument(Arc::clone(instrument)),
    };
    batch.push_other(header, other);
}

/// The records of a batch as lines.
pub fn lines(batch: &Batch) -> Vec<String> {
    batch
        .iter()
        .map(|event| {
            let mut text = Vec::new();
            wire::write_json(&event, &mut text);
            String::from_utf8(text).expect("JSON is text")
        })
        .collect()
}

pub fn made() -> Made {
    Made { tape: 1, book_interval_ms: Some(0), book_depth: 20 }
}

pub fn source(number: u64) -> Segment {
    Segment::new(number, 1, format!("{number:064}"))
}

/// Puts a segment of these events into an archive.
pub fn put(dir: &Path, number: u64, batch: &Batch, memory: usize) {
    let mut archive = Archive::open(dir, &made()).expect("it opens");
    let options = WriteOptions { memory, book_interval_ms: Some(0) };
    let mut writer = archive.begin(&source(number), options).expect("it begins");
    for event in batch.iter() {
        writer.take(&event).expect("it is taken");
    }
    let parts = writer.finish().expect("it is written");
    archive.commit(source(number), parts).expect("it is committed");
}

/// Every file below a directory with its content.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut next = vec![dir.to_owned()];
    while let Some(path) = next.pop() {
        for entry in std::fs::read_dir(&path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                next.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it is below").to_owned();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Every record of an archive as a line.
pub fn read_all(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, bytes) in tree(dir) {
        if name.extension().is_some_and(|end| end == "parquet") {
            let mut last = None;
            let read = read::records(bytes.into(), |record| {
                assert!(last <= Some(record.key), "{} is not sorted", name.display());
                last = Some(record.key);
                lines.push(String::from_utf8(record.json.to_vec()).expect("JSON is text"));
                Ok(())
            });
            read.unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        }
    }
    lines
}

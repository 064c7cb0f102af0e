//! What the tests share: made-up records, tapes written from them, and what was read back.

use market_data_model::{
    Command, Decimal, FeedId, Input, InstType, Instrument, Known, Nanos, Qty, Subscription,
};
use market_data_tape::digest::Xxh64;
use market_data_tape::{Anchor, Damage, Entry, FeedStart, Form, Item, Lost, Outputs, Range, Tape};
use market_data_tape::{Put, TapeOptions, TapeWriter, record::kind};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// A record that owns its bytes.
#[derive(Clone, Debug)]
pub struct Made {
    pub feed: FeedId,
    pub ts: Nanos,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    FeedStart(String, Vec<u8>),
    Start,
    Opened,
    Frame(Vec<u8>),
    Closed(Option<u16>, String),
    Tick,
    Response(u64, u16, Vec<u8>),
    Command(Command),
    Outputs(Outputs),
    Lost(Lost),
    Note(String),
    Anchor(String, u16, Vec<u8>),
    Other(u8, Vec<u8>),
}

impl What {
    pub fn entry(&self) -> Entry<'_> {
        match self {
            What::FeedStart(venue, config) => {
                Entry::FeedStart(FeedStart { venue, config, again: false })
            }
            What::Start => Entry::Input(Input::Start),
            What::Opened => Entry::Input(Input::Opened),
            What::Frame(bytes) => Entry::Input(Input::Frame(bytes)),
            What::Closed(code, reason) => Entry::Input(Input::Closed { code: *code, reason }),
            What::Tick => Entry::Input(Input::Tick),
            What::Response(id, status, body) => {
                Entry::Input(Input::Response { id: *id, status: *status, body })
            }
            What::Command(command) => Entry::Input(Input::Command(command.clone())),
            What::Outputs(outputs) => Entry::Outputs(*outputs),
            What::Lost(lost) => Entry::Lost(lost.clone()),
            What::Note(text) => Entry::Note(text),
            What::Anchor(path, status, body) => {
                Entry::Anchor(Anchor { path, status: *status, body })
            }
            What::Other(kind, payload) => Entry::Other { kind: *kind, payload },
        }
    }
}

/// One line a record, so that two lists can be compared and shown.
pub fn line(feed: FeedId, ts: Nanos, entry: &Entry<'_>) -> String {
    if let Entry::Input(Input::Frame(bytes)) = entry {
        let mut hash = Xxh64::default();
        hash.add(bytes);
        return format!("{} {} frame {} {:016x}", feed.0, ts.0, bytes.len(), hash.finish());
    }
    format!("{} {} {entry:?}", feed.0, ts.0)
}

impl Made {
    pub fn line(&self) -> String {
        line(self.feed, self.ts, &self.what.entry())
    }
}

fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..len)
}

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~é☃]{0,12}").unwrap()
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0u8..=36)
        .prop_map(|(digits, scale)| Decimal::from_parts(digits.into(), scale).expect("64 bits fit"))
}

fn subscription() -> impl Strategy<Value = Subscription> {
    (text(), text()).prop_map(|(channel, key)| Subscription::new(&channel, &key))
}

pub fn instrument() -> impl Strategy<Value = Arc<Instrument>> {
    let texts = proptest::collection::vec(text(), 11);
    let numbers = proptest::collection::vec(proptest::option::of(decimal()), 5);
    let times = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<i64>>());
    (texts, any::<bool>(), numbers, times).prop_map(|(texts, typed, numbers, times)| {
        let boxed = |i: usize| -> Box<str> { texts[i].as_str().into() };
        Arc::new(Instrument {
            inst_id: boxed(0),
            inst_type: typed.then(|| InstType::parse(&texts[1])),
            state: boxed(2),
            inst_family: boxed(3),
            uly: boxed(4),
            base_ccy: boxed(5),
            quote_ccy: boxed(6),
            settle_ccy: boxed(7),
            ct_val_ccy: boxed(8),
            ct_type: boxed(9),
            ct_val: numbers[0],
            ct_mult: numbers[1],
            tick_sz: numbers[2],
            lot_sz: numbers[3].map(Qty),
            min_sz: numbers[4].map(Qty),
            list_time: times.0.map(Nanos),
            exp_time: times.1.map(Nanos),
            inst_id_code: times.2,
            row: boxed(10),
        })
    })
}

fn known((subscription, last, heard): (Subscription, Option<u64>, u64)) -> Known {
    Known { subscription, last, heard: Nanos(heard) }
}

fn what() -> impl Strategy<Value = What> {
    let subscriptions = || proptest::collection::vec(subscription(), 0..4);
    let command = prop_oneof![
        subscriptions().prop_map(Command::Subscribe),
        subscriptions().prop_map(Command::Unsubscribe),
        Just(Command::Reconnect),
        Just(Command::HandOver),
        proptest::collection::vec((subscription(), any::<Option<u64>>(), any::<u64>()), 0..3)
            .prop_map(|list| Command::TakeOver(list.into_iter().map(known).collect())),
        subscription().prop_map(Command::Resync),
        proptest::collection::vec(instrument(), 0..3).prop_map(Command::Instruments),
        Just(Command::Stop),
    ];
    let digests = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<[u64; 2]>());
    let outputs = digests.prop_map(|(inputs, events, actions, form, digests)| {
        let form = if form % 2 == 0 { Form::Json } else { Form::Exact };
        let [events_digest, actions_digest] = digests;
        Outputs { inputs, events, actions, form, events_digest, actions_digest }
    });
    // No loss is claimed, so that the record numbers stay right.
    let lost = (any::<u64>(), any::<u64>(), text()).prop_map(|(from, to, why)| Lost {
        from: Nanos(from),
        to: Nanos(to),
        records: None,
        unsure: 0,
        bytes: from ^ to,
        why,
    });
    prop_oneof![
        8 => bytes(300).prop_map(What::Frame),
        1 => (text(), bytes(50)).prop_map(|(venue, config)| What::FeedStart(venue, config)),
        1 => prop_oneof![Just(What::Start), Just(What::Opened), Just(What::Tick)],
        1 => (any::<Option<u16>>(), text()).prop_map(|(code, reason)| What::Closed(code, reason)),
        1 => (any::<u64>(), any::<u16>(), bytes(200)).prop_map(|(i, s, b)| What::Response(i, s, b)),
        2 => command.prop_map(What::Command),
        1 => outputs.prop_map(What::Outputs),
        1 => lost.prop_map(What::Lost),
        1 => text().prop_map(What::Note),
        1 => (text(), any::<u16>(), bytes(200)).prop_map(|(p, s, b)| What::Anchor(p, s, b)),
        1 => (200u8.., bytes(30)).prop_map(|(kind, payload)| What::Other(kind, payload)),
    ]
}

/// Any records at all, on a clock that jumps both ways.
pub fn any_records(max: usize) -> impl Strategy<Value = Vec<Made>> {
    let one = (any::<u32>(), any::<u64>(), what());
    let made = one.prop_map(|(feed, ts, what)| Made { feed: FeedId(feed), ts: Nanos(ts), what });
    proptest::collection::vec(made, 1..max)
}

/// A generator whose seed is printed by the caller.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// First time of the tapes made here: 2026-11-23 10:45:01 UTC.
pub const T0: Nanos = Nanos(1_795_430_701_000_000_000);

/// Frames of three feeds, a millisecond apart, half of each compressible.
pub fn frames(count: u64, seed: u64) -> Vec<Made> {
    let mut rng = Rng(seed);
    let mut ts = T0;
    (0..count)
        .map(|i| {
            ts = ts + 1_000_000;
            let mut frame = format!("{{\"n\":{i},\"data\":\"").into_bytes();
            frame.extend(std::iter::repeat_n(b'x', rng.below(100) as usize));
            frame.extend((0..rng.below(100)).map(|_| rng.next() as u8));
            Made { feed: FeedId((i % 3) as u32), ts, what: What::Frame(frame) }
        })
        .collect()
}

/// Small blocks, so that a small tape has many.
pub fn small() -> TapeOptions {
    TapeOptions { block_bytes: 1000, ..TapeOptions::default() }
}

/// Writes a tape and closes it.
pub fn write(dir: &Path, options: TapeOptions, records: &[Made]) {
    let mut tape = TapeWriter::open(dir, options, T0).expect("opens");
    put_all(&mut tape, records);
    tape.close(records.last().map_or(T0, |r| r.ts)).expect("closes");
}

pub fn put_all(tape: &mut TapeWriter, records: &[Made]) {
    for made in records {
        assert_eq!(tape.put(made.feed, made.ts, &made.what.entry()), Put::Kept);
    }
}

/// What a tape says: a line a record (its number apart), and what is wrong.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub lines: Vec<String>,
    pub ordinals: Vec<u64>,
    pub lost: Vec<(FeedId, Lost)>,
    pub damage: Vec<Damage>,
}

/// Reads a range; the writer's own records (repeated starts, losses) are kept apart.
pub fn read(path: &Path, range: Range) -> Said {
    let tape = Tape::open(path).expect("opens");
    let mut said = Said::default();
    let mut records = tape.records(range);
    while let Some(item) = records.read().expect("reads") {
        match item {
            Item::Damage(damage) => said.damage.push(damage),
            Item::Record(record) => match record.entry().expect("decodes") {
                Entry::Lost(lost) => {
                    said.lines.push(line(record.feed, record.ts, &Entry::Lost(lost.clone())));
                    said.ordinals.push(record.ordinal);
                    said.lost.push((record.feed, lost));
                }
                _ if record.kind == kind::FEED_AGAIN => {}
                entry => {
                    said.lines.push(line(record.feed, record.ts, &entry));
                    said.ordinals.push(record.ordinal);
                }
            },
        }
    }
    said
}

/// Only the frames, as lines.
pub fn frame_lines(said: &Said) -> Vec<&String> {
    said.lines.iter().filter(|line| line.contains(" frame ")).collect()
}

/// The segment files, in order.
pub fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    Tape::open(dir).expect("opens").segments().iter().map(|s| s.path.clone()).collect()
}

//! What is in a digest of events: everything that JSON shows, each thing alone, and nothing else.

mod words;

use super::{OutputDigest, Xxh64};
use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::event::*;
use market_data_model::wire::write_json;
use market_data_model::{Batch, Decimal, InstType, Instrument, Nanos, Px, Qty};
use std::sync::Arc;
use words::{KINDS, WORDS, Words, names};

/// Splitmix64.
fn words(seed: &mut u64, count: usize) -> Vec<u64> {
    let mut word = || {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    };
    (0..count).map(|_| word()).collect()
}

fn batch(events: &[(usize, Vec<u64>)], turn: usize) -> Batch {
    let mut batch = Batch::default();
    for (kind, words) in events {
        Words { rest: words, turn }.push(*kind, &mut batch);
    }
    batch.set_names(&names(turn));
    batch
}

fn digest(batches: &[Batch]) -> u64 {
    let mut digest = OutputDigest::default();
    batches.iter().for_each(|batch| digest.add_events(batch.events(0..batch.len())));
    digest.take().events_digest
}

fn json(batch: &Batch) -> String {
    let mut out = Vec::new();
    for event in batch.iter() {
        write_json(&event, &mut out);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}

/// Each word of each kind of event is changed alone: the digests differ exactly if JSON does.
#[test]
fn one_change_is_another_digest_exactly_if_json_shows_it() {
    let mut seed = 1;
    let mut shown = [[0u32; WORDS]; KINDS];
    for (kind, shown) in shown.iter_mut().enumerate() {
        for round in 0..6 {
            let before = words(&mut seed, WORDS);
            let one = batch(&[(kind, before.clone())], 0);
            for index in 0..WORDS {
                let mut after = before.clone();
                after[index] = words(&mut seed, 1)[0];
                let other = batch(&[(kind, after)], 0);
                let (one_json, other_json) = (json(&one), json(&other));
                let differ = digest(std::slice::from_ref(&one)) != digest(&[other]);
                let differs = one_json != other_json;
                assert_eq!(differ, differs, "{kind} {round} {index}\n{one_json}{other_json}");
                shown[index] += u32::from(differs);
            }
        }
    }
    for (kind, shown) in shown.iter().enumerate() {
        let fields = shown.iter().filter(|times| **times > 0).count();
        assert!(fields > 6, "kind {kind}: {fields}");
    }
}

/// The same events, cut into other batches under names in another order.
#[test]
fn a_digest_depends_on_the_events_alone() {
    let mut seed = 2;
    for _ in 0..200 {
        let draw = words(&mut seed, 64);
        // Few names, so that heads are met again.
        let events: Vec<_> = (0..24)
            .map(|i| {
                let mut event = words(&mut seed, WORDS);
                (event[0], event[1]) = (draw[i] % 4 + 1, draw[i] / 8 % 7 + 1);
                (draw[i] as usize / 64 % KINDS, event)
            })
            .collect();
        let whole = digest(&[batch(&events, 0)]);
        let mut rest = &events[..];
        let mut cut = Vec::new();
        for (size, turn) in draw[24..].iter().map(|word| (word % 6, word / 6 % 7)) {
            let (first, behind) = rest.split_at((size as usize).min(rest.len()));
            cut.push(batch(first, turn as usize));
            rest = behind;
        }
        cut.push(batch(rest, 3));
        assert_eq!(digest(&cut), whole, "{events:?}");
    }
}

/// More instruments than there are heads, and many channels of few instruments.
#[test]
fn instruments_that_share_a_head_are_told_apart() {
    let insts: Vec<_> = (0..700).map(|i| Arc::new(Instrument::named(&format!("I-{i}")))).collect();
    let channels: Vec<_> = (0..300).map(|i| Arc::<str>::from(format!("c{i}"))).collect();
    let mut seed = 4;
    let draw = words(&mut seed, 4000);
    let place = |i: usize, word: u64| {
        let (channel, insts) = if i < 2000 { (word & 1, 700) } else { (word & 511, 1) };
        ((channel % 300) as u16, (word / 512 % insts) as u32)
    };
    let event = |(i, word): (usize, &u64), batch: &mut Batch, places: Option<(u16, u32)>| {
        let (channel, inst) = places.unwrap_or(place(i, *word));
        let (feed, n, ts_recv) = (FeedId(1), i as u64, Nanos(*word));
        let (channel, inst) = (Some(channel), Some(inst));
        let header = Header { feed, n, channel, inst, ts_event: None, ts_recv };
        let session = |number| {
            let (url, reason, conn_id) = ("".into(), String::new(), String::new());
            Session { step: SessionStep::Up, number, url, reason, conn_id }
        };
        match word % 5 {
            0 => batch.push_other(header, Other::Session(session(*word))),
            _ => batch.push_ticker(header, Ticker::default()),
        }
    };
    let names = |channels: &[Arc<str>], instruments: &[Arc<Instrument>]| {
        let (channels, instruments) = (channels.to_vec(), instruments.to_vec());
        Arc::new(Names { venue: "okx", channels, instruments })
    };
    let mut together = Batch::default();
    draw.iter().enumerate().for_each(|one| event(one, &mut together, None));
    together.set_names(&names(&channels, &insts));
    let alone = |(i, word): (usize, &u64)| {
        let mut batch = Batch::default();
        event((i, word), &mut batch, Some((0, 0)));
        let (channel, inst) = place(i, *word);
        batch.set_names(&names(&channels[channel as usize..], &insts[inst as usize..][..1]));
        batch
    };
    let alone: Vec<_> = draw.iter().enumerate().map(alone).collect();
    assert_eq!(digest(&[together]), digest(&alone));
}

/// A trade, and a view of a book without a channel or an instrument.
fn trade_and_view() -> Batch {
    let names = Names { venue: "okx", channels: vec!["trades".into()], ..Names::default() };
    let inst = Instrument { inst_type: Some(InstType::Spot), ..Instrument::named("BTC-USDT") };
    let names = Arc::new(Names { instruments: vec![Arc::new(inst)], ..names });
    let number = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
    let header = Header {
        feed: FeedId(7),
        n: 300,
        channel: Some(0),
        inst: Some(0),
        ts_event: Some(Nanos::from_millis(1_700_000_000_123)),
        ts_recv: Nanos(5),
    };
    let mut batch = Batch::default();
    let trade = Trade {
        trade_id: 9,
        px: Px(number("64000.50")),
        qty: Qty(number("-1")),
        aggressor: Aggressor::Unknown,
        count: None,
        source: None,
        seq: Some(-2),
        filled: Some(FilledFrom::Rest),
    };
    batch.push_trade(header, trade);
    let level = |px, qty, non_rpi| Level {
        px: Px(number(px)),
        qty: Qty(number(qty)),
        non_rpi: Qty(non_rpi),
        orders: 3,
    };
    let bids = [level("1.5", "10", Decimal::NONE), level("1", "-0.0", Decimal::NONE)];
    let head = BookHead { kind: BookKind::View, prev_seq: None, seq: Some(1), depth: 2 };
    let link = Header { channel: None, inst: None, ts_event: None, ..header };
    batch.push_book_of(link, head, (&bids, &[level("1.5", "10", number("0.25"))]));
    batch.set_names(&names);
    batch
}

/// Recordings hold these: a digest that comes out otherwise is another form, not a better one.
#[test]
fn the_bytes_are_those_of_the_document() {
    let mut bytes = Xxh64::default();
    let mut put = |tag: &[u8], words: &[u64], text: &str| {
        bytes.add(tag);
        words.iter().for_each(|word| bytes.add(&word.to_le_bytes()));
        bytes.add(text.as_bytes());
    };
    put(&[3], &[1], "");
    put(&[21], &[], "trade");
    put(&[19], &[], "okx");
    put(&[22], &[], "trades");
    put(&[24], &[], "BTC-USDT");
    put(&[20], &[], "SPOT");
    put(&[23], &[], "BTCUSDT");
    [1_700_000_000_123, 5, 7, 300, 9].iter().for_each(|word| put(&[3], &[*word], ""));
    put(&[66], &[6_400_050], "");
    put(&[5], &[1, 1 << 63], "");
    put(&[20], &[], "base");
    put(&[23], &[], "unknown");
    put(&[0, 2, 0, 0], &[], "");
    put(&[4], &[-2i64 as u64], "");
    put(&[10], &[10], "filledFrom");
    put(&[20], &[], "rest");
    put(&[11, 3], &[1], "");
    put(&[25], &[], "orderbook");
    put(&[19], &[], "okx");
    put(&[0, 0, 0, 0, 0], &[], "");
    [5, 7, 300, 1].iter().for_each(|word| put(&[3], &[*word], ""));
    put(&[9], &[2, 3 | 1 << 32, 15, 10], "");
    put(&[], &[3 | 1 << 48, 1, 0, 0, 1 << 63 | 1 << 56], "");
    put(&[9], &[1, 3 | 3 << 48, 15, 10, 1 << 56, 0, 25, 2 << 56], "");
    put(&[3], &[2], "");
    put(&[0], &[], "");
    put(&[20], &[], "live");
    put(&[11], &[], "");
    assert_eq!(digest(&[trade_and_view()]), bytes.finish());
}

/// A digest of each kind that must not change.
#[test]
fn digests_stay_what_they_were() {
    let mut seed = 3;
    let event = |kind| digest(&[batch(&[(kind, words(&mut seed, WORDS))], 0)]);
    let digests: Vec<u64> = (0..KINDS).map(event).collect();
    assert_eq!(digests, PINNED, "{digests:#x?}");
}

const PINNED: [u64; KINDS] = [
    0x4668_E9AF_AD59_BA72,
    0xD42D_2DF4_6341_1761,
    0x9EC6_7FDE_966D_7FE7,
    0xB25A_BC1D_0A99_8A64,
    0x24EA_713E_CD8A_C386,
    0x6768_3810_A1C0_3E5F,
    0xD464_E968_013C_D941,
    0x2609_F2E7_F927_3B9C,
    0xEA27_E805_C1C6_707E,
    0xC50A_3116_24D2_0770,
    0xEC2E_C87D_B185_482C,
    0xF008_967F_0E8D_CA66,
];

//! Writes a small tape with every kind of record: `sample_tape DIR none|zstd`.
//!
//! The reader in `tests/tape_reader` is tried on it. Two recorders, several segments, one of them
//! left by a crash.

use market_data_model::{
    Command, Decimal, FeedId, Input, InstType, Instrument, Known, LineNews, Nanos, Qty,
    Subscription,
};
use market_data_tape::{
    ALL_FEEDS, Anchor, Compression, Entry, FeedConfig, FeedStart, FeedState, Form, Lost, Outputs,
    TapeOptions, TapeWriter, encode_config,
};
use std::path::Path;
use std::sync::Arc;

const T0: u64 = 1_795_430_701_000_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(zip)) = (args.next(), args.next()) else {
        return Err("usage: sample_tape DIR none|zstd".into());
    };
    let dir = Path::new(&dir);
    let compression = if zip == "zstd" { Compression::Zstd(3) } else { Compression::None };
    let options = TapeOptions {
        compression,
        block_bytes: 2000,
        segment_bytes: 20_000,
        config: "[tape]\n# ünïcode\n".to_owned(),
        ..TapeOptions::default()
    };
    let mut tape = TapeWriter::open(dir, options.clone(), Nanos(T0))?;
    put_everything(&mut tape);
    put_frames(&mut tape, T0 + 1_000_000, 2200);
    tape.close(Nanos(T0 + 10_000_000_000))?;
    // A crash: the last segment loses its end.
    let mut names: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    names.retain(|entry| entry.path().extension().is_some_and(|ext| ext == "mdt"));
    names.sort_by_key(std::fs::DirEntry::file_name);
    let last = names.last().ok_or("no segment")?.path();
    let bytes = std::fs::read(&last)?;
    std::fs::write(&last, &bytes[..bytes.len() * 2 / 3])?;
    let mut tape = TapeWriter::open(dir, options, Nanos(T0 + 20_000_000_000))?;
    put_frames(&mut tape, T0 + 20_000_000_000, 300);
    tape.close(Nanos(T0 + 30_000_000_000))?;
    Ok(())
}

/// Frames of two feeds whose times cross.
fn put_frames(tape: &mut TapeWriter, start: u64, count: u64) {
    for i in 0..count {
        let frame = format!(
            "{{\"arg\":{{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"}},\"data\":[{{\"px\":\"{}\",\
             \"sz\":\"0.{}\",\"tradeId\":\"{i}\"}}]}}",
            60_000 + i * 7919 % 1000,
            i * 104_729 % 99_991,
        );
        let ts = start + i * 1_000_000 + (i % 3) * 2_500_000;
        put(tape, (i % 2) as u32, ts, &Entry::Input(Input::Frame(frame.as_bytes())));
    }
}

fn put(tape: &mut TapeWriter, feed: u32, ts: u64, entry: &Entry<'_>) {
    let put = tape.put(FeedId(feed), Nanos(ts), entry);
    assert_eq!(put, market_data_tape::Put::Kept, "the disk works");
}

fn instruments() -> Vec<Arc<Instrument>> {
    let decimal = |text: &str| Decimal::parse(text.as_bytes()).ok();
    let full = Instrument {
        inst_id: "BTC-USD-SWAP".into(),
        inst_type: Some(InstType::Swap),
        state: "live".into(),
        inst_family: "BTC-USD".into(),
        uly: "BTC-USD".into(),
        base_ccy: "".into(),
        quote_ccy: "".into(),
        settle_ccy: "BTC".into(),
        ct_val_ccy: "USD".into(),
        ct_type: "inverse".into(),
        ct_val: decimal("100"),
        ct_mult: decimal("1"),
        tick_sz: decimal("0.10"),
        lot_sz: decimal("-0.000000001").map(Qty),
        min_sz: decimal("99999999999999999999.9999999999999999").map(Qty),
        list_time: Some(Nanos(1_611_916_828_000_000_000)),
        exp_time: Some(Nanos(u64::MAX)),
        inst_id_code: Some(-12_345),
        row: "{\"instId\":\"BTC-USD-SWAP\",\"neu\":\"ß\"}".into(),
    };
    vec![Arc::new(full), Arc::new(Instrument::named("LISTING-1"))]
}

/// A configuration with something in every field.
fn full_config(subscriptions: &[Subscription]) -> FeedConfig {
    FeedConfig {
        url: "wss://venue.example/public".to_owned(),
        subscriptions: subscriptions.to_vec(),
        instruments: instruments(),
        view_depth: 400,
        deltas: true,
        seed: u64::MAX,
        login: true,
        refill: true,
        sbe: false,
        bars: true,
        known: vec![Known {
            subscription: subscriptions[0].clone(),
            last: Some(130_639_474),
            heard: Nanos(1_795_437_636_123_456_789),
        }],
        more_lines: 1,
        rotate_ns: 86_400_000_000_000,
        witness_ns: 10_000_000_000,
        funding: true,
        successor: true,
    }
}

fn put_everything(tape: &mut TapeWriter) {
    let subscriptions =
        vec![Subscription::new("trades", "BTC-USDT"), Subscription::new("instruments", "SPOT")];
    let config = encode_config(&full_config(&subscriptions));
    let commands = [
        Command::Subscribe(subscriptions.clone()),
        Command::Unsubscribe(Vec::new()),
        Command::Reconnect,
        Command::HandOver,
        Command::TakeOver(full_config(&subscriptions).known),
        Command::Resync(subscriptions[0].clone()),
        Command::Instruments(instruments()),
        Command::Stop,
    ];
    let (mut ts, feed) = (T0, 70_000);
    let mut next = |entry: Entry<'_>| {
        ts += 17;
        put(tape, feed, ts, &entry);
    };
    next(Entry::FeedStart(FeedStart { venue: "okx", config: &config, again: false }));
    next(Entry::FeedStart(FeedStart { venue: "other", config: b"\xff\x00", again: false }));
    next(Entry::Input(Input::Start));
    next(Entry::Input(Input::Opened));
    next(Entry::Input(Input::Frame(b"")));
    next(Entry::Input(Input::Frame(b"\x00\xff not text")));
    for news in [
        LineNews::Opened,
        LineNews::Frame(b"on the second line"),
        LineNews::Closed { code: None, reason: "gone" },
    ] {
        next(Entry::Input(Input::Line { line: 1, news }));
    }
    next(Entry::Input(Input::Closed { code: Some(1006), reason: "línk \"gone\"" }));
    next(Entry::Input(Input::Closed { code: None, reason: "" }));
    next(Entry::Input(Input::Tick));
    next(Entry::Input(Input::Response { id: u64::MAX, status: 200, body: b"{\"code\":\"0\"}" }));
    for command in commands {
        next(Entry::Input(Input::Command(command)));
    }
    for form in [Form::Json, Form::Exact] {
        let (inputs, events, actions) = (9, 300, 1 << 40);
        let (events_digest, actions_digest) = (1, !0);
        let outputs = Outputs { inputs, events, actions, form, events_digest, actions_digest };
        next(Entry::Outputs(outputs));
    }
    next(Entry::State(FeedState { venue: "okx", config: &config, state: b"\x01state" }));
    let path = "/api/v5/market/books?instId=BTC-USDT&sz=400";
    next(Entry::Anchor(Anchor { path, status: 200, body: b"{\"code\":\"0\",\"data\":[]}" }));
    next(Entry::Note("a remark\nin two lines"));
    next(Entry::Other { kind: 250, payload: b"later" });
    let lost = Lost {
        from: Nanos(1),
        to: Nanos(2),
        records: None,
        unsure: 3,
        bytes: 4,
        why: "an example".to_owned(),
    };
    put(tape, ALL_FEEDS.0, T0 + 5, &Entry::Lost(lost));
}

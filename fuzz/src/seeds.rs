//! Where fuzzing starts: the project's test data, cut into inputs.
//!
//! `examples/seeds.rs` writes them as files for libFuzzer; the property tests mutate them in place.

use crate::feed::END;

/// Instrument lists by kind.
pub const INSTRUMENTS: [(&str, &str); 4] = [
    ("SPOT", include_str!("../../testdata/okx/rest/instruments-spot.json")),
    ("SWAP", include_str!("../../testdata/okx/rest/instruments-swap.json")),
    ("FUTURES", include_str!("../../testdata/okx/rest/instruments-futures.json")),
    ("OPTION", include_str!("../../testdata/okx/rest/instruments-option.json")),
];

/// Other REST bodies: the list of option families, and what comes instead of an answer.
pub const BODIES: [&str; 2] = [
    include_str!("../../testdata/okx/rest/underlying-option.json"),
    include_str!("../../testdata/okx/rest/errors.jsonl"),
];

/// Frames by file.
pub const FRAMES: [&str; 24] = [
    include_str!("../../testdata/okx/flat/rows.jsonl"),
    include_str!("../../testdata/okx/tickers/rows.jsonl"),
    include_str!("../../testdata/okx/trades/chain.jsonl"),
    include_str!("../../testdata/okx/trades-all/chain.jsonl"),
    include_str!("../../testdata/okx/books/chain.jsonl"),
    include_str!("../../testdata/okx/books/broken.jsonl"),
    include_str!("../../testdata/okx/books/held.jsonl"),
    include_str!("../../testdata/okx/books/empty.jsonl"),
    include_str!("../../testdata/okx/books/two-rows.jsonl"),
    include_str!("../../testdata/okx/books50-l2-tbt/chain.jsonl"),
    include_str!("../../testdata/okx/books-l2-tbt/checksum.jsonl"),
    include_str!("../../testdata/okx/books-rpi/chain.jsonl"),
    include_str!("../../testdata/okx/books5/rows.jsonl"),
    include_str!("../../testdata/okx/bbo-tbt/rows.jsonl"),
    include_str!("../../testdata/okx/candle/rows.jsonl"),
    include_str!("../../testdata/okx/instruments/rows.jsonl"),
    include_str!("../../testdata/okx/events/rows.jsonl"),
    include_str!("../../testdata/okx/other/rows.jsonl"),
    include_str!("../../testdata/okx/odd/frames.jsonl"),
    "{\"arg\": {\"channel\": \"status\"},\r \"data\": [{\"a\":\t[1,\r 2]}]}",
    // A key twice, with an escape: the judge took the other one.
    "{\"arg\":{\"channel\":\"bo\\u006fks\",\"channel\":\"BTC\\u002dUSDT\"},\"data\":[]}",
    "{\"event\":\"error\",\"code\":\"64003\",\"msg\":\"one\",\"msg\":2}",
    "ping",
    "pong",
];

/// Every frame.
pub fn frames() -> impl Iterator<Item = &'static str> {
    FRAMES.iter().flat_map(|file| file.lines())
}

/// Lives for the feed target: how a connection begins, then the frames of one file, then trouble.
pub fn lives() -> Vec<Vec<u8>> {
    let mut lives = Vec::new();
    for file in FRAMES {
        for flags in [&b"Babcdefghijklmnopq"[..], b"Oabcdeghjk", b"Q"] {
            lives.push(life(flags, file, &[]));
        }
        let trouble: [&[u8]; 12] = [
            b"w200",
            b"t",
            b"e60018",
            b"w11000",
            b"t",
            b"~g",
            b"a",
            b"c1006 gone",
            b"t",
            b"o",
            b"a",
            b"S",
        ];
        lives.push(life(b"Babcghijklmnopq", file, &trouble));
    }
    lives
}

fn life(flags: &[u8], file: &str, trouble: &[&[u8]]) -> Vec<u8> {
    let mut out = flags.to_vec();
    let mut record = |parts: &[&[u8]]| {
        out.push(END);
        parts.iter().for_each(|part| out.extend_from_slice(part));
    };
    for step in ["s", "o", "a"] {
        record(&[step.as_bytes()]);
    }
    let frames: Vec<_> = file.lines().collect();
    for (n, frame) in frames.iter().enumerate() {
        record(&[b"f", frame.as_bytes()]);
        if n == frames.len() / 2 {
            trouble.iter().for_each(|step| record(&[step]));
        }
    }
    out
}

/// Numbers worth starting from.
pub const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "67505.20",
    "0.0000000000001",
    "9999999999999999",
    "39016.8143629068452065",
    "1.0/1.00",
    "-1/1",
    "0.1/-0.0",
    "1329227995784915872903807060280344575/1",
    "0.000000000000000000000000000000000001/0",
    "01/1.",
];

/// Spellings worth starting from.
pub const SPELLINGS: [&str; 18] = [
    "BTCUSDT",
    "btc-usdt",
    "BTC/USDT",
    "BTC/USDT:USDT",
    "BTC-USDT-SWAP.OKX",
    "*-USDT-SWAP",
    "BTC-???T",
    "BTC/USD:BTC-261225",
    "BTC/USD:BTC-261225-100000-C",
    "BTC-USD_UM-PERP",
    " ETH-USDT ",
    "ETHUSD",
    "BTCUSDTSWAP",
    "OLD-USDT",
    "FRESHUSDT",
    "**",
    "",
    "BTC/USD:USD",
];

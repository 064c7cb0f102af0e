//! The frames that come all the time do take the fast path, and its numbers are the general ones.
//! What it makes of other frames is judged in `tests/fast_is_general.rs`.

use super::*;
use crate::channel;
use market_data_model::Decimal;
use proptest::prelude::*;

const PLAIN: &[&str] = &[
    r#"{"arg":{"channel":"books","instId":"B-U"},"action":"snapshot","data":[{"asks":[["1.5","2","0","1"],["2","0.1","0","12"]],"bids":[["1.4","123.45678","0","70000"]],"ts":"1791369351001","checksum":0,"seqId":344430848984,"prevSeqId":-1}]}"#,
    r#"{"arg":{"channel":"books","instId":"B-U"},"action":"update","data":[{"asks":[],"bids":[["1.4","0","0","0"]],"ts":"1791369351001","checksum":-1412,"prevSeqId":1,"seqId":2}]}"#,
    r#"{"arg":{"channel":"books","instId":"B-U"},"action":"update","data":[{"bids":[],"asks":[],"ts":"1791369351001","prevSeqId":2,"seqId":2}]}"#,
    r#"{"arg":{"channel":"books-l2-tbt","instId":"B-U"},"action":"update","data":[{"asks":[],"bids":[["1.4","0","0","0"]],"ts":"1645921351001","checksum":855196043}]}"#,
    r#"{"arg":{"channel":"books-rpi","instId":"B-U"},"action":"update","data":[{"asks":[["67505.3","9","4","2"]],"bids":[],"ts":"1791369351101","seqId":80,"prevSeqId":77}]}"#,
    r#"{"arg":{"channel":"books5","instId":"B-U"},"data":[{"asks":[["8","1","0","1"]],"bids":[["7","1","0","1"]],"instId":"B-U","ts":"1791369351101","seqId":80}]}"#,
    r#"{"arg":{"channel":"bbo-tbt","instId":"B-U"},"data":[{"asks":[["83.81","11.93175","0","1"]],"bids":[["83.8","11.93317","0","1"]],"ts":"1765201257149","seqId":378617009}]}"#,
    r#"{"arg":{"channel":"trades","instId":"B-U"},"data":[{"instId":"B-U","tradeId":"2978601964","px":"83725.9","sz":"0.00373695","side":"buy","ts":"1791369350776","count":"3","source":"0","seqId":344430848209}]}"#,
    r#"{"arg":{"channel":"trades","instId":"B-U"},"data":[{"instId":"B-U","tradeId":"1","px":"1","sz":"1","side":"sell","ts":"1646311839593"},{"instId":"B-U","tradeId":"2","px":"1","sz":"1","side":"sell","ts":"1646311839593"}]}"#,
    r#"{"arg":{"channel":"trades-all","instId":"B-U"},"data":[{"instId":"B-U","tradeId":"1","px":"1","sz":"1","side":"sell","source":"1","ts":"1646311839593"}]}"#,
    r#"{"arg":{"channel":"tickers","instId":"B-U"},"data":[{"instType":"SWAP","instId":"B-U","last":"65922","lastSz":"0.69","askPx":"65922","askSz":"52.48","bidPx":"","bidSz":"1751.67","open24h":"66283.9","high24h":"66710","low24h":"65505.4","sodUtc0":"66519.8","sodUtc8":"66011.3","volCcy24h":"77067.3476","vol24h":"7706734.76","ts":"1784756082169"}]}"#,
    r#"{"arg":{"channel":"tickers","instId":"B-U"},"data":[{"instType":"SPOT","instId":"B-U","last":"39016.8143629068452065","lastSz":"0.69","askPx":"65922","askSz":"52.48","bidPx":"0.00000000000000001","bidSz":"1751.67","open24h":"1234567890123456","high24h":"123456789012345678901234567890","low24h":"1.34567890123456","sodUtc0":"1.345678901234567","sodUtc8":"66011.3","volCcy24h":"16325616.398218512","vol24h":"5421.343312","ts":"1784756082169"}]}"#,
    r#"{"arg":{"channel":"candle1m","instId":"B-U"},"data":[["1763856000000","91210.2","91384.8","91050","91209.9","266.84106265","24338546.640200236","24338546.640200236","0"]]}"#,
    r#"{"arg":{"channel":"candle1m","instId":"B-U"},"data":[["1785096000000","67500","67510.1","67490","67505.2","12.5","843815.0","","0"]]}"#,
    r#"{"arg":{"channel":"mark-price-candle1H","instId":"B-U"},"data":[["1785096000000","1","2","0.5","1.50","1"]]}"#,
];

fn take(text: &str) -> Option<Rows> {
    let (argument, rest) = argument(text.as_bytes())?;
    let name = crate::json::parse(argument).ok()?.field("channel")?.text()?;
    let form = channel::find(&name)?.form;
    let frame = (text.as_bytes(), Start::Argument(rest));
    let read = |allowed| {
        let mut out = Rows::default();
        let taken = super::rows(How::of(allowed), frame, (form, "B-U"), &mut out)?;
        Some((taken, out))
    };
    let best = read(Instructions::Best);
    for allowed in [Instructions::Narrow, Instructions::Plain] {
        assert_eq!(format!("{:?}", read(allowed)), format!("{best:?}"), "{allowed:?}: {text}");
    }
    best.map(|(_, rows)| rows)
}

#[test]
fn takes_what_comes_all_the_time() {
    for text in PLAIN {
        let rows = take(text).unwrap_or_else(|| panic!("not taken: {text}"));
        let data = text.find("\"data\":[").unwrap() + 8;
        assert_eq!((rows.spans[0].0, rows.spans.last().unwrap().1), (data, text.len() - 2));
    }
    let row = &take(PLAIN[0]).unwrap().books[0];
    assert_eq!((row.bids[0].qty.to_string().as_str(), row.bids[0].orders), ("123.45678", 70000));
    assert_eq!((row.seq, row.prev, row.checksum), (Some(344_430_848_984), Some(-1), Some(0)));
}

/// Its sixth cell is what was traded, so with six the one that says whether it is over is missing.
#[test]
fn a_bar_of_a_spread_is_read_the_general_way() {
    let text = r#"{"arg":{"channel":"sprd-candle1m","sprdId":"B-U"},"data":[["1785096000000","1","2","0.5","1.50","1"]]}"#;
    assert!(take(text).is_none());
    assert!(take(&text.replace("sprd-candle", "mark-price-candle")).is_some());
}

/// What a key says and how it is spelled are two things then.
#[test]
fn a_key_that_needs_escapes_is_read_the_general_way() {
    let row = |key: &str| {
        format!(
            r#"{{"arg":{{"channel":"trades","instId":"B-U"}},"data":[{{"instId":"{key}","tradeId":"1","px":"1","sz":"1","side":"buy","ts":"1791369350776"}}]}}"#
        )
    };
    for (key, plain) in [("B-U", true), ("A\"B", false), ("A\\n", false), ("A\nB", false)] {
        let text = row(key);
        let (_, rest) = argument(text.as_bytes()).unwrap();
        let form = channel::find("trades").unwrap().form;
        let frame = (text.as_bytes(), Start::Argument(rest));
        let mut out = Rows::default();
        let taken = super::rows(How::of(Instructions::Best), frame, (form, key), &mut out);
        assert_eq!(taken.is_some(), plain, "{key:?}");
    }
}

#[test]
fn leaves_everything_else_alone() {
    for text in PLAIN {
        // Space within the argument belongs to its text, by which it is known or not.
        let end = text.find('}').unwrap();
        for at in (0..text.len()).filter(|at| !(7..=end).contains(at)) {
            assert!(take(&text[..at]).is_none(), "cut at {at}: {text}");
            let mut spaced = text.to_string();
            spaced.insert(at, ' ');
            assert!(take(&spaced).is_none(), "a space at {at}: {text}");
        }
        assert!(take(&format!("{text}\n")).is_none());
        let leads = text.replace("\"ts\":\"1", "\"ts\":\"0");
        assert!(&leads == text || take(&leads).is_none(), "{leads}");
        let (argument, rest) = text.split_at(end);
        if rest.contains("B-U") {
            assert!(take(&format!("{argument}{}", rest.replace("B-U", "B-E"))).is_none());
        }
    }
}

/// A number as the frame has it, with what may follow it there.
fn read(text: &str, tail: &str) -> Option<(Decimal, usize)> {
    let all = format!("{text}\"{tail}");
    let (number, rest) = number::quoted(all.as_bytes())?;
    if let Some(vectors) = Vectors::detect()
        && all.len() >= 16
    {
        assert_eq!(Scan::quoted(vectors, all.as_bytes()), Some((number, rest)));
    }
    Some((number, all.len() - rest.len() - 1))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(4000)
    })]

    /// A level is read at once or not at all, and then as the general reader does.
    #[test]
    fn levels_are_the_general_ones(
        px in r"[0-9]{1,9}(\.[0-9]{1,7})?", qty in r"[0-9]{1,9}(\.[0-9]{1,7})?",
        orders in "[0-9]{1,7}", third in "0|0|0|1|00", end in r"\]|,|\]|,|\}|", tail in "[\"0-9.,]{64}",
        (damage, to) in (0usize..400, any::<u8>()),
    ) {
        let mut text = format!(r#"["{px}","{qty}","{third}","{orders}"]{end}{tail}"#).into_bytes();
        if damage < 40 {
            text[damage] = to;
        }
        let Some(vectors) = Vectors::detect() else { return Ok(()) };
        if let Some(wide) = Wide::detect() {
            // The longest are read by the wide ones only, and are no numbers of this test.
            prop_assert_eq!(wide.level(&text), vectors.level(&text));
        }
        let Some((level, more, rest)) = vectors.level(&text) else {
            let canonical = |text: &str| Decimal::parse(text.as_bytes()).is_ok();
            let plain = damage >= 40 && canonical(&px) && canonical(&qty) && canonical(&orders);
            prop_assert!(!plain || third != "0" || end.is_empty() || end == "}" || px.len() > 16
                || qty.len() > 16, "{px} {qty} {orders}");
            return Ok(());
        };
        let (row, tail) = text.split_at(text.len() - rest.len() - 1);
        prop_assert_eq!(tail[0], if more { b',' } else { b']' });
        let raw = crate::json::parse(row).unwrap();
        let cells: Vec<_> = raw.items().map(|cell| cell.text().unwrap().into_owned()).collect();
        prop_assert_eq!(cells.len(), 4);
        let (px, qty) = (level.px.to_string(), level.qty.to_string());
        let held = [px, qty, "0".into(), level.orders.to_string()];
        prop_assert_eq!(&cells[..], &held[..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(4000)
    })]

    #[test]
    fn numbers_are_the_general_ones(
        text in r"-?[0-9]{0,9}(\.[0-9]{0,9})?",
        tail in "[\"0-9.,]{0,20}",
    ) {
        let general = Decimal::parse(text.as_bytes()).ok();
        match read(&text, &tail) {
            Some((number, length)) => {
                prop_assert_eq!((Some(number), length), (general, text.len()));
            }
            // It leaves alone what is long or signed.
            None => prop_assert!(general.is_none() || text.len() > 15 || text.starts_with('-')),
        }
    }

    #[test]
    fn number_like_bytes_too(text in "[0-9.\\-+e\u{0}-\u{ff}]{0,18}", tail in "[\"0-9.,]{0,20}") {
        if let Some((number, length)) = read(&text, &tail) {
            prop_assert_eq!(Ok(number), Decimal::parse(&format!("{text}\"").as_bytes()[..length]));
        }
    }

    #[test]
    fn whole_numbers_too(text in "-?[0-9]{0,18}|[0-9\u{0}-\u{ff}]{0,17}", tail in "[,}][\"0-9}]{0,18}") {
        let all = format!("{text}{tail}");
        let whole = all.split(|c: char| c != '-' && !c.is_ascii_digit()).next().unwrap();
        let mut plain = Cursor::new(all.as_bytes(), Plain);
        let value = plain.integer();
        if let Some(vectors) = Vectors::detect() {
            let mut at = Cursor::new(all.as_bytes(), vectors);
            prop_assert_eq!(at.integer(), value);
            prop_assert!(value.is_none() || at.left() == plain.left());
        }
        match value {
            Some(value) => {
                let (read, rest) = all.split_at(all.len() - plain.left());
                prop_assert_eq!(read.parse(), Ok(value));
                let general = crate::json::parse(read.as_bytes()).unwrap().integer();
                prop_assert_eq!(general, Some(value));
                prop_assert!(rest.bytes().next().is_some_and(|b| !b.is_ascii_digit()));
            }
            None => {
                let short = whole.trim_start_matches('-').len() <= 15 && whole != "-0";
                prop_assert!(!short || crate::json::parse(whole.as_bytes()).is_err(), "{whole}");
            }
        }
    }
}

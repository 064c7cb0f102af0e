//! Every form of a file that has been seen, and that odd ones are refused with a reason.

use super::*;
use proptest::prelude::*;

const SPAN: (u64, u64) = (1_000, 2_000);
const NEW: &str = "instrument_name,trade_id,side,price,size,created_time,source\n";

fn read(name: &str, bytes: &[u8], step: usize) -> Result<(Vec<String>, CsvCounts), String> {
    let mut csv = TradesCsv::new(name, "BTC-USDT-SWAP", SPAN);
    let mut rows = Vec::new();
    let mut each = |(ts, trade): CsvRow| {
        let source = trade.source.map_or(String::new(), |tiny| tiny.as_str().to_owned());
        rows.push(format!("{} {} {source}", trade.trade_id, said(Some(ts), &trade)));
        Ok(())
    };
    for piece in bytes.chunks(step.max(1)) {
        csv.feed(piece, &mut each)?;
    }
    let counts = csv.end(&mut each)?;
    Ok((rows, counts))
}

fn alone(bytes: &[u8]) -> Result<(Vec<String>, CsvCounts), String> {
    read("BTC-USDT-SWAP-trades-2026-11-24.zip", bytes, 7)
}

#[test]
fn the_forms_that_have_been_seen_are_read() {
    let rows = "BTC-USDT-SWAP,7,sell,104503.0,30.14,1500,0\nBTC-USDT-SWAP,8,buy,9,0.5,1999,1";
    let (read, counts) = alone(format!("{NEW}{rows}").as_bytes()).unwrap();
    assert_eq!(read, ["7 sell 30.14 @ 104503.0 at 1500 0", "8 buy 0.5 @ 9 at 1999 1"]);
    assert_eq!(counts, CsvCounts { rows: 2, ..CsvCounts::default() });
    let six = "\u{feff}instrument_name,trade_id,side,price,size,created_time\r\n\
               BTC-USDT-SWAP,7,buy,1.5e-05,2E3,1000\r\n\r\n";
    assert_eq!(alone(six.as_bytes()).unwrap().0, ["7 buy 2000 @ 0.000015 at 1000 "]);
    let gbk = b"trade_id/\xb4\xe9\xba\xcfid,side/\xbd\xbb\xd2\xd7\xb7\xbd\xcf\xf2,size/\xca\xfd\xc1\
        \xbf,price/\xbc\xdb\xb8\xf1,created_time/\xb3\xc9\xbd\xbb\xca\xb1\xbc\xe4\n7,buy,2.0,1.5,1000\n";
    assert_eq!(alone(gbk).unwrap().0, ["7 buy 2.0 @ 1.5 at 1000 "]);
    let utf8 = "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间\n7,buy,2,1,1000\n";
    assert_eq!(alone(utf8.as_bytes()).unwrap().0, ["7 buy 2 @ 1 at 1000 "]);
}

#[test]
fn what_is_not_ours_is_counted() {
    let rows = "ETH-USDT-SWAP,1,buy,1,1,1500,0\nBTC-USDT-SWAP,5,buy,1,1,2000,0\n\
                BTC-USDT-SWAP,4,buy,1,1,1999,0\nBTC-USDT-SWAP,3,buy,1,1,1000,0\n";
    let (rows, counts) =
        read("BTC-USDT-futures-trades-x.zip", [NEW, rows].concat().as_bytes(), 99).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(counts, CsvCounts { rows: 2, others: 1, outside: 1, unordered: 1 });
}

#[test]
fn what_is_not_understood_refuses_the_file() {
    let row = |row: &str| alone(format!("{NEW}{row}\n").as_bytes()).unwrap_err();
    let good = "BTC-USDT-SWAP,7,sell,1,2,1500,0";
    for (bad, why) in [
        ("BTC-USDT-SWAP,7,sell,1,2,1500", "line 2: 6 cells under 7 names"),
        ("BTC-USDT-SWAP,7,Sell,1,2,1500,0", "side is neither buy nor sell"),
        ("BTC-USDT-SWAP,-7,sell,1,2,1500,0", "trade_id is no number"),
        ("BTC-USDT-SWAP,+7,sell,1,2,1500,0", "trade_id is no number"),
        ("BTC-USDT-SWAP,7,sell,1.,2,1500,0", "price is no number"),
        ("BTC-USDT-SWAP,7,sell,1,NaN,1500,0", "size is no number"),
        ("BTC-USDT-SWAP,7,sell,1,2,1500.0,0", "created_time is no number"),
        // Also in rows of others: the file is not what it seems.
        ("ETH-USDT-SWAP,x,sell,1,2,1500,0", "trade_id is no number"),
    ] {
        let said = row(bad);
        assert!(said.contains(why) && said.contains(bad), "{said}");
    }
    assert!(row(&"x".repeat(LINE_MAX)).contains("longer than"));
    let header = |header: &str| alone(format!("{header}\n{good}").as_bytes()).unwrap_err();
    let none = header("726109532,buy,1.0,43000.0,1640966400000");
    assert!(none.contains("no column trade_id in its header: 726109532,buy"), "{none}");
    assert!(header("trade_id,trade_id,side,price,size,created_time").contains("two columns"));
    assert_eq!(alone(b"").unwrap_err(), "it is empty");
    let family =
        read("BTC-USDT-futures-trades-x.zip", b"trade_id,side,price,size,created_time\n", 9);
    assert!(family.unwrap_err().contains("no column instrument_name"));
}

proptest! {
    /// Where bytes are cut between two calls makes no difference, whatever they are.
    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(b',' as u32), Just(b'\n' as u32), Just(b'7' as u32), 0u32..256,
            ].prop_map(|byte| byte as u8),
            0..300,
        ),
        header in any::<bool>(),
        step in 1usize..40,
    ) {
        let text = if header { [NEW.as_bytes(), &bytes].concat() } else { bytes };
        prop_assert_eq!(alone(&text), read("BTC-USDT-SWAP-trades-x.zip", &text, step));
    }

    #[test]
    fn numbers_keep_their_text_or_their_value(
        digits in 1u64..1_000_000_000, places in 0u32..12, power in -12i32..12,
    ) {
        let number = Decimal::from_parts(i128::from(digits), places as u8).unwrap();
        let text = number.to_string();
        prop_assert_eq!(decimal(&text).unwrap().to_string(), text.clone());
        let moved = decimal(&format!("{text}e{power}")).unwrap();
        let back = decimal(&format!("{moved}e{}", -power)).unwrap();
        prop_assert!(back.cmp_value(number).is_eq(), "{} {} {}", text, moved, back);
    }
}

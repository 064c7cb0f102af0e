//! What is asked for, and that odd answers are survived. That what comes is the whole past is shown
//! in the node, against the pretend exchange.

use super::*;
use proptest::prelude::*;

fn walk(channel: &str) -> Walk {
    let (channel, inst_id) = (channel.to_owned(), "BTC-USDT-SWAP".to_owned());
    let wish = Wish { channel, inst_id, from_ms: 60_000, to_ms: 240_000, now_ms: 10_000_000 };
    Walk::new(wish, Vec::new(), None).unwrap()
}

fn answer(rows: &str) -> Vec<u8> {
    format!("{{\"code\":\"0\",\"msg\":\"\",\"data\":[{rows}]}}").into_bytes()
}

fn fill(id: u64, ms: u64) -> String {
    format!(
        "{{\"instId\":\"BTC-USDT-SWAP\",\"tradeId\":\"{id}\",\"px\":\"1.0\",\"sz\":\"2\",\
         \"side\":\"buy\",\"ts\":\"{ms}\"}}"
    )
}

fn ids(rows: &[Row]) -> Vec<u64> {
    let id = |row: &Row| match row {
        Row::Trade(_, trade) => trade.trade_id,
        _ => 0,
    };
    rows.iter().map(id).collect()
}

#[test]
fn trades_go_down_by_id_from_a_last_one_that_is_proven() {
    let mut walk = walk("trades");
    let mut rows = Vec::new();
    assert!(walk.path().unwrap().ends_with("type=2&after=240000&limit=100"));
    let newest = [fill(9, 200_000), fill(8, 150_000)].join(",");
    assert_eq!(walk.take((200, &answer(&newest)), &mut rows), Took::Rows);
    assert!(walk.path().unwrap().ends_with("type=1&after=110&before=9&limit=100"));
    assert!(rows.is_empty() && walk.reached_ms() == 240_000);
    // The cache by time was behind: 10 is in the stretch as well, 11 is not.
    let above = [fill(11, 240_000), fill(10, 239_999)].join(",");
    walk.take((200, &answer(&above)), &mut rows);
    assert_eq!(ids(&rows), [8, 9, 10]);
    assert!(walk.path().unwrap().ends_with("type=1&after=8&limit=100"));
    assert_eq!((walk.reached_ms(), walk.first_id()), (150_001, Some(8)));
    // 7 is missing for once.
    assert_eq!(walk.take((200, &answer(&fill(6, 60_000))), &mut rows), Took::Look);
    let below = [fill(7, 60_001), fill(6, 60_000), fill(5, 59_999)].join(",");
    assert_eq!(walk.take((200, &answer(&below)), &mut rows), Took::Rows);
    assert_eq!(ids(&rows), [8, 9, 10, 6, 7]);
    assert_eq!((walk.path(), walk.reached_ms(), walk.absent()), (None, 60_000, 0));
}

#[test]
fn what_is_known_is_not_asked_for_and_what_nobody_has_is_counted() {
    let wish = walk("trades").wish().clone();
    let mut walk = Walk::new(wish, vec![(4, 7, 70_000)], Some(10)).unwrap();
    let mut rows = Vec::new();
    assert!(walk.path().unwrap().ends_with("after=10&limit=100"));
    for look in 1..=LOOKS_MAX {
        let took = walk.take((200, &answer(&fill(8, 90_000))), &mut rows);
        assert_eq!(took, if look < LOOKS_MAX { Took::Look } else { Took::Rows });
    }
    assert_eq!((ids(&rows), walk.absent(), walk.first_id()), (vec![8], 1, Some(4)));
    assert!(walk.path().unwrap().ends_with("after=4&limit=100"));
}

#[test]
fn what_a_file_brought_is_compared_and_passed_over() {
    let wish = walk("trades").wish().clone();
    let mut walk = Walk::new(wish, vec![(4, 7, 70_000)], None).unwrap();
    let file = "instrument_name,trade_id,side,price,size,created_time\n\
        BTC-USDT-SWAP,6,buy,1.00,2,90000\nBTC-USDT-SWAP,7,buy,1,2.5,90000\n";
    let mut csv = TradesCsv::new("x", "BTC-USDT-SWAP", (0, 100_000));
    let mut held = FileRows::new();
    let mut each = |row: CsvRow| {
        held.insert(row.1.trade_id, row);
        Ok(())
    };
    csv.feed(file.as_bytes(), &mut each).unwrap();
    csv.end(&mut each).unwrap();
    walk.compare(held);
    let mut rows = Vec::new();
    let page = [fill(8, 91_000), fill(7, 90_000), fill(6, 90_000)].join(",");
    walk.take((200, &answer(&page)), &mut rows);
    walk.take((200, &answer(&page)), &mut rows);
    let (compared, differing) = walk.compared();
    assert_eq!((compared, differing.len(), differing[0].trade_id), (2, 1, 7));
    assert_eq!(differing[0].file, "buy 2.5 @ 1 at 90000");
    assert_eq!(differing[0].rest, "buy 2 @ 1.0 at 90000");
    assert_eq!(walk.compared(), (0, Vec::new()));
    walk.take((200, &answer("")), &mut rows);
    assert_eq!(ids(&rows), [8]);
}

#[test]
fn what_is_older_than_all_of_rest_is_not_asked_for_hole_by_hole() {
    let wish = walk("trades").wish().clone();
    let known = vec![(4, 7, 70_000), (11, 13, 90_000), (20, 29, 200_000), (90, 99, 240_000)];
    let mut walk = Walk::new(wish, known, None).unwrap();
    let (mut rows, mut asked) = (Vec::new(), 0);
    while walk.path().is_some() {
        walk.take((200, &answer("")), &mut rows);
        asked += 1;
    }
    // Four looks for the end, four below 20, and no more.
    assert_eq!((asked, walk.absent(), walk.first_id()), (8, 6 + 3, Some(4)));
    assert!(rows.is_empty() && walk.reached_ms() == 60_000);
}

#[test]
fn refusals_end_it_and_limits_do_not() {
    let mut rows = Vec::new();
    let mut take = |status, body: &str| walk("candle1m").take((status, body.as_bytes()), &mut rows);
    let refused = r#"{"code":"51001","msg":"no such instrument","data":[]}"#;
    assert!(matches!(take(200, refused), Took::Never(why) if why.contains("51001")));
    let limited = r#"{"code":"50011","msg":"","data":[]}"#;
    assert!(matches!(take(429, limited), Took::Later { limited: true, .. }));
    assert!(matches!(take(503, "<html>"), Took::Later { limited: false, .. }));
    assert!(check("books").is_err() && check("candle5D").is_err() && check("candle1s").is_ok());
    assert_eq!(kept_as("funding-rate"), PAYMENTS);
}

proptest! {
    #[test]
    fn any_answer_is_survived(
        channel in prop_oneof![Just("trades"), Just("candle1m"), Just("funding-rate")],
        answers in proptest::collection::vec(
            (0u64..4, proptest::collection::vec(0u64..300, 0..9)),
            0..40,
        ),
    ) {
        let mut walk = walk(channel);
        let mut rows = Vec::new();
        for (kind, numbers) in answers {
            let row = |n: &u64| match kind {
                0 => fill(*n, n * 1_000),
                1 => format!("[\"{}\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\"]", n * 60_000),
                2 => format!("{{\"instId\":\"BTC-USDT-SWAP\",\"fundingTime\":\"{}\"}}", n * 1_000),
                _ => n.to_string(),
            };
            let body = numbers.iter().map(row).collect::<Vec<_>>().join(",");
            walk.take((200, &answer(&body)), &mut rows);
            prop_assert!((60_000..=240_000).contains(&walk.reached_ms()));
        }
        let mut seen = ids(&rows);
        seen.retain(|id| *id > 0);
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), all, "an id twice");
    }
}

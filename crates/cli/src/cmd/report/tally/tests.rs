//! What is counted, against records of which it is known.

use super::*;
use crate::cmd::report::{html, text};

const DAY: u64 = 20_780;

fn record(kind: &str, channel: &str, at_ms: u64, (feed, rest): (u32, &str)) -> Vec<u8> {
    let ts_recv = at_ms * 1_000_000 + 2_500_000;
    format!(
        "{{\"v\":1,\"type\":\"{kind}\",\"exchange\":\"okx\",\"channel\":\"{channel}\",\
         \"instId\":\"X-Y\",\"instType\":null,\"symbol\":null,\"timestamp\":{at_ms},\
         \"tsRecv\":{ts_recv},\"feed\":{feed},\"n\":1{rest}}}"
    )
    .into_bytes()
}

fn trade(id: u64, at_ms: u64, (feed, rest): (u32, &str)) -> Vec<u8> {
    record("trade", "trades", at_ms, (feed, &format!(",\"tradeId\":\"{id}\"{rest}")))
}

fn gap(from: u64, to: Option<u64>, healed: &str) -> Vec<u8> {
    let word = if to.is_some() { "closed" } else { "opened" };
    let to = to.map_or("null".to_owned(), |ms| (ms * 1_000_000).to_string());
    let from = from * 1_000_000;
    let rest = format!(
        ",\"gap\":3,\"event\":\"{word}\",\"cause\":\"disconnect\",\"whose\":\"link\",\
         \"from\":{{\"id\":1,\"tsRecv\":{from}}},\"to\":{{\"id\":null,\"tsRecv\":{to}}},\
         \"lost\":2,\"healed\":{healed}"
    );
    record("gap", "trades", 0, (1, &rest))
}

fn row(report: &Report, day: u64) -> &Row {
    &report.rows[&(day, "X-Y".to_owned(), "trades".to_owned())]
}

#[test]
fn ids_are_told_hour_by_hour_across_days() {
    let start = DAY * 86_400_000;
    let mut count = Count::default();
    for (id, at) in [(5, 0), (6, 10), (7, 20), (7, 30), (9, 3_600_000), (10, 3_600_001)] {
        count.take(&trade(id, start + at, (1, "")));
    }
    // Late, fetched later, and the next day.
    count.take(&trade(8, start + 3_599_000, (1, "")));
    count.take(&trade(12, start + 86_400_000, (1, "")));
    count.take(&trade(11, start + 7_200_000, (0, ",\"filledFrom\":\"rest\"")));
    let report = count.end();
    let (one, two) = (row(&report, DAY), row(&report, DAY + 1));
    assert_eq!((one.records, one.fetched, one.twice, one.late), (8, 1, 1, 1));
    assert_eq!((one.missing(), two.missing()), (0, 0));
    let first = one.hours[&0];
    assert_eq!((first.first, first.last, first.ids, first.twice), (5, 8, 4, 1));
    assert!((2_400..=2_600).contains(&one.delay.quantiles[0]), "{:?}", one.delay);
    let mut count = Count::default();
    [5, 6, 9].iter().for_each(|id| count.take(&trade(*id, start + id, (1, ""))));
    assert_eq!(row(&count.end(), DAY).missing(), 2);
}

#[test]
fn gaps_take_their_time_from_what_is_covered_unless_they_were_filled() {
    let start = DAY * 86_400_000;
    let tally = |closed: Option<&str>| {
        let mut count = Count::default();
        count.take(&trade(5, start, (1, "")));
        count.take(&gap(start + 20_000, None, "null"));
        if let Some(healed) = closed {
            count.take(&gap(start + 20_000, Some(start + 40_000), healed));
        }
        count.take(&trade(6, start + 100_000, (1, "")));
        count.end()
    };
    let open = tally(Some("\"resumed\""));
    assert_eq!(text::covered(row(&open, DAY)), "80.000 %");
    assert_eq!((row(&open, DAY).lost, open.is_whole()), (2, false));
    let filled = tally(Some("\"rest\""));
    assert!(filled.is_whole() && text::covered(row(&filled, DAY)) == "100 %");
    assert!(!tally(None).is_whole(), "a gap that stays open");
    let page = html::page(&open, "a<b");
    assert!(page.contains("<title>not whole: a&lt;b</title>") && page.contains("s-gap"));
    assert_eq!(page, html::page(&open, "a<b"));
    let json = text::json(&open);
    assert_eq!(json["rows"][0]["gaps"][0]["cause"], "disconnect");
}

#[test]
fn the_copy_of_another_feed_is_not_twice() {
    let start = DAY * 86_400_000;
    let bar = |feed| {
        let rest = format!(",\"openTime\":{start},\"closeTime\":{},\"isClosed\":true", start + 9);
        record("kline", "candle1m", start, (feed, &rest))
    };
    let mut count = Count::default();
    for (feed, id) in [(1, 5), (2, 5), (1, 6), (2, 6), (2, 6), (1, 7)] {
        count.take(&trade(id, start + id, (feed, "")));
    }
    [1, 2, 1].iter().for_each(|feed| count.take(&bar(*feed)));
    // What is fetched into an archive must not be there.
    count.take(&trade(7, start + 7, (0, ",\"filledFrom\":\"file\"")));
    let report = count.end();
    let trades = row(&report, DAY);
    assert_eq!((trades.records, trades.twice, trades.hours[&0].ids), (7, 2, 3));
    assert_eq!(report.rows[&(DAY, "X-Y".to_owned(), "candle1m".to_owned())].twice, 1);
}

//! Dialogues about settlements of funding that nobody heard of.

use super::*;
use market_data_model::figures::Cell;

const HOUR: u64 = 3_600_000;
const T0: u64 = 1_791_360_000_000;

fn rates() -> Subscription {
    sub("funding-rate", "B-U-SWAP")
}

/// A row while the settlement so many hours after the beginning was the last one.
fn row(hour: u64, interval: u64) -> String {
    let (last, next) = (T0 + hour * HOUR, T0 + (hour + interval) * HOUR);
    format!(
        r#"{{"arg":{{"channel":"funding-rate","instId":"B-U-SWAP"}},"data":[{{"formulaType":"withRate","fundingRate":"0.0001","fundingTime":"{next}","instId":"B-U-SWAP","instType":"SWAP","method":"current_period","nextFundingTime":"{}","prevFundingTime":"{last}","settFundingRate":"0.0001","settState":"settled","ts":"{}"}}]}}"#,
        next + interval * HOUR,
        last + 60_000
    )
}

fn paid(hour: u64) -> String {
    format!(
        r#"{{"formulaType":"withRate","fundingRate":"0.0001","fundingTime":"{}","instId":"B-U-SWAP","instType":"SWAP","method":"current_period","realizedRate":"0.000{hour}"}}"#,
        T0 + hour * HOUR
    )
}

fn answer(hours: &[u64]) -> String {
    let rows: Vec<String> = hours.iter().map(|hour| paid(*hour)).collect();
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","))
}

fn path(from: u64, to: u64) -> String {
    let (after, before) = (T0 + to * HOUR + 1, T0 + from * HOUR - 1);
    let path = "/api/v5/public/funding-rate-history";
    format!("get {path}?instId=B-U-SWAP&after={after}&before={before}&limit=400")
}

struct Rig(Bench);

impl Rig {
    fn of(known: Vec<Known>) -> Rig {
        let mut config = OkxConfig::new(FeedId(1), "wss://test/public");
        config.subscriptions = vec![rates()];
        (config.funding, config.known) = (true, known);
        let mut rig = Rig(Bench::of(config));
        rig.input(Input::Start);
        rig.input(Input::Opened);
        rig.0.pass(1);
        rig.0.ack("subscribe", &rates());
        rig
    }

    fn input(&mut self, input: Input<'_>) -> Vec<String> {
        let lines = self.0.input(input);
        let paid = self.0.out.events.iter().filter_map(|event| match event.body {
            Body::Figures(x) if x.sheet.kind == "funding_rate_history" => {
                assert_eq!(event.channel(), "funding-rate-history");
                let at = x.sheet.columns.iter().position(|c| c.name == "fundingTime").unwrap();
                let Cell::Count(ms) = x.parts().0[at] else { panic!("no time") };
                Some(format!("{} from {}", (ms - T0) / HOUR, x.text("filledFrom").unwrap()))
            }
            _ => None,
        });
        let mut paid = paid.collect::<Vec<_>>().into_iter();
        let or_paid = |line: String| match line.starts_with("funding_rate_history") {
            true => paid.next().unwrap_or(line),
            false => line,
        };
        lines.into_iter().map(or_paid).collect()
    }

    fn rate(&mut self, hour: u64, interval: u64) -> Vec<String> {
        self.input(Input::Frame(row(hour, interval).as_bytes()))
    }

    fn get(&mut self, id: u64, status: u16, body: &str) -> Vec<String> {
        self.input(Input::Response { id, status, body: body.as_bytes() })
    }
}

const ROW: &str = "funding funding-rate/B-U-SWAP";
const CLOSED: &str = "closed funding-rate/B-U-SWAP disconnect lost";

#[test]
fn while_rows_come_nothing_is_fetched() {
    let mut rig = Rig::of(Vec::new());
    // The interval shrinks and grows, which rows say beforehand.
    for (hour, interval) in [(0, 8), (8, 8), (8, 4), (12, 4), (12, 8), (20, 8)] {
        assert_eq!(rig.rate(hour, interval), [ROW]);
    }
}

#[test]
fn what_was_settled_while_the_connection_was_lost_is_fetched_in_order() {
    let mut rig = Rig::of(Vec::new());
    rig.rate(0, 8);
    rig.0.reconnect(&[rates()]);
    assert_eq!(rig.0.feed.status().open_gaps, 1, "the ack proves nothing");
    assert_eq!(rig.rate(4, 4), [path(0, 4), ROW.into()]);
    // The interval became shorter, which nobody here could know.
    let lines = rig.get(1, 200, &answer(&[4, 2, 0]));
    assert_eq!(lines, ["2 from rest", "4 from rest", &format!("{CLOSED} Some(0) Some(Rest)")]);
    assert_eq!(rig.0.feed.status().open_gaps, 0);
    assert_eq!(rig.rate(8, 4), [ROW], "and no settlement comes twice");
}

#[test]
fn a_loss_between_settlements_costs_no_request() {
    let mut rig = Rig::of(Vec::new());
    rig.rate(0, 8);
    rig.0.reconnect(&[rates()]);
    assert_eq!(rig.rate(0, 8), [&format!("{CLOSED} None Some(Resumed)"), ROW]);
}

#[test]
fn a_history_that_is_behind_is_asked_again_and_then_taken_as_it_is() {
    let mut rig = Rig::of(Vec::new());
    rig.rate(0, 8);
    rig.0.reconnect(&[rates()]);
    rig.rate(16, 8);
    assert!(rig.get(1, 200, &answer(&[8, 0])).is_empty(), "the newest is not there yet");
    assert_eq!(rig.0.pass(2), [path(0, 16)]);
    assert!(rig.get(2, 429, "slow down").is_empty());
    assert_eq!(rig.0.pass(3), [path(0, 16)]);
    let mut lines = rig.get(3, 200, &answer(&[8, 0]));
    for id in 4.. {
        if !lines.is_empty() {
            break;
        }
        assert!(rig.0.pass(31).contains(&path(0, 16)));
        lines = rig.get(id, 200, &answer(&[8, 0]));
    }
    assert_eq!(lines, ["8 from rest", &format!("{CLOSED} None Some(Resumed)")]);
}

#[test]
fn a_long_time_comes_page_by_page() {
    let mut rig = Rig::of(Vec::new());
    rig.rate(0, 1);
    rig.0.reconnect(&[rates()]);
    rig.rate(500, 1);
    let page: Vec<u64> = (101..=500).rev().collect();
    assert!(rig.get(1, 200, &answer(&page)).is_empty());
    assert_eq!(
        rig.0.pass(1),
        [path(0, 101).replace("600001&", "600000&").replace("000001&", "000000&")]
    );
    let page: Vec<u64> = (0..=100).rev().collect();
    let lines = rig.get(2, 200, &answer(&page));
    let wanted: Vec<String> = (1..=500).map(|hour| format!("{hour} from rest")).collect();
    assert_eq!(lines[..500], wanted);
    assert_eq!(lines[500..], [format!("{CLOSED} Some(0) Some(Rest)")]);
}

#[test]
fn rows_that_fall_silent_across_a_settlement_are_a_gap() {
    let mut rig = Rig::of(Vec::new());
    rig.rate(0, 8);
    let lines = rig.rate(16, 8);
    assert_eq!(lines[..2], [path(0, 16), "gap funding-rate/B-U-SWAP silence venue".to_owned()]);
    let lines = rig.get(1, 200, &answer(&[16, 8, 0]));
    assert_eq!(lines[..2], ["8 from rest", "16 from rest"]);
}

#[test]
fn a_process_that_follows_fetches_from_the_last_one_that_was_told() {
    let mut before = Rig::of(Vec::new());
    before.rate(0, 8);
    before.rate(8, 8);
    assert_eq!(before.0.feed.known()[0].last, Some(T0 + 8 * HOUR));
    // What it was still fetching counts as not told.
    before.0.reconnect(&[rates()]);
    before.rate(24, 8);
    let known = before.0.feed.known();
    assert_eq!(known[0].last, Some(T0 + 8 * HOUR));
    let mut state = Vec::new();
    before.0.feed.checkpoint(&mut state);
    let restored = OkxFeed::restore(before.0.feed.config.clone(), &state).unwrap();
    assert_eq!(restored.known(), known);
    let mut after = Rig::of(known);
    assert_eq!(after.rate(32, 8)[0], path(8, 32));
    let lines = after.get(1, 200, &answer(&[32, 24, 16, 8]));
    let closed = "closed funding-rate/B-U-SWAP restart lost Some(0) Some(Rest)";
    assert_eq!(lines, ["16 from rest", "24 from rest", "32 from rest", closed]);
}

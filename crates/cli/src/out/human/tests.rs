//! What a person reads, pinned.

use super::*;
use market_data_model::batch::{BookHead, Other};
use market_data_model::{Batch, Decimal, FeedId, GapCause, Header, Names, Nanos, Whose};
use std::sync::Arc;

fn px(text: &str) -> Px {
    Px(text.parse().unwrap())
}

fn qty(text: &str) -> Qty {
    Qty(text.parse().unwrap())
}

fn level(price: &str, quantity: &str) -> Level {
    Level { px: px(price), qty: qty(quantity), non_rpi: Qty(Decimal::NONE), orders: 1 }
}

fn header() -> Header {
    Header {
        feed: FeedId(1),
        n: 1,
        channel: Some(0),
        inst: Some(0),
        ts_event: Some(Nanos::from_millis(1_795_437_636_123)),
        ts_recv: Nanos(7),
    }
}

fn text(fill: impl FnOnce(&mut Batch)) -> String {
    let mut batch = Batch::default();
    fill(&mut batch);
    let names = Names {
        venue: "okx",
        channels: vec!["books".into()],
        instruments: vec![Arc::new(Instrument::named("BTC-USDT"))],
    };
    batch.set_names(&Arc::new(names));
    let mut lines = Lines::new(Paint::plain());
    let mut out = Vec::new();
    batch.iter().for_each(|event| lines.write(&event, &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_book_shows_exact_numbers_and_its_spread() {
    let head = BookHead { kind: BookKind::View, prev_seq: None, seq: Some(9), depth: 2 };
    let bids = [level("43560.0", "0.50"), level("43559.9", "2")];
    let asks = [level("43560.10", "1")];
    let line = text(|batch| batch.push_book(header(), head, bids.into_iter(), asks.into_iter()));
    assert_eq!(
        line,
        "12:40:36.123  BTC-USDT   books     bid 2@43559.9  0.50@43560.0 | ask 1@43560.10  \
         spread 0.10  seq 9\n"
    );
}

#[test]
fn trades_under_each_other_align() {
    let trade = |quantity, price, aggressor| Trade {
        trade_id: 5,
        px: px(price),
        qty: qty(quantity),
        aggressor,
        count: Some(2),
        source: None,
        seq: None,
        filled: None,
    };
    let lines = text(|batch| {
        batch.push_trade(header(), trade("0.00012345", "43560.1", Aggressor::Buyer));
        batch.push_trade(header(), trade("1", "43560", Aggressor::Seller));
    });
    assert_eq!(
        lines,
        "12:40:36.123  BTC-USDT   books     buy   0.00012345 @ 43560.1   id 5  2 fills\n\
         12:40:36.123  BTC-USDT   books     sell           1 @ 43560     id 5  2 fills\n"
    );
}

#[test]
fn a_gap_says_whose_it_is_and_a_fault_cannot_talk_to_the_terminal() {
    let gap = Gap {
        id: 3,
        closed: true,
        cause: GapCause::Sequence,
        whose: Whose::Venue,
        from_id: None,
        to_id: None,
        from: Some(Nanos(0)),
        to: Some(Nanos(1_250_000_000)),
        lost: None,
        healed: Some(Healed::Snapshot),
    };
    let fault = Fault {
        code: market_data_model::FaultCode::BadJson,
        reason: "odd \x1b[31mred".into(),
        frame: "\x07{".into(),
    };
    let lines = text(|batch| {
        batch.push_other(header(), Other::Gap(gap));
        batch.push_other(header(), Other::Fault(fault));
    });
    assert_eq!(
        lines,
        "12:40:36.123  BTC-USDT   books     GAP CLOSED  #3  sequence (venue)  healed by a \
         snapshot  after 1.250 s  lost unknown\n\
         12:40:36.123  BTC-USDT   books     FAULT  bad_json  odd \u{fffd}[31mred  \u{fffd}{\n"
    );
}

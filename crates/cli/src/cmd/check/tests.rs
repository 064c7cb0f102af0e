//! The counting and the auditing of `check`, on hand-made records.

use super::audit::Audit;
use super::every::Every;
use super::tally::Tally;
use market_data_model::batch::{BookHead, Other};
use market_data_model::*;
use std::sync::Arc;

const SECOND: u64 = time::SECOND;

/// Builds a stream of one connection, numbering records as a feed does.
#[derive(Default)]
struct Stream {
    batch: Batch,
    n: u64,
    at: u64,
}

impl Stream {
    fn header(&mut self, channel: Option<u16>) -> Header {
        self.n += 1;
        self.at += SECOND;
        Header {
            feed: FeedId(1),
            n: self.n,
            channel,
            inst: channel.map(|_| 0),
            ts_event: None,
            ts_recv: Nanos(self.at),
        }
    }

    fn book(mut self, kind: BookKind, prev: Option<i64>, seq: i64) -> Stream {
        let header = self.header(Some(0));
        let head = BookHead { kind, prev_seq: prev, seq: Some(seq), depth: 400 };
        self.batch.push_book(header, head, std::iter::empty(), std::iter::empty());
        self
    }

    fn trade(mut self, id: u64, count: u32) -> Stream {
        let header = self.header(Some(1));
        let one: Decimal = "1".parse().unwrap();
        let trade = Trade {
            trade_id: id,
            px: Px(one),
            qty: Qty(one),
            aggressor: Aggressor::Buyer,
            count: Some(count),
            source: None,
            seq: None,
            filled: None,
        };
        self.batch.push_trade(header, trade);
        self
    }

    fn other(mut self, channel: Option<u16>, other: Other) -> Stream {
        let header = self.header(channel);
        self.batch.push_other(header, other);
        self
    }

    fn gap(self, channel: u16, closed: bool) -> Stream {
        let gap = Gap {
            id: 1,
            closed,
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: None,
            to_id: None,
            from: None,
            to: None,
            lost: None,
            healed: closed.then_some(Healed::Snapshot),
        };
        self.other(Some(channel), Other::Gap(gap))
    }

    fn fault(self, channel: Option<u16>, code: FaultCode) -> Stream {
        let fault = Fault { code, reason: "odd".into(), frame: "{}".into() };
        self.other(channel, Other::Fault(fault))
    }

    fn session(self, step: SessionStep) -> Stream {
        let session = Session {
            step,
            number: 1,
            url: "ws://x".into(),
            reason: String::new(),
            conn_id: String::new(),
        };
        self.other(None, Other::Session(session))
    }

    fn subscribed(self, channel: u16) -> Stream {
        let news = SubscriptionNews {
            step: SubscriptionStep::Subscribed,
            code: String::new(),
            reason: String::new(),
        };
        self.other(Some(channel), Other::Subscription(news))
    }

    fn done(mut self) -> Batch {
        let names = Names {
            venue: "okx",
            channels: vec!["books".into(), "trades".into()],
            instruments: vec![Arc::new(Instrument::named("BTC-USDT"))],
        };
        self.batch.set_names(&Arc::new(names));
        self.batch
    }

    fn audit(self) -> Audit {
        let mut audit = Audit::default();
        self.done().iter().for_each(|event| audit.take(&event));
        audit
    }
}

#[test]
fn a_linked_book_and_linked_trades_pass_the_audit() {
    let audit = Stream::default()
        .book(BookKind::Snapshot, None, 10)
        .book(BookKind::Delta, Some(10), 15)
        .book(BookKind::Delta, Some(15), 3)
        .trade(7, 1)
        .trade(10, 3)
        .audit();
    assert_eq!((audit.checked, audit.unexplained), (3, 0), "{:?}", audit.findings);
}

#[test]
fn a_jump_needs_a_gap() {
    let start = || Stream::default().book(BookKind::Snapshot, None, 10).trade(7, 1);
    let silent = start().book(BookKind::Delta, Some(12), 15).trade(9, 1).audit();
    assert_eq!(silent.unexplained, 2);
    assert!(silent.findings[0].contains("BTC-USDT"), "{:?}", silent.findings);
    let said = start()
        .gap(0, false)
        .gap(0, true)
        .book(BookKind::Snapshot, None, 15)
        .book(BookKind::Delta, Some(15), 16)
        .gap(1, false)
        .gap(1, true)
        .trade(9, 1)
        .audit();
    assert_eq!(said.unexplained, 0, "{:?}", said.findings);
    let early = start().gap(0, false).book(BookKind::Delta, Some(10), 11).audit();
    assert_eq!(early.unexplained, 1, "a change inside a gap is no verified change");
}

#[test]
fn a_hole_in_the_numbers_is_found_unless_it_is_admitted() {
    let mut audit = Audit::default();
    let batch = Stream::default().trade(1, 1).trade(2, 1).trade(3, 1).done();
    let events: Vec<_> = batch.iter().collect();
    audit.take(&events[0]);
    audit.take(&events[2]);
    assert_eq!(audit.unexplained, 2, "the number and the id both jump");
    let mut audit = Audit::default();
    audit.take(&events[0]);
    audit.lost(FeedId(1), 2);
    audit.take(&events[2]);
    assert_eq!(audit.unexplained, 0, "{:?}", audit.findings);
}

#[test]
fn the_tally_counts_by_channel() {
    let batch = Stream::default()
        .session(SessionStep::Up)
        .subscribed(0)
        .book(BookKind::Snapshot, None, 10)
        .fault(Some(0), FaultCode::BadRow)
        .fault(None, FaultCode::BadJson)
        .gap(0, false)
        .subscribed(0)
        .gap(0, true)
        .book(BookKind::Snapshot, None, 15)
        .session(SessionStep::Down)
        .session(SessionStep::Up)
        .subscribed(0)
        .done();
    let mut tally = Tally::default();
    tally.expect(&[Subscription::new("books", "BTC-USDT")], Nanos(SECOND));
    batch.iter().for_each(|event| tally.take(&event));
    tally.finish(Nanos(40 * SECOND));
    let books = &tally.channels["books"];
    assert_eq!((books.messages, books.records), (2, 2));
    assert_eq!((books.faults, books.row_faults, tally.link_faults), (1, 1, 1));
    assert_eq!((books.gaps_opened, books.gaps_closed, books.gaps_open()), (1, 1, 0));
    assert_eq!(books.resyncs, 1, "the subscription after a new connection is no resync");
    assert_eq!(tally.reconnects_of(books), 1);
    assert_eq!(books.silence_ns_max, 31 * SECOND, "from the last record at 9 s to the end");
}

#[test]
fn of_all_channels_each_must_bring_what_is_promised_and_none_may_fault() {
    let names = Names {
        venue: "okx",
        channels: vec!["status".into(), "mark-price".into()],
        instruments: vec![Arc::new(Instrument::named("BTC-USDT"))],
    };
    let mut batch = Stream::default().trade(1, 1).fault(Some(0), FaultCode::VenueError).done();
    batch.set_names(&Arc::new(names));
    let mut tally = Tally::default();
    let keys = [("mark-price", "BTC-USDT-SWAP"), ("status", ""), ("funding-rate", "BTC-USDT-SWAP")];
    tally.expect(&keys.map(|(channel, key)| Subscription::new(channel, key)), Nanos(0));
    let every = Every { began: Nanos(0), left_out: Vec::new() };
    let reasons = |tally: &Tally, seconds, faults| {
        every.reasons(tally, std::time::Duration::from_secs(seconds), faults)
    };
    assert_eq!(reasons(&tally, 9, true), Vec::<String>::new(), "nothing is due yet");
    let silent = "nothing came, although it must within";
    assert_eq!(
        reasons(&tally, 20, true),
        [format!("mark-price: {silent} 15.0 s"), format!("status: {silent} 10.0 s")]
    );
    batch.iter().for_each(|event| tally.take(&event));
    let still = format!("status: {silent} 10.0 s");
    assert_eq!(reasons(&tally, 20, true), [still.as_str(), "status: 1 fault"]);
    assert_eq!(reasons(&tally, 20, false), [still], "faults are injected");
    let shown = every.text(&tally, crate::out::paint::Paint::plain());
    assert_eq!(shown.lines().filter(|line| line.contains("mark-price ")).count(), 1, "{shown}");
}

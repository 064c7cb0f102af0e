//! What the files look like, written out by hand.

#![allow(clippy::unwrap_used)]

use flate2::read::GzDecoder;
use market_data_export::{Amount, DataType, Export, ExportError, Format, Kind, Loss};
use market_data_export::{Offer, Options, Report, Types};
use market_data_model::batch::{BookHead, Names, Other};
use market_data_model::*;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// 2026-11-23 12:00:00.
const NOON: u64 = 1_795_435_200_000_000_000;

struct Maker {
    batch: Batch,
    n: u64,
}

impl Maker {
    fn header(&mut self, channel: u16, at_us: u64) -> Header {
        self.n += 1;
        let ts_recv = Nanos(NOON + at_us * 1000 + 7);
        Header {
            feed: FeedId(1),
            n: self.n,
            channel: Some(channel),
            inst: Some(0),
            ts_event: Some(Nanos(ts_recv.0 / 1_000_000 * 1_000_000 - 2_000_000)),
            ts_recv,
        }
    }

    fn book(&mut self, at_us: u64, kind: BookKind, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        let header = self.header(0, at_us);
        let head = BookHead { kind, prev_seq: Some(1), seq: Some(2), depth: 2 };
        let of = |side: &[(&str, &str)]| -> Vec<Level> {
            let level = |(px, qty): &(&str, &str)| Level {
                px: Px(px.parse().unwrap()),
                qty: Qty(qty.parse().unwrap()),
                non_rpi: Qty(Decimal::NONE),
                orders: 3,
            };
            side.iter().map(level).collect()
        };
        self.batch.push_book(header, head, of(bids).into_iter(), of(asks).into_iter());
    }

    fn trade(&mut self, channel: u16, at_us: u64, aggressor: Aggressor) {
        let header = self.header(channel, at_us);
        let trade = Trade {
            trade_id: 77,
            px: Px("100.10".parse().unwrap()),
            qty: Qty("5.0".parse().unwrap()),
            aggressor,
            count: Some(1),
            source: None,
            seq: None,
            filled: None,
        };
        self.batch.push_trade(header, trade);
    }

    fn gap(&mut self, at_us: u64, closed: bool) {
        let header = self.header(0, at_us);
        let gap = Gap {
            id: 4,
            closed,
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: Some(2),
            to_id: closed.then_some(9),
            from: Some(Nanos(1)),
            to: closed.then_some(Nanos(2)),
            lost: None,
            healed: closed.then_some(Healed::Snapshot),
        };
        self.batch.push_other(header, Other::Gap(gap));
    }
}

fn inst() -> Instrument {
    let mut inst = Instrument::named("BTC-USDT-SWAP");
    inst.inst_type = Some(InstType::Swap);
    (inst.uly, inst.ct_val_ccy) = ("BTC-USDT".into(), "BTC".into());
    (inst.ct_val, inst.ct_mult) = ("0.01".parse().ok(), "1".parse().ok());
    inst.tick_sz = "0.10".parse().ok();
    inst
}

/// A snapshot, a change that pushes a level out, trades, a gap, a new start with fewer levels.
fn batch() -> Batch {
    let mut maker = Maker { batch: Batch::default(), n: 0 };
    maker.book(1_000, BookKind::Snapshot, &[("100.0", "1"), ("99.9", "2.50")], &[("100.2", "3")]);
    maker.trade(1, 2_000, Aggressor::Buyer);
    maker.trade(2, 2_000, Aggressor::Buyer);
    maker.book(3_000, BookKind::Delta, &[("100.1", "4")], &[("100.2", "0")]);
    maker.gap(4_000, false);
    maker.trade(1, 5_000, Aggressor::Unknown);
    maker.gap(6_000, true);
    maker.book(6_000, BookKind::Snapshot, &[("98.0", "1")], &[]);
    maker.book(7_000, BookKind::Snapshot, &[], &[("98.5", "1")]);
    let mut batch = maker.batch;
    batch.set_names(&Arc::new(Names {
        venue: "okx",
        channels: vec!["books".into(), "trades".into(), "trades-all".into()],
        instruments: vec![Arc::new(inst())],
    }));
    batch
}

fn export(options: Options, dir: &Path) -> Report {
    let mut export = Export::create(dir, options, Box::new(|_, _| true)).unwrap();
    for (channel, rank) in [("trades-all", 1), ("trades", 2)] {
        export.offer(&Offer { channel, inst_id: "BTC-USDT-SWAP", kind: Kind::Trades, rank });
    }
    for event in batch().iter() {
        export.event(&event).unwrap();
    }
    export.finish().unwrap()
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|end| end == "gz") {
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        text = fs::read_to_string(path).unwrap();
    }
    text
}

fn tardis(dir: &Path, kind: &str) -> String {
    text(&dir.join(format!("okex-swap_{kind}_2026-11-23_BTC-USDT-SWAP.csv.gz")))
}

#[test]
fn tardis_files() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let report = export(Options::new(Format::TardisCsv), dir);
    assert_eq!(report.spare, [("trades-all".into(), "BTC-USDT-SWAP".into(), 1)]);
    let begin = "okex-swap,BTC-USDT-SWAP,17954351999";
    let rows = |rows: &[&str]| -> String {
        let line = |row: &&str| match row.strip_prefix('>') {
            Some(rest) => format!("{begin}{rest}\n"),
            None => format!("{row}\n"),
        };
        rows.iter().map(line).collect()
    };
    let book = rows(&[
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
        ">99000,1795435200001000,true,bid,100.0,1",
        ">99000,1795435200001000,true,bid,99.9,2.50",
        ">99000,1795435200001000,true,ask,100.2,3",
        "okex-swap,BTC-USDT-SWAP,1795435200001000,1795435200003000,false,bid,100.1,4",
        "okex-swap,BTC-USDT-SWAP,1795435200001000,1795435200003000,false,ask,100.2,0",
        "okex-swap,BTC-USDT-SWAP,1795435200001000,1795435200003000,false,bid,99.9,0",
        "okex-swap,BTC-USDT-SWAP,1795435200004000,1795435200006000,true,bid,98.0,1",
        "okex-swap,BTC-USDT-SWAP,1795435200005000,1795435200007000,true,bid,98.0,0",
        "okex-swap,BTC-USDT-SWAP,1795435200005000,1795435200007000,true,ask,98.5,1",
    ]);
    assert_eq!(tardis(dir, "incremental_book_L2"), book);
    let trades = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
        okex-swap,BTC-USDT-SWAP,1795435200000000,1795435200002000,77,buy,100.10,5.0\n\
        okex-swap,BTC-USDT-SWAP,1795435200003000,1795435200005000,77,unknown,100.10,5.0\n";
    assert_eq!(tardis(dir, "trades"), trades);
    let quotes = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,\
        bid_amount\n\
        okex-swap,BTC-USDT-SWAP,1795435199999000,1795435200001000,3,100.2,100.0,1\n\
        okex-swap,BTC-USDT-SWAP,1795435200001000,1795435200003000,,,100.1,4\n\
        okex-swap,BTC-USDT-SWAP,1795435200004000,1795435200006000,,,98.0,1\n\
        okex-swap,BTC-USDT-SWAP,1795435200005000,1795435200007000,1,98.5,,\n";
    assert_eq!(tardis(dir, "quotes"), quotes);
    let five = tardis(dir, "book_snapshot_5");
    let header = five.lines().next().unwrap();
    assert!(header.starts_with(
        "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,\
         bids[0].amount,asks[1].price,"
    ));
    assert!(header.ends_with("bids[4].price,bids[4].amount"));
    let first = "okex-swap,BTC-USDT-SWAP,1795435199999000,1795435200001000,100.2,3,100.0,1,,,\
        99.9,2.50,,,,,,,,,,,,";
    assert_eq!(five.lines().nth(1).unwrap(), first);
    let gaps = format!(
        "ts_recv,exchange,channel,inst_id,feed,gap,event,cause,whose,from_id,from_ts_recv,to_id,\
         to_ts_recv,lost,healed,detail\n\
         {},okx,books,BTC-USDT-SWAP,1,4,opened,sequence,venue,2,1,,,,,\n\
         {},okx,books,BTC-USDT-SWAP,1,4,closed,sequence,venue,2,1,9,2,,snapshot,\n",
        NOON + 4_000_007,
        NOON + 6_000_007
    );
    assert_eq!(text(&dir.join("gaps.csv")), gaps);
    assert_eq!(
        text(&dir.join("instruments.csv")).lines().nth(1).unwrap(),
        "BTC-USDT-SWAP,SWAP,contracts,0.10,,,0.01,1,BTC,,,"
    );
}

#[test]
fn amounts_in_base_coin_and_chosen_kinds() {
    let home = tempfile::tempdir().unwrap();
    let types = Types::of(&[DataType::Trades]);
    let options = Options { amount: Amount::Base, types, ..Options::new(Format::TardisCsv) };
    let report = export(options, home.path());
    assert_eq!(report.files.len(), 4);
    let trades = tardis(home.path(), "trades");
    assert_eq!(trades.lines().nth(1).unwrap().split(',').next_back(), Some("0.05"));
    assert!(text(&home.path().join("instruments.csv")).contains(",SWAP,base,"));
}

#[test]
fn tables_repeat_the_record_for_each_level() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { gzip: false, ..Options::new(Format::Csv) };
    export(options, home.path());
    let deltas = text(&home.path().join("orderbook_delta/2026-11-23/BTC-USDT-SWAP.csv"));
    let want = "v,type,exchange,channel,instId,instType,symbol,timestamp,tsRecv,feed,n,isSnapshot,\
        prevUpdateId,lastUpdateId,depth,unit,side,price,quantity,orders,nonRetail\n\
        1,orderbook_delta,okx,books,BTC-USDT-SWAP,SWAP,BTCUSDTSWAP,1795435199999,\
        1795435200001000007,1,1,true,1,2,2,contracts,bid,100.0,1,3,\n";
    assert!(deltas.starts_with(want), "{deltas}");
    assert_eq!(deltas.lines().count(), 1 + 3 + 2 + 1 + 1);
    let trades = text(&home.path().join("trade/2026-11-23/BTC-USDT-SWAP.csv"));
    // Both channels: nothing is left out of our own records.
    assert_eq!(trades.lines().count(), 4);
    assert!(trades.contains(",77,100.10,5.0,contracts,unknown,,true,1,,,\n"), "{trades}");
}

#[test]
fn lines_are_the_records() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { gzip: false, ..Options::new(Format::Ndjson) };
    export(options, home.path());
    let mut want = Vec::new();
    for event in batch().iter() {
        wire::write_json(&event, &mut want);
        want.push(b'\n');
    }
    assert_eq!(fs::read(home.path().join("2026-11-23.ndjson")).unwrap(), want);
}

#[test]
fn losses_and_gaps_of_before_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let from = Some(Nanos(NOON + 5_000_000));
    let options = Options { from, ..Options::new(Format::TardisCsv) };
    let mut export = Export::create(home.path(), options, Box::new(|_, _| true)).unwrap();
    for event in batch().iter() {
        export.event(&event).unwrap();
    }
    let at = Nanos(NOON + 9_000_000);
    let loss = Loss {
        event: "lost",
        venue: "okx",
        feed: Some(FeedId(1)),
        at,
        from: Some(Nanos(NOON + 8_000_000)),
        to: Some(at),
        lost: Some(12),
        detail: "disk full, \"really\"",
    };
    export.lost(&loss).unwrap();
    let long_before = Loss { from: Some(Nanos(1)), to: Some(Nanos(2)), ..loss };
    export.lost(&long_before).unwrap();
    export.finish().unwrap();
    let gaps = text(&home.path().join("gaps.csv"));
    let rows: Vec<&str> = gaps.lines().skip(1).collect();
    assert_eq!(rows.len(), 3, "{gaps}");
    assert!(rows[0].contains(",opened,sequence,") && rows[1].contains(",closed,sequence,"));
    let end = ",lost,recording,ours,,1795435200008000000,,1795435200009000000,12,,\
               \"disk full, \"\"really\"\"\"";
    assert!(rows[2].ends_with(end), "{}", rows[2]);
    assert_eq!(tardis(home.path(), "trades").lines().count(), 2);
}

#[test]
fn an_interrupt_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("out");
    for format in [Format::TardisCsv, Format::HftBacktest, Format::Csv, Format::Ndjson] {
        let mut export = Export::create(&dir, Options::new(format), Box::new(|_, _| true)).unwrap();
        export.set_stop(Arc::new(AtomicBool::new(true)));
        for event in batch().iter() {
            export.event(&event).unwrap();
        }
        assert!(matches!(export.finish(), Err(ExportError::Interrupted { .. })));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
}

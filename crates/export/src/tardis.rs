//! The CSV files of tardis.dev, as its clients name them:
//! `okex_trades_2026-11-23_BTC-USDT.csv.gz`.
//!
//! Columns, order and units are those of its documentation (docs.tardis.dev, downloadable CSV
//! files, data types, read 2026-11-23): times in microseconds, amounts absolute, a level with
//! amount 0 is gone, rows that begin a book have `is_snapshot` true. What differs is in
//! `docs/exports.md`.
//!
//! Invariants: a day's file begins with the book as it stands; prices and amounts are the venue's
//! text.

use crate::days::Days;
use crate::desk::{Desk, When};
use crate::error::ExportError;
use crate::folder::{FileId, Folder};
use crate::mirror::Change;
use crate::name::{self, Day};
use crate::options::{DataType, Types};
use crate::row::Row;
use market_data_model::figures::Figures;
use market_data_model::{Aggressor, Decimal, InstType, Level, Nanos, Px, Qty, Side, Trade};

/// The files of one instrument's day.
#[derive(Default)]
struct Files {
    files: [Option<FileId>; DataType::ALL.len()],
    /// What the last row of each said after its times, where rows say a state.
    said: [Vec<u8>; DataType::ALL.len()],
    /// Whether the last rows of the book were those of a new start.
    fresh: bool,
}

/// All files, by number of the instrument.
pub struct Csvs {
    types: Types,
    desks: Vec<Days<Files>>,
    text: Vec<u8>,
}

impl Csvs {
    /// No files yet.
    pub fn new(types: Types) -> Csvs {
        Csvs { types, desks: Vec::new(), text: Vec::new() }
    }

    /// A trade.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn trade(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        trade: &Trade,
    ) -> Result<(), ExportError> {
        let side: &[u8] = match trade.aggressor {
            Aggressor::Buyer => b"buy",
            Aggressor::Seller => b"sell",
            Aggressor::Unknown => b"unknown",
        };
        let amount = desk.amount(trade.qty);
        self.rows(folder, desk, when, DataType::Trades, |out| {
            let mut row = begun(out, desk, when);
            row.number(Some(trade.trade_id)).plain(side);
            row.decimal(Some(trade.px.0)).decimal(amount).end();
            1
        })
    }

    /// Levels of the book.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn levels(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        (fresh, changes): (bool, impl Iterator<Item = Change>),
    ) -> Result<(), ExportError> {
        // Only the first row after changes tells a reader to throw the old book away, so where
        // one start follows another, or has no levels, the old levels are removed one by one.
        let mut changes = changes.peekable();
        let files = self.files(desk, Day::of(when.recv));
        let unheard = fresh && (files.fresh || changes.peek().is_none());
        if changes.peek().is_some() {
            files.fresh = fresh;
        }
        let gone: &[Change] = if unheard { desk.mirror.gone() } else { &[] };
        let fresh: &[u8] = if fresh { b"true" } else { b"false" };
        self.rows(folder, desk, when, DataType::IncrementalBook, |out| {
            let mut rows = 0;
            for change in gone.iter().copied().chain(changes) {
                let side: &[u8] = if change.side == Side::Bid { b"bid" } else { b"ask" };
                let mut row = begun(out, desk, when);
                row.plain(fresh).plain(side).decimal(Some(change.px.0));
                row.decimal(desk.amount(change.qty)).end();
                rows += 1;
            }
            rows
        })?;
        self.state(folder, desk, when)
    }

    /// What the book shows now, in each kind of file in which that is something else than before.
    fn state(&mut self, folder: &mut Folder, desk: &Desk, when: When) -> Result<(), ExportError> {
        for (of, depth) in [
            (DataType::Quotes, None),
            (DataType::BookSnapshot5, Some(5)),
            (DataType::BookSnapshot25, Some(25)),
        ] {
            if !self.types.has(of) {
                continue;
            }
            self.news(folder, desk, when, of, |text| match depth {
                None => {
                    let book = desk.mirror.book();
                    best(text, desk, book.best(Side::Bid), book.best(Side::Ask));
                }
                Some(depth) => ladder(text, desk, depth),
            })?;
        }
        Ok(())
    }

    /// A row that says how things stand, unless the last one of its file says the same.
    fn news(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        of: DataType,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), ExportError> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write(&mut text);
        let said = &mut self.files(desk, Day::of(when.recv)).said[of as usize];
        let news = *said != text;
        if news {
            said.clone_from(&text);
            self.rows(folder, desk, when, of, |out| stated(out, desk, when, &text))?;
        }
        self.text = text;
        Ok(())
    }

    /// Best prices from a channel that sends nothing else.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn book_ticker(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        (bid, ask): (Option<Level>, Option<Level>),
    ) -> Result<(), ExportError> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        best(&mut text, desk, bid, ask);
        let of = DataType::BookTicker;
        self.rows(folder, desk, when, of, |out| stated(out, desk, when, &text))?;
        self.text = text;
        Ok(())
    }

    /// What is known of a derivative besides its book, if it is something else than before.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn derivative(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
    ) -> Result<(), ExportError> {
        let of = DataType::DerivativeTicker;
        if !desk.is_derivative() || !self.types.has(of) {
            return Ok(());
        }
        self.news(folder, desk, when, of, |text| desk.derivative.write(text))
    }

    /// A position that the venue closed; it has no id. `side` is that of the order that closes it.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn liquidation(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        figures: &Figures<'_>,
    ) -> Result<(), ExportError> {
        let amount = figures.decimal("sz").and_then(|sz| desk.amount(Qty(sz)));
        self.rows(folder, desk, when, DataType::Liquidations, |out| {
            let mut row = begun(out, desk, when);
            row.plain(b"").text(figures.text("side").unwrap_or("unknown"));
            row.decimal(figures.decimal("bkPx")).decimal(amount).end();
            1
        })
    }

    fn files(&mut self, desk: &Desk, day: Day) -> &mut Files {
        if self.desks.len() <= desk.number {
            self.desks.resize_with(desk.number + 1, Days::default);
        }
        self.desks[desk.number].get_or(day, Files::default)
    }

    fn rows(
        &mut self,
        folder: &mut Folder,
        desk: &Desk,
        when: When,
        of: DataType,
        write: impl FnOnce(&mut Vec<u8>) -> u64,
    ) -> Result<(), ExportError> {
        if !self.types.has(of) {
            return Ok(());
        }
        let day = Day::of(when.recv);
        let id = &mut self.files(desk, day).files[of as usize];
        let id = *id.get_or_insert_with(|| {
            let (venue, of) = (venue(desk), of.as_str());
            let name = name::part(&desk.inst_id);
            let name = format!("{venue}_{of}_{}_{name}.csv.gz", day.dashed());
            folder.open(name, true, header(of).as_bytes())
        });
        folder.append(id, when.recv, write)
    }

    /// Ends the files of days before `day`.
    ///
    /// # Errors
    /// When the file system says no, or somebody asked to stop.
    pub fn close(&mut self, folder: &mut Folder, day: Day) -> Result<(), ExportError> {
        for days in &mut self.desks {
            while let Some(files) = days.take_before(day) {
                folder.go_on()?;
                for id in files.files.into_iter().flatten() {
                    folder.close(id)?;
                }
            }
        }
        Ok(())
    }
}

/// The id under which tardis.dev files an instrument of OKX.
fn venue(desk: &Desk) -> &'static str {
    match desk.instrument.inst_type {
        Some(InstType::Spot | InstType::Margin) => "okex",
        Some(InstType::Swap) => "okex-swap",
        Some(InstType::Futures) => "okex-futures",
        Some(InstType::Option) => "okex-options",
        Some(InstType::Events | InstType::Other(_)) => "okex-other",
        None => "okex-unknown",
    }
}

fn header(of: &str) -> String {
    let rest = match of {
        "trades" | "liquidations" => "id,side,price,amount".to_owned(),
        "incremental_book_L2" => "is_snapshot,side,price,amount".to_owned(),
        "book_snapshot_5" => levels_header(5),
        "book_snapshot_25" => levels_header(25),
        "derivative_ticker" => "funding_timestamp,funding_rate,predicted_funding_rate,\
                                open_interest,last_price,index_price,mark_price"
            .to_owned(),
        _ => "ask_amount,ask_price,bid_price,bid_amount".to_owned(),
    };
    format!("exchange,symbol,timestamp,local_timestamp,{rest}\n")
}

fn levels_header(depth: usize) -> String {
    let level = |i| format!("asks[{i}].price,asks[{i}].amount,bids[{i}].price,bids[{i}].amount");
    (0..depth).map(level).collect::<Vec<_>>().join(",")
}

/// A row with the columns that all kinds of files share.
fn begun<'a>(out: &'a mut Vec<u8>, desk: &Desk, when: When) -> Row<'a> {
    let micros = |at: Nanos| Some(at.0 / 1000);
    let mut row = Row::new(out);
    row.plain(venue(desk).as_bytes()).text(&desk.inst_id);
    row.number(micros(when.event)).number(micros(when.recv));
    row
}

fn stated(out: &mut Vec<u8>, desk: &Desk, when: When, rest: &[u8]) -> u64 {
    begun(out, desk, when).plain(rest.trim_ascii_end()).end();
    1
}

fn best(text: &mut Vec<u8>, desk: &Desk, bid: Option<Level>, ask: Option<Level>) {
    let amount = |level: Option<Level>| level.and_then(|l| desk.amount(l.qty));
    let price = |level: Option<Level>| level.map(|l| l.px.0);
    let mut row = Row::new(text);
    row.decimal(amount(ask)).decimal(price(ask));
    row.decimal(price(bid)).decimal(amount(bid)).end();
}

fn ladder(text: &mut Vec<u8>, desk: &Desk, depth: usize) {
    let book = desk.mirror.book();
    let (mut bids, mut asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
    let mut row = Row::new(text);
    let amount = |qty: Qty| desk.amount(qty);
    let price = |px: Px| -> Option<Decimal> { px.0.some() };
    for _ in 0..depth {
        for level in [asks.next(), bids.next()] {
            row.decimal(level.and_then(|l| price(l.px)));
            row.decimal(level.and_then(|l| amount(l.qty)));
        }
    }
    row.end();
}

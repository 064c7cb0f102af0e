//! Frames to events: finds the subscription, reads the rows, and lets `follow` judge books. Part
//! of [`OkxFeed`].
//!
//! A frame goes one of two ways, [`OkxFeed::fast`] (`fast.rs`) or [`OkxFeed::general`]; they differ
//! in how rows are read, and both end in the same functions for a row of each kind.

use super::OkxFeed;
use super::instruments::trades_continuously;
use super::sub::Stage;
use crate::channel::books::BookRow;
use crate::channel::trades::Link as TradeLink;
use crate::channel::{BookForm, Form, Unknowns, bars, books, tickers, trades};
use crate::follow::Verdict;
use crate::frame::{self, DataFrame, Frame, FrameError};
use crate::json::Raw;
use crate::limits;
use crate::link::{LinkState, Timer};
use crate::sbe;
use market_data_model::batch::BookHead;
use market_data_model::*;

impl OkxFeed {
    pub(super) fn frame(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) {
        self.emit.stats.frames += 1;
        self.emit.stats.bytes += bytes.len() as u64;
        if self.link.state != LinkState::Up {
            self.emit.stats.late_frames += 1;
            return;
        }
        self.link.heard = now;
        let faults = self.faults_that_weigh();
        if self.config.sbe && sbe::is_binary(bytes) {
            self.binary(now, bytes, out);
        } else if self.config.general_only
            || self.config.sbe
            || self.fast(now, bytes, out).is_none()
        {
            self.general(now, bytes, out);
        }
        self.weigh_faults(now, faults, out);
    }

    /// Faults until now that are a sign of a sick connection: that a bar is another than its trades
    /// is none. Only differences mean something, and they may come around.
    pub(super) fn faults_that_weigh(&self) -> u64 {
        self.emit.stats.faults.wrapping_sub(self.bars.made.differing())
    }

    /// Too many faults since there were `before` end the connection at hand.
    pub(super) fn weigh_faults(&mut self, now: Nanos, before: u64, out: &mut Outbox) {
        for _ in 0..self.faults_that_weigh().wrapping_sub(before).cast_signed() {
            if self.link.fault(now) {
                let reason = "too many faults in a short time";
                return self.replace(now, reason, (Whose::Venue, false), out);
            }
        }
    }

    /// Takes any frame.
    fn general(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) {
        match frame::parse(bytes) {
            Ok(Frame::Pong) => self.emit.stats.pongs += 1,
            Ok(Frame::Ping) if self.config.passive || self.config.sbe => {}
            Ok(Frame::Ping) => out.actions.push(Action::Send("pong".into())),
            Ok(Frame::Event(event)) => self.event(now, &event, bytes, out),
            Ok(Frame::Data(data)) => self.data(now, data, bytes, out),
            Err(error) => {
                let code = match error {
                    FrameError::Json(_) => FaultCode::BadJson,
                    FrameError::Shape(_) => FaultCode::BadEnvelope,
                };
                let fault = (error.to_string(), bytes);
                self.emit.fault(now, Default::default(), code, fault, out);
            }
        }
    }

    /// The subscription that an argument belongs to. The venue repeats an argument's text byte for
    /// byte, so after the first time one hash finds it.
    pub(super) fn index_of_argument(&mut self, argument: Raw<'_>) -> Option<u32> {
        if self.config.sbe {
            let (channel, code) = sbe::request::argument(argument)?;
            return self.index_of_code(&channel, code);
        }
        if let Some(index) = self.by_argument.get(argument.as_str().as_bytes()) {
            return Some(*index);
        }
        let (channel, key) = frame::argument(argument)?;
        let subscription = Subscription::new(&channel, &key);
        let index = match self.by_key.get(&subscription) {
            Some(index) => *index,
            None => {
                let unknown = crate::channel::find(&channel).is_none();
                let room = self.subs.len() < limits::ARGUMENTS_MAX;
                if !(room && (self.config.passive || unknown)) {
                    return None;
                }
                let index = self.add(subscription);
                self.subs[index as usize].wanted = self.config.passive;
                index
            }
        };
        if self.by_argument.len() < limits::ARGUMENTS_MAX {
            self.by_argument.insert(argument.as_str().as_bytes().into(), index);
        }
        Some(index)
    }

    fn data(&mut self, now: Nanos, frame: DataFrame<'_>, bytes: &[u8], out: &mut Outbox) {
        let Some(index) = self.index_of_argument(frame.arg) else {
            if frame::argument(frame.arg).is_none() {
                let fault = ("arg has no channel".to_string(), bytes);
                let place = Default::default();
                self.emit.fault(now, place, FaultCode::BadEnvelope, fault, out);
            } else {
                self.emit.stats.late_frames += 1;
            }
            return;
        };
        let sub = &self.subs[index as usize];
        let Some(spec) = sub.spec else {
            self.emit.stats.unknown_channels += 1;
            for row in frame.data.items() {
                self.emit.raw(now, sub.place, row.as_str(), out);
            }
            return;
        };
        if !self.admits(now, index, out) {
            return;
        }
        match spec.form {
            Form::Ticker => self.tickers(now, index, frame.data, out),
            Form::Trade => self.trades(now, index, frame.data, out),
            Form::Bar(kind, size) => self.bars(now, index, (frame.data, kind, size), out),
            Form::Book(form) => self.books(now, index, (frame, form), out),
            Form::Figures(form) => self.figures(now, index, (frame.data, form), out),
            Form::Instruments => self.instruments(now, index, frame.data, out),
        }
        self.subs[index as usize].heard = Some(now);
    }

    /// Whether rows of this subscription are still taken; if not, the frame is counted as late.
    #[inline(always)]
    pub(super) fn admits(&mut self, now: Nanos, index: u32, out: &mut Outbox) -> bool {
        let sub = &self.subs[index as usize];
        let is_live = sub.stage == Stage::Live && sub.wanted;
        is_live || self.lines.hot || self.admits_before_ack(now, index, out)
    }

    /// The same of a subscription that is not live.
    #[inline(never)]
    fn admits_before_ack(&mut self, now: Nanos, index: u32, out: &mut Outbox) -> bool {
        let sub = &self.subs[index as usize];
        match sub.stage {
            Stage::Idle | Stage::Asked | Stage::Refused if sub.wanted => {
                self.data_before_ack(now, index, out);
                true
            }
            _ => {
                self.emit.stats.late_frames += 1;
                false
            }
        }
    }

    /// Rows before their ack are taken, but only the ack confirms a subscription: the rows may
    /// trail from an earlier one that has ended, while the request for this one is lost. What a
    /// gap cost, trades tell themselves, and a book's gap ends with its snapshot.
    fn data_before_ack(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        sub.started = true;
        let awaited = self.config.bars && matches!(sub.spec.map(|s| s.form), Some(Form::Bar(..)));
        let awaited = awaited || self.awaits_funding(index);
        let sub = &mut self.subs[index as usize];
        if sub.follow.is_none() && sub.series.is_none() && !awaited {
            sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
        }
    }

    pub(super) fn bad_row(
        &mut self,
        now: Nanos,
        index: u32,
        (why, row): (String, Raw<'_>),
        out: &mut Outbox,
    ) {
        let fault = (why, text_of(row));
        let place = self.subs[index as usize].place;
        self.emit.fault(now, place, FaultCode::BadRow, fault, out);
    }

    /// A row that names another instrument than its frame is not of this subscription.
    pub(super) fn foreign(&self, index: u32, inst_id: Option<&str>) -> Option<String> {
        let key = &self.subs[index as usize].subscription.key;
        let inst_id = inst_id.filter(|id| *id != &**key)?;
        Some(format!("instId is {inst_id:?} in a frame of {key:?}"))
    }

    /// Counts what a row held that is not known, or says why it cannot be read.
    fn readable<T>(
        &mut self,
        now: Nanos,
        index: u32,
        (read, unknowns, row): (Result<T, String>, Unknowns, Raw<'_>),
        out: &mut Outbox,
    ) -> Option<T> {
        match read {
            Ok(read) => {
                self.emit.unknowns(unknowns);
                Some(read)
            }
            Err(why) => {
                self.bad_row(now, index, (why, row), out);
                None
            }
        }
    }

    pub(super) fn bad_time(&mut self, now: Nanos, index: u32, row: &[u8], out: &mut Outbox) {
        let fault = ("ts is missing or not a time".to_string(), row);
        let place = self.subs[index as usize].place;
        self.emit.fault(now, place, FaultCode::BadTime, fault, out);
    }

    fn tickers(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        for row in data.items() {
            if self.is_copy(now, index, text_of(row)) {
                continue;
            }
            let mut unknowns = Unknowns::default();
            let read = tickers::decode(row, &mut unknowns).and_then(|read| {
                self.foreign(index, read.inst_id.as_deref()).map_or(Ok(read), Err)
            });
            let Some(read) = self.readable(now, index, (read, unknowns, row), out) else {
                continue;
            };
            let read = (read.ts, read.inst_type.as_ref(), &read.ticker);
            self.ticker(now, index, read, text_of(row), out);
        }
    }

    pub(super) fn ticker(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, inst_type, ticker): (Option<Nanos>, Option<&InstType>, &Ticker),
        row: &[u8],
        out: &mut Outbox,
    ) {
        if self.is_overtaken(index, ts) {
            return;
        }
        let place = self.subs[index as usize].place;
        if let (Some(inst), Some(inst_type)) = (place.inst, inst_type) {
            self.emit.learn_type(inst, inst_type);
        }
        self.emit.stats.tickers += 1;
        let header = self.emit.header(now, place, ts);
        out.events.push_ticker(header, *ticker);
        if ts.is_none() {
            self.bad_time(now, index, row, out);
        }
    }

    fn trades(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        for row in data.items() {
            let mut unknowns = Unknowns::default();
            let read = trades::decode(row, &mut unknowns).and_then(|read| {
                self.foreign(index, read.inst_id.as_deref()).map_or(Ok(read), Err)
            });
            let Some(read) = self.readable(now, index, (read, unknowns, row), out) else {
                continue;
            };
            self.trade(now, index, (read.ts, &read.trade), text_of(row), out);
        }
    }

    #[inline(always)]
    pub(super) fn trade(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, trade): (Option<Nanos>, &Trade),
        row: &[u8],
        out: &mut Outbox,
    ) {
        if self.lines.arbitrates() {
            return self.arbitrate_trade(now, index, (ts, trade), row, out);
        }
        self.take_trade(now, index, (ts, trade), row, out);
    }

    pub(super) fn take_trade(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, trade): (Option<Nanos>, &Trade),
        row: &[u8],
        out: &mut Outbox,
    ) {
        if self.is_repeated(now, index, trade, out) {
            self.emit.stats.trades_repeated += 1;
            return;
        }
        self.emit.stats.trades += 1;
        let header = self.emit.header(now, self.subs[index as usize].place, ts);
        out.events.push_trade(header, *trade);
        self.trade_made(now, index, (ts, trade), out);
        self.close_full(now, out);
        if ts.is_none() {
            self.bad_time(now, index, row, out);
        }
    }

    /// How many fills a row stands for; `None` when the venue did not say.
    pub(super) fn fills_of(&self, index: u32, trade: &Trade) -> Option<u64> {
        if self.subs[index as usize].all_fills {
            Some(1)
        } else {
            trade.count.map(|c| u64::from(c.max(1)))
        }
    }

    /// Follows the ids: says what is missing before this row, and whether it came before.
    fn is_repeated(&mut self, now: Nanos, index: u32, trade: &Trade, out: &mut Outbox) -> bool {
        let fills = self.fills_of(index, trade);
        let sub = &mut self.subs[index as usize];
        let Some(series) = &mut sub.series else { return false };
        let first = trade.trade_id.saturating_sub(fills.unwrap_or(1) - 1);
        let before = series.last();
        let link = series.take(trade.trade_id, fills);
        if link == TradeLink::Follows {
            match before.is_some_and(|before| before < trade.trade_id) {
                true if fills.is_none() => self.bars.made.broken(index),
                true => {}
                false => self.bars.made.renumbered(index),
            }
        }
        match link {
            TradeLink::Repeat => return true,
            TradeLink::Lost(lost) => self.hole(now, index, (first, lost), out),
            TradeLink::Follows if fills.is_some() => {
                let sub = &self.subs[index as usize];
                if sub.gap.is_some() || sub.unproven.is_some() {
                    self.hole(now, index, (first, 0), out);
                }
            }
            TradeLink::Late if self.is_refilled(index, (first, trade.trade_id)) => {
                return true;
            }
            TradeLink::Follows | TradeLink::Late => {
                let sub = &mut self.subs[index as usize];
                sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
            }
        }
        false
    }

    fn bars(
        &mut self,
        now: Nanos,
        index: u32,
        (data, kind, size): (Raw<'_>, BarKind, &'static bars::BarSpec),
        out: &mut Outbox,
    ) {
        for row in data.items() {
            if self.is_copy(now, index, text_of(row)) {
                continue;
            }
            match bars::decode(row, kind, size) {
                Ok(bar) => self.bar(now, index, bar, out),
                Err(why) => self.bad_row(now, index, (why, row), out),
            }
        }
    }

    pub(super) fn bar(&mut self, now: Nanos, index: u32, bar: Bar, out: &mut Outbox) {
        let bar = if self.follows_bars(index) { self.follow(now, index, bar, out) } else { bar };
        self.emit.stats.bars += 1;
        let header = self.emit.header(now, self.subs[index as usize].place, None);
        out.events.push_bar(header, bar);
        self.close_full_bars(now, out);
    }

    fn books(
        &mut self,
        now: Nanos,
        index: u32,
        (frame, form): (DataFrame<'_>, BookForm),
        out: &mut Outbox,
    ) {
        for raw in frame.data.items() {
            let mut unknowns = Unknowns::default();
            let mut row = std::mem::take(&mut self.row);
            books::decode(raw, form, &mut row, &mut unknowns);
            self.emit.unknowns(unknowns);
            self.book_row(now, index, (frame.action, &row), text_of(raw), out);
            self.row = row;
        }
    }

    pub(super) fn book_row(
        &mut self,
        now: Nanos,
        index: u32,
        (action, row): (Option<frame::Action>, &BookRow),
        text: &[u8],
        out: &mut Outbox,
    ) {
        let Some(follow) = &mut self.subs[index as usize].follow else { return };
        if row.ts.is_none() && follow.form().spread && !follow.form().incremental {
            // Seen on `sprd-bbo-tbt`: a row that is no state of the book.
            return self.bad_time(now, index, text, out);
        }
        if self.lines.arbitrates() {
            return self.arbitrate_book(now, index, (action, row), text, out);
        }
        self.take_book_row(now, index, (action, row), text, out);
    }

    pub(super) fn take_book_row(
        &mut self,
        now: Nanos,
        index: u32,
        (action, row): (Option<frame::Action>, &BookRow),
        text: &[u8],
        out: &mut Outbox,
    ) {
        let Some(follow) = &mut self.subs[index as usize].follow else { return };
        let was_live = follow.live().is_some();
        let verdict = follow.take(action, row, &mut self.emit.stats.book);
        if verdict == Verdict::Snapshot && !was_live {
            // A live book awaits nothing, so most snapshots leave the table of timers alone.
            self.timers.stop(Timer::Snapshot(index));
            let is_live = self.subs[index as usize].stage == Stage::Live;
            if is_live && self.timers.is_set(Timer::Again(index)) {
                self.timers.stop(Timer::Again(index));
                self.await_beat(now, index);
            }
        }
        self.act_on(now, index, (verdict, row, text), out);
    }

    fn act_on(
        &mut self,
        now: Nanos,
        index: u32,
        (verdict, row, text): (Verdict, &BookRow, &[u8]),
        out: &mut Outbox,
    ) {
        match verdict {
            Verdict::Snapshot => {
                let healed = (row.seq, None, Some(Healed::Snapshot));
                self.subs[index as usize].heal(now, healed, &mut self.emit, out);
                self.book_changed(now, index, (BookKind::Snapshot, row), out);
            }
            Verdict::Applied => self.book_changed(now, index, (BookKind::Delta, row), out),
            Verdict::Unchanged | Verdict::Duplicate | Verdict::Early => return,
            Verdict::Gap(cause, why) => {
                let unread = matches!(cause, GapCause::Unreadable | GapCause::Unverifiable);
                if unread {
                    let place = self.subs[index as usize].place;
                    self.emit.fault(now, place, FaultCode::BadBook, (why, text), out);
                }
                return self.distrust(now, index, (cause, Whose::Venue), out);
            }
        }
        if row.ts.is_none() {
            self.bad_time(now, index, text, out);
        }
        self.look_whether_crossed(now, index, text, out);
        if verdict == Verdict::Applied && row.seq < row.prev {
            self.ids_began_anew(now, index);
        }
        if self.witness.is_looking() {
            let kind = match verdict {
                Verdict::Snapshot => BookKind::Snapshot,
                _ => BookKind::Delta,
            };
            self.witness_row(now, index, (kind, row), text, out);
        }
    }

    fn book_changed(
        &mut self,
        now: Nanos,
        index: u32,
        (kind, row): (BookKind, &BookRow),
        out: &mut Outbox,
    ) {
        let sub = &self.subs[index as usize];
        let Some(follow) = &sub.follow else { return };
        let Some(book) = follow.live() else { return };
        let form = follow.form();
        let levels = |side, depth: u16| book.levels(side).take(usize::from(depth));
        if form.incremental && (self.config.deltas || self.beside) {
            let head = BookHead { kind, prev_seq: row.prev, seq: row.seq, depth: form.depth };
            let header = match self.config.deltas {
                true => {
                    self.emit.stats.deltas += 1;
                    self.emit.header(now, sub.place, row.ts)
                }
                false => self.emit.header_beside(now, sub.place, row.ts),
            };
            if kind == BookKind::Snapshot {
                let head = BookHead { prev_seq: None, ..head };
                let (bids, asks) = (levels(Side::Bid, u16::MAX), levels(Side::Ask, u16::MAX));
                out.events.push_book(header, head, bids, asks);
            } else {
                out.events.push_book_of(header, head, (&row.bids, &row.asks));
            }
        }
        let depth = if form.incremental { self.config.view_depth } else { form.depth };
        if depth > 0 {
            let head = BookHead { kind: BookKind::View, prev_seq: None, seq: row.seq, depth };
            self.emit.stats.views += 1;
            let header = self.emit.header(now, sub.place, row.ts);
            let (bids, asks) = (levels(Side::Bid, depth), levels(Side::Ask, depth));
            out.events.push_book(header, head, bids, asks);
        }
    }

    /// A crossed book is legal before continuous trading; after that it is worth saying, once.
    fn look_whether_crossed(&mut self, now: Nanos, index: u32, row: &[u8], out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        let crossed = sub.follow.as_ref().and_then(|f| f.live()).is_some_and(|b| b.is_crossed());
        let news = crossed && !sub.crossed;
        sub.crossed = crossed;
        let place = sub.place;
        let Some(inst) = place.inst.filter(|_| news) else { return };
        if trades_continuously(self.emit.known(inst), now) {
            let reason = "the book is crossed although the instrument trades continuously";
            let fault = (reason.to_string(), row);
            self.emit.fault(now, place, FaultCode::BadBook, fault, out);
        }
    }
}

pub(super) fn text_of(row: Raw<'_>) -> &[u8] {
    row.as_str().as_bytes()
}

//! Frames to events: finds the subscription, reads the rows, and lets `follow` judge books. Part
//! of [`OkxFeed`].

use super::OkxFeed;
use super::sub::{Stage, Sub};
use crate::catalogue;
use crate::channel::books::BookRow;
use crate::channel::trades::Link as TradeLink;
use crate::channel::{BookForm, Form, Unknowns, bars, books, tickers, trades};
use crate::follow::Verdict;
use crate::frame::{self, DataFrame, Frame, FrameError};
use crate::json::{self, Raw};
use crate::limits;
use crate::link::{LinkState, Timer};
use market_data_model::batch::BookHead;
use market_data_model::*;
use std::sync::Arc;

impl OkxFeed {
    pub(super) fn frame(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) {
        self.emit.stats.frames += 1;
        self.emit.stats.bytes += bytes.len() as u64;
        if self.link.state != LinkState::Up {
            self.emit.stats.late_frames += 1;
            return;
        }
        self.link.heard = now;
        let faults = self.emit.stats.faults;
        match frame::parse(bytes) {
            Ok(Frame::Pong) => self.emit.stats.pongs += 1,
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
        for _ in faults..self.emit.stats.faults {
            if self.link.fault(now) {
                let reason = "too many faults in a short time";
                return self.replace(now, reason, (Whose::Venue, false), out);
            }
        }
    }

    /// The subscription that an argument belongs to. The venue repeats an argument's text byte for
    /// byte, so after the first time one hash finds it.
    pub(super) fn index_of_argument(&mut self, argument: Raw<'_>) -> Option<u32> {
        if let Some(index) = self.by_argument.get(argument.as_str()) {
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
            self.by_argument.insert(argument.as_str().into(), index);
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
        match sub.stage {
            _ if !sub.wanted => return self.emit.stats.late_frames += 1,
            Stage::Leaving | Stage::Gone => return self.emit.stats.late_frames += 1,
            Stage::Idle | Stage::Asked | Stage::Refused => self.data_before_ack(now, index, out),
            Stage::Live => {}
        }
        match spec.form {
            Form::Ticker => self.tickers(now, index, frame.data, out),
            Form::Trade => self.trades(now, index, frame.data, out),
            Form::Bar(kind, size) => self.bars(now, index, (frame.data, kind, size), out),
            Form::Book(form) => self.books(now, index, (frame, form), out),
            Form::Instruments => self.instruments(now, index, frame.data, out),
        }
        self.subs[index as usize].heard = Some(now);
    }

    /// Rows before their ack are taken, but only the ack confirms a subscription: the rows may
    /// trail from an earlier one that has ended, while the request for this one is lost. What a
    /// gap cost, trades tell themselves, and a book's gap ends with its snapshot.
    fn data_before_ack(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        sub.started = true;
        if sub.follow.is_none() && sub.series.is_none() {
            sub.heal(now, (None, None, Some(Healed::Resumed)), &mut self.emit, out);
        }
    }

    fn bad_row(&mut self, now: Nanos, index: u32, (why, row): (String, Raw<'_>), out: &mut Outbox) {
        let fault = (why, row.as_str().as_bytes());
        let place = self.subs[index as usize].place;
        self.emit.fault(now, place, FaultCode::BadRow, fault, out);
    }

    /// A row that names another instrument than its frame is not of this subscription.
    fn is_foreign(sub: &Sub, inst_id: Option<&str>) -> Option<String> {
        let inst_id = inst_id.filter(|id| *id != &*sub.subscription.key)?;
        Some(format!("instId is {inst_id:?} in a frame of {:?}", sub.subscription.key))
    }

    fn bad_time(&mut self, now: Nanos, index: u32, row: Raw<'_>, out: &mut Outbox) {
        let fault = ("ts is missing or not a time".to_string(), row.as_str().as_bytes());
        let place = self.subs[index as usize].place;
        self.emit.fault(now, place, FaultCode::BadTime, fault, out);
    }

    fn tickers(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        for row in data.items() {
            let mut unknowns = Unknowns::default();
            let read = tickers::decode(row, &mut unknowns).and_then(|read| {
                let sub = &self.subs[index as usize];
                Self::is_foreign(sub, read.inst_id.as_deref()).map_or(Ok(read), Err)
            });
            let read = match read {
                Ok(read) => read,
                Err(why) => {
                    self.bad_row(now, index, (why, row), out);
                    continue;
                }
            };
            self.emit.unknowns(unknowns);
            let place = self.subs[index as usize].place;
            if let (Some(inst), Some(inst_type)) = (place.inst, read.inst_type) {
                self.emit.learn_type(inst, inst_type);
            }
            self.emit.stats.tickers += 1;
            let header = self.emit.header(now, place, read.ts);
            out.events.push_ticker(header, read.ticker);
            if read.ts.is_none() {
                self.bad_time(now, index, row, out);
            }
        }
    }

    fn trades(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        for row in data.items() {
            let mut unknowns = Unknowns::default();
            let read = trades::decode(row, &mut unknowns).and_then(|read| {
                let sub = &self.subs[index as usize];
                Self::is_foreign(sub, read.inst_id.as_deref()).map_or(Ok(read), Err)
            });
            let read = match read {
                Ok(read) => read,
                Err(why) => {
                    self.bad_row(now, index, (why, row), out);
                    continue;
                }
            };
            self.emit.unknowns(unknowns);
            if self.is_repeated(now, index, &read.trade, out) {
                self.emit.stats.trades_repeated += 1;
                continue;
            }
            self.emit.stats.trades += 1;
            let header = self.emit.header(now, self.subs[index as usize].place, read.ts);
            out.events.push_trade(header, read.trade);
            if read.ts.is_none() {
                self.bad_time(now, index, row, out);
            }
        }
    }

    /// Follows the ids: says what is missing before this row, and whether it came before.
    fn is_repeated(&mut self, now: Nanos, index: u32, trade: &Trade, out: &mut Outbox) -> bool {
        let sub = &mut self.subs[index as usize];
        let all_fills = &*sub.subscription.channel == "trades-all";
        let fills = if all_fills { Some(1) } else { trade.count.map(|c| u64::from(c.max(1))) };
        let Some(series) = &mut sub.series else { return false };
        let first = trade.trade_id.saturating_sub(fills.unwrap_or(1) - 1);
        let first = i64::try_from(first).unwrap_or(i64::MAX);
        let emit = &mut self.emit;
        match series.take(trade.trade_id, fills) {
            TradeLink::Repeat => return true,
            TradeLink::Lost(lost) => sub.prove_lost(now, (first, lost), emit, out),
            TradeLink::Follows if fills.is_some() => sub.prove_lost(now, (first, 0), emit, out),
            TradeLink::Follows | TradeLink::Late => {
                sub.heal(now, (None, None, Some(Healed::Resumed)), emit, out);
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
            match bars::decode(row, kind, size) {
                Ok(bar) => {
                    self.emit.stats.bars += 1;
                    let header = self.emit.header(now, self.subs[index as usize].place, None);
                    out.events.push_bar(header, bar);
                }
                Err(why) => self.bad_row(now, index, (why, row), out),
            }
        }
    }

    fn instruments(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        let channel = self.subs[index as usize].place.channel;
        for row in data.items() {
            match catalogue::instrument_from_row(row) {
                Ok(instrument) => {
                    self.instrument_changed(now, &Arc::new(instrument), channel, out);
                }
                Err(why) => self.bad_row(now, index, (why, row), out),
            }
        }
    }

    /// Takes news of an instrument, from its channel or from outside. Ends subscriptions of what
    /// has expired, and asks anew for what was refused and trades now.
    pub(super) fn instrument_changed(
        &mut self,
        now: Nanos,
        instrument: &Arc<Instrument>,
        channel: Option<u16>,
        out: &mut Outbox,
    ) {
        if channel.is_some() {
            self.emit.changed_instrument(now, channel, instrument, out);
        } else {
            self.emit.learn(instrument);
        }
        let expired = &*instrument.state == "expired";
        if !expired && !instrument.is_subscribable() {
            return;
        }
        let mut ended = Vec::new();
        for sub in &mut self.subs {
            let of_it = *sub.subscription.key == *instrument.inst_id;
            let is_instrument = sub.spec.is_none_or(|s| s.key == crate::channel::KeyKind::InstId);
            if !(of_it && is_instrument && sub.wanted) {
                continue;
            }
            if expired {
                ended.push(sub.subscription.clone());
            } else if sub.stage == Stage::Refused {
                sub.stage = Stage::Idle;
                sub.refusals = 0;
            }
        }
        self.unwant(now, ended, out);
        self.ask_idle();
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
            let sub = &mut self.subs[index as usize];
            if let Some(follow) = &mut sub.follow {
                let verdict = follow.take(frame.action, &row, &mut self.emit.stats.book);
                self.act_on(now, index, (verdict, &row, raw), out);
            }
            self.row = row;
        }
    }

    fn act_on(
        &mut self,
        now: Nanos,
        index: u32,
        (verdict, row, raw): (Verdict, &BookRow, Raw<'_>),
        out: &mut Outbox,
    ) {
        match verdict {
            Verdict::Snapshot => {
                self.timers.stop(Timer::Snapshot(index));
                if self.subs[index as usize].stage == Stage::Live {
                    self.timers.stop(Timer::Again(index));
                }
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
                    let fault = (why, raw.as_str().as_bytes());
                    self.emit.fault(now, place, FaultCode::BadBook, fault, out);
                }
                return self.distrust(now, index, (cause, Whose::Venue), out);
            }
        }
        if row.ts.is_none() {
            self.bad_time(now, index, raw, out);
        }
        self.look_whether_crossed(now, index, raw, out);
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
        let levels = |side, depth: u16| book.levels(side).take(usize::from(depth)).copied();
        if form.incremental && self.config.deltas {
            let head = BookHead { kind, prev_seq: row.prev, seq: row.seq, depth: form.depth };
            self.emit.stats.deltas += 1;
            let header = self.emit.header(now, sub.place, row.ts);
            if kind == BookKind::Snapshot {
                let head = BookHead { prev_seq: None, ..head };
                let (bids, asks) = (levels(Side::Bid, u16::MAX), levels(Side::Ask, u16::MAX));
                out.events.push_book(header, head, bids, asks);
            } else {
                let (bids, asks) = (row.bids.iter().copied(), row.asks.iter().copied());
                out.events.push_book(header, head, bids, asks);
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
    fn look_whether_crossed(&mut self, now: Nanos, index: u32, raw: Raw<'_>, out: &mut Outbox) {
        let sub = &mut self.subs[index as usize];
        let crossed = sub.follow.as_ref().and_then(|f| f.live()).is_some_and(|b| b.is_crossed());
        let news = crossed && !sub.crossed;
        sub.crossed = crossed;
        let place = sub.place;
        let Some(inst) = place.inst.filter(|_| news) else { return };
        if trades_continuously(self.emit.known(inst), now) {
            let reason = "the book is crossed although the instrument trades continuously";
            let fault = (reason.to_string(), raw.as_str().as_bytes());
            self.emit.fault(now, place, FaultCode::BadBook, fault, out);
        }
    }

    /// A refused instrument may have gone: asks REST what it is, once at a time.
    pub(super) fn ask_what_it_is(&mut self, index: u32, out: &mut Outbox) {
        let sub = &self.subs[index as usize];
        let Some(inst) = sub.place.inst else { return };
        let Some(kind) = self.emit.known(inst).inst_type.clone() else { return };
        let family = &self.emit.known(inst).inst_family;
        let busy = self.gets.values().any(|i| *i == index);
        if busy || self.config.passive {
            return;
        }
        let mut path = format!("/api/v5/public/instruments?instType={kind}");
        if kind == InstType::Option {
            path.push_str(&format!("&instFamily={family}"));
        }
        path.push_str(&format!("&instId={}", sub.subscription.key));
        self.get_number += 1;
        self.gets.insert(self.get_number, index);
        out.actions.push(Action::Get { id: self.get_number, path });
    }

    /// The answer: news of the instrument, or nothing, which leaves it refused.
    pub(super) fn response(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) {
        let Some(index) = self.gets.remove(&id) else { return };
        let place = self.subs[index as usize].place;
        let rows = match json::parse(body) {
            Ok(raw) if status == 200 => raw.field("data"),
            _ => {
                let fault = (format!("HTTP {status} to a question about an instrument"), body);
                return self.emit.fault(now, place, FaultCode::BadResponse, fault, out);
            }
        };
        for row in rows.into_iter().flat_map(Raw::items) {
            let Ok(instrument) = catalogue::instrument_from_row(row) else { continue };
            let instrument = Arc::new(instrument);
            if *instrument.inst_id == *self.subs[index as usize].subscription.key
                && self.emit.learn(&instrument).1
            {
                self.instrument_changed(now, &instrument, place.channel, out);
            }
        }
    }
}

/// Whether the venue says that the instrument trades continuously at `now`.
fn trades_continuously(instrument: &Instrument, now: Nanos) -> bool {
    if &*instrument.state != "live" {
        return false;
    }
    let row = json::parse(instrument.row.as_bytes()).ok();
    let since = row.and_then(|r| r.field("contTdSwTime")).and_then(Raw::integer);
    since.and_then(|ms| u64::try_from(ms).ok()).is_none_or(|ms| Nanos::from_millis(ms) <= now)
}

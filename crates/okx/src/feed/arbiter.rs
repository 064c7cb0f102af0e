//! Which copy of a row comes out while two lines carry the same subscriptions. Part of
//! [`OkxFeed`]; with one line nothing here is called.
//!
//! The first copy does, and the second is counted. A row of a book or a trade that does not follow
//! the last one is held while the other line may still bring what is between: OKX sends the same
//! ids on every connection (docs, read 2026-11-23), and each connection is in order, so what both
//! lines have passed over will not come. Then, or when the patience of
//! [`limits::LINE_PATIENCE_NS`] ends, the loss is said as with one line. Rows without ids are the
//! same if their text is.
//!
//! Invariants: nothing that has an id comes out twice; what is held is bounded; a live book is
//! touched by rows that link and by nothing else, snapshots of a line that comes back least of all.
//! See decision 0027.

use super::OkxFeed;
use super::carry::{Carry, Held, bit};
use crate::channel::books::{self, BookRow};
use crate::channel::trades::{self, Series};
use crate::channel::{Form, Unknowns};
use crate::frame::Action;
use crate::{json, limits};
use market_data_model::*;
use std::hash::Hasher;

/// Where a row stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the next, or the ordinary rules are to say what it is.
    Next,
    /// It came out already, or is older than what did.
    Seen,
    /// Something is missing before it.
    Ahead,
}

impl OkxFeed {
    pub(super) fn carry(&mut self, index: u32) -> &mut Carry {
        let at = index as usize;
        if at >= self.lines.carry.len() {
            self.lines.carry.resize_with(at + 1, Carry::default);
        }
        &mut self.lines.carry[at]
    }

    /// A row of a book, from the line of the row in hand.
    pub(super) fn arbitrate_book(
        &mut self,
        now: Nanos,
        index: u32,
        (action, row): (Option<Action>, &BookRow),
        text: &[u8],
        out: &mut Outbox,
    ) {
        let line = self.lines.row;
        let Some(follow) = &self.subs[index as usize].follow else { return };
        let live = follow.live().is_some();
        if live && row.odd.is_some() && self.carries(1 - line, index) {
            // Unreadable here, and whole on the other line: a loss of this one.
            let why = row.odd.clone().unwrap_or_default();
            let place = self.subs[index as usize].place;
            self.emit.fault(now, place, FaultCode::BadBook, (why, text), out);
            self.carry(index).joined[usize::from(line)] = false;
            return;
        }
        let place = if live { self.place_of_book(index, action, row) } else { Place::Next };
        let snapshot = action == Some(Action::Snapshot);
        match place {
            Place::Next => {
                self.next_book(now, index, (action, row), text, out);
                self.release(now, index, out);
            }
            Place::Seen => {
                if snapshot && self.contradicts(index, row) {
                    let why = "the book differs from the venue's snapshot at the same seqId";
                    let place = self.subs[index as usize].place;
                    let fault = (why.to_owned(), text);
                    self.emit.fault(now, place, FaultCode::BadBook, fault, out);
                    self.forget_held(index);
                    return self.distrust(now, index, (GapCause::Unverifiable, Whose::Ours), out);
                }
                self.seen(now, index, id_of_book(row));
            }
            Place::Ahead if snapshot => self.carry(index).joined[usize::from(line)] = false,
            Place::Ahead => {
                let ids = (row.prev.unwrap_or_default(), row.seq.unwrap_or_default());
                if !self.hold(now, index, ids, text, out) {
                    self.next_book(now, index, (action, row), text, out);
                    self.release(now, index, out);
                }
            }
        }
    }

    fn place_of_book(&mut self, index: u32, action: Option<Action>, row: &BookRow) -> Place {
        let line = self.lines.row;
        let Some(follow) = &self.subs[index as usize].follow else { return Place::Next };
        let (whole, last) = (!follow.form().incremental, follow.last());
        let Some(last) = last else { return Place::Next };
        let snapshot = action == Some(Action::Snapshot);
        let links = !whole && !snapshot && row.prev == Some(last);
        let (Some(seq), false) = (row.seq, links) else { return Place::Next };
        if !whole && !snapshot && row.prev.is_none() {
            return Place::Next;
        }
        let in_front = line == self.lines.front;
        let carry = self.carry(index);
        let older = match (row.ts, carry.ts) {
            (Some(ts), Some(newest)) if ts != newest => ts < newest,
            // Nothing has come out since there are two lines, and what did before came by this one,
            // which is in order: an id that goes down is a new numbering.
            (_, None) if whole && in_front => false,
            _ => seq <= last,
        };
        let seen = older || carry.knows(id_of_book(row));
        match (whole, seen) {
            // The venue repeats a whole book on the same line: `follow` knows what that is.
            (true, true) if seq == last && !carry.awaits(id_of_book(row), line) => Place::Next,
            (true, false) => Place::Next,
            (_, true) => Place::Seen,
            (false, false) => Place::Ahead,
        }
    }

    /// Whether a snapshot of the state that the live book has differs from it.
    fn contradicts(&self, index: u32, row: &BookRow) -> bool {
        let Some(follow) = &self.subs[index as usize].follow else { return false };
        let Some(book) = follow.live().filter(|_| row.seq == follow.last()) else { return false };
        let depth = usize::from(follow.form().depth);
        let same = |side, levels: &[Level]| {
            book.levels(side).take(depth).eq(levels.iter().copied().take(depth))
        };
        row.odd.is_none() && !(same(Side::Bid, &row.bids) && same(Side::Ask, &row.asks))
    }

    fn next_book(
        &mut self,
        now: Nanos,
        index: u32,
        (action, row): (Option<Action>, &BookRow),
        text: &[u8],
        out: &mut Outbox,
    ) {
        let news = self.subs[index as usize].follow.as_ref().and_then(|f| f.last()) != row.seq;
        self.take_book_row(now, index, (action, row), text, out);
        let follow = self.subs[index as usize].follow.as_ref();
        if follow.is_none_or(|follow| follow.live().is_none()) {
            return self.forget_held(index);
        }
        let line = self.lines.row;
        if news || action == Some(Action::Snapshot) {
            self.came_out(now, index, id_of_book(row));
        }
        let carry = self.carry(index);
        carry.joined[usize::from(line)] = true;
        carry.ts = row.ts.or(carry.ts);
    }

    /// A trade, from the line of the row in hand.
    pub(super) fn arbitrate_trade(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, trade): (Option<Nanos>, &Trade),
        row: &[u8],
        out: &mut Outbox,
    ) {
        let ids = self.ids_of(index, trade);
        match self.place_of_trade(index, ids) {
            Place::Next => {
                self.next_trade(now, index, (ts, trade), row, out);
                self.release(now, index, out);
            }
            Place::Seen => self.seen(now, index, ids.1),
            Place::Ahead => {
                let told = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
                let held = (told(ids.0.saturating_sub(1)), told(ids.1));
                if !self.hold(now, index, held, row, out) {
                    self.next_trade(now, index, (ts, trade), row, out);
                    self.release(now, index, out);
                }
            }
        }
    }

    /// The fills that a trade covers, first and last.
    fn ids_of(&self, index: u32, trade: &Trade) -> (u64, u64) {
        let fills = self.fills_of(index, trade).unwrap_or(1);
        (trade.trade_id.saturating_sub(fills - 1), trade.trade_id)
    }

    fn place_of_trade(&mut self, index: u32, ids: (u64, u64)) -> Place {
        let sub = &self.subs[index as usize];
        let healing = sub.gap.is_some();
        let Some(last) = sub.series.as_ref().and_then(|series| series.last()) else {
            return Place::Next;
        };
        let (first, id) = ids;
        if id <= last {
            let restarted = last - id >= Series::RESTART;
            let missing = restarted || self.carry(index).regain(ids);
            return if missing { Place::Next } else { Place::Seen };
        }
        let hole = first > last + 1 && first - last < Series::RESTART;
        if hole && !healing { Place::Ahead } else { Place::Next }
    }

    fn next_trade(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, trade): (Option<Nanos>, &Trade),
        row: &[u8],
        out: &mut Outbox,
    ) {
        let (first, id) = self.ids_of(index, trade);
        let last = self.subs[index as usize].series.as_ref().and_then(|series| series.last());
        if let Some(last) = last.filter(|last| first > last.saturating_add(1)) {
            self.carry(index).give_up((last + 1, first - 1));
        }
        self.take_trade(now, index, (ts, trade), row, out);
        self.came_out(now, index, id);
        let line = self.lines.row;
        self.carry(index).joined[usize::from(line)] = true;
    }

    /// Whether the other line has brought this row, which has no id in a chain, already.
    pub(super) fn is_copy(&mut self, now: Nanos, index: u32, text: &[u8]) -> bool {
        if !self.lines.arbitrates() {
            return false;
        }
        let mut hash = rustc_hash::FxHasher::default();
        hash.write(text);
        hash.write_usize(text.len());
        let id = hash.finish();
        let line = self.lines.row;
        let Some(late) = self.carry(index).copy(now, id, line) else {
            self.came_out(now, index, id);
            self.carry(index).joined[usize::from(line)] = true;
            return false;
        };
        self.carry(index).joined[usize::from(line)] = true;
        self.count_copy(line, late);
        true
    }

    /// Whether something newer of this kind has come out.
    pub(super) fn is_overtaken(&mut self, index: u32, ts: Option<Nanos>) -> bool {
        if !self.lines.arbitrates() {
            return false;
        }
        let carry = self.carry(index);
        let older = ts.zip(carry.ts).is_some_and(|(ts, newest)| ts < newest);
        carry.ts = carry.ts.max(ts);
        older
    }

    fn came_out(&mut self, now: Nanos, index: u32, id: u64) {
        let line = self.lines.row;
        // A line that has just come back is not asked for what was sent before it did.
        let both = self.carries(1 - line, index) && self.carry(index).joined[usize::from(1 - line)];
        let excused = if both { 0 } else { bit(1 - line) };
        let mut tallies = self.lines.tallies;
        tallies[usize::from(line)].first += 1;
        let deaf = self.carry(index).tell(now, (id, line, excused), &mut tallies);
        self.lines.tallies = tallies;
        if let Some(deaf) = deaf {
            // The venue has ended it there, and the word of that was lost.
            self.lines.renewed.push((deaf, index));
        }
    }

    /// A row that came out before: the line that brings it is where the other one was.
    fn seen(&mut self, now: Nanos, index: u32, id: u64) {
        let line = self.lines.row;
        let carry = self.carry(index);
        carry.joined[usize::from(line)] = true;
        if let Some(late) = carry.copy(now, id, line) {
            self.count_copy(line, late);
        }
    }

    fn count_copy(&mut self, line: u8, late_ns: u64) {
        let tally = &mut self.lines.tallies[usize::from(line)];
        tally.copies += 1;
        tally.late_ns += late_ns;
        tally.late_max_ns = tally.late_max_ns.max(late_ns);
    }

    /// Keeps a row for later; `false` if there is nothing to wait for.
    fn hold(
        &mut self,
        now: Nanos,
        index: u32,
        (after, id): (i64, i64),
        text: &[u8],
        out: &mut Outbox,
    ) -> bool {
        let line = self.lines.row;
        if !self.carries(1 - line, index) {
            return false;
        }
        let carry = self.carry(index);
        if !carry.has_room() {
            return false;
        }
        carry.held.push(Held { line, after, id, text: text.into() });
        let hopeless = carry.is_hopeless();
        if carry.until.is_none() {
            let until = now + limits::LINE_PATIENCE_NS;
            carry.until = Some(until);
            self.lines.waits.insert((until, index));
        }
        if hopeless {
            self.lose_patience(now, index, out);
        }
        true
    }

    pub(super) fn forget_held(&mut self, index: u32) {
        let carry = self.carry(index);
        carry.held.clear();
        if let Some(until) = carry.until.take() {
            self.lines.waits.remove(&(until, index));
        }
    }

    /// Lets out what is held and follows by now.
    fn release(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        while let Some(held) = self.take_held(index, false) {
            self.let_out(now, index, &held, out);
        }
        if self.carry(index).held.is_empty() {
            self.forget_held(index);
        }
    }

    /// Nobody brings what is before the rows held: they say so.
    pub(super) fn lose_patience(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        while let Some(held) = self.take_held(index, true) {
            self.let_out(now, index, &held, out);
        }
        self.forget_held(index);
    }

    /// The next row of those held: one that follows or came out already, or (`any`) the first.
    fn take_held(&mut self, index: u32, any: bool) -> Option<Held> {
        let sub = self.subs.get(index as usize)?;
        let carry = self.lines.carry.get(index as usize)?;
        let last = match (&sub.follow, &sub.series) {
            (Some(follow), _) => follow.last(),
            (_, Some(series)) => series.last().and_then(|last| i64::try_from(last).ok()),
            _ => None,
        }?;
        let trades = sub.series.is_some();
        let ready = |held: &Held| match trades {
            true => held.after <= last,
            false => held.after == last || carry.knows(held.id.cast_unsigned()),
        };
        let held = (0..).zip(&carry.held);
        let at = held.clone().find(|(_, held)| ready(held)).map(|(at, _)| at);
        // Of trades the lowest id; of a chain the one that came first.
        let first = || held.min_by_key(|(at, held)| (if trades { held.id } else { 0 }, *at));
        let at: usize = at.or_else(|| if any { first().map(|(at, _)| at) } else { None })?;
        Some(self.lines.carry[index as usize].held.remove(at))
    }

    fn let_out(&mut self, now: Nanos, index: u32, held: &Held, out: &mut Outbox) {
        // Its text was read before; it is what it was.
        let Ok(raw) = json::parse(&held.text) else { return };
        let line = std::mem::replace(&mut self.lines.row, held.line);
        match self.subs[index as usize].spec.map(|spec| spec.form) {
            Some(Form::Book(form)) => {
                let mut row = BookRow::default();
                books::decode(raw, form, &mut row, &mut Unknowns::default());
                let knows = self.carry(index).knows(held.id.cast_unsigned());
                let last = self.subs[index as usize].follow.as_ref().and_then(|f| f.last());
                if knows && last != row.prev {
                    self.seen(now, index, id_of_book(&row));
                } else {
                    let update = (Some(Action::Update), &row);
                    self.next_book(now, index, update, &held.text, out);
                }
            }
            Some(Form::Trade) => {
                if let Ok(read) = trades::decode(raw, &mut Unknowns::default()) {
                    let ids = self.ids_of(index, &read.trade);
                    match self.place_of_trade(index, ids) {
                        Place::Seen => self.seen(now, index, ids.1),
                        Place::Next | Place::Ahead => {
                            let trade = (read.ts, &read.trade);
                            self.next_trade(now, index, trade, &held.text, out);
                        }
                    }
                }
            }
            _ => {}
        }
        self.lines.row = line;
    }
}

fn id_of_book(row: &BookRow) -> u64 {
    row.seq.unwrap_or_default().cast_unsigned()
}

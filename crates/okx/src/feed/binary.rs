//! The binary socket: frames in SBE to the same events as JSON, and books that begin over REST.
//! Part of [`OkxFeed`]; only feeds with [`OkxConfig::sbe`](super::OkxConfig::sbe) come here.
//!
//! What differs from the JSON sockets (docs, read 2026-11-23): arguments name `instIdCode`; the
//! login is in the handshake, so the driver's; nothing may be sent to keep the connection, because
//! the server pings by itself and refuses the text `ping` (60012), so silence is the driver's
//! business too; and `books-l2-tbt` sends no snapshot. The rest, subscriptions, gaps, resyncs,
//! `follow`, is what it is everywhere.
//!
//! A book: confirmed, then a snapshot is asked for while changes are kept; where it fits, `follow`
//! gets it like a snapshot of the JSON channel, and the first change after it is given the
//! snapshot's id as the one it follows, so that consumers see an unbroken chain.
//!
//! Invariants: a code is looked up among those asked for on this connection; a book is live only
//! between a snapshot and the first change that does not go on from it; what waits is bounded.

use super::OkxFeed;
use super::sub::Stage;
use crate::channel::Unknowns;
use crate::channel::books::BookRow;
use crate::frame;
use crate::limits;
use crate::link::{LinkState, Timer};
use crate::request::{self, Op};
use crate::sbe::join::{AHEAD_MAX, Fit, Join, Step, fit};
use crate::sbe::{self, Kind, Odd, best, depth, trades};
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The channel whose books begin with a snapshot of REST.
const BOOKS: &str = "books-l2-tbt";

/// What a feed knows of the binary socket, all of it of this connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Binary {
    /// Subscriptions by channel (its place in [`sbe::CHANNELS`]) and code, as asked for.
    codes: BTreeMap<(u8, i64), u32>,
    /// The code under which a subscription was asked for last.
    asked: BTreeMap<u32, i64>,
    joins: BTreeMap<u32, Join>,
    /// Snapshots under way: which subscription's book they are.
    gets: BTreeMap<u64, u32>,
    /// A snapshot may have to be asked for.
    hungry: bool,
}

impl Binary {
    fn channel(name: &str) -> Option<u8> {
        (0..).zip(sbe::CHANNELS).find(|(_, channel)| *channel == name).map(|(place, _)| place)
    }

    /// The subscription with this code.
    pub(super) fn index(&self, channel: &str, code: i64) -> Option<u32> {
        self.codes.get(&(Binary::channel(channel)?, code)).copied()
    }

    /// A subscription is about to be asked for under this code: nothing of an earlier one counts.
    fn begin(&mut self, index: u32, channel: &str, code: i64) {
        if let Some(channel) = Binary::channel(channel) {
            self.codes.insert((channel, code), index);
        }
        self.asked.insert(index, code);
        self.joins.remove(&index);
        self.gets.retain(|_, of| *of != index);
    }

    fn want(&mut self, index: u32) {
        self.joins.entry(index).or_default().step = Step::Wanted;
        self.hungry = true;
    }

    /// The connection is gone, and everything with it.
    pub(super) fn lost(&mut self) {
        *self = Binary::default();
    }

    /// Whether there is nothing in it, as in every feed of another socket.
    pub(super) fn is_blank(&self) -> bool {
        let Binary { codes, asked, joins, gets, hungry } = self;
        let empty = codes.is_empty() && asked.is_empty() && joins.is_empty() && gets.is_empty();
        empty && !hungry
    }

    /// Whether it is one that a life with so many subscriptions can have made.
    pub(super) fn is_sound(&self, subs: usize) -> bool {
        let Binary { codes, asked, joins, gets, hungry: _ } = self;
        let named = codes.values().chain(asked.keys()).chain(joins.keys()).chain(gets.values());
        named.copied().all(|index| (index as usize) < subs) && joins.values().all(Join::is_sound)
    }
}

impl OkxFeed {
    /// Takes a binary frame.
    pub(super) fn binary(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) {
        let head = match sbe::head(bytes) {
            Ok(head) => head,
            Err(Odd(why)) => {
                let place = Default::default();
                return self.emit.fault(now, place, FaultCode::BadEnvelope, (why, bytes), out);
            }
        };
        if self.config.passive && head.kind == Kind::Snapshot {
            return self.snapshot_captured(now, &head, bytes, out);
        }
        let Some(channel) = head.kind.channel() else {
            self.emit.stats.unknown_values += 1;
            return;
        };
        let Some(index) = self.index_of_code(channel, head.code) else {
            let why = format!("instIdCode {} of {channel} is none that was asked for", head.code);
            let place = Default::default();
            return self.emit.fault(now, place, FaultCode::BadRow, (why, bytes), out);
        };
        if self.binary.asked.get(&index) != Some(&head.code) {
            // Of an instrument that has been listed anew under another code.
            self.emit.stats.late_frames += 1;
            return;
        }
        if !self.admits(now, index, out) {
            return;
        }
        match head.kind {
            Kind::Trade => {
                let mut unknowns = Unknowns::default();
                match trades::read(&head, &mut unknowns) {
                    Ok((ts, trade)) => {
                        self.emit.unknowns(unknowns);
                        self.trade(now, index, (ts, &trade), bytes, out);
                    }
                    Err(Odd(why)) => {
                        let place = self.subs[index as usize].place;
                        self.emit.fault(now, place, FaultCode::BadRow, (why, bytes), out);
                    }
                }
            }
            Kind::Best => {
                let mut row = std::mem::take(&mut self.row);
                best::read(&head, &mut row);
                self.book_row(now, index, (None, &row), bytes, out);
                self.row = row;
            }
            Kind::Change | Kind::Exponents => self.change(now, index, bytes, out),
            Kind::Snapshot | Kind::Unknown(_) => {}
        }
        self.subs[index as usize].heard = Some(now);
    }

    /// The subscription with this code; a passive feed makes one, for nobody asked.
    pub(super) fn index_of_code(&mut self, channel: &str, code: i64) -> Option<u32> {
        let found = self.binary.index(channel, code);
        let room = self.subs.len() < limits::ARGUMENTS_MAX;
        if found.is_some() || !(self.config.passive && room && sbe::carries(channel)) {
            return found;
        }
        let mut known = self.emit.names().instruments.iter();
        let named = known.find(|x| x.inst_id_code == Some(code)).map(|x| x.inst_id.to_string());
        let id = named.unwrap_or_else(|| format!("#{code}"));
        let index = self.add(Subscription::new(channel, &id));
        self.binary.begin(index, channel, code);
        Some(index)
    }

    /// A book that somebody fetched over REST and put among the frames.
    fn snapshot_captured(
        &mut self,
        now: Nanos,
        head: &sbe::Head<'_>,
        bytes: &[u8],
        out: &mut Outbox,
    ) {
        let Some(index) = self.index_of_code(BOOKS, head.code) else { return };
        if self.admits(now, index, out) {
            let mut row = BookRow::default();
            depth::read(head, &mut row);
            self.begin_book(now, index, (&row, bytes), out);
            self.subs[index as usize].heard = Some(now);
        }
    }

    /// A book begins with this snapshot and goes on with the changes that were kept.
    fn begin_book(
        &mut self,
        now: Nanos,
        index: u32,
        (row, body): (&BookRow, &[u8]),
        out: &mut Outbox,
    ) {
        self.binary.joins.entry(index).or_default().step = Step::Joining(0);
        self.book_row(now, index, (Some(frame::Action::Snapshot), row), body, out);
        while let Some(join) = self.binary.joins.get_mut(&index).filter(|join| !join.keeps())
            && let Some(kept) = join.take()
        {
            self.go_on(now, index, &kept, out);
        }
    }

    fn change(&mut self, now: Nanos, index: u32, bytes: &[u8], out: &mut Outbox) {
        let join = self.binary.joins.entry(index).or_default();
        if join.keeps() {
            return join.keep(bytes);
        }
        self.go_on(now, index, bytes, out);
    }

    /// Takes a change of a book that has its snapshot.
    fn go_on(&mut self, now: Nanos, index: u32, bytes: &[u8], out: &mut Outbox) {
        let Ok(head) = sbe::head(bytes) else { return };
        let mut row = std::mem::take(&mut self.row);
        depth::read(&head, &mut row);
        if self.fits(now, (index, bytes), &mut row, out) {
            self.book_row(now, index, (Some(frame::Action::Update), &row), bytes, out);
        }
        self.row = row;
    }

    /// Whether a change is one for `follow`: not older than the snapshot, and not too far from it.
    fn fits(
        &mut self,
        now: Nanos,
        (index, bytes): (u32, &[u8]),
        row: &mut BookRow,
        out: &mut Outbox,
    ) -> bool {
        let join = self.binary.joins.entry(index).or_default();
        let last = self.subs[index as usize].follow.as_ref().and_then(|follow| follow.last());
        let (Step::Joining(ahead), Some(at), Some(prev), Some(seq)) =
            (join.step, last, row.prev, row.seq)
        else {
            return true;
        };
        match fit(at, prev, seq) {
            Fit::Joins => {
                join.step = Step::Linked;
                row.prev = last;
                true
            }
            Fit::Old if ahead < AHEAD_MAX => {
                join.step = Step::Joining(ahead + 1);
                false
            }
            Fit::Old | Fit::TooOld => {
                join.keep(bytes);
                let why = (GapCause::Sequence, Whose::Venue);
                self.subs[index as usize].lose(now, why, &mut self.emit, out);
                self.timers.set(Timer::Snapshot(index), now + limits::SNAPSHOT_WAIT_NS);
                self.rest(now, index);
                false
            }
        }
    }

    /// Asks for another snapshot, but not at once.
    fn rest(&mut self, now: Nanos, index: u32) {
        self.binary.joins.entry(index).or_default().step = Step::Resting;
        self.timers.set(Timer::Fetch(index), now + limits::DEPTH_AGAIN_NS);
    }

    /// A book is confirmed: its snapshot is to be asked for.
    pub(super) fn want_depth(&mut self, index: u32) {
        let deep = |follow: &crate::follow::Follow| follow.form().incremental;
        if self.config.sbe && self.subs[index as usize].follow.as_deref().is_some_and(deep) {
            self.binary.want(index);
        }
    }

    /// A snapshot may be asked for again.
    pub(super) fn depth_due(&mut self, index: u32) {
        let live = self.subs[index as usize].stage == Stage::Live;
        let resting = self.binary.joins.get(&index).is_some_and(|join| join.step == Step::Resting);
        if live && resting {
            self.binary.want(index);
        }
    }

    /// Asks for the snapshots that are wanted, few at a time.
    pub(super) fn fetch_depths(&mut self, out: &mut Outbox) {
        if !self.binary.hungry || self.link.state != LinkState::Up {
            return;
        }
        let Binary { joins, gets, asked, .. } = &mut self.binary;
        for (index, join) in joins.iter_mut().filter(|(_, join)| join.step == Step::Wanted) {
            if gets.len() >= limits::DEPTHS_AT_ONCE_MAX {
                return;
            }
            let Some(code) = asked.get(index) else { continue };
            self.get_number += 1;
            join.step = Step::Asked(self.get_number);
            gets.insert(self.get_number, *index);
            let path = sbe::request::depth_path(*code);
            out.actions.push(Action::Get { id: self.get_number, path });
        }
        self.binary.hungry = false;
    }

    /// The answer to a question for a snapshot; says whether it was one.
    pub(super) fn depth_said(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) -> bool {
        let Some(index) = self.binary.gets.remove(&id) else { return false };
        self.binary.hungry = true;
        let join = self.binary.joins.entry(index).or_default();
        let sub = &self.subs[index as usize];
        if join.step != Step::Asked(id) || sub.stage != Stage::Live {
            return true;
        }
        let code = self.binary.asked.get(&index).copied();
        let row = match read_depth(status, body, code) {
            Ok(row) => row,
            Err(why) => {
                let fault = (why, body);
                self.emit.fault(now, sub.place, FaultCode::BadResponse, fault, out);
                self.rest(now, index);
                return true;
            }
        };
        let first = join.first().and_then(|kept| depth::ids(&sbe::head(kept).ok()?).ok());
        let too_old = row.seq.zip(first).map(|(at, (prev, seq))| fit(at, prev, seq));
        if too_old == Some(Fit::TooOld) {
            self.rest(now, index);
            return true;
        }
        self.begin_book(now, index, (&row, body), out);
        true
    }

    /// Notes the codes under which these are about to be asked for. What has none is refused.
    pub(super) fn assign_codes(&mut self, now: Nanos, list: &mut Vec<u32>, out: &mut Outbox) {
        for index in std::mem::take(list) {
            let sub = &self.subs[index as usize];
            let inst = sub.place.inst.map(|inst| self.emit.known(inst));
            match inst.and_then(|inst| inst.inst_id_code) {
                Some(code) if sbe::carries(&sub.subscription.channel) => {
                    self.binary.begin(index, &sub.subscription.channel, code);
                    list.push(index);
                }
                Some(_) => self.refuse(now, index, ("", "not on the binary socket"), out),
                None => self.refuse(now, index, ("", "it has no instIdCode (yet)"), out),
            }
        }
    }

    /// The text of a request of the binary socket.
    pub(super) fn binary_request(&self, op: Op, id: &str, list: &[u32]) -> String {
        request::text_of(op, id, list.iter(), |index, out| {
            let channel = &self.subs[*index as usize].subscription.channel;
            // Those that end were asked for, so they have a code.
            let code = self.binary.asked.get(index).copied().unwrap_or_default();
            sbe::request::write(channel, code, out);
        })
    }
}

fn read_depth(status: u16, body: &[u8], code: Option<i64>) -> Result<BookRow, String> {
    if status != 200 || !sbe::is_binary(body) {
        return Err(format!("HTTP {status} and no book to a question for one"));
    }
    let head = sbe::head(body).map_err(|odd| odd.to_string())?;
    if head.kind != Kind::Snapshot || Some(head.code) != code {
        return Err(format!("the book is of instIdCode {}, or none", head.code));
    }
    let mut row = BookRow::default();
    depth::read(&head, &mut row);
    row.odd.take().map_or(Ok(row), Err)
}

//! A second witness of live books, all the time. Part of [`OkxFeed`].
//!
//! The chain of ids proves that no change is missing, not that the book is the venue's. So at a
//! configured rate one book after the other has its turn: `market/books` is asked over REST, and
//! what `bbo-tbt` and `books5` of the same instrument say meanwhile is heard as well. From the
//! question on the book's changes are kept; each witness is compared with the book at exactly the
//! `seqId` that it names (OKX gives the same ids on every channel and over REST; docs, read
//! 2026-11-23). What differs ends the book's service; what names an id at which the book never
//! was, because REST looked between two pushes or has an older copy, says nothing. See decision
//! 0032.
//!
//! Invariants: one book at a time, one question at a time; a turn ends within
//! [`limits::WITNESS_LOOK_NS`]; each witness of a turn counts once; while nobody has a turn a row
//! costs one comparison.

use super::OkxFeed;
use super::sub::Sub;
use crate::channel::books::BookRow;
use crate::channel::{BookForm, Form};
use crate::limits;
use crate::link::{LinkState, Timer};
use crate::rest_book;
use crate::stats::WitnessStatus;
use market_data_model::*;
use past::{Outcome, Past, Said};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

mod past;

/// See the file's first comment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Witness {
    /// The next turn not before.
    due: Nanos,
    /// The subscription at which the round goes on.
    next: u32,
    /// Turns of that book in a row in which REST said nothing of use.
    tries: u32,
    turn: Option<Box<Turn>>,
    counts: BTreeMap<(u32, Kind), Tally>,
    /// Books that are left alone until then.
    spared: BTreeMap<u32, Nanos>,
    /// Differences of a book since somebody agreed with it.
    strikes: BTreeMap<u32, u32>,
}

/// Who says something of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Kind {
    Rest,
    Best,
    Five,
}

/// How often a witness was of use, and what it said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    agree: u64,
    differ: u64,
    skipped: u64,
}

/// A book's turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Turn {
    index: u32,
    /// The question to REST; `None` = answered.
    get: Option<u64>,
    until: Nanos,
    past: Past,
    voices: Vec<Voice>,
}

/// A witness in a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Voice {
    kind: Kind,
    /// Its subscription; of REST the book's own.
    index: u32,
    /// What it said of a book that is still to come.
    waiting: VecDeque<Said>,
    /// Whether it has counted.
    done: bool,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Rest => "rest",
            Kind::Best => "bbo-tbt",
            Kind::Five => "books5",
        }
    }

    /// The witness that a channel of whole books is.
    fn of(form: BookForm) -> Option<Kind> {
        match (form.incremental || form.rpi || form.spread, form.depth) {
            (false, 1) => Some(Kind::Best),
            (false, 5) => Some(Kind::Five),
            _ => None,
        }
    }
}

impl Voice {
    fn new(kind: Kind, index: u32) -> Voice {
        Voice { kind, index, waiting: VecDeque::new(), done: false }
    }

    fn hear(&mut self, said: Option<Said>) {
        if self.waiting.len() == limits::WITNESS_WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.extend(said);
    }
}

impl Witness {
    /// Whether a book has its turn.
    #[inline]
    pub(super) fn is_looking(&self) -> bool {
        self.turn.is_some()
    }

    /// Which subscriptions it speaks of.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = u32> {
        let turn = self.turn.iter().flat_map(|turn| {
            std::iter::once(turn.index).chain(turn.voices.iter().map(|voice| voice.index))
        });
        let counted = self.counts.keys().map(|(index, _)| *index);
        turn.chain(counted).chain(self.spared.keys().copied()).chain(self.strikes.keys().copied())
    }

    /// Whether it is one that turns can have made, of these subscriptions.
    pub(super) fn is_sound(&self, subs: &[Sub]) -> bool {
        let counted = |tally: &Tally| {
            let most = tally.agree.max(tally.differ).max(tally.skipped);
            most < u64::MAX
        };
        let voice = |voice: &Voice| voice.waiting.len() <= limits::WITNESS_WAITING_MAX;
        let turn = |turn: &Turn| {
            let book = subs.get(turn.index as usize).is_some_and(is_witnessed);
            book && turn.past.is_sound() && turn.voices.iter().all(voice)
        };
        self.counts.values().all(counted)
            && self.turn.as_deref().is_none_or(turn)
            && self.tries <= limits::WITNESS_TRIES_MAX
            && self.strikes.values().all(|strikes| *strikes < u32::MAX)
    }

    fn count(&mut self, index: u32, kind: Kind, add: impl FnOnce(&mut Tally)) {
        add(self.counts.entry((index, kind)).or_default());
    }
}

/// Whether REST answers about such books, with ids.
fn is_witnessed(sub: &Sub) -> bool {
    let form = sub.spec.map(|spec| spec.form);
    matches!(form, Some(Form::Book(f)) if f.incremental && !f.rpi && !f.spread)
}

impl OkxFeed {
    /// What the witnesses have said so far, those included that have not been asked yet, so that
    /// who counts differences sees the first of them.
    pub(super) fn witness_statuses(&self) -> Vec<WitnessStatus> {
        let mut counts = self.witness.counts.clone();
        if self.witnesses() {
            let all = || (0..).zip(&self.subs).filter(|(_, sub)| sub.wanted);
            let others: Vec<(&str, Kind)> = all()
                .filter_map(|(_, sub)| match sub.spec.map(|spec| spec.form) {
                    Some(Form::Book(form)) => Some((&*sub.subscription.key, Kind::of(form)?)),
                    _ => None,
                })
                .collect();
            for (index, sub) in all().filter(|(_, sub)| is_witnessed(sub)) {
                counts.entry((index, Kind::Rest)).or_default();
                for (_, kind) in others.iter().filter(|(key, _)| *key == &*sub.subscription.key) {
                    counts.entry((index, *kind)).or_default();
                }
            }
        }
        let status = |((index, kind), tally): (&(u32, Kind), &Tally)| WitnessStatus {
            book: self.subs[*index as usize].subscription.clone(),
            witness: kind.as_str(),
            agree: tally.agree,
            differ: tally.differ,
            skipped: tally.skipped,
        };
        counts.iter().map(status).collect()
    }

    /// The feed starts: its first turn comes at some time within the first interval, which is
    /// another one for each feed.
    pub(super) fn plan_witness(&mut self, now: Nanos) {
        if self.witnesses() {
            let part = self.config.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
            self.witness.due = now + self.config.witness_ns / 1024 * part;
            self.timers.set(Timer::Witness, self.witness.due);
        }
    }

    fn witnesses(&self) -> bool {
        let Self { config, stopping, .. } = self;
        config.witness_ns > 0 && !config.passive && !config.sbe && !stopping
    }

    /// When something is due of it; `None` = never.
    pub(super) fn witness_due(&self) -> Option<Nanos> {
        let until = self.witness.turn.as_ref().map(|turn| turn.until);
        self.witnesses().then_some(until.unwrap_or(self.witness.due))
    }

    /// Ends a turn that has lasted too long, and begins one that is due.
    pub(super) fn witness_next(&mut self, now: Nanos, out: &mut Outbox) {
        if !self.witnesses() {
            return self.timers.stop(Timer::Witness);
        }
        if self.witness.turn.as_ref().is_some_and(|turn| turn.until <= now) {
            self.end_turn();
        }
        if self.witness.turn.is_none() && self.witness.due <= now {
            self.witness.due = now + self.config.witness_ns;
            self.begin_turn(now, out);
        }
        if let Some(due) = self.witness_due() {
            self.timers.set(Timer::Witness, due);
        }
    }

    fn begin_turn(&mut self, now: Nanos, out: &mut Outbox) {
        self.witness.spared.retain(|_, until| *until > now);
        let count = self.subs.len() as u32;
        let round = (0..count).map(|step| (self.witness.next % count.max(1) + step) % count);
        let Some(index) = round.into_iter().find(|index| self.can_be_witnessed(*index)) else {
            return;
        };
        let sub = &self.subs[index as usize];
        let Some(follow) = &sub.follow else { return };
        let (Some(book), Some(seq)) = (follow.live(), follow.last()) else { return };
        let past = Past::of(book, seq, follow.form().depth);
        let mut voices = vec![Voice::new(Kind::Rest, index)];
        let key = &sub.subscription.key;
        for (other, sub) in (0..).zip(&self.subs) {
            let live = sub.wanted && sub.is_live() && sub.subscription.key == *key;
            if let (true, Some(Form::Book(form))) = (live, sub.spec.map(|spec| spec.form)) {
                voices.extend(Kind::of(form).map(|kind| Voice::new(kind, other)));
            }
        }
        let path = rest_book::path(key);
        self.get_number += 1;
        let get = self.get_number;
        let until = now + limits::WITNESS_LOOK_NS;
        self.witness.tries = if self.witness.next == index { self.witness.tries } else { 0 };
        self.witness.next = index;
        self.witness.turn = Some(Box::new(Turn { index, get: Some(get), until, past, voices }));
        out.actions.push(Action::Get { id: get, path });
    }

    fn can_be_witnessed(&self, index: u32) -> bool {
        let sub = &self.subs[index as usize];
        let live = sub.follow.as_ref().is_some_and(|f| f.live().is_some() && f.last().is_some());
        self.link.state == LinkState::Up
            && sub.wanted
            && live
            && is_witnessed(sub)
            && !self.witness.spared.contains_key(&index)
    }

    /// Those that have not said anything of use count as that.
    fn end_turn(&mut self) {
        let Some(turn) = self.witness.turn.take() else { return };
        for voice in turn.voices.iter().filter(|voice| !voice.done) {
            self.witness.count(turn.index, voice.kind, |tally| tally.skipped += 1);
            if voice.kind == Kind::Rest {
                self.witness.tries += 1;
            }
        }
        // A book of which REST said nothing of use has the next turn as well, but not for ever.
        if self.witness.tries == 0 || self.witness.tries >= limits::WITNESS_TRIES_MAX {
            (self.witness.next, self.witness.tries) = (turn.index + 1, 0);
        }
    }

    /// A book has changed while one has its turn.
    pub(super) fn witness_row(
        &mut self,
        now: Nanos,
        index: u32,
        (kind, row): (BookKind, &BookRow),
        text: &[u8],
        out: &mut Outbox,
    ) {
        let Some(turn) = &mut self.witness.turn else { return };
        let Some(follow) = &self.subs[index as usize].follow else { return };
        let form = follow.form();
        if index == turn.index {
            let rises = match (kind, follow.live(), follow.last()) {
                (BookKind::Snapshot, Some(book), Some(seq)) => {
                    turn.past = Past::of(book, seq, form.depth);
                    true
                }
                _ => turn.past.push(row),
            };
            if !rises {
                return self.end_turn();
            }
        } else {
            let hears = |voice: &&mut Voice| voice.index == index && !voice.done;
            let Some(voice) = turn.voices.iter_mut().find(hears) else { return };
            voice.hear(Said::of(row, form.depth, text));
        }
        self.weigh(now, out);
    }

    /// The venue has begun the ids of a book anew: for some time those that come may be those of
    /// an older book.
    #[cold]
    pub(super) fn ids_began_anew(&mut self, now: Nanos, index: u32) {
        if self.witnesses() {
            self.witness.spared.insert(index, now + limits::WITNESS_RESET_NS);
        }
    }

    /// An answer; says whether it was to a question of this file.
    pub(super) fn witness_answer(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) -> bool {
        let Some(turn) = &mut self.witness.turn else { return false };
        if turn.get.take_if(|get| *get == id).is_none() {
            return false;
        }
        let read = (status == 200).then(|| rest_book::read(body).ok()).flatten();
        let said = read.and_then(|(_, row)| Said::of(&row, rest_book::LEVELS, body));
        if let Some(voice) = turn.voices.iter_mut().find(|voice| voice.kind == Kind::Rest) {
            voice.hear(said);
        }
        self.weigh(now, out);
        true
    }

    /// Compares what was said with what the book was.
    fn weigh(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(mut turn) = self.witness.turn.take() else { return };
        let index = turn.index;
        let follow = self.subs[index as usize].follow.as_ref();
        if follow.is_none_or(|follow| follow.live().is_none()) {
            // A gap tells of it; what is said of what was before it is of no use.
            turn.voices.iter_mut().for_each(|voice| voice.waiting.clear());
        }
        let mut contradiction = None;
        for voice in turn.voices.iter_mut().filter(|voice| !voice.done) {
            while let Some(said) = voice.waiting.pop_front() {
                match turn.past.compare(&said) {
                    Outcome::Ahead => {
                        voice.waiting.push_front(said);
                        break;
                    }
                    Outcome::Elsewhere => continue,
                    Outcome::Agrees => {
                        self.witness.count(index, voice.kind, |tally| tally.agree += 1);
                        self.witness.strikes.remove(&index);
                    }
                    Outcome::Differs(difference) => {
                        self.witness.count(index, voice.kind, |tally| tally.differ += 1);
                        contradiction.get_or_insert((voice.kind, said, difference));
                    }
                }
                voice.done = true;
                voice.waiting.clear();
                if voice.kind == Kind::Rest {
                    self.witness.tries = 0;
                }
            }
        }
        let answered = turn.get.is_none();
        let over = |voice: &Voice| {
            let silent = voice.kind == Kind::Rest && answered && voice.waiting.is_empty();
            voice.done || silent
        };
        let over = turn.voices.iter().all(over);
        self.witness.turn = Some(turn);
        if let Some((kind, said, difference)) = contradiction {
            let words = format!("{} has {difference}, at seqId {}", kind.as_str(), said.seq);
            self.end_turn();
            self.contradicted(now, index, (words, &said.text), out);
        } else if over {
            self.end_turn();
        }
    }

    /// A witness says otherwise: the book is out of service until it has begun anew.
    fn contradicted(&mut self, now: Nanos, index: u32, fault: (String, &[u8]), out: &mut Outbox) {
        let strikes = self.witness.strikes.entry(index).or_default();
        // Whoever is always contradicted is asked about less and less: each time costs a resync.
        if *strikes > 0 {
            let wait = self.config.witness_ns.saturating_mul(1 << (*strikes).min(20));
            let until = now + wait.min(limits::WITNESS_SPARED_MAX_NS);
            self.witness.spared.insert(index, until);
        }
        *strikes = strikes.saturating_add(1).min(32);
        let place = self.subs[index as usize].place;
        self.emit.fault(now, place, FaultCode::BookDiffers, fault, out);
        if self.lines.arbitrates() {
            self.forget_held(index);
        }
        self.distrust(now, index, (GapCause::Contradicted, Whose::Ours), out);
    }
}

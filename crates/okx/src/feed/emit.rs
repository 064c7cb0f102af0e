//! Numbers and addresses events: the one place that makes a [`Header`].
//!
//! Invariant: `n` rises by one an event, and every index in a header points into `names`.

use super::upcoming::Upcoming;
use crate::channel::{KeyKind, Realm, Unknowns};
use crate::limits::NAMED_MAX;
use crate::sbe;
use crate::stats::FeedStats;
use market_data_model::batch::Other;
use market_data_model::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where an event belongs: channel and instrument, by index in the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) channel: Option<u16>,
    pub(crate) inst: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Emitter {
    feed: FeedId,
    n: u64,
    gaps: u64,
    names: Arc<Names>,
    by_id: FxHashMap<(Realm, Box<str>), u32>,
    pub(crate) stats: FeedStats,
    /// Announced changes of the instruments; follows from what is known of them.
    pub(crate) upcoming: Upcoming,
}

/// What an [`Emitter`] knows, as it is kept in the state of a feed: numbers of events and gaps,
/// channels, instruments, where each instrument is, counters.
pub(crate) type EmitterState =
    (u64, u64, Vec<Arc<str>>, Vec<Arc<Instrument>>, Vec<((Realm, Box<str>), u32)>, FeedStats);

impl Emitter {
    /// As an [`EmitterState`].
    pub(crate) fn state(&self) -> impl Serialize {
        let Emitter { feed: _, n, gaps, names, by_id, stats, upcoming: _ } = self;
        let Names { venue: _, channels, instruments } = &**names;
        let mut ids: Vec<(&(Realm, Box<str>), u32)> =
            by_id.iter().map(|(id, index)| (id, *index)).collect();
        ids.sort_unstable();
        (n, gaps, channels, instruments, ids, stats)
    }

    /// The emitter that was in this state.
    pub(crate) fn restored(
        feed: FeedId,
        (n, gaps, channels, instruments, ids, stats): EmitterState,
    ) -> Result<Emitter, &'static str> {
        if n == u64::MAX || gaps == u64::MAX {
            return Err("its events have used up their numbers");
        }
        if channels.len() > usize::from(u16::MAX) {
            return Err("it has too many channels");
        }
        if ids.iter().any(|(_, index)| *index as usize >= instruments.len()) {
            return Err("it knows where an instrument is that it does not know");
        }
        let names = Arc::new(Names { channels, instruments, ..Emitter::no_names() });
        let by_id: FxHashMap<_, u32> = ids.into_iter().collect();
        let of_ids = by_id.iter().filter(|((realm, _), _)| *realm == KeyKind::InstId.realm());
        let mut upcoming = Upcoming::default();
        of_ids.for_each(|(_, index)| upcoming.note(*index, &names.instruments[*index as usize]));
        Ok(Emitter { feed, n, gaps, names, by_id, stats, upcoming })
    }

    /// Whether there are such names.
    pub(crate) fn has(&self, place: Place) -> bool {
        let Place { channel, inst } = place;
        channel.is_none_or(|channel| usize::from(channel) < self.names.channels.len())
            && inst.is_none_or(|inst| (inst as usize) < self.names.instruments.len())
    }

    fn no_names() -> Names {
        Names { venue: "okx", ..Names::default() }
    }

    pub(crate) fn new(feed: FeedId) -> Emitter {
        let names = Emitter::no_names();
        Emitter {
            feed,
            n: 0,
            gaps: 0,
            names: Arc::new(names),
            by_id: FxHashMap::default(),
            stats: FeedStats::default(),
            upcoming: Upcoming::default(),
        }
    }

    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    pub(crate) fn channel(&mut self, name: &Arc<str>) -> u16 {
        let found = self.names.channels.iter().position(|c| c == name);
        let index = found.unwrap_or_else(|| {
            Arc::make_mut(&mut self.names).channels.push(Arc::clone(name));
            self.names.channels.len() - 1
        });
        index as u16
    }

    /// The index of an instrument, made known if it is new. Ids of different realms (an
    /// index and a spot pair) may share their text, so they are kept apart.
    pub(crate) fn instrument(&mut self, kind: KeyKind, inst_id: &str) -> u32 {
        let key = (kind.realm(), Box::from(inst_id));
        if let Some(index) = self.by_id.get(&key) {
            return *index;
        }
        let index = self.names.instruments.len() as u32;
        let instrument = Arc::new(Instrument::named(inst_id));
        Arc::make_mut(&mut self.names).instruments.push(instrument);
        self.by_id.insert(key, index);
        index
    }

    /// The index of an instrument that a row about many names; `None` when too many are known.
    pub(crate) fn named(&mut self, kind: KeyKind, inst_id: &str) -> Option<u32> {
        let kind = if kind.names_one() { kind } else { KeyKind::InstId };
        let room = self.names.instruments.len() < NAMED_MAX;
        let known = || self.by_id.contains_key(&(kind.realm(), Box::from(inst_id)));
        (room || known()).then(|| self.instrument(kind, inst_id))
    }

    /// The instrument as known now.
    pub(crate) fn known(&self, index: u32) -> &Arc<Instrument> {
        &self.names.instruments[index as usize]
    }

    /// Replaces what is known of an instrument; says where, and whether that changed anything.
    pub(crate) fn learn(&mut self, instrument: &Arc<Instrument>) -> (u32, bool) {
        let index = self.instrument(KeyKind::InstId, &instrument.inst_id);
        let changed = **self.known(index) != **instrument;
        if changed {
            let names = Arc::make_mut(&mut self.names);
            names.instruments[index as usize] = Arc::clone(instrument);
            self.upcoming.note(index, instrument);
        }
        (index, changed)
    }

    /// Notes the kind of an instrument that is known by name only.
    pub(crate) fn learn_type(&mut self, index: u32, inst_type: &InstType) {
        if self.known(index).inst_type.is_none() {
            let names = Arc::make_mut(&mut self.names);
            Arc::make_mut(&mut names.instruments[index as usize]).inst_type =
                Some(inst_type.clone());
        }
    }

    /// Of what was said so far, only `n` events come out, and so many trades do not.
    pub(crate) fn renumbered(&mut self, n: u64, trades: u64) {
        self.stats.records -= self.n.saturating_sub(n);
        self.n = n;
        self.stats.trades = self.stats.trades.saturating_sub(trades);
        self.stats.trades_repeated += trades;
    }

    /// For an event that counts nowhere: it has the number of the one before.
    pub(crate) fn header_beside(&self, now: Nanos, place: Place, ts: Option<Nanos>) -> Header {
        let Place { channel, inst } = place;
        Header { feed: self.feed, n: self.n, channel, inst, ts_event: ts, ts_recv: now }
    }

    pub(crate) fn header(&mut self, now: Nanos, place: Place, ts: Option<Nanos>) -> Header {
        self.n += 1;
        self.stats.records += 1;
        Header {
            feed: self.feed,
            n: self.n,
            channel: place.channel,
            inst: place.inst,
            ts_event: ts,
            ts_recv: now,
        }
    }

    fn other(&mut self, now: Nanos, place: Place, other: Other, out: &mut Outbox) {
        let header = self.header(now, place, None);
        out.events.push_other(header, other);
    }

    pub(crate) fn unknowns(&mut self, unknowns: Unknowns) {
        self.stats.unknown_fields += unknowns.fields;
        self.stats.unknown_values += unknowns.values;
    }

    pub(crate) fn fault(
        &mut self,
        now: Nanos,
        place: Place,
        code: FaultCode,
        (reason, text): (String, &[u8]),
        out: &mut Outbox,
    ) {
        self.stats.faults += 1;
        let cut = &text[..text.len().min(FAULT_TEXT_MAX)];
        let frame = match sbe::is_binary(cut) {
            true => sbe::hexadecimal(&cut[..cut.len().min(FAULT_TEXT_MAX / 2)]),
            false => String::from_utf8_lossy(cut).into_owned(),
        };
        self.other(now, place, Other::Fault(Fault { code, reason, frame }), out);
    }

    pub(crate) fn session(&mut self, now: Nanos, session: Session, out: &mut Outbox) {
        self.other(now, Place::default(), Other::Session(session), out);
    }

    pub(crate) fn news(
        &mut self,
        now: Nanos,
        place: Place,
        (step, code, reason): (SubscriptionStep, &str, &str),
        out: &mut Outbox,
    ) {
        let news = SubscriptionNews { step, code: code.into(), reason: reason.into() };
        self.other(now, place, Other::Subscription(news), out);
    }

    pub(crate) fn changed_instrument(
        &mut self,
        now: Nanos,
        channel: Option<u16>,
        instrument: &Arc<Instrument>,
        out: &mut Outbox,
    ) {
        let (inst, _) = self.learn(instrument);
        self.stats.instruments += 1;
        let place = Place { channel, inst: Some(inst) };
        self.other(now, place, Other::Instrument(Arc::clone(instrument)), out);
    }

    /// A change that was announced has taken effect at `since`; the venue need not say so again.
    pub(crate) fn came_into_force(
        &mut self,
        now: Nanos,
        (channel, since): (u16, Nanos),
        instrument: &Arc<Instrument>,
        out: &mut Outbox,
    ) {
        let (inst, _) = self.learn(instrument);
        self.stats.instruments += 1;
        let place = Place { channel: Some(channel), inst: Some(inst) };
        let header = self.header(now, place, Some(since));
        out.events.push_other(header, Other::Instrument(Arc::clone(instrument)));
    }

    pub(crate) fn raw(&mut self, now: Nanos, place: Place, row: &str, out: &mut Outbox) {
        self.stats.raws += 1;
        self.other(now, place, Other::Raw(Raw { row: row.into() }), out);
    }

    /// Opens a gap and gives it back, numbered, to be closed later.
    pub(crate) fn open_gap(
        &mut self,
        now: Nanos,
        place: Place,
        mut gap: Gap,
        out: &mut Outbox,
    ) -> Gap {
        self.gaps += 1;
        self.stats.gaps_opened += 1;
        gap.id = self.gaps;
        self.other(now, place, Other::Gap(gap.clone()), out);
        gap
    }

    pub(crate) fn close_gap(
        &mut self,
        now: Nanos,
        place: Place,
        gap: Gap,
        (to_id, lost, healed): (Option<i64>, Option<u64>, Option<Healed>),
        out: &mut Outbox,
    ) {
        self.stats.trades_lost += lost.unwrap_or(0);
        self.close_gap_of_bars(now, place, gap, (to_id, lost, healed), out);
    }

    /// The same where `lost` counts bars.
    pub(crate) fn close_gap_of_bars(
        &mut self,
        now: Nanos,
        place: Place,
        gap: Gap,
        (to_id, lost, healed): (Option<i64>, Option<u64>, Option<Healed>),
        out: &mut Outbox,
    ) {
        self.stats.gaps_closed += 1;
        let closed = Gap { closed: true, to_id, to: Some(now), lost, healed, ..gap };
        self.other(now, place, Other::Gap(closed), out);
    }
}

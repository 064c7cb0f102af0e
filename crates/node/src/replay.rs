//! Makes the recorded feeds again and gives them what they were given.
//!
//! `market-data replay` and `verify` run tapes with [`play`]; what comes out is what came out then.
//! With `check`, sums over events and actions are compared with those that the recorder left on
//! the tape.
//!
//! Invariants: a feed sees all of its inputs in order, whatever the reader cares about; where the
//! tape misses something the feed runs on, and what comes out is marked as unverifiable.
//!
//! Start at [`play`]; it hands each record to `Replay::take`.

mod anchors;
#[cfg(test)]
mod anchors_tests;
pub(crate) mod copy;
mod crew;
mod listed;
mod pace;
mod past;
mod play;
pub(crate) mod run;

pub use anchors::AnchorDifference;
pub use listed::listed;
pub use pace::{Pace, Speed};
pub use past::{Past, past};
use play::Begin;
pub(crate) use play::seek;
pub use play::{Place, PlayEnd, PlayError, PlayOptions, Played, Progress, play};
pub use run::{ReplayEnd, ReplaySettings};

use crate::live::cut::{cut, is_replaced};
use crate::recorder::feed_config;
use anchors::Anchors;
use market_data_model::Subscription;
use market_data_model::{
    Action, Batch, Command, Events, Feed as _, FeedId, Input, LineNews, Names, Nanos, Outbox,
};
use market_data_okx::{OkxFeed, WitnessStatus};
use market_data_tape::record::{ALL_FEEDS, Outputs};
use market_data_tape::{Anchor, Damage, DecodeError, Entry, FeedStart, FeedState, Lost};
use market_data_tape::{FeedConfig, Form, decode_config};
use market_data_tape::{OutputDigest, Record};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const DAY_NS: u64 = 86_400_000_000_000;

/// What a replay does besides running the feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Compare with the sums on the tape.
    pub check: bool,
    /// Run beside each feed one that emits every verified change of every book.
    pub witness: bool,
    /// What the feeds say of books; `None` = what they said when they were recorded. Otherwise
    /// there are other events than then, and nothing to compare.
    pub books: Option<BookOutput>,
    /// Tell each verified change of incremental books beside, with the `n` of the event before,
    /// as the server gets them; no sum covers them, so not together with `check`.
    pub beside: bool,
}

/// What a feed says of the books of incremental channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOutput {
    /// Every verified change.
    pub deltas: bool,
    /// After each change the best levels, so many a side; 0 = not.
    pub view_depth: u16,
}

/// The first interval of a feed that came out otherwise than it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Time of the first input of the interval.
    pub from: Nanos,
    /// Time of its last input.
    pub to: Nanos,
    /// What came out then.
    pub recorded: Outputs,
    /// What comes out now.
    pub replayed: Outputs,
}

/// How often the venue's REST side agreed with a book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorCount {
    /// Answers on the tape.
    pub all: u64,
    /// Of these, those that show the book as it was.
    pub agree: u64,
    /// Those that show another one.
    pub differ: u64,
    /// The first of those.
    pub difference: Option<AnchorDifference>,
}

impl AnchorCount {
    /// Answers that could not be compared: the book was never met at their id, they have none, or
    /// they are no book.
    pub fn not_comparable(&self) -> u64 {
        self.all - self.agree - self.differ
    }

    /// Adds those of another feed.
    pub fn add(&mut self, other: &AnchorCount) {
        self.all += other.all;
        self.agree += other.agree;
        self.differ += other.differ;
        if self.difference.is_none() {
            self.difference.clone_from(&other.difference);
        }
    }
}

/// One feed's life on the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedLife {
    /// Its number; a later recorder counts from 1 again.
    pub feed: FeedId,
    /// Where it connected.
    pub url: String,
    /// What it subscribed to at its start.
    pub subscriptions: Vec<Subscription>,
    /// Time of its first record.
    pub from: Nanos,
    /// Time of its last input.
    pub to: Nanos,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Inputs given to it.
    pub inputs: u64,
    /// Of these, frames.
    pub frames: u64,
    /// Events that came out.
    pub events: u64,
    /// Inputs that sums on the tape cover, and that came out the same.
    pub checked: u64,
    /// Intervals that came out otherwise.
    pub differing: u64,
    /// The first of them.
    pub difference: Option<Difference>,
    /// Why what came out cannot be compared from some time on.
    pub unverifiable: Option<(Nanos, String)>,
    /// From when on it can be compared again, because its state is on the tape there.
    pub verifiable_again: Option<Nanos>,
    /// States on the tape that are the feed's state at that place.
    pub states_checked: u64,
    /// Time of the first state on the tape that is another.
    pub state_differs: Option<Nanos>,
    /// What it said when it failed by a mistake of ours, now as then.
    pub failed: Option<String>,
    /// By channel and instrument, answers of the REST side about its books; compared only beside a
    /// witness.
    pub anchors: BTreeMap<(String, String), AnchorCount>,
    /// By day (counted from 1970, UTC), what witnesses of the feed's own books had said by its end,
    /// since the feed was made; days on which nothing came are left out.
    pub witnesses: BTreeMap<u64, Vec<WitnessStatus>>,
}

impl FeedLife {
    /// Whether anything came out otherwise than it was recorded.
    pub fn differs(&self) -> bool {
        self.difference.is_some() || self.state_differs.is_some()
    }
}

/// What one input did.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Whether the feed has been told to stop.
    pub stopped: bool,
    /// Whether what comes out of it proves something: nothing before it is missing.
    pub verifiable: bool,
    /// How long the frame was, if the input was one, in bytes.
    pub frame_bytes: Option<u64>,
    /// Events that came out.
    pub events: Events<'a>,
    /// Actions that came out.
    pub actions: &'a [Action],
    /// Events of the witness; none without one.
    pub witness: Events<'a>,
}

/// Something a replay meets.
#[derive(Debug)]
pub enum Met<'a> {
    /// A feed was made. All of those before it had stopped since then, if there is a time.
    Started(&'a FeedLife, Option<Nanos>),
    /// A feed handled an input.
    Step(Step<'a>),
    /// The recorder says that records of a feed ([`ALL_FEEDS`]: of any) are lost, and which of the
    /// running feeds that concerns.
    Lost(FeedId, Lost, Vec<FeedId>),
    /// A remark.
    Note(&'a str),
    /// Nothing to tell: a sum, or an input of a feed whose start is nowhere.
    Nothing,
}

/// A feed that is entered in the middle.
struct Entered {
    /// Number and time of the record with its state.
    ordinal: u64,
    ts: Nanos,
    config: FeedConfig,
    state: OkxFeed,
}

struct Playing {
    feed: OkxFeed,
    witness: Option<OkxFeed>,
    anchors: Anchors,
    /// What the feed says of books, if it is not what it said then.
    books: Option<BookOutput>,
    /// See [`ReplayOptions::beside`].
    beside: bool,
    /// One of each form, until a sum on the tape says which one it needs.
    digests: Vec<OutputDigest>,
    /// Time of the first input since the last sum.
    since: Option<Nanos>,
    /// Nothing before is missing.
    trusted: bool,
    /// Records of it with lower numbers are in its state already.
    entered: u64,
    life: FeedLife,
    /// What came out: of the last input, or of all since the last [`Replay::gathered`].
    out: Outbox,
    witness_out: Batch,
    /// Where that is put in the end.
    slot: Option<usize>,
}

/// What a record did; what came out is beside.
enum Did {
    Started(FeedId, Option<Nanos>),
    Step(FeedId, Ran),
    Lost(Lost, Vec<FeedId>),
    Note,
    Nothing,
}

/// What an input did, and where what came out lies.
#[derive(Clone, Debug)]
struct Ran {
    slot: usize,
    events: Range<usize>,
    actions: Range<usize>,
    witness: Range<usize>,
    stopped: bool,
    over: bool,
    verifiable: bool,
    frame_bytes: Option<u64>,
}

impl Ran {
    fn step<'a>(&self, out: &'a Outbox, witness: &'a Batch) -> Step<'a> {
        Step {
            stopped: self.stopped,
            verifiable: self.verifiable,
            frame_bytes: self.frame_bytes,
            events: out.events.events(self.events.clone()),
            actions: &out.actions[self.actions.clone()],
            witness: witness.events(self.witness.clone()),
        }
    }
}

/// What came out of one feed, and of its witness.
type Said = (Outbox, Batch);

/// Feeds being run again: a record in, what came out of it back.
pub(crate) struct Replay {
    options: ReplayOptions,
    playing: BTreeMap<FeedId, Playing>,
    ended: Vec<FeedLife>,
    /// What comes out is kept until [`Replay::gathered`] takes it.
    gathers: bool,
    said: Vec<Said>,
    /// Used ones, with their memory.
    spare: Vec<Said>,
    orphans: u64,
    /// Number of the last record.
    last: u64,
    /// Before this time only the feeds that were entered are run.
    from: Option<Nanos>,
    /// Where those of them are made that have no state before.
    starts: BTreeMap<FeedId, u64>,
}

impl Replay {
    /// A replay that has met nothing.
    pub(crate) fn new(options: ReplayOptions) -> Replay {
        Replay {
            options,
            playing: BTreeMap::new(),
            ended: Vec::new(),
            gathers: false,
            said: Vec::new(),
            spare: Vec::new(),
            orphans: 0,
            last: 0,
            from: None,
            starts: BTreeMap::new(),
        }
    }

    /// Puts the feeds where they are entered; those that nobody entered begin at `from`.
    pub(crate) fn enter(&mut self, begin: Begin) {
        (self.from, self.starts) = (begin.from, begin.starts);
        for (feed, Entered { ordinal, ts, config, state }) in begin.entered {
            let mut playing = Playing::new(feed, config, ts, &self.options);
            playing.entered = ordinal + 1;
            playing.adopt(state, self.options.witness);
            self.playing.insert(feed, playing);
        }
    }

    /// Whether the record is of no use to anybody who was entered.
    fn is_passed(&self, record: &Record<'_>) -> bool {
        match self.playing.get(&record.feed) {
            Some(playing) => record.ordinal < playing.entered,
            None => {
                record.feed != ALL_FEEDS
                    && self.starts.get(&record.feed).is_none_or(|start| *start > record.ordinal)
                    && self.from.is_some_and(|from| record.ts < from)
            }
        }
    }

    /// Takes the next record.
    ///
    /// Fails when the record cannot be read although its sums hold; its feed is unverifiable from
    /// there.
    pub(crate) fn take<'a>(&'a mut self, record: &Record<'a>) -> Result<Met<'a>, DecodeError> {
        let did = self.run(record)?;
        let known = |feed| self.playing.get(&feed).expect("the record was this feed's");
        Ok(match did {
            Did::Started(feed, since) => Met::Started(&known(feed).life, since),
            Did::Step(feed, ran) => {
                let playing = known(feed);
                Met::Step(ran.step(&playing.out, &playing.witness_out))
            }
            Did::Lost(lost, feeds) => Met::Lost(record.feed, lost, feeds),
            Did::Note => note(record),
            Did::Nothing => Met::Nothing,
        })
    }

    fn run(&mut self, record: &Record<'_>) -> Result<Did, DecodeError> {
        self.last = record.ordinal;
        if self.is_passed(record) {
            return Ok(Did::Nothing);
        }
        let entry = match record.entry() {
            Ok(entry) => entry,
            Err(error) => {
                self.mistrust(record, record.ts, "a record of it cannot be read");
                return Err(error);
            }
        };
        match entry {
            Entry::FeedStart(start) => self.start(record, &start),
            Entry::Input(input) => Ok(self.input(record, input)),
            Entry::Outputs(outputs) => {
                if let Some(playing) = self.playing.get_mut(&record.feed) {
                    playing.compare(outputs, record.ts, self.options.check);
                }
                Ok(Did::Nothing)
            }
            Entry::Lost(lost) => {
                let feeds = self.mistrust(record, lost.from, &lost.why);
                Ok(Did::Lost(lost, feeds))
            }
            Entry::Note(_) => Ok(Did::Note),
            Entry::State(state) => Ok(self.state(record, &state)),
            Entry::Anchor(anchor) => {
                if let Some(playing) = self.playing.get_mut(&record.feed) {
                    playing.anchor(record.ts, &anchor);
                }
                Ok(Did::Nothing)
            }
            Entry::Other { .. } => Ok(Did::Nothing),
        }
    }

    /// Takes the news that the tape is damaged here.
    pub(crate) fn damaged(&mut self, damage: &Damage) {
        if damage.records_lost != Some(0) {
            let last = self.last;
            let concerned = |p: &&mut Playing| p.entered <= last && !p.is_over();
            for playing in self.playing.values_mut().filter(concerned) {
                playing.mistrust(playing.life.to, "the tape is damaged");
            }
        }
    }

    /// A feed that runs at the moment.
    #[cfg(feature = "sim")]
    pub(crate) fn feed(&self, feed: FeedId) -> Option<&OkxFeed> {
        let playing = self.playing.get(&feed)?;
        playing.life.failed.is_none().then_some(&playing.feed)
    }

    /// Every feed met last under its number, those that were stopped included.
    pub(crate) fn every_feed(&self) -> impl Iterator<Item = &OkxFeed> {
        let ours = self.playing.values().filter(|playing| playing.life.failed.is_none());
        ours.map(|playing| &playing.feed)
    }

    /// Every feed that runs at the moment.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = (FeedId, &OkxFeed)> {
        let running = self.playing.iter().filter(|(_, playing)| !playing.is_over());
        running.map(|(feed, playing)| (*feed, &playing.feed))
    }

    /// Every feed met.
    fn finish(self) -> Vec<FeedLife> {
        let mut lives = self.ended;
        lives.extend(self.playing.into_values().map(Playing::into_life));
        lives
    }

    /// Inputs of feeds whose start is nowhere on the tape.
    fn orphans(&self) -> u64 {
        self.orphans
    }

    /// Takes back what was read, for its memory.
    fn reuse(&mut self, said: impl Iterator<Item = Said>) {
        let room = self.playing.len().saturating_sub(self.spare.len());
        self.spare.extend(said.take(room).map(|(mut out, mut witness)| {
            out.clear();
            witness.clear();
            (out, witness)
        }));
    }

    /// What came out since the last time, by [`Ran::slot`].
    fn gathered(&mut self) -> Vec<Said> {
        let mut said = std::mem::take(&mut self.said);
        for playing in self.playing.values_mut() {
            let Some(slot) = playing.slot.take() else { continue };
            let (out, witness_out) = self.spare.pop().unwrap_or_default();
            let out = std::mem::replace(&mut playing.out, out);
            said[slot] = (out, std::mem::replace(&mut playing.witness_out, witness_out));
        }
        said
    }

    fn start(&mut self, record: &Record<'_>, start: &FeedStart<'_>) -> Result<Did, DecodeError> {
        let feed = record.feed;
        if start.again && self.playing.contains_key(&feed) {
            return Ok(Did::Nothing);
        }
        let config = match decode_config(start.config) {
            Ok(config) => config,
            Err(error) => {
                self.end(feed);
                return Err(error);
            }
        };
        // If all of them are over, the recorder was stopped and started.
        let paused = self.playing.values().all(Playing::is_over);
        let since = self.playing.values().map(|playing| playing.life.to).max();
        self.end(feed);
        let mut playing = Playing::new(feed, config, record.ts, &self.options);
        if start.again {
            playing.join_in(record.ts);
        }
        self.playing.insert(feed, playing);
        Ok(Did::Started(feed, since.filter(|_| paused)))
    }

    /// The feed is followed by another of its number.
    fn end(&mut self, feed: FeedId) {
        let Some(mut playing) = self.playing.remove(&feed) else { return };
        if let Some(slot) = playing.slot {
            let Playing { out, witness_out, .. } = &mut playing;
            self.said[slot] = (std::mem::take(out), std::mem::take(witness_out));
        }
        self.ended.push(playing.into_life());
    }

    /// The state of a feed is on the tape: compares it, or takes it where the feed's own cannot be
    /// trusted.
    fn state(&mut self, record: &Record<'_>, state: &FeedState<'_>) -> Did {
        let feed = record.feed;
        let trusted = self.playing.get(&feed).is_some_and(|playing| playing.trusted);
        let options = self.options;
        let changed = options.witness || options.books.is_some();
        if trusted && !(options.check || changed) {
            return Did::Nothing;
        }
        if let Some(playing) = self.playing.get_mut(&feed) {
            playing.sum_anew();
        }
        // A state of another version is stepped over.
        let Ok((config, restored)) = restored(feed, state) else { return Did::Nothing };
        let known = self.playing.contains_key(&feed);
        let playing = self
            .playing
            .entry(feed)
            .or_insert_with(|| Playing::new(feed, config, record.ts, &options));
        if trusted {
            if options.check && options.books.is_none() {
                playing.compare_state(state.state, record.ts);
            }
            playing.renew(restored, options.witness);
        } else {
            playing.adopt(restored, options.witness);
            playing.life.verifiable_again = Some(record.ts);
        }
        if known { Did::Nothing } else { Did::Started(feed, None) }
    }

    fn input(&mut self, record: &Record<'_>, input: Input<'_>) -> Did {
        let Some(playing) = self.playing.get_mut(&record.feed) else {
            self.orphans += 1;
            return Did::Nothing;
        };
        if !self.gathers {
            playing.out.clear();
            playing.witness_out.clear();
        }
        let ran = playing.give(record.ts, input, &mut self.said);
        if self.options.check && playing.trusted {
            for digest in &mut playing.digests {
                digest.add_inputs(1);
                digest.add_events(playing.out.events.events(ran.events.clone()));
                digest.add_actions(&playing.out.actions[ran.actions.clone()]);
            }
        }
        Did::Step(record.feed, ran)
    }

    /// From here on what comes out proves nothing; says of which feeds.
    fn mistrust(&mut self, record: &Record<'_>, at: Nanos, why: &str) -> Vec<FeedId> {
        let mut feeds = Vec::new();
        for (id, playing) in &mut self.playing {
            let concerned = record.feed == ALL_FEEDS || *id == record.feed;
            let behind = playing.entered <= record.ordinal;
            if concerned && behind && !playing.is_over() {
                playing.mistrust(at, why);
                feeds.push(*id);
            }
        }
        feeds
    }
}

fn note<'a>(record: &Record<'a>) -> Met<'a> {
    match record.entry() {
        Ok(Entry::Note(text)) => Met::Note(text),
        _ => Met::Nothing,
    }
}

/// The same feed, emitting every verified change of every book and no views.
fn as_witness(mut feed: OkxFeed) -> OkxFeed {
    feed.emit_books(true, 0);
    feed
}

/// The feed in a state that is on the tape, and how it was made.
fn restored(feed: FeedId, state: &FeedState<'_>) -> Result<(FeedConfig, OkxFeed), DecodeError> {
    let config = decode_config(state.config)?;
    OkxFeed::restore(feed_config(feed, config.clone()), state.state)
        .map(|restored| (config, restored))
        .map_err(|_| DecodeError::Value { what: "state of a feed", value: 0 })
}

/// A digest of each form.
fn digests() -> Vec<OutputDigest> {
    [Form::Exact, Form::Json].map(OutputDigest::of).into()
}

impl Playing {
    fn new(feed: FeedId, config: FeedConfig, at: Nanos, options: &ReplayOptions) -> Playing {
        let life = FeedLife {
            feed,
            url: config.url.clone(),
            subscriptions: config.subscriptions.clone(),
            from: at,
            to: at,
            stopped: false,
            inputs: 0,
            frames: 0,
            events: 0,
            checked: 0,
            differing: 0,
            difference: None,
            unverifiable: None,
            verifiable_again: None,
            states_checked: 0,
            state_differs: None,
            failed: None,
            anchors: BTreeMap::new(),
            witnesses: BTreeMap::new(),
        };
        let config = feed_config(feed, config);
        let witness = options.witness.then(|| as_witness(OkxFeed::new(config.clone())));
        let mut playing = Playing {
            feed: OkxFeed::new(config),
            witness,
            anchors: Anchors::default(),
            books: options.books,
            beside: options.beside,
            digests: digests(),
            since: None,
            trusted: true,
            entered: 0,
            life,
            out: Outbox::default(),
            witness_out: Batch::default(),
            slot: None,
        };
        playing.choose_books();
        playing
    }

    fn choose_books(&mut self) {
        if let Some(BookOutput { deltas, view_depth }) = self.books {
            self.feed.emit_books(deltas, view_depth);
        }
        if self.beside {
            self.feed.emit_changes_beside();
        }
    }

    /// Goes on from a state on the tape.
    fn adopt(&mut self, state: OkxFeed, witness: bool) {
        self.life.stopped = state.is_stopping();
        self.feed = state.clone();
        self.choose_books();
        (self.digests, self.since, self.trusted) = (digests(), None, true);
        self.witness = witness.then(|| as_witness(state));
    }

    /// Feeds that say something else than was recorded number their events on their own, so they
    /// begin anew at each state: what they say does not depend on where a replay began.
    fn renew(&mut self, state: OkxFeed, witness: bool) {
        if self.books.is_some() {
            self.feed = state.clone();
            self.choose_books();
        }
        self.witness = witness.then(|| as_witness(state));
    }

    /// The recorder's sums begin anew behind each state; where it did not sum up before, nothing is
    /// compared.
    fn sum_anew(&mut self) {
        (self.digests, self.since) = (digests(), None);
    }

    fn compare_state(&mut self, recorded: &[u8], at: Nanos) {
        let mut ours = Vec::new();
        self.feed.checkpoint(&mut ours);
        if ours == recorded {
            self.life.states_checked += 1;
        } else {
            self.life.state_differs.get_or_insert(at);
        }
    }

    fn mistrust(&mut self, at: Nanos, why: &str) {
        self.trusted = false;
        self.life.unverifiable.get_or_insert_with(|| (at, why.to_owned()));
    }

    /// The feed's beginning is not on this tape: an open connection is assumed.
    fn join_in(&mut self, at: Nanos) {
        for input in [Input::Start, Input::Opened] {
            for feed in [Some(&mut self.feed), self.witness.as_mut()].into_iter().flatten() {
                feed.handle(at, input.clone(), &mut Outbox::default());
            }
        }
        self.mistrust(at, "its beginning is not on this tape");
    }

    /// Told to stop, or failed.
    fn is_over(&self) -> bool {
        self.life.stopped || self.life.failed.is_some()
    }

    /// Gives the feed an input; what comes out is behind what came out before.
    fn give(&mut self, at: Nanos, input: Input<'_>, said: &mut Vec<Said>) -> Ran {
        let frame_bytes = match &input {
            Input::Frame(bytes) | Input::Line { news: LineNews::Frame(bytes), .. } => {
                Some(bytes.len() as u64)
            }
            _ => None,
        };
        self.life.inputs += 1;
        self.life.frames += u64::from(frame_bytes.is_some());
        self.life.stopped |= matches!(input, Input::Command(Command::Stop));
        if self.life.to.0 / DAY_NS != at.0 / DAY_NS {
            self.end_day();
        }
        self.life.to = at;
        self.since.get_or_insert(at);
        let mut lens = self.lens();
        if self.life.failed.is_none() {
            let before = (lens != [0; 3]).then(|| self.names().map(Arc::clone));
            self.handle(at, input);
            if let Some(before) = before
                && before.iter().zip(self.names()).any(|(old, new)| is_replaced(old, new))
            {
                self.roll(lens, &before, said);
                lens = [0; 3];
            }
        }
        let [events, actions, witness] = lens;
        let ends = self.lens();
        let seen = self.witness_out.events(witness..ends[2]);
        self.anchors.follow(seen, self.trusted, &mut self.life.anchors);
        self.life.events += (ends[0] - events) as u64;
        let slot = *self.slot.get_or_insert_with(|| {
            said.push(Said::default());
            said.len() - 1
        });
        Ran {
            slot,
            events: events..ends[0],
            actions: actions..ends[1],
            witness: witness..ends[2],
            stopped: self.life.stopped,
            over: self.is_over(),
            verifiable: self.trusted,
            frame_bytes,
        }
    }

    /// Notes what the witnesses have said so far.
    fn end_day(&mut self) {
        let said = self.feed.status().witnesses;
        if self.life.inputs > 0 && !said.is_empty() {
            self.life.witnesses.insert(self.life.to.0 / DAY_NS, said);
        }
    }

    fn into_life(mut self) -> FeedLife {
        self.end_day();
        self.life
    }

    fn names(&self) -> [&Arc<Names>; 2] {
        [self.out.events.names(), self.witness_out.names()]
    }

    /// How many events, actions, and events of the witness have gathered.
    fn lens(&self) -> [usize; 3] {
        [self.out.events.len(), self.out.actions.len(), self.witness_out.len()]
    }

    /// An instrument was replaced: what came out before the last input keeps the names of its time.
    fn roll(&mut self, lens: [usize; 3], names: &[Arc<Names>; 2], said: &mut Vec<Said>) {
        let [events, actions, witness] = lens;
        let first = Outbox {
            events: cut(&mut self.out.events, events, &names[0]),
            actions: self.out.actions.drain(..actions).collect(),
        };
        let first = (first, cut(&mut self.witness_out, witness, &names[1]));
        match self.slot.take() {
            Some(slot) => said[slot] = first,
            None => said.push(first),
        }
    }

    fn handle(&mut self, at: Nanos, input: Input<'_>) {
        let (feed, witness, out) = (&mut self.feed, &mut self.witness, &mut self.out);
        let mut seen =
            Outbox { events: std::mem::take(&mut self.witness_out), actions: Vec::new() };
        let handled = catch_unwind(AssertUnwindSafe(|| {
            if let Some(witness) = witness {
                witness.handle(at, input.clone(), &mut seen);
            }
            feed.handle(at, input, out);
        }));
        self.witness_out = seen.events;
        if let Err(panic) = handled {
            let why = crate::live::words(&*panic);
            self.life.failed = Some(why.clone());
            self.mistrust(at, &format!("a mistake of ours: {why}"));
        }
    }

    /// The venue's REST side said something about a book.
    fn anchor(&mut self, at: Nanos, anchor: &Anchor<'_>) {
        let (Some(witness), life) = (&self.witness, &mut self.life) else { return };
        let witness = self.trusted.then_some(witness);
        self.anchors.take(at, anchor, (&life.subscriptions, witness), &mut life.anchors);
    }

    fn compare(&mut self, recorded: Outputs, at: Nanos, check: bool) {
        let from = self.since.take().unwrap_or(at);
        if !check || !self.trusted {
            return;
        }
        self.digests.retain(|digest| digest.form() == recorded.form);
        // A feed whose digests change their form is not compared from there on.
        let Some(digest) = self.digests.first_mut() else { return };
        let replayed = digest.take();
        if recorded == replayed {
            self.life.checked += recorded.inputs;
            return;
        }
        self.life.differing += 1;
        let difference = Difference { from, to: at, recorded, replayed };
        self.life.difference.get_or_insert(difference);
    }
}

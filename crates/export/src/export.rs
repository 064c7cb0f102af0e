//! The front door: every event of a tape, in order, into the files of one format.
//!
//! Keeps the window of time and the wishes, knows which instrument and channel an event belongs
//! to (a *lane*), keeps each instrument's book, and hands what is wanted to the format.
//!
//! Invariants: events before the window build the books and nothing else; a day's files are ended
//! once nothing of that day can be expected, and what comes later all the same is counted and
//! listed as lost, never silently dropped.
//!
//! Start at [`Export::event`].

use crate::aside::{self, GAPS, Gaps};
use crate::derivative::index_price;
use crate::desk::{Desk, When};
use crate::error::ExportError;
use crate::folder::{Folder, Made};
use crate::mirror::{Change, Step};
use crate::name::Day;
use crate::npz::Arrays;
use crate::options::{Format, Kind, Offer, Options};
use crate::plain::{Lines, Tables};
use crate::tardis::Csvs;
use market_data_model::figures::Figures;
use market_data_model::time::SECOND;
use market_data_model::{Body, BookChange, BookKind, EventRef, FeedId, Instrument, Level, Nanos};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use crate::aside::Loss;

/// Feeds stamp their own frames, so the tape is not in the order of time to the instant. This is
/// how long after midnight the files of the day before are still open.
const LATE_NS: u64 = 60 * SECOND;

/// Says of a channel and an instrument whether they are wanted.
pub type Wanted = Box<dyn Fn(&str, &str) -> bool>;

struct Lane {
    channel: Box<str>,
    inst_id: Box<str>,
    wanted: bool,
    /// Index into the desks.
    desk: usize,
    /// Events that another channel of the instrument said better.
    spare: u64,
}

enum Files {
    Tardis(Csvs),
    Npz(Arrays),
    Tables(Tables),
    Lines(Lines),
}

/// What an export did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The files, those that say what is missing first.
    pub files: Vec<Made>,
    /// Ends of gaps and losses in `gaps.csv`.
    pub gaps: u64,
    /// Channels that have no room in the format, because another one of the same instrument says
    /// the same or the format knows nothing of the kind: channel, instrument, events left out.
    pub spare: Vec<(String, String, u64)>,
}

/// See the file's first comment.
pub struct Export {
    options: Options,
    wanted: Wanted,
    folder: Folder,
    files: Files,
    gaps: Gaps,
    gap_rows: u64,
    lanes: Vec<Lane>,
    by_name: BTreeMap<(Box<str>, Box<str>), usize>,
    by_number: HashMap<(FeedId, Option<u16>, Option<u32>), usize>,
    desks: Vec<Desk>,
    by_inst: BTreeMap<Box<str>, usize>,
    /// Derivatives by the id of their index.
    by_index: BTreeMap<Box<str>, Vec<usize>>,
    /// Days before this one are ended.
    open_from: Day,
    inside: bool,
    late: u64,
    last: Nanos,
}

impl Export {
    /// Begins to fill a directory, which must be empty or not there.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn create(dir: &Path, options: Options, wanted: Wanted) -> Result<Export, ExportError> {
        let mut folder = Folder::create(dir, options.force, options.memory)?;
        let gaps = Gaps::new(&mut folder);
        let files = match options.format {
            Format::TardisCsv => Files::Tardis(Csvs::new(options.types)),
            Format::HftBacktest => Files::Npz(Arrays::default()),
            Format::Csv => Files::Tables(Tables::new(options.gzip)),
            Format::Ndjson => Files::Lines(Lines::new(options.gzip)),
        };
        Ok(Export {
            options,
            wanted,
            folder,
            files,
            gaps,
            gap_rows: 0,
            lanes: Vec::new(),
            by_name: BTreeMap::new(),
            by_number: HashMap::new(),
            desks: Vec::new(),
            by_inst: BTreeMap::new(),
            by_index: BTreeMap::new(),
            open_from: Day(0),
            inside: false,
            late: 0,
            last: Nanos(0),
        })
    }

    /// Once this is set, long work ends with [`ExportError::Interrupted`].
    pub fn set_stop(&mut self, stop: Arc<AtomicBool>) {
        self.folder.set_stop(stop);
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.folder.written()
    }

    /// A feed will carry this channel of this instrument.
    pub fn offer(&mut self, offer: &Offer<'_>) {
        let lane = self.lane_named(offer.channel, offer.inst_id);
        if self.lanes[lane].wanted {
            let desk = self.lanes[lane].desk;
            self.desks[desk].offer(offer.kind, lane, offer.rank);
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn event(&mut self, event: &EventRef<'_>) -> Result<(), ExportError> {
        let lane = self.lane(event);
        let at = event.header.ts_recv;
        self.pass(at)?;
        if let Some(instrument) = event.instrument() {
            let desk = self.lanes[lane].desk;
            self.describe(desk, instrument);
        }
        if !self.lanes[lane].wanted {
            return Ok(());
        }
        let inside = self.options.from.is_none_or(|from| at >= from)
            && self.options.to.is_none_or(|to| at < to);
        if inside && Day::of(at) < self.open_from {
            self.late += 1;
            return Ok(());
        }
        if let Body::Gap(gap) = event.body {
            if inside {
                self.gap_rows += 1;
                self.gaps.gap(&mut self.folder, event, gap)?;
            } else if !self.inside {
                self.gaps.before(event, gap);
            }
        }
        match &mut self.files {
            Files::Tables(tables) if inside => {
                tables.event(&mut self.folder, self.lanes[lane].desk, event)
            }
            Files::Lines(lines) if inside => lines.event(&mut self.folder, event),
            Files::Tables(_) | Files::Lines(_) => Ok(()),
            Files::Tardis(_) | Files::Npz(_) => self.desk_event(lane, event, inside),
        }
    }

    /// Lists something missing that no feed knows of.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn lost(&mut self, loss: &Loss<'_>) -> Result<(), ExportError> {
        let before = loss.to.is_some_and(|to| self.options.from.is_some_and(|from| to <= from));
        let after = loss.from.is_some_and(|from| self.options.to.is_some_and(|to| from >= to));
        if before || after {
            return Ok(());
        }
        self.gap_rows += 1;
        self.gaps.loss(&mut self.folder, loss)
    }

    /// Ends every file and gives it its name.
    ///
    /// # Errors
    /// [`ExportError`]; then there are no files, or those that have their names are whole.
    pub fn finish(mut self) -> Result<Report, ExportError> {
        self.close(Day(u64::MAX))?;
        if self.late > 0 {
            let detail = "records of a day whose files were ended a minute after midnight";
            let loss = Loss {
                event: "late",
                venue: "",
                feed: None,
                at: self.last,
                from: None,
                to: None,
                lost: Some(self.late),
                detail,
            };
            self.lost(&loss)?;
        }
        if !self.inside {
            self.gap_rows += self.gaps.begin(&mut self.folder)?;
        }
        aside::instruments(&mut self.folder, &self.desks)?;
        self.gaps.close(&mut self.folder)?;
        let files = self.folder.finish(&[GAPS])?;
        let spare = self.lanes.into_iter().filter(|lane| lane.spare > 0);
        let spare = spare.map(|l| (l.channel.into(), l.inst_id.into(), l.spare)).collect();
        Ok(Report { files, gaps: self.gap_rows, spare })
    }

    fn describe(&mut self, number: usize, instrument: &Arc<Instrument>) {
        let desk = &mut self.desks[number];
        if !desk.describe(instrument) || !desk.is_derivative() || instrument.uly.is_empty() {
            return;
        }
        let desks = self.by_index.entry(instrument.uly.clone()).or_default();
        if !desks.contains(&number) {
            desks.push(number);
        }
    }

    /// Time passes: the window begins, a day ends.
    fn pass(&mut self, at: Nanos) -> Result<(), ExportError> {
        self.last = self.last.max(at);
        if !self.inside && self.options.from.is_none_or(|from| at >= from) {
            self.inside = true;
            self.gap_rows += self.gaps.begin(&mut self.folder)?;
        }
        let open_from = Day::of(at - LATE_NS);
        if self.inside && open_from > self.open_from {
            self.open_from = open_from;
            self.close(open_from)?;
        }
        Ok(())
    }

    fn close(&mut self, day: Day) -> Result<(), ExportError> {
        match &mut self.files {
            Files::Tardis(csvs) => csvs.close(&mut self.folder, day),
            Files::Npz(arrays) => arrays.close(&mut self.folder, day),
            Files::Tables(tables) => tables.close(&mut self.folder, day),
            Files::Lines(lines) => lines.close(&mut self.folder, day),
        }
    }

    fn lane(&mut self, event: &EventRef<'_>) -> usize {
        let (header, names) = (event.header, (event.channel(), event.inst_id()));
        let key = (header.feed, header.channel, header.inst);
        if let Some(&lane) = self.by_number.get(&key) {
            // A later feed of the same number may count otherwise.
            let known = &self.lanes[lane];
            if (&*known.channel, &*known.inst_id) == names {
                return lane;
            }
        }
        let lane = self.lane_named(names.0, names.1);
        self.by_number.insert(key, lane);
        lane
    }

    fn lane_named(&mut self, channel: &str, inst_id: &str) -> usize {
        let key = (Box::from(channel), Box::from(inst_id));
        if let Some(&lane) = self.by_name.get(&key) {
            return lane;
        }
        let next = self.desks.len();
        let desk = *self.by_inst.entry(inst_id.into()).or_insert(next);
        if desk == next {
            self.desks.push(Desk::new(desk, inst_id, self.options.amount));
        }
        let wanted = (self.wanted)(channel, inst_id);
        let (channel, inst_id) = key.clone();
        self.lanes.push(Lane { channel, inst_id, wanted, desk, spare: 0 });
        self.by_name.insert(key, self.lanes.len() - 1);
        self.lanes.len() - 1
    }

    /// An event for a format that has room for one channel of a kind.
    fn desk_event(
        &mut self,
        lane: usize,
        event: &EventRef<'_>,
        inside: bool,
    ) -> Result<(), ExportError> {
        let number = self.lanes[lane].desk;
        let desk = &mut self.desks[number];
        let when = When::of(event);
        let taken = match event.body {
            Body::Book(change, bids, asks) => {
                let takes = desk.takes(Kind::Book, lane);
                let mut best = false;
                if inside && change.kind == BookKind::View && change.depth == 1 {
                    best = self.book_ticker(
                        number,
                        when,
                        (bids.first().copied(), asks.first().copied()),
                    )?;
                }
                if takes {
                    self.book(number, event, (change, bids, asks), inside)?;
                }
                takes || best
            }
            Body::Trade(trade) => {
                let takes = desk.takes(Kind::Trades, lane);
                match &mut self.files {
                    Files::Tardis(csvs) if takes && inside => {
                        csvs.trade(&mut self.folder, desk, when, trade)?;
                    }
                    Files::Npz(arrays) if takes && inside => {
                        arrays.trade(&mut self.folder, desk, when, trade)?;
                    }
                    _ => {}
                }
                takes
            }
            Body::Ticker(ticker) => {
                let takes = desk.takes(Kind::Ticker, lane);
                if takes {
                    desk.derivative.ticker(ticker);
                }
                takes && self.derivative(number, when, inside)?
            }
            Body::Figures(figures) => self.figures(number, when, &figures, inside)?,
            Body::Gap(gap) => {
                if !gap.closed && desk.listens(Kind::Book, lane) {
                    desk.mirror.lose();
                }
                true
            }
            Body::Bar(_) | Body::Raw(_) => false,
            Body::Instrument(_) | Body::Session(_) | Body::Subscription(_) | Body::Fault(_) => true,
        };
        self.lanes[lane].spare += u64::from(!taken && inside);
        Ok(())
    }

    /// Says whether the format has a place for it.
    fn book_ticker(
        &mut self,
        number: usize,
        when: When,
        best: (Option<Level>, Option<Level>),
    ) -> Result<bool, ExportError> {
        match &mut self.files {
            Files::Tardis(csvs) => {
                csvs.book_ticker(&mut self.folder, &self.desks[number], when, best)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Says whether the format has a place for the record.
    fn figures(
        &mut self,
        number: usize,
        when: When,
        figures: &Figures<'_>,
        inside: bool,
    ) -> Result<bool, ExportError> {
        if let Some(price) = index_price(figures) {
            let Some(desks) = self.by_index.get(&self.desks[number].inst_id) else {
                return Ok(false);
            };
            for desk in desks.clone() {
                self.desks[desk].derivative.index(price);
                self.derivative(desk, when, inside)?;
            }
            return Ok(matches!(self.files, Files::Tardis(_)));
        }
        if self.desks[number].derivative.figures(figures) {
            return self.derivative(number, when, inside);
        }
        match &mut self.files {
            Files::Tardis(csvs) if figures.sheet.kind == "liquidation" => {
                if inside {
                    csvs.liquidation(&mut self.folder, &self.desks[number], when, figures)?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn derivative(&mut self, number: usize, when: When, inside: bool) -> Result<bool, ExportError> {
        match &mut self.files {
            Files::Tardis(csvs) => {
                if inside {
                    csvs.derivative(&mut self.folder, &self.desks[number], when)?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn book(
        &mut self,
        number: usize,
        event: &EventRef<'_>,
        (change, bids, asks): (&BookChange, &[Level], &[Level]),
        inside: bool,
    ) -> Result<(), ExportError> {
        let desk = &mut self.desks[number];
        let when = When::of(event);
        let day = Day::of(when.recv);
        if inside && desk.book_day != Some(day) {
            desk.book_day = Some(day);
            if desk.mirror.is_live() && change.kind != BookKind::Snapshot {
                let from = self.options.from.unwrap_or_default();
                let recv = day.start().max(from);
                let event = desk.mirror.ts_event.unwrap_or(recv);
                let levels: Vec<Change> = desk.mirror.levels().collect();
                self.levels(number, When { event, recv }, (true, levels.into_iter()))?;
            }
        }
        let desk = &mut self.desks[number];
        // A book that the feed vouched for can be held; if not, it waits for a new start.
        let step = desk.mirror.take(change, bids, asks).unwrap_or(Step::Nothing);
        desk.mirror.ts_event = Some(when.event);
        if inside && step != Step::Nothing {
            let changes = desk.mirror.changes().to_vec();
            self.levels(number, when, (step == Step::Fresh, changes.into_iter()))?;
        }
        Ok(())
    }

    fn levels(
        &mut self,
        number: usize,
        when: When,
        levels: (bool, impl Iterator<Item = Change>),
    ) -> Result<(), ExportError> {
        let desk = &self.desks[number];
        match &mut self.files {
            Files::Tardis(csvs) => csvs.levels(&mut self.folder, desk, when, levels),
            Files::Npz(arrays) => arrays.levels(&mut self.folder, desk, when, levels),
            Files::Tables(_) | Files::Lines(_) => Ok(()),
        }
    }
}

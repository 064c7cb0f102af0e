//! The past of trades, bars and funding payments, fetched into an archive: over REST, and trades
//! also from OKX's daily files.
//!
//! `market-data backfill` calls [`backfill`]. What to ask for is `okx::past`'s business, how
//! often and what becomes of it `work.rs`; `files.rs` does daily files before it; `there.rs` knows
//! what the archive has already, and `journal.rs` keeps answers until their rows are in it.
//!
//! Invariants: nothing is fetched twice, whatever ends the process; a stretch counts as filled only
//! with all its rows in the archive; the files of a recording are not touched.

mod files;
mod journal;
mod there;
mod unzip;
mod work;

use crate::bootstrap::prepare;
use crate::clock::{Clock, wall_now};
use crate::error::Error;
use crate::net::{Dialer, Rest, Unfetched};
use crate::options::{ServiceOptions, Want};
use bytes::Bytes;
use market_data_archive::{Archive, Made, Manifest};
use market_data_model::{InstType, Instrument, Nanos};
use market_data_okx::channel;
pub use market_data_okx::past::Differing;
use market_data_okx::past::check;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use work::{Get, Job, Work};

/// Nothing younger than this is fetched: the history may not have it yet, milliseconds.
const SETTLE_MS: u64 = 60_000;

/// What is fetched, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillOptions {
    /// The archive; it is made if there is none.
    pub out: PathBuf,
    /// Instruments, in any spelling or as patterns.
    pub instruments: Vec<String>,
    /// Channels, in the venue's spelling.
    pub channels: Vec<String>,
    /// The first moment.
    pub from: Nanos,
    /// The first moment after. The last minute is never fetched: the history may not have it yet.
    pub to: Nanos,
    /// What whole days of trades are taken from.
    pub source: PastSource,
}

/// What whole days of trades are taken from; everything else comes over REST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PastSource {
    /// OKX's daily file where that is quicker.
    #[default]
    Auto,
    /// REST alone.
    Rest,
    /// OKX's daily file where there is one.
    Files,
}

/// What came of daily files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DailyDone {
    /// Files read.
    pub files: u64,
    /// Rows of the instruments and days that were wanted.
    pub rows: u64,
    /// Of them, those that became records.
    pub records: u64,
    /// Of them, those that were there already.
    pub known: u64,
    /// Rows of other instruments.
    pub others: u64,
    /// Rows of another day.
    pub outside: u64,
    /// Rows with an id below that of the row before.
    pub unordered: u64,
    /// Ids that came more than once.
    pub twice: u64,
    /// Ids between those of a file that are not in it; REST was asked for them.
    pub missing: u64,
    /// Trades that REST named as well.
    pub compared: u64,
    /// Of these, those of which REST says something else.
    pub differing: Vec<Differing>,
    /// Files, and lists, that were not used; REST was asked instead.
    pub refused: Vec<RefusedFile>,
}

/// A file that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    /// Its name.
    pub name: String,
    /// What is wrong with it, or what the venue said.
    pub why: String,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Daily files are fetched and read.
    Files,
    /// REST is asked.
    Rest,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Stretches of a channel and instrument that were not there.
    pub stretches: u64,
    /// Channels of an instrument of which everything was there already.
    pub there: u64,
    /// Requests made.
    pub requests: u64,
    /// Of them, those that the venue refused because there were too many.
    pub refused: u64,
    /// Answers of an earlier run that were not asked for again.
    pub kept: u64,
    /// Records that are in the archive because of this.
    pub records: u64,
    /// Files they are in.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Trade ids and bars that the venue does not have either.
    pub absent: u64,
    /// What came of daily files.
    pub daily: DailyDone,
    /// What could not be fetched.
    pub failed: Vec<Failed>,
    /// Whether it ended before everything was fetched, because the caller had enough.
    pub stopped: bool,
}

/// Something that could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which channel.
    pub channel: String,
    /// Of which instrument.
    pub inst_id: String,
    /// What the venue said.
    pub why: String,
}

/// How far it is with what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Thousandths of channels of instruments, or of daily files, that are done.
    pub done: u64,
    /// All of them.
    pub total: u64,
    /// Records fetched.
    pub records: u64,
    /// What it is doing.
    pub doing: Doing,
}

/// Why nothing could be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// A channel without a past.
    #[error("{channel} cannot be fetched: {why}")]
    Channel {
        /// Which.
        channel: String,
        /// Why not.
        why: String,
    },
    /// Nothing lies between the moments.
    #[error("there is nothing to fetch from {from_ms} to {to_ms} (Unix milliseconds)")]
    Nothing {
        /// The first moment.
        from_ms: u64,
        /// The last one that can be fetched by now.
        to_ms: u64,
    },
    /// The instruments, or the address.
    #[error(transparent)]
    Setup(#[from] Error),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] market_data_archive::Error),
}

/// Fetches what the archive does not have. `each` hears of the progress and breaks to stop; a later
/// call goes on from there.
///
/// # Errors
/// [`BackfillError`]. What was fetched before is not fetched again.
pub async fn backfill(
    service: &ServiceOptions,
    options: &BackfillOptions,
    mut each: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Backfilled, BackfillError> {
    for channel in &options.channels {
        check(channel).map_err(|why| BackfillError::Channel { channel: channel.clone(), why })?;
    }
    let (from_ms, to_ms) = (options.from.millis(), options.to.millis());
    let to_ms = to_ms.min(wall_now().millis().saturating_sub(SETTLE_MS));
    if from_ms >= to_ms {
        return Err(BackfillError::Nothing { from_ms, to_ms });
    }
    let want = Want::new(options.instruments.iter(), options.channels.iter());
    let service = ServiceOptions { wants: vec![want], ..service.clone() };
    let jobs = jobs(&service, &options.channels).await?;
    let archive = open(options)?;
    let dialer = Arc::new(Dialer::new(&service.proxy, &service.trust)?);
    let rest = Rest::new(dialer, &service.endpoints.rest, service.endpoints.simulated)?;
    let mut work = Work::new(archive, jobs, (from_ms, to_ms), Clock::wall())?;
    let mut ended = work.take_files(&rest, options.source, &mut each).await?;
    ended = ended && work.run(&rest, each).await?;
    if ended {
        work.tidy_files()?;
    }
    Ok(Backfilled { stopped: !ended, ..work.done })
}

impl Get for Rest {
    async fn get(&self, path: &str) -> Result<(u16, Bytes), String> {
        Rest::get(self, path).await.map_err(|error| error.0)
    }

    fn base(&self) -> &str {
        Rest::base(self)
    }

    async fn download(&self, url: &str, to: &Path, most: u64) -> Result<(), Unfetched> {
        Rest::download(self, url, to, most).await
    }
}

fn open(options: &BackfillOptions) -> Result<Archive, market_data_archive::Error> {
    match Manifest::load(&options.out)? {
        Some(_) => Archive::existing(&options.out),
        // No tape is known yet; the first one that is converted to here will be it.
        None => {
            Archive::open(&options.out, &Made { tape: 0, book_interval_ms: None, book_depth: 0 })
        }
    }
}

/// Every channel of every instrument that has it.
async fn jobs(service: &ServiceOptions, channels: &[String]) -> Result<Vec<Job>, Error> {
    let prepared = prepare(service).await?;
    let mut jobs = Vec::new();
    for one in &prepared.subscriptions {
        if !channels.iter().any(|channel| *channel == *one.channel) {
            continue;
        }
        let known = prepared.catalogue.get(&one.key).cloned();
        let instrument = known.unwrap_or_else(|| Arc::new(Instrument::named(&one.key)));
        let kind = instrument.inst_type.as_ref().map(InstType::as_str);
        let suits = |spec: &channel::ChannelSpec| kind.is_none_or(|kind| spec.suits(kind));
        if channel::find(&one.channel).is_some_and(suits) {
            jobs.push(Job { channel: one.channel.to_string(), instrument });
        }
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests;

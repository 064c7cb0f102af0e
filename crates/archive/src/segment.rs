//! Takes the records of one segment, gathers them by table and day, and writes files.
//!
//! A thread of its own encodes and writes while the caller goes on.
//!
//! Invariants: memory is bounded by [`WriteOptions::memory`], whatever the number of instruments
//! and the length of the segment; which records go into which file depends on the records alone;
//! no file is left behind when it is dropped without [`SegmentWriter::finish`].
//!
//! Start at [`SegmentWriter::take`].

use crate::chunk::Chunk;
use crate::disk;
use crate::error::Error;
use crate::manifest::{FILLS_FROM, FileRow, GapRow};
use crate::place::{FILL, Table, day, happened, is_view};
use crate::write;
use market_data_model::{Body, EventRef, Gap};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Most rows of a file: what a thread holds in memory while it encodes.
pub(crate) const FILE_ROWS: usize = 1 << 20;
/// Most files that wait for the thread that writes them.
const JOBS_MAX: usize = 4096;
/// Most gaps of a segment that a manifest lists for one channel and instrument; the table of gaps
/// has all.
const GAPS_MAX: usize = 1000;

/// How a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Bytes of records that wait for their file, about. Half as much again, or one file's worth
    /// if that is more, is being encoded.
    pub memory: usize,
    /// Milliseconds between snapshots of a book; 0 = after each change; `None` = none.
    pub book_interval_ms: Option<u64>,
}

impl Default for WriteOptions {
    fn default() -> WriteOptions {
        WriteOptions { memory: 256 << 20, book_interval_ms: None }
    }
}

/// What a segment became.
#[derive(Debug, Default)]
pub struct Parts {
    /// Files with the directories they are in.
    pub files: Vec<(String, FileRow)>,
    /// Gaps by the directory whose records they concern.
    pub gaps: BTreeMap<String, Vec<GapRow>>,
}

impl Parts {
    /// Records in all tables.
    pub fn records(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.records).sum()
    }

    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.rows).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.bytes).sum()
    }
}

/// One table's day.
struct Open {
    dir: String,
    chunk: Option<Chunk>,
}

/// One channel and instrument.
#[derive(Default)]
struct Slot {
    /// Which table, kind of record, venue and day is which of the open ones.
    opens: Vec<(Table, &'static str, &'static str, u32, usize)>,
    /// Whether its changes are recorded, so that its books are snapshots of them.
    changes: bool,
    /// In which interval the last snapshot was.
    sampled: Option<u64>,
}

/// See the file's first comment.
pub struct SegmentWriter {
    root: PathBuf,
    segment: u64,
    options: WriteOptions,
    slots: HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    opens: Vec<Open>,
    /// Files so far, by directory.
    files: BTreeMap<String, u32>,
    bytes: usize,
    gaps: BTreeMap<String, Vec<GapRow>>,
    encoder: Option<Encoder>,
}

impl SegmentWriter {
    pub(crate) fn new(root: &Path, segment: u64, options: WriteOptions) -> SegmentWriter {
        SegmentWriter {
            root: root.to_owned(),
            segment,
            options,
            slots: HashMap::new(),
            opens: Vec::new(),
            files: BTreeMap::new(),
            bytes: 0,
            gaps: BTreeMap::new(),
            encoder: None,
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// When a file could not be written.
    pub fn take(&mut self, event: &EventRef<'_>) -> Result<(), Error> {
        let table = Table::of(event);
        if let Body::Gap(gap) = event.body {
            self.note_gap(event, gap);
        }
        let (kind, venue) = (event.body.kind(), event.venue());
        // What was fetched belongs to the day on which it happened.
        let at = if self.segment < FILLS_FROM { None } else { happened(event) };
        let day = day(at.unwrap_or(event.header.ts_recv));
        // A table that is not keyed has one slot, under names that no channel has.
        let keyed = table.form() == crate::schema::Form::Keyed;
        let (channel, inst_id) = if keyed { (event.channel(), event.inst_id()) } else { ("", "") };
        let slot = slot(&mut self.slots, channel, inst_id);
        let view = is_view(event);
        slot.changes |= matches!(event.body, Body::Book(..)) && !view;
        let table = if view && slot.changes { Table::Snapshots } else { table };
        if table == Table::Snapshots {
            let Some(every) = self.options.book_interval_ms else { return Ok(()) };
            let interval = event.header.ts_recv.millis().checked_div(every);
            if interval.is_some() && slot.sampled == interval {
                return Ok(());
            }
            slot.sampled = interval;
        }
        let this = (table, kind, venue, day);
        let known = slot.opens.iter().find(|(t, k, v, d, _)| (*t, *k, *v, *d) == this);
        let at = match known {
            Some((.., at)) => *at,
            None => {
                let dir = table.dir(venue, event.channel(), event.inst_id(), day);
                self.opens.push(Open { dir, chunk: None });
                slot.opens.push((table, kind, venue, day, self.opens.len() - 1));
                self.opens.len() - 1
            }
        };
        let open = &mut self.opens[at];
        let chunk = open.chunk.get_or_insert_with(|| Chunk::new(event, table.form()));
        let before = chunk.bytes();
        chunk.take(event);
        self.bytes += chunk.bytes() - before;
        if chunk.rows >= FILE_ROWS {
            self.flush(at)?;
        } else if self.bytes > self.options.memory {
            self.make_room()?;
        }
        Ok(())
    }

    /// Writes the rest and says what there is.
    ///
    /// # Errors
    /// When a file could not be written.
    pub fn finish(mut self) -> Result<Parts, Error> {
        let mut open: Vec<usize> = (0..self.opens.len()).collect();
        open.sort_by(|a, b| self.opens[*a].dir.cmp(&self.opens[*b].dir));
        for at in open {
            self.flush(at)?;
        }
        let mut parts = Parts { files: Vec::new(), gaps: std::mem::take(&mut self.gaps) };
        if let Some(mut encoder) = self.encoder.take() {
            let (done, failed) = encoder.end();
            if let Some(error) = failed {
                forget(&self.root, done);
                return Err(error);
            }
            parts.files = done;
        }
        parts.files.sort_by(|(a, x), (b, y)| (a, &x.name).cmp(&(b, &y.name)));
        Ok(parts)
    }

    /// Writes the largest ones until half of the memory is free.
    fn make_room(&mut self) -> Result<(), Error> {
        let size = |open: &Open| open.chunk.as_ref().map_or(0, Chunk::bytes);
        let mut largest: Vec<usize> = (0..self.opens.len()).collect();
        largest.sort_by(|a, b| {
            let (a, b) = (&self.opens[*a], &self.opens[*b]);
            size(b).cmp(&size(a)).then_with(|| a.dir.cmp(&b.dir))
        });
        for at in largest {
            if self.bytes <= self.options.memory / 2 {
                break;
            }
            self.flush(at)?;
        }
        Ok(())
    }

    fn flush(&mut self, at: usize) -> Result<(), Error> {
        let open = &mut self.opens[at];
        let Some(chunk) = open.chunk.take() else { return Ok(()) };
        self.bytes -= chunk.bytes();
        let files = self.files.entry(open.dir.clone()).or_insert(0);
        let name = match self.segment.checked_sub(FILLS_FROM) {
            None => format!("part-{:06}-{files:03}.parquet", self.segment),
            Some(number) => format!("{FILL}{number:06}-{files:03}.parquet"),
        };
        *files += 1;
        let job = Job { dir: open.dir.clone(), name, chunk, segments: vec![self.segment] };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::new(&self.root, self.options.memory / 2)?),
        };
        if encoder.give(job) {
            return Ok(());
        }
        let (done, failed) = encoder.end();
        forget(&self.root, done);
        Err(failed.unwrap_or_else(|| Error::Thread("it is gone".to_owned())))
    }

    fn note_gap(&mut self, event: &EventRef<'_>, gap: &Gap) {
        if event.channel().is_empty() || event.inst_id().is_empty() {
            return;
        }
        let day = day(event.header.ts_recv);
        let dir = Table::Channel.dir(event.venue(), event.channel(), event.inst_id(), day);
        let gaps = self.gaps.entry(dir).or_default();
        if gaps.len() < GAPS_MAX {
            gaps.push(GapRow {
                segment: self.segment,
                closed: gap.closed,
                cause: gap.cause.as_str().to_owned(),
                whose: gap.whose.as_str().to_owned(),
                from: gap.from.map(|at| at.0),
                to: gap.to.map(|at| at.0),
                lost: gap.lost,
            });
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if let Some(mut encoder) = self.encoder.take() {
            let (done, _) = encoder.end();
            forget(&self.root, done);
        }
    }
}

fn slot<'a>(
    slots: &'a mut HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    channel: &str,
    inst_id: &str,
) -> &'a mut Slot {
    if !slots.contains_key(channel) {
        slots.insert(channel.into(), HashMap::new());
    }
    let of_channel = slots.get_mut(channel).expect("it was just put in");
    if !of_channel.contains_key(inst_id) {
        of_channel.insert(inst_id.into(), Slot::default());
    }
    of_channel.get_mut(inst_id).expect("it was just put in")
}

/// A file to be written.
pub(crate) struct Job {
    pub(crate) dir: String,
    pub(crate) name: String,
    pub(crate) chunk: Chunk,
    pub(crate) segments: Vec<u64>,
}

/// What the thread has written, and why it ended early.
type Written = (Vec<(String, FileRow)>, Option<Error>);

/// The thread that encodes and writes. It ends at the first error.
struct Encoder {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<Written>>,
    waiting: Arc<Waiting>,
    /// Most bytes that wait, one file excepted.
    room: usize,
}

/// Bytes handed over and not yet written; nothing more comes once the thread has ended.
#[derive(Default)]
struct Waiting {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Waiting {
    fn change(&self, by: impl FnOnce(usize) -> usize) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *bytes = by(*bytes);
        self.less.notify_one();
    }

    /// Waits until there is room.
    fn until(&self, room: usize) {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |bytes: &mut usize| *bytes > room;
        drop(self.less.wait_while(bytes, full).unwrap_or_else(PoisonError::into_inner));
    }
}

/// However the thread ends, nobody waits for it.
struct Ends(Arc<Waiting>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.change(|_| 0);
    }
}

impl Encoder {
    fn new(root: &Path, room: usize) -> Result<Encoder, Error> {
        let (jobs, given) = sync_channel::<Job>(JOBS_MAX);
        let waiting = Arc::new(Waiting::default());
        let (root, ends) = (root.to_owned(), Ends(Arc::clone(&waiting)));
        let work = move || {
            let mut done = Vec::new();
            for job in given {
                let bytes = job.chunk.bytes();
                match job.write(&root) {
                    Ok(file) => done.push(file),
                    Err(error) => return (done, Some(error)),
                }
                ends.0.change(|waiting| waiting.saturating_sub(bytes));
            }
            let synced = sync(&root, &done).err();
            (done, synced)
        };
        let thread = std::thread::Builder::new().name("parquet".to_owned()).spawn(work);
        let thread = thread.map_err(|error| Error::Thread(error.to_string()))?;
        Ok(Encoder { jobs: Some(jobs), thread: Some(thread), waiting, room })
    }

    /// Hands over a file; waits while others wait that take the room. False when the thread has
    /// ended.
    fn give(&mut self, job: Job) -> bool {
        self.waiting.until(self.room);
        self.waiting.change(|waiting| waiting + job.chunk.bytes());
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// Waits until everything is written.
    fn end(&mut self) -> Written {
        self.jobs = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            Some(Err(_)) => (Vec::new(), Some(Error::Thread("it panicked".to_owned()))),
            None => (Vec::new(), None),
        }
    }
}

/// Brings what was written to the disk, all at once: one by one costs more than the writing.
fn sync(root: &Path, done: &[(String, FileRow)]) -> Result<(), Error> {
    done.iter().try_for_each(|(dir, file)| disk::sync_file(&root.join(dir).join(&file.name)))
}

/// Takes away what was written.
fn forget(root: &Path, done: Vec<(String, FileRow)>) {
    for (dir, file) in done {
        let dir = root.join(dir);
        // What cannot be taken away is found when the archive is opened next.
        let _ = disk::remove(&dir.join(file.name));
        let _ = std::fs::remove_dir(&dir);
    }
}

impl Job {
    /// Writes it, not yet to the disk, and says what the manifest should.
    pub(crate) fn write(self, root: &Path) -> Result<(String, FileRow), Error> {
        let path = root.join(&self.dir).join(&self.name);
        let bytes = write::parquet(&self.chunk)
            .map_err(|error| Error::Encode { path: path.clone(), error })?;
        disk::write_one_of_many(&path, &bytes)?;
        let chunk = &self.chunk;
        let order = chunk.order();
        let (first, last) = match (order.first(), order.last()) {
            (Some(first), Some(last)) => (*first as usize, *last as usize),
            _ => return Err(Error::Thread("a file without records".to_owned())),
        };
        let row = FileRow {
            name: self.name,
            bytes: bytes.len() as u64,
            sha256: disk::sum(&bytes),
            records: chunk.keys.len() as u64,
            rows: chunk.rows as u64,
            first_ts_recv: chunk.keys[first].0,
            last_ts_recv: chunk.keys[last].0,
            first_id: chunk.id(first),
            last_id: chunk.id(last),
            segments: self.segments,
        };
        Ok((self.dir, row))
    }
}

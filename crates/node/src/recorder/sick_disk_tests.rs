//! The recorder on a disk that hangs, is full, breaks or takes its permission back.
//!
//! Nothing is timed: a disk hangs until the test lets it go on, so a feed that waited for it would
//! never come back.

use super::tests::{FEED, findings, read};
use super::*;
use market_data_model::Input;
use market_data_tape::storage::{DirLock, Disk, LockHeld, SegmentFile, Storage};
use market_data_tape::{Finding, Lost};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Condvar;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

/// How the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Well,
    /// Writes do not come back.
    Hangs,
    /// Everything fails with this.
    Fails(ErrorKind),
}

/// The machine's disk, as sick as the test wants it: how it is, and how many wait for it.
#[derive(Clone)]
struct Sick(Arc<(Mutex<(Health, usize)>, Condvar)>);

impl Sick {
    fn new(health: Health) -> Sick {
        Sick(Arc::new((Mutex::new((health, 0)), Condvar::new())))
    }

    fn set(&self, health: Health) {
        self.0.0.lock().unwrap().0 = health;
        self.0.1.notify_all();
    }

    /// Until somebody waits for it.
    fn is_waited_for(&self) {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |(_, waiting)| *waiting == 0).unwrap());
    }

    fn check(&self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.1 += 1;
        self.0.1.notify_all();
        state = self.0.1.wait_while(state, |(health, _)| *health == Health::Hangs).unwrap();
        state.1 -= 1;
        match state.0 {
            Health::Fails(kind) => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl Storage for Sick {
    fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check()?;
        Disk.create_dir(dir)
    }
    fn lock(&mut self, dir: &Path, now: Nanos) -> io::Result<Result<Box<dyn DirLock>, LockHeld>> {
        Disk.lock(dir, now)
    }
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }
    fn create_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.check()?;
        Ok(Box::new(SickFile { disk: self.clone(), file: Disk.create_segment(path)? }))
    }
    fn open_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.check()?;
        Disk.open_segment(path)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.check()?;
        Disk.remove(path)
    }
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check()?;
        Disk.sync_dir(dir)
    }
}

struct SickFile {
    disk: Sick,
    file: Box<dyn SegmentFile>,
}

impl Read for SickFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for SickFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Write for SickFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.check()?;
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SegmentFile for SickFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.check()?;
        self.file.sync()
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.check()?;
        self.file.cut(len)
    }
    fn has_name(&self) -> io::Result<bool> {
        self.file.has_name()
    }
}

/// A recorder with one lane on a sick disk.
struct Bench {
    folder: tempfile::TempDir,
    disk: Sick,
    shared: Arc<Shared>,
    lane: Lane,
    news: mpsc::Receiver<TapeLoss>,
    thread: JoinHandle<Option<String>>,
    base: Nanos,
    /// Frames given so far; the n-th at `base + n` ns.
    given: u64,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let disk = Sick::new(Health::Well);
        // It tries again at once and writes every block, so that little has to be waited for.
        let mut options = options(&TapeSettings::new(folder.path()), String::new());
        (options.retry_ns, options.block_ns, options.block_bytes) = (1_000_000, 1_000_000, 4096);
        let base = crate::clock::wall_now();
        let storage = Box::new(disk.clone());
        let writer = TapeWriter::open_on(storage, folder.path(), options.clone(), base).unwrap();
        let shared = Arc::new(Shared { dir: folder.path().to_owned(), ..Shared::default() });
        let (chunks, queue) = sync_channel(CHUNKS_MAX);
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let shared_too = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            thread::Recording::new(shared_too, options, true, sender, Some(Ok(writer))).run(&queue)
        });
        let mut lane = Lanes { shared: Arc::clone(&shared), chunks, digests: true }.lane(0);
        lane.start(base, FEED, b"config".to_vec());
        Bench { folder, disk, shared, lane, news, thread, base, given: 0 }
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.given += 1;
        self.lane.input(self.base + self.given, &Input::Frame(bytes));
        self.lane.send();
    }

    /// Gives frames until something is so, each when the one before it was taken.
    fn frames_until(&mut self, so: impl Fn(&TapeReport) -> bool) {
        while !so(&self.shared.report()) {
            self.frame(b"{}");
            self.drain();
        }
    }

    fn drain(&self) {
        while self.shared.report().queue_bytes > 0 {
            std::thread::yield_now();
        }
    }

    /// Ends it: the frames on the tape, what is told as lost there, and what was published.
    fn end(self) -> (Vec<Nanos>, Vec<Lost>, Vec<TapeLoss>, u64) {
        let Bench { folder, lane, mut news, thread, given, .. } = self;
        drop(lane);
        assert_eq!(thread.join().unwrap(), None, "it ends well");
        let lost = findings(folder.path()).into_iter().map(|finding| match finding {
            Finding::Lost { lost, .. } => lost,
            other => panic!("{other:?}"),
        });
        let lost = lost.collect();
        let frames = read(folder.path()).into_iter().filter(|(.., said)| said.contains("Frame"));
        let frames = frames.map(|(_, _, ts, _)| ts).collect();
        let published = std::iter::from_fn(|| news.try_recv().ok()).collect();
        (frames, lost, published, given)
    }
}

/// Every frame is on the tape or in the range of a loss, and numbers add up.
fn adds_up(frames: &[Nanos], lost: &[Lost], base: Nanos, given: u64) {
    assert!(frames.is_sorted_by(|a, b| a < b), "in order, none twice");
    let mut missing = 0;
    for n in 1..=given {
        let ts = base + n;
        let told = || lost.iter().any(|loss| loss.from <= ts && ts <= loss.to);
        let here = frames.binary_search(&ts).is_ok();
        assert!(here || told(), "frame {n} of {given} is nowhere");
        missing += u64::from(!here);
    }
    let sure: u64 = lost.iter().map(|loss| loss.records.expect("a number")).sum();
    assert!(sure >= missing, "{missing} frames are missing, {sure} records told");
}

#[test]
fn a_disk_that_hangs_holds_nobody_up_and_the_loss_is_exact() {
    let mut bench = Bench::new();
    bench.frames_until(|report| report.stored_bytes > 0);
    bench.disk.set(Health::Hangs);
    // Until it hangs the queue is emptied; what is lost then would be another loss.
    bench.frame(b"{}");
    bench.disk.is_waited_for();
    // Far more than the queue takes: in chunks, and then in bytes.
    let long = vec![b'x'; 1 << 20];
    for _ in 0..2 * CHUNKS_MAX {
        bench.frame(b"{}");
    }
    for _ in 0..200 {
        bench.frame(&long);
        let queued = bench.shared.report().queue_bytes;
        assert!(queued <= QUEUE_BYTES_MAX as u64, "{queued} bytes wait");
    }
    let report = bench.shared.report();
    assert!(report.lost_records as usize >= CHUNKS_MAX - 2, "{report:?}");
    bench.disk.set(Health::Well);
    bench.drain();
    for _ in 0..100 {
        bench.frame(b"{}");
    }
    let base = bench.base;
    let (frames, lost, published, given) = bench.end();
    adds_up(&frames, &lost, base, given);
    let [loss] = &lost[..] else { panic!("{lost:?}") };
    let last = base + (given - 100);
    assert!(loss.why.contains("queue was full") && loss.to == last, "{loss:?}");
    let first_lost = (1..=given).find(|n| frames.binary_search(&(base + *n)).is_err());
    assert_eq!(Some(loss.from), first_lost.map(|n| base + n), "from the first that is missing");
    let expected = TapeLoss { feed: FEED, n: 0, from: loss.from, to: Some(loss.to) };
    assert_eq!(published, [expected], "and consumers are told the same");
}

#[test]
fn a_disk_that_fails_is_told_with_its_range_and_recording_goes_on_by_itself() {
    for kind in [
        ErrorKind::StorageFull,
        ErrorKind::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::Other,
        ErrorKind::NotFound,
    ] {
        let mut bench = Bench::new();
        bench.frames_until(|report| report.stored_bytes > 0);
        for round in 1..=3 {
            bench.disk.set(Health::Fails(kind));
            bench.frames_until(|report| report.failing.is_some());
            let why = bench.shared.report().failing.unwrap();
            assert!(why.contains(&io::Error::from(kind).to_string()), "{why}");
            for _ in 0..50 {
                bench.frame(b"{}");
                bench.drain();
            }
            bench.disk.set(Health::Well);
            bench.frames_until(|report| report.failing.is_none());
            assert_eq!(bench.shared.report().failures, round, "once a stretch");
            let stored = bench.shared.report().stored_bytes;
            bench.frames_until(|report| report.stored_bytes > stored);
        }
        let base = bench.base;
        let (frames, lost, published, given) = bench.end();
        adds_up(&frames, &lost, base, given);
        assert_eq!(lost.len(), 3, "{kind}: {lost:?}");
        let closed = published.iter().filter_map(|loss| Some((loss.from, loss.to?)));
        let closed: Vec<_> = closed.collect();
        let told: Vec<_> = lost.iter().map(|loss| (loss.from, loss.to)).collect();
        assert_eq!(closed, told, "{kind}: consumers are told what the tape says");
        let opened = published.iter().filter(|loss| loss.to.is_none()).count();
        assert_eq!(opened, 3, "{kind}: {published:?}");
    }
}

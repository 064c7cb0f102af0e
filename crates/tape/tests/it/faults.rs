//! Disks that fail: full, broken, slow to sync, gone, and a power cut.
//!
//! [`Faulty`] is the machine's file system with faults laid over it.

use crate::support::*;
use market_data_model::{FeedId, Nanos};
use market_data_tape::limits::RECORD_BYTES_MAX;
use market_data_tape::storage::{DirLock, Disk, LockHeld, SegmentFile, Storage};
use market_data_tape::{
    ALL_FEEDS, Finding, News, Put, Range, Tape, TapeOptions, TapeWriter, verify,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const SECOND: u64 = 1_000_000_000;

#[derive(Default)]
struct Faults {
    /// Bytes left on the disk; `None` = plenty.
    room: Option<u64>,
    /// At most so many bytes a write.
    write_max: Option<usize>,
    fail_write: bool,
    fail_sync: bool,
    /// Of files only, not of the directory.
    fail_file_sync: bool,
    fail_create: bool,
    fail_dir: bool,
    /// The next sync of a file fails, as the only one: what it should have brought to the disk is
    /// forgotten.
    fail_next_sync: bool,
    /// Nothing works any more, not even cutting.
    power_off: bool,
    /// Bytes known to be on the disk.
    synced: BTreeMap<PathBuf, u64>,
    /// Files that the directory on the disk does not list yet.
    unlisted: BTreeSet<PathBuf>,
}

fn broken(what: &str) -> io::Error {
    io::Error::other(format!("broken on purpose: {what}"))
}

#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<Faults>>);

impl Faulty {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.lock().unwrap());
    }

    fn check(&self, fails: impl FnOnce(&Faults) -> bool, what: &str) -> io::Result<()> {
        let faults = self.0.lock().unwrap();
        if faults.power_off || fails(&faults) { Err(broken(what)) } else { Ok(()) }
    }

    /// What is left after a power cut: the synced part of each file, and any part of the rest.
    fn lose_unsynced(&self, rng: &mut Rng, dir: &Path) {
        let faults = self.0.lock().unwrap();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let Some(&synced) = faults.synced.get(&path) else { continue };
            if faults.unlisted.contains(&path) {
                std::fs::remove_file(&path).unwrap();
                continue;
            }
            let len = std::fs::metadata(&path).unwrap().len();
            let keep = synced + rng.below(len - synced + 1);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.truncate(keep as usize);
            // Pages come back in any order: what was not synced may be zeros.
            if rng.below(2) == 0 {
                let from = synced + rng.below(keep - synced + 1);
                bytes[from as usize..].fill(0);
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

impl Storage for Faulty {
    fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check(|f| f.fail_dir, "mkdir")?;
        Disk.create_dir(dir)
    }
    fn lock(&mut self, dir: &Path, now: Nanos) -> io::Result<Result<Box<dyn DirLock>, LockHeld>> {
        Disk.lock(dir, now)
    }
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }
    fn create_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.check(|f| f.fail_create, "create")?;
        let file = Disk.create_segment(path)?;
        let mut faults = self.0.lock().unwrap();
        faults.synced.insert(path.to_owned(), 0);
        faults.unlisted.insert(path.to_owned());
        drop(faults);
        Ok(Box::new(FaultyFile { faults: self.clone(), path: path.to_owned(), file }))
    }
    fn open_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Disk.open_segment(path)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.check(|_| false, "remove")?;
        Disk.remove(path)
    }
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check(|f| f.fail_sync, "sync of the directory")?;
        self.0.lock().unwrap().unlisted.clear();
        Disk.sync_dir(dir)
    }
}

struct FaultyFile {
    faults: Faulty,
    path: PathBuf,
    file: Box<dyn SegmentFile>,
}

impl Read for FaultyFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for FaultyFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.faults.check(|f| f.fail_write, "write")?;
        let mut faults = self.faults.0.lock().unwrap();
        let mut len = bytes.len().min(faults.write_max.unwrap_or(usize::MAX));
        if let Some(room) = &mut faults.room {
            if *room == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            len = len.min(*room as usize);
            *room -= len as u64;
        }
        self.file.write(&bytes[..len])
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SegmentFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.faults.check(|f| f.fail_sync || f.fail_file_sync, "sync")?;
        if std::mem::take(&mut self.faults.0.lock().unwrap().fail_next_sync) {
            return Err(broken("one sync"));
        }
        let len = self.file.seek(SeekFrom::End(0))?;
        self.faults.0.lock().unwrap().synced.insert(self.path.clone(), len);
        Ok(())
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.faults.check(|f| f.fail_write, "cut")?;
        self.file.cut(len)
    }
    fn has_name(&self) -> io::Result<bool> {
        self.file.has_name()
    }
}

/// A recorder on a faulty disk, driven as its owner would.
struct Run {
    dir: tempfile::TempDir,
    disk: Faulty,
    tape: TapeWriter,
    news: Vec<News>,
    kept: Vec<String>,
    lost: usize,
}

impl Run {
    fn new(options: TapeOptions) -> Run {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Faulty::default());
        let tape = TapeWriter::open_on(Box::new(disk.clone()), dir.path(), options, T0).unwrap();
        Run { dir, disk, tape, news: Vec::new(), kept: Vec::new(), lost: 0 }
    }

    fn put(&mut self, records: &[Made]) {
        for made in records {
            match self.tape.put(made.feed, made.ts, &made.what.entry()) {
                Put::Kept => self.kept.push(made.line()),
                Put::Lost => self.lost += 1,
            }
            if self.tape.due().is_some_and(|due| due <= made.ts) {
                self.tape.tick(made.ts);
            }
            self.news.extend(std::iter::from_fn(|| self.tape.news()));
        }
    }

    /// Every number between the first and the last record is on the tape or accounted for.
    fn accounts(&self) -> (Said, Vec<Finding>) {
        let mut findings = Vec::new();
        verify(&Tape::open(self.dir.path()).unwrap(), |f| findings.push(f)).unwrap();
        let wrong = |f: &&Finding| match f {
            Finding::Damage(d) => d.records_lost != Some(0),
            Finding::Lost { .. } => false,
            _ => true,
        };
        assert_eq!(findings.iter().filter(wrong).collect::<Vec<_>>(), Vec::<&Finding>::new());
        (read(self.dir.path(), Range::ALL), findings)
    }
}

/// Puts 1,000 records, breaks the disk, puts 3,000, mends it, puts 1,000, closes.
fn fail_and_mend(break_it: impl Fn(&Faulty), mend_it: impl Fn(&Faulty)) -> (Run, Said) {
    let mut run = Run::new(small());
    let records = frames(5000, 3);
    run.put(&records[..1000]);
    break_it(&run.disk);
    run.put(&records[1000..4000]);
    assert!(run.tape.failure().is_some());
    assert!(run.lost > 1000, "{} lost", run.lost);
    mend_it(&run.disk);
    run.put(&records[4000..]);
    assert_eq!(run.tape.failure(), None);
    let (dir, tape) = (run.dir, run.tape);
    tape.close(records[4999].ts).expect("closes");
    let spare = tempfile::tempdir().unwrap();
    let tape = TapeWriter::open(spare.path(), small(), T0).unwrap();
    let run = Run { dir, tape, ..run };
    let (said, _) = run.accounts();
    let told: u64 = said.lost.iter().map(|(_, lost)| lost.records.unwrap_or(0)).sum();
    let unsure: u64 = said.lost.iter().map(|(_, lost)| lost.unsure).sum();
    let frames = frame_lines(&said).len() as u64;
    assert!(frames + told <= 5000, "{frames} on tape, {told} told lost");
    assert!(frames + told + unsure >= 5000, "{frames} on tape, {told} told lost");
    (run, said)
}

/// A system tells once that bytes did not get to the disk, and then forgets them.
#[test]
fn a_sync_that_has_failed_is_not_believed_the_second_time() {
    let mut run = Run::new(small());
    let records = frames(3000, 3);
    run.put(&records[..1000]);
    run.disk.set(|f| f.fail_next_sync = true);
    run.put(&records[1000..]);
    assert!(run.news.iter().any(|news| matches!(news, News::Failed { .. })));
    let Run { dir, disk, tape, news, kept, lost } = run;
    assert_eq!(tape.failure(), None);
    tape.close(records[2999].ts).expect("closes");
    let spare = tempfile::tempdir().unwrap();
    let tape = TapeWriter::open(spare.path(), small(), T0).unwrap();
    let (said, _) = Run { dir, disk, tape, news, kept, lost }.accounts();
    let unsure: u64 = said.lost.iter().map(|(_, lost)| lost.unsure).sum();
    assert!(unsure > 0, "{:?}", said.lost);
}

#[test]
fn a_full_disk_costs_what_came_meanwhile_and_says_so() {
    let (run, said) = fail_and_mend(
        |disk| disk.set(|f| f.room = Some(20_000)),
        |disk| disk.set(|f| f.room = None),
    );
    assert_eq!(said.damage, []);
    let sure: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap()).sum();
    assert_eq!(frame_lines(&said).len() as u64 + sure, 5000, "exact when sync works");
    assert_eq!(said.lost.len(), 3, "a row a feed");
    assert!(said.lost.iter().all(|(_, l)| l.why.contains("no storage space")), "{:?}", said.lost);
    let failed = run.news.iter().filter(|n| matches!(n, News::Failed { .. })).count();
    assert_eq!(failed, 1, "told once, not with every attempt");
    let resumed = run.news.iter().find_map(|n| match n {
        News::Resumed { lost, .. } => Some(lost),
        _ => None,
    });
    assert_eq!(resumed, Some(&said.lost), "the owner hears what the tape says");
    // The first records of the new segment are the losses.
    let tape = Tape::open(run.dir.path()).unwrap();
    let last = read(&tape.segments().last().unwrap().path, Range::ALL);
    assert!(last.lines[..3].iter().all(|line| line.contains("Lost")), "{:?}", &last.lines[..4]);
    assert_eq!(tape.segments().len(), 2, "failed attempts leave nothing");
}

#[test]
fn a_write_error_is_survived() {
    let (_, said) = fail_and_mend(
        |disk| disk.set(|f| f.fail_write = true),
        |disk| disk.set(|f| f.fail_write = false),
    );
    assert!(said.lost.iter().all(|(_, l)| l.why.contains("broken on purpose: write")));
}

#[test]
fn a_sync_error_leaves_records_that_are_unsure() {
    let (_, said) = fail_and_mend(
        |disk| disk.set(|f| f.fail_sync = true),
        |disk| disk.set(|f| f.fail_sync = false),
    );
    assert!(said.lost.iter().any(|(_, l)| l.unsure > 0), "{:?}", said.lost);
}

#[test]
fn attempts_that_fail_half_way_leave_nothing() {
    let room: fn(&Faulty) = |disk| disk.set(|f| f.room = Some(120));
    let sync: fn(&Faulty) = |disk| disk.set(|f| f.fail_file_sync = true);
    for break_it in [room, sync] {
        let mut run = Run::new(small());
        let records = frames(12_000, 8);
        run.put(&records[..1000]);
        run.tape.sync(records[999].ts);
        // A thousand records take a second, so each part meets one attempt.
        for part in records[1000..9000].chunks(1000) {
            break_it(&run.disk);
            run.put(part);
        }
        assert!(run.tape.failure().is_some());
        assert_eq!(run.tape.stats().failures, 1, "one stretch, however often it was tried");
        run.disk.set(|f| (f.room, f.fail_file_sync) = (None, false));
        run.put(&records[9000..]);
        assert_eq!(run.tape.failure(), None);
        run.tape.rotate(records[11_999].ts);
        let (said, _) = run.accounts();
        let sure: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap()).sum();
        let unsure: u64 = said.lost.iter().map(|(_, l)| l.unsure).sum();
        let frames = frame_lines(&said).len() as u64;
        // What the first failure left may be on the tape as well; attempts add nothing to it.
        assert!(frames + sure == 12_000, "{frames} on tape, {sure} lost, {unsure} unsure");
        assert!(unsure < 1100, "{unsure} unsure");
        assert_eq!(said.damage, []);
        assert_eq!(segments(run.dir.path()).len(), 2);
        assert_eq!(run.tape.stats().lost_records, sure + unsure);
    }
}

#[test]
fn a_loss_told_in_a_block_that_fails_is_told_again() {
    let mut run = Run::new(small());
    let records = frames(3000, 9);
    run.put(&records[..100]);
    let what = What::Frame(vec![0; RECORD_BYTES_MAX + 1]);
    run.put(&[Made { what, ..records[100].clone() }]);
    run.disk.set(|f| f.fail_write = true);
    run.put(&records[101..1500]);
    run.disk.set(|f| f.fail_write = false);
    run.put(&records[1500..]);
    run.tape.rotate(records[2999].ts);
    let (said, _) = run.accounts();
    let sure: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap()).sum();
    // One more than the frames: the record that told of the first loss was lost, too.
    assert_eq!(frame_lines(&said).len() as u64 + sure, 3001);
}

#[test]
fn permission_lost_is_survived() {
    let options = TapeOptions { segment_bytes: 30_000, ..small() };
    let mut run = Run::new(options);
    let records = frames(3000, 4);
    run.put(&records[..500]);
    run.disk.set(|f| f.fail_create = true);
    run.put(&records[500..2000]);
    assert!(run.tape.failure().is_some(), "no new segment can be made");
    run.disk.set(|f| f.fail_create = false);
    run.put(&records[2000..]);
    assert_eq!(run.tape.failure(), None);
    run.tape.rotate(records[2999].ts);
    let (said, _) = run.accounts();
    let told: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap()).sum();
    assert_eq!(frame_lines(&said).len() as u64 + told, 3000);
}

#[test]
fn a_deleted_directory_is_noticed_and_made_again() {
    let mut run = Run::new(small());
    let records = frames(5000, 5);
    run.put(&records[..1500]);
    std::fs::remove_dir_all(run.dir.path()).unwrap();
    run.put(&records[1500..]);
    assert_eq!(run.tape.failure(), None);
    run.tape.rotate(records[4999].ts);
    let (said, _) = run.accounts();
    let told: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap()).sum();
    assert_eq!(frame_lines(&said).len() as u64 + told, 5000, "those deleted are told as lost");
    assert_eq!(said.lost.iter().map(|(_, l)| l.from).min(), Some(records[0].ts));
    // The lock was made again, too.
    let second = TapeWriter::open(run.dir.path(), small(), T0);
    assert!(second.is_err(), "a second recorder is still refused");
}

#[test]
fn short_writes_do_no_harm() {
    let mut run = Run::new(small());
    run.disk.set(|f| f.write_max = Some(7));
    let records = frames(500, 6);
    run.put(&records);
    run.tape.rotate(T0);
    let (said, findings) = run.accounts();
    assert_eq!(findings, []);
    assert_eq!(said.lines, run.kept);
}

#[test]
fn a_power_cut_costs_at_most_the_sync_interval() {
    for seed in 0..60 {
        let options = TapeOptions { segment_bytes: 200_000, ..small() };
        let mut run = Run::new(options.clone());
        let mut rng = Rng(seed);
        let count = 1 + rng.below(4000);
        let records = frames(count, seed);
        run.put(&records);
        run.disk.set(|f| f.power_off = true);
        drop(run.tape);
        run.disk.lose_unsynced(&mut rng, run.dir.path());
        let said = read(run.dir.path(), Range::ALL);
        let lines: Vec<String> = records.iter().map(Made::line).collect();
        assert_eq!(said.lines, lines[..said.lines.len()], "seed {seed}: a prefix survives");
        let end = records.last().unwrap().ts;
        let safe = records.iter().filter(|r| r.ts + SECOND < end).count();
        assert!(said.lines.len() >= safe, "seed {seed}: {} of {safe}", said.lines.len());

        let mut next = TapeWriter::open(run.dir.path(), options, end).unwrap();
        let note = Made { feed: ALL_FEEDS, ts: end, what: What::Note("on again".to_owned()) };
        put_all(&mut next, std::slice::from_ref(&note));
        next.close(end).unwrap();
        let after = read(run.dir.path(), Range::ALL);
        assert_eq!(after.damage, [], "seed {seed}");
        assert_eq!(after.lines[..said.lines.len()], said.lines[..]);
    }
}

#[test]
fn memory_does_not_grow_while_failing() {
    let mut run = Run::new(small());
    run.disk.set(|f| {
        f.fail_create = true;
        f.fail_dir = true;
    });
    let mut attempts = BTreeSet::new();
    for i in 0..200_000u64 {
        let made = Made {
            feed: FeedId((i % 10_000) as u32),
            ts: T0 + i * 1_000_000,
            what: What::Frame(vec![b'z'; 50]),
        };
        let _ = run.tape.put(made.feed, made.ts, &made.what.entry());
        run.tape.tick(made.ts);
        attempts.extend(run.tape.failure().map(|failure| failure.tried));
    }
    let stats = run.tape.stats();
    assert!((199..=201).contains(&attempts.len()), "{} attempts in 200 s", attempts.len());
    assert!(stats.lost_records > 199_000);
    assert!(std::iter::from_fn(|| run.tape.news()).count() < 300);
    let close = run.tape.close(Nanos(T0.0 + 201 * SECOND)).unwrap_err().to_string();
    assert!(close.contains("200000 records are lost"), "{close}");
}

#[test]
fn random_faults_never_break_the_accounts() {
    for seed in 0..40 {
        let mut rng = Rng(seed);
        let options = TapeOptions { segment_bytes: 20_000, ..small() };
        let mut run = Run::new(options);
        let records = frames(12_000, seed);
        for part in records.chunks(400) {
            let (w, s, c, full, short) =
                (rng.below(6), rng.below(6), rng.below(6), rng.below(6), rng.below(3));
            let room = rng.below(10_000);
            run.disk.set(|f| {
                f.fail_write = w == 0;
                f.fail_sync = s == 0;
                f.fail_create = c == 0;
                f.room = (full == 0).then_some(room);
                f.write_max = (short == 0).then_some(100);
            });
            run.put(part);
        }
        run.disk
            .set(|f| *f = Faults { synced: std::mem::take(&mut f.synced), ..Faults::default() });
        let end = records.last().unwrap().ts + 2 * SECOND;
        run.tape.tick(end);
        run.tape.rotate(end);
        assert_eq!(run.tape.failure(), None, "seed {seed}");
        let (said, _) = run.accounts();
        let order: Vec<u64> = said.ordinals.clone();
        assert!(order.is_sorted_by(|a, b| a < b), "seed {seed}: numbers go up");
        let told: u64 = said.lost.iter().map(|(_, l)| l.records.unwrap_or(0) + l.unsure).sum();
        let frames = frame_lines(&said).len() as u64;
        assert!(frames + told >= 12_000, "seed {seed}: {frames} on tape, {told} told");
    }
}

//! The few things the writer asks of a file system, so that tests can make them fail.
//!
//! [`Disk`] is the real one. The fault layer of the tests wraps it: short writes, a full disk, a
//! failing sync, a power cut. Nothing here knows the format.
//!
//! Invariant: `create_segment` never opens a file that exists.

use market_data_model::Nanos;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Name of the lock file in a tape's directory.
pub const LOCK_NAME: &str = "tape.lock";

/// A file system with one tape on it.
pub trait Storage: Send {
    /// Makes the directory and those above it; fine if it exists.
    ///
    /// # Errors
    /// Those of the file system, as with every function here.
    fn create_dir(&mut self, dir: &Path) -> io::Result<()>;
    /// Takes the directory's lock, at `now`, or says who holds it.
    fn lock(&mut self, dir: &Path, now: Nanos) -> io::Result<Result<Box<dyn DirLock>, LockHeld>>;
    /// Names of the files in the directory.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a new segment file.
    fn create_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Opens a segment file that exists, to read and to cut it.
    fn open_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Removes a segment file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Forces the directory's list of files to the disk.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// One open segment file.
pub trait SegmentFile: Read + Write + Seek + Send {
    /// Forces what was written to the disk.
    ///
    /// # Errors
    /// Those of the file system; what was written since the last success may be gone.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Whether the file still has a name: one that was deleted can be written all the same.
    ///
    /// # Errors
    /// Those of the file system.
    fn has_name(&self) -> io::Result<bool>;
}

/// A directory's lock, held until dropped.
pub trait DirLock: Send {
    /// Whether the lock file still has a name; without one it keeps nobody out.
    ///
    /// # Errors
    /// Those of the file system.
    fn has_name(&self) -> io::Result<bool>;
    /// Since when the holder before had it, if that one never said that it [left](DirLock::leave):
    /// it was killed, and what it had in memory is lost.
    fn left_open(&self) -> Option<Nanos>;
    /// Says that everything is on the disk.
    ///
    /// # Errors
    /// Those of the file system.
    fn leave(&mut self) -> io::Result<()>;
}

/// What a lock file holds besides the process id until its holder has left: since when.
const OPEN: &str = "open since";

/// Somebody else has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockHeld {
    /// Their process id, if they wrote it down.
    pub pid: Option<u32>,
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn lock(&mut self, dir: &Path, now: Nanos) -> io::Result<Result<Box<dyn DirLock>, LockHeld>> {
        let Found { mut file, is_held, pid, left_open } = look(dir)?;
        if is_held {
            return Ok(Err(LockHeld { pid }));
        }
        // What was lost then is lost until somebody has left in order.
        let since = left_open.unwrap_or(now);
        let text = format!("{}\n{OPEN} {}\n", std::process::id(), since.0);
        // Over what is there, so that a disk without room does not make it forget.
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_data()?;
        Ok(Ok(Box::new(DiskLock { file, left_open })))
    }

    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            // A name that is not text is not one of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(DiskSegment { file }))
    }

    fn open_segment(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(DiskSegment { file }))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if cfg!(unix) {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}

/// A directory's lock file, locked if nobody holds it, and what it says.
struct Found {
    file: File,
    is_held: bool,
    pid: Option<u32>,
    left_open: Option<Nanos>,
}

fn look(dir: &Path) -> io::Result<Found> {
    let path = dir.join(LOCK_NAME);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let is_held = match file.try_lock() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    let mut bytes = Vec::new();
    // A holder that has not written yet, bytes that cannot be read or are no text say nothing.
    drop((&mut file).take(100).read_to_end(&mut bytes));
    let text = String::from_utf8(bytes).unwrap_or_default();
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok());
    let since = lines.next().and_then(|line| line.strip_prefix(OPEN)?.trim().parse().ok());
    Ok(Found { file, is_held, pid, left_open: since.map(Nanos) })
}

/// Who has a directory's lock; `None` if nobody does. Leaves it as it is.
///
/// # Errors
/// Those of the file system.
pub fn holder(dir: &Path) -> io::Result<Option<LockHeld>> {
    let Found { file, is_held, pid, .. } = look(dir)?;
    // For the reason at [`DiskLock`]; closing comes next anyway.
    drop(file.unlock());
    Ok(is_held.then_some(LockHeld { pid }))
}

struct DiskSegment {
    file: File,
}

impl Read for DiskSegment {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Write for DiskSegment {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for DiskSegment {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl SegmentFile for DiskSegment {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn has_name(&self) -> io::Result<bool> {
        has_name(&self.file)
    }
}

struct DiskLock {
    file: File,
    left_open: Option<Nanos>,
}

impl Drop for DiskLock {
    /// Given back in words: closing gives it back only once nobody else has the file open, and a
    /// child that is just being started, whoever starts it, has until it runs its program.
    fn drop(&mut self) {
        // Closing comes next anyway.
        drop(self.file.unlock());
    }
}

impl DirLock for DiskLock {
    fn has_name(&self) -> io::Result<bool> {
        has_name(&self.file)
    }

    fn left_open(&self) -> Option<Nanos> {
        self.left_open
    }

    fn leave(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_data()
    }
}

#[cfg(unix)]
fn has_name(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.nlink() > 0)
}

/// Elsewhere a file in use cannot be deleted.
#[cfg(not(unix))]
fn has_name(_file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_back_though_a_child_still_has_the_file_open() {
        let dir = tempfile::tempdir().unwrap();
        drop(Disk.lock(dir.path(), Nanos(1)).unwrap().ok().unwrap());
        let file = OpenOptions::new().write(true).open(dir.path().join(LOCK_NAME)).unwrap();
        file.lock().unwrap();
        let of_child = file.try_clone().unwrap();
        assert!(Disk.lock(dir.path(), Nanos(1)).unwrap().is_err(), "it is held");
        drop(DiskLock { file, left_open: None });
        assert!(Disk.lock(dir.path(), Nanos(1)).unwrap().is_ok(), "it is free");
        drop(of_child);
    }

    #[test]
    fn a_lock_tells_whether_the_holder_before_has_left_and_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = |now| Disk.lock(dir.path(), Nanos(now)).unwrap();
        let lock = |now| held(now).ok().unwrap();
        let mut first = lock(7);
        assert_eq!(first.left_open(), None);
        let pid = Some(std::process::id());
        assert_eq!(held(8).err(), Some(LockHeld { pid }), "another one changes nothing");
        drop(first);
        first = lock(9);
        assert_eq!(first.left_open(), Some(Nanos(7)), "it never left");
        drop(first);
        first = lock(9);
        assert_eq!(first.left_open(), Some(Nanos(7)), "nor has anybody since");
        first.leave().unwrap();
        assert_eq!(held(10).err(), Some(LockHeld { pid: None }));
        assert_eq!(holder(dir.path()).unwrap(), Some(LockHeld { pid: None }));
        drop(first);
        assert_eq!(holder(dir.path()).unwrap(), None);
        assert_eq!(lock(11).left_open(), None);
        for (text, since) in [
            (&b"12\n"[..], None), // as earlier versions left it
            (b"12\nopen since 13\n", Some(Nanos(13))),
            (b"12\nopen since x\n", None),
            (b"\xff\nopen since 13\n", None),
            (b"", None),
        ] {
            std::fs::write(dir.path().join(LOCK_NAME), text).unwrap();
            assert_eq!(lock(14).left_open(), since, "{text:?}");
        }
    }
}

//! How one process asks another on the same machine to end: two names of one file in the directory
//! of the tape.
//!
//! The successor puts a [`Request`] there, which it keeps locked as long as it lives; the process
//! that records looks for it now and then ([`asked`]), and says yes by giving it another name
//! ([`Asked::accept`]). One of two renames of one name wins, so that a request is either accepted
//! or withdrawn, never both. When the old process is done it takes the file away
//! ([`Accepted::done`]). See decision 0033.
//!
//! Invariants: a request of a process that has died is not heard; a request of another user than
//! the one who owns the lock of the directory, or root, is not heard; nothing here waits.

use market_data_tape::storage::{LOCK_NAME, LockHeld};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const REQUEST: &str = "take-over.request";
const ACCEPTED: &str = "take-over.accepted";

/// Who records in a directory; `None` if nobody does.
///
/// # Errors
/// Those of the file system.
pub fn holder(dir: &Path) -> io::Result<Option<LockHeld>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    market_data_tape::storage::holder(dir)
}

/// A successor's wish; dropping it withdraws it if nobody has accepted it.
#[derive(Debug)]
pub struct Request {
    dir: PathBuf,
    /// Locked as long as we live.
    _file: File,
}

impl Request {
    /// Asks whoever records in `dir`.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::WouldBlock`] if somebody asks already.
    pub fn put(dir: &Path) -> io::Result<Request> {
        let (request, accepted) = (dir.join(REQUEST), dir.join(ACCEPTED));
        if is_alive(&request)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Of a successor before, which has nothing to say any more.
        gone(std::fs::remove_file(&accepted))?;
        // Locked before it has its name, so that nobody takes it for one of the dead.
        let draft = dir.join(format!("take-over.{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.lock()?;
        writeln!(file, "{}", std::process::id())?;
        std::fs::rename(&draft, &request)?;
        Ok(Request { dir: dir.to_owned(), _file: file })
    }

    /// Whether the process asked has said that it ends.
    pub fn is_accepted(&self) -> bool {
        !self.dir.join(REQUEST).exists()
    }

    /// Whether that process is done but for its exit; of use once it has accepted.
    pub fn is_done(&self) -> bool {
        self.is_accepted() && !self.dir.join(ACCEPTED).exists()
    }

    /// Takes the wish back; false if it was accepted before.
    pub fn withdraw(&self) -> bool {
        std::fs::remove_file(self.dir.join(REQUEST)).is_ok()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// Somebody wants to take over.
#[derive(Debug)]
pub struct Asked {
    dir: PathBuf,
    /// The process id that it wrote down.
    pub pid: Option<u32>,
}

/// Whether somebody alive wants to take over from the process that records in `dir`; removes
/// what the dead have left.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::PermissionDenied`] for a request of somebody who may
/// not ask.
pub fn asked(dir: &Path) -> io::Result<Option<Asked>> {
    let path = dir.join(REQUEST);
    if !path.exists() {
        return Ok(None);
    }
    if !may_ask(&path, &dir.join(LOCK_NAME))? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if !is_alive(&path)? {
        gone(std::fs::remove_file(&path))?;
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)?;
    Ok(Some(Asked { dir: dir.to_owned(), pid: text.trim().parse().ok() }))
}

impl Asked {
    /// Says yes; `None` if the wish was taken back.
    pub fn accept(self) -> Option<Accepted> {
        let accepted = self.dir.join(ACCEPTED);
        std::fs::rename(self.dir.join(REQUEST), &accepted).ok()?;
        Some(Accepted { path: accepted })
    }
}

/// The promise to end. Dropping it says that it is kept.
#[derive(Debug)]
pub struct Accepted {
    path: PathBuf,
}

impl Accepted {
    /// Everything is written and closed.
    pub fn done(self) {
        drop(self);
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        // The successor waits for it no longer than it must.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Whether whoever put this file there lives.
fn is_alive(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether the owner of `request` is that of `lock`, or root.
#[cfg(unix)]
fn may_ask(request: &Path, lock: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = std::fs::symlink_metadata(request)?.uid();
    Ok(uid == 0 || uid == std::fs::metadata(lock)?.uid())
}

#[cfg(not(unix))]
fn may_ask(_request: &Path, _lock: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_model::Nanos;
    use market_data_tape::storage::{Disk, Storage as _};

    #[test]
    fn a_request_is_accepted_or_withdrawn_and_never_both() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(holder(&dir.join("none")).unwrap().is_none());
        assert!(holder(dir).unwrap().is_none());
        let lock = Disk.lock(dir, Nanos(1)).unwrap().ok().unwrap();
        assert_eq!(holder(dir).unwrap().unwrap().pid, Some(std::process::id()));
        assert!(asked(dir).unwrap().is_none());
        let request = Request::put(dir).unwrap();
        assert_eq!(Request::put(dir).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!request.is_accepted());
        let found = asked(dir).unwrap().unwrap();
        assert_eq!(found.pid, Some(std::process::id()));
        // It changes its mind before the other has answered.
        let late = asked(dir).unwrap().unwrap();
        assert!(request.withdraw() && late.accept().is_none());
        drop(request);
        let request = Request::put(dir).unwrap();
        let accepted = found.accept().unwrap();
        assert!(request.is_accepted() && !request.withdraw() && !request.is_done());
        accepted.done();
        assert!(request.is_done());
        drop((request, lock));
        let left = std::fs::read_dir(dir).unwrap().count();
        assert_eq!(left, 1, "only the lock's file stays");
    }

    #[test]
    fn the_dead_are_not_heard() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Disk.lock(dir.path(), Nanos(1)).unwrap().ok().unwrap();
        std::fs::write(dir.path().join(REQUEST), "1\n").unwrap();
        assert!(asked(dir.path()).unwrap().is_none());
        assert!(!dir.path().join(REQUEST).exists());
        std::fs::write(dir.path().join(REQUEST), "1\n").unwrap();
        std::fs::write(dir.path().join(ACCEPTED), "1\n").unwrap();
        let request = Request::put(dir.path()).unwrap();
        assert!(!request.is_done() && asked(dir.path()).unwrap().is_some());
    }
}

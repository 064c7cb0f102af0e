//! Files that are there whole or not at all, and their sums.
//!
//! Invariants: a file is written under another name, synced, and renamed; after a crash only
//! names that begin with `.tmp-` can be left over, which every reader skips.

use crate::error::Error;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What names of unfinished files begin with.
pub const TEMPORARY: &str = ".tmp-";

/// SHA-256 in lower-case hexadecimal.
pub fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read in pieces, and its length.
///
/// # Errors
/// [`Error::Io`].
pub fn sum_file(path: &Path) -> Result<(String, u64), Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut hash = Hashing::new();
    std::io::copy(&mut file, &mut hash).map_err(Error::io("read", path))?;
    Ok(hash.end())
}

/// SHA-256 of what comes in pieces, and its length.
#[derive(Clone, Debug, Default)]
pub struct Hashing {
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    /// Of nothing.
    pub fn new() -> Hashing {
        Hashing::default()
    }

    /// And of this.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The sum in lower-case hexadecimal, and the bytes.
    pub fn end(self) -> (String, u64) {
        (hex(&self.hash.finalize()), self.bytes)
    }
}

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Writes a file so that it is there whole or not at all. Its name is on the disk once
/// [`sync_dir`] was called.
///
/// # Errors
/// [`Error::Io`]; nothing is left behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_with(path, bytes, File::sync_data)
}

/// The same for one of many that nobody trusts before [`sync_file`] was called for each.
///
/// # Errors
/// [`Error::Io`]; nothing is left behind then.
pub fn write_one_of_many(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_with(path, bytes, |_| Ok(()))
}

fn write_with(
    path: &Path,
    bytes: &[u8],
    sync: impl FnOnce(&File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    let temporary: PathBuf = dir.join(format!("{TEMPORARY}{name}"));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        sync(&file)
    });
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // What is left over has a name that everybody skips.
        let _ = fs::remove_file(&temporary);
        return Err(Error::io("write", path)(error));
    }
    Ok(())
}

/// Brings the content of a file to the disk.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_file(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_data()).map_err(Error::io("sync", path))
}

/// Brings names, renames and deletions in a directory to the disk.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_dir(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))?;
    }
    Ok(())
}

/// Deletes a file; one that is not there is fine.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("delete", path)(error))
        }
        _ => Ok(()),
    }
}

/// The names in a directory, sorted: directories and files.
///
/// # Errors
/// [`Error::Io`].
pub fn list(dir: &Path) -> Result<(Vec<String>, Vec<String>), Error> {
    let (mut dirs, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(Error::io("read", &entry.path()))?;
        if kind.is_dir() { dirs.push(name) } else { files.push(name) }
    }
    dirs.sort();
    files.sort();
    Ok((dirs, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sum(b""), empty);
    }

    #[test]
    fn nothing_is_left_of_a_file_that_could_not_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        fs::create_dir(&path).expect("a directory in the way");
        assert!(write(&path, b"text").is_err());
        assert_eq!(list(folder.path()).expect("a list"), (vec!["x".to_owned()], vec![]));
    }
}

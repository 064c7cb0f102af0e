//! Files that are there whole or not at all.
//!
//! Invariant: an interrupt or a crash leaves the old file, or the new one, or at most a file whose
//! name begins with a dot and ends in `.tmp`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file under another name, forces it to the disk, and renames it.
///
/// # Errors
/// Those of the file system; nothing is left behind then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is not the name of a file"))?;
    let temporary = path.with_file_name(format!(".{}.tmp", name.to_string_lossy()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // What cannot be removed either has a name that says what it is.
        let _ = fs::remove_file(&temporary);
    })
}

//! Answers that were fetched and whose rows are not in the archive yet, in a file beside it.
//!
//! [`Work`](super::work::Work) appends each good answer before it uses it, and clears the file when
//! the rows are in the archive. Whoever was ended in between finds the answers here and asks
//! nobody again for them.
//!
//! Invariants: what is read back is what was appended, or it is left out; a torn end is cut off;
//! nothing is appended when the file is full ([`FULL`]).

use bytes::Bytes;
use market_data_archive::disk::{Hashing, sum};
use market_data_model::Nanos;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Bytes after which the rows must go into the archive.
pub(super) const FULL: u64 = 32 << 20;
/// What more than that is not read back: nobody wrote it.
const READ_MAX: u64 = 4 * FULL;

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// When it was read.
    pub at: Nanos,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// See the file's first comment.
pub(super) struct Journal {
    file: File,
    sum: Hashing,
    bytes: u64,
    /// What was read back and not used yet, by what was asked for.
    kept: HashMap<String, VecDeque<Answer>>,
}

impl Journal {
    /// Opens it, with what an earlier run left.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let options = File::options().read(true).append(true).create(true).clone();
        let mut file = options.open(path)?;
        let mut text = Vec::new();
        io::Read::by_ref(&mut file).take(READ_MAX).read_to_end(&mut text)?;
        let mut journal = Journal { file, sum: Hashing::new(), bytes: 0, kept: HashMap::new() };
        let mut rest = text.as_slice();
        while let Some((path, answer, after)) = entry(rest) {
            journal.sum.add(&rest[..rest.len() - after.len()]);
            journal.bytes += (rest.len() - after.len()) as u64;
            journal.kept.entry(path).or_default().push_back(answer);
            rest = after;
        }
        journal.file.set_len(journal.bytes)?;
        Ok(journal)
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next answer to this that is kept.
    pub fn kept(&mut self, path: &str) -> Option<Answer> {
        self.kept.get_mut(path)?.pop_front()
    }

    /// Notes an answer.
    pub fn append(&mut self, path: &str, answer: &Answer) -> io::Result<()> {
        let content = [path.as_bytes(), &answer.body].concat();
        let (at, status) = (answer.at.0, answer.status);
        let (path, body, sum) = (path.len(), answer.body.len(), sum(&content));
        let mut entry = format!("{at} {status} {path} {body} {sum}\n").into_bytes();
        entry.extend_from_slice(&content);
        self.file.write_all(&entry)?;
        self.sum.add(&entry);
        self.bytes += entry.len() as u64;
        Ok(())
    }

    /// SHA-256 and length of all that was noted.
    pub fn sum(&mut self) -> (String, u64) {
        std::mem::replace(&mut self.sum, Hashing::new()).end()
    }

    /// Forgets everything: it is in the archive.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.sum, self.bytes) = (Hashing::new(), 0);
        Ok(())
    }
}

/// The first entry of a text, and what comes after; `None` when none is whole.
fn entry(text: &[u8]) -> Option<(String, Answer, &[u8])> {
    let end = text.iter().take(200).position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(text.get(..end)?).ok()?;
    let mut words = head.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let (at, status, path, body) = (number()?, number()?, number()?, number()?);
    let content = text.get(end + 1..)?;
    let length = usize::try_from(path.checked_add(body)?).ok()?;
    let (content, after) = content.split_at_checked(length)?;
    if words.next() != Some(sum(content).as_str()) {
        return None;
    }
    let (path, body) = content.split_at_checked(path as usize)?;
    let path = String::from_utf8(path.to_vec()).ok()?;
    let status = u16::try_from(status).ok()?;
    let answer = Answer { at: Nanos(at), status, body: Bytes::copy_from_slice(body) };
    Some((path, answer, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_there_again_and_a_torn_end_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let answer = |at| Answer { at: Nanos(at), status: 200, body: Bytes::from("{\"x\":\n1}") };
        let mut journal = Journal::open(&path).unwrap();
        journal.append("/a?b", &answer(1)).unwrap();
        journal.append("/a?b", &answer(2)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut again = Journal::open(&path).unwrap();
            let first = again.kept("/a?b").map(|answer| answer.at);
            assert_eq!(first, (cut >= whole.len() / 2).then_some(Nanos(1)), "{cut}");
            assert!(again.kept("/a?b").is_none() && again.kept("/x").is_none());
            assert_eq!(again.bytes(), std::fs::metadata(&path).unwrap().len());
        }
        std::fs::write(&path, &whole).unwrap();
        let mut again = Journal::open(&path).unwrap();
        assert_eq!(again.bytes(), whole.len() as u64);
        assert_eq!(again.sum().0, sum(&whole));
        again.clear().unwrap();
        assert_eq!(Journal::open(&path).unwrap().bytes(), 0);
    }
}

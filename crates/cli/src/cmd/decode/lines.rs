//! Reads files of captured frames line by line into one reused buffer.
//!
//! Invariants: a line longer than [`LINE_BYTES_MAX`] ends the reading instead of filling the
//! memory; a line that is not in the file's format is named with its number.

use crate::failure::Failure;
use anyhow::Context as _;
use market_data_model::Nanos;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

/// Longest line taken, in bytes; the venue's largest frames are below 1 MiB.
const LINE_BYTES_MAX: usize = 64 << 20;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 1 << 18;

/// How a line holds a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The whole line.
    Frame,
    /// Receive time in nanoseconds, a tab, the frame.
    Stamped,
    /// Either, as each line looks.
    Any,
}

impl Format {
    /// The format that a file's name promises.
    pub fn of(file: &str) -> Format {
        match Path::new(file).extension().and_then(|e| e.to_str()) {
            Some("jsonl") => Format::Frame,
            Some("tsv") => Format::Stamped,
            _ => Format::Any,
        }
    }

    /// The receive time and the frame of a line.
    fn split(self, line: &[u8]) -> Option<(Option<Nanos>, &[u8])> {
        let stamped = || {
            let tab = line.iter().position(|b| *b == b'\t')?;
            let stamp = std::str::from_utf8(&line[..tab]).ok()?.parse().ok()?;
            Some((Some(Nanos(stamp)), &line[tab + 1..]))
        };
        match self {
            Format::Frame => Some((None, line)),
            Format::Stamped => stamped(),
            Format::Any if line.first().is_some_and(u8::is_ascii_digit) => {
                stamped().or(Some((None, line)))
            }
            Format::Any => Some((None, line)),
        }
    }
}

/// The bytes of a binary frame that is written in hexadecimal; `None` = it is text.
pub fn unhex(frame: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    frame.chunks(2).map(pair).collect()
}

/// Says early that a file cannot be read.
///
/// # Errors
/// When it does not exist, is a folder, or cannot be opened.
pub fn check(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(about) if about.is_dir() => Err(Failure::new(
            format!("cannot decode {shown}: it is a folder"),
            format!("name the files in it, such as {shown}/*.jsonl"),
        )),
        Ok(_) => Ok(()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Err(Failure::new(
            format!("cannot read {shown}: no such file"),
            "check the path, or use `-` to read stdin",
        )),
        Err(why) => {
            Err(Failure::new(format!("cannot read {shown}: {why}"), "check that you may read it"))
        }
    }
}

/// A file being read.
pub struct LineReader {
    name: String,
    format: Format,
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl LineReader {
    /// Opens `file`; `-` is stdin.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(file: &str, format: Format) -> anyhow::Result<LineReader> {
        let (name, input): (_, Box<dyn BufRead>) = if file == "-" {
            ("stdin".to_owned(), Box::new(BufReader::with_capacity(READ_BYTES, io::stdin())))
        } else {
            let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
            (file.to_owned(), Box::new(BufReader::with_capacity(READ_BYTES, opened)))
        };
        Ok(LineReader { name, format, input, line: Vec::new(), number: 0, bytes: 0 })
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line that is not empty: its receive time, if it has one, and its frame.
    ///
    /// # Errors
    /// When reading fails, or the line is too long or not in the file's format.
    pub fn next_line(&mut self) -> anyhow::Result<Option<(Option<Nanos>, &[u8])>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.input).take(LINE_BYTES_MAX as u64);
            let read = limited
                .read_until(b'\n', &mut self.line)
                .with_context(|| format!("cannot read {}", self.name))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes += read as u64;
            while self.line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                self.line.pop();
            }
            if self.line.len() >= LINE_BYTES_MAX {
                let what = format!("{}:{}: longer than 64 MiB", self.name, self.number);
                return Err(Failure::new(what, "a line is one frame; is this a capture?").into());
            }
            if !self.line.is_empty() {
                break;
            }
        }
        match self.format.split(&self.line) {
            Some(parts) => Ok(Some(parts)),
            None => Err(Failure::new(
                format!("{}:{}: no receive time", self.name, self.number),
                "lines of a .tsv are receive time in nanoseconds, a tab, the frame; a file of \
                 frames alone is named .jsonl",
            )
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_splits_its_lines() {
        let stamped: &[u8] = b"17\t{\"a\":1}";
        let expected = Some((Some(Nanos(17)), &b"{\"a\":1}"[..]));
        assert_eq!(Format::Stamped.split(stamped), expected);
        assert_eq!(Format::Any.split(stamped), expected);
        assert_eq!(Format::Any.split(b"pong"), Some((None, &b"pong"[..])));
        assert_eq!(Format::Frame.split(stamped), Some((None, stamped)));
        assert_eq!(Format::Stamped.split(b"{}"), None);
        assert_eq!(Format::of("a/b.jsonl"), Format::Frame);
        assert_eq!(Format::of("-"), Format::Any);
        assert_eq!(unhex(b"00fF10"), Some(vec![0, 255, 16]));
        for text in [&b"{}"[..], b"pong", b"abc", b"0x00"] {
            assert_eq!(unhex(text), None);
        }
    }
}

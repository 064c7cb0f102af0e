//! Frames in memory, told apart by channel, one list a connection.
//!
//! They come from [`crate::market`] or from files: `.jsonl` with a frame a line, `.tsv` with
//! receive time, tab, frame. Invariant: the order of one connection is kept in every selection.

use std::io;
use std::path::Path;

/// The groups that figures are printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Everything.
    Mix,
    /// The incremental books.
    Books,
    /// `trades`, `trades-all`
    Trades,
    /// `tickers`
    Tickers,
    /// `bbo-tbt`
    Bbo,
    /// `books5`
    Books5,
    /// Bars of every kind.
    Bars,
}

impl Group {
    /// In the order of the table.
    pub const ALL: [Group; 7] = [
        Group::Mix,
        Group::Books,
        Group::Trades,
        Group::Tickers,
        Group::Bbo,
        Group::Books5,
        Group::Bars,
    ];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Group::Mix => "mix",
            Group::Books => "books",
            Group::Trades => "trades",
            Group::Tickers => "tickers",
            Group::Bbo => "bbo-tbt",
            Group::Books5 => "books5",
            Group::Bars => "candles",
        }
    }
}

/// The channel a frame names first; empty if it names none.
pub fn channel(frame: &[u8]) -> &str {
    const KEY: &[u8] = b"\"channel\":\"";
    let Some(at) = frame.windows(KEY.len()).position(|w| w == KEY) else { return "" };
    let rest = &frame[at + KEY.len()..];
    let end = rest.iter().position(|b| *b == b'"').unwrap_or(0);
    std::str::from_utf8(&rest[..end]).unwrap_or("")
}

fn group(frame: &[u8]) -> Group {
    match channel(frame) {
        "books" | "books-l2-tbt" | "books50-l2-tbt" | "books-rpi" => Group::Books,
        "trades" | "trades-all" => Group::Trades,
        "tickers" => Group::Tickers,
        "bbo-tbt" => Group::Bbo,
        "books5" => Group::Books5,
        name if name.contains("candle") => Group::Bars,
        _ => Group::Mix,
    }
}

/// The frames of one connection.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Where each ends, and its group.
    ends: Vec<(usize, Group)>,
}

impl Stream {
    /// Appends one frame.
    pub fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push((self.bytes.len(), group(frame)));
    }

    /// A stream of the frames of a group alone, one behind the other in memory, as a socket's
    /// are: picked out of everything, each would begin with a wait for memory.
    pub fn only(&self, wanted: Group) -> Stream {
        let mut out = Stream::default();
        for frame in self.select(wanted) {
            out.push(frame);
        }
        out
    }

    /// The frames of a group, in order.
    pub fn select(&self, wanted: Group) -> Vec<&[u8]> {
        let mut start = 0;
        let mut out = Vec::new();
        for (end, group) in &self.ends {
            if wanted == Group::Mix || wanted == *group {
                out.push(&self.bytes[start..*end]);
            }
            start = *end;
        }
        out
    }
}

/// Reads files of frames, one connection each.
///
/// # Errors
/// When a file cannot be read; the text names it.
pub fn read(paths: &str) -> io::Result<Vec<Stream>> {
    let mut streams = Vec::new();
    for path in std::env::split_paths(paths) {
        streams.push(read_one(&path).map_err(|e| {
            io::Error::new(e.kind(), format!("cannot read frames from {}: {e}", path.display()))
        })?);
    }
    Ok(streams)
}

fn read_one(path: &Path) -> io::Result<Stream> {
    let bytes = std::fs::read(path)?;
    let mut stream = Stream::default();
    let is_tsv = path.extension().is_some_and(|e| e == "tsv");
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|b| is_tsv && *b == b'\t');
        stream.push(tab.map_or(line, |at| &line[at + 1..]));
    }
    Ok(stream)
}

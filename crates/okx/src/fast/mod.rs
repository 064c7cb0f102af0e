//! The frames OKX really sends, read in one pass without an allocation.
//!
//! `feed/data.rs` tries this first. It takes a frame whole or not at all: the rows are read into
//! [`Rows`] before anything happens, and at the first byte that is not the one expected (another
//! order, a new field, space, an escape, a sign, a row that is not right) it gives `None`, nothing
//! has changed, and the general decoder (`crate::frame`, `crate::channel`) says what the frame
//! means. So the two must agree on every frame that this one takes:
//! `tests/fast_is_general.rs` holds them together.
//!
//! No byte of a frame is skipped: each is compared with what is expected or read as a digit, so
//! there is no text left whose UTF-8 would have to be checked.
//!
//! Start at [`argument`] and [`rows`]; `heads.rs` spares most frames the way through the first.
//! Why it is so: `docs/decisions/0008-fast-path.md` and `0037-heads.md`.

mod blank;
mod books;
mod cursor;
mod heads;
mod number;
mod rows;
mod scan;
#[cfg(test)]
mod tests;

use crate::channel::Form;
use crate::channel::books::BookRow;
use crate::frame::Action;
use cursor::Cursor;
pub(crate) use heads::{Head, Heads};
use market_data_model::{Bar, BarKind, InstType, Nanos, Ticker, Trade};
use market_data_simd::{Vectors, Wide, Work};
use scan::{Plain, Scan};

/// Where the end of an argument is looked for: `{"channel":"x","instId":"` has as many bytes.
const ARGUMENT_MIN: usize = 24;

/// Which of a processor's instructions may read numbers. What comes out is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instructions {
    /// The best it has.
    #[default]
    Best,
    /// As on one that has no vectors of 64 bytes.
    Narrow,
    /// As on one that has no vectors.
    Plain,
}

/// How numbers are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Wide(Wide),
    Narrow(Vectors),
    Plain,
}

impl How {
    /// The best way that this processor has and that is allowed.
    pub(crate) fn of(allowed: Instructions) -> How {
        let wide = || Wide::detect().filter(|_| allowed == Instructions::Best);
        match Vectors::detect().filter(|_| allowed != Instructions::Plain) {
            None => How::Plain,
            Some(narrow) => wide().map_or(How::Narrow(narrow), How::Wide),
        }
    }
}

/// What a feed keeps for the fast path from one frame to the next; no part of its state.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    pub(crate) how: How,
    pub(crate) heads: Heads,
    /// Room for rows; out while they are used.
    pub(crate) rows: Option<Box<Rows>>,
}

impl Kit {
    pub(crate) fn new(allowed: Instructions) -> Kit {
        Kit { how: How::of(allowed), heads: Heads::default(), rows: None }
    }
}

/// The part of a row that is the same in every frame of a subscription, and has been taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begun {
    Trade,
    Ticker(&'static InstType),
    Book { asks_first: bool },
    Bar,
}

/// From where a frame is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// Behind its argument.
    Argument(&'a [u8]),
    /// Behind a head that it begins with.
    Head(&'a Head),
}

/// The rows of one frame, with room to be reused. Only those of the frame's channel are filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// How the first row began, and where that ended.
    first: Option<(Begun, usize)>,
    /// Where each row stands in the frame.
    pub(crate) spans: Vec<(usize, usize)>,
    /// The first `spans.len()` are of this frame.
    pub(crate) books: Vec<BookRow>,
    pub(crate) trades: Vec<(Nanos, Trade)>,
    pub(crate) tickers: Vec<(Nanos, &'static InstType, Ticker)>,
    pub(crate) bars: Vec<Bar>,
}

impl Rows {
    fn clear(&mut self) {
        self.spans.clear();
        self.trades.clear();
        self.tickers.clear();
        self.bars.clear();
    }
}

/// The frame's argument, if the frame starts with it, and what follows.
///
/// It is cut at the first `}` from [`ARGUMENT_MIN`] on: a text that is shorter or longer than a
/// whole object is not the text of one, so it is not found among the known arguments.
pub(crate) fn argument(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"{\"arg\":")?;
    // Those of instruments are longer than this; what is shorter is left alone.
    let end = ARGUMENT_MIN + number::find(rest.get(ARGUMENT_MIN..)?, b'}')?;
    rest.split_at_checked(end + 1)
}

/// Reads everything after the argument, or after the head: the rows of a channel of this form, of
/// the instrument `key`. Inlined, because what it is given is too much for registers.
#[inline(always)]
pub(crate) fn rows(
    how: How,
    frame: (&[u8], Start<'_>),
    of: (Form, &str),
    out: &mut Rows,
) -> Option<Option<Action>> {
    match (how, of.0) {
        (How::Wide(scan), Form::Book(_)) => scan.run(Read { scan, frame, of, out }),
        // Only levels are read 64 bytes at once.
        (How::Wide(scan), _) => narrow(scan.narrow(), frame, of, out),
        (How::Narrow(scan), _) => narrow(scan, frame, of, out),
        (How::Plain, _) => read(Plain, frame, of, out),
    }
}

#[inline(always)]
fn narrow(
    scan: Vectors,
    frame: (&[u8], Start<'_>),
    of: (Form, &str),
    out: &mut Rows,
) -> Option<Option<Action>> {
    scan.run(Read { scan, frame, of, out })
}

impl Rows {
    /// How the frame that has just been read begins, for the next one of the same subscription.
    pub(crate) fn teach(
        &self,
        heads: &mut Heads,
        frame: &[u8],
        of: (u32, Form),
        action: Option<Action>,
    ) {
        if let (Some((begun, end)), Some((row, _))) = (self.first, self.spans.first()) {
            heads.learn((frame, end), of, action, (*row, begun));
        }
    }
}

/// [`read`] with vectors.
struct Read<'a, S> {
    scan: S,
    frame: (&'a [u8], Start<'a>),
    of: (Form, &'a str),
    out: &'a mut Rows,
}

impl<S: Scan> Work for Read<'_, S> {
    type Out = Option<Option<Action>>;

    #[inline(always)]
    fn run(self) -> Option<Option<Action>> {
        read(self.scan, self.frame, self.of, self.out)
    }
}

#[inline(always)]
fn read<S: Scan>(
    scan: S,
    (bytes, start): (&[u8], Start<'_>),
    (form, key): (Form, &str),
    out: &mut Rows,
) -> Option<Option<Action>> {
    out.clear();
    let (mut at, action, mut row, mut begun) = match start {
        Start::Head(head) => {
            (Cursor::new(bytes.get(head.len()..)?, scan), head.action, head.row, head.begun)
        }
        Start::Argument(rest) => {
            // What stands in the rows is compared with the key as it is, without escapes.
            if key.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
                return None;
            }
            let mut at = Cursor::new(rest, scan);
            let action = action(&mut at);
            at.literal(b",\"data\":[")?;
            let row = bytes.len() - at.left();
            let begun = begin(&mut at, form, key)?;
            out.first = Some((begun, bytes.len() - at.left()));
            (at, action, row, begun)
        }
    };
    loop {
        finish(&mut at, begun, (form, key), out)?;
        out.spans.push((row, bytes.len() - at.left()));
        if !at.another()? {
            break;
        }
        row = bytes.len() - at.left();
        begun = begin(&mut at, form, key)?;
    }
    at.literal(b"}")?;
    (at.left() == 0).then_some(action)
}

#[inline(always)]
fn action<S: Scan>(at: &mut Cursor<'_, S>) -> Option<Action> {
    if at.takes(b",\"action\":\"update\"") {
        Some(Action::Update)
    } else if at.takes(b",\"action\":\"snapshot\"") {
        Some(Action::Snapshot)
    } else {
        None
    }
}

/// Takes the part of a row that never changes.
#[inline(always)]
fn begin<S: Scan>(at: &mut Cursor<'_, S>, form: Form, key: &str) -> Option<Begun> {
    match form {
        Form::Book(form) => books::begin(at, form),
        Form::Trade => rows::begin_trade(at, key),
        Form::Ticker => rows::begin_ticker(at, key),
        // A bar of a spread has cells of its own.
        Form::Bar(BarKind::Spread, _) | Form::Figures(_) | Form::Instruments => None,
        Form::Bar(..) => rows::begin_bar(at),
    }
}

/// Reads the rest of a row.
#[inline(always)]
fn finish<S: Scan>(
    at: &mut Cursor<'_, S>,
    begun: Begun,
    (form, key): (Form, &str),
    out: &mut Rows,
) -> Option<()> {
    match (form, begun) {
        (Form::Book(form), Begun::Book { asks_first }) => {
            let count = out.spans.len();
            if out.books.len() == count {
                out.books.push(BookRow::default());
            }
            let room = out.books.get_mut(count)?;
            room.clear();
            books::row(at, asks_first, (form, key), room)
        }
        (Form::Trade, Begun::Trade) => {
            out.trades.push(rows::trade(at)?);
            Some(())
        }
        (Form::Ticker, Begun::Ticker(inst_type)) => {
            let (ts, ticker) = rows::ticker(at)?;
            out.tickers.push((ts, inst_type, ticker));
            Some(())
        }
        (Form::Bar(kind, spec), Begun::Bar) => {
            out.bars.push(rows::bar(at, kind, spec)?);
            Some(())
        }
        _ => None,
    }
}

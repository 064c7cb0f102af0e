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
//! Start at [`argument`] and [`rows`]. Why it is so: `docs/decisions/0008-fast-path.md`.

mod books;
mod cursor;
mod number;
mod rows;
mod scan;
#[cfg(test)]
mod tests;

use crate::channel::Form;
use crate::channel::books::BookRow;
use crate::frame::Action;
use cursor::Cursor;
use market_data_model::{Bar, InstType, Nanos, Ticker, Trade};
use market_data_simd::{Vectors, Work};
use scan::{Plain, Scan};

/// Where the end of an argument is looked for: `{"channel":"x","instId":"` has as many bytes.
const ARGUMENT_MIN: usize = 24;

/// The rows of one frame, with room to be reused. Only those of the frame's channel are filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Where each row stands in the frame.
    pub(crate) spans: Vec<(usize, usize)>,
    /// The first `spans.len()` are of this frame.
    pub(crate) books: Vec<BookRow>,
    pub(crate) trades: Vec<(Nanos, Trade)>,
    pub(crate) tickers: Vec<(Nanos, InstType, Ticker)>,
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

/// Reads everything after the argument: the rows of a channel of this form, of the instrument
/// `key`. With `vectors` numbers are read with the instructions of this processor; what comes out
/// is the same.
pub(crate) fn rows(
    vectors: Option<Vectors>,
    frame: (&[u8], &[u8]),
    (form, key): (Form, &str),
    out: &mut Rows,
) -> Option<Option<Action>> {
    match vectors {
        Some(vectors) => vectors.run(Read { vectors, frame, of: (form, key), out }),
        None => read(Plain, frame, (form, key), out),
    }
}

/// [`read`] with vectors.
struct Read<'a> {
    vectors: Vectors,
    frame: (&'a [u8], &'a [u8]),
    of: (Form, &'a str),
    out: &'a mut Rows,
}

impl Work for Read<'_> {
    type Out = Option<Option<Action>>;

    #[inline(always)]
    fn run(self) -> Option<Option<Action>> {
        read(self.vectors, self.frame, self.of, self.out)
    }
}

#[inline(always)]
fn read<S: Scan>(
    scan: S,
    (bytes, rest): (&[u8], &[u8]),
    (form, key): (Form, &str),
    out: &mut Rows,
) -> Option<Option<Action>> {
    out.clear();
    let mut at = Cursor::new(rest, scan);
    let action = if at.takes(b",\"action\":\"update\"") {
        Some(Action::Update)
    } else if at.takes(b",\"action\":\"snapshot\"") {
        Some(Action::Snapshot)
    } else {
        None
    };
    at.literal(b",\"data\":[")?;
    loop {
        let start = bytes.len() - at.left();
        row(&mut at, form, key, out)?;
        out.spans.push((start, bytes.len() - at.left()));
        if !at.another()? {
            break;
        }
    }
    at.literal(b"}")?;
    (at.left() == 0).then_some(action)
}

#[inline(always)]
fn row<S: Scan>(at: &mut Cursor<'_, S>, form: Form, key: &str, out: &mut Rows) -> Option<()> {
    match form {
        Form::Book(form) => {
            let count = out.spans.len();
            if out.books.len() == count {
                out.books.push(BookRow::default());
            }
            let room = out.books.get_mut(count)?;
            room.clear();
            books::row(at, form, key, room)
        }
        Form::Trade => {
            out.trades.push(rows::trade(at, key)?);
            Some(())
        }
        Form::Ticker => {
            out.tickers.push(rows::ticker(at, key)?);
            Some(())
        }
        Form::Bar(kind, spec) => {
            out.bars.push(rows::bar(at, kind, spec)?);
            Some(())
        }
        Form::Figures(_) | Form::Instruments => None,
    }
}

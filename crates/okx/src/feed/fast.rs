//! The short way of a frame: known shape, known subscription, rows read in one pass. Part of
//! [`OkxFeed`]; the rows end in the same functions as on the general way, in `data.rs`.

use super::OkxFeed;
use crate::channel::Form;
use crate::fast::{Kit, Rows, Start};
use crate::{fast, frame, json};
use market_data_model::*;

/// Whose a frame is, how its rows are read, and what it does to a book.
type Taken = (u32, Form, Option<frame::Action>);

impl OkxFeed {
    /// Takes a frame of known shape; `None` means that nothing has happened yet.
    #[inline]
    pub(super) fn fast(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) -> Option<()> {
        let Kit { how, heads, rows } = &mut self.kit;
        let (index, form, action) = match heads.find(bytes) {
            Some(head) => {
                let key = &self.subs[head.index as usize].subscription.key;
                let (frame, of) = ((bytes, Start::Head(head)), (head.form, &**key));
                let action = fast::rows(*how, frame, of, rows.get_or_insert_default())?;
                (head.index, head.form, action)
            }
            None => self.by_argument(bytes)?,
        };
        if !self.admits(now, index, out) {
            return Some(());
        }
        // Taken out while other parts of the feed work, and put back with its memory.
        let rows = self.kit.rows.take().unwrap_or_default();
        self.hand_on(now, (index, form, action), (bytes, &rows), out);
        self.kit.rows = Some(rows);
        self.subs[index as usize].heard = Some(now);
        Some(())
    }

    #[inline(always)]
    fn hand_on(
        &mut self,
        now: Nanos,
        (index, form, action): Taken,
        (bytes, rows): (&[u8], &Rows),
        out: &mut Outbox,
    ) {
        let texts = rows.spans.iter().map(|(start, end)| &bytes[*start..*end]);
        match form {
            Form::Trade => {
                for (text, (ts, trade)) in texts.zip(&rows.trades) {
                    self.trade(now, index, (Some(*ts), trade), text, out);
                }
            }
            Form::Book(_) => {
                for (text, row) in texts.zip(&rows.books) {
                    self.book_row(now, index, (action, row), text, out);
                }
            }
            Form::Ticker => {
                for (text, (ts, inst_type, ticker)) in texts.zip(&rows.tickers) {
                    if !self.is_copy(now, index, text) {
                        self.ticker(now, index, (Some(*ts), Some(inst_type), ticker), text, out);
                    }
                }
            }
            Form::Bar(..) => {
                for (text, bar) in texts.zip(&rows.bars) {
                    if !self.is_copy(now, index, text) {
                        self.bar(now, index, *bar, out);
                    }
                }
            }
            Form::Figures(_) | Form::Instruments => {}
        }
    }

    /// The same of a frame whose head is not known: it is found by its argument. The head is
    /// learnt.
    #[inline(never)]
    fn by_argument(&mut self, bytes: &[u8]) -> Option<Taken> {
        let (argument, rest) = fast::argument(bytes)?;
        let Some(&index) = self.by_argument.get(argument) else {
            return self.fast_first(argument, (bytes, rest));
        };
        let sub = &self.subs[index as usize];
        let (form, key) = (sub.spec?.form, &sub.subscription.key);
        let Kit { how, heads, rows } = &mut self.kit;
        let rows = rows.get_or_insert_default();
        let action = fast::rows(*how, (bytes, Start::Argument(rest)), (form, key), rows)?;
        rows.teach(heads, bytes, (index, form), action);
        Some((index, form, action))
    }

    /// The first frame of an argument: its subscription is made or noted once the frame is proven.
    #[cold]
    fn fast_first(&mut self, argument: &[u8], (bytes, rest): (&[u8], &[u8])) -> Option<Taken> {
        let argument = json::parse(argument).ok()?;
        let (channel, key) = frame::argument(argument)?;
        let form = crate::channel::find(&channel)?.form;
        let (how, start) = (self.kit.how, Start::Argument(rest));
        let rows = self.kit.rows.get_or_insert_default();
        let action = fast::rows(how, (bytes, start), (form, &key), rows)?;
        Some((self.index_of_argument(argument)?, form, action))
    }
}

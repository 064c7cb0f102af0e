//! The short way of a frame: known shape, known subscription, rows read in one pass. Part of
//! [`OkxFeed`]; the rows end in the same functions as on the general way, in `data.rs`.

use super::OkxFeed;
use crate::channel::Form;
use crate::{fast, frame, json};
use market_data_model::*;
use market_data_simd::Vectors;

impl OkxFeed {
    /// Takes a frame of known shape; `None` means that nothing has happened yet.
    pub(super) fn fast(&mut self, now: Nanos, bytes: &[u8], out: &mut Outbox) -> Option<()> {
        let (argument, rest) = fast::argument(bytes)?;
        let vectors = self.vectors();
        let (index, form, action) = match self.by_argument.get(argument) {
            Some(&index) => {
                let sub = &self.subs[index as usize];
                let (form, key) = (sub.spec?.form, &sub.subscription.key);
                (index, form, fast::rows(vectors, (bytes, rest), (form, key), &mut self.rows)?)
            }
            None => self.fast_first(argument, (bytes, rest))?,
        };
        if !self.admits(now, index, out) {
            return Some(());
        }
        // Taken out while other parts of the feed work, and put back with its memory.
        let rows = std::mem::take(&mut self.rows);
        for (n, (start, end)) in rows.spans.iter().enumerate() {
            let text = &bytes[*start..*end];
            if matches!(form, Form::Ticker | Form::Bar(..)) && self.is_copy(now, index, text) {
                continue;
            }
            match form {
                Form::Ticker => {
                    let (ts, inst_type, ticker) = rows.tickers[n].clone();
                    self.ticker(now, index, (Some(ts), Some(inst_type), ticker), text, out);
                }
                Form::Trade => {
                    let (ts, trade) = &rows.trades[n];
                    self.trade(now, index, (Some(*ts), trade), text, out);
                }
                Form::Bar(..) => self.bar(now, index, rows.bars[n], out),
                Form::Book(_) => self.book_row(now, index, (action, &rows.books[n]), text, out),
                Form::Figures(_) | Form::Instruments => {}
            }
        }
        self.rows = rows;
        self.subs[index as usize].heard = Some(now);
        Some(())
    }

    /// What the processor can do, if it may.
    fn vectors(&self) -> Option<Vectors> {
        if self.config.no_vectors { None } else { Vectors::detect() }
    }

    /// The first frame of an argument: its subscription is made or noted once the frame is proven.
    #[cold]
    fn fast_first(
        &mut self,
        argument: &[u8],
        frame: (&[u8], &[u8]),
    ) -> Option<(u32, Form, Option<frame::Action>)> {
        let argument = json::parse(argument).ok()?;
        let (channel, key) = frame::argument(argument)?;
        let form = crate::channel::find(&channel)?.form;
        let action = fast::rows(self.vectors(), frame, (form, &key), &mut self.rows)?;
        Some((self.index_of_argument(argument)?, form, action))
    }
}

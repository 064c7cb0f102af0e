//! Rows of flat records to events. Part of [`OkxFeed`].

use super::OkxFeed;
use super::emit::Place;
use crate::channel::figures::{self, FigureRow, FiguresForm};
use crate::channel::{KeyKind, Unknowns};
use crate::json::Raw;
use crate::limits::SEEN_IDS_MAX;
use market_data_model::figures::{Cell, Figures, Shape};
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The ids of the last rows, to know one that comes again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    ids: VecDeque<Box<str>>,
}

impl Seen {
    /// Whether there are not more than there may be.
    pub(crate) fn is_sound(&self) -> bool {
        self.ids.len() <= SEEN_IDS_MAX
    }

    /// Notes an id; says whether it was there.
    fn again(&mut self, id: String) -> bool {
        if self.ids.iter().any(|seen| **seen == *id) {
            return true;
        }
        if self.ids.len() == SEEN_IDS_MAX {
            self.ids.pop_front();
        }
        self.ids.push_back(id.into());
        false
    }
}

impl OkxFeed {
    pub(super) fn figures(
        &mut self,
        now: Nanos,
        index: u32,
        (data, form): (Raw<'_>, &'static FiguresForm),
        out: &mut Outbox,
    ) {
        let mut record = std::mem::take(&mut self.figure);
        for row in data.items() {
            if self.is_copy(now, index, row.as_str().as_bytes()) {
                continue;
            }
            match figures::elements(row, form) {
                Ok(None) => self.figure(now, index, (row, None, form), &mut record, out),
                Ok(Some(list)) => {
                    for element in list.items() {
                        let parts = (row, Some(element), form);
                        self.figure(now, index, parts, &mut record, out);
                    }
                }
                Err(why) => self.bad_row(now, index, (why, row), out),
            }
        }
        self.figure = record;
    }

    fn figure(
        &mut self,
        now: Nanos,
        index: u32,
        (row, element, form): (Raw<'_>, Option<Raw<'_>>, &'static FiguresForm),
        record: &mut FigureRow,
        out: &mut Outbox,
    ) {
        let mut unknowns = Unknowns::default();
        let read = figures::decode(row, element, form, record, &mut unknowns);
        let read = read.and_then(|()| self.not_of(index, &record.inst_id).map_or(Ok(()), Err));
        if let Err(why) = read {
            return self.bad_row(now, index, (why, row), out);
        }
        self.emit.unknowns(unknowns);
        let sub = &mut self.subs[index as usize];
        if let (Some(seen), Some(name)) = (&mut sub.seen, form.id)
            && let Some(id) = record.text_at(&form.sheet, name)
            && seen.again(format!("{} {id}", record.inst_id))
        {
            self.emit.stats.trades_repeated += 1;
            return;
        }
        let is_first = sub.heard.is_none_or(|heard| heard <= sub.asked);
        for (cell, column) in record.cells.iter_mut().zip(form.sheet.columns) {
            if column.shape == Shape::First {
                *cell = Cell::Bool(is_first);
            }
        }
        let place = self.place_of(index, record);
        self.settled(now, index, (&form.sheet, &record.cells), out);
        self.emit.stats.figures += 1;
        let header = self.emit.header(now, place, record.ts);
        out.events.push_figures(header, Figures::new(&form.sheet, &record.cells, &record.text));
        let timeless = form.time.is_none() || (form.often_timeless && !record.has_time);
        if record.ts.is_none() && !timeless {
            self.bad_time(now, index, row.as_str().as_bytes(), out);
        }
    }

    /// Why a row is not of this subscription; `None` where it is, or does not say.
    fn not_of(&self, index: u32, inst_id: &str) -> Option<String> {
        let sub = &self.subs[index as usize];
        let one = sub.spec.is_some_and(|spec| spec.key.names_one()) && sub.place.inst.is_some();
        if one && !inst_id.is_empty() { self.foreign(index, Some(inst_id)) } else { None }
    }

    /// What a record is about: the subscription's own instrument, or the one that the row names.
    fn place_of(&mut self, index: u32, record: &FigureRow) -> Place {
        let sub = &self.subs[index as usize];
        let kind = sub.spec.map_or(KeyKind::InstId, |spec| spec.key);
        let mut place = sub.place;
        if !kind.names_one() || place.inst.is_none() {
            place.inst = match record.inst_id.as_str() {
                "" => None,
                id => self.emit.named(kind, id),
            };
        }
        if let (Some(inst), Some(inst_type)) = (place.inst, &record.inst_type) {
            self.emit.learn_type(inst, inst_type);
        }
        place
    }
}

//! Judges changes of steps that the exchange announces in an instrument's row (`upcChg`): from
//! `effTime` on the feed says the new value, at that time and not before, and says it once.
//!
//! It keeps the last row that the feed was told of each instrument and reads it with a reader of
//! its own. A damaged row may announce anything; after one the feed is not judged here any more.
//!
//! Start at [`Announced::event`].

use super::counts::{Counts, Figure};
use super::json::Json;
use super::judge::{Complaint, Seen};
use market_data_model::{Body, Command, EventRef, Instrument, Nanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a feed has been told of instruments.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// The last row of each that announces anything.
    rows: BTreeMap<String, Json>,
    /// The kind whose news the feed may follow.
    kind: String,
    /// Who knows what it was told.
    wild: bool,
}

impl Announced {
    /// Of a feed that may follow the news of this kind, and knows these from the start.
    pub fn new(kind: &str, known: &[Arc<Instrument>]) -> Announced {
        let mut announced = Announced { kind: kind.to_owned(), ..Announced::default() };
        known.iter().for_each(|instrument| announced.told(instrument));
        announced
    }

    /// What comes in, before what comes out.
    pub fn hear(&mut self, seen: &Seen<'_>, damaged: bool) {
        match seen {
            Seen::Command(Command::Instruments(list)) => list.iter().for_each(|x| self.told(x)),
            Seen::Frame(letter) if damaged => self.wild |= letter.text.contains("\"tickSz\""),
            _ => {}
        }
    }

    fn told(&mut self, instrument: &Instrument) {
        match Json::parse(&instrument.row).filter(|row| !changes(row).is_empty()) {
            Some(row) => drop(self.rows.insert(instrument.inst_id.to_string(), row)),
            None => drop(self.rows.remove(&*instrument.inst_id)),
        }
    }

    /// An event: of an instrument, a row that was sent, or (with a time) one in force.
    pub fn event(
        &mut self,
        now: Nanos,
        event: &EventRef<'_>,
        counts: &mut Counts,
    ) -> Result<(), Complaint> {
        let Body::Instrument(instrument) = event.body else { return Ok(()) };
        if let Some(since) = event.header.ts_event.filter(|_| !self.wild) {
            let complain = |text| Err(Complaint::about("upcoming", "", event.inst_id(), text));
            let Some((due, expected)) = self.expected(&instrument.inst_id, now) else {
                return complain(format!("in force since {since}, which nobody announced"));
            };
            let said = Json::parse(&instrument.row);
            if said.as_ref() != Some(&expected) || since.millis() != due {
                let expected = expected.plain();
                return complain(format!("in force {}, expected {expected}", instrument.row));
            }
            counts.more(Figure::ChangesInForce, 1);
        }
        self.told(instrument);
        Ok(())
    }

    /// After all events: what is due was said by a feed that follows the news, and is known by
    /// every other.
    pub fn settle(&mut self, now: Nanos, follows: bool) -> Result<(), Complaint> {
        let due: Vec<String> = self.rows.keys().cloned().collect();
        for id in due {
            let Some((_, row)) = self.expected(&id, now) else { continue };
            if follows && !self.wild && row.text("instType") == self.kind {
                let text = format!("not said although in force: {}", row.plain());
                return Err(Complaint::about("upcoming", "", &id, text));
            }
            self.rows.insert(id, row);
        }
        Ok(())
    }

    /// The row as it is at `now`, and since when in milliseconds; `None` = as it was told.
    fn expected(&self, id: &str, now: Nanos) -> Option<(u64, Json)> {
        let row = self.rows.get(id)?;
        let due: Vec<_> = changes(row).into_iter().filter(|c| c.0 <= now.millis()).collect();
        let news = due.iter().any(|(_, param, value)| row.text(param) != value);
        let since = due.iter().map(|c| c.0).max().filter(|_| news)?;
        let mut fields = row.fields().to_vec();
        for (name, value) in &mut fields {
            let last = due.iter().filter(|(_, param, _)| param == name).max_by_key(|c| c.0);
            if let Some((.., new)) = last {
                *value = Json::Text(new.clone());
            }
            if let (true, Json::List(entries)) = (name == "upcChg", value) {
                entries.retain(|entry| effective(entry).is_none_or(|at| at > now.millis()));
            }
        }
        Some((since, Json::Object(fields)))
    }
}

/// When, what, and to what. The pretend exchange announces nothing that cannot be read.
fn changes(row: &Json) -> Vec<(u64, String, String)> {
    let entries = row.get("upcChg").map_or(&[][..], Json::list);
    let one = |entry: &Json| {
        let param = entry.text("param").to_owned();
        Some((effective(entry)?, param, entry.text("newValue").to_owned()))
    };
    entries.iter().filter_map(one).collect()
}

fn effective(entry: &Json) -> Option<u64> {
    entry.text("effTime").parse().ok()
}

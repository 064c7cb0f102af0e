//! What `check --channels all` demands of each channel of the table, and its table.
//!
//! A channel that promises something ([`ChannelSpec::first_ns`]) within the time must have brought
//! something; of the others silence proves nothing.
//!
//! Invariant: every channel of the table is a row or was left out with a reason.

use super::tally::{ChannelTally, Tally};
use crate::cmd::watch;
use crate::duration::Words;
use crate::out::number::{counted, grouped};
use crate::out::paint::{Colour, Paint};
use crate::out::table::{Align, Cell, Table};
use market_data::LeftOut;
use market_data_model::Nanos;
use market_data_okx::channel::{self, ChannelSpec};
use serde_json::{Value, json};
use std::time::Duration;

/// What the rows are measured against.
#[derive(Debug)]
pub struct Every {
    /// When the check began.
    pub began: Nanos,
    /// What was not asked for.
    pub left_out: Vec<LeftOut>,
}

impl Every {
    /// Why it is a FAIL; `faults` = whether a fault is a reason.
    pub fn reasons(&self, tally: &Tally, took: Duration, faults: bool) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, channel) in &tally.channels {
            let due = channel::find(name).and_then(|spec| spec.first_ns);
            let due = due.map(Duration::from_nanos).filter(|due| *due <= took);
            if let Some(due) = due.filter(|_| channel.records == 0) {
                reasons
                    .push(format!("{name}: nothing came, although it must within {}", Words(due)));
            }
            if faults && channel.faults > channel.row_faults {
                let others = channel.faults - channel.row_faults;
                reasons.push(format!("{name}: {}", counted(others, "fault", "faults")));
            }
        }
        if faults && tally.link_faults > 0 {
            let what = counted(tally.link_faults, "fault", "faults");
            reasons.push(format!("{what} outside of channels"));
        }
        reasons
    }

    /// The table, and what was left out.
    pub fn text(&self, tally: &Tally, paint: Paint) -> String {
        let mut table = Table::new(&[
            ("channel", Align::Left),
            ("keys", Align::Right),
            ("frames", Align::Right),
            ("records", Align::Right),
            ("faults", Align::Right),
            ("gaps", Align::Right),
            ("open", Align::Right),
            ("first record", Align::Right),
            ("must within", Align::Right),
            ("when it is stale", Align::Left),
        ]);
        let specs = channel::CHANNELS.iter().chain(channel::bars::BARS);
        for spec in specs {
            if let Some(channel) = tally.channels.get(spec.name) {
                table.row(self.row(spec, channel));
            }
        }
        format!("{}\n{}", table.render(paint), watch::left_out(&self.left_out))
    }

    fn row(&self, spec: &ChannelSpec, channel: &ChannelTally) -> Vec<Cell> {
        let words = |ns| Words(Duration::from_nanos(ns)).to_string();
        let count = |number: u64, bad: bool| match bad {
            true => Cell::painted(grouped(number), Colour::Bad),
            false => Cell::new(grouped(number)),
        };
        let first = self.first_ns(channel).map_or("-".to_owned(), words);
        vec![
            Cell::new(spec.name),
            count(channel.keys, false),
            count(channel.messages, false),
            count(channel.records, channel.records == 0 && spec.first_ns.is_some()),
            count(channel.faults, channel.faults > 0),
            count(channel.gaps_opened, false),
            count(channel.gaps_open(), channel.gaps_open() > 0),
            Cell::new(first),
            Cell::new(spec.first_ns.map_or("-".to_owned(), words)),
            Cell::new(spec.staleness()),
        ]
    }

    /// How long after the start the channel's first record came.
    pub fn first_ns(&self, channel: &ChannelTally) -> Option<u64> {
        channel.first_at.map(|at| at.since(self.began))
    }

    /// What was left out, as JSON.
    pub fn left_out(&self) -> Value {
        let one = |left: &LeftOut| json!({"channel": left.channel, "why": left.why});
        self.left_out.iter().map(one).collect()
    }
}

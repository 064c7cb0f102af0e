//! The verdict of `check` and how it is shown: a table per channel and reasons, or one JSON object.
//!
//! Invariants: the verdict is PASS exactly when there is no reason against it; the table and the
//! JSON say the same; accuracy is rounded down, so 100.00 means every row.

use super::audit::Audit;
use super::drill::{Act, Drill, Drills};
use super::every::Every;
use super::tally::{ChannelTally, Tally};
use crate::duration::Words;
use crate::out::number::{counted, grouped, percent};
use crate::out::paint::{Colour, Paint};
use crate::out::table::{Align, Cell, Table};
use crate::status::Feeds;
use market_data_sim::FaultProfile;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything the verdict rests on.
pub struct Facts<'a> {
    /// What arrived.
    pub tally: &'a Tally,
    /// What is missing without a word.
    pub audit: &'a Audit,
    /// What was broken on purpose.
    pub drills: &'a Drills,
    /// Where the service stood at the end.
    pub feeds: &'a Feeds,
    /// Events that this command was too slow to take.
    pub lost: u64,
    /// The channels asked for.
    pub asked: &'a [String],
    /// How long it ran.
    pub took: Duration,
    /// Fewest messages for a PASS.
    pub messages_min: u64,
    /// The faults that the pretend exchange was told to inject.
    pub faults: FaultProfile,
    /// How often it did, by the fault's name.
    pub injected: BTreeMap<&'static str, u64>,
    /// What is demanded of every channel of the table, if all were asked for.
    pub every: Option<&'a Every>,
}

/// The verdict.
pub struct Report {
    reasons: Vec<String>,
}

impl Report {
    /// Judges.
    pub fn of(facts: &Facts<'_>) -> Report {
        let mut reasons = Vec::new();
        let messages = facts.tally.messages();
        if messages < facts.messages_min {
            reasons.push(format!(
                "{} came, at least {} were expected",
                counted(messages, "message", "messages"),
                grouped(facts.messages_min)
            ));
        }
        if !damages_rows(&facts.faults) {
            accuracy_reasons(facts.tally, &mut reasons);
        }
        if let Some(every) = facts.every {
            let faults = facts.faults.name == FaultProfile::none().name;
            reasons.extend(every.reasons(facts.tally, facts.took, faults));
        }
        end_reasons(facts, &mut reasons);
        for drill in facts.drills.all.iter().filter(|drill| drill.recovered_ns.is_none()) {
            reasons.push(format!("no recovery from the drill: {}", words(drill)));
        }
        if facts.audit.unexplained > 0 {
            let what = counted(facts.audit.unexplained, "record was", "records were");
            let first = facts.audit.findings.first().map_or("", String::as_str);
            reasons.push(format!("{what} lost without a gap: {first}"));
        }
        let contradicted = facts.feeds.witness.differ;
        if contradicted > 0 && facts.faults.rot == 0 {
            let times = counted(contradicted, "time", "times");
            reasons.push(format!("a live book was not what REST or another channel said, {times}"));
        }
        if facts.lost > 0 {
            let what = counted(facts.lost, "event was", "events were");
            reasons.push(format!("{what} dropped because this machine was too slow"));
        }
        Report { reasons }
    }

    /// Whether nothing speaks against it.
    pub fn passed(&self) -> bool {
        self.reasons.is_empty()
    }

    fn verdict(&self) -> &'static str {
        if self.passed() { "PASS" } else { "FAIL" }
    }

    /// The report for people.
    pub fn text(&self, facts: &Facts<'_>, paint: Paint) -> String {
        let mut text = String::from("\n");
        match facts.every {
            Some(every) => text.push_str(&every.text(facts.tally, paint)),
            None => text.push_str(&channel_table(facts).render(paint)),
        }
        if !facts.drills.all.is_empty() {
            text.push('\n');
            text.push_str(&drill_table(facts.drills).render(paint));
        }
        text.push_str(&format!("\n{}\n", totals(facts)));
        let colour = if self.passed() { Colour::Good } else { Colour::Bad };
        text.push_str(&format!("\n{}\n", paint.apply(colour, self.verdict())));
        for reason in &self.reasons {
            text.push_str(&format!("  {reason}\n"));
        }
        text
    }

    /// The report as one JSON object on one line.
    ///
    /// # Errors
    /// Never in practice: every field is text or a number.
    pub fn json(&self, facts: &Facts<'_>) -> serde_json::Result<String> {
        let channels: Vec<Value> =
            facts.tally.channels.iter().map(|(name, c)| channel_json(name, c, facts)).collect();
        let drills: Vec<Value> = facts.drills.all.iter().map(drill_json).collect();
        serde_json::to_string(&json!({
            "verdict": self.verdict(),
            "reasons": self.reasons,
            "durationMs": millis(facts.took),
            "messages": facts.tally.messages(),
            "channels": channels,
            "drills": drills,
            "connections": facts.feeds.all,
            "connected": facts.feeds.up,
            "subscriptions": facts.feeds.wanted,
            "live": facts.feeds.live,
            "openGaps": facts.tally.gaps_open().max(facts.feeds.open_gaps as u64),
            "linkFaults": facts.tally.link_faults,
            "reconnects": facts.tally.reconnects(),
            "resyncs": facts.feeds.resyncs,
            "witness": {
                "agree": facts.feeds.witness.agree,
                "differ": facts.feeds.witness.differ,
                "skipped": facts.feeds.witness.skipped,
            },
            "linksChecked": facts.audit.checked,
            "unexplained": facts.audit.unexplained,
            "dropped": facts.lost,
            "faultProfile": facts.faults.name,
            "faultsInjected": facts.injected,
            "leftOut": facts.every.map_or(Value::Null, Every::left_out),
        }))
    }
}

/// Whether the profile damages rows, so that rows that cannot be read are no news.
fn damages_rows(faults: &FaultProfile) -> bool {
    faults.truncate > 0 || faults.corrupt > 0
}

fn accuracy_reasons(tally: &Tally, reasons: &mut Vec<String>) {
    for (name, channel) in tally.channels.iter().filter(|(_, c)| c.row_faults > 0) {
        reasons.push(format!(
            "{name}: {} could not be decoded exactly",
            counted(channel.row_faults, "row", "rows")
        ));
    }
}

fn end_reasons(facts: &Facts<'_>, reasons: &mut Vec<String>) {
    let feeds = facts.feeds;
    if feeds.up < feeds.all {
        reasons.push(format!("{} of {} connections are not up", feeds.all - feeds.up, feeds.all));
    }
    if feeds.live < feeds.wanted {
        let missing = feeds.wanted - feeds.live;
        reasons.push(format!("{missing} of {} subscriptions are not live", feeds.wanted));
    }
    let open_gaps = facts.tally.gaps_open().max(feeds.open_gaps as u64);
    if open_gaps > 0 {
        let gaps = counted(open_gaps, "gap is", "gaps are");
        reasons.push(format!("{gaps} still open"));
    }
}

fn channel_table(facts: &Facts<'_>) -> Table {
    let mut table = Table::new(&[
        ("channel", Align::Left),
        ("messages", Align::Right),
        ("records", Align::Right),
        ("faults", Align::Right),
        ("gaps", Align::Right),
        ("closed", Align::Right),
        ("open", Align::Right),
        ("resyncs", Align::Right),
        ("reconnects", Align::Right),
        ("silence", Align::Right),
        ("accuracy", Align::Right),
    ]);
    for (name, channel) in &facts.tally.channels {
        let silent = channel.messages == 0 && facts.asked.contains(name);
        table.row(vec![
            Cell::new(name),
            count(channel.messages, Some(Colour::Warn).filter(|_| silent)),
            count(channel.records, None),
            count(channel.faults, Some(Colour::Warn).filter(|_| channel.faults > 0)),
            count(channel.gaps_opened, None),
            count(channel.gaps_closed, None),
            count(channel.gaps_open(), Some(Colour::Bad).filter(|_| channel.gaps_open() > 0)),
            count(channel.resyncs, None),
            count(facts.tally.reconnects_of(channel), None),
            Cell::new(Words(Duration::from_nanos(channel.silence_ns_max)).to_string()),
            accuracy(channel),
        ]);
    }
    table
}

fn count(number: u64, colour: Option<Colour>) -> Cell {
    match colour {
        Some(colour) => Cell::painted(grouped(number), colour),
        None => Cell::new(grouped(number)),
    }
}

fn accuracy(channel: &ChannelTally) -> Cell {
    match percent(channel.records, channel.records + channel.row_faults) {
        Some(share) if channel.row_faults == 0 => Cell::painted(format!("{share} %"), Colour::Good),
        Some(share) => Cell::painted(format!("{share} %"), Colour::Warn),
        None => Cell::new("-"),
    }
}

fn drill_table(drills: &Drills) -> Table {
    let mut table = Table::new(&[("drill", Align::Left), ("recovered after", Align::Right)]);
    for drill in &drills.all {
        let cell = match drill.recovered_ns {
            Some(ns) => Cell::painted(Words(Duration::from_nanos(ns)).to_string(), Colour::Good),
            None => Cell::painted("never", Colour::Bad),
        };
        table.row(vec![Cell::new(words(drill)), cell]);
    }
    table
}

fn words(drill: &Drill) -> String {
    match &drill.act {
        Act::Reconnect => format!("reconnect of connection {}", drill.feed.0),
        Act::Resync(book) => format!("resync of {} {}", book.channel, book.key),
    }
}

fn totals(facts: &Facts<'_>) -> String {
    let mut text = format!(
        "{} in {}, {} live of {} on {}, {} of ids checked",
        counted(facts.tally.messages(), "message", "messages"),
        Words(facts.took),
        facts.feeds.live,
        counted(facts.feeds.wanted as u64, "subscription", "subscriptions"),
        counted(facts.feeds.all as u64, "connection", "connections"),
        counted(facts.audit.checked, "link", "links"),
    );
    if facts.tally.link_faults > 0 {
        let faults = counted(facts.tally.link_faults, "fault", "faults");
        text.push_str(&format!(", {faults} outside of channels"));
    }
    let said = facts.feeds.witness;
    if said.is_any() {
        text.push_str(&format!(
            "\nwitness: {} agree, {} disagree, {} not comparable",
            grouped(said.agree),
            grouped(said.differ),
            grouped(said.skipped)
        ));
    }
    if facts.faults.name != FaultProfile::none().name {
        let list = facts.injected.iter().map(|(name, times)| format!("{name} {}", grouped(*times)));
        let list = list.collect::<Vec<_>>().join(", ");
        let list = if list.is_empty() { "none" } else { &list };
        text.push_str(&format!("\nfaults injected (profile {}): {list}", facts.faults.name));
        if damages_rows(&facts.faults) {
            text.push_str("\nrows damaged on purpose do not count against the verdict");
        }
    }
    text
}

fn channel_json(name: &str, channel: &ChannelTally, facts: &Facts<'_>) -> Value {
    json!({
        "channel": name,
        "messages": channel.messages,
        "records": channel.records,
        "faults": channel.faults,
        "rowFaults": channel.row_faults,
        "gapsOpened": channel.gaps_opened,
        "gapsClosed": channel.gaps_closed,
        "gapsOpen": channel.gaps_open(),
        "firstMs": facts.every.and_then(|every| every.first_ns(channel)).map(|ns| ns / 1_000_000),
        "resyncs": channel.resyncs,
        "reconnects": facts.tally.reconnects_of(channel),
        "silenceMsMax": channel.silence_ns_max / 1_000_000,
        "accuracyPercent": percent(channel.records, channel.records + channel.row_faults),
    })
}

fn drill_json(drill: &Drill) -> Value {
    json!({
        "drill": words(drill),
        "feed": drill.feed.0,
        "recoveredMs": drill.recovered_ns.map(|ns| ns / 1_000_000),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

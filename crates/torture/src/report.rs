//! What is said about a run: a table for people, or one JSON object.
//!
//! The same options give the same text, whatever the machine. Start at [`Report::text`].

use super::Options;
use super::counts::{Counts, Figure};
use super::life::Failure;
use super::shrink::{self, Shrunk};
use market_data_model::BarState;
use market_data_model::wire::escape;
use std::fmt::Write as _;

/// So many lives of the profile `mixed` must have everything that is judged.
const SEES_ALL: u64 = 200;
/// What a bar may be worth; each must occur.
const BAR_STATES: [BarState; 6] = [
    BarState::Forming,
    BarState::Confirmed,
    BarState::FilledFromRest,
    BarState::RebuiltFromTrades,
    BarState::NoTrades,
    BarState::Missing,
];
/// Figures that must not be zero.
const MUST_OCCUR: [&str; 11] = [
    "catalogue_lives",
    "trades_filled",
    "trades_gone",
    "trades_as_it_has_them",
    "bars_as_the_exchange_has_them",
    "rebuilt_bars_as_it_has_them",
    "bar_flows_as_it_has_them",
    "restarts_by_kill",
    "told_and_not_kept",
    "line_losses_hidden",
    "rest_answers_spoilt",
];

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// What was seen.
    pub counts: Counts,
    /// What went wrong first.
    pub failure: Option<Shrunk>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let options = &self.options;
        let last = options.seed.wrapping_add(options.lives.saturating_sub(1));
        let _ = writeln!(
            text,
            "torture: faults {}, seeds {} to {last}, {} steps a life",
            options.faults.name, options.seed, options.steps
        );
        for (name, number) in self.counts.numbers() {
            let _ = writeln!(text, "  {:<24} {number:>12}", name.replace('_', " "));
        }
        let recovered = self.counts.get(Figure::Lives).max(1);
        let mean = self.counts.get(Figure::RecoveryMillis) / recovered;
        let _ = writeln!(text, "  {:<24} {mean:>12}", "recovery ms mean");
        let gaps = self.counts.gaps.iter().map(|(cause, n)| (*cause, *n));
        list(&mut text, "gaps by cause", gaps);
        let bars = self.counts.bars.iter().map(|(state, n)| (*state, *n));
        list(&mut text, "bars by state", bars);
        let channels = self.counts.channels.iter().map(|(name, n)| (name.as_str(), *n));
        list(&mut text, "rows compared by channel", channels);
        let faults = self.counts.faults.iter().map(|(kind, n)| (kind.as_str(), *n));
        list(&mut text, "faults injected", faults);
        match &self.failure {
            None if self.unseen().is_empty() => text.push_str("ok: no violation\n"),
            None => {
                let unseen = self.unseen().join(", ");
                let _ = writeln!(text, "no violation, but these lives never had: {unseen}");
            }
            Some(shrunk) => self.explain(shrunk, &mut text),
        }
        text
    }

    /// Whether no promise was broken, and everything that is judged has occurred.
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.unseen().is_empty()
    }

    /// What so many lives must have had, and these had not: then the judge was not asked.
    pub fn unseen(&self) -> Vec<&'static str> {
        let Options { lives, steps, faults, without, .. } = &self.options;
        let many = *lives >= SEES_ALL && *steps >= Options::new(*faults).steps;
        if !many || faults.name != "mixed" || !without.is_empty() || self.failure.is_some() {
            return Vec::new();
        }
        let states = BAR_STATES.iter().map(|state| state.as_str());
        let mut unseen: Vec<_> = states.filter(|s| !self.counts.bars.contains_key(s)).collect();
        let numbers: Vec<_> = self.counts.numbers().collect();
        let none = |name: &&&str| numbers.contains(&(**name, 0));
        unseen.extend(MUST_OCCUR.iter().filter(none));
        unseen
    }

    fn explain(&self, shrunk: &Shrunk, text: &mut String) {
        let _ = writeln!(text, "\nVIOLATION with seed {}", shrunk.seed);
        place(text, "  first", &shrunk.first);
        let _ = writeln!(text, "\nThe smallest life found that shows it:");
        place(text, "  small", &shrunk.small);
        let _ = writeln!(text, "\n  reproduce:\n    {}\n\n  history:", self.command(shrunk));
        for line in &shrunk.small.history {
            let _ = writeln!(text, "    {line}");
        }
    }

    /// The command line that shows the small life again.
    fn command(&self, shrunk: &Shrunk) -> String {
        let mut line = format!(
            "market-data torture --seed {} --lives 1 --steps {} --faults {} --instruments {}",
            shrunk.seed, shrunk.steps, self.options.faults.name, shrunk.instruments
        );
        let mut own = Vec::new();
        for kind in &shrunk.without {
            let mut faults = self.options.faults;
            let rate = shrink::KINDS.iter().find(|(name, _)| name == kind);
            if rate.is_none_or(|(_, rate)| *rate(&mut faults) > 0) {
                own.push(*kind);
            }
        }
        if self.options.catalogue {
            line.push_str(" --catalogue");
        }
        if !own.is_empty() {
            let _ = write!(line, " --without {}", own.join(","));
        }
        line
    }

    /// One JSON object and a line break.
    pub fn json(&self) -> String {
        let mut text = String::from("{");
        let options = &self.options;
        let _ = write!(
            text,
            "\"faults\":{},\"seed\":{},\"asked_lives\":{},\"steps\":{}",
            quoted(options.faults.name),
            options.seed,
            options.lives,
            options.steps
        );
        for (name, number) in self.counts.numbers() {
            let _ = write!(text, ",\"{name}\":{number}");
        }
        let channels = self.counts.channels.iter().map(|(name, n)| (name.as_str(), *n));
        object(&mut text, "channels", channels);
        let bars = self.counts.bars.iter().map(|(state, n)| (*state, *n));
        object(&mut text, "bars", bars);
        object(&mut text, "gaps", self.counts.gaps.iter().map(|(cause, n)| (*cause, *n)));
        let faults = self.counts.faults.iter().map(|(kind, n)| (kind.as_str(), *n));
        object(&mut text, "injected", faults);
        match &self.failure {
            None => {
                let unseen = self.unseen().into_iter().map(|name| (name, 0));
                object(&mut text, "unseen", unseen);
                text.push_str(",\"violation\":null");
            }
            Some(shrunk) => {
                let _ = write!(
                    text,
                    ",\"violation\":{{\"seed\":{},\"step\":{},\"rule\":{},\"what\":{},\
                     \"reproduce\":{}}}",
                    shrunk.seed,
                    shrunk.first.step,
                    quoted(shrunk.first.rule),
                    quoted(&shrunk.first.what),
                    quoted(&self.command(shrunk)),
                );
            }
        }
        text.push_str("}\n");
        text
    }
}

fn place(text: &mut String, word: &str, failure: &Failure) {
    let ms = failure.after_ns / 1_000_000;
    let _ = writeln!(
        text,
        "{word}: promise \"{}\" broken at step {}, {}.{:03} s into the life, feed {}\n    {}",
        failure.rule,
        failure.step,
        ms / 1000,
        ms % 1000,
        failure.feed,
        failure.what.replace('\n', "\n    "),
    );
}

fn list<'a>(text: &mut String, title: &str, items: impl Iterator<Item = (&'a str, u64)>) {
    let items: Vec<_> = items.map(|(name, n)| format!("{name} {n}")).collect();
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {title}:");
    for line in items.chunks(6) {
        let _ = writeln!(text, "    {}", line.join(", "));
    }
}

fn object<'a>(text: &mut String, name: &str, items: impl Iterator<Item = (&'a str, u64)>) {
    let items: Vec<_> = items.map(|(name, n)| format!("\"{name}\":{n}")).collect();
    let _ = write!(text, ",\"{name}\":{{{}}}", items.join(","));
}

fn quoted(words: &str) -> String {
    let mut out = Vec::new();
    escape(words, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

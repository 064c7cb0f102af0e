//! What is said about a run: a table for people, or one JSON object.
//!
//! The same options give the same text, whatever the machine. Start at [`Report::text`].

use super::Options;
use super::counts::{Counts, Figure};
use super::life::Failure;
use super::shrink::{self, Shrunk};
use market_data_model::wire::escape;
use std::fmt::Write as _;

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
        let channels = self.counts.channels.iter().map(|(name, n)| (name.as_str(), *n));
        list(&mut text, "rows compared by channel", channels);
        let faults = self.counts.faults.iter().map(|(kind, n)| (kind.as_str(), *n));
        list(&mut text, "faults injected", faults);
        match &self.failure {
            None => text.push_str("ok: no violation\n"),
            Some(shrunk) => self.explain(shrunk, &mut text),
        }
        text
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
        object(&mut text, "gaps", self.counts.gaps.iter().map(|(cause, n)| (*cause, *n)));
        let faults = self.counts.faults.iter().map(|(kind, n)| (kind.as_str(), *n));
        object(&mut text, "injected", faults);
        match &self.failure {
            None => text.push_str(",\"violation\":null"),
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

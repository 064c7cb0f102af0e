//! Which records `--inst` and `--channels` ask for, and which of these wishes met nothing.
//!
//! The wishes are matched as subscriptions are: ids in any case, with or without dashes, patterns.
//! Each name on the tape is matched once and remembered.
//!
//! Invariant: no wish means everything.

use market_data_model::EventRef;
use market_data_okx::catalogue::{channel_fits, instrument_fits};
use std::collections::BTreeMap;

/// Names that a note lists.
const LISTED_MAX: usize = 8;

/// See the file's first comment.
pub struct Choice {
    instruments: Wishes,
    channels: Wishes,
}

impl Choice {
    /// What was asked for.
    pub fn new(instruments: &[String], channels: &[String]) -> Choice {
        Choice {
            instruments: Wishes::new("--inst", instruments, instrument_fits),
            channels: Wishes::new("--channels", channels, channel_fits),
        }
    }

    /// Whether a record is asked for.
    pub fn takes(&mut self, event: &EventRef<'_>) -> bool {
        // Both are looked at, so that each knows what there is.
        let instrument = self.instruments.take(event.inst_id());
        self.channels.take(event.channel()) && instrument
    }

    /// What met nothing, in words; empty when there is nothing to say.
    pub fn note(&self) -> String {
        self.instruments.note() + &self.channels.note()
    }
}

struct Wishes {
    flag: &'static str,
    wishes: Vec<(String, bool)>,
    fits: fn(&str, &str) -> bool,
    known: BTreeMap<Box<str>, bool>,
}

impl Wishes {
    fn new(flag: &'static str, wishes: &[String], fits: fn(&str, &str) -> bool) -> Wishes {
        let wishes = wishes.iter().map(|wish| (wish.clone(), false)).collect();
        Wishes { flag, wishes, fits, known: BTreeMap::new() }
    }

    fn take(&mut self, name: &str) -> bool {
        if self.wishes.is_empty() {
            return true;
        }
        if let Some(taken) = self.known.get(name) {
            return *taken;
        }
        let mut taken = false;
        for (wish, met) in &mut self.wishes {
            let fits = !name.is_empty() && (self.fits)(wish, name);
            *met |= fits;
            taken |= fits;
        }
        self.known.insert(name.into(), taken);
        taken
    }

    fn note(&self) -> String {
        let missed: Vec<&str> =
            self.wishes.iter().filter(|(_, met)| !met).map(|(wish, _)| wish.as_str()).collect();
        if missed.is_empty() {
            return String::new();
        }
        let known: Vec<&str> =
            self.known.keys().map(|name| &**name).filter(|name| !name.is_empty()).collect();
        let mut there = known[..known.len().min(LISTED_MAX)].join(", ");
        if known.len() > LISTED_MAX {
            there.push_str(&format!(" and {} more", known.len() - LISTED_MAX));
        }
        let there = if there.is_empty() { "nothing".to_owned() } else { there };
        let (flag, missed) = (self.flag, missed.join(","));
        format!("note: {flag} {missed} fits nothing that was played; there is {there}\n")
    }
}

//! What a feed knows that another may need: a process that follows another begins where that one
//! ended, and what came between is a loss like any other. Part of [`OkxFeed`].
//!
//! The driver takes [`OkxFeed::known`] from what the tape of the old process gives and puts it into
//! the configuration of the new feeds. At their start each such subscription opens a gap, cause
//! `restart`, ours; it heals as after a lost connection: trades and bars are fetched, books begin
//! anew. See decision 0026.
//!
//! Invariant: what the old feed was still fetching counts as not told, so it is fetched again.

use super::OkxFeed;
use crate::channel::Form;
use market_data_model::*;

impl OkxFeed {
    /// How far each subscription has come, of those that have heard anything.
    pub fn known(&self) -> Vec<Known> {
        let known = (0..).zip(&self.subs).filter(|(_, sub)| sub.wanted).filter_map(|(at, sub)| {
            let last = match (&sub.series, sub.spec.map(|spec| spec.form)) {
                (Some(series), _) => {
                    let missing = self.refill.first_missing(at).map(|id| id.saturating_sub(1));
                    series.last().map(|last| missing.unwrap_or(last).min(last))
                }
                (None, Some(Form::Bar(..))) => self.bars.proven(at),
                (None, Some(Form::Figures(_))) => self.funding.told(at),
                _ => None,
            };
            let heard = sub.heard?;
            Some(Known { subscription: sub.subscription.clone(), last, heard })
        });
        known.collect()
    }

    /// Takes over what the feed before knew.
    pub(super) fn begin_known(&mut self) {
        for Known { subscription, last, heard } in std::mem::take(&mut self.config.known) {
            let Some(&index) = self.by_key.get(&subscription) else { continue };
            let funding = self.is_funding(index);
            let sub = &mut self.subs[index as usize];
            sub.heard = Some(heard);
            match (&mut sub.series, last) {
                (Some(series), Some(last)) => {
                    series.take(last, None);
                }
                (None, Some(last)) if funding => self.funding.begin(index, last),
                (None, Some(next)) if self.config.bars => self.bars.begin(index, next),
                _ => {}
            }
        }
    }

    /// What came while nobody listened is missing.
    pub(super) fn miss_known(&mut self, now: Nanos, out: &mut Outbox) {
        if self.link.number > 0 || self.config.passive {
            return;
        }
        for sub in &mut self.subs {
            // Nothing was heard on this feed before its start.
            if sub.heard.is_some() && sub.gap.is_none() {
                sub.started = true;
                let why = (GapCause::Restart, Whose::Ours);
                sub.lose(now, why, &mut self.emit, out);
                sub.started = false;
            }
        }
    }
}

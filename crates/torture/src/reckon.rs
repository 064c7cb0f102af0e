//! The end of a life: what was told is compared with the exchange's own trades and bars, whatever
//! process told it.
//!
//! `ending.rs` calls [`Life::reckon`] when nobody is connected any more.

use super::catalogue;
use super::counts::Figure;
use super::judge::Complaint;
use super::life::{Life, Violation};
use super::whole::{self, Own};
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = SECOND / 1000;
/// Between two requests, within the exchange's limits.
const ASK_EVERY_NS: u64 = 101 * MILLI;
/// Pages of trades that are asked for of one instrument, of 100 each.
const PAGES_MAX: u32 = 60;
/// Pages of bars, of 300 each; those of a second are made of the trades that the exchange keeps.
const BAR_PAGES_MAX: u32 = 8;
const SECOND_PAGES_MAX: u32 = 1;

/// An exchange's own trades of one instrument.
type Trades = BTreeMap<u64, Own>;

impl Life {
    /// Compares everything that was told.
    pub(super) fn reckon(&mut self) -> Result<(), Violation> {
        let excused = self.excused();
        let mut known: BTreeMap<String, Trades> = BTreeMap::new();
        for feed in 0..self.rigs.len() {
            for n in 0..self.rigs[feed].judge.ledger.keys().len() {
                let key = &self.rigs[feed].judge.ledger.keys()[n];
                let (channel, inst) = (key.channel.clone(), key.key.clone());
                if excused.contains(&inst) || inst == catalogue::RELISTED {
                    continue;
                }
                let done = if channel.starts_with("trades") {
                    self.reckon_trades((feed, n), &inst, &mut known)
                } else if let Some(bar) = channel.strip_prefix("candle") {
                    self.reckon_bars((feed, n), (&inst, bar), &mut known)
                } else {
                    continue;
                };
                if let Err(text) = done {
                    let complaint = Complaint::about("tape", &channel, &inst, text);
                    return Err(self.violation(feed, complaint));
                }
            }
        }
        Ok(())
    }

    fn reckon_trades(
        &mut self,
        (feed, n): (usize, usize),
        inst: &str,
        known: &mut BTreeMap<String, Trades>,
    ) -> Result<(), String> {
        let key = &self.rigs[feed].judge.ledger.keys()[n];
        let Some((first, _)) = key.whole.ids() else { return Ok(()) };
        let own = self.trades_from(inst, first, known);
        let ledger = &self.rigs[feed].judge.ledger;
        let key = &ledger.keys()[n];
        let same = key.whole.compare(own, ledger.is_open(&key.channel, &key.key))?;
        self.counts.more(Figure::TradesSame, same);
        Ok(())
    }

    /// The exchange's own trades from this id on, as far back as it keeps them.
    fn trades_from<'a>(
        &mut self,
        inst: &str,
        first: u64,
        known: &'a mut BTreeMap<String, Trades>,
    ) -> &'a Trades {
        let own = known.entry(inst.to_owned()).or_default();
        for _ in 0..PAGES_MAX {
            let oldest = own.first_key_value().map(|(id, _)| *id);
            if oldest.is_some_and(|oldest| oldest <= first) {
                break;
            }
            let after = oldest.map_or(String::new(), |oldest| format!("&after={oldest}"));
            let path = format!("/api/v5/market/history-trades?instId={inst}&limit=100{after}");
            let page = whole::own(&self.ask(&path));
            if page.is_empty() {
                break;
            }
            own.extend(page);
        }
        own
    }

    fn reckon_bars(
        &mut self,
        (feed, n): (usize, usize),
        (inst, bar): (&str, &str),
        known: &mut BTreeMap<String, Trades>,
    ) -> Result<(), String> {
        let told = self.rigs[feed].judge.ledger.keys()[n].bars.clone();
        let Some((first, last)) = told.span() else { return Ok(()) };
        let pages = if bar == "1s" { SECOND_PAGES_MAX } else { BAR_PAGES_MAX };
        let mut after = last + 1;
        for _ in 0..pages {
            let path = format!(
                "/api/v5/market/history-candles?instId={inst}&bar={bar}&after={after}&before={}\
                 &limit=300",
                first - 1
            );
            let (alike, oldest) = told.strangers(&self.ask(&path))?;
            self.counts.more(Figure::BarsSame, alike.bars);
            self.counts.more(Figure::RebuiltSame, alike.rebuilt);
            let Some(oldest) = oldest.filter(|oldest| *oldest > first) else { break };
            after = oldest;
        }
        let own = known.get(inst);
        let times: Vec<u64> = own.into_iter().flat_map(Trades::values).map(Own::millis).collect();
        if let Some(since) = times.first() {
            let same = told.flows(*since, &times)?;
            self.counts.more(Figure::FlowsSame, same);
        }
        Ok(())
    }

    fn ask(&mut self, path: &str) -> String {
        self.now += ASK_EVERY_NS;
        self.exchange.rest(self.now, path).body
    }
}

//! Bars made of the trades in them: to compare with the venue's, to say what the venue's do not,
//! and to stand in for those that nobody has. Part of [`OkxFeed`].
//!
//! Only where trades and bars of an instrument come on one connection, as `trades-all` and
//! `candle*` do. A bar's trades are complete when ids prove it: every fill from one before the bar
//! to one behind it was told. A finished bar whose open, high, low, close and volume are those of
//! its trades proves the same earlier, for a trade that is yet to come would add to the volume.
//!
//! Not supported: bars of which the calendar decides how long they are, or whose phase OKX does not
//! document (longer than a day).
//!
//! Invariants: nothing is claimed of a bar of which a trade may be missing; a bar is compared once;
//! sums and their number are bounded.

use super::super::OkxFeed;
use super::super::refill::Refill;
use super::state_of;
use crate::channel::bars::Span;
use crate::channel::{BarSpec, Form, KeyKind};
use crate::limits;
use market_data_model::time::DAY_MS;
use market_data_model::units::{Amount, Coins};
use market_data_model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MINUTE_MS: u64 = 60_000;

/// What trades make of bars.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Made {
    /// By the subscription of the trades: how far they are complete, and whose bars they make.
    runs: BTreeMap<u32, Run>,
    /// By the subscription of the bars.
    series: BTreeMap<u32, Own>,
    /// Bars that were not what their trades say.
    differing: u64,
}

/// Trades without a hole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Run {
    bars: Vec<u32>,
    /// Times of the first and the newest, in ms; `None` = there was none, or a hole stayed.
    times: Option<(u64, u64)>,
}

/// The bars of one series.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Own {
    /// The subscription of their trades.
    of: u32,
    length_ms: u64,
    zone_ms: u64,
    /// Trades up to here are not in the sums, in ms.
    since_ms: u64,
    sums: Vec<Sum>,
}

/// The trades of one bar so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sum {
    open_ms: u64,
    trades: u64,
    prices: Option<Prices>,
    volume: Total,
    turnover: Total,
    taker_base: Total,
    taker_quote: Total,
    /// The venue's bar, until it is compared.
    told: Option<Told>,
    /// It was compared, or made the bar itself.
    done: bool,
}

/// Prices, with the ids of the trades that made the first and the last.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Prices {
    open: (u64, Px),
    high: Px,
    low: Px,
    close: (u64, Px),
}

/// A finished bar as the venue has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    prices: [Px; 4],
    volumes: [Option<Qty>; 3],
    filled: bool,
}

/// A sum of exact numbers; `None` = it does not fit, or one was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Total(Option<Decimal>);

impl Default for Total {
    fn default() -> Total {
        Total(Some(Decimal::ZERO))
    }
}

impl Total {
    fn add(&mut self, more: Option<Decimal>) {
        let sum = |a: Decimal, b: Decimal| {
            let scale = a.scale().max(b.scale());
            let sum = a.at_scale(scale)?.checked_add(b.at_scale(scale)?)?;
            Decimal::from_parts(sum, scale)
        };
        self.0 = self.0.zip(more).and_then(|(a, b)| sum(a, b));
    }
}

/// What became of a comparison, by the subscription of the bars: the bar with what its trades say
/// beyond it, or where they differ, in words.
type Compared = (u32, Result<Bar, String>);

impl Made {
    /// Whose bars and trades there are.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = u32> {
        let made = self.runs.values().flat_map(|run| run.bars.iter().copied());
        let of = self.series.values().map(|own| own.of);
        self.runs.keys().copied().chain(made).chain(of).chain(self.series.keys().copied())
    }

    /// Whether it is one that rows can have made.
    pub(super) fn is_sound(&self) -> bool {
        let whole = |own: &Own| {
            own.length_ms > 0
                && own.length_ms <= DAY_MS.unsigned_abs()
                && own.zone_ms <= DAY_MS.unsigned_abs()
                && own.sums.len() <= own.room()
                && own.sums.iter().all(|sum| sum.trades.max(sum.open_ms) < u64::MAX / 2)
        };
        self.series.values().all(whole) && self.differing < u64::MAX / 2
    }

    /// Bars that were not what their trades say.
    pub(crate) fn differing(&self) -> u64 {
        self.differing
    }

    /// Trades and bars of one instrument on one connection.
    fn join(&mut self, trades: u32, bars: u32, size: &BarSpec) {
        let Span::Millis(length) = size.span else { return };
        if length > DAY_MS || self.series.contains_key(&bars) {
            return;
        }
        let newest = self.runs.get(&trades).and_then(|run| run.times).map(|(_, newest)| newest);
        let own = Own {
            of: trades,
            since_ms: newest.unwrap_or(0),
            length_ms: length.unsigned_abs(),
            zone_ms: size.zone_ms.unsigned_abs(),
            sums: Vec::new(),
        };
        self.series.insert(bars, own);
        self.runs.entry(trades).or_default().bars.push(bars);
    }

    /// Nobody wants these any more: what waits to be compared is not told again.
    pub(super) fn forget(&mut self, index: u32) {
        if let Some(own) = self.series.get_mut(&index) {
            own.sums.iter_mut().for_each(|sum| (sum.done, sum.told) = (true, None));
        }
        self.broken(index);
    }

    /// Trades before the next are not known, or some of them will never come.
    pub(in super::super) fn broken(&mut self, trades: u32) {
        if let Some(run) = self.runs.get_mut(&trades) {
            run.times = None;
        }
    }

    /// Trades before the newest will never come: nothing is missing behind that one.
    pub(in super::super) fn broken_before(&mut self, trades: u32) {
        if let Some(run) = self.runs.get_mut(&trades) {
            run.times = run.times.map(|(_, newest)| (newest, newest));
        }
    }

    /// Trades are numbered anew: nothing before counts.
    pub(in super::super) fn renumbered(&mut self, trades: u32) {
        let Some(run) = self.runs.get_mut(&trades) else { return };
        run.times = None;
        for bars in &run.bars {
            if let Some(own) = self.series.get_mut(bars) {
                own.sums.clear();
            }
        }
    }

    /// A trade was told.
    fn add(&mut self, trades: u32, (ts, fills): (u64, u64), trade: &Trade, of: &Instrument) {
        let Some(run) = self.runs.get_mut(&trades) else { return };
        // One that was fetched begins nothing: it lies before what is known.
        if run.times.is_some() || trade.filled.is_none() {
            let (since, newest) = run.times.unwrap_or((ts, ts));
            run.times = Some((since, newest.max(ts)));
        }
        for bars in &run.bars {
            if let Some(own) = self.series.get_mut(bars) {
                own.add((ts, fills), trade, of);
            }
        }
    }

    fn is_whole(&self, own: &Own, open_ms: u64, refill: &Refill) -> bool {
        let Some((since, newest)) = self.runs.get(&own.of).and_then(|run| run.times) else {
            return false;
        };
        since.max(own.since_ms) < open_ms
            && newest >= open_ms.saturating_add(own.length_ms)
            && !refill.is_open(own.of)
    }

    /// The venue's bar is about to be told: with what its trades say, if they are proven complete;
    /// otherwise it is compared once they are.
    pub(super) fn told(&mut self, index: u32, bar: Bar, refill: &Refill) -> Bar {
        if bar.closed != Some(true) || bar.flow.is_some() {
            return bar;
        }
        let Some(own) = self.series.get(&index) else { return bar };
        let since = self.runs.get(&own.of).and_then(|run| run.times).map(|(since, _)| since);
        if since.is_none_or(|since| since.max(own.since_ms) >= bar.open_ms) {
            // Its first trades are not known, and never will be.
            return bar;
        }
        let told = Told {
            prices: [bar.open, bar.high, bar.low, bar.close],
            volumes: [bar.volume, bar.volume_ccy, bar.volume_quote],
            filled: bar.filled.is_some(),
        };
        let sum = own.sums.iter().find(|sum| sum.open_ms == bar.open_ms);
        let agrees = sum.is_some_and(|sum| sum.trades > 0 && sum.difference(&told).is_none());
        if agrees && !refill.is_open(own.of) {
            let flow = sum.map(Sum::flow);
            self.done(index, bar.open_ms);
            return Bar { flow, ..bar };
        }
        if let Some(own) = self.series.get_mut(&index)
            && let Some(sum) = own.sum(bar.open_ms)
            && !sum.done
        {
            sum.told = Some(told);
        }
        bar
    }

    fn done(&mut self, index: u32, open_ms: u64) {
        let Some(own) = self.series.get_mut(&index) else { return };
        for sum in own.sums.iter_mut().filter(|sum| sum.open_ms == open_ms) {
            (sum.done, sum.told) = (true, None);
        }
    }

    /// Bars of these trades that can be compared now.
    fn compare(
        &mut self,
        trades: u32,
        refill: &Refill,
        size_of: impl Fn(u32) -> Option<(BarKind, &'static BarSpec)>,
    ) -> Vec<Compared> {
        let mut done = Vec::new();
        let Some(run) = self.runs.get(&trades) else { return done };
        for bars in run.bars.clone() {
            let Some(own) = self.series.get(&bars) else { continue };
            let ready = |sum: &&Sum| sum.told.is_some() && self.is_whole(own, sum.open_ms, refill);
            let ready: Vec<Sum> = own.sums.iter().filter(ready).cloned().collect();
            for sum in ready {
                let (Some(told), Some((kind, size))) = (sum.told, size_of(bars)) else { continue };
                match sum.difference(&told) {
                    Some(words) => {
                        self.differing += 1;
                        done.push((bars, Err(words)));
                    }
                    None => done.push((bars, Ok(sum.bar(&told, kind, size)))),
                }
                self.done(bars, sum.open_ms);
            }
        }
        done
    }

    /// The bar that nobody has, made of its trades; `None` when one of them may be missing.
    pub(super) fn rebuilt(&mut self, index: u32, open_ms: u64, refill: &Refill) -> Option<Bar> {
        let own = self.series.get(&index)?;
        if !self.is_whole(own, open_ms, refill) {
            return None;
        }
        let sum = own.sums.iter().find(|sum| sum.open_ms == open_ms)?;
        let Prices { open, high, low, close } = sum.prices?;
        let volume = sum.volume.0.map(Qty);
        let bar = Bar {
            kind: BarKind::Trade,
            interval: "",
            open_ms,
            close_ms: open_ms + own.length_ms,
            open: open.1,
            high,
            low,
            close: close.1,
            volume,
            volume_ccy: None,
            volume_quote: None,
            closed: Some(true),
            state: Some(BarState::RebuiltFromTrades),
            filled: None,
            flow: Some(sum.flow()),
        };
        self.done(index, open_ms);
        Some(bar)
    }
}

impl Own {
    /// When the bar that holds this time opens.
    fn open_ms(&self, ts: u64) -> u64 {
        let local = ts + self.zone_ms;
        (local - local % self.length_ms).saturating_sub(self.zone_ms)
    }

    /// How many sums it has at most.
    fn room(&self) -> usize {
        match self.length_ms < MINUTE_MS {
            true => limits::BARS_MADE_SHORT_MAX,
            false => limits::BARS_MADE_MAX,
        }
    }

    /// The sum of that bar, made if there is room; the oldest makes room for a later one.
    fn sum(&mut self, open_ms: u64) -> Option<&mut Sum> {
        let at = match self.sums.binary_search_by_key(&open_ms, |sum| sum.open_ms) {
            Ok(at) => return self.sums.get_mut(at),
            Err(at) => at,
        };
        if self.sums.len() < self.room() {
            self.sums.insert(at, Sum { open_ms, ..Sum::default() });
            return self.sums.get_mut(at);
        }
        let at = at.checked_sub(1)?;
        self.sums.remove(0);
        self.sums.insert(at, Sum { open_ms, ..Sum::default() });
        self.sums.get_mut(at)
    }

    fn add(&mut self, (ts, fills): (u64, u64), trade: &Trade, of: &Instrument) {
        let open_ms = self.open_ms(ts);
        let Some(sum) = self.sum(open_ms) else { return };
        sum.trades += fills;
        let (id, px) = (trade.trade_id, trade.px);
        let first = Prices { open: (id, px), high: px, low: px, close: (id, px) };
        let prices = sum.prices.get_or_insert(first);
        if id < prices.open.0 {
            prices.open = (id, px);
        }
        if id >= prices.close.0 {
            prices.close = (id, px);
        }
        if px.0.cmp_value(prices.high.0).is_gt() {
            prices.high = px;
        }
        if px.0.cmp_value(prices.low.0).is_lt() {
            prices.low = px;
        }
        sum.volume.add(Some(trade.qty.0));
        let coins = match of.coins(trade.qty, None) {
            Ok(Coins::Exact(Amount { value, .. })) => Some(value),
            _ => None,
        };
        let money = of.value(trade.qty, px).ok().map(|amount| amount.value);
        sum.turnover.add(money);
        match trade.aggressor {
            Aggressor::Buyer => {
                sum.taker_base.add(coins);
                sum.taker_quote.add(money);
            }
            Aggressor::Seller => {}
            Aggressor::Unknown => (sum.taker_base, sum.taker_quote) = (Total(None), Total(None)),
        }
    }
}

impl Sum {
    fn flow(&self) -> BarFlow {
        BarFlow {
            trades: self.trades,
            taker_base: self.taker_base.0.map(Qty),
            taker_quote: self.taker_quote.0.map(Qty),
        }
    }

    /// Where the venue's bar is another than that of these trades, with both values.
    fn difference(&self, told: &Told) -> Option<String> {
        let volume = told.volumes[0].map(|volume| volume.0);
        let Some(prices) = self.prices else {
            let some = volume.filter(|volume| !volume.is_zero())?;
            return Some(format!("volume is {some}, and there was no trade in it"));
        };
        let own = [prices.open.1, prices.high, prices.low, prices.close.1];
        let names = ["open", "high", "low", "close"];
        for ((name, told), own) in names.iter().zip(told.prices).zip(own) {
            if told.0.cmp_value(own.0).is_ne() {
                return Some(format!("{name} is {told}, its trades say {own}"));
            }
        }
        let (told, own) = (volume?, self.volume.0?);
        let differs = told.cmp_value(own).is_ne();
        differs.then(|| format!("volume is {told}, its trades say {own}"))
    }

    fn bar(&self, told: &Told, kind: BarKind, size: &'static BarSpec) -> Bar {
        let [open, high, low, close] = told.prices;
        let [volume, volume_ccy, volume_quote] = told.volumes;
        let bar = Bar {
            kind,
            interval: size.interval,
            open_ms: self.open_ms,
            close_ms: size.close_ms(self.open_ms),
            open,
            high,
            low,
            close,
            volume,
            volume_ccy,
            volume_quote,
            closed: Some(true),
            state: None,
            filled: told.filled.then_some(FilledFrom::Rest),
            flow: Some(self.flow()),
        };
        Bar { state: state_of(&bar, told.filled), ..bar }
    }
}

impl OkxFeed {
    /// Lets the trades of an instrument make its bars, whichever of both was there first.
    pub(in super::super) fn join_bars(&mut self, index: u32) {
        let form = |index: u32| {
            let spec = self.subs[index as usize].spec?;
            (spec.key == KeyKind::InstId).then_some(spec.form)
        };
        let Some(own) = form(index) else { return };
        let key = &self.subs[index as usize].subscription.key;
        let others = (0..).zip(&self.subs).filter(|(_, sub)| sub.subscription.key == *key);
        let others = others.filter_map(|(at, _)| Some((at, form(at)?)));
        let pairs: Vec<(u32, u32, &'static BarSpec)> = others
            .filter_map(|(other, form)| match (own, form) {
                (Form::Trade, Form::Bar(BarKind::Trade, size)) => Some((index, other, size)),
                (Form::Bar(BarKind::Trade, size), Form::Trade) => Some((other, index, size)),
                _ => None,
            })
            .collect();
        for (trades, bars, size) in pairs {
            self.bars.made.join(trades, bars, size);
        }
    }

    /// A trade has come out: adds it to its bars, and says what can be said of them.
    pub(in super::super) fn trade_made(
        &mut self,
        now: Nanos,
        index: u32,
        (ts, trade): (Option<Nanos>, &Trade),
        out: &mut Outbox,
    ) {
        if !self.bars.made.runs.contains_key(&index) {
            return;
        }
        let (Some(ts), Some(inst)) = (ts, self.subs[index as usize].place.inst) else {
            return self.bars.made.broken(index);
        };
        let fills = u64::from(trade.count.unwrap_or(1).max(1));
        self.bars.made.add(index, (ts.millis(), fills), trade, self.emit.known(inst));
        self.compare_bars(now, index, out);
    }

    /// Compares what can be compared of bars with their trades.
    pub(in super::super) fn compare_bars(&mut self, now: Nanos, index: u32, out: &mut Outbox) {
        let subs = &self.subs;
        let size_of = |index: u32| match subs.get(index as usize)?.spec?.form {
            Form::Bar(kind, size) => Some((kind, size)),
            _ => None,
        };
        for (bars, compared) in self.bars.made.compare(index, &self.refill, size_of) {
            match compared {
                Ok(bar) => {
                    self.emit.stats.bars += 1;
                    let header = self.emit.header(now, self.subs[bars as usize].place, None);
                    out.events.push_bar(header, bar);
                }
                Err(words) => {
                    let place = self.subs[bars as usize].place;
                    self.emit.fault(now, place, FaultCode::BarDiffers, (words, b""), out);
                }
            }
        }
    }
}

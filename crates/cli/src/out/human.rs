//! One line a record for people: time, instrument, channel, and what it says, in aligned columns.
//!
//! `watch`, `run` and `decode` print these. Numbers are the venue's text, untouched; everything
//! the venue wrote is freed of control characters before it reaches a terminal.
//!
//! Invariants: one record is one line; without colours the line has the same words; columns only
//! ever grow, so lines under each other stay aligned.
//!
//! Start at [`Lines::write`].

use super::paint::{Colour, Paint};
use market_data_model::fields::Value;
use market_data_model::{
    Aggressor, Bar, BarKind, BarState, Body, BookChange, BookKind, EventRef, Fault, Figures, Gap,
    Healed, Instrument, Level, Px, Qty, Session, SessionStep, Subscription, SubscriptionNews,
    SubscriptionStep, Ticker, Trade,
};
use text::{
    COLUMN_MAX, clock, clock_minutes, column, difference, moment, optional, plain, put, shown,
    spaces,
};

mod text;

/// Turns records into lines; remembers how wide the columns are.
pub struct Lines {
    paint: Paint,
    inst_width: usize,
    channel_width: usize,
    qty_width: usize,
    px_width: usize,
    offer_width: usize,
    number: Vec<u8>,
}

impl Lines {
    /// Lines in these colours.
    pub fn new(paint: Paint) -> Lines {
        Lines {
            paint,
            inst_width: 9,
            channel_width: 8,
            qty_width: 6,
            px_width: 8,
            offer_width: 14,
            number: Vec::new(),
        }
    }

    /// Makes room for these from the start, so that the first lines stand like the later ones.
    pub fn fit(&mut self, subscriptions: &[Subscription]) {
        for subscription in subscriptions {
            let widest = |width: usize, text: &str| width.max(text.len().min(COLUMN_MAX));
            self.inst_width = widest(self.inst_width, &subscription.key);
            self.channel_width = widest(self.channel_width, &subscription.channel);
        }
    }

    /// Appends one record as a line.
    pub fn write(&mut self, event: &EventRef<'_>, out: &mut Vec<u8>) {
        self.paint.open(Colour::Faint, out);
        clock(event.header.ts_event.unwrap_or(event.header.ts_recv), out);
        self.paint.close(out);
        out.extend_from_slice(b"  ");
        let channel = if event.channel().is_empty() { "link" } else { event.channel() };
        self.paint.open(Colour::Strong, out);
        column(event.inst_id(), &mut self.inst_width, out);
        self.paint.close(out);
        column(channel, &mut self.channel_width, out);
        match event.body {
            Body::Ticker(x) => self.ticker(x, out),
            Body::Trade(x) => self.trade(x, out),
            Body::Bar(x) => self.bar(x, out),
            Body::Book(x, bids, asks) => self.book(x, bids, asks, out),
            Body::Figures(x) => self.figures(x, out),
            Body::Instrument(x) => self.instrument(x, out),
            Body::Gap(x) => self.gap(x, out),
            Body::Session(x) => self.session(x, event.header.feed.0, out),
            Body::Subscription(x) => self.subscription(x, out),
            Body::Fault(x) => self.fault(x, out),
            Body::Raw(x) => self.faint(&shown(&x.row), out),
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }

    fn trade(&mut self, x: &Trade, out: &mut Vec<u8>) {
        let (side, colour) = match x.aggressor {
            Aggressor::Buyer => ("buy  ", Colour::Good),
            Aggressor::Seller => ("sell ", Colour::Bad),
            Aggressor::Unknown => ("side?", Colour::Warn),
        };
        self.paint.open(colour, out);
        out.extend_from_slice(side.as_bytes());
        out.push(b' ');
        self.pair(x.qty, x.px, out);
        self.paint.close(out);
        self.paint.open(Colour::Faint, out);
        put(out, format_args!("  id {}", x.trade_id));
        if let Some(count) = x.count.filter(|count| *count > 1) {
            put(out, format_args!("  {count} fills"));
        }
        self.paint.close(out);
    }

    fn ticker(&mut self, x: &Ticker, out: &mut Vec<u8>) {
        self.best((x.bid_qty, x.bid), (x.ask_qty, x.ask), out);
        out.extend_from_slice(b"  last ");
        self.number.clear();
        optional(x.last.map(|px| px.0), &mut self.number);
        self.px_width = self.px_width.max(self.number.len()).min(COLUMN_MAX);
        out.extend_from_slice(&self.number);
        spaces(self.px_width.saturating_sub(self.number.len()), out);
        self.paint.open(Colour::Faint, out);
        out.extend_from_slice(b"  24h ");
        optional(x.low_24h.map(|px| px.0), out);
        out.extend_from_slice(b" to ");
        optional(x.high_24h.map(|px| px.0), out);
        out.extend_from_slice(b"  vol ");
        optional(x.vol_24h.map(|qty| qty.0), out);
        self.paint.close(out);
    }

    fn bar(&mut self, x: &Bar, out: &mut Vec<u8>) {
        let kind = match x.kind {
            BarKind::Trade => "bar",
            BarKind::Mark => "mark bar",
            BarKind::Index => "index bar",
            BarKind::Spread => "spread bar",
        };
        let up = x.close.0.cmp_value(x.open.0).is_ge();
        put(out, format_args!("{kind} {} from ", x.interval));
        clock_minutes(x.open_ms, out);
        if x.state == Some(BarState::Missing) {
            return self.faint("  nobody has it", out);
        }
        put(out, format_args!("  open {}  high {}  low {}  close ", x.open, x.high, x.low));
        self.paint.open(if up { Colour::Good } else { Colour::Bad }, out);
        put(out, format_args!("{}", x.close));
        self.paint.close(out);
        if let Some(volume) = x.volume {
            put(out, format_args!("  vol {volume}"));
        }
        match x.closed {
            Some(true) => {
                self.faint("  closed", out);
                if let Some(state) = x.state.filter(|state| *state != BarState::Confirmed) {
                    self.faint(&format!(", {}", state.as_str().replace('_', " ")), out);
                }
            }
            Some(false) => self.faint("  running", out),
            None => {}
        }
    }

    fn book(&mut self, x: &BookChange, bids: &[Level], asks: &[Level], out: &mut Vec<u8>) {
        match x.kind {
            BookKind::View => self.view(bids, asks, out),
            BookKind::Snapshot => {
                put(out, format_args!("snapshot of {} bids, {} asks", bids.len(), asks.len()))
            }
            BookKind::Delta => self.delta(bids, asks, out),
        }
        if let Some(seq) = x.seq {
            self.faint(&format!("  seq {seq}"), out);
        }
    }

    fn view(&mut self, bids: &[Level], asks: &[Level], out: &mut Vec<u8>) {
        if bids.len() < 2 && asks.len() < 2 {
            let of = |side: &[Level]| (side.first().map(|l| l.qty), side.first().map(|l| l.px));
            self.best(of(bids), of(asks), out);
        } else {
            out.extend_from_slice(b"bid ");
            self.side(bids.iter().rev(), bids.is_empty(), Colour::Good, out);
            out.extend_from_slice(b" | ask ");
            self.side(asks.iter(), asks.is_empty(), Colour::Bad, out);
        }
        if let (Some(bid), Some(ask)) = (bids.first(), asks.first())
            && let Some(spread) = difference(ask.px.0, bid.px.0)
        {
            put(out, format_args!("  spread {spread}"));
        }
    }

    fn side<'l>(
        &mut self,
        levels: impl Iterator<Item = &'l Level>,
        is_empty: bool,
        colour: Colour,
        out: &mut Vec<u8>,
    ) {
        if is_empty {
            out.extend_from_slice(b"none");
        }
        for (i, level) in levels.enumerate() {
            if i > 0 {
                out.extend_from_slice(b"  ");
            }
            self.offer(Some(level.qty), Some(level.px), colour, out);
        }
    }

    /// Changed levels in the order of the wire: `quantity@price`, and `x@price` for removals.
    fn delta(&mut self, bids: &[Level], asks: &[Level], out: &mut Vec<u8>) {
        let sides = [("bid", bids, Colour::Good), ("ask", asks, Colour::Bad)];
        for (name, levels, colour) in sides.into_iter().filter(|side| !side.1.is_empty()) {
            put(out, format_args!("{name}"));
            self.paint.open(colour, out);
            for level in levels {
                if level.qty.0.is_zero() {
                    put(out, format_args!(" x@{}", level.px));
                } else {
                    put(out, format_args!(" {}@{}", level.qty, level.px));
                }
            }
            self.paint.close(out);
            out.extend_from_slice(b"  ");
        }
        if bids.is_empty() && asks.is_empty() {
            out.extend_from_slice(b"no change");
        }
    }

    /// `name value` for each that is there; the record's kind where the channel does not say it.
    fn figures(&self, x: Figures<'_>, out: &mut Vec<u8>) {
        let mut any = false;
        for (column, value) in x.iter() {
            let text = match value {
                Value::Decimal(Some(x)) => x.to_string(),
                Value::Word(Some(x)) | Value::Text(Some(x)) => plain(x),
                Value::Count(Some(x)) => x.to_string(),
                Value::Millis(Some(x)) => moment(x),
                Value::Bool(Some(x)) => if x { "yes" } else { "no" }.to_owned(),
                _ => continue,
            };
            if any {
                out.extend_from_slice(b"  ");
            }
            any = true;
            self.faint(column.name, out);
            put(out, format_args!(" {text}"));
        }
        if !any {
            put(out, format_args!("{} without values", x.sheet.kind));
        }
    }

    fn instrument(&self, x: &Instrument, out: &mut Vec<u8>) {
        let kind = x.inst_type.as_ref().map_or("of unknown kind", |t| t.as_str());
        put(out, format_args!("instrument {}", plain(kind)));
        self.paint.open(Colour::Note, out);
        put(out, format_args!("  {}", if x.state.is_empty() { "?" } else { &x.state }));
        self.paint.close(out);
        let fields =
            [("tick", x.tick_sz), ("lot", x.lot_sz.map(|q| q.0)), ("min", x.min_sz.map(|q| q.0))];
        for (name, value) in fields {
            if let Some(value) = value {
                put(out, format_args!("  {name} {value}"));
            }
        }
    }

    fn gap(&self, x: &Gap, out: &mut Vec<u8>) {
        let (word, colour) =
            if x.closed { ("GAP CLOSED", Colour::Good) } else { ("GAP OPENED", Colour::Bad) };
        put(out, format_args!("{}", self.paint.apply(colour, word)));
        put(out, format_args!("  #{}  {} ({})", x.id, x.cause.as_str(), x.whose.as_str()));
        match x.healed {
            Some(Healed::Snapshot) => out.extend_from_slice(b"  healed by a snapshot"),
            Some(Healed::Rest) => out.extend_from_slice(b"  filled from REST"),
            Some(Healed::Resumed) => out.extend_from_slice(b"  the stream resumed"),
            None => {}
        }
        if let (Some(from), Some(to)) = (x.from, x.to) {
            let ms = to.since(from) / 1_000_000;
            put(out, format_args!("  after {}.{:03} s", ms / 1000, ms % 1000));
        }
        match x.lost {
            Some(lost) => put(out, format_args!("  lost {lost}")),
            None if x.closed => out.extend_from_slice(b"  lost unknown"),
            None => {}
        }
    }

    fn session(&self, x: &Session, feed: u32, out: &mut Vec<u8>) {
        let colour = match x.step {
            SessionStep::Up => Colour::Good,
            SessionStep::Opening => Colour::Note,
            SessionStep::Closing => Colour::Warn,
            SessionStep::Down => Colour::Bad,
        };
        let word = format!("SESSION {}", x.step.as_str().to_uppercase());
        put(out, format_args!("{}", self.paint.apply(colour, &word)));
        put(out, format_args!("  feed {feed} session {}  {}", x.number, plain(&x.url)));
        if !x.reason.is_empty() {
            put(out, format_args!("  {}", plain(&x.reason)));
        }
    }

    fn subscription(&self, x: &SubscriptionNews, out: &mut Vec<u8>) {
        match x.step {
            SubscriptionStep::Subscribed | SubscriptionStep::Unsubscribed => {
                self.faint(x.step.as_str(), out);
            }
            SubscriptionStep::Refused | SubscriptionStep::Evicted => {
                put(out, format_args!("{}", self.paint.apply(Colour::Warn, x.step.as_str())));
            }
        }
        for text in [&x.code, &x.reason].into_iter().filter(|text| !text.is_empty()) {
            put(out, format_args!("  {}", plain(text)));
        }
    }

    fn fault(&self, x: &Fault, out: &mut Vec<u8>) {
        put(out, format_args!("{}", self.paint.apply(Colour::Warn, "FAULT")));
        put(out, format_args!("  {}  {}", x.code.as_str(), plain(&x.reason)));
        if !x.frame.is_empty() {
            out.extend_from_slice(b"  ");
            self.faint(&shown(&x.frame), out);
        }
    }

    /// `quantity @ price`, quantities ending and prices starting under each other.
    fn pair(&mut self, qty: Qty, px: Px, out: &mut Vec<u8>) {
        self.number.clear();
        qty.0.write_to(&mut self.number);
        self.qty_width = self.qty_width.max(self.number.len()).min(COLUMN_MAX);
        spaces(self.qty_width.saturating_sub(self.number.len()), out);
        out.extend_from_slice(&self.number);
        out.extend_from_slice(b" @ ");
        self.number.clear();
        px.0.write_to(&mut self.number);
        self.px_width = self.px_width.max(self.number.len()).min(COLUMN_MAX);
        out.extend_from_slice(&self.number);
        spaces(self.px_width.saturating_sub(self.number.len()), out);
    }

    fn offer(&self, qty: Option<Qty>, px: Option<Px>, colour: Colour, out: &mut Vec<u8>) {
        self.paint.open(colour, out);
        optional(qty.map(|q| q.0), out);
        out.push(b'@');
        optional(px.map(|p| p.0), out);
        self.paint.close(out);
    }

    /// `bid quantity@price | ask quantity@price`, the bar under the bar above.
    fn best(
        &mut self,
        bid: (Option<Qty>, Option<Px>),
        ask: (Option<Qty>, Option<Px>),
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"bid ");
        let room = self.offer_room(bid);
        spaces(room, out);
        self.offer(bid.0, bid.1, Colour::Good, out);
        out.extend_from_slice(b" | ask ");
        let room = self.offer_room(ask);
        self.offer(ask.0, ask.1, Colour::Bad, out);
        spaces(room, out);
    }

    /// How many spaces fill up the column of an offer; widens it if need be.
    fn offer_room(&mut self, (qty, px): (Option<Qty>, Option<Px>)) -> usize {
        self.number.clear();
        optional(qty.map(|q| q.0), &mut self.number);
        optional(px.map(|p| p.0), &mut self.number);
        let chars = self.number.len() + 1;
        self.offer_width = self.offer_width.max(chars).min(COLUMN_MAX);
        self.offer_width.saturating_sub(chars)
    }

    fn faint(&self, text: &str, out: &mut Vec<u8>) {
        self.paint.open(Colour::Faint, out);
        out.extend_from_slice(text.as_bytes());
        self.paint.close(out);
    }
}

#[cfg(test)]
mod tests;

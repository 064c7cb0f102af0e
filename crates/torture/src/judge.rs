//! Looks at a feed after every single input and says what it did wrong.
//!
//! One judge a feed. It knows what arrived (with the simulator's truth), what came out, and what
//! books the feed shows; it believes nothing else. Books are judged in `books.rs`, rows of other
//! channels in `series.rs`, the stream's own continuity in `ledger.rs`.
//!
//! Invariant: the oracle is the simulator's `Truth`, never `model::Book` or the decoder.
//! Start at [`Judge::after`].

use super::bars;
use super::books;
use super::cast::Part;
use super::counts::{Counts, Figure};
use super::damage::{self, Remains};
use super::ledger::Ledger;
use super::looks::{self, Answered};
use super::manners::Request;
use super::network::Letter;
use super::pairs::{self, Pairs};
use super::refill;
use super::rot::{self, Rots};
use super::rows;
use super::series;
use super::upcoming::Announced;
use market_data_model::{
    Body, Command, EventRef, FaultCode, Gap, GapCause, Instrument, Nanos, Outbox, Subscription,
    SubscriptionStep,
};
use market_data_okx::OkxFeed;
use market_data_sim::Truth;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a feed was given, as far as the judge cares.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The connection is up.
    Opened,
    /// A text frame.
    Frame(&'a Letter),
    /// The connection is gone.
    Closed,
    /// A REST answer.
    Response(&'a Answered<'a>),
    /// A command.
    Command(&'a Command),
    /// A tick, or the start.
    Other,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which promise.
    pub rule: &'static str,
    /// How it is broken, with both sides.
    pub text: String,
    /// The channel and key it is about; empty for the connection.
    pub about: (String, String),
}

impl Complaint {
    /// A complaint about the connection.
    pub fn new(rule: &'static str, text: String) -> Complaint {
        Complaint { rule, text, about: Default::default() }
    }

    /// A complaint about one subscription.
    pub fn about(rule: &'static str, channel: &str, key: &str, text: String) -> Complaint {
        let about = (channel.to_owned(), key.to_owned());
        Complaint { rule, text: format!("{channel} {key}: {text}"), about }
    }
}

/// What the frame just given says.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The frame was data, and whole.
    pub(super) truth: Option<Arc<Truth>>,
    /// The frame was damaged; this much is readable.
    pub(super) remains: Option<Remains>,
    /// The frame was damaged.
    pub(super) damaged: bool,
    /// The id of the last intact book of its key before this frame.
    pub(super) before: Option<i64>,
    /// `prevSeqId` of an intact book frame.
    pub(super) prev: Option<i64>,
    /// Whether the frame's subscription stood for certain before it.
    pub(super) firm: bool,
}

/// Judges one feed.
#[derive(Clone, Debug)]
pub struct Judge {
    pub(super) feed: u32,
    pub(super) ledger: Ledger,
    pub(super) pairs: Pairs,
    /// Books that are wrong without a sign.
    pub(super) rots: Rots,
    pub(super) up: bool,
    pub(super) deltas: bool,
    pub(super) view_depth: u16,
    /// Whether missing trades are to be fetched.
    pub(super) refill: bool,
    /// What the process before knew of, until the first input.
    pub(super) known: Vec<Subscription>,
    /// Whether bars are followed.
    pub(super) bars: bool,
    pub(super) text: Vec<u8>,
    /// Instruments whose books may be crossed, and until when: they do not trade continuously, and
    /// the feed may not have heard of it.
    pub(super) may_cross: BTreeMap<String, u64>,
    /// Changes of steps that were announced to the feed.
    pub(super) announced: Announced,
}

impl Judge {
    /// A judge of a feed that plays `part`.
    pub fn new(feed: u32, part: &Part) -> Judge {
        let mut ledger = Ledger::default();
        for subscription in part.candidates.iter().chain(&part.subscriptions) {
            let (channel, key) = (&subscription.channel, &subscription.key);
            ledger.key(channel, place(channel, key));
        }
        Judge {
            feed,
            ledger,
            pairs: Pairs::default(),
            rots: Rots::default(),
            up: false,
            deltas: part.deltas,
            view_depth: part.view_depth,
            refill: part.refill,
            known: Vec::new(),
            bars: part.bars,
            text: Vec::new(),
            may_cross: BTreeMap::new(),
            announced: Announced::default(),
        }
    }

    /// Judges what `feed` made of one input.
    ///
    /// # Errors
    /// The first complaint.
    pub fn after(
        &mut self,
        now: Nanos,
        (line, seen): (u8, &Seen<'_>),
        feed: &OkxFeed,
        out: &Outbox,
        counts: &mut Counts,
    ) -> Result<(), Complaint> {
        counts.more(Figure::Inputs, 1);
        counts.more(Figure::Events, out.events.len() as u64);
        let line = usize::from(line);
        self.rots.at(now.0);
        pairs::begin(self, now, line, seen);
        let heard = self.hear((line, seen), counts);
        pairs::rebase(self, feed);
        pairs::closing(self, out);
        self.announced.hear(seen, heard.damaged);
        // What is due now counts for a feed that follows the news before and after this input.
        let followed = self.ledger.key("instruments", "").firm;
        books::settle(self, &heard, feed);
        for event in out.events.iter() {
            let header = self.ledger.header(now, self.feed, &event);
            header.map_err(|text| Complaint::new("stream", text))?;
            self.event(&event, (line, seen), &heard, out, counts)?;
            self.announced.event(now, &event, counts)?;
        }
        let follows = followed && self.ledger.key("instruments", "").firm;
        self.announced.settle(now, follows)?;
        if self.pairs.on {
            pairs::rows(self, (line, seen, &heard), out, counts)?;
        } else {
            series::check(self, seen, &heard, out, counts)?;
            pairs::note(self, line, &heard);
        }
        refill::check(self, (seen, heard.damaged), out, counts)?;
        bars::check(self, seen, &heard, out, counts)?;
        self.quiet_looks();
        self.went_on()?;
        if matches!(seen, Seen::Closed) {
            pairs::lost(self, line, out, counts);
        }
        for line in pairs::closes(out) {
            self.down(line);
        }
        let status = feed.status();
        rot::agreed(self, &status)?;
        let (said, open) = (status.open_gaps, self.ledger.open().count());
        if said != open {
            let text = format!("the feed says that {said} gaps are open, its events say {open}");
            return Err(Complaint::new("gap", text));
        }
        pairs::newest(self, feed, out)?;
        books::check(self, &heard, feed, out, counts)
    }

    /// Whether the feed's own counters agree with what was seen of it.
    ///
    /// # Errors
    /// The first that does not.
    pub fn audit(&self, feed: &OkxFeed, frames: u64) -> Result<(), Complaint> {
        let stats = feed.stats();
        let open = self.ledger.open().count() as u64;
        let pairs = [
            ("records", stats.records, self.ledger.events()),
            ("frames", stats.frames, frames),
            ("gaps_opened", stats.gaps_opened, stats.gaps_closed + open),
        ];
        match pairs.iter().find(|(_, said, seen)| said != seen) {
            None => Ok(()),
            Some((name, said, seen)) => {
                let text = format!("the counter {name} says {said}, seen were {seen}");
                Err(Complaint::new("counters", text))
            }
        }
    }

    /// The feed sends a request: what it asks to end may go silent from here on.
    pub fn asked(&mut self, line: usize, request: &Request) {
        self.pairs.asked(line, request);
        for (channel, key) in &request.args {
            if !request.subscribe {
                self.ledger.key(channel, place(channel, key)).firm = false;
            }
        }
    }

    fn down(&mut self, line: usize) {
        if pairs::down(self, line) {
            // What the other line carries goes on.
            let names = self.ledger.keys().iter().map(|k| (k.channel.clone(), k.key.clone()));
            for (channel, key) in names.collect::<Vec<_>>() {
                let stands = pairs::stands(self, &channel, &key);
                self.ledger.key(&channel, &key).firm &= stands;
            }
            return;
        }
        self.up = false;
        for key in self.ledger.keys_mut() {
            key.firm = false;
            key.base = None;
        }
    }

    fn hear(&mut self, (line, seen): (usize, &Seen<'_>), counts: &mut Counts) -> Heard {
        match seen {
            Seen::Opened => self.up = true,
            Seen::Closed => self.down(line),
            Seen::Frame(letter) => return self.frame(line, letter, counts),
            Seen::Command(Command::Unsubscribe(list)) => {
                for s in list {
                    let key = self.ledger.key(&s.channel, place(&s.channel, &s.key));
                    key.firm = false;
                    key.mirror.distrust();
                }
            }
            Seen::Command(Command::Instruments(list)) => {
                list.iter().for_each(|instrument| self.expire(instrument));
            }
            Seen::Response(answered) => self.looked(answered),
            Seen::Command(_) | Seen::Other => {}
        }
        Heard::default()
    }

    /// Notes an answer with each key that it is about.
    fn looked(&mut self, answered: &Answered<'_>) {
        let Some((channel, inst)) = looks::about(answered.path) else { return };
        let is = |name: &str| match &*channel {
            "trades" => name.starts_with("trades"),
            channel => name == channel,
        };
        let keys = self.ledger.keys_mut().iter_mut();
        keys.filter(|key| key.key == inst && is(&key.channel))
            .for_each(|key| key.looks.note(answered));
    }

    /// What REST said counts while a gap is open.
    fn quiet_looks(&mut self) {
        let open: Vec<_> =
            self.ledger.open().map(|(_, c, k)| (c.to_owned(), k.to_owned())).collect();
        let closed = |c: &str, k: &str| !open.iter().any(|(oc, ok)| oc == c && ok == k);
        for key in self.ledger.keys_mut() {
            if !key.looks.is_empty() && closed(&key.channel, &key.key) {
                key.looks.forget();
            }
        }
    }

    /// At the first input a gap opens for each thing that the process before knew of.
    fn went_on(&mut self) -> Result<(), Complaint> {
        for known in std::mem::take(&mut self.known) {
            let (channel, key) = (&known.channel, place(&known.channel, &known.key));
            let is = |(_, c, k): (u64, &str, &str)| c == &**channel && place(c, k) == key;
            if !self.ledger.open().any(is) {
                let text = "the process before had it, and no gap opens".to_owned();
                return Err(Complaint::about("restart", &known.channel, key, text));
            }
        }
        Ok(())
    }

    fn frame(&mut self, line: usize, letter: &Letter, counts: &mut Counts) -> Heard {
        counts.more(Figure::Frames, 1);
        let mut heard = Heard::default();
        if let Some(truth) = &letter.truth {
            if let Some(book) = &truth.book {
                heard.prev = number_after(&letter.text, "\"prevSeqId\":");
                let key = self.ledger.key(&truth.channel, &truth.inst_id);
                heard.before = key.base.as_ref().and_then(|t| t.book.as_ref()).map(|b| b.seq);
                debug_assert_eq!(number_after(&letter.text, "\"seqId\":"), Some(book.seq));
                if self.up && !self.pairs.on {
                    let before = key.base.take();
                    let now = rot::follow(self, before, (truth, heard.prev), &letter.text);
                    self.ledger.key(&truth.channel, &truth.inst_id).base = Some(now);
                }
                pairs::book(self, line, truth, heard.prev);
            }
            let key = place(&truth.channel, &truth.inst_id);
            heard.firm = self.ledger.key(&truth.channel, key).firm;
            heard.truth = Some(Arc::clone(truth));
        } else if matches!(letter.fault, Some("truncate" | "corrupt" | "rot")) {
            counts.more(Figure::Damaged, 1);
            heard.damaged = true;
            heard.remains = damage::read(&letter.text);
            heard.remains.iter().for_each(|remains| self.pairs.spoil(remains));
            if let (Some("rot"), Some(remains)) = (letter.fault, &heard.remains) {
                rot::spoil(self, remains);
            }
        }
        heard
    }

    /// Nobody is told more about what has expired.
    fn expire(&mut self, instrument: &Instrument) {
        if &*instrument.state != "expired" {
            return;
        }
        for key in self.ledger.keys_mut() {
            if key.key == *instrument.inst_id {
                key.firm = false;
                key.mirror.distrust();
                key.whole.ends();
                key.bars.begin_anew();
            }
        }
    }

    fn event(
        &mut self,
        event: &EventRef<'_>,
        (line, seen): (usize, &Seen<'_>),
        heard: &Heard,
        out: &Outbox,
        counts: &mut Counts,
    ) -> Result<(), Complaint> {
        let (channel, inst) = (event.channel(), event.inst_id());
        match event.body {
            Body::Book(change, bids, asks) => {
                books::record(self, (channel, inst), (change, bids, asks), counts)
            }
            Body::Gap(gap) => self.gap((channel, inst), gap, (line, seen, heard), out, counts),
            Body::Subscription(news) => {
                let key = self.ledger.key(channel, place(channel, inst));
                key.firm = news.step == SubscriptionStep::Subscribed;
                Ok(())
            }
            Body::Instrument(instrument) => {
                self.expire(instrument);
                Ok(())
            }
            Body::Fault(fault) => {
                counts.more(Figure::FaultsReported, 1);
                let until = self.may_cross.get(inst).copied().unwrap_or(0);
                let legal = fault.reason.contains("crossed") && event.header.ts_recv.0 <= until;
                let found = fault.code == FaultCode::BookDiffers;
                let legal = legal || self.pairs.is_spoilt((channel, inst));
                if heard.truth.is_none() || legal || (found && self.rots.is_rotten(channel, inst)) {
                    return Ok(());
                }
                let text = format!("fault on an intact frame: {} ({})", fault.reason, fault.frame);
                Err(Complaint::about("rows", channel, inst, text))
            }
            Body::Raw(raw) => {
                let text = format!("kept raw although the channel is known: {}", raw.row);
                Err(Complaint::about("rows", channel, inst, text))
            }
            Body::Ticker(_) | Body::Trade(_) | Body::Bar(_) | Body::Figures(_) => Ok(()),
            Body::Session(_) => Ok(()),
        }
    }

    /// Whether a book that needs a login has come, which `books` may have stood in for.
    fn has_better(&mut self, inst: &str) -> bool {
        ["books-l2-tbt", "books50-l2-tbt"].into_iter().any(|channel| {
            let came = self.ledger.key(channel, place(channel, inst)).base.is_some();
            came || self.pairs.has_book((channel, inst))
        })
    }

    fn gap(
        &mut self,
        (channel, inst): (&str, &str),
        gap: &Gap,
        (line, seen, heard): (usize, &Seen<'_>, &Heard),
        out: &Outbox,
        counts: &mut Counts,
    ) -> Result<(), Complaint> {
        let complain = |text| Err(Complaint::about("gap", channel, inst, text));
        if let Err(text) = self.ledger.gap(channel, inst, gap) {
            return complain(text);
        }
        if gap.closed {
            counts.more(Figure::GapsClosed, 1);
            return Ok(());
        }
        if matches!(seen, Seen::Command(Command::Stop)) {
            counts.more(Figure::GapsAtStop, 1);
            return Ok(());
        }
        counts.more(Figure::Gaps, 1);
        *counts.gaps.entry(gap.cause.as_str()).or_default() += 1;
        self.ledger.key(channel, place(channel, inst)).firm = false;
        if gap.cause == GapCause::Contradicted {
            return self.rots.found(channel, inst);
        }
        let pair = self.pairs.on;
        let follows = |s: &Subscription| {
            let (asked, came) = (place(channel, &s.key), place(channel, inst));
            &*s.channel == channel && asked == came
        };
        if gap.cause == GapCause::Restart && self.known.iter().any(follows) {
            return Ok(());
        }
        if gap.cause == GapCause::Restart && channel == "books" && self.has_better(inst) {
            // What stood in for a better book ends once that one is there: with its ack, or, where
            // that is lost, when its data have proven it.
            return Ok(());
        }
        let why = match pair {
            true => {
                let given = (seen, heard, out);
                pairs::unfounded(self, (line, channel, inst), gap.cause, given)
            }
            false => unfounded(channel, gap.cause, seen, heard, out),
        };
        if matches!(seen, Seen::Frame(_)) && rows::is_book(channel) {
            self.pairs.ends_soon(line, (channel, inst));
        }
        match why {
            Some(why) => complain(format!("a gap of cause {} opens {why}", gap.cause.as_str())),
            None => Ok(()),
        }
    }
}

/// The key under which events of a subscription come: `instruments` names no instrument.
pub(super) fn place<'a>(channel: &str, key: &'a str) -> &'a str {
    if channel == "instruments" { "" } else { narrowest(key) }
}

/// The last name in a key, which is what the exchange calls the subscription by: of
/// `OPTION,instFamily=BTC-USD` the family.
pub(super) fn narrowest(key: &str) -> &str {
    key.rsplit_once('=').map_or(key, |(_, name)| name)
}

/// Why a gap has no reason to open; `None` when it has one.
pub(super) fn unfounded(
    channel: &str,
    cause: GapCause,
    seen: &Seen<'_>,
    heard: &Heard,
    out: &Outbox,
) -> Option<String> {
    let frame = matches!(seen, Seen::Frame(_));
    if channel.starts_with("trades") && frame {
        // Ids prove only now what an earlier gap cost; `series.rs` checks how much they say.
        return None;
    }
    let why = match cause {
        GapCause::Disconnect => {
            let closes = pairs::closes(out).next().is_some();
            (!closes && !matches!(seen, Seen::Closed)).then_some("while the connection stands")
        }
        GapCause::Sequence if !frame => Some("without a frame"),
        GapCause::Sequence if rows::is_book(channel) && heard.truth.is_some() => {
            let linked = heard.prev.is_some() && heard.prev == heard.before;
            linked.then_some("although prevSeqId links to the last frame")
        }
        GapCause::Sequence => None,
        GapCause::Unreadable | GapCause::Unverifiable if !heard.damaged => {
            Some("although the frame is not damaged")
        }
        GapCause::Unreadable | GapCause::Unverifiable => None,
        GapCause::Silence => {
            let tick = matches!(seen, Seen::Other);
            (!tick).then_some("although something just came")
        }
        GapCause::Evicted => (!frame).then_some("without a frame"),
        GapCause::Refused => {
            (!frame && !matches!(seen, Seen::Other)).then_some("although nothing was refused")
        }
        GapCause::Restart => {
            // A better book is there: the one that stood in for it ends.
            let relieved = |text: &str| {
                channel == "books"
                    && text.contains("\"event\":\"subscribe\"")
                    && text.contains("-l2-tbt\"")
            };
            // Another instrument is listed under the name.
            let relisted = |text: &str| text.contains("\"instIdCode\":");
            let wanted = match seen {
                Seen::Command(_) => true,
                Seen::Frame(letter) => relieved(&letter.text) || relisted(&letter.text),
                Seen::Response(answered) => relisted(answered.body),
                _ => false,
            };
            (!wanted).then_some("although nobody asked for it")
        }
        GapCause::Checksum if channel != "sprd-books-l2-tbt" => {
            Some("although no checksum is sent")
        }
        GapCause::Checksum => (!heard.damaged).then_some("although the frame is not damaged"),
        GapCause::Contradicted => Some("although the book is the exchange's"),
        GapCause::SlowConsumer => Some("although nobody was slow"),
        GapCause::Recorder => Some("although nobody records"),
    };
    why.map(str::to_owned)
}

/// The whole number that stands after `name` in a frame.
fn number_after(text: &str, name: &str) -> Option<i64> {
    let rest = &text[text.find(name)? + name.len()..];
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

//! Judges a feed while two connections carry the same subscriptions: each thing comes out once, in
//! order, and the loss of one line is a gap only if the other was not whole.
//!
//! It knows each line for itself: what was asked there, what was confirmed, which rows came. The
//! other rules (levels, texts, numbers) are those of every feed. `judge.rs` calls it.
//!
//! What cannot be demanded, and why:
//! - That a row which a line repeats after it was subscribed there anew comes out again, or stays
//!   out: a subscription begins with the present state, and nobody can tell whether that is news.
//!   A row that is repeated without that comes out as often as a line brought it.
//! - That a ticker older than one that came out does: the other line was faster.
//! - That a row comes out which came while its subscription was about to end on that line, or
//!   before there were two lines.
//! - That the whole copy of a row comes out of which a damaged frame brought a readable one, if
//!   the two say the same as far as the damaged one is readable. Only that row is excused.
//! - A cause for a gap of trades that opens with a row which proves it: the row may have been held
//!   back, and the gap has the cause of the loss that it belongs to. Its ids say whether it is
//!   right (`refill.rs`). Without such a row the other line must not have been whole.
//!
//! Invariant: like all of the judge it believes the exchange's truth, never the feed's decoder.
//! Start at [`Pairs::begin`].

use super::bars;
use super::counts::{Counts, Figure};
use super::damage::Remains;
use super::judge::{self, Complaint, Heard, Judge, Seen, place};
use super::manners::Request;
use super::rows;
use super::series;
use market_data_model::{Action, Body, Command, EventRef, GapCause, Nanos, Outbox};
use market_data_okx::OkxFeed;
use market_data_sim::Truth;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Books remembered of a key: more than a slow line may be behind a fast one.
const BOOKS_MAX: usize = 4096;
/// Rows remembered of a key.
const ROWS_MAX: usize = 512;
/// How long a feed remembers what came out, after one of two lines has gone.
const FADES_NS: u64 = 10_000_000_000;

/// What is known of the lines of a feed.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// Whether there are two at the moment, as the driver knows.
    pub two: bool,
    /// How long what one line brought may still come by the other.
    until: u64,
    /// The lines that the feed closes with the input in hand.
    closing: [bool; 2],
    /// The time of the input in hand.
    now: u64,
    /// Whether the feed may ever have two.
    pub possible: bool,
    /// Whether the feed was told to stop.
    stopped: bool,
    /// Damaged frames of which something is readable, and until when what they brought may come
    /// out: it may have been held back.
    spoilt: VecDeque<(u64, Remains)>,
    /// Whether these rules hold for the input in hand.
    pub(super) on: bool,
    open: [bool; 2],
    keys: BTreeMap<(String, String), Pair>,
}

/// What is known of one key.
#[derive(Clone, Debug, Default)]
struct Pair {
    /// Books as they came, by whichever line, since the feed's was made anew; with `prevSeqId`, and
    /// whether the line's subscription stood.
    books: VecDeque<(Arc<Truth>, Option<i64>, bool)>,
    /// When the newest book came first.
    came: u64,
    /// Rows that came out of damaged frames, and until when they are remembered: the whole copy of
    /// one stays out.
    hurt: VecDeque<(u64, Vec<(String, String)>)>,
    /// The last book that came by each line.
    last: [Option<i64>; 2],
    /// Whether a hole is in what each line brought.
    torn: [bool; 2],
    /// Confirmed, and not asked to end since.
    stands: [bool; 2],
    /// Asked to end, and not asked for since.
    ends: [bool; 2],
    rows: VecDeque<Brought>,
    newest: u64,
}

/// A row, how often each line brought it, and how often it came out.
#[derive(Clone, Debug)]
struct Brought {
    row: Vec<(String, String)>,
    /// How often each line brought it: so often it may come out.
    by: [u32; 2],
    /// The same since the line was subscribed anew: so often it must have come out.
    must: [u32; 2],
    out: u32,
    /// Whether the frame in hand brought it.
    now: bool,
    /// Whether it came while there was one line: it may come out once more, or not.
    before: bool,
}

impl Pairs {
    /// A damaged frame came, of which this is readable.
    pub(super) fn spoil(&mut self, remains: &Remains) {
        let now = self.now;
        self.spoilt.retain(|(until, _)| now < *until);
        if self.spoilt.len() >= ROWS_MAX {
            self.spoilt.pop_front();
        }
        self.spoilt.push_back((now + FADES_NS, remains.clone()));
    }

    /// Whether a book has come by one of two lines.
    pub(super) fn has_book(&self, (channel, inst): (&str, &str)) -> bool {
        let key = (channel.to_owned(), place(channel, inst).to_owned());
        self.keys.get(&key).is_some_and(|pair| pair.last.iter().any(Option::is_some))
    }

    /// Whether damaged rows of this key may come out now.
    pub(super) fn is_spoilt(&self, (channel, inst): (&str, &str)) -> bool {
        let of =
            |r: &Remains| r.channel == channel && place(channel, &r.key) == place(channel, inst);
        self.on && self.spoilt.iter().any(|(until, remains)| self.now < *until && of(remains))
    }

    fn key(&mut self, channel: &str, key: &str) -> &mut Pair {
        self.keys.entry((channel.to_owned(), key.to_owned())).or_default()
    }

    /// Whether a line carries this key without a hole, up to where the stream is.
    fn is_whole(&mut self, line: usize, (channel, key): (&str, &str), at: Option<i64>) -> bool {
        let (open, closing, now) = (self.open[line], self.closing[line], self.now);
        let pair = self.key(channel, key);
        if !open || closing || !pair.stands[line] {
            return false;
        }
        if !rows::is_book(channel) {
            return true;
        }
        let place = |seq: Option<i64>| {
            let seq = seq?;
            let is = |(truth, ..): &(Arc<Truth>, _, _)| {
                truth.book.as_ref().is_some_and(|book| book.seq == seq)
            };
            pair.books.iter().position(is)
        };
        let (line_at, stream_at) = (place(pair.last[line]), place(at));
        // Far behind is deaf, not slow.
        let fresh = now < pair.came + FADES_NS;
        let keeps_up = |(line, stream)| line == stream || (line < stream && fresh);
        !pair.torn[line] && line_at.zip(stream_at).is_some_and(keeps_up)
    }

    /// The feed cannot use a book of this line: it asks for it anew there, as soon as it may, and
    /// until then takes nothing of it.
    pub(super) fn ends_soon(&mut self, line: usize, (channel, key): (&str, &str)) {
        self.key(channel, key).stands[line] = false;
    }

    /// The feed sends a request on a line.
    pub(super) fn asked(&mut self, line: usize, request: &Request) {
        for (channel, key) in &request.args {
            let pair = self.key(channel, place(channel, key));
            pair.ends[line] = !request.subscribe;
            pair.stands[line] = false;
        }
    }

    fn down(&mut self, line: usize) {
        self.open[line] = false;
        for pair in self.keys.values_mut() {
            (pair.last[line], pair.torn[line]) = (None, false);
            (pair.stands[line], pair.ends[line]) = (false, false);
            pair.anew(line);
            pair.rows.iter_mut().filter(|row| row.out > 0).for_each(|row| row.by[line] = 0);
        }
    }
}

impl Pair {
    /// What a line brings from here on it may have brought before, and others as well: a
    /// subscription begins with the present state, of which nobody can know whether it is news.
    fn anew(&mut self, line: usize) {
        self.rows.iter_mut().for_each(|row| row.must[line] = 0);
    }
}

/// Before an input is judged: takes what came by which line.
pub(super) fn begin(judge: &mut Judge, now: Nanos, line: usize, seen: &Seen<'_>) {
    if judge.pairs.two {
        judge.pairs.until = now.0 + FADES_NS;
    }
    judge.pairs.now = now.0;
    let on = judge.pairs.two || now.0 < judge.pairs.until;
    let began = on && !judge.pairs.on;
    judge.pairs.on = on;
    match seen {
        Seen::Opened => judge.pairs.open[line] = true,
        Seen::Closed => judge.pairs.down(line),
        Seen::Command(Command::Stop) => judge.pairs.stopped = true,
        // Asked for anew, on both lines, as soon as the budget allows.
        Seen::Command(Command::Resync(one)) => {
            judge.pairs.key(&one.channel, place(&one.channel, &one.key)).stands = [false; 2];
        }
        _ => {}
    }
    if began {
        for (name, pair) in &mut judge.pairs.keys {
            pair.rows.iter_mut().for_each(|row| {
                (row.by, row.must, row.out, row.before) = ([0, 0], [0, 0], 0, true);
            });
            pair.books = VecDeque::new();
            let base = judge.ledger.find(&name.0, &name.1).and_then(|key| key.base.clone());
            pair.books.extend(base.map(|base| (base, None, true)));
        }
    }
    let Seen::Frame(letter) = seen else { return };
    if let Some((channel, key, event)) = event_of(&letter.text) {
        let pair = judge.pairs.key(&channel, &key);
        pair.stands[line] = event == "subscribe" && !pair.ends[line];
        pair.anew(line);
    } else if letter.text.contains("\"event\":\"error\"") {
        // Whatever it is about may not stand.
        judge.pairs.keys.values_mut().for_each(|pair| pair.stands[line] = false);
    }
}

/// The key of an ack, read here for itself.
fn event_of(text: &str) -> Option<(String, String, String)> {
    let json = super::json::Json::parse(text)?;
    let event = json.text("event");
    if !matches!(event, "subscribe" | "unsubscribe") {
        return None;
    }
    let arg = json.get("arg")?;
    let channel = arg.text("channel");
    let key = place(channel, super::manners::narrowest(arg)).to_owned();
    Some((channel.to_owned(), key, event.to_owned()))
}

/// A book has come by a line.
pub(super) fn book(judge: &mut Judge, line: usize, truth: &Arc<Truth>, prev: Option<i64>) {
    let Some(book) = &truth.book else { return };
    let (on, now, whole) = (judge.pairs.on, judge.pairs.now, rows::is_whole(&truth.channel));
    let pair = judge.pairs.key(&truth.channel, &truth.inst_id);
    let snapshot = whole || prev.is_none_or(|prev| prev < 0);
    let links = snapshot || pair.last[line].is_some_and(|last| prev == Some(last));
    pair.torn[line] = !snapshot && (pair.torn[line] || !links);
    pair.last[line] = Some(book.seq);
    let known = |(known, ..): &(Arc<Truth>, Option<i64>, bool)| {
        known.book.as_ref().is_some_and(|known| known.seq == book.seq)
    };
    if !on || (pair.books.iter().any(known) && !whole) {
        return;
    }
    if pair.books.len() >= BOOKS_MAX {
        pair.books.pop_front();
    }
    let stands = pair.stands[line];
    pair.came = now;
    pair.books.push_back((Arc::clone(truth), prev.filter(|_| !snapshot), stands));
}

/// Every book that the feed shows is held to the exchange's at the same id.
pub(super) fn rebase(judge: &mut Judge, feed: &OkxFeed) {
    if !judge.pairs.on {
        return;
    }
    for key in judge.ledger.keys_mut().iter_mut().filter(|key| rows::is_book(&key.channel)) {
        let Some(seq) = feed.book_seq(&key.channel, &key.key) else { continue };
        let pair = judge.pairs.keys.get(&(key.channel.clone(), key.key.clone()));
        if let Some(truth) = pair.and_then(|pair| at(pair, seq)) {
            key.base = Some(truth);
        }
    }
}

fn at(pair: &Pair, seq: i64) -> Option<Arc<Truth>> {
    let is = |truth: &Truth| truth.book.as_ref().is_some_and(|book| book.seq == seq);
    pair.books.iter().rev().find(|(truth, ..)| is(truth)).map(|(truth, ..)| Arc::clone(truth))
}

/// The exchange's book at an id, while there are two lines.
pub(super) fn truth_at(
    judge: &Judge,
    channel: &str,
    key: &str,
    seq: Option<i64>,
) -> Option<Arc<Truth>> {
    let pair = judge.pairs.keys.get(&(channel.to_owned(), key.to_owned()))?;
    at(pair, seq.filter(|_| judge.pairs.on)?)
}

/// The book that follows the feed's has come by neither line, or it would be the feed's.
pub(super) fn newest(judge: &mut Judge, feed: &OkxFeed, out: &Outbox) -> Result<(), Complaint> {
    if !judge.pairs.on {
        return Ok(());
    }
    for event in out.events.iter() {
        if let Body::Book(change, ..) = event.body
            && change.kind == market_data_model::BookKind::Snapshot
        {
            let pair = judge.pairs.key(event.channel(), event.inst_id());
            if let Some(truth) = change.seq.and_then(|seq| at(pair, seq)) {
                pair.books = VecDeque::from([(truth, None, true)]);
            }
        }
    }
    for ((channel, key), pair) in &judge.pairs.keys {
        if rows::is_whole(channel) {
            continue;
        }
        let Some(seq) = feed.book_seq(channel, key).filter(|_| judge.deltas) else { continue };
        let follows = |(truth, prev, stood): &&(Arc<Truth>, Option<i64>, bool)| {
            *stood && *prev == Some(seq) && truth.book.as_ref().is_some_and(|b| b.seq != seq)
        };
        if let Some((truth, ..)) = pair.books.iter().find(follows) {
            let next = truth.book.as_ref().map_or(0, |book| book.seq);
            let text = format!("the book is at {seq}, although {next} has come, which follows it");
            return Err(Complaint::about("lines", channel, key, text));
        }
    }
    Ok(())
}

/// Notes what comes while there is one line.
pub(super) fn note(judge: &mut Judge, line: usize, heard: &Heard) {
    if judge.pairs.possible {
        take(judge, line, heard);
    }
}

/// Checks the rows of one input that are not of books.
pub(super) fn rows(
    judge: &mut Judge,
    (line, seen, heard): (usize, &Seen<'_>, &Heard),
    out: &Outbox,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let came = take(judge, line, heard);
    let is_row = |event: &EventRef<'_>| series::is_row(event) && !bars::is_ours(event, heard);
    for event in out.events.iter().filter(is_row) {
        let (channel, inst) = (event.channel(), place(event.channel(), event.inst_id()));
        if series::answered(&event, seen) {
            continue;
        }
        let about = came.as_ref().map_or(inst, |(_, key)| key);
        if !came_out(judge, (channel, about), &event, counts)
            && !came_out(judge, (channel, inst), &event, counts)
            && !hurt(judge, &event)
        {
            return Err(series::invented(&event));
        }
        if series::remember(judge, channel, inst, &event) {
            let text = format!("a row came out twice: {:?}", event.body);
            return Err(Complaint::about("lines", channel, inst, text));
        }
    }
    let Some((channel, key)) = came else { return Ok(()) };
    // A trade may wait for those before it; ids prove what becomes of it.
    if channel.starts_with("trades") || series::KNOWN_BY_ID.contains(&&*channel) {
        return Ok(());
    }
    if !heard.firm {
        return Ok(());
    }
    all_out(judge, line, (&channel, &key))
}

/// The rows of the frame in hand have come out, by it or before it.
fn all_out(judge: &Judge, line: usize, (channel, key): (&str, &str)) -> Result<(), Complaint> {
    let (stopped, now) = (judge.pairs.stopped, judge.pairs.now);
    let Some(pair) = judge.pairs.keys.get(&(channel.to_owned(), key.to_owned())) else {
        return Ok(());
    };
    if stopped || !pair.stands[line] {
        return Ok(());
    }
    for brought in pair.rows.iter().filter(|brought| brought.now) {
        let wanted = brought.must[0].max(brought.must[1]);
        let late = channel.ends_with("tickers") && time_of(&brought.row) < pair.newest;
        let said =
            |(until, row): &(u64, Vec<(String, String)>)| now < *until && agrees(row, &brought.row);
        let excused = late || brought.before || pair.hurt.iter().any(said);
        if brought.out < wanted && !excused {
            let text = format!("came out {} times, not {wanted}: {brought:?}", brought.out);
            return Err(Complaint::about("lines", channel, key, text));
        }
    }
    Ok(())
}

/// Whether an event is a row of a damaged frame, which is noted.
fn hurt(judge: &mut Judge, event: &EventRef<'_>) -> bool {
    let now = judge.pairs.now;
    let row = |(until, remains): &(u64, Remains)| {
        let row = series::damaged_row(event, remains).filter(|_| now < *until)?;
        Some((remains.channel.clone(), remains.key.clone(), row.clone()))
    };
    let Some((channel, key, row)) = judge.pairs.spoilt.iter().find_map(row) else { return false };
    let pair = judge.pairs.key(&channel, place(&channel, &key));
    if pair.hurt.len() >= ROWS_MAX {
        pair.hurt.pop_front();
    }
    pair.hurt.push_back((now + FADES_NS, row));
    true
}

/// Whether a damaged row, as far as it is readable, says what the whole one says.
fn agrees(damaged: &[(String, String)], whole: &[(String, String)]) -> bool {
    damaged.iter().filter(|(_, text)| !text.is_empty()).all(|pair| whole.contains(pair))
}

fn time_of(row: &[(String, String)]) -> u64 {
    let ts = row.iter().find(|(name, _)| name == "ts");
    ts.and_then(|(_, text)| text.parse().ok()).unwrap_or(0)
}

/// Notes the rows of an intact frame; gives back its channel and key.
fn take(judge: &mut Judge, line: usize, heard: &Heard) -> Option<(String, String)> {
    let truth = heard.truth.as_ref().filter(|truth| truth.book.is_none())?;
    let about = (truth.channel.clone(), place(&truth.channel, &truth.inst_id).to_owned());
    let pair = judge.pairs.key(&about.0, &about.1);
    pair.rows.iter_mut().for_each(|row| row.now = false);
    // What comes while its subscription ends may be left out.
    let surely = u32::from(heard.firm && pair.stands[line]);
    for row in &truth.rows {
        let row = row.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        for row in rows::unfold(&truth.channel, row) {
            let known = pair.rows.iter_mut().rev().find(|brought| brought.row == row);
            match known {
                Some(brought) => {
                    brought.by[line] += 1;
                    brought.must[line] += surely;
                    brought.now = true;
                }
                None => {
                    let mut by = [0, 0];
                    by[line] = 1;
                    if pair.rows.len() >= ROWS_MAX {
                        pair.rows.pop_front();
                    }
                    let (mut must, before) = ([0, 0], false);
                    must[line] = surely;
                    pair.rows.push_back(Brought { row, by, must, out: 0, now: true, before });
                }
            }
        }
    }
    Some(about)
}

/// Finds the row that an event stands for, and counts it.
fn came_out(
    judge: &mut Judge,
    (channel, key): (&str, &str),
    event: &EventRef<'_>,
    counts: &mut Counts,
) -> bool {
    let pair = judge.pairs.key(channel, key);
    for brought in pair.rows.iter_mut().rev() {
        let due = brought.out < brought.by[0].max(brought.by[1]);
        let row: Vec<(&str, &str)> =
            brought.row.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        if due && rows::mismatch(channel, &row, event).is_none() {
            counts.compared(channel, event, row.len());
            pair.newest = pair.newest.max(time_of(&brought.row));
            brought.out += 1;
            return true;
        }
    }
    false
}

/// Why a gap has no reason to open although there are two lines; `None` when it may have one.
pub(super) fn unfounded(
    judge: &mut Judge,
    (line, channel, inst): (usize, &str, &str),
    cause: GapCause,
    (seen, heard, out): (&Seen<'_>, &Heard, &Outbox),
) -> Option<String> {
    let key = place(channel, inst);
    let before = judge.ledger.find(channel, key).and_then(|key| key.base.clone());
    let before = before.and_then(|truth| truth.book.as_ref().map(|book| book.seq));
    // What a row proves missing is missing, whatever was lost when; of trades that is a row that
    // comes out with the gap, also one that was held back. How much it proves is judged by its ids.
    let trade = |event: &EventRef<'_>| {
        let came = matches!(event.body, Body::Trade(trade) if trade.filled.is_none());
        came && event.channel() == channel && event.inst_id() == inst
    };
    let proven = match channel.starts_with("trades") {
        true => out.events.iter().any(|event| trade(&event)),
        false => heard.truth.is_some() && !rows::is_book(channel),
    };
    match cause {
        _ if proven => None,
        GapCause::Sequence if channel.starts_with("trades") => {
            Some("and no row comes out that proves it".to_owned())
        }
        GapCause::Disconnect | GapCause::Evicted | GapCause::Refused => {
            let other = 1 - line;
            let whole = judge.pairs.is_whole(other, (channel, key), before);
            whole.then(|| format!("although line {} was whole", other + 1))
        }
        GapCause::Sequence if rows::is_book(channel) && heard.truth.is_some() => {
            let linked = heard.prev.is_some() && heard.prev == before;
            linked.then(|| "although prevSeqId links to the book".to_owned())
        }
        GapCause::Sequence => None,
        // One line or two: these have their reasons in the input in hand.
        cause => judge::unfounded(channel, cause, seen, heard, out),
    }
}

/// A line was lost: counts what nobody noticed.
pub(super) fn lost(judge: &mut Judge, line: usize, out: &Outbox, counts: &mut Counts) {
    let quiet = !out.events.iter().any(|event| matches!(event.body, Body::Gap(_)));
    let other = judge.pairs.on && judge.pairs.open[1 - line];
    counts.more(Figure::LossesHidden, (quiet && other).into());
}

/// Notes what the feed closes.
pub(super) fn closing(judge: &mut Judge, out: &Outbox) {
    judge.pairs.closing = [false; 2];
    closes(out).for_each(|line| judge.pairs.closing[line] = true);
}

/// The lines that the feed closes.
pub(super) fn closes(out: &Outbox) -> impl Iterator<Item = usize> {
    out.actions.iter().filter_map(|action| match action {
        Action::Close => Some(0),
        Action::Line { line, action } if **action == Action::Close => Some(usize::from(*line)),
        _ => None,
    })
}

/// A line is closed or lost; gives back whether any is left.
pub(super) fn down(judge: &mut Judge, line: usize) -> bool {
    judge.pairs.down(line);
    judge.pairs.open.contains(&true)
}

/// What a key is held to on the line that is left.
pub(super) fn stands(judge: &Judge, channel: &str, key: &str) -> bool {
    let pair = judge.pairs.keys.get(&(channel.to_owned(), key.to_owned()));
    pair.is_some_and(|pair| (0..2).any(|line| judge.pairs.open[line] && pair.stands[line]))
}

/// The feed has taken a damaged frame of a book, of which nothing that matters was broken.
pub(super) fn taken(judge: &mut Judge, truth: &Arc<Truth>) {
    if judge.pairs.on {
        let pair = judge.pairs.key(&truth.channel, &truth.inst_id);
        pair.books.push_back((Arc::clone(truth), None, true));
    }
}

//! Judges books: what the feed shows against the truth, what it emits against what it shows.
//!
//! `judge.rs` calls it after every input. Every book that can be read is compared level by level,
//! text by text, whether or not the input was about it.
//!
//! Start at [`check`].

use super::counts::{Counts, Figure};
use super::judge::{Complaint, Heard, Judge};
use super::ledger::Key;
use super::pairs;
use super::rows;
use market_data_model::{Body, BookChange, BookKind, Level, Outbox, Side};
use market_data_okx::OkxFeed;
use market_data_sim::{Truth, TruthBook, TruthLevel};
use std::sync::Arc;

/// After a damaged book frame of which nothing that matters was broken, the feed may have taken it
/// or not. Whichever it did becomes what it is held to.
pub(super) fn settle(judge: &mut Judge, heard: &Heard, feed: &OkxFeed) {
    let Some(remains) = &heard.remains else { return };
    let Some(row) = &remains.book else { return };
    let Ok(book) = feed.book(&remains.channel, &remains.key) else { return };
    let mut text = std::mem::take(&mut judge.text);
    let mut taken_over = None;
    let key = judge.ledger.key(&remains.channel, &remains.key);
    if let Some(taken) = row.after(key.base.as_deref()) {
        let levels = |side| book.levels(side);
        let same = differs(levels(Side::Bid), &taken.bids, &mut text).is_none()
            && differs(levels(Side::Ask), &taken.asks, &mut text).is_none();
        if same {
            let (channel, inst_id) = (key.channel.clone(), key.key.clone());
            let truth = Truth { channel, inst_id, rows: Vec::new(), book: Some(taken) };
            key.base = Some(Arc::new(truth));
            taken_over = key.base.clone();
        }
    }
    judge.text = text;
    if let Some(truth) = taken_over {
        pairs::taken(judge, &truth);
    }
}

/// Takes one emitted book record.
pub(super) fn record(
    judge: &mut Judge,
    (channel, inst): (&str, &str),
    (change, bids, asks): (&BookChange, &[Level], &[Level]),
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let complain = |text| Err(Complaint::about("stream", channel, inst, text));
    let mut text = std::mem::take(&mut judge.text);
    // Of two lines several changes may come out at once.
    let then = pairs::truth_at(judge, channel, inst, change.seq);
    let key = judge.ledger.key(channel, inst);
    key.firm = true;
    if change.kind == BookKind::View {
        let Some(book) = then.as_ref().or(key.base.as_ref()).and_then(|truth| truth.book.as_ref())
        else {
            return complain("a view although no intact frame came".into());
        };
        counts.more(Figure::ViewsCompared, 1);
        let depth = usize::from(change.depth);
        let cut = |levels: &[TruthLevel]| levels[..levels.len().min(depth)].to_vec();
        let (want_bids, want_asks) = (cut(&book.bids), cut(&book.asks));
        let wrong = differs(bids.iter().copied(), &want_bids, &mut text)
            .or_else(|| differs(asks.iter().copied(), &want_asks, &mut text));
        judge.text = text;
        return wrong.map_or(Ok(()), |why| complain(format!("the view: {why}")));
    }
    judge.text = text;
    key.mirror.take(change, bids, asks).or_else(complain)
}

/// Compares every book that the feed shows, and every reader's copy.
pub(super) fn check(
    judge: &mut Judge,
    heard: &Heard,
    feed: &OkxFeed,
    out: &Outbox,
    counts: &mut Counts,
) -> Result<(), Complaint> {
    let mut text = std::mem::take(&mut judge.text);
    for key in judge.ledger.keys().iter().filter(|key| rows::is_book(&key.channel)) {
        let open = judge.ledger.is_open(&key.channel, &key.key);
        let complain = |rule, text| Err(Complaint::about(rule, &key.channel, &key.key, text));
        let live = feed.book(&key.channel, &key.key).ok();
        if let Some(book) = live {
            if !judge.up {
                return complain("book", "readable although the link is not up".into());
            }
            if open {
                return complain("book", "readable although a gap is open".into());
            }
            let shown = (book.levels(Side::Bid), book.levels(Side::Ask));
            let seq = feed.book_seq(&key.channel, &key.key);
            if let Some(why) = wrong(key, seq, shown, &mut text, counts) {
                return complain("book", why);
            }
        }
        if judge.deltas && !rows::is_whole(&key.channel) {
            copied(key, live.is_some(), &mut text, counts)?;
        }
    }
    judge.text = text;
    viewed(judge, heard, feed, out)
}

fn wrong(
    key: &Key,
    seq: Option<i64>,
    (bids, asks): (impl Iterator<Item = Level>, impl Iterator<Item = Level>),
    text: &mut Vec<u8>,
    counts: &mut Counts,
) -> Option<String> {
    let Some(book) = key.base.as_ref().and_then(|truth| truth.book.as_ref()) else {
        return Some("readable although no intact frame came".into());
    };
    counts.more(Figure::BooksCompared, 1);
    counts.more(Figure::LevelsCompared, (book.bids.len() + book.asks.len()) as u64);
    if let Some(seq) = seq
        && seq != book.seq
    {
        return Some(format!("the feed's book is at seqId {seq}, the exchange's at {}", book.seq));
    }
    differs(bids, &book.bids, text)
        .map(|why| format!("bids: {why}"))
        .or_else(|| differs(asks, &book.asks, text).map(|why| format!("asks: {why}")))
        .map(|why| format!("at seqId {}: {why}", book.seq))
}

/// Compares the copy of somebody who reads only our deltas.
fn copied(key: &Key, live: bool, text: &mut Vec<u8>, counts: &mut Counts) -> Result<(), Complaint> {
    let complain = |text| Err(Complaint::about("stream", &key.channel, &key.key, text));
    let copy = match (key.mirror.copy(), live) {
        (None, false) => return Ok(()),
        (Some(_), false) => {
            return complain("the book is not live, but its reader was not told".into());
        }
        (None, true) => return complain("the book is live, but its reader has none".into()),
        (Some(copy), true) => copy,
    };
    let mut uncounted = Counts::default();
    counts.more(Figure::CopiesCompared, 1);
    let shown = (copy.bids.iter().copied(), copy.asks.iter().copied());
    match wrong(key, copy.seq, shown, text, &mut uncounted) {
        Some(why) => complain(format!("the reader's copy: {why}")),
        None => Ok(()),
    }
}

/// A change of a live book shows in a view, if views are wanted.
fn viewed(judge: &Judge, heard: &Heard, feed: &OkxFeed, out: &Outbox) -> Result<(), Complaint> {
    let Some(truth) = &heard.truth else { return Ok(()) };
    let Some(book) = &truth.book else { return Ok(()) };
    if judge.pairs.on {
        return Ok(());
    }
    let wanted = judge.view_depth > 0 || rows::is_whole(&truth.channel);
    let live = feed.book(&truth.channel, &truth.inst_id).is_ok();
    if !wanted || !live || heard.before == Some(book.seq) {
        return Ok(());
    }
    let shown = out.events.iter().any(|event| {
        matches!(event.body, Body::Book(change, ..) if change.kind == BookKind::View)
            && event.channel() == truth.channel
            && event.inst_id() == truth.inst_id
    });
    if shown {
        return Ok(());
    }
    let text = format!("no view although the book changed to seqId {}", book.seq);
    Err(Complaint::about("stream", &truth.channel, &truth.inst_id, text))
}

/// The first difference between levels and the truth, in words.
pub(super) fn differs(
    levels: impl Iterator<Item = Level>,
    truth: &[TruthLevel],
    text: &mut Vec<u8>,
) -> Option<String> {
    let mut count = 0;
    for (at, level) in levels.enumerate() {
        count += 1;
        let Some(want) = truth.get(at) else {
            return Some(format!("level {at} is {}, the exchange has {at}", say(&level)));
        };
        text.clear();
        level.px.0.write_to(text);
        let px = text.len();
        level.qty.0.write_to(text);
        let same = &text[..px] == want.px.as_bytes()
            && &text[px..] == want.sz.as_bytes()
            && level.orders == want.orders;
        if !same {
            let sent = format!("{} x {} ({} orders)", want.px, want.sz, want.orders);
            return Some(format!("level {at} is {}, the exchange has {sent}", say(&level)));
        }
    }
    (count != truth.len()).then(|| format!("{count} levels, the exchange has {}", truth.len()))
}

fn say(level: &Level) -> String {
    format!("{} x {} ({} orders)", level.px, level.qty, level.orders)
}

/// Whether two books of the exchange are the same.
pub(super) fn same_book(key: &Key, published: &TruthBook) -> bool {
    key.base.as_ref().and_then(|truth| truth.book.as_ref()) == Some(published)
}

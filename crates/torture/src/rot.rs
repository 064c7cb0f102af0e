//! Books that are wrong although every frame of theirs links: one that the exchange altered without
//! a sign (the fault `rot`) was taken, as it must be.
//!
//! From then on the feed is held to what a reader must make of the frames, until that is the
//! exchange's book again or the book begins anew. Meanwhile a second witness may contradict it, and
//! must not go on agreeing. A book that is not wrong must never be contradicted.
//!
//! Invariant: like all of the judge it reads frames for itself. `judge.rs` calls it.

use super::damage::{self, Remains};
use super::judge::{Complaint, Judge};
use market_data_okx::OkxConfig;
use market_data_okx::stats::FeedStatus;
use market_data_sim::{Truth, TruthBook};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long after a book has become right again a witness may say what it was.
const TURN_NS: u64 = 10_000_000_000;
/// REST may agree so often with what the book was before.
const AGREEMENTS_MAX: u64 = 1;
/// Least time between two turns of a feed that has to find what is wrong.
const WITNESS_NS: u64 = 2_000_000_000;

/// The books of a feed that are wrong, or were of late.
#[derive(Clone, Debug, Default)]
pub struct Rots {
    /// How many there were.
    pub(super) taken: u64,
    /// How many of them were found.
    pub(super) found: u64,
    keys: BTreeMap<(String, String), Rot>,
    /// How often REST has agreed with each book.
    agreed: BTreeMap<(String, String), u64>,
    now: u64,
}

#[derive(Clone, Debug, Default)]
struct Rot {
    /// Since when it is right again; `None` = it is not.
    healed: Option<u64>,
    /// How often REST agreed meanwhile.
    agreements: u64,
}

/// Makes a feed find what is wrong, and by itself: of two lines only one is given the frame.
pub fn suit(config: &mut OkxConfig) {
    (config.lines, config.rotate_ns) = (1, 0);
    config.witness_ns = config.witness_ns.max(WITNESS_NS);
}

fn name(channel: &str, key: &str) -> (String, String) {
    (channel.to_owned(), key.to_owned())
}

impl Rots {
    /// The time of the input in hand.
    pub(super) fn at(&mut self, now: u64) {
        self.now = now;
    }

    /// Whether a witness may contradict this book.
    pub(super) fn is_rotten(&self, channel: &str, key: &str) -> bool {
        let rot = self.keys.get(&name(channel, key));
        rot.is_some_and(|rot| rot.healed.is_none_or(|at| self.now < at + TURN_NS))
    }

    /// A witness has contradicted this book.
    ///
    /// # Errors
    /// If it is the exchange's.
    pub(super) fn found(&mut self, channel: &str, key: &str) -> Result<(), Complaint> {
        if !self.is_rotten(channel, key) {
            let text = "contradicted by a witness although it is the exchange's".to_owned();
            return Err(Complaint::about("witness", channel, key, text));
        }
        self.found += 1;
        self.keys.remove(&name(channel, key));
        Ok(())
    }

    fn heal(&mut self, name: &(String, String)) {
        let now = self.now;
        if let Some(rot) = self.keys.get_mut(name) {
            rot.healed.get_or_insert(now);
        }
    }
}

/// What a reader must hold after a frame that says something false, and nothing shows it.
pub(super) fn spoil(judge: &mut Judge, remains: &Remains) {
    let Some(row) = &remains.book else { return };
    let open = judge.ledger.is_open(&remains.channel, &remains.key);
    let key = judge.ledger.key(&remains.channel, &remains.key);
    let Some(book) = row.after(key.base.as_deref()) else { return };
    let (channel, inst_id) = (key.channel.clone(), key.key.clone());
    let name = (channel.clone(), inst_id.clone());
    key.base = Some(Arc::new(Truth { channel, inst_id, rows: Vec::new(), book: Some(book) }));
    if judge.up && !open {
        judge.rots.taken += 1;
        judge.rots.keys.insert(name, Rot::default());
    }
}

/// What a reader must hold after an intact frame of a book that may be wrong.
pub(super) fn follow(
    judge: &mut Judge,
    before: Option<Arc<Truth>>,
    (truth, prev): (&Arc<Truth>, Option<i64>),
    text: &str,
) -> Arc<Truth> {
    let name = name(&truth.channel, &truth.inst_id);
    if judge.rots.keys.get(&name).is_none_or(|rot| rot.healed.is_some()) {
        return Arc::clone(truth);
    }
    let same = |book: &TruthBook| truth.book.as_ref() == Some(book);
    let row = damage::read(text).and_then(|remains| remains.book);
    let links = prev.is_some_and(|prev| prev >= 0);
    match row.filter(|row| links && !row.is_whole()).and_then(|row| row.after(before.as_deref())) {
        Some(book) if !same(&book) => Arc::new(Truth { book: Some(book), ..(**truth).clone() }),
        _ => {
            judge.rots.heal(&name);
            Arc::clone(truth)
        }
    }
}

/// REST must not go on agreeing with a book that is wrong.
pub(super) fn agreed(judge: &mut Judge, status: &FeedStatus) -> Result<(), Complaint> {
    for said in status.witnesses.iter().filter(|said| said.witness == "rest") {
        let name = name(&said.book.channel, &said.book.key);
        let before = judge.rots.agreed.insert(name.clone(), said.agree).unwrap_or(0);
        let Some(rot) = judge.rots.keys.get_mut(&name).filter(|rot| rot.healed.is_none()) else {
            continue;
        };
        rot.agreements += said.agree - before;
        if rot.agreements > AGREEMENTS_MAX {
            let text = format!("REST agrees {} times although it is wrong", rot.agreements);
            return Err(Complaint::about("witness", &name.0, &name.1, text));
        }
    }
    Ok(())
}

//! Feeds that are taken apart and put together again in the middle of their lives.
//!
//! Now and then, before an input, a feed becomes bytes ([`OkxFeed::checkpoint`]) and what is made
//! of the bytes lives on in its place. The judge must not notice; and at the end of the life a
//! feed that was never taken apart is given the same inputs, and must answer the same and end in
//! the same state. `life.rs` calls [`Restorer::before_input`], `ending.rs` [`same_state`].
//!
//! Invariant: the chances taken here are of their own stream, so that a life is the same with and
//! without.

use super::chance::Chance;
use super::driver::Rig;
use market_data_okx::OkxFeed;

/// Once in so many inputs at most, on average, and at least.
const RARELY: u64 = 400;
const OFTEN: u64 = 20;

/// Chooses when a feed is taken apart.
#[derive(Clone, Debug)]
pub struct Restorer {
    chance: Chance,
    every: u64,
}

impl Restorer {
    /// The choices of one life.
    pub fn new(seed: u64) -> Restorer {
        let mut chance = Chance::new(seed, 7);
        let every = chance.between(OFTEN, RARELY);
        Restorer { chance, every }
    }

    /// Replaces the feed by one restored from its own bytes, sometimes; says whether it did.
    ///
    /// # Errors
    /// When the bytes are refused, or those of the restored feed are others.
    pub fn before_input(&mut self, rig: &mut Rig) -> Result<bool, String> {
        if !self.chance.one_in(self.every) {
            return Ok(false);
        }
        let bytes = bytes(&rig.feed);
        let restored = OkxFeed::restore(rig.config.clone(), &bytes).map_err(|e| e.to_string())?;
        same_state(&rig.feed, &restored)?;
        rig.feed = restored;
        Ok(true)
    }
}

fn bytes(feed: &OkxFeed) -> Vec<u8> {
    let mut bytes = Vec::new();
    feed.checkpoint(&mut bytes);
    bytes
}

/// Whether two feeds are in the same state.
///
/// # Errors
/// In words, when they are not.
pub fn same_state(one: &OkxFeed, other: &OkxFeed) -> Result<(), String> {
    if one.stats() != other.stats() {
        return Err(format!("counted {:?}, and restored {:?}", one.stats(), other.stats()));
    }
    let (one, other) = (bytes(one), bytes(other));
    if one != other {
        // The sum in front differs anyway.
        let at = one.iter().zip(&other).skip(5).position(|(a, b)| a != b);
        let (one, other) = (one.len(), other.len());
        return Err(format!("states of {one} and {other} bytes differ at {at:?} behind the head"));
    }
    Ok(())
}

//! Which trade ids of a file have been seen, and which of them twice.
//!
//! Invariants: exact, in any order of the ids; memory is bounded by [`PAGES_MAX`] and
//! [`TWICE_MAX`], a file that needs more is refused.

use std::collections::{BTreeMap, BTreeSet};

/// Ids of one page.
const PAGE_BITS: u64 = 4_096;
/// Most pages: 128 million ids without holes, 16 MiB.
const PAGES_MAX: usize = 32_768;
/// Most ids that come twice.
const TWICE_MAX: usize = 10_000;

type Page = [u64; PAGE_BITS as usize / 64];

/// See the file's first comment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pages: BTreeMap<u64, Box<Page>>,
    twice: BTreeSet<u64>,
    count: u64,
    first_last: Option<(u64, u64)>,
}

impl Seen {
    /// Notes an id; whether it is new.
    ///
    /// # Errors
    /// In words, when they are too far apart, or too many come twice.
    pub fn put(&mut self, id: u64) -> Result<bool, String> {
        let (number, bit) = (id / PAGE_BITS, id % PAGE_BITS);
        if !self.pages.contains_key(&number) && self.pages.len() >= PAGES_MAX {
            return Err(format!(
                "its ids are too far apart: {id} is in more than {PAGES_MAX} pages"
            ));
        }
        let page =
            self.pages.entry(number).or_insert_with(|| Box::new([0; PAGE_BITS as usize / 64]));
        let (word, mask) = (&mut page[(bit / 64) as usize], 1 << (bit % 64));
        if *word & mask != 0 {
            self.twice.insert(id);
            if self.twice.len() > TWICE_MAX {
                return Err(format!("more than {TWICE_MAX} ids come twice in it"));
            }
            return Ok(false);
        }
        *word |= mask;
        self.count += 1;
        let (first, last) = self.first_last.unwrap_or((id, id));
        self.first_last = Some((first.min(id), last.max(id)));
        Ok(true)
    }

    /// The ids that came more than once.
    pub fn twice(&self) -> &BTreeSet<u64> {
        &self.twice
    }

    /// Different ids.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Ids between the first and the last that did not come.
    pub fn missing(&self) -> u64 {
        self.first_last.map_or(0, |(first, last)| (last - first) - (self.count - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_counts_like_a_set(ids in proptest::collection::vec(1u64..9_000, 1..200)) {
            let mut seen = Seen::default();
            let (mut all, mut twice) = (BTreeSet::new(), BTreeSet::new());
            for id in ids {
                let is_new = all.insert(id);
                if !is_new {
                    twice.insert(id);
                }
                prop_assert_eq!(seen.put(id), Ok(is_new));
            }
            let span = all.last().unwrap() - all.first().unwrap() + 1;
            prop_assert_eq!(seen.count(), all.len() as u64);
            prop_assert_eq!(seen.missing(), span - all.len() as u64);
            prop_assert_eq!(seen.twice(), &twice);
        }
    }

    #[test]
    fn what_is_too_far_apart_is_refused() {
        let mut seen = Seen::default();
        let far = (0..).map(|n| n * PAGE_BITS).take_while(|id| seen.put(*id).is_ok()).count();
        assert_eq!(far, PAGES_MAX);
        assert!(seen.put(u64::MAX).is_err() && seen.put(1) == Ok(true));
    }
}

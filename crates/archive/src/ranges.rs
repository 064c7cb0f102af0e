//! Whole numbers, kept as the ranges they make: ids of trades, which are dense.
//!
//! Invariant: ranges lie apart, so memory grows with the holes alone. Start at [`Ranges::put`].

use std::collections::BTreeMap;

/// See the file's first comment.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// From, to.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// How many of the numbers from the first to the last of these are in it.
    pub fn here(&self, (from, to): (u64, u64)) -> u64 {
        let mut here = 0;
        for (start, end) in self.ranges.range(..=to).rev() {
            if *end < from {
                break;
            }
            here += end.min(&to) - start.max(&from) + 1;
        }
        here
    }

    /// Adds these numbers.
    pub fn put(&mut self, (mut from, mut to): (u64, u64)) {
        while let Some((&start, &end)) = self.ranges.range(..=to.saturating_add(1)).next_back() {
            if end.saturating_add(1) < from {
                break;
            }
            self.ranges.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ranges.insert(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_the_ids_in_them(
            puts in proptest::collection::vec((0u64..60, 1u64..9), 0..40),
        ) {
            let (mut ids, mut all) = (Ranges::default(), BTreeSet::new());
            for (from, length) in puts {
                let range = (from, from + length - 1);
                let known = (range.0..=range.1).filter(|id| all.contains(id)).count() as u64;
                prop_assert_eq!(ids.here(range), known);
                ids.put(range);
                all.extend(range.0..=range.1);
                let apart: Vec<_> = ids.ranges.iter().collect();
                prop_assert!(apart.windows(2).all(|two| *two[0].1 + 1 < *two[1].0));
            }
        }
    }
}

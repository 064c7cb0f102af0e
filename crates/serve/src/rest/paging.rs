//! Pages of lists, the same everywhere: `limit`, and what to go on behind or before.
//!
//! A list has a key that orders it: a number (trades by id, bars by opening time, gaps and feeds by
//! number), or an instrument's id. `before` and `after` are keys, `from` and `to` times in ms.
//!
//! Invariant: whoever goes on with the last key of a page meets every row once, in either
//! direction.

use super::{Asked, Failure};
use std::borrow::Borrow;

/// Rows of an answer that has no limit of its own, at most: more than a venue has instruments.
pub(crate) const ROWS_MAX: usize = 20_000;

/// Which stretch of a list is wanted.
#[derive(Debug)]
pub(crate) struct Page<K> {
    before: Option<K>,
    after: Option<K>,
    from: Option<u64>,
    to: Option<u64>,
    limit: usize,
    /// Whether the first that fit are wanted, not the last.
    first: bool,
}

impl Page<u64> {
    /// Of a list that grows at its end: the last that fit, but the first behind `after` or `from`.
    ///
    /// # Errors
    /// When a parameter is no number.
    pub fn of_numbers(asked: &Asked, usual: usize, most: usize) -> Result<Page<u64>, Failure> {
        let (before, after) = (asked.number("before")?, asked.number("after")?);
        let mut page = Page::of(asked, (before, after), (usual, most))?;
        page.first = page.before.is_none()
            && page.to.is_none()
            && (page.after.is_some() || page.from.is_some());
        Ok(page)
    }
}

impl Page<String> {
    /// Of a list by instruments: the first that fit, but the last before `before`.
    ///
    /// # Errors
    /// When a parameter is no number.
    pub fn of_ids(asked: &Asked, usual: usize, most: usize) -> Result<Page<String>, Failure> {
        let id = |name| asked.text(name).map(str::to_owned);
        let mut page = Page::of(asked, (id("before"), id("after")), (usual, most))?;
        page.first = page.before.is_none() || page.after.is_some();
        Ok(page)
    }
}

impl<K> Page<K> {
    fn of(
        asked: &Asked,
        (before, after): (Option<K>, Option<K>),
        (usual, most): (usize, usize),
    ) -> Result<Page<K>, Failure> {
        let (from, to) = (asked.number("from")?, asked.number("to")?);
        let limit = asked.limit(usual, most)?;
        Ok(Page { before, after, from, to, limit, first: false })
    }

    /// Whether a key is between `after` and `before`.
    pub fn holds<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.before.as_ref().is_none_or(|before| key < before.borrow())
            && self.after.as_ref().is_none_or(|after| key > after.borrow())
    }

    /// Whether a time in ms is wanted; nothing is known of the time of some rows.
    pub fn holds_time(&self, ms: Option<u64>) -> bool {
        let ms = ms.unwrap_or_default();
        self.from.is_none_or(|from| ms >= from) && self.to.is_none_or(|to| ms < to)
    }

    /// So many of what fits, in the order of the list.
    pub fn cut<T>(&self, fitting: impl DoubleEndedIterator<Item = T>) -> Vec<T> {
        if self.first {
            return fitting.take(self.limit).collect();
        }
        let mut list: Vec<T> = fitting.rev().take(self.limit).collect();
        list.reverse();
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn asked(pairs: &[(&str, String)]) -> Asked {
        Asked(pairs.iter().map(|(key, value)| (key.to_string(), value.clone())).collect())
    }

    fn numbers(list: &[u64], pairs: &[(&str, String)]) -> Vec<u64> {
        let page = Page::of_numbers(&asked(pairs), 100, 1000).unwrap();
        page.cut(list.iter().copied().filter(|key| page.holds(key)))
    }

    fn ids(list: &[String], pairs: &[(&str, String)]) -> Vec<String> {
        let page = Page::of_ids(&asked(pairs), 100, 1000).unwrap();
        page.cut(list.iter().filter(|key| page.holds(key.as_str())).cloned())
    }

    /// Every page from one end to the other, put together.
    fn walk<K: Clone + ToString>(
        up: bool,
        limit: usize,
        first: K,
        get: impl Fn(&[(&str, String)]) -> Vec<K>,
    ) -> Vec<K> {
        let (mut all, mut key) = (Vec::new(), first);
        loop {
            let way = if up { "after" } else { "before" };
            let page = get(&[(way, key.to_string()), ("limit", limit.to_string())]);
            let Some(next) = (if up { page.last() } else { page.first() }) else { return all };
            key = next.clone();
            if up {
                all.extend(page);
            } else {
                all.splice(0..0, page);
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_pages_meets_every_row_once(
            keys in proptest::collection::btree_set(1_u64..500, 0..60),
            limit in 1_usize..9,
        ) {
            let list: Vec<u64> = keys.iter().copied().collect();
            prop_assert_eq!(&walk(true, limit, 0, |pairs| numbers(&list, pairs)), &list);
            prop_assert_eq!(&walk(false, limit, 500, |pairs| numbers(&list, pairs)), &list);
            let named: Vec<String> = list.iter().map(|key| format!("X{key:03}")).collect();
            let get = |pairs: &[(&str, String)]| ids(&named, pairs);
            prop_assert_eq!(&walk(true, limit, "A".to_owned(), get), &named);
            prop_assert_eq!(&walk(false, limit, "Z".to_owned(), get), &named);
        }
    }

    #[test]
    fn without_a_place_it_is_the_newest_numbers_and_the_first_ids() {
        let two = [("limit", "2".to_owned())];
        assert_eq!(numbers(&[1, 2, 3], &two), [2, 3]);
        let list = ["A", "B", "C"].map(str::to_owned);
        assert_eq!(ids(&list, &two), ["A", "B"]);
        let both = [("after", "A".to_owned()), ("before", "C".to_owned())];
        assert_eq!(ids(&list, &both), ["B"]);
        let page = Page::of_numbers(&Asked(HashMap::new()), 100, 1000).unwrap();
        assert!(page.holds_time(None));
        let page = Page::of_numbers(&asked(&[("from", "5".to_owned())]), 100, 1000).unwrap();
        assert!(!page.holds_time(Some(4)) && page.holds_time(Some(5)) && !page.holds_time(None));
    }
}

//! Which known words resemble one that is unknown; for messages only.
//!
//! Called when a spelling or a channel name fails; must never decide anything by itself.

/// How many words are offered.
const OFFERED_MAX: usize = 5;

/// Up to five of `words` that resemble `asked`, the best first; of equally good ones the earlier.
pub(crate) fn nearest<'a>(asked: &str, words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = plain(asked);
    let mut best: Vec<(usize, &str)> = Vec::new();
    for word in words {
        let Some(score) = score(&asked, &plain(word)) else { continue };
        if best.len() == OFFERED_MAX && best.last().is_some_and(|(worst, _)| score >= *worst) {
            continue;
        }
        let at = best.partition_point(|(other, _)| *other <= score);
        best.insert(at, (score, word));
        best.truncate(OFFERED_MAX);
    }
    best.into_iter().map(|(_, word)| word).collect()
}

/// Letters and digits in upper case: people forget dashes first.
pub(super) fn plain(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| !matches!(c, '-' | '_' | '/' | ':' | ' '))
        .flat_map(char::to_uppercase)
        .collect()
}

/// How far apart two words are; `None` when they have nothing to do with each other.
fn score(asked: &[char], word: &[char]) -> Option<usize> {
    if asked.is_empty() {
        return None;
    }
    let limit = (asked.len() / 4).clamp(1, 3);
    // A word that goes on where the other stopped is one slip away.
    if asked.len() >= 2 && word.starts_with(asked) {
        return Some(usize::from(word.len() > asked.len()));
    }
    if word.len().abs_diff(asked.len()) > limit {
        return None;
    }
    Some(distance(asked, word)).filter(|d| *d <= limit)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        let d = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!(
            [d("abc", "abc"), d("abc", "acb"), d("", "ab"), d("kitten", "sitting")],
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn offers_the_best_first() {
        let words = ["tickers", "trades", "trades-all", "books", "books5", "bbo-tbt"];
        assert_eq!(nearest("ticker", words.into_iter()), ["tickers"]);
        assert_eq!(nearest("tardes", words.into_iter()), ["trades"]);
        assert_eq!(nearest("TRADE", words.into_iter()), ["trades", "trades-all"]);
        assert_eq!(nearest("xyz", words.into_iter()), [""; 0]);
    }
}

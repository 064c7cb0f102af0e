//! OKX's daily files of trades: which there are, and when one is quicker than pages of REST.
//!
//! `market-data-history` lists zips for whole days of UTC+8, two days after them, ten days a
//! request (docs, 2026-08-22). What is in one is read by [`TradesCsv`](super::TradesCsv). Bars and
//! payments have files too; a page of REST holds so many of those that none is ever quicker.
//!
//! Invariants: no address is handed on that is not OKX's or of the address that was given; a file
//! is taken only for the day that its name says.

use super::{Took, read};
use crate::json::{Raw, parse};
use market_data_model::time::days;
use market_data_model::{InstType, Instrument};

/// The endpoint of the list.
pub const FILES: &str = "/api/v5/public/market-data-history";
/// Where OKX keeps its files (answers seen 2025-10 to 2026-09).
pub const FILES_ORIGIN: &str = "https://static.okx.com";
/// Most days of one list (changelog, 2026-08-06).
pub const DAYS_MAX: u64 = 10;
const DAY_MS: u64 = 86_400_000;
/// What UTC+8 is ahead.
const SHIFT_MS: u64 = 8 * 3_600_000;
/// A day's file is there on the second day after it (docs, 2026-08-22).
const AFTER_DAYS: u64 = 2;
/// Bytes of a zipped row (from sizes and numbers of rows that others tell of, 2023 to 2026).
const ROW_BYTES: u64 = 7;
/// Trades of one page of REST, and its time: 20 pages in 2 s, and a tenth more.
const PAGE: (u64, u64) = (100, 110);
/// What a download costs at least (ours), milliseconds.
const DOWNLOAD_MS: u64 = 1_000;
/// Bytes a millisecond that a download is believed to bring (ours: 1 MB/s).
const BYTES_A_MS: u64 = 1_000;

/// One file that OKX lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyFile {
    /// Its name, such as `BTC-USDT-SWAP-trades-2026-11-24.zip`.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The day it holds, counted from 1970-01-01 in UTC+8.
    pub day: u64,
    /// About how long it is, bytes; OKX says hundredths of a megabyte.
    pub bytes: u64,
}

/// The day of UTC+8 in which a millisecond lies, counted from 1970-01-01.
pub fn day_of(ms: u64) -> u64 {
    (ms + SHIFT_MS) / DAY_MS
}

/// The first millisecond of a day of UTC+8, and the first one after.
pub fn span_of(day: u64) -> (u64, u64) {
    let begin = (day * DAY_MS).saturating_sub(SHIFT_MS);
    (begin, (day + 1) * DAY_MS - SHIFT_MS)
}

/// The days of UTC+8 that lie within a stretch as a whole and whose files are there by now.
pub fn whole_days((from_ms, to_ms): (u64, u64), now_ms: u64) -> std::ops::Range<u64> {
    let first = day_of(from_ms.saturating_sub(1)) + 1;
    let there = (day_of(now_ms) + 1).saturating_sub(AFTER_DAYS);
    first..day_of(to_ms).min(there).max(first)
}

/// What to ask for to hear of the files of some days, the last one included; `None` for an
/// instrument whose trades are in no file.
pub fn files_path(instrument: &Instrument, (first, last): (u64, u64)) -> Option<String> {
    let kind = instrument.inst_type.as_ref()?;
    let list = match kind {
        InstType::Spot => format!("instIdList={}", instrument.inst_id),
        InstType::Swap | InstType::Futures | InstType::Option => {
            let family = &instrument.inst_family;
            (!family.is_empty()).then(|| format!("instFamilyList={family}"))?
        }
        _ => return None,
    };
    // Midnight UTC lies within the day that is meant, whether the venue reads UTC or UTC+8.
    let (begin, end) = (first * DAY_MS, last * DAY_MS);
    let kind = kind.as_str();
    Some(format!(
        "{FILES}?module=1&instType={kind}&{list}&dateAggrType=daily&begin={begin}&end={end}"
    ))
}

/// The files that an answer lists, one a day, oldest first.
///
/// # Errors
/// What the answer was good for instead, or in words that it leads elsewhere.
pub fn files_listed(
    (status, body): (u16, &[u8]),
    inst_id: &str,
    base: &str,
) -> Result<Vec<DailyFile>, Took> {
    let data = read(status, body)?;
    let mut files: Vec<DailyFile> = Vec::new();
    let groups = data.items().flat_map(|one| items(one, "details"));
    for entry in groups.flat_map(|one| items(one, "groupDetails")) {
        let text = |name| entry.field(name).and_then(Raw::text).unwrap_or_default();
        let (name, url) = (text("filename"), text("url"));
        let Some(day) = day_named(&name) else { continue };
        may_fetch(&url, base).map_err(Took::Never)?;
        let file = DailyFile {
            bytes: megabytes(&text("sizeMB")).unwrap_or(0),
            name: name.into_owned(),
            url: url.into_owned(),
            day,
        };
        let ours = file.name.starts_with(&format!("{inst_id}-trades-"));
        match files.iter_mut().find(|other| other.day == day) {
            Some(other) if ours => *other = file,
            Some(_) => {}
            None => files.push(file),
        }
    }
    files.sort_unstable_by_key(|file| file.day);
    Ok(files)
}

fn items<'a>(value: Raw<'a>, name: &str) -> impl Iterator<Item = Raw<'a>> + use<'a> {
    value.field(name).into_iter().flat_map(Raw::items)
}

/// Whether a file may be fetched from an address: OKX's own, or one below `base`.
///
/// # Errors
/// In words, with the address.
pub fn may_fetch(url: &str, base: &str) -> Result<(), String> {
    let below = |origin: &str| url.strip_prefix(origin).is_some_and(|path| path.starts_with('/'));
    if below(FILES_ORIGIN) || below(base.trim_end_matches('/')) {
        return Ok(());
    }
    Err(format!(
        "the list of daily files leads to {url}, which is neither {FILES_ORIGIN} nor {base}"
    ))
}

/// The day that a name of a zip with trades says, counted from 1970-01-01.
fn day_named(name: &str) -> Option<u64> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let stem = name.strip_suffix(".zip").filter(|stem| stem.chars().all(fine))?;
    let (head, date) = stem.split_at_checked(stem.len().checked_sub(11)?)?;
    let mut parts = date.strip_prefix('-')?.split('-');
    let mut part = || parts.next()?.parse::<u64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let fine =
        (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let number = || u64::try_from(days(year as i64, month as i64, day as i64)).ok();
    (fine && head.ends_with("-trades")).then(number)?
}

/// `5.49` as bytes.
fn megabytes(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<6}");
    let number = |text: &str| text.parse::<u64>().ok();
    number(whole)?.checked_mul(1_000_000)?.checked_add(number(part.get(..6)?)?)
}

/// How long a file takes, and how long its trades take over REST but for those `known`,
/// milliseconds. Guesses: they only decide what is asked for.
pub fn costs(file: &DailyFile, known: u64) -> (u64, u64) {
    let rows = (file.bytes / ROW_BYTES).saturating_sub(known);
    (DOWNLOAD_MS + file.bytes / BYTES_A_MS, rows.div_ceil(PAGE.0) * PAGE.1)
}

/// What a refusal says, for people: the answer to a download that was not the file.
pub fn refusal(status: u16, body: &[u8]) -> String {
    let text = |name: &str| {
        let raw = parse(body).ok()?.field(name)?.text()?;
        Some(raw.chars().take(100).collect::<String>())
    };
    match (text("code"), text("msg")) {
        (Some(code), Some(msg)) => format!("{code} {msg} (status {status})"),
        _ => format!("no file (status {status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_beijing_and_come_two_days_later() {
        // 2026-11-24 begins at 2026-11-23T16:00Z.
        let day = day_named("BTC-USDT-SWAP-trades-2026-11-24.zip").unwrap();
        assert_eq!(span_of(day), (1_795_449_600_000, 1_795_536_000_000));
        assert_eq!((day_of(1_795_449_600_000), day_of(1_795_449_599_999)), (day, day - 1));
        let (begin, end) = span_of(day);
        let late = end + 30 * DAY_MS;
        assert_eq!(whole_days((begin, end), late), day..day + 1);
        assert!(whole_days((begin + 1, end), late).is_empty());
        assert!(whole_days((begin, end - 1), late).is_empty());
        assert_eq!(whole_days((begin - 1, end + DAY_MS + 1), late), day..day + 2);
        assert!(whole_days((begin, end), end + DAY_MS - 1).is_empty(), "T+1");
        assert_eq!(whole_days((begin, end), end + DAY_MS), day..day + 1);
        assert_eq!(day_named("X-trades-1970-01-01.zip"), Some(0));
        for bad in ["X-trades-2026-13-01.zip", "X-2026-11-24.zip", "a/b-trades-2026-11-24.zip"] {
            assert_eq!(day_named(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_asked_for_depends_on_the_kind() {
        let mut instrument = Instrument::named("BTC-USDT-SWAP");
        assert_eq!(files_path(&instrument, (1, 2)), None);
        instrument.inst_type = Some(InstType::Swap);
        assert_eq!(files_path(&instrument, (1, 2)), None);
        instrument.inst_family = "BTC-USDT".into();
        let path = files_path(&instrument, (1, 2)).unwrap();
        assert!(
            path.ends_with(
                "instFamilyList=BTC-USDT&dateAggrType=daily&begin=86400000&end=172800000"
            )
        );
        instrument.inst_type = Some(InstType::Spot);
        assert!(files_path(&instrument, (1, 2)).unwrap().contains("&instIdList=BTC-USDT-SWAP&"));
    }

    fn list(entries: &[(&str, &str)]) -> Vec<u8> {
        let entry = |(name, url): &(&str, &str)| {
            format!(r#"{{"filename":"{name}","sizeMB":"5.49","url":"{url}"}}"#)
        };
        let entries = entries.iter().map(entry).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"code":"0","msg":"","data":[{{"details":[{{"groupDetails":[{entries}]}}]}}]}}"#
        )
        .into_bytes()
    }

    #[test]
    fn files_are_taken_from_okx_alone() {
        let base = "http://127.0.0.1:9443";
        let name = "BTC-USDT-trades-2026-11-24.zip";
        let listed = |url: &str| files_listed((200, &list(&[(name, url)])), "BTC-USDT", base);
        let good = listed("https://static.okx.com/cdn/x.zip").unwrap();
        assert_eq!((good[0].name.as_str(), good[0].bytes), (name, 5_490_000));
        assert!(listed("http://127.0.0.1:9443/x.zip").is_ok());
        for bad in [
            "http://static.okx.com/x.zip",
            "https://static.okx.com.evil.example/x.zip",
            "https://static.okx.com@evil.example/x.zip",
            "https://static.okx.com:444/x.zip",
            "http://127.0.0.1:94430/x.zip",
            "https://evil.example/x.zip",
            "",
        ] {
            let refused = listed(bad).unwrap_err();
            assert!(matches!(&refused, Took::Never(why) if why.contains("leads to")), "{bad}");
        }
        let other = ("BTC-USDT-futures-trades-2026-11-24.zip", "https://static.okx.com/f.zip");
        let ours = (name, "https://static.okx.com/x.zip");
        for entries in [[other, ours], [ours, other]] {
            let both = files_listed((200, &list(&entries)), "BTC-USDT", base).unwrap();
            assert_eq!((both.len(), both[0].name.as_str()), (1, name));
        }
        assert!(files_listed((200, b"<html>"), "X", base).is_err());
        assert_eq!(files_listed((200, &list(&[])), "X", base), Ok(Vec::new()));
    }

    #[test]
    fn a_busy_day_is_quicker_as_a_file() {
        let file = |bytes| DailyFile { name: String::new(), url: String::new(), day: 0, bytes };
        let is_quicker = |bytes, known| {
            let (file, rest) = costs(&file(bytes), known);
            file < rest
        };
        assert!(is_quicker(3_570_000, 0) && is_quicker(100_000, 0));
        assert!(!is_quicker(3_570_000, 509_000), "nearly all of it is there");
        assert!(!is_quicker(5_000, 0) && !is_quicker(0, 0));
        assert_eq!(megabytes("0.01"), Some(10_000));
        assert_eq!(
            (megabytes("7"), megabytes("x"), megabytes("1.é")),
            (Some(7_000_000), None, None)
        );
    }
}

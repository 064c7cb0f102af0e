//! What a channel's argument names, and how that is written as one key of a subscription.
//!
//! A key is the value of the argument's leading field, followed by `,field=value` for each further
//! one: `BTC-USDT`, `SWAP`, `OPTION,instFamily=BTC-USD`, or nothing at all. No id of OKX's has a
//! comma. `plan.rs` checks keys, `request.rs` writes arguments from them, `frame.rs` reads them
//! back.
//!
//! Invariant: [`KeyKind::key_of`] of what [`KeyKind::fields`] lists gives the same key.

use crate::json::Raw;
use std::borrow::Cow;

/// What a channel's argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// An instrument, as `instId`.
    InstId,
    /// A kind of instrument, as `instType`.
    InstType,
    /// An index such as `BTC-USD`, as `instId`: the same text as a spot id, but another thing.
    Index,
    /// A spread such as `BTC-USDT_BTC-USDT-SWAP`, as `sprdId`.
    Spread,
    /// A family of derivatives, as `instFamily`.
    Family,
    /// A kind, and perhaps one of its families.
    TypeOrFamily,
    /// A kind, and one of its families or instruments.
    TypeAndScope,
    /// Nothing: the argument is the channel alone.
    Nothing,
}

/// Ids that may share their text are of different realms.
pub(crate) type Realm = u8;

impl KeyKind {
    /// The leading field of the argument; `None` where there is none.
    pub fn lead(self) -> Option<&'static str> {
        match self {
            KeyKind::InstId | KeyKind::Index => Some("instId"),
            KeyKind::InstType | KeyKind::TypeOrFamily | KeyKind::TypeAndScope => Some("instType"),
            KeyKind::Spread => Some("sprdId"),
            KeyKind::Family => Some("instFamily"),
            KeyKind::Nothing => None,
        }
    }

    /// The further fields it may have.
    pub fn more(self) -> &'static [&'static str] {
        match self {
            KeyKind::TypeOrFamily => &["instFamily"],
            KeyKind::TypeAndScope => &["instFamily", "instId"],
            _ => &[],
        }
    }

    /// Whether a key names one thing that prices are of, so that the key is its id.
    pub fn names_one(self) -> bool {
        matches!(self, KeyKind::InstId | KeyKind::Index | KeyKind::Spread)
    }

    /// Which names its rows' ids are looked up among.
    pub(crate) fn realm(self) -> Realm {
        match self {
            KeyKind::InstId => 0,
            KeyKind::Index => 1,
            KeyKind::Spread => 2,
            // Keys that name no single thing, for what is said of the subscription itself.
            _ => 3,
        }
    }

    /// The argument's fields for a key, in the order in which OKX documents them.
    pub fn fields(self, key: &str) -> impl Iterator<Item = (&'static str, &str)> {
        let mut parts = key.split(',');
        let lead = self.lead().zip(parts.next()).filter(|(_, value)| !value.is_empty());
        let known = move |part| -> Option<(&'static str, &str)> {
            let (name, value) = str::split_once(part, '=')?;
            let name = self.more().iter().find(|more| **more == name)?;
            Some((*name, value))
        };
        lead.into_iter().chain(parts.filter_map(known))
    }

    /// The key that an argument's fields make, whatever else stands in it.
    pub fn key_of(self, arg: Raw<'_>) -> Cow<'_, str> {
        let text = |name: &str| arg.field(name).and_then(Raw::text).filter(|t| !t.is_empty());
        let lead = self.lead().and_then(text).unwrap_or_default();
        let mut key = lead;
        for name in self.more() {
            if let Some(value) = text(name) {
                key.to_mut().push_str(&format!(",{name}={value}"));
            }
        }
        key
    }

    /// What is wrong with a key of this kind, in words; `None` if nothing is.
    pub fn complaint(self, key: &str) -> Option<&'static str> {
        let mut parts = key.split(',');
        let lead = parts.next().unwrap_or_default();
        let mut more = parts.map(|part| part.split_once('='));
        match self {
            KeyKind::Nothing if key.is_empty() => None,
            KeyKind::Nothing => Some("the channel takes no argument; leave it empty"),
            _ if lead.is_empty() => Some("an empty name; give an id such as BTC-USDT"),
            KeyKind::TypeAndScope if !key.contains(',') => {
                Some("a family or an instrument is missing; as in OPTION,instFamily=BTC-USD")
            }
            KeyKind::Index if lead.ends_with("-SWAP") => {
                Some("an index is meant, not a swap; give its underlying, such as BTC-USD")
            }
            _ if more.any(|part| !part.is_some_and(|(name, _)| self.more().contains(&name))) => {
                Some("its further fields are not of this channel")
            }
            _ => None,
        }
    }

    /// The key for what people write. Of a channel of one kind only (`kind`), a family is enough:
    /// `BTC-USD` becomes `OPTION,instFamily=BTC-USD`.
    pub fn spell(self, text: &str, kind: Option<&str>) -> String {
        let text = text.trim();
        match (self, kind) {
            (KeyKind::Nothing, _) => String::new(),
            (KeyKind::TypeAndScope, Some(kind)) if !text.contains(',') => {
                format!("{kind},instFamily={}", text.to_uppercase())
            }
            _ if text.contains(',') => text.to_owned(),
            _ => text.to_uppercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_key_and_its_argument_say_the_same() {
        let cases = [
            (KeyKind::InstId, "BTC-USDT", r#"{"channel":"x","instId":"BTC-USDT"}"#),
            (KeyKind::InstType, "SWAP", r#"{"instType":"SWAP","uid":"7"}"#),
            (KeyKind::Spread, "A-B_A-B-SWAP", r#"{"sprdId":"A-B_A-B-SWAP"}"#),
            (KeyKind::Family, "BTC-USD_UM", r#"{"instFamily":"BTC-USD_UM"}"#),
            (KeyKind::TypeOrFamily, "SWAP", r#"{"instType":"SWAP","instFamily":""}"#),
            (
                KeyKind::TypeAndScope,
                "OPTION,instFamily=BTC-USD",
                r#"{"instFamily":"BTC-USD","instType":"OPTION"}"#,
            ),
            (
                KeyKind::TypeAndScope,
                "EVENTS,instId=BTC-ABOVE-DAILY-260224-1600-65000",
                r#"{"instType":"EVENTS","instId":"BTC-ABOVE-DAILY-260224-1600-65000"}"#,
            ),
            (KeyKind::Nothing, "", r#"{"channel":"status"}"#),
        ];
        for (kind, key, arg) in cases {
            let arg = json::parse(arg.as_bytes()).unwrap();
            assert_eq!(kind.key_of(arg), key, "{kind:?}");
            for (name, value) in kind.fields(key) {
                assert_eq!(arg.field(name).unwrap().text().unwrap(), value);
            }
            assert_eq!(kind.complaint(key), None, "{kind:?}");
        }
    }

    #[test]
    fn keys_that_cannot_be_are_refused_in_words() {
        for (kind, key) in [
            (KeyKind::InstId, ""),
            (KeyKind::InstId, "BTC-USDT,instFamily=BTC-USD"),
            (KeyKind::Nothing, "BTC-USDT"),
            (KeyKind::TypeAndScope, "OPTION"),
            (KeyKind::TypeOrFamily, "SWAP,uly=BTC-USD"),
        ] {
            assert!(kind.complaint(key).is_some(), "{kind:?} {key:?}");
        }
    }

    #[test]
    fn what_people_write_becomes_a_key() {
        let spell = |kind: KeyKind, text| kind.spell(text, None);
        let options = KeyKind::TypeAndScope.spell("btc-usd", Some("OPTION"));
        assert_eq!(options, "OPTION,instFamily=BTC-USD");
        assert_eq!(spell(KeyKind::TypeAndScope, "FUTURES,instFamily=X"), "FUTURES,instFamily=X");
        assert_eq!(spell(KeyKind::TypeOrFamily, "SWAP"), "SWAP");
        assert_eq!(spell(KeyKind::Family, " btc-usd "), "BTC-USD");
        assert_eq!(spell(KeyKind::Nothing, "all"), "");
    }
}

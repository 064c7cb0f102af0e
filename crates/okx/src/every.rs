//! What `all` means as a channel: every channel of the table, each with keys that suit it.
//!
//! The shell calls [`every`] once it knows the instruments. Asked for instruments, a channel gets
//! those that suit it, or, where none does, one of the same coin from the list; families, kinds,
//! indices and spreads are those of the instruments.
//!
//! Invariants: every channel of the table is either subscribed or left out with a reason; nothing
//! is asked for that the plan would refuse. Start at [`every`].

use crate::catalogue::Catalogue;
use crate::channel::{self, ChannelSpec, KeyKind};
use crate::json::{self, Raw};
use crate::plan::EXCLUSIVE;
use market_data_model::{InstType, Instrument, Subscription};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The word that stands for every channel.
pub const ALL: &str = "all";
/// Where OKX lists its spreads (docs, read 2026-11-23).
pub const SPREADS: &str = "/api/v5/sprd/spreads";
/// Spreads followed where none is of the instruments asked for, and at most anyway (ours).
const SPREADS_MAX: usize = 3;

/// A channel that `all` does not ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// OKX's spelling.
    pub channel: &'static str,
    /// Why, in words.
    pub why: String,
}

/// What `all` comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Every {
    /// What to subscribe to, sorted.
    pub subscriptions: BTreeSet<Subscription>,
    /// What was left out, in the table's order.
    pub left_out: Vec<LeftOut>,
}

/// A spread and its legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// `sprdId`.
    pub id: String,
    /// The instruments.
    pub legs: Vec<String>,
}

/// The open spreads of an answer to a GET of [`SPREADS`]; rows that name none are passed over.
///
/// ```json
/// {"code":"0","data":[{"sprdId":"BTC-USDT_BTC-USDT-SWAP","state":"live",
///  "legs":[{"instId":"BTC-USDT","side":"sell"},{"instId":"BTC-USDT-SWAP","side":"buy"}]}]}
/// ```
pub fn spreads(body: &[u8]) -> Vec<Spread> {
    let Ok(answer) = json::parse(body) else { return Vec::new() };
    let text = |row: Raw<'_>, name: &str| {
        row.field(name).and_then(Raw::text).unwrap_or_default().into_owned()
    };
    let read = |row: Raw<'_>| {
        let id = text(row, "sprdId");
        let legs = row.field("legs").into_iter().flat_map(Raw::items);
        let legs = legs.map(|leg| text(leg, "instId")).collect();
        (!id.is_empty() && text(row, "state") == "live").then_some(Spread { id, legs })
    };
    answer.field("data").into_iter().flat_map(Raw::items).filter_map(read).collect()
}

/// Every channel of the table on what suits it of `asked`. `logged_in`: whether channels that want
/// a login may be asked for.
pub fn every(
    asked: &[Arc<Instrument>],
    catalogue: &Catalogue,
    spreads: &[Spread],
    logged_in: bool,
) -> Every {
    let known = Known { asked, catalogue, spreads };
    let mut every = Every::default();
    for spec in channel::CHANNELS.iter().chain(channel::bars::BARS) {
        let keys = if !spec.ended.is_empty() {
            Err(format!("OKX ended it on {}", spec.ended))
        } else if spec.login && !logged_in {
            Err("it needs a login: set the credentials and name it".to_owned())
        } else if let Some((_, other)) = EXCLUSIVE.iter().find(|(one, _)| *one == spec.name) {
            Err(format!("it and {other} exclude each other; name it alone"))
        } else {
            known.keys(spec).map_err(|what| format!("the venue lists no {what}"))
        };
        match keys {
            Ok(keys) => {
                let all = keys.iter().map(|key| Subscription::new(spec.name, key));
                every.subscriptions.extend(all);
            }
            Err(why) => every.left_out.push(LeftOut { channel: spec.name, why }),
        }
    }
    every
}

struct Known<'a> {
    asked: &'a [Arc<Instrument>],
    catalogue: &'a Catalogue,
    spreads: &'a [Spread],
}

impl Known<'_> {
    /// The keys that suit a channel, never none.
    ///
    /// # Errors
    /// What there is none of.
    fn keys(&self, spec: &ChannelSpec) -> Result<BTreeSet<String>, String> {
        let of_kinds = || match spec.kinds {
            [] => "instrument".to_owned(),
            kinds => kinds.join(" or ") + " instrument",
        };
        let (keys, what) = match spec.key {
            KeyKind::Nothing => (BTreeSet::from([String::new()]), String::new()),
            KeyKind::InstId => {
                let ids = self.suiting(spec).into_iter().map(|x| x.inst_id.to_string());
                (ids.collect(), of_kinds())
            }
            KeyKind::InstType | KeyKind::TypeOrFamily => (self.kinds(spec), of_kinds()),
            KeyKind::Index => (self.indices(), "index".to_owned()),
            KeyKind::Spread => (self.spread_ids(), "spread".to_owned()),
            KeyKind::Family => {
                let families = self.suiting(spec).into_iter().map(|x| x.inst_family.to_string());
                (families.filter(|family| !family.is_empty()).collect(), of_kinds())
            }
            KeyKind::TypeAndScope => (self.scopes(spec), of_kinds()),
        };
        if keys.is_empty() { Err(what) } else { Ok(keys) }
    }

    /// What of the instruments asked for suits the channel; otherwise the first open one of the
    /// same coin that does, or of any coin.
    fn suiting(&self, spec: &ChannelSpec) -> Vec<&Arc<Instrument>> {
        let asked = self.asked.iter().filter(|x| spec.suits_one(x));
        let asked: Vec<_> = asked.collect();
        if !asked.is_empty() {
            return asked;
        }
        let open = |x: &&Arc<Instrument>| &*x.state == "live" && !x.inst_id.is_empty();
        let fit = || self.catalogue.iter().filter(open).filter(|x| spec.suits_one(x));
        let coins: Vec<&str> = self.asked.iter().map(|x| coin(&x.inst_id)).collect();
        let near = fit().find(|x| coins.contains(&coin(&x.inst_id)));
        near.or_else(|| fit().next()).into_iter().collect()
    }

    /// The kinds that the channel is about and that the venue lists.
    fn kinds(&self, spec: &ChannelSpec) -> BTreeSet<String> {
        let listed: BTreeSet<&str> = self.catalogue.iter().map(|x| kind(x)).collect();
        let fits = |name: &&str| !name.is_empty() && spec.suits(name);
        listed.into_iter().filter(fits).map(str::to_owned).collect()
    }

    /// The indices that the instruments asked for follow; those of spot pairs have their name.
    fn indices(&self) -> BTreeSet<String> {
        let of = |x: &Arc<Instrument>| match &x.inst_type {
            Some(InstType::Spot | InstType::Margin) => x.inst_id.to_string(),
            _ => x.uly.to_string(),
        };
        self.asked.iter().map(of).filter(|index| !index.is_empty()).collect()
    }

    /// Spreads between instruments asked for; otherwise one with one of them, or any.
    fn spread_ids(&self) -> BTreeSet<String> {
        let is_asked = |leg: &String| self.asked.iter().any(|x| *x.inst_id == **leg);
        let whole = self.spreads.iter().filter(|s| s.legs.iter().all(is_asked));
        let part = || self.spreads.iter().filter(|s| s.legs.iter().any(is_asked));
        let mut found: Vec<&Spread> = whole.take(SPREADS_MAX).collect();
        if found.is_empty() {
            found.extend(part().next().or_else(|| self.spreads.first()));
        }
        found.into_iter().map(|spread| spread.id.clone()).collect()
    }

    /// One family of each kind that the channel is about; event contracts have none, and go by
    /// their id.
    fn scopes(&self, spec: &ChannelSpec) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for name in spec.kinds {
            let one = ChannelSpec { kinds: std::slice::from_ref(name), ..*spec };
            let Some(x) = self.suiting(&one).into_iter().next() else { continue };
            keys.insert(match &*x.inst_family {
                "" => format!("{name},instId={}", x.inst_id),
                family => format!("{name},instFamily={family}"),
            });
        }
        keys
    }
}

fn kind(x: &Instrument) -> &str {
    x.inst_type.as_ref().map_or("", InstType::as_str)
}

fn coin(inst_id: &str) -> &str {
    inst_id.split('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! Follows listings and expiries while running: what a pattern means is subscribed when it opens.
//!
//! The supervisor asks it after each change of the instrument list. Retiring needs nothing here: a
//! feed ends the subscriptions of what the venue says has expired, and leaves the others alone.
//!
//! Invariants: a subscription is on one connection at a time; no connection is filled beyond
//! OKX's limits; what does not fit, or finds a full queue, is tried again at the next refresh.
//! Start at [`Follower::news`].

use crate::options::Want;
use market_data_model::{InstType, Instrument, Subscription};
use market_data_okx::catalogue::instrument_fits;
use market_data_okx::channel::{self, ChannelSpec, KeyKind, Path};
use market_data_okx::every::ALL;
use market_data_okx::limits::{CHANNELS_PER_CONNECTION_MAX, DEEP_BOOKS_PER_CONNECTION};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one connection carries, by its place in the list of connections.
#[derive(Debug)]
pub(crate) struct Load {
    path: Path,
    subscriptions: BTreeSet<Subscription>,
    deep: usize,
}

impl Load {
    /// The load of a connection as planned.
    pub fn new(path: Path, subscriptions: &[Subscription]) -> Load {
        let subscriptions: BTreeSet<_> = subscriptions.iter().cloned().collect();
        let deep = subscriptions.iter().filter(|s| is_deep(s)).count();
        Load { path, subscriptions, deep }
    }

    fn has_room(&self, deep: bool) -> bool {
        self.subscriptions.len() < CHANNELS_PER_CONNECTION_MAX
            && (!deep || self.deep < DEEP_BOOKS_PER_CONNECTION)
    }
}

fn is_deep(subscription: &Subscription) -> bool {
    channel::find(&subscription.channel).is_some_and(|spec| spec.deep)
}

/// A pattern and what to follow of the instruments that fit it.
#[derive(Debug)]
struct Wish {
    pattern: String,
    specs: Vec<&'static ChannelSpec>,
    /// All channels were asked for: those that suit an instrument.
    every: bool,
}

impl Wish {
    /// The patterns of a want.
    fn of(want: &Want) -> Vec<Wish> {
        let every = want.channels.iter().any(|name| name == ALL);
        let table = channel::CHANNELS.iter().chain(channel::bars::BARS);
        let served = |spec: &&ChannelSpec| every && spec.ended.is_empty() && !spec.login;
        let named = want.channels.iter().filter_map(|name| channel::find(name));
        let specs = named.chain(table.filter(served)).filter(|spec| spec.key == KeyKind::InstId);
        let specs: Vec<_> = specs.collect();
        let patterns = want.instruments.iter().filter(|text| text.contains(['*', '?']));
        let wish =
            |pattern: &String| Wish { pattern: pattern.clone(), specs: specs.clone(), every };
        patterns.map(wish).collect()
    }

    fn means(&self, instrument: &Instrument) -> bool {
        instrument_fits(&self.pattern, &instrument.inst_id)
    }

    fn specs(&self, instrument: &Instrument) -> impl Iterator<Item = &'static ChannelSpec> {
        let kind = instrument.inst_type.as_ref().map_or("", InstType::as_str);
        self.specs.iter().copied().filter(move |spec| !self.every || spec.suits(kind))
    }
}

/// The patterns, and where what they mean is subscribed.
#[derive(Debug)]
pub(crate) struct Follower {
    wishes: Vec<Wish>,
    loads: Vec<Load>,
}

impl Follower {
    /// Follows the patterns among these wishes on these connections.
    pub fn new(wants: &[Want], loads: Vec<Load>) -> Follower {
        Follower { wishes: wants.iter().flat_map(Wish::of).collect(), loads }
    }

    /// Whether there is a pattern at all.
    pub fn follows(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// What to subscribe to on which connection because of these instruments, in order. Each
    /// counts as subscribed from here on, until [`Follower::failed`].
    pub fn news<'a>(
        &mut self,
        instruments: impl Iterator<Item = &'a Arc<Instrument>>,
    ) -> BTreeMap<usize, Vec<Subscription>> {
        let mut asked: BTreeMap<usize, Vec<Subscription>> = BTreeMap::new();
        let mut homeless = 0;
        for instrument in instruments {
            let open = instrument.is_subscribable();
            for subscription in self.meant(instrument) {
                let home = self.loads.iter().position(|l| l.subscriptions.contains(&subscription));
                match home {
                    Some(home) if !open => self.drop(home, &subscription),
                    None if open => match self.place(&subscription) {
                        Some(home) => asked.entry(home).or_default().push(subscription),
                        None => homeless += 1,
                    },
                    _ => {}
                }
            }
        }
        if homeless > 0 {
            tracing::warn!(homeless, "no connection has room for what has been listed; restart");
        }
        asked
    }

    /// These could not be asked for: they do not count.
    pub fn failed(&mut self, home: usize, list: &[Subscription]) {
        for subscription in list {
            self.drop(home, subscription);
        }
    }

    /// What the patterns mean by an instrument.
    fn meant(&self, instrument: &Instrument) -> Vec<Subscription> {
        let mut meant = BTreeSet::new();
        for wish in self.wishes.iter().filter(|wish| wish.means(instrument)) {
            let one =
                |spec: &'static ChannelSpec| Subscription::new(spec.name, &instrument.inst_id);
            meant.extend(wish.specs(instrument).map(one));
        }
        meant.into_iter().collect()
    }

    /// Puts a subscription on the emptiest connection of its path that has room.
    fn place(&mut self, subscription: &Subscription) -> Option<usize> {
        let spec = channel::find(&subscription.channel)?;
        let here = self.loads.iter_mut().enumerate().filter(|(_, load)| load.path == spec.path);
        let fit = here.filter(|(_, load)| load.has_room(spec.deep));
        let (home, load) = fit.min_by_key(|(_, load)| (load.deep, load.subscriptions.len()))?;
        load.deep += usize::from(spec.deep);
        load.subscriptions.insert(subscription.clone());
        Some(home)
    }

    fn drop(&mut self, home: usize, subscription: &Subscription) {
        let Some(load) = self.loads.get_mut(home) else { return };
        if load.subscriptions.remove(subscription) {
            load.deep -= usize::from(is_deep(subscription));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(id: &str, state: &str) -> Arc<Instrument> {
        let mut x = Instrument::named(id);
        x.state = state.into();
        Arc::new(x)
    }

    fn follower(loads: &[(Path, &[(&str, &str)])]) -> Follower {
        let wants = [
            Want::new(["BTC-USDT-*", "ETH-USDT"], ["trades", "books", "candle1m"]),
            Want::new(["SWAP"], ["liquidation-orders"]),
        ];
        let load = |(path, subs): &(Path, &[(&str, &str)])| {
            let subs: Vec<_> = subs.iter().map(|(c, k)| Subscription::new(c, k)).collect();
            Load::new(*path, &subs)
        };
        Follower::new(&wants, loads.iter().map(load).collect())
    }

    fn said(asked: BTreeMap<usize, Vec<Subscription>>) -> Vec<String> {
        let line = |(home, list): (usize, Vec<Subscription>)| {
            list.into_iter().map(move |s| format!("{home} {} {}", s.channel, s.key))
        };
        asked.into_iter().flat_map(line).collect()
    }

    #[test]
    fn what_opens_is_subscribed_once_and_what_expires_may_come_again() {
        let mut follower = follower(&[
            (Path::Public, &[("trades", "BTC-USDT-SWAP"), ("books", "BTC-USDT-SWAP")]),
            (Path::Business, &[("candle1m", "BTC-USDT-SWAP")]),
        ]);
        let future = |state| instrument("BTC-USDT-261225", state);
        let mut news = |x: &Arc<Instrument>| said(follower.news([x].into_iter()));
        assert_eq!(news(&future("preopen")), Vec::<String>::new());
        let all =
            ["0 books BTC-USDT-261225", "0 trades BTC-USDT-261225", "1 candle1m BTC-USDT-261225"];
        assert_eq!(news(&future("live")), all);
        assert_eq!(news(&future("suspend")), Vec::<String>::new());
        assert_eq!(news(&future("live")), Vec::<String>::new());
        assert_eq!(news(&future("expired")), Vec::<String>::new());
        assert_eq!(news(&future("live")), all, "relisted");
        // What no pattern means is nobody's business.
        assert_eq!(news(&instrument("ETH-USDT", "live")), Vec::<String>::new());
        assert_eq!(news(&instrument("LISTING-SPOT-X", "live")), Vec::<String>::new());
        assert_eq!(news(&instrument("BTC-USDT-SWAP", "live")), Vec::<String>::new());
    }

    #[test]
    fn books_go_where_there_is_room_for_them() {
        let full: Vec<String> = (0..DEEP_BOOKS_PER_CONNECTION).map(|i| format!("X{i}")).collect();
        let full: Vec<(&str, &str)> = full.iter().map(|key| ("books", key.as_str())).collect();
        let mut follower = follower(&[(Path::Public, &full), (Path::Public, &[])]);
        let x = instrument("BTC-USDT-261225", "live");
        let asked = follower.news([&x].into_iter());
        assert_eq!(said(asked.clone()), ["1 books BTC-USDT-261225", "1 trades BTC-USDT-261225"]);
        // What could not be asked for is asked for again.
        follower.failed(1, &asked[&1]);
        assert_eq!(follower.news([&x].into_iter()), asked);
        let mut alone = Follower { loads: follower.loads.drain(..1).collect(), ..follower };
        assert_eq!(said(alone.news([&x].into_iter())), ["0 trades BTC-USDT-261225"]);
    }
}

//! Follows listings and expiries while running: what a pattern means is subscribed when it opens,
//! and what was asked for by name when it is listed anew.
//!
//! The supervisor asks it after each change of the instrument list, and when people want something
//! else (`follow/change.rs`). Retiring needs nothing here: a feed ends the subscriptions of what
//! the venue says has expired, and leaves the others alone.
//!
//! A pattern with a least turnover means what has reached it at a refresh; what has been subscribed
//! stays so until it expires, so that an instrument near the limit does not come and go.
//!
//! Invariants: a subscription is on one connection at a time; no connection is filled beyond
//! OKX's limits: what does not fit opens another, up to [`CONNECTIONS_MAX`]; what finds a full
//! queue is tried again at the next refresh. Start at [`Follower::news`].

use crate::bootstrap::is_pattern;
use crate::options::Want;
use market_data_model::{Decimal, Instrument, Subscription};
use market_data_okx::catalogue::instrument_fits;
use market_data_okx::channel::{self, ChannelSpec, KeyKind, Path};
use market_data_okx::every::ALL;
use market_data_okx::limits::{
    CHANNELS_PER_CONNECTION_MAX, CONNECTIONS_MAX, DEEP_BOOKS_PER_CONNECTION,
};
use market_data_okx::sbe;
use market_data_okx::turnover::Turnovers;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod change;

pub(crate) use change::Wanted;

/// What one connection carries, by its place in the list of connections.
#[derive(Debug)]
pub(crate) struct Load {
    path: Path,
    subscriptions: BTreeSet<Subscription>,
    deep: usize,
    /// It has been given up, because nothing was left on it.
    closed: bool,
}

impl Load {
    /// The load of a connection as planned.
    pub fn new(path: Path, subscriptions: &[Subscription]) -> Load {
        let subscriptions: BTreeSet<_> = subscriptions.iter().cloned().collect();
        let deep = subscriptions.iter().filter(|s| is_deep(s)).count();
        Load { path, subscriptions, deep, closed: false }
    }

    fn has_room(&self, deep: bool) -> bool {
        !self.closed
            && self.subscriptions.len() < CHANNELS_PER_CONNECTION_MAX
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
    min_turnover: Option<Decimal>,
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
        let patterns = want.instruments.iter().filter(|text| is_pattern(text));
        let wish = |pattern: &String| Wish {
            pattern: pattern.clone(),
            specs: specs.clone(),
            every,
            min_turnover: want.min_turnover_24h,
        };
        patterns.map(wish).collect()
    }

    fn means(&self, instrument: &Instrument) -> bool {
        instrument_fits(&self.pattern, &instrument.inst_id)
    }

    fn specs<'a>(
        &'a self,
        instrument: &'a Instrument,
    ) -> impl Iterator<Item = &'static ChannelSpec> + 'a {
        self.specs.iter().copied().filter(move |spec| !self.every || spec.suits_one(instrument))
    }
}

/// The patterns, and where what they mean is subscribed.
#[derive(Debug)]
pub(crate) struct Follower {
    wishes: Vec<Wish>,
    /// What was asked for of instruments by name.
    named: BTreeSet<Subscription>,
    loads: Vec<Load>,
    /// Whether the binary socket is used.
    sbe: bool,
    /// As of the last refresh.
    pub turnovers: Turnovers,
}

/// What to subscribe to on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The connection's path.
    pub path: Path,
    /// In order.
    pub list: Vec<Subscription>,
}

impl Follower {
    /// Follows the patterns among these wishes on these connections.
    pub fn new(wants: &[Want], loads: Vec<Load>, turnovers: Turnovers) -> Follower {
        let wishes = wants.iter().flat_map(Wish::of).collect();
        Follower { wishes, named: BTreeSet::new(), loads, turnovers, sbe: false }
    }

    /// The same, which follows these as well should they be listed anew.
    pub fn naming(self, named: BTreeSet<Subscription>) -> Follower {
        Follower { named, ..self }
    }

    /// The same, with what the binary socket carries on it, or not.
    pub fn over_sbe(self, sbe: bool) -> Follower {
        Follower { sbe, ..self }
    }

    /// Whether a pattern depends on turnovers.
    pub fn values(&self) -> bool {
        self.wishes.iter().any(|wish| wish.min_turnover.is_some())
    }

    /// Whether there is anything that may be listed.
    pub fn follows(&self) -> bool {
        !self.wishes.is_empty() || !self.named.is_empty()
    }

    /// What to subscribe to on which connection because of these instruments. Each counts as
    /// subscribed from here on, until [`Follower::failed`]. A place behind the last connection
    /// is another one, to be opened.
    pub fn news<'a>(
        &mut self,
        instruments: impl Iterator<Item = &'a Arc<Instrument>>,
    ) -> BTreeMap<usize, Asked> {
        let mut asked: BTreeMap<usize, Asked> = BTreeMap::new();
        let mut homeless = 0;
        for instrument in instruments {
            let open = instrument.is_subscribable();
            let expired = &*instrument.state == "expired";
            for (subscription, reaches) in self.meant(instrument) {
                let home = self.loads.iter().position(|l| l.subscriptions.contains(&subscription));
                match home {
                    Some(home) if expired => self.drop(home, &subscription),
                    None if open && reaches => match self.place(&subscription, Some(instrument)) {
                        Some(home) => {
                            let path = self.loads[home].path;
                            let none = || Asked { path, list: Vec::new() };
                            asked.entry(home).or_insert_with(none).list.push(subscription);
                        }
                        None => homeless += 1,
                    },
                    _ => {}
                }
            }
        }
        if homeless > 0 {
            tracing::warn!(homeless, most = CONNECTIONS_MAX, "no more connections are opened");
        }
        asked
    }

    /// These could not be asked for: they do not count.
    pub fn failed(&mut self, home: usize, list: &[Subscription]) {
        for subscription in list {
            self.drop(home, subscription);
        }
    }

    /// These could not be ended: they are still there.
    pub fn restore(&mut self, home: usize, list: &[Subscription]) {
        let Some(load) = self.loads.get_mut(home) else { return };
        for subscription in list {
            if load.subscriptions.insert(subscription.clone()) {
                load.deep += usize::from(is_deep(subscription));
            }
        }
    }

    /// What the patterns mean by an instrument, and whether a pattern means it at its turnover.
    fn meant(&self, instrument: &Instrument) -> BTreeMap<Subscription, bool> {
        let mut meant: BTreeMap<Subscription, bool> = BTreeMap::new();
        let named = self.named.iter().filter(|one| *one.key == *instrument.inst_id);
        meant.extend(named.map(|one| (one.clone(), true)));
        for wish in self.wishes.iter().filter(|wish| wish.means(instrument)) {
            let id = &instrument.inst_id;
            let reaches = wish.min_turnover.is_none_or(|min| self.turnovers.reaches(id, min));
            for spec in wish.specs(instrument) {
                *meant.entry(Subscription::new(spec.name, id)).or_default() |= reaches;
            }
        }
        meant
    }

    /// Puts a subscription on the emptiest connection of its path that has room, or on another.
    /// `instrument` is what its key names, if that is one.
    fn place(
        &mut self,
        subscription: &Subscription,
        instrument: Option<&Instrument>,
    ) -> Option<usize> {
        let spec = channel::find(&subscription.channel)?;
        let coded = instrument.is_some_and(|x| x.inst_id_code.is_some());
        let binary = self.sbe && sbe::carries(spec.name) && coded;
        let path = if binary { Path::Binary } else { spec.path };
        let here = self.loads.iter().enumerate().filter(|(_, load)| load.path == path);
        let fit = here.filter(|(_, load)| load.has_room(spec.deep));
        let found = fit.min_by_key(|(_, load)| (load.deep, load.subscriptions.len()));
        let home = match found {
            Some((home, _)) => home,
            None if self.loads.iter().filter(|load| !load.closed).count() < CONNECTIONS_MAX => {
                self.loads.push(Load::new(path, &[]));
                self.loads.len() - 1
            }
            None => return None,
        };
        let load = &mut self.loads[home];
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
    use market_data_model::InstType;

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
        Follower::new(&wants, loads.iter().map(load).collect(), Turnovers::default())
    }

    fn said(asked: BTreeMap<usize, Asked>) -> Vec<String> {
        let line = |(home, asked): (usize, Asked)| {
            asked.list.into_iter().map(move |s| format!("{home} {} {}", s.channel, s.key))
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
    fn what_is_renamed_is_left_under_its_old_name_and_followed_under_the_new() {
        let mut follower = follower(&[(Path::Public, &[("trades", "BTC-USDT-OLD")])]);
        let mut news = |id, state| said(follower.news([&instrument(id, state)].into_iter()));
        assert_eq!(news("BTC-USDT-OLD", "expired"), Vec::<String>::new());
        // As OKX renames: expired, then the new id in `rebase`, `post_only`, `live`.
        let asked = ["0 books BTC-USDT-NEW", "0 trades BTC-USDT-NEW", "1 candle1m BTC-USDT-NEW"];
        assert_eq!(news("BTC-USDT-NEW", "rebase"), asked);
        assert_eq!(news("BTC-USDT-NEW", "post_only"), Vec::<String>::new());
        assert_eq!(news("BTC-USDT-NEW", "live"), Vec::<String>::new());
    }

    #[test]
    fn what_was_named_is_followed_again_but_never_twice() {
        let one = Subscription::new("trades", "ETH-USDT");
        let held = follower(&[(Path::Public, &[("trades", "ETH-USDT")])]);
        let mut follower = held.naming([one].into());
        let mut news = |state| said(follower.news([&instrument("ETH-USDT", state)].into_iter()));
        for state in ["live", "suspend", "preopen", "live"] {
            assert_eq!(news(state), Vec::<String>::new(), "{state}: it is there");
        }
        assert_eq!(news("expired"), Vec::<String>::new());
        assert_eq!(news("preopen"), Vec::<String>::new(), "not yet");
        assert_eq!(news("live"), ["0 trades ETH-USDT"]);
    }

    #[test]
    fn books_go_where_there_is_room_for_them() {
        let full: Vec<String> = (0..DEEP_BOOKS_PER_CONNECTION).map(|i| format!("X{i}")).collect();
        let full: Vec<(&str, &str)> = full.iter().map(|key| ("books", key.as_str())).collect();
        let mut follower = follower(&[(Path::Public, &full), (Path::Public, &[])]);
        let x = instrument("BTC-USDT-261225", "live");
        let asked = follower.news([&x].into_iter());
        let expected =
            ["1 books BTC-USDT-261225", "1 trades BTC-USDT-261225", "2 candle1m BTC-USDT-261225"];
        assert_eq!(said(asked.clone()), expected, "bars get a connection of their path");
        // What could not be asked for is asked for again.
        follower.failed(1, &asked[&1].list);
        let again = BTreeMap::from([(1, asked[&1].clone())]);
        assert_eq!(follower.news([&x].into_iter()), again);
    }

    #[test]
    fn what_does_not_fit_opens_connections_within_the_limits() {
        let most = DEEP_BOOKS_PER_CONNECTION;
        let full: Vec<String> = (0..most).map(|i| format!("X{i}")).collect();
        let full: Vec<(&str, &str)> = full.iter().map(|key| ("books", key.as_str())).collect();
        let mut follower = follower(&[(Path::Public, &full)]);
        let listed = |n: usize| instrument(&format!("BTC-USDT-{n:06}"), "live");
        let all: Vec<_> = (0..most + 1).map(listed).collect();
        let asked = follower.news(all.iter());
        let counts = |channel: &str, home: usize| {
            asked[&home].list.iter().filter(|s| &*s.channel == channel).count()
        };
        assert_eq!(asked.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!((counts("books", 0), counts("books", 1), counts("books", 3)), (0, 29, 1));
        assert_eq!(asked[&2].path, Path::Business, "bars go where bars live");
        assert_eq!(counts("candle1m", 2), most + 1);
        let fine = |load: &Load| {
            load.deep <= most && load.subscriptions.len() <= CHANNELS_PER_CONNECTION_MAX
        };
        assert!(follower.loads.iter().all(fine));
        assert_eq!(follower.news(all.iter()), BTreeMap::new(), "asked for once");
        // There is an end to it.
        let far: Vec<_> = (100..100 + most * CONNECTIONS_MAX).map(listed).collect();
        follower.news(far.iter());
        assert_eq!(follower.loads.len(), CONNECTIONS_MAX);
    }

    #[test]
    fn a_least_turnover_holds_back_until_it_is_reached_and_then_lets_stay() {
        let mut want = Want::new(["*-USDT"], ["trades"]);
        want.min_turnover_24h = "5000000".parse().ok();
        let loads = vec![Load::new(Path::Public, &[])];
        let mut follower = Follower::new(&[want], loads, Turnovers::default());
        assert!(follower.values());
        let x = instrument("NEW-USDT", "live");
        let value = |follower: &mut Follower, volume: &str| {
            let body = format!(
                r#"{{"code":"0","data":[{{"instId":"NEW-USDT","last":"2","volCcy24h":"{volume}"}}]}}"#
            );
            follower.turnovers.take(&InstType::Spot, 200, body.as_bytes()).unwrap();
        };
        assert_eq!(said(follower.news([&x].into_iter())), Vec::<String>::new(), "not known");
        value(&mut follower, "4999999.99");
        assert_eq!(said(follower.news([&x].into_iter())), Vec::<String>::new());
        value(&mut follower, "5000000.00");
        assert_eq!(said(follower.news([&x].into_iter())), ["0 trades NEW-USDT"]);
        value(&mut follower, "1");
        assert_eq!(said(follower.news([&x].into_iter())), Vec::<String>::new(), "it stays");
        let gone = instrument("NEW-USDT", "expired");
        follower.news([&gone].into_iter());
        assert!(follower.loads[0].subscriptions.is_empty(), "its place is free again");
        assert_eq!(said(follower.news([&x].into_iter())), Vec::<String>::new(), "too little again");
    }
}

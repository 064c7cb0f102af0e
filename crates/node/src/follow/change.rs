//! People want something else while everything runs: what has to be asked for, what has to end,
//! and on which connection. Part of [`Follower`].
//!
//! Invariants: what is wanted before and after stays where it is; what a pattern has reached and
//! still means stays, whatever its turnover is today; a connection with nothing left on it is
//! given up, because OKX closes one that asks for nothing within 30 s (docs, read 2026-11-23).

use super::{Asked, Follower, Load, Wish};
use crate::options::Want;
use market_data_model::Subscription;
use market_data_okx::catalogue::Catalogue;
use market_data_okx::turnover::Turnovers;
use std::collections::{BTreeMap, BTreeSet};

/// What people want, as it stands today.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// In their own words.
    pub wants: Vec<Want>,
    /// What that comes to.
    pub subscriptions: BTreeSet<Subscription>,
    /// What of it was asked for by name.
    pub named: BTreeSet<Subscription>,
    /// What was traded, if a pattern depends on it.
    pub turnovers: Turnovers,
}

/// What a change comes to, by place of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What is to end.
    pub dropped: BTreeMap<usize, Vec<Subscription>>,
    /// What is to be asked for; places behind the last connection are others, to be opened.
    pub added: BTreeMap<usize, Asked>,
    /// What would need more connections than may be.
    pub homeless: Vec<Subscription>,
    /// How many stay as they are.
    pub kept: usize,
}

impl Follower {
    /// Follows this from here on. Says what has to be done; all of it counts as done.
    pub fn change(&mut self, wanted: Wanted, catalogue: &Catalogue) -> Difference {
        self.wishes = wanted.wants.iter().flat_map(Wish::of).collect();
        self.named = wanted.named;
        self.turnovers = wanted.turnovers;
        let mut difference = Difference::default();
        let mut missing = wanted.subscriptions;
        for home in 0..self.loads.len() {
            let carried: Vec<_> = self.loads[home].subscriptions.iter().cloned().collect();
            for subscription in carried {
                if missing.remove(&subscription) || self.still_means(&subscription, catalogue) {
                    difference.kept += 1;
                } else {
                    self.drop(home, &subscription);
                    difference.dropped.entry(home).or_default().push(subscription);
                }
            }
        }
        for subscription in missing {
            let instrument = catalogue.get(&subscription.key);
            match self.place(&subscription, instrument.map(|x| &**x)) {
                Some(home) => {
                    let path = self.loads[home].path;
                    let none = || Asked { path, list: Vec::new() };
                    difference.added.entry(home).or_insert_with(none).list.push(subscription);
                }
                None => difference.homeless.push(subscription),
            }
        }
        difference
    }

    /// Gives up the connections on which nothing is left; says which. Their places stay.
    pub fn give_up_empty(&mut self) -> Vec<usize> {
        let is_empty = |load: &Load| load.subscriptions.is_empty() && !load.closed;
        let empty = self.loads.iter_mut().enumerate().filter(|(_, load)| is_empty(load));
        let given_up = empty.map(|(home, load)| {
            load.closed = true;
            home
        });
        given_up.collect()
    }

    /// Whether a pattern means it, at whatever turnover.
    fn still_means(&self, subscription: &Subscription, catalogue: &Catalogue) -> bool {
        let instrument = catalogue.get(&subscription.key);
        instrument.is_some_and(|x| self.meant(x).contains_key(subscription))
    }
}

#[cfg(test)]
mod tests;

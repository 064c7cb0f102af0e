//! People want something else while everything runs: only the difference is asked for and ended.
//! Part of [`Supervisor`]; [`Service::change`](crate::Service::change) comes here.
//!
//! Invariant: a subscription that is wanted before and after is not touched, nor is its connection.

use super::{Supervisor, names_one, write};
use crate::bootstrap::Prepared;
use crate::clock::wall_now;
use crate::fleet::lock;
use crate::follow::Wanted;
use crate::live::Ask;
use crate::options::Want;
use market_data_model::{Command, Instrument, Subscription};
use market_data_okx::catalogue::upcoming;
use market_data_okx::plan::{Plan, plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a change of what is wanted comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// What is asked for that was not, in order.
    pub added: Vec<Subscription>,
    /// What has ended, in order.
    pub dropped: Vec<Subscription>,
    /// How many subscriptions stay as they were.
    pub kept: usize,
    /// What could not be done yet because a feed was too busy or no connection more may be opened,
    /// in order; what was to be asked for is tried again at each refresh of the instruments.
    pub postponed: Vec<Subscription>,
    /// Connections opened for it.
    pub opened: usize,
    /// Connections closed because nothing was left on them.
    pub closed: usize,
    /// Requests that this costs, of the hour's budget of the connections concerned.
    pub requests: usize,
}

/// Somebody wants something else.
pub(crate) struct ChangeAsk {
    pub wants: Vec<Want>,
    pub prepared: Box<Prepared>,
    pub reply: oneshot::Sender<Changed>,
}

/// What was asked for by name, which is followed should it be listed anew.
pub(crate) fn named_of(prepared: &Prepared) -> BTreeSet<Subscription> {
    let by_name = |s: &&Subscription| names_one(s) && prepared.named.contains(&*s.key);
    prepared.subscriptions.iter().filter(by_name).cloned().collect()
}

impl Supervisor {
    pub(super) fn change(&mut self, ask: ChangeAsk) {
        let ChangeAsk { wants, prepared, reply } = ask;
        self.types = crate::service::types_in_use(&prepared.subscriptions, &prepared.catalogue);
        self.learn(&prepared);
        let catalogue = self.catalogue.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let wanted = Wanted {
            wants,
            subscriptions: prepared.subscriptions.iter().cloned().collect(),
            named: named_of(&prepared),
            turnovers: prepared.turnovers,
        };
        let difference = self.follower.change(wanted, &catalogue);
        drop(catalogue);
        let mut changed = Changed { kept: difference.kept, ..Changed::default() };
        for (home, list) in difference.dropped {
            changed.requests += requests(&list);
            self.end(home, list, &mut changed);
        }
        let before = self.listeners.len();
        for (home, asked) in difference.added {
            let list = asked.list.clone();
            let keys: BTreeSet<&str> = list.iter().map(|s| &*s.key).collect();
            let known: Vec<Arc<Instrument>> = keys
                .into_iter()
                .filter_map(|key| super::read(&self.catalogue).get(key).cloned())
                .collect();
            changed.requests += requests(&list);
            match self.ask(home, asked, &known) {
                true => changed.added.extend(list),
                false => changed.postponed.extend(list),
            }
        }
        changed.opened = self.listeners.len() - before;
        changed.closed = self.close_empty();
        changed.postponed.extend(difference.homeless);
        for list in [&mut changed.added, &mut changed.dropped, &mut changed.postponed] {
            list.sort_unstable();
        }
        // Whoever asked may have gone.
        drop(reply.send(changed));
    }

    /// Takes what was loaded for the change into the list of instruments.
    fn learn(&mut self, prepared: &Prepared) {
        let now = wall_now();
        let mut news = Vec::new();
        {
            let mut catalogue = write(&self.catalogue);
            for row in prepared.catalogue.iter() {
                let current = upcoming::in_force(row, now).map(|(_, x)| Arc::new(x));
                let current = current.unwrap_or_else(|| Arc::clone(row));
                if catalogue.apply_row(&current) {
                    news.push(current);
                }
            }
        }
        self.tell(&news);
    }

    fn end(&mut self, home: usize, list: Vec<Subscription>, changed: &mut Changed) {
        let Some(listener) = self.listeners.get_mut(home) else { return };
        lock(&listener.carried).retain(|one| !list.contains(one));
        let end = Ask::Command(Command::Unsubscribe(list.clone()));
        if listener.asks.try_send(end).is_err() {
            // It goes on, and counts as carried again.
            tracing::warn!(count = list.len(), "a feed is too busy to end subscriptions");
            lock(&listener.carried).extend(list.iter().cloned());
            self.follower.restore(home, &list);
            changed.postponed.extend(list);
            return;
        }
        listener.keys = lock(&listener.carried).iter().map(|s| Arc::clone(&s.key)).collect();
        changed.dropped.extend(list);
    }
}

/// How many requests name all of these, on one connection.
fn requests(list: &[Subscription]) -> usize {
    plan(list).map_or(1, |plan: Plan| plan.requests())
}

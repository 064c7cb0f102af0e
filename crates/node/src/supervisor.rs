//! Keeps the instrument list current and tells the feeds what changed of theirs.
//!
//! News comes from the venue's own channel, through the drivers, and from a periodic look over
//! REST, which brings whatever the channel missed. What patterns mean and has been listed is
//! subscribed (`follow.rs`), on other connections (`fleet.rs`) where there is no room. What people
//! want can be changed (`supervisor/change.rs`). Owned by one
//! task of the service; ends when every driver has ended.
//!
//! Invariant: never holds a driver up; a driver whose queue is full is told at the next refresh.

use crate::bootstrap;
use crate::fleet::{Carried, lock};
use crate::follow::{Asked, Follower};
use crate::live::Ask;
use crate::metrics::Metrics;
use crate::net::Rest;
use market_data_model::{Batch, Body, Command, InstType, Instrument, Subscription};
use market_data_okx::catalogue::{Catalogue, upcoming};
use market_data_okx::channel::{self, KeyKind, Path};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;

mod change;

pub use change::Changed;
pub(crate) use change::{ChangeAsk, named_of};

/// Dated contracts are forgotten this long after their end.
const KEEP_ENDED_NS: u64 = 2 * 24 * 3_600_000_000_000;

/// A feed as the supervisor sees it.
pub(crate) struct Listener {
    /// The keys of its subscriptions.
    pub keys: BTreeSet<Arc<str>>,
    /// What it carries, for those who look for a book.
    pub carried: Carried,
    pub asks: mpsc::Sender<Ask>,
}

/// Opens a connection with these subscriptions; `None` when the service has ended.
pub(crate) type Open = Box<dyn FnMut(Path, &[Subscription]) -> Option<Listener> + Send>;

/// Takes a connection for good, by its place in the order of opening.
pub(crate) type Close = Box<dyn FnMut(usize) + Send>;

/// The instrument list with everything that keeps it current.
pub(crate) struct Supervisor {
    pub catalogue: Arc<RwLock<Catalogue>>,
    pub types: Vec<InstType>,
    pub rest: Arc<Rest>,
    pub listeners: Vec<Listener>,
    /// What patterns mean, in the order of the listeners.
    pub follower: Follower,
    /// Opens another connection.
    pub open: Open,
    /// Ends a connection, by its place.
    pub close: Close,
    pub news: mpsc::Receiver<Arc<Batch>>,
    /// What people want instead.
    pub changes: mpsc::Receiver<ChangeAsk>,
    pub refresh: Duration,
    pub metrics: Arc<Metrics>,
}

impl Supervisor {
    /// Runs until every driver has ended.
    pub async fn run(mut self) {
        let period = self.refresh.max(Duration::from_secs(1));
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = self.news.recv() => match batch {
                    Some(batch) => self.take(&batch),
                    None => return,
                },
                Some(ask) = self.changes.recv() => self.change(ask),
                _ = refresh.tick(), if !self.types.is_empty() => self.look().await,
            }
        }
    }

    fn take(&mut self, batch: &Batch) {
        let mut changed = Vec::new();
        {
            let mut catalogue = write(&self.catalogue);
            for event in batch.iter() {
                if let Body::Instrument(instrument) = event.body
                    && catalogue.apply_row(instrument)
                {
                    changed.push(Arc::clone(instrument));
                }
            }
        }
        self.tell(&changed);
        self.follow(&changed);
    }

    /// Asks for all lists again. Works on a copy, so that readers never wait for the network.
    async fn look(&mut self) {
        let mut copy = read(&self.catalogue).clone();
        let mut paths = Catalogue::requests(&self.types);
        let mut changed = Vec::new();
        while let Some(path) = paths.pop() {
            match bootstrap::fetch(&self.rest, &path, &mut copy).await {
                Ok(fetched) => {
                    changed.extend(fetched.changed);
                    paths.extend(fetched.follow_up);
                }
                Err(error) => {
                    self.metrics.refresh_errors.fetch_add(1, Relaxed);
                    tracing::warn!(%path, why = %error.why, "cannot refresh the instruments");
                }
            }
        }
        let now = crate::clock::wall_now();
        for instrument in &mut changed {
            // A list may be older than what it announces.
            if let Some((_, current)) = upcoming::in_force(instrument, now) {
                *instrument = Arc::new(current);
            }
        }
        {
            let mut catalogue = write(&self.catalogue);
            changed.retain(|instrument| catalogue.apply_row(instrument));
            catalogue.forget_ended(now - KEEP_ENDED_NS);
        }
        let known = read(&self.catalogue).len();
        tracing::debug!(changed = changed.len(), known, "instruments refreshed");
        self.tell(&changed);
        if self.follower.values() {
            self.value().await;
        }
        if self.follower.follows() {
            // All of them: what found no room or a full queue has its next chance here.
            let all: Vec<_> = read(&self.catalogue).iter().cloned().collect();
            self.follow(&all);
        }
    }

    /// Asks for all turnovers again; what cannot be had stays as it was.
    async fn value(&mut self) {
        for kind in &self.types {
            let turnovers = &mut self.follower.turnovers;
            if let Err(why) = bootstrap::value(&self.rest, kind, turnovers).await {
                self.metrics.refresh_errors.fetch_add(1, Relaxed);
                tracing::warn!(kind = kind.as_str(), %why, "cannot refresh the turnovers");
            }
        }
    }

    /// Subscribes to what patterns mean and has opened.
    fn follow(&mut self, changed: &[Arc<Instrument>]) {
        for (home, asked) in self.follower.news(changed.iter()) {
            let count = asked.list.len();
            if self.ask(home, asked, changed) {
                tracing::info!(count, "subscribing to what has been listed");
            } else {
                tracing::warn!(count, "a feed is too busy for what has been listed");
            }
        }
        self.close_empty();
    }

    /// Asks for these on a connection, or on another if the place is behind the last. What cannot
    /// be asked for does not count, and is tried again at a refresh.
    fn ask(&mut self, home: usize, asked: Asked, known: &[Arc<Instrument>]) -> bool {
        let Asked { path, list } = asked;
        if home >= self.listeners.len() {
            // Places come in order, so this is the next one.
            let Some(listener) = (self.open)(path, &list) else { return false };
            tracing::info!(count = list.len(), "another connection");
            self.listeners.push(listener);
            return true;
        }
        let listener = &mut self.listeners[home];
        let keys: BTreeSet<Arc<str>> = list.iter().map(|s| Arc::clone(&s.key)).collect();
        let theirs = known.iter().filter(|x| keys.contains(&*x.inst_id)).cloned().collect();
        // First, so that a feed that starts afresh meanwhile has them as well.
        lock(&listener.carried).extend(list.iter().cloned());
        let known = Ask::Command(Command::Instruments(theirs));
        let wanted = Ask::Command(Command::Subscribe(list.clone()));
        let sent = listener.asks.try_send(known).is_ok();
        if sent && listener.asks.try_send(wanted).is_ok() {
            listener.keys.extend(keys);
            return true;
        }
        lock(&listener.carried).retain(|one| !list.contains(one));
        self.follower.failed(home, &list);
        false
    }

    /// Gives up connections on which nothing is left.
    fn close_empty(&mut self) -> usize {
        let given_up = self.follower.give_up_empty();
        for home in &given_up {
            tracing::info!(home, "nothing is left on a connection; closing it");
            (self.close)(*home);
        }
        given_up.len()
    }

    fn tell(&self, changed: &[Arc<Instrument>]) {
        let expired: BTreeSet<&str> =
            changed.iter().filter(|x| &*x.state == "expired").map(|x| &*x.inst_id).collect();
        for listener in &self.listeners {
            if !expired.is_empty() {
                // The feeds end these by themselves; a fresh one must not ask for them again.
                let ended = |s: &Subscription| names_one(s) && expired.contains(&*s.key);
                lock(&listener.carried).retain(|s| !ended(s));
            }
            let theirs: Vec<_> =
                changed.iter().filter(|x| concerns(&listener.keys, x)).cloned().collect();
            if theirs.is_empty() {
                continue;
            }
            let count = theirs.len();
            let ask = Ask::Command(Command::Instruments(theirs));
            if listener.asks.try_send(ask).is_err() {
                tracing::warn!(count, "a feed is too busy for news of its instruments");
            }
        }
    }
}

/// Whether a feed with these keys has to know of an instrument: it follows it, or the news of its
/// kind, and says when an announced change takes effect.
pub(crate) fn concerns(keys: &BTreeSet<Arc<str>>, instrument: &Instrument) -> bool {
    let kind = instrument.inst_type.as_ref().map_or("", InstType::as_str);
    let announces = || keys.contains(kind) && upcoming::next_change(instrument).is_some();
    keys.contains(&*instrument.inst_id) || announces()
}

/// Whether a subscription's key is the id of an instrument, and not of an index or a kind.
fn names_one(subscription: &Subscription) -> bool {
    channel::find(&subscription.channel).is_none_or(|spec| spec.key == KeyKind::InstId)
}

fn read(lock: &RwLock<Catalogue>) -> std::sync::RwLockReadGuard<'_, Catalogue> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write(lock: &RwLock<Catalogue>) -> std::sync::RwLockWriteGuard<'_, Catalogue> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! Keeps the instrument list current and tells the feeds what changed of theirs.
//!
//! News comes from the venue's own channel, through the drivers, and from a periodic look over
//! REST, which brings whatever the channel missed. What patterns mean and has been listed is
//! subscribed (`follow.rs`), on other connections (`fleet.rs`) where there is no room. Owned by one
//! task of the service; ends when every driver has ended.
//!
//! Invariant: never holds a driver up; a driver whose queue is full is told at the next refresh.

use crate::bootstrap;
use crate::fleet::{Carried, lock};
use crate::follow::Follower;
use crate::live::Ask;
use crate::metrics::Metrics;
use crate::net::Rest;
use market_data_model::{Batch, Body, Command, InstType, Instrument, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::channel::Path;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;

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
    pub news: mpsc::Receiver<Arc<Batch>>,
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
        {
            let mut catalogue = write(&self.catalogue);
            changed.retain(|instrument| catalogue.apply_row(instrument));
            catalogue.forget_ended(crate::clock::wall_now() - KEEP_ENDED_NS);
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
            let list = asked.list;
            let count = list.len();
            if home >= self.listeners.len() {
                // Places come in order, so this is the next one.
                let Some(listener) = (self.open)(asked.path, &list) else { return };
                tracing::info!(count, "another connection for what has been listed");
                self.listeners.push(listener);
                continue;
            }
            let listener = &mut self.listeners[home];
            let keys: BTreeSet<Arc<str>> = list.iter().map(|s| Arc::clone(&s.key)).collect();
            let theirs = changed.iter().filter(|x| keys.contains(&*x.inst_id)).cloned().collect();
            let known = Ask::Command(Command::Instruments(theirs));
            let wanted = Ask::Command(Command::Subscribe(list.clone()));
            let sent = listener.asks.try_send(known).is_ok();
            if sent && listener.asks.try_send(wanted).is_ok() {
                tracing::info!(count, "subscribing to what has been listed");
                listener.keys.extend(keys);
                lock(&listener.carried).extend(list);
            } else {
                tracing::warn!(count, "a feed is too busy for what has been listed");
                self.follower.failed(home, &list);
            }
        }
    }

    fn tell(&self, changed: &[Arc<Instrument>]) {
        for listener in &self.listeners {
            let theirs: Vec<_> =
                changed.iter().filter(|x| listener.keys.contains(&*x.inst_id)).cloned().collect();
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

fn read(lock: &RwLock<Catalogue>) -> std::sync::RwLockReadGuard<'_, Catalogue> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write(lock: &RwLock<Catalogue>) -> std::sync::RwLockWriteGuard<'_, Catalogue> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

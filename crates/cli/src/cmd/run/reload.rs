//! SIGHUP: the settings are read again, and what they subscribe to is followed instead.
//!
//! `run.rs` waits on it beside everything else. What cannot be used is refused as a whole and what
//! was followed goes on; what can be changed only at a start is named and left as it is.
//!
//! Invariants: nothing here holds up the service (lists of instruments are loaded by a task of its
//! own); one change at a time, and a signal during one is answered after it.

use super::RunArgs;
use crate::signals::Hangup;
use crate::source::needs_login;
use market_data::config::Config;
use market_data::{Changed, Error, Prepared, Service, ServiceOptions, Subscription, Want};
use market_data_serve::Server;
use std::future::pending;
use tokio::task::JoinSet;

/// Subscriptions named in the log, of those added and of those dropped.
const NAMED_MAX: usize = 20;

/// The settings in force, and the way to others.
pub struct Reload<'a> {
    args: &'a RunArgs,
    /// As at the start, but for what is subscribed.
    config: Config,
    options: ServiceOptions,
    hangup: Option<Hangup>,
    /// A change under way.
    loading: JoinSet<Result<Loaded, Error>>,
}

/// Other settings, and what they mean.
pub struct Loaded {
    config: Config,
    wants: Vec<Want>,
    prepared: Prepared,
}

impl<'a> Reload<'a> {
    /// Listens if the settings have a file to be read again; otherwise a signal ends the process as
    /// ever.
    pub fn new(args: &'a RunArgs, config: &Config, options: &ServiceOptions) -> Reload<'a> {
        let hangup = args.config.is_some().then(Hangup::listen);
        let (config, options) = (config.clone(), options.clone());
        Reload { args, config, options, hangup, loading: JoinSet::new() }
    }

    /// Never has anything to do.
    pub fn never(args: &'a RunArgs, config: &Config) -> Reload<'a> {
        let (config, options) = (config.clone(), ServiceOptions::default());
        Reload { args, config, options, hangup: None, loading: JoinSet::new() }
    }

    /// Returns when there is something to do: give it to [`Reload::act`].
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn due(&mut self) -> Due {
        if !self.loading.is_empty() {
            return match self.loading.join_next().await {
                Some(Ok(loaded)) => Due::Loaded(Box::new(loaded)),
                // A task that panicked has said so on the log.
                _ => Due::Nothing,
            };
        }
        match &mut self.hangup {
            Some(hangup) => {
                hangup.asked().await;
                Due::Asked
            }
            None => pending().await,
        }
    }

    /// Does the next step; true once the service follows something else.
    pub async fn act(&mut self, due: Due, service: &Service, server: Option<&Server>) -> bool {
        match due {
            Due::Nothing => false,
            Due::Asked => {
                self.read();
                false
            }
            Due::Loaded(loaded) => match *loaded {
                Ok(loaded) => self.change(loaded, service, server).await,
                Err(error) => {
                    refused(&error, error.hint());
                    false
                }
            },
        }
    }

    /// Reads the settings and begins to load what they mean.
    fn read(&mut self) {
        let config = match self.args.settings() {
            Ok(config) => config,
            Err(error) => return refused(&error, None),
        };
        let wants = match config.wants() {
            Ok(wants) => wants,
            Err(error) => return refused(&error, None),
        };
        let stay = config.differences(&self.config);
        if !stay.is_empty() {
            tracing::warn!(
                settings = stay.join(", "),
                "changed, but in force after a restart only"
            );
        }
        if wants == self.options.wants {
            tracing::info!("the settings were read again; nothing else is subscribed");
            return;
        }
        if needs_login(&wants) && self.options.credentials.is_none() {
            tracing::warn!("a channel needs an API key, which is read at the start only");
        }
        let options = ServiceOptions { wants: wants.clone(), ..self.options.clone() };
        self.loading.spawn(async move {
            let prepared = market_data::prepare(&options).await?;
            Ok(Loaded { config, wants, prepared })
        });
    }

    async fn change(&mut self, loaded: Loaded, service: &Service, server: Option<&Server>) -> bool {
        let Loaded { config, wants, prepared } = loaded;
        for left in &prepared.left_out {
            tracing::warn!(channel = left.channel, why = %left.why, "left out of all channels");
        }
        if let Some(server) = server {
            server.follow(super::serve::channels(&prepared));
        }
        match service.change(wants.clone(), prepared).await {
            Ok(changed) => {
                say(&changed);
                self.options.wants = wants;
                self.config.subscribe = config.subscribe;
                true
            }
            Err(error) => {
                refused(&error, error.hint());
                false
            }
        }
    }
}

/// What [`Reload::act`] does next.
pub enum Due {
    /// Somebody asks for the settings to be read again.
    Asked,
    /// What they mean is known, or why it cannot be.
    Loaded(Box<Result<Loaded, Error>>),
    /// It came to nothing.
    Nothing,
}

fn refused(why: &dyn std::fmt::Display, hint: Option<&str>) {
    let hint =
        hint.unwrap_or("mend the file and send SIGHUP again; docs/config.md says what it takes");
    tracing::error!(%why, hint, "the new settings are refused; what was followed goes on");
}

fn say(changed: &Changed) {
    let Changed { added, dropped, kept, postponed, opened, closed, requests, .. } = changed;
    tracing::info!(
        added = added.len(),
        dropped = dropped.len(),
        kept,
        connections_opened = opened,
        connections_closed = closed,
        requests,
        "the subscriptions have changed"
    );
    for (list, what) in [(added, "subscribing"), (dropped, "ending")] {
        if !list.is_empty() {
            tracing::info!(subscriptions = names(list), "{what}");
        }
    }
    if !postponed.is_empty() {
        tracing::warn!(subscriptions = names(postponed), "not possible yet");
    }
}

/// The first of them, as `books BTC-USDT, …`.
fn names(list: &[Subscription]) -> String {
    let first = list.iter().take(NAMED_MAX).map(|s| format!("{} {}", s.channel, s.key));
    let mut text = first.map(|name| name.trim_end().to_owned()).collect::<Vec<_>>().join(", ");
    if let Some(more) = list.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

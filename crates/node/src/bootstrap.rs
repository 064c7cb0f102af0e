//! From wishes to a plan: loads the instrument list over REST, resolves spellings, lays out
//! connections.
//!
//! Only the lists that a wish can mean are loaded. A list that cannot be had is tried again with
//! growing pauses; then the user is told what was asked, what came, and what to do.
//!
//! Start at [`prepare`].

use crate::error::Error;
use crate::net::{Dialer, Rest};
use crate::options::{ServiceOptions, Want};
use market_data_model::{InstType, Instrument, Subscription};
use market_data_okx::catalogue::{Catalogue, ResolveError, ResponseError};
use market_data_okx::channel::{self, Form, KeyKind};
use market_data_okx::every::{self, ALL, LeftOut, SPREADS};
use market_data_okx::plan::{Plan, plan, plan_with};
use market_data_okx::turnover::{self, Turnovers};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// First pause between two tries of a request; doubles.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Most follow-up requests of one load: bounds what a strange answer can make us ask.
const REQUESTS_MAX: usize = 500;

/// Lists that every wish may mean.
const COMMON: [InstType; 3] = [InstType::Spot, InstType::Swap, InstType::Futures];
/// Lists loaded only when a wish can mean them: they take one request a family.
const RARE: [InstType; 2] = [InstType::Option, InstType::Events];

/// What [`prepare`] has found out.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The instruments loaded.
    pub catalogue: Catalogue,
    /// Every subscription, those that keep the catalogue current included.
    pub subscriptions: Vec<Subscription>,
    /// The connections they need.
    pub plan: Plan,
    /// What the channel `all` does not ask for here.
    pub left_out: Vec<LeftOut>,
    /// What was traded of each instrument, if a wish depends on it.
    pub turnovers: Turnovers,
    /// The instruments that were asked for by name, and not by a pattern.
    pub named: BTreeSet<Box<str>>,
}

/// Loads what is needed of the instrument list, resolves the wishes and plans the connections.
///
/// # Errors
/// [`Error::Bootstrap`] when the list cannot be had, [`Error::Resolve`] for an instrument that is
/// unknown or ambiguous, [`Error::Plan`] for an unknown channel.
pub async fn prepare(options: &ServiceOptions) -> Result<Prepared, Error> {
    let dialer = Arc::new(Dialer::new(&options.proxy, &options.trust)?);
    let endpoints = &options.endpoints;
    let rest = Rest::new(dialer, &endpoints.rest, endpoints.simulated)?;
    check_channels(&options.wants)?;
    let mut loader = Loader::new(&rest, options.patience);
    let mut wishes = Wishes::default();
    for want in &options.wants {
        wishes.add(want, &mut loader).await?;
    }
    let Wishes { mut subscriptions, types, left_out, named } = wishes;
    if subscriptions.is_empty() {
        return Err(Error::Nothing);
    }
    subscriptions.extend(types.iter().filter_map(news_of));
    let subscriptions: Vec<_> = subscriptions.into_iter().collect();
    let Loader { catalogue, turnovers, .. } = loader;
    // Without a code an instrument cannot be named there, so it stays on the JSON socket.
    let coded = |key: &str| catalogue.get(key).is_some_and(|x| x.inst_id_code.is_some());
    let plan = plan_with(&subscriptions, |one| options.sbe && coded(&one.key))?;
    Ok(Prepared { catalogue, subscriptions, plan, left_out, turnovers, named })
}

/// What wishes come to.
#[derive(Debug, Default)]
struct Wishes {
    subscriptions: BTreeSet<Subscription>,
    /// Kinds of the instruments among them.
    types: BTreeSet<InstType>,
    left_out: Vec<LeftOut>,
    named: BTreeSet<Box<str>>,
}

impl Wishes {
    async fn add(&mut self, want: &Want, loader: &mut Loader<'_>) -> Result<(), Error> {
        if want.channels.iter().any(|name| name == ALL) {
            return self.add_every(want, loader).await;
        }
        for name in &want.channels {
            if channel::find(name).is_some_and(|spec| spec.key == KeyKind::Nothing) {
                self.subscriptions.insert(Subscription::new(name, ""));
            }
        }
        for spelling in &want.instruments {
            let mut found = None;
            for name in &want.channels {
                match channel::find(name) {
                    Some(spec) if spec.key != KeyKind::InstId => {
                        let key = spec.key.spell(spelling, spec.kind);
                        self.subscriptions.insert(Subscription::new(name, &key));
                    }
                    _ => {
                        if found.is_none() {
                            found = Some(self.meant(spelling, want, loader).await?);
                        }
                        for instrument in found.iter().flatten() {
                            let one = Subscription::new(name, &instrument.inst_id);
                            self.subscriptions.insert(one);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What a spelling means; of a pattern with a least turnover only what reaches it. News of all
    /// kinds that it can mean are followed: what does not reach it today may tomorrow.
    async fn meant(
        &mut self,
        spelling: &str,
        want: &Want,
        loader: &mut Loader<'_>,
    ) -> Result<Vec<Arc<Instrument>>, Error> {
        let mut found = loader.resolve(spelling).await?;
        let types: BTreeSet<InstType> = found.iter().filter_map(|x| x.inst_type.clone()).collect();
        if let Some(min) = want.min_turnover_24h.filter(|_| is_pattern(spelling)) {
            loader.load_turnovers(&types).await?;
            let fit = found.len();
            found.retain(|x| loader.turnovers.reaches(&x.inst_id, min));
            let reach = found.len();
            tracing::info!(pattern = spelling, fit, reach, %min, "instruments with the turnover");
        }
        self.types.extend(types);
        if !is_pattern(spelling) {
            self.named.extend(found.iter().map(|x| x.inst_id.clone()));
        }
        Ok(found)
    }

    /// Every channel of what is named, or of what belongs to it.
    async fn add_every(&mut self, want: &Want, loader: &mut Loader<'_>) -> Result<(), Error> {
        loader.load(&COMMON).await?;
        loader.load(&RARE).await?;
        let mut asked = Vec::new();
        for spelling in &want.instruments {
            asked.extend(self.meant(spelling, want, loader).await?);
        }
        let spreads = match loader.rest.get(SPREADS).await {
            Ok((_, body)) => every::spreads(&body),
            Err(error) => {
                tracing::warn!(why = %error.0, "cannot load the list of spreads");
                Vec::new()
            }
        };
        let every = every::every(&asked, &loader.catalogue, &spreads, false);
        self.subscriptions.extend(every.subscriptions);
        for left in every.left_out {
            if !self.left_out.contains(&left) {
                self.left_out.push(left);
            }
        }
        Ok(())
    }
}

/// Loads the lists of instruments that a spelling can mean, or those of one kind.
///
/// # Errors
/// [`Error::Bootstrap`] when they cannot be had.
pub async fn instruments(
    options: &ServiceOptions,
    spelling: Option<&str>,
    kind: Option<&InstType>,
) -> Result<Catalogue, Error> {
    let dialer = Arc::new(Dialer::new(&options.proxy, &options.trust)?);
    let endpoints = &options.endpoints;
    let rest = Rest::new(dialer, &endpoints.rest, endpoints.simulated)?;
    let mut loader = Loader::new(&rest, options.patience);
    match kind {
        Some(kind) => loader.load(std::slice::from_ref(kind)).await?,
        None => loader.load(&COMMON).await?,
    }
    let known = |catalogue: &Catalogue| spelling.is_some_and(|s| catalogue.resolve(s).is_ok());
    let rare = spelling.is_some_and(|s| may_mean_rare(s) || !known(&loader.catalogue));
    if kind.is_none() && rare {
        loader.load(&RARE).await?;
    }
    Ok(loader.catalogue)
}

/// The subscription that tells changes of instruments of one kind. The margin twin of a spot
/// market changes with it.
fn news_of(kind: &InstType) -> Option<Subscription> {
    let news = channel::CHANNELS.iter().find(|spec| spec.form == Form::Instruments)?;
    Some(Subscription::new(news.name, kind.as_str()))
}

/// Refuses unknown channels before anything is loaded.
fn check_channels(wants: &[Want]) -> Result<(), Error> {
    for name in wants.iter().flat_map(|want| &want.channels) {
        if channel::find(name).is_none() && name != ALL {
            plan(&[Subscription::new(name, "X")])?;
        }
    }
    Ok(())
}

struct Loader<'a> {
    rest: &'a Rest,
    catalogue: Catalogue,
    until: Instant,
    loaded: BTreeMap<InstType, ()>,
    turnovers: Turnovers,
    valued: BTreeSet<InstType>,
}

impl<'a> Loader<'a> {
    fn new(rest: &'a Rest, patience: Duration) -> Loader<'a> {
        let until = Instant::now() + patience;
        Loader {
            rest,
            catalogue: Catalogue::new(),
            until,
            loaded: BTreeMap::new(),
            turnovers: Turnovers::default(),
            valued: BTreeSet::new(),
        }
    }

    /// Gets the turnovers of instruments of these kinds, once, trying again as long as that may
    /// help: without them a filter would leave everything out.
    async fn load_turnovers(&mut self, kinds: &BTreeSet<InstType>) -> Result<(), Error> {
        for kind in kinds {
            if !self.valued.insert(kind.clone()) {
                continue;
            }
            let mut pause = PAUSE_MIN;
            while let Err(why) = value(self.rest, kind, &mut self.turnovers).await {
                if Instant::now() + pause > self.until {
                    let path = turnover::path(kind).unwrap_or_default();
                    let hint = "a pattern with min_turnover_24h needs the tickers; try again later";
                    return Err(Error::Bootstrap { url: self.rest.url(&path), why, hint });
                }
                tracing::info!(kind = kind.as_str(), %why, "no turnovers yet; trying again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(())
    }

    async fn resolve(&mut self, spelling: &str) -> Result<Vec<Arc<Instrument>>, Error> {
        self.load(&COMMON).await?;
        if may_mean_rare(spelling) {
            self.load(&RARE).await?;
        }
        let answer = self.catalogue.resolve(spelling);
        if !matches!(answer, Err(ResolveError::Unknown { .. })) {
            return Ok(answer?);
        }
        self.load(&RARE).await?;
        Ok(self.catalogue.resolve(spelling)?)
    }

    async fn load(&mut self, kinds: &[InstType]) -> Result<(), Error> {
        for kind in kinds {
            if self.loaded.insert(kind.clone(), ()).is_some() {
                continue;
            }
            let mut paths = Catalogue::requests(std::slice::from_ref(kind));
            let mut done = 0;
            while let Some(path) = paths.pop() {
                if done == REQUESTS_MAX {
                    tracing::warn!(kind = kind.as_str(), "too many lists of instruments; stopped");
                    break;
                }
                done += 1;
                paths.extend(self.load_one(&path).await?);
            }
            let known = self.catalogue.len();
            tracing::debug!(kind = kind.as_str(), requests = done, known, "instruments loaded");
        }
        Ok(())
    }

    /// Loads one list, trying again as long as that may help; returns follow-ups.
    async fn load_one(&mut self, path: &str) -> Result<Vec<String>, Error> {
        let mut pause = PAUSE_MIN;
        loop {
            let error = match fetch(self.rest, path, &mut self.catalogue).await {
                Ok(fetched) => return Ok(fetched.follow_up),
                Err(error) if !error.retryable && error.status == 200 => {
                    // The venue does not have this kind here; wishes for it will not resolve.
                    tracing::warn!(path, why = %error.why, "the venue refuses a list");
                    return Ok(Vec::new());
                }
                Err(error) => error,
            };
            let late = Instant::now() + pause > self.until;
            if late || !error.retryable {
                return Err(self.gave_up(path, error));
            }
            tracing::info!(path, why = %error.why, "cannot load the instruments yet; trying again");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    fn gave_up(&self, path: &str, error: ResponseError) -> Error {
        let hint = if error.status == 0 {
            "check the network and the proxy (HTTPS_PROXY, --proxy); --sim needs no network, \
             --url and --region choose other addresses"
        } else {
            "check the address (--url, --region); some networks and countries are refused by the \
             venue; --sim needs no network"
        };
        Error::Bootstrap { url: self.rest.url(path), why: error.why, hint }
    }
}

/// What one answer changed.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub changed: Vec<Arc<Instrument>>,
    pub follow_up: Vec<String>,
}

/// Gets one list and puts it into the catalogue.
pub(crate) async fn fetch(
    rest: &Rest,
    path: &str,
    catalogue: &mut Catalogue,
) -> Result<Fetched, ResponseError> {
    let applied = match rest.get(path).await {
        Ok((status, body)) => catalogue.apply_response(path, status, &body)?,
        Err(error) => catalogue.apply_response(path, 0, error.0.as_bytes())?,
    };
    for fault in &applied.faults {
        tracing::debug!(path, fault, "odd row of an instrument list");
    }
    Ok(Fetched { changed: applied.changed, follow_up: applied.follow_up })
}

/// Gets the turnovers of instruments of one kind; nothing where they are not known.
///
/// # Errors
/// In words, when they cannot be had.
pub(crate) async fn value(
    rest: &Rest,
    kind: &InstType,
    turnovers: &mut Turnovers,
) -> Result<(), String> {
    let Some(path) = turnover::path(kind) else { return Ok(()) };
    let (status, body) = rest.get(&path).await.map_err(|error| error.0)?;
    turnovers.take(kind, status, &body).map(|_| ())
}

/// Whether a spelling is a pattern.
pub(crate) fn is_pattern(spelling: &str) -> bool {
    spelling.contains(['*', '?'])
}

/// Whether a pattern can fit options or event contracts, whose ids end in one letter or a number.
fn may_mean_rare(spelling: &str) -> bool {
    let last = spelling.rsplit('-').next().unwrap_or_default();
    let is_word = last.len() > 1 && last.chars().all(|c| c.is_ascii_alphabetic());
    spelling.contains(['*', '?']) && !is_word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_patterns_load_the_long_lists() {
        for yes in ["BTC-*", "*", "BTC-USD-*-C", "*-65000", "BTC-USD-26????-?"] {
            assert!(may_mean_rare(yes), "{yes}");
        }
        for no in ["BTC-USDT", "*-USDT-SWAP", "*-USDT", "BTC-USD-261225-50000-C"] {
            assert!(!may_mean_rare(no), "{no}");
        }
    }

    #[tokio::test]
    async fn a_misspelt_channel_is_refused_before_the_network_is_touched() {
        let options = ServiceOptions {
            wants: vec![Want::new(["BTC-USDT"], ["trade"])],
            endpoints: market_data_okx::Endpoints::local("ws://127.0.0.1:1").unwrap(),
            ..ServiceOptions::default()
        };
        let error = prepare(&options).await.unwrap_err();
        assert!(error.to_string().contains("trades"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_network_is_one_clear_line_and_a_hint() {
        let options = ServiceOptions {
            wants: vec![Want::new(["BTC-USDT"], ["trades"])],
            endpoints: market_data_okx::Endpoints::local("ws://127.0.0.1:1").unwrap(),
            ..ServiceOptions::default()
        };
        let start = Instant::now();
        let error = prepare(&options).await.unwrap_err();
        assert!(start.elapsed() > Duration::from_secs(10), "tried again for a while");
        let text = error.to_string();
        assert!(text.contains("http://127.0.0.1:1/api/v5/public/instruments"), "{text}");
        assert!(text.contains("refused"), "{text}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--sim")));
    }
}

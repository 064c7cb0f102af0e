//! Everything that runs: one driver per planned connection, the supervisor, the sinks.
//!
//! The command line and [`Client`](crate::Client) are its users. Start at [`Service::start`].
//!
//! Invariants: dropping a service stops its feeds; [`Service::stop`] returns within a bounded time
//! whatever sinks and network do.

use crate::bootstrap::Prepared;
use crate::bus::{Publisher, Queue, Way};
use crate::error::Error;
use crate::fleet::{Fleet, Line, Yard, credentials_for, lock};
use crate::follow::{Follower, Load};
use crate::home::Home;
use crate::live::tap::{Tapped, taps};
use crate::live::{Ask, BookUnavailable, Io};
use crate::metrics::{FeedReport, Metrics, QueueCounters};
use crate::net::{Dialer, Gate, Rest};
use crate::options::{ServiceOptions, Want};
use crate::recorder::{self, Lanes, TapeReport};
use crate::replay::{self, ReplayEnd, ReplaySettings};
use crate::sink::{self, Inline, Overflow, SinkError, SinkRun, SinkSpec};
use crate::supervisor::{ChangeAsk, Changed, Close, Listener, Supervisor, named_of};
use market_data_model::event::FeedId;
use market_data_model::{Book, Command, InstType, Instrument, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::channel::{self, Form};
use market_data_okx::plan::Connection;
use market_data_tape::reader::Tape;
use std::collections::BTreeSet;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

mod silent;
pub use silent::Predecessor;
use silent::Silent;

/// Batches with news of instruments waiting at the supervisor.
const NEWS_MAX: usize = 64;
/// Most of the settings that go into the head of each segment of a tape, in bytes.
const ABOUT_BYTES_MAX: usize = 64 << 10;
/// How long stopping may take: feeds and sinks share it.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How one sink ended.
#[derive(Debug)]
pub struct SinkReport {
    /// Its name.
    pub name: String,
    /// Events handed to it.
    pub events: u64,
    /// Events that its full queue dropped.
    pub dropped: u64,
    /// Why it ended early, if it did.
    pub error: Option<SinkError>,
    /// Whether it was still busy when we stopped waiting.
    pub unfinished: bool,
}

/// How a service ended.
#[derive(Debug, Default)]
pub struct StopReport {
    /// Every sink that ran on a thread, in the order given.
    pub sinks: Vec<SinkReport>,
    /// Every feed, as last reported.
    pub feeds: Vec<FeedReport>,
    /// Feeds that did not close in time, or ended by a mistake of ours: what came last of them may
    /// have reached no sink.
    pub feeds_unfinished: usize,
    /// The tape; `None` when nothing was recorded.
    pub tape: Option<TapeReport>,
    /// The replay; `None` when the service was connected.
    pub replay: Option<ReplayEnd>,
}

/// What has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A sink, of this name.
    Sink(String),
    /// A replay, and all sinks have taken what it gave.
    Replay,
}

struct RunningSink {
    counters: Arc<QueueCounters>,
    ended: Option<oneshot::Receiver<Result<(), SinkError>>>,
    outcome: Option<Result<(), SinkError>>,
}

/// What a service receives, as a relay sees it.
#[cfg(feature = "sim")]
pub(crate) struct Upstream {
    /// The frames of all connections.
    pub tapped: Tapped,
    /// The connections.
    pub fleet: Arc<Mutex<Fleet>>,
    /// The instruments.
    pub catalogue: Arc<RwLock<Catalogue>>,
}

/// A running node.
pub struct Service {
    metrics: Arc<Metrics>,
    catalogue: Arc<RwLock<Catalogue>>,
    fleet: Arc<Mutex<Fleet>>,
    /// The supervisor, and what looks after clocks and anchors.
    tasks: JoinSet<()>,
    /// Tells the supervisor what is wanted instead; `None` in a replay.
    change: Option<mpsc::Sender<ChangeAsk>>,
    sinks: Vec<RunningSink>,
    tape: Option<RunningTape>,
    replay: Option<RunningReplay>,
    /// The frames of all connections, until a relay takes them.
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the relay is of that feature"))]
    tapped: Option<Tapped>,
    /// The thread of one core, if drivers run there.
    _home: Option<Home>,
}

struct RunningReplay {
    stop: watch::Sender<bool>,
    ended: Option<oneshot::Receiver<ReplayEnd>>,
    end: Option<ReplayEnd>,
    copied: Option<oneshot::Receiver<TapeReport>>,
}

struct RunningTape {
    /// What is to be done when the process before has ended, if there is one.
    silent: Option<Silent>,
    shared: Arc<recorder::Shared>,
    ended: oneshot::Receiver<Option<String>>,
    news: JoinSet<()>,
}

impl Service {
    /// Starts the recorder, one driver per planned connection, and the sinks. Call within a tokio
    /// runtime. Blocks while the end of an existing tape is read.
    ///
    /// # Errors
    /// When the proxy, the certificates or an address cannot be used, a login would go out
    /// unencrypted, somebody else records in the
    /// directory of the tape, or a thread cannot be started.
    pub fn start(
        options: ServiceOptions,
        prepared: Prepared,
        sinks: Vec<SinkSpec>,
    ) -> Result<Service, Error> {
        let metrics = Arc::new(Metrics::default());
        let io = Arc::new(ways_out(&options)?);
        let rest = Arc::clone(&io.rest);
        let known = options.tape.as_ref().filter(|tape| tape.resume && !options.successor);
        let known = known.map(|tape| recorder::known(&tape.dir)).unwrap_or_default();
        let recorder = start_recorder(&options)?;
        let home = options.one_core.map(Home::start).transpose()?;
        let (queues, sinks) = start_sinks(&metrics, sinks, home.is_some())?;
        let (tape, lanes) = run_recorder(recorder, &metrics, &queues);
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        let (change, changes) = mpsc::channel(1);
        let types = types_in_use(&prepared.subscriptions, &prepared.catalogue);
        let named = named_of(&prepared);
        let catalogue = Arc::new(RwLock::new(prepared.catalogue));
        let fleet = Arc::new(Mutex::new(Fleet::default()));
        let refresh = options.refresh;
        let beside = !options.deltas && queues.iter().any(|queue| queue.changes);
        let (taps, tapped) = options.relay.then(taps).unzip();
        let yard = Yard {
            catalogue: Arc::clone(&catalogue),
            ids: Arc::new(AtomicU32::new(1)),
            io,
            metrics: Arc::clone(&metrics),
            queues,
            beside,
            news: news_sender.downgrade(),
            lanes: lanes.clone(),
            taps,
            home: home.as_ref().map(|home| home.runtime().clone()),
            fleet: Arc::clone(&fleet),
            known: Mutex::new(known),
            silent: tape.as_ref().map(RunningTape::silent_flag).unwrap_or_default(),
            options,
        };
        let (loads, listeners) = open_planned(&yard, &prepared.plan.connections)?;
        let options = yard.options.clone();
        let mut tasks = JoinSet::new();
        let anchor_rest = Arc::clone(&rest);
        tasks.spawn(
            Supervisor {
                types,
                catalogue: Arc::clone(&catalogue),
                rest,
                listeners,
                follower: Follower::new(&options.wants, loads, prepared.turnovers)
                    .over_sbe(options.sbe)
                    .naming(named),
                open: Box::new(move |path, list| yard.open(path, list)),
                close: closer(&fleet, &metrics),
                news,
                changes,
                refresh,
                metrics: Arc::clone(&metrics),
            }
            .run(),
        );
        tasks.spawn(Arc::clone(&metrics.skew).watch(Arc::clone(&anchor_rest)));
        let lines = lock(&fleet).lines.clone();
        start_anchors(&options, &mut tasks, &anchor_rest, lanes, &lines);
        let (change, replay, _home) = (Some(change), None, home);
        Ok(Service { metrics, catalogue, fleet, tasks, change, sinks, tape, replay, tapped, _home })
    }

    /// Starts the sinks and plays a tape into them, as if it came from the venue; nothing is
    /// connected. Blocks until the tape is open.
    ///
    /// Full queues are waited for, whatever the rule of their sink: a tape can wait. Books cannot
    /// be asked for ([`Service::book`]), only made of the events. Commands do nothing.
    ///
    /// # Errors
    /// When the tape cannot be read, the directory to copy to cannot be used, or a thread cannot
    /// be started.
    pub fn replay(settings: ReplaySettings, sinks: Vec<SinkSpec>) -> Result<Service, Error> {
        let metrics = Arc::new(Metrics::default());
        let tape = Tape::open(&settings.path).map_err(|e| Error::Replay(e.to_string()))?;
        let copy = settings.copy.as_ref();
        let copy = copy.map(|to| replay::copy::open(to, &settings.path)).transpose()?;
        let (mut queues, sinks) = start_sinks(&metrics, sinks, false)?;
        queues.iter_mut().for_each(|queue| queue.overflow = Overflow::Wait);
        let (stop, stopped) = watch::channel(false);
        let copied = match (copy, settings.copy.clone()) {
            (Some(writer), Some(to)) => {
                let (tape, stopped) = (tape.clone(), stopped.clone());
                let goes_on = move || !*stopped.borrow();
                let work = move || replay::copy::copy(&tape, writer, &to, goes_on);
                Some(thread("copy", work)?)
            }
            _ => None,
        };
        let metrics_too = Arc::clone(&metrics);
        let runner =
            replay::run::Runner { tape, settings, metrics: metrics_too, queues, stop: stopped };
        let ended = Some(thread("replay", move || replay::run::run(runner))?);
        Ok(Service {
            metrics,
            catalogue: Arc::default(),
            fleet: Arc::default(),
            tasks: JoinSet::new(),
            change: None,
            sinks,
            tape: None,
            replay: Some(RunningReplay { stop, ended, end: None, copied }),
            tapped: None,
            _home: None,
        })
    }

    /// The counters of everything in this service.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Every feed as last reported (at most a tenth of a second ago), replaced ones included.
    pub fn feeds(&self) -> Vec<FeedReport> {
        self.metrics.reports()
    }

    /// The instrument of that id, as known at the moment.
    pub fn instrument(&self, inst_id: &str) -> Option<Arc<Instrument>> {
        let catalogue = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        catalogue.get(inst_id).cloned()
    }

    /// The id that a spelling means; the spelling itself when it means none or several.
    pub fn inst_id(&self, spelling: &str) -> String {
        let catalogue = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        match catalogue.resolve(spelling).as_deref() {
            Ok([one]) => one.inst_id.to_string(),
            _ => spelling.to_owned(),
        }
    }

    /// A copy of a live book.
    ///
    /// # Errors
    /// [`BookUnavailable`]; a book that is not proven at this moment is never handed out.
    pub async fn book(&self, channel: &str, inst_id: &str) -> Result<Book, BookUnavailable> {
        let wanted = |s: &Subscription| *s.channel == *channel && *s.key == *inst_id;
        let carries = |line: &&Line| lock(&line.carried).iter().any(wanted);
        let line = lock(&self.fleet).lines.iter().find(carries).cloned();
        let (channel, inst_id) = (channel.to_owned(), inst_id.to_owned());
        let Some(line) = line else {
            if self.replay.is_some() {
                let reason = "a replay keeps no books; make them of its events".to_owned();
                return Err(BookUnavailable::NotLive { reason });
            }
            return Err(BookUnavailable::NotSubscribed { channel, inst_id });
        };
        let (reply, answer) = oneshot::channel();
        let sent = line.asks.send(Ask::Book { channel, inst_id, reply }).await;
        sent.map_err(|_| BookUnavailable::Stopped)?;
        answer.await.unwrap_or(Err(BookUnavailable::Stopped))
    }

    /// What a relay needs; `None` if no frames are handed on, or they have been taken.
    #[cfg(feature = "sim")]
    pub(crate) fn take_upstream(&mut self) -> Option<Upstream> {
        let tapped = self.tapped.take()?;
        let (fleet, catalogue) = (Arc::clone(&self.fleet), Arc::clone(&self.catalogue));
        Some(Upstream { tapped, fleet, catalogue })
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        lock(&self.fleet).lines.clone()
    }

    /// Gives a command to one feed, or to all. Unknown feeds are ignored.
    pub async fn command(&self, feed: Option<FeedId>, command: Command) {
        for line in self.lines() {
            if feed.is_none_or(|id| line.current.load(Relaxed) == id.0) {
                // A line that has ended takes no commands, and needs none.
                drop(line.asks.send(Ask::Command(command.clone())).await);
            }
        }
    }

    /// Follows something else from here on: asks for what is missing, ends what nobody wants any
    /// more, and leaves everything else alone, connections included. Returns when that is under
    /// way; feeds ask within the venue's budget of requests, so answers may take a while.
    ///
    /// `prepared` is what [`prepare`](crate::prepare) made of options with these wants. Only the
    /// wants can be changed while running.
    ///
    /// # Errors
    /// [`Error::Change`] in a replay, or when the service has stopped.
    pub async fn change(&self, wants: Vec<Want>, prepared: Prepared) -> Result<Changed, Error> {
        let gone = || Error::Change("nothing is connected any more");
        let change = self.change.as_ref().ok_or(Error::Change("a replay plays what it has"))?;
        let (reply, answer) = oneshot::channel();
        let ask = ChangeAsk { wants, prepared: Box::new(prepared), reply };
        change.send(ask).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// Replaces the connection of every feed by a new one that has caught up with it, without a
    /// loss. Feeds that are not up, and those of the binary socket, make a new one as they can.
    pub async fn hand_over(&self) {
        self.command(None, Command::HandOver).await;
    }

    /// Waits until a sink has ended by itself while events still come, or until a replay is over
    /// and its sinks have taken everything. Pends for ever while all go on. [`Service::stop`]
    /// reports it again.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn ended(&mut self) -> Ended {
        poll_fn(|cx| {
            let (mut over, replays) = (false, self.replay.is_some());
            if let Some(replay) = &mut self.replay {
                if let Some(ended) = &mut replay.ended
                    && let Poll::Ready(end) = Pin::new(ended).poll(cx)
                {
                    replay.ended = None;
                    replay.end = Some(end.unwrap_or_else(|_| replay::run::failed()));
                }
                over = replay.ended.is_none();
            }
            for sink in &mut self.sinks {
                let Some(ended) = &mut sink.ended else { continue };
                if let Poll::Ready(outcome) = Pin::new(ended).poll(cx) {
                    sink.ended = None;
                    sink.outcome = outcome.ok();
                    // The queue of a sink that ends well was closed: its replay is about to end.
                    let well = replays && matches!(sink.outcome, Some(Ok(())));
                    if !over && !well {
                        return Poll::Ready(Ended::Sink(sink.counters.name.clone()));
                    }
                }
            }
            if over && self.sinks.iter().all(|sink| sink.ended.is_none()) {
                return Poll::Ready(Ended::Replay);
            }
            Poll::Pending
        })
        .await
    }

    /// Closes every connection, drains and flushes the sinks, at most for a few seconds.
    pub async fn stop(mut self) -> StopReport {
        let until = tokio::time::Instant::now() + STOP_WAIT;
        // What was never to be heard is not recorded either.
        drop(self.tape.as_mut().and_then(|tape| tape.silent.take()));
        // First, so that nothing is opened while everything closes.
        self.tasks.shutdown().await;
        for line in self.lines() {
            // A driver held up by a slow sink has a full queue; it is ended by force below.
            let stop = line.asks.send(Ask::Command(Command::Stop));
            drop(tokio::time::timeout_at(until - STOP_WAIT / 2, stop).await);
        }
        let replayed = match self.replay.take() {
            Some(replay) => Some(replay.stop(until).await),
            None => None,
        };
        let mut drivers = std::mem::take(&mut lock(&self.fleet).drivers);
        let mut failed = 0;
        let all = async {
            while let Some(ended) = drivers.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection ended by a mistake of ours");
                    failed += 1;
                }
            }
        };
        drop(tokio::time::timeout_at(until - STOP_WAIT / 4, all).await);
        let feeds_unfinished = failed + drivers.len();
        // A sink that is called at once may hold its driver for as long as it likes.
        drop(tokio::time::timeout_at(until, drivers.shutdown()).await);
        let mut report =
            StopReport { feeds: self.metrics.reports(), feeds_unfinished, ..StopReport::default() };
        if let Some(tape) = self.tape {
            report.tape = Some(tape.stop(until).await);
        }
        if let Some((end, copied)) = replayed {
            (report.replay, report.tape) = (Some(end), copied);
        }
        for mut sink in self.sinks {
            let mut outcome = sink.outcome.take();
            if let Some(ended) = sink.ended.take() {
                outcome = tokio::time::timeout_at(until, ended).await.ok().and_then(Result::ok);
            }
            let (events, dropped) = sink.counters.totals();
            report.sinks.push(SinkReport {
                name: sink.counters.name.clone(),
                events,
                dropped,
                unfinished: outcome.is_none(),
                error: outcome.and_then(Result::err),
            });
        }
        report
    }
}

impl RunningReplay {
    /// How it ended; after its end it is not stopped any more, and its copy is waited for.
    async fn stop(mut self, until: tokio::time::Instant) -> (ReplayEnd, Option<TapeReport>) {
        if self.end.is_none() {
            self.stop.send_replace(true);
        }
        if let Some(ended) = self.ended.take() {
            let end = tokio::time::timeout_at(until, ended).await;
            self.end = Some(end.ok().and_then(Result::ok).unwrap_or_else(replay::run::failed));
        }
        let copied = match self.copied.take() {
            Some(copied) => copied.await.ok(),
            None => None,
        };
        (self.end.unwrap_or_default(), copied)
    }
}

/// Ends connections for good: their feeds are in use no more.
fn closer(fleet: &Arc<Mutex<Fleet>>, metrics: &Arc<Metrics>) -> Close {
    let (fleet, metrics) = (Arc::clone(fleet), Arc::clone(metrics));
    Box::new(move |home| {
        let Some(line) = lock(&fleet).lines.get(home).cloned() else { return };
        metrics.retire(FeedId(line.current.load(Relaxed)));
        lock(&fleet).drivers.spawn(async move {
            // A driver that has ended needs no command.
            drop(line.asks.send(Ask::Command(Command::Stop)).await);
        });
    })
}

/// Runs `work` on a thread of its own; the receiver yields what came of it.
fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Error> {
    let (done, ended) = oneshot::channel();
    // Nobody listens once the service was dropped.
    let work = move || drop(done.send(work()));
    let what = format!("start a thread for the {name}");
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(|_| ended).map_err(|source| Error::Io { what, source })
}

impl RunningTape {
    /// Raised while feeds are made silent.
    fn silent_flag(&self) -> Arc<AtomicBool> {
        self.silent.as_ref().map(Silent::flag).unwrap_or_default()
    }

    /// The drivers are gone, so the recorder is about to end.
    async fn stop(mut self, until: tokio::time::Instant) -> TapeReport {
        let ended = tokio::time::timeout_at(until, self.ended).await;
        let news = async { while self.news.join_next().await.is_some() {} };
        drop(tokio::time::timeout_at(until, news).await);
        let mut report = self.shared.report();
        match ended {
            Err(_) => report.unfinished = true,
            Ok(Ok(lost)) => report.ended_badly = lost,
            Ok(Err(_)) => {
                report.ended_badly = Some("the recorder failed by a mistake of ours".to_owned());
            }
        }
        report
    }
}

/// What connects to the venue, on either line.
fn ways_out(options: &ServiceOptions) -> Result<Io, Error> {
    let dialer = Arc::new(Dialer::new(&options.proxy, &options.trust)?);
    let second = options.lines.second_proxy.as_ref().unwrap_or(&options.proxy);
    let second = Dialer::new(second, &options.trust)?;
    let second = Arc::new(second.bound_to(options.lines.second_address));
    let (url, simulated) = (&options.endpoints.rest, options.endpoints.simulated);
    let rest = Arc::new(Rest::new(Arc::clone(&dialer), url, simulated)?);
    Ok(Io { dialer, second, rest, gate: Gate::new() })
}

/// Opens what was planned.
fn open_planned(
    yard: &Yard,
    connections: &[Connection],
) -> Result<(Vec<Load>, Vec<Listener>), Error> {
    let (mut loads, mut listeners) = (Vec::new(), Vec::new());
    for Connection { path, subscriptions, .. } in connections {
        credentials_for(&yard.options, *path, subscriptions)?;
        listeners.extend(yard.open(*path, subscriptions));
        loads.push(Load::new(*path, subscriptions));
    }
    Ok((loads, listeners))
}

/// A recorder, and what it waits for, if it does not begin at once.
type Recording = (recorder::Recorder, Lanes, Option<Silent>);

fn start_recorder(options: &ServiceOptions) -> Result<Option<Recording>, Error> {
    let Some(settings) = &options.tape else { return Ok(None) };
    let endpoints = &options.endpoints;
    let mut about = format!(
        "[venue]\npublic_url = {:?}\nbusiness_url = {:?}\nrest_url = {:?}\n",
        endpoints.public, endpoints.business, endpoints.rest
    );
    let (depth, deltas) = (options.view_depth, options.deltas);
    about.push_str(&format!("[books]\nview_depth = {depth}\ndeltas = {deltas}\n"));
    for want in &options.wants {
        let (instruments, channels) = (&want.instruments, &want.channels);
        let words = format!("[[subscribe]]\ninstruments = {instruments:?}\n");
        about.push_str(&format!("{words}channels = {channels:?}\n"));
        if let Some(min) = want.min_turnover_24h {
            about.push_str(&format!("min_turnover_24h = \"{min}\"\n"));
        }
    }
    about.truncate(about.floor_char_boundary(ABOUT_BYTES_MAX));
    if !options.successor {
        let (recorder, lanes) = recorder::start(settings, about)?;
        return Ok(Some((recorder, lanes, None)));
    }
    let (recorder, lanes, begin) = recorder::start_later(settings, about)?;
    let silent = Silent::new(settings, begin);
    Ok(Some((recorder, lanes, Some(silent))))
}

fn run_recorder(
    recorder: Option<Recording>,
    metrics: &Metrics,
    queues: &[Queue],
) -> (Option<RunningTape>, Option<Lanes>) {
    let Some((recorder, lanes, silent)) = recorder else { return (None, None) };
    metrics.set_tape(&recorder.shared);
    let mut news = JoinSet::new();
    news.spawn(recorder::publish_news(recorder.news, Publisher::new(queues)));
    let (shared, ended) = (recorder.shared, recorder.ended);
    (Some(RunningTape { silent, shared, ended, news }), Some(lanes))
}

/// Asks for books over REST beside the feeds, if that is wanted; ends with the supervisor.
fn start_anchors(
    options: &ServiceOptions,
    tasks: &mut JoinSet<()>,
    rest: &Arc<Rest>,
    lanes: Option<Lanes>,
    lines: &[Line],
) {
    let interval = options.tape.as_ref().map_or(Duration::ZERO, |tape| tape.anchors);
    let of = |line: &Line| recorder::followed(&line.current, &lock(&line.carried));
    let books: Vec<_> = lines.iter().flat_map(of).collect();
    let Some(lanes) = lanes.filter(|_| !interval.is_zero() && !books.is_empty()) else { return };
    let rest = Arc::clone(rest);
    tasks.spawn(recorder::Anchors { interval, rest, lanes, books }.run());
}

fn start_sinks(
    metrics: &Metrics,
    specs: Vec<SinkSpec>,
    inline: bool,
) -> Result<(Vec<Queue>, Vec<RunningSink>), Error> {
    let (mut queues, mut sinks) = (Vec::new(), Vec::new());
    for spec in specs {
        let counters = metrics.add_queue(&spec.name);
        let way = match spec.run {
            SinkRun::Queue(sender) => Way::Queue(sender),
            SinkRun::Thread(run) if inline => {
                let (inline, ended) = Inline::new(run, &counters);
                let counters = Arc::clone(&counters);
                sinks.push(RunningSink { counters, ended: Some(ended), outcome: None });
                Way::Inline(Arc::new(inline))
            }
            SinkRun::Thread(run) => {
                let (sender, queue) = mpsc::channel(spec.capacity.max(1));
                let what = format!("start a thread for the sink {}", spec.name);
                let ended = sink::spawn(&counters, run, queue)
                    .map_err(|source| Error::Io { what, source })?;
                let counters = Arc::clone(&counters);
                sinks.push(RunningSink { counters, ended: Some(ended), outcome: None });
                Way::Queue(sender)
            }
        };
        if let Way::Queue(sender) = &way {
            counters.watch(sender);
        }
        let (overflow, changes) = (spec.overflow, spec.changes);
        queues.push(Queue { way, overflow, changes, counters });
    }
    Ok((queues, sinks))
}

/// The kinds of the instruments followed, and those whose news is followed.
pub(crate) fn types_in_use(subscriptions: &[Subscription], catalogue: &Catalogue) -> Vec<InstType> {
    let of = |subscription: &Subscription| {
        let spec = channel::find(&subscription.channel)?;
        match spec.form {
            Form::Instruments => Some(InstType::parse(&subscription.key)),
            _ => catalogue.get(&subscription.key)?.inst_type.clone(),
        }
    };
    let types: BTreeSet<_> = subscriptions.iter().filter_map(of).collect();
    types.into_iter().collect()
}

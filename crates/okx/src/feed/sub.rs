//! One subscription: what is wanted, how far the venue has confirmed it, and what is known of its
//! data. Only `feed` and its other files touch it.

use super::emit::{Emitter, Place};
use super::figures::Seen;
use crate::channel::trades::Series;
use crate::channel::{ChannelSpec, Form};
use crate::follow::Follow;
use market_data_model::*;
use serde::{Deserialize, Serialize};

/// How far a subscription has come on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Not asked for.
    Idle,
    /// Asked for; no ack yet.
    Asked,
    /// Confirmed.
    Live,
    /// Its end was asked for: for good, or (if wanted) to begin anew.
    Leaving,
    /// The venue said no; asked for again later.
    Refused,
    /// Ended on request.
    Gone,
}

/// One subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sub {
    pub(crate) subscription: Subscription,
    /// From the table of channels, by name.
    #[serde(skip)]
    pub(crate) spec: Option<&'static ChannelSpec>,
    /// Each row is one fill, on a channel that says no counts. From the name of the channel.
    #[serde(skip)]
    pub(crate) all_fills: bool,
    pub(crate) place: Place,
    pub(crate) wanted: bool,
    pub(crate) stage: Stage,
    pub(crate) follow: Option<Box<Follow>>,
    pub(crate) series: Option<Box<Series>>,
    /// Ids of the last rows, where a row may come again.
    pub(crate) seen: Option<Box<Seen>>,
    /// When its last data came, on any connection.
    pub(crate) heard: Option<Nanos>,
    /// Confirmed at least once since it was last lost: its loss is worth a gap.
    pub(crate) started: bool,
    pub(crate) gap: Option<Gap>,
    /// A closed gap of which no row has proved yet how much it cost.
    pub(crate) unproven: Option<Gap>,
    /// Unanswered subscribe requests in a row.
    pub(crate) attempts: u32,
    /// When it was asked for last.
    pub(crate) asked: Nanos,
    /// Refusals in a row.
    pub(crate) refusals: u32,
    /// Unsubscribe requests whose ack is still to come.
    pub(crate) leaving: u32,
    /// Resyncs since `resyncs_since`.
    pub(crate) resyncs: u32,
    pub(crate) resyncs_since: Nanos,
    /// Beats missed in a row without any data between.
    pub(crate) silent: u32,
    /// A crossed book was reported and has not uncrossed since.
    pub(crate) crossed: bool,
}

impl Sub {
    pub(crate) fn new(
        subscription: Subscription,
        spec: Option<&'static ChannelSpec>,
        place: Place,
    ) -> Sub {
        let form = spec.map(|s| s.form);
        let follow = match form {
            Some(Form::Book(form)) => Some(Box::new(Follow::new(form))),
            _ => None,
        };
        let series = (form == Some(Form::Trade)).then(Box::default);
        let seen = match form {
            Some(Form::Figures(form)) => form.id.map(|_| Box::default()),
            _ => None,
        };
        Sub {
            all_fills: Sub::has_all_fills(&subscription),
            subscription,
            spec,
            place,
            wanted: true,
            stage: Stage::Idle,
            follow,
            series,
            seen,
            heard: None,
            started: false,
            gap: None,
            unproven: None,
            attempts: 0,
            asked: Nanos(0),
            refusals: 0,
            leaving: 0,
            resyncs: 0,
            resyncs_since: Nanos(0),
            silent: 0,
            crossed: false,
        }
    }

    pub(crate) fn has_all_fills(subscription: &Subscription) -> bool {
        &*subscription.channel == "trades-all"
    }

    /// Confirmed, and its book (if it is one) can be read.
    pub(crate) fn is_live(&self) -> bool {
        self.stage == Stage::Live && self.follow.as_ref().is_none_or(|f| f.live().is_some())
    }

    /// Whether the venue wants a login for its channel.
    pub(crate) fn needs_login(&self) -> bool {
        self.spec.is_some_and(|spec| spec.login)
    }

    fn last_id(&self) -> Option<i64> {
        match (&self.follow, &self.series) {
            (Some(follow), _) => follow.last(),
            (_, Some(series)) => series.last().and_then(|id| i64::try_from(id).ok()),
            _ => None,
        }
    }

    /// Its data cannot be trusted from here on: ends the book's service and opens a gap, once.
    pub(crate) fn lose(
        &mut self,
        now: Nanos,
        (cause, whose): (GapCause, Whose),
        emit: &mut Emitter,
        out: &mut Outbox,
    ) {
        let was_live = self.follow.as_mut().is_some_and(|f| f.invalidate());
        self.crossed = false;
        if self.gap.is_some() || !(self.started || was_live) {
            return;
        }
        let gap = Gap {
            id: 0,
            closed: false,
            cause,
            whose,
            from_id: self.last_id(),
            to_id: None,
            from: self.heard,
            to: None,
            lost: None,
            healed: None,
        };
        self.gap = Some(emit.open_gap(now, self.place, gap, out));
    }

    /// Its data can be trusted again: closes the gap, if one is open.
    pub(crate) fn heal(
        &mut self,
        now: Nanos,
        (to_id, lost, healed): (Option<i64>, Option<u64>, Option<Healed>),
        emit: &mut Emitter,
        out: &mut Outbox,
    ) {
        let Some(gap) = self.gap.take() else { return };
        if self.series.is_some() && lost.is_none() {
            self.unproven = Some(gap.clone());
        }
        emit.close_gap(now, self.place, gap, (to_id, lost, healed), out);
    }

    /// Ids prove that `lost` trades never came before the one with `first`: said in the open gap,
    /// or in one that opens and closes here.
    pub(crate) fn prove_lost(
        &mut self,
        now: Nanos,
        (first, lost): (i64, u64),
        emit: &mut Emitter,
        out: &mut Outbox,
    ) {
        if lost == 0 && self.gap.is_none() {
            self.unproven = None;
            return;
        }
        let closing = (Some(first), Some(lost), Some(Healed::Resumed));
        let gap = self.gap_of_lost(now, (first, lost), emit, out);
        emit.close_gap(now, self.place, gap, closing, out);
    }

    /// The gap that says so: the open one, or one that opens here. The caller closes it.
    pub(crate) fn gap_of_lost(
        &mut self,
        now: Nanos,
        (first, lost): (i64, u64),
        emit: &mut Emitter,
        out: &mut Outbox,
    ) -> Gap {
        if let Some(gap) = self.gap.take() {
            self.unproven = None;
            return gap;
        }
        let blank = Gap {
            id: 0,
            closed: false,
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: None,
            to_id: None,
            from: self.heard,
            to: None,
            lost: None,
            healed: None,
        };
        let from_id = first.checked_sub_unsigned(lost + 1);
        let gap = Gap { from_id, ..self.unproven.take().unwrap_or(blank) };
        emit.open_gap(now, self.place, gap, out)
    }
}

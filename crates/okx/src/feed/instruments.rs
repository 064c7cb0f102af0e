//! What the venue says of instruments: rows of the `instruments` channel, and answers to the
//! question what a refused one is. Part of [`OkxFeed`].

use super::OkxFeed;
use super::sub::Stage;
use crate::catalogue;
use crate::channel::KeyKind;
use crate::json::{self, Raw};
use market_data_model::*;
use std::sync::Arc;

impl OkxFeed {
    pub(super) fn instruments(&mut self, now: Nanos, index: u32, data: Raw<'_>, out: &mut Outbox) {
        let channel = self.subs[index as usize].place.channel;
        for row in data.items() {
            if self.is_copy(now, index, row.as_str().as_bytes()) {
                continue;
            }
            match catalogue::instrument_from_row(row) {
                Ok(instrument) => {
                    self.instrument_changed(now, &Arc::new(instrument), channel, out);
                }
                Err(why) => self.bad_row(now, index, (why, row), out),
            }
        }
    }

    /// Takes news of an instrument, from its channel or from outside. Ends subscriptions of what
    /// has expired, and asks anew for what was refused and trades now.
    pub(super) fn instrument_changed(
        &mut self,
        now: Nanos,
        instrument: &Arc<Instrument>,
        channel: Option<u16>,
        out: &mut Outbox,
    ) {
        let old = self.emit.instrument(KeyKind::InstId, &instrument.inst_id);
        let codes = self.emit.known(old).inst_id_code.zip(instrument.inst_id_code);
        let relisted = codes.is_some_and(|(old, new)| old != new);
        if channel.is_some() {
            self.emit.changed_instrument(now, channel, instrument, out);
        } else {
            self.emit.learn(instrument);
        }
        let expired = &*instrument.state == "expired";
        if !expired && !instrument.is_subscribable() {
            return;
        }
        let mut ended = Vec::new();
        let mut outlived = Vec::new();
        for (index, sub) in self.subs.iter_mut().enumerate() {
            let of_it = *sub.subscription.key == *instrument.inst_id;
            let is_instrument = sub.spec.is_none_or(|s| s.key == KeyKind::InstId);
            if !(of_it && is_instrument && sub.wanted) {
                continue;
            }
            if expired {
                ended.push(sub.subscription.clone());
            } else if relisted && matches!(sub.stage, Stage::Asked | Stage::Live) {
                outlived.push(index as u32);
            } else {
                // Also where the answer to an earlier question is still to come: a refusal older
                // than the news must not wait as long as those before it.
                sub.refusals = 0;
                if sub.stage == Stage::Refused {
                    sub.stage = Stage::Idle;
                }
            }
        }
        self.unwant(now, ended, out);
        for index in outlived {
            self.renew(now, index, out);
        }
        self.ask_idle();
    }

    /// A refused instrument may have gone: asks REST what it is, once at a time.
    pub(super) fn ask_what_it_is(&mut self, index: u32, out: &mut Outbox) {
        let sub = &self.subs[index as usize];
        let Some(inst) = sub.place.inst else { return };
        let Some(kind) = self.emit.known(inst).inst_type.clone() else { return };
        let family = &self.emit.known(inst).inst_family;
        let busy = self.gets.values().any(|i| *i == index);
        if busy || self.config.passive {
            return;
        }
        let mut path = format!("/api/v5/public/instruments?instType={kind}");
        if kind == InstType::Option {
            path.push_str(&format!("&instFamily={family}"));
        }
        path.push_str(&format!("&instId={}", sub.subscription.key));
        self.get_number += 1;
        self.gets.insert(self.get_number, index);
        out.actions.push(Action::Get { id: self.get_number, path });
    }

    /// The answer: news of the instrument, or nothing, which leaves it refused.
    pub(super) fn response(
        &mut self,
        now: Nanos,
        (id, status, body): (u64, u16, &[u8]),
        out: &mut Outbox,
    ) {
        if self.refill_answer(now, (id, status, body), out)
            || self.bars_answer(now, (id, status, body), out)
            || self.witness_answer(now, (id, status, body), out)
            || self.funding_answer(now, (id, status, body), out)
            || self.depth_said(now, (id, status, body), out)
        {
            return;
        }
        let Some(index) = self.gets.remove(&id) else { return };
        let place = self.subs[index as usize].place;
        let rows = match json::parse(body) {
            Ok(raw) if status == 200 => raw.field("data"),
            _ => {
                let fault = (format!("HTTP {status} to a question about an instrument"), body);
                return self.emit.fault(now, place, FaultCode::BadResponse, fault, out);
            }
        };
        for row in rows.into_iter().flat_map(Raw::items) {
            let Ok(instrument) = catalogue::instrument_from_row(row) else { continue };
            let instrument = Arc::new(instrument);
            let known = self.emit.instrument(KeyKind::InstId, &instrument.inst_id);
            if *instrument.inst_id == *self.subs[index as usize].subscription.key
                && **self.emit.known(known) != *instrument
            {
                self.instrument_changed(now, &instrument, place.channel, out);
            }
        }
    }
}

/// Whether the venue says that the instrument trades continuously at `now`.
pub(super) fn trades_continuously(instrument: &Instrument, now: Nanos) -> bool {
    if &*instrument.state != "live" {
        return false;
    }
    let row = json::parse(instrument.row.as_bytes()).ok();
    let since = row.and_then(|r| r.field("contTdSwTime")).and_then(Raw::integer);
    since.and_then(|ms| u64::try_from(ms).ok()).is_none_or(|ms| Nanos::from_millis(ms) <= now)
}

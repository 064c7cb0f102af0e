//! An instrument's row in the list, as production printed it in April 2026.
//!
//! REST `instruments` and the `instruments` channel print the same row; [`SimInstrument`] is the
//! part that tests look at. Key order and the kinds of values follow the captures.
//!
//! Invariant: an instrument that is only announced shows no units and a null `instIdCode`.
//! Start at [`Instrument::row`].

use std::fmt::Write as _;

use crate::api::SimInstrument;
use crate::instrument::{Contract, Instrument, Kind};
use crate::text::{decimal, json, millis};

impl Instrument {
    /// The contract value's currency, `ctValCcy`.
    fn ct_val_ccy(&self) -> &str {
        match self.contract {
            Contract::Coins | Contract::Bare => "",
            Contract::Linear => self.uly.split('-').next().unwrap_or(""),
            Contract::Inverse => "USD",
        }
    }

    /// The row as people and tests see it.
    pub fn view(&self) -> SimInstrument {
        let blank = self.blank;
        let unless = |text: String| if blank { String::new() } else { text };
        let spot = self.kind == Kind::Spot;
        SimInstrument {
            inst_id: if blank { self.placeholder.clone() } else { self.id.clone() },
            inst_type: self.kind.name().to_owned(),
            inst_family: self.family.clone(),
            uly: self.uly.clone(),
            base_ccy: unless(self.base.clone().into_owned()),
            quote_ccy: unless(self.quote.to_owned()),
            settle_ccy: unless(self.settle.to_owned()),
            ct_type: unless(self.ct_type().to_owned()),
            ct_val: unless(self.ct_val_text()),
            ct_mult: if spot { String::new() } else { unless(self.ct_mult.to_owned()) },
            tick_sz: unless(decimal(1, self.px_places)),
            lot_sz: unless(decimal(1, self.sz_places)),
            min_sz: unless(self.sz(self.min_lots)),
            list_time: millis(self.list_ns),
            exp_time: self.exp_ns.map(millis).unwrap_or_default(),
            state: self.state.clone().into_owned(),
        }
    }

    fn ct_type(&self) -> &'static str {
        match self.contract {
            Contract::Coins | Contract::Bare => "",
            // A coin option counts coins like a linear contract, but OKX calls it inverse.
            Contract::Linear if self.kind == Kind::Option && self.settle != "USD" => "inverse",
            Contract::Linear => "linear",
            Contract::Inverse => "inverse",
        }
    }

    fn ct_val_text(&self) -> String {
        if self.kind == Kind::Spot {
            return String::new();
        }
        // Coin options: `ctVal` 1 coin times `ctMult` 0.01; `ct_val` holds the product.
        if self.kind == Kind::Option || self.kind == Kind::Events {
            return "1".to_owned();
        }
        decimal(i128::from(self.ct_val), self.ct_places)
    }

    /// The row as JSON, with all fields and the order of production in 2026; `margin` is the
    /// same spot instrument seen as MARGIN.
    pub fn row(&self, margin: bool) -> (String, Vec<(&'static str, String)>) {
        let fields = self.fields(margin);
        let mut out = String::with_capacity(1_200);
        let mut truth = Vec::with_capacity(fields.len());
        for (n, (name, field)) in fields.into_iter().enumerate() {
            out.push_str(if n == 0 { "{" } else { "," });
            match field {
                Field::Text(text) => {
                    let _ = write!(out, "\"{name}\":{}", json(&text));
                    truth.push((name, text));
                }
                Field::Raw(raw) => {
                    let _ = write!(out, "\"{name}\":{raw}");
                    truth.push((name, raw));
                }
            }
        }
        out.push('}');
        (out, truth)
    }

    fn fields(&self, margin: bool) -> Vec<(&'static str, Field)> {
        let mut fields = self.first_fields(margin);
        fields.extend(self.other_fields(margin));
        fields
    }

    /// `instFamily` and `uly`: empty for SPOT, the pair itself for MARGIN.
    fn family_and_uly(&self, margin: bool) -> (String, String) {
        match (self.kind == Kind::Spot, margin) {
            (true, true) => (self.id.clone(), self.id.clone()),
            (true, false) => (String::new(), String::new()),
            _ => (self.family.clone(), self.uly.clone()),
        }
    }

    /// A text that is empty as long as the instrument is only announced.
    fn full(&self, text: &str) -> Field {
        Field::Text(if self.blank { String::new() } else { text.to_owned() })
    }

    fn first_fields(&self, margin: bool) -> Vec<(&'static str, Field)> {
        let view = self.view();
        let (family, _) = self.family_and_uly(margin);
        let spot = self.kind == Kind::Spot;
        let events = self.kind == Kind::Events;
        let settles = self.kind == Kind::Futures && self.rule_type == "normal";
        vec![
            ("alias", text(self.alias)),
            ("auctionEndTime", text("")),
            ("baseCcy", Field::Text(view.base_ccy)),
            ("category", text("1")),
            ("contTdSwTime", Field::Text(self.auction_end_ns.map(millis).unwrap_or_default())),
            ("ctMult", Field::Text(view.ct_mult)),
            ("ctType", Field::Text(view.ct_type)),
            ("ctVal", Field::Text(view.ct_val)),
            ("ctValCcy", self.full(self.ct_val_ccy())),
            ("expTime", Field::Text(view.exp_time)),
            ("freq", text(if events { "DAILY" } else { "" })),
            ("futureSettlement", Field::Raw(settles.to_string())),
            ("groupId", text(if spot { "12" } else { "4" })),
            ("instCategory", text(if events { "" } else { "1" })),
            ("instFamily", Field::Text(family)),
            ("instId", Field::Text(view.inst_id)),
            ("instIdCode", Field::Raw(self.code.map_or("null".into(), |c| c.to_string()))),
            ("instType", text(if margin { "MARGIN" } else { self.kind.name() })),
            ("lever", self.full(self.lever)),
            ("listTime", Field::Text(view.list_time)),
            ("longPosRemainingQuota", text("")),
            ("lotSz", Field::Text(view.lot_sz)),
        ]
    }

    fn other_fields(&self, margin: bool) -> Vec<(&'static str, Field)> {
        let view = self.view();
        let (_, uly) = self.family_and_uly(margin);
        let spot = self.kind == Kind::Spot;
        let events = self.kind == Kind::Events;
        let big = self.full(if events { "" } else { "100000000.0000000000000000" });
        let stop = self.full(if events { "" } else { "1000000" });
        let quotes =
            if spot && !self.blank { format!("[\"{}\"]", self.quote) } else { "[]".into() };
        let side = self.strike.filter(|_| !events).map_or("", |s| if s.call { "C" } else { "P" });
        vec![
            ("maxIcebergSz", big.clone()),
            ("maxLmtAmt", self.full(if events { "0" } else { "20000000" })),
            ("maxLmtSz", self.full("100000000")),
            ("maxMktAmt", self.full(if spot { "1000000" } else { "" })),
            ("maxMktSz", stop.clone()),
            ("maxPlatOILmt", self.full(if spot || events { "" } else { "10000000000000" })),
            ("maxStopSz", stop),
            ("maxTriggerSz", big.clone()),
            ("maxTwapSz", big),
            ("method", text(if events { "PRICE_ABOVE" } else { "" })),
            ("minSz", Field::Text(view.min_sz)),
            ("openType", self.full(self.open_type)),
            ("optType", self.full(side)),
            ("posLmtAmt", text("")),
            ("posLmtPct", text("")),
            ("preMktSwTime", Field::Text(self.pre_market_until_ns.map(millis).unwrap_or_default())),
            ("quoteCcy", Field::Text(view.quote_ccy)),
            ("ruleType", self.full(self.rule_type)),
            ("seriesId", text(self.series)),
            ("settleCcy", Field::Text(view.settle_ccy)),
            ("shortPosRemainingQuota", text("")),
            ("state", Field::Text(view.state)),
            ("stk", self.full(&self.strike.map(|s| s.usd.to_string()).unwrap_or_default())),
            ("tickSz", Field::Text(view.tick_sz)),
            ("tradeQuoteCcyList", Field::Raw(quotes)),
            ("uly", Field::Text(uly)),
            ("upcChg", Field::Raw(self.planned.clone().into_owned())),
        ]
    }
}

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

#[derive(Clone)]
enum Field {
    Text(String),
    Raw(String),
}

//! `opt-summary`: greeks and volatilities of every option of a family.
//!
//! Not every listed option has data: the fit fails for some, and others do not trade yet.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "opt-summary",
    key: KeyKind::Family,
    cadence: "all the time; no rate is promised",
    silence: "no beat is promised",
    kinds: &["OPTION"],
    first_ns: Some(crate::limits::FIRST_NS),
    form: Form::Figures(&OPT_SUMMARY),
    ..BASE
};

const PA: &str = "coins";
const BS: &str = "USD";
const VOL: &str = "1; 0.5 is 50 %";

const OPT_SUMMARY: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "option_summary",
        about: "Greeks and volatilities of one option. Options that OKX cannot fit have none.",
        columns: &[
            text("uly", "underlying index"),
            decimal("delta", PA, "delta, price in coins"),
            decimal("gamma", PA, "gamma, price in coins"),
            decimal("vega", PA, "vega, price in coins"),
            decimal("theta", PA, "theta, price in coins"),
            decimal("deltaBS", BS, "delta by Black and Scholes, price in dollars"),
            decimal("gammaBS", BS, "gamma by Black and Scholes, price in dollars"),
            decimal("vegaBS", BS, "vega by Black and Scholes, price in dollars"),
            decimal("thetaBS", BS, "theta by Black and Scholes, price in dollars"),
            decimal("lever", "1", "leverage"),
            decimal("markVol", VOL, "volatility at the mark price"),
            decimal("bidVol", VOL, "volatility at the best bid"),
            decimal("askVol", VOL, "volatility at the best ask"),
            decimal("realVol", VOL, "realised volatility; OKX does not use it"),
            decimal("volLv", VOL, "volatility at the money"),
            decimal("fwdPx", "quote coin", "forward price"),
            decimal("buyApr", "per year", "yield of buying; not documented"),
            decimal("sellApr", "per year", "yield of selling; not documented"),
            decimal("distance", "1", "distance of the strike; not documented"),
        ],
    },
    sample: r#"{"arg":{"channel":"opt-summary","instFamily":"BTC-USD"},"data":[{"instType":"OPTION","instId":"BTC-USD-261225-68000-C","uly":"BTC-USD","delta":"0.7494223636","gamma":"-0.6765419039","theta":"-0.0000809873","vega":"0.0000077307","deltaBS":"0.7494223636","gammaBS":"0.0000120567","thetaBS":"-5.7128421","vegaBS":"69.2837163","realVol":"0","bidVol":"","askVol":"1.5625","markVol":"0.9987","volLv":"0.51","lever":"4.0342","fwdPx":"68016.8143629068452065","ts":"1785096000000"}]}"#,
    ..FORM
};

//! `funding-rate`: what longs pay shorts, of swaps and of futures that have funding.
//!
//! Rows of 2021 and 2022 have no `ts` (captured).
//!
//! The interval is `nextFundingTime - fundingTime`: 8 hours is not a rule.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "funding-rate",
    cadence: "every 30 to 90 s",
    silence: "no beat is promised",
    kinds: &["SWAP"],
    perpetual: true,
    first_ns: Some(crate::limits::FIRST_FUNDING_NS),
    form: Form::Figures(&FUNDING_RATE),
    ..BASE
};

const RATE: &str = "per interval; 0.0001 is 0.01 %";

const FUNDING_RATE: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "funding",
        about: "What longs pay shorts at the next settlement. The interval is `nextFundingTime` \
                minus `fundingTime`, which is not always 8 hours.",
        columns: &[
            word("method", &["current_period", "next_period"], "how OKX charges"),
            word("formulaType", &["noRate", "withRate"], "whether interest is part of the rate"),
            decimal("fundingRate", RATE, "rate of the running interval; absent in 2021"),
            decimal("nextFundingRate", RATE, "always `null` since 2023: OKX sends it blank"),
            millis("fundingTime", "when the running interval settles"),
            millis("nextFundingTime", "when the one after it settles"),
            millis("prevFundingTime", "when the one before it settled"),
            decimal("minFundingRate", RATE, "lower bound"),
            decimal("maxFundingRate", RATE, "upper bound"),
            decimal("interestRate", RATE, "interest part"),
            decimal("impactValue", "quote coin", "depth at which the premium is measured"),
            word("settState", &["processing", "settled"], "state of the last settlement"),
            decimal("settFundingRate", RATE, "rate being settled, or settled last"),
            decimal("premium", RATE, "premium of the contract over its index"),
        ],
    },
    often_timeless: true,
    sample: r#"{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"formulaType":"withRate","fundingRate":"0.0000158458811092","fundingTime":"1785110400000","impactValue":"20000.0000000000000000","instId":"BTC-USDT-SWAP","instType":"SWAP","interestRate":"0.0001000000000000","maxFundingRate":"0.00375","method":"current_period","minFundingRate":"-0.00375","nextFundingRate":"","nextFundingTime":"1785139200000","premium":"-0.0004292379282520","prevFundingTime":"1785081600000","settFundingRate":"0.0000072341658587","settState":"settled","ts":"1785096000000"}]}"#,
    ..FORM
};

//! `call-auction-details`: how an opening auction stands. Books may be crossed meanwhile.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "call-auction-details",
    cadence: "about every second during an auction",
    silence: "no auction is on",
    kinds: &["SPOT"],
    form: Form::Figures(&CALL_AUCTION),
    ..BASE
};

const CALL_AUCTION: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "call_auction",
        about: "How an opening auction stands; the last one says `continuous_trading`.",
        columns: &[
            decimal("eqPx", "quote coin", "price at which it would end now"),
            decimal("matchedSz", "base coin", "quantity that would trade"),
            decimal("unmatchedSz", "base coin", "quantity that would be left"),
            millis("auctionEndTime", "when the auction ends"),
            word("state", &["call_auction", "continuous_trading"], "what trades now"),
        ],
    },
    sample: r#"{"arg":{"channel":"call-auction-details","instId":"ONDO-USDC"},"data":[{"instId":"ONDO-USDC","eqPx":"0.6","matchedSz":"44978","unmatchedSz":"123","state":"call_auction","auctionEndTime":"1785096060000","ts":"1785096000007"}]}"#,
    ..FORM
};

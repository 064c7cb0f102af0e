//! `event-contract-markets`: yes-or-no contracts, as they open, get their strike and settle.
//!
//! There is no snapshot on subscribing, and rows have no time.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "event-contract-markets",
    key: KeyKind::InstType,
    cadence: "on change; nothing on subscribing",
    kinds: &["EVENTS"],
    form: Form::Figures(&EVENT_MARKETS),
    ..BASE
};

const EVENT_MARKETS: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "event_market",
        about: "A yes-or-no contract changed its state or got its strike. Rows have no time: \
                `timestamp` is `null`.",
        columns: &[
            text("seriesId", "series"),
            text("eventId", "event within the series"),
            millis("listTime", "when it is listed"),
            millis("fixTime", "when the strike is fixed"),
            millis("expTime", "when it expires"),
            word("state", &["preopen", "live", "settling", "expired"], "how far it is"),
            word("outcome", &["0", "1", "2"], "`0` not known yet, `1` yes, `2` no"),
            text("floorStrike", "lower strike, quote coin"),
            text("capStrike", "upper strike, quote coin; `INF` is possible"),
            decimal("settleValue", "quote coin", "what it settled at"),
            column("disputed", Shape::Bool, "", "whether the outcome is disputed"),
            word("hitDir", &["up", "dn"], "from which side the strike is hit"),
        ],
    },
    time: None,
    sample: r#"{"arg":{"channel":"event-contract-markets","instType":"EVENTS"},"data":[{"seriesId":"BTC-ABOVE-DAILY","eventId":"BTC-ABOVE-DAILY-260726-1600","instId":"BTC-ABOVE-DAILY-260726-1600-65000","listTime":"1785000000000","fixTime":"","expTime":"1785081600000","state":"live","outcome":"0","floorStrike":"65000","capStrike":"","settleValue":"","disputed":false,"hitDir":""}]}"#,
    ..FORM
};

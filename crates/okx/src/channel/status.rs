//! `status`: maintenance that OKX plans or does.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "status",
    key: KeyKind::Nothing,
    cadence: "the latest on subscribing, then on change",
    first_ns: Some(crate::limits::FIRST_NS),
    form: Form::Figures(&STATUS),
    ..BASE
};

const STATUS: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "status",
        about: "Maintenance that OKX plans or does.",
        columns: &[
            text("title", "its title"),
            word(
                "state",
                &["scheduled", "ongoing", "pre_open", "completed", "canceled"],
                "how far it is",
            ),
            millis("begin", "when it begins"),
            millis("end", "when it ends; absent if unknown"),
            millis("preOpenBegin", "when orders can be placed again"),
            text("href", "where OKX says more"),
            word(
                "serviceType",
                &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "99"],
                "`0` WebSocket, `5` trading, `6` block trades, `7` bots, `8` and `9` trading in \
                 batches, `10` spreads, `11` copy trading, `99` other",
            ),
            word("system", &[], "which system, such as `unified`"),
            text("scheDesc", "why the time was changed"),
            word(
                "maintType",
                &["1", "2", "3"],
                "`1` scheduled, `2` not scheduled, `3` a disturbance",
            ),
            word("env", &["1", "2"], "`1` production, `2` demo"),
        ],
    },
    sample: r#"{"arg":{"channel":"status"},"data":[{"begin":"1785096000000","end":"1785099600000","href":"","preOpenBegin":"","scheDesc":"","serviceType":"0","state":"scheduled","system":"unified","maintType":"1","env":"1","title":"Trading account WebSocket system upgrade","ts":"1785009600000"}]}"#,
    ..FORM
};

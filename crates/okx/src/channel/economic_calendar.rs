//! `economic-calendar`: figures that states publish. Needs a login and VIP 1, production only.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "economic-calendar",
    path: Path::Business,
    key: KeyKind::Nothing,
    login: true,
    cadence: "on publication",
    form: Form::Figures(&CALENDAR),
    ..BASE
};

const CALENDAR: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "economic_event",
        about: "A figure that a state publishes, announced or released.",
        columns: &[
            text("calendarId", "unique"),
            millis("date", "when it is released"),
            text("region", "country"),
            text("category", "what is measured"),
            text("event", "its name"),
            millis("refDate", "which period it measures"),
            text("actual", "the released value, with its sign of unit"),
            text("previous", "the one before, as corrected"),
            text("forecast", "what economists expected"),
            word("importance", &["1", "2", "3"], "`1` low to `3` high"),
            text("prevInitial", "the one before, as first released"),
            text("ccy", "coin of the values"),
            text("unit", "unit of the values"),
            millis("uTime", "when OKX changed it last; absent on the wire today"),
        ],
    },
    sample: r#"{"arg":{"channel":"economic-calendar"},"data":[{"calendarId":"319275","date":"1785096000000","region":"United States","category":"Manufacturing PMI","event":"S&P Global Manufacturing PMI Final","refDate":"1782777600000","actual":"49.2","previous":"47.3","forecast":"49.3","importance":"2","prevInitial":"","ccy":"","unit":"","ts":"1785096001000"}]}"#,
    ..FORM
};

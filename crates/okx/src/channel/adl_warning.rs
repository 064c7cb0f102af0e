//! `adl-warning`: the insurance fund of a family shrinks, and positions may be closed.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "adl-warning",
    key: KeyKind::TypeOrFamily,
    cadence: "every second while there is a warning",
    silence: "all is well: the normal state is silent since 2026-06-09",
    kinds: &["SWAP", "FUTURES", "OPTION"],
    form: Form::Figures(&ADL_WARNING),
    ..BASE
};

const BLANK: &str = "blank since 2026-06-09";

const ADL_WARNING: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "adl_warning",
        about: "The insurance fund of a family shrinks (`warning`), or profitable positions are \
                being closed to fill it (`adl`). `instId` is `null`; `instType` is the row's.",
        columns: &[
            text("instType", "kind of the family"),
            text("instFamily", "family"),
            word("state", &["normal", "warning", "adl"], "how it stands"),
            decimal("bal", "USD", "the fund's balance"),
            text("ccy", BLANK),
            decimal("maxBal", "USD", BLANK),
            millis("maxBalTs", BLANK),
            word(
                "adlType",
                &[
                    "rate_warning_start",
                    "rate_adl_start",
                    "rate_adl_end",
                    "bal_warning_start",
                    "bal_adl_start",
                    "bal_adl_end",
                ],
                BLANK,
            ),
            decimal("adlBal", "USD", BLANK),
            decimal("adlRecBal", "USD", BLANK),
            decimal("decRate", "1", BLANK),
            decimal("adlRate", "1", BLANK),
            decimal("adlRecRate", "1", BLANK),
        ],
    },
    sample: r#"{"arg":{"channel":"adl-warning","instType":"FUTURES","instFamily":"BTC-USDT"},"data":[{"maxBal":"","adlRecBal":"","bal":"280784384.9564228289548144","instType":"FUTURES","ccy":"","instFamily":"BTC-USDT","maxBalTs":"","adlType":"","state":"warning","adlBal":"","ts":"1785096000000","decRate":"","adlRate":"","adlRecRate":""}]}"#,
    ..FORM
};

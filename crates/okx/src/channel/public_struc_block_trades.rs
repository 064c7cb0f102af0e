//! `public-struc-block-trades`: block trades of several legs, 15 minutes late.
//!
//! A row is a structure with its legs; each leg is a record with the structure's ids.

use super::figures::*;

pub(super) const SPEC: ChannelSpec = ChannelSpec {
    name: "public-struc-block-trades",
    path: Path::Business,
    key: KeyKind::Nothing,
    cadence: "each structure, 15 minutes late",
    form: Form::Figures(&STRUCTURES),
    ..BASE
};

const STRUCTURES: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "block_structure",
        about: "One leg of a block trade of several; `blockTdId` ties the legs together. \
                `timestamp` is the structure's. Ids are absent at the level of a group request.",
        columns: &[
            text("blockTdId", "the structure"),
            text("groupId", "ties the structures of one group request together"),
            text("tradeId", "unique within the instrument"),
            decimal("px", "quote coin; settlement coin for options", "price of the leg"),
            decimal("sz", "base coin for spot, contracts for derivatives", "quantity"),
            word("side", SIDE, "the taker's"),
        ],
    },
    time: Some("cTime"),
    each: Some("legs"),
    sample: r#"{"arg":{"channel":"public-struc-block-trades"},"data":[{"cTime":"1785095100000","blockTdId":"1802896","groupId":"","legs":[{"px":"0.323","sz":"25.0","instId":"BTC-USD-261225-13250-C","side":"sell","tradeId":"15102"},{"px":"0.666","sz":"25","instId":"BTC-USD-261225-21125-C","side":"buy","tradeId":"15103"}]}]}"#,
    ..FORM
};

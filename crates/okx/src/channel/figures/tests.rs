//! Every channel of this form against its own sample, and the rules of cells.

use super::*;
use crate::channel::CHANNELS;
use crate::{frame, json};

fn forms() -> impl Iterator<Item = (&'static ChannelSpec, &'static FiguresForm)> {
    CHANNELS.iter().filter_map(|spec| match spec.form {
        Form::Figures(form) => Some((spec, form)),
        _ => None,
    })
}

const ODD: FiguresForm = FiguresForm {
    sheet: Sheet {
        kind: "odd",
        about: "",
        columns: &[
            decimal("px", "", ""),
            word("side", SIDE, ""),
            text("id", ""),
            millis("at", ""),
            column("on", Shape::Bool, "", ""),
            column("count", Shape::Count, "", ""),
        ],
    },
    ..FORM
};

fn read(row: &str) -> (Result<(), String>, FigureRow, Unknowns) {
    let (mut out, mut unknowns) = (FigureRow::default(), Unknowns::default());
    let row = json::parse(row.as_bytes()).unwrap();
    let read = decode(row, None, &ODD, &mut out, &mut unknowns);
    (read, out, unknowns)
}

#[test]
fn each_sample_is_read_whole() {
    for (spec, form) in forms() {
        let Ok(frame::Frame::Data(data)) = frame::parse(form.sample.as_bytes()) else {
            panic!("{}: the sample is no data", spec.name)
        };
        let (channel, key) = frame::argument(data.arg).unwrap();
        assert_eq!(channel, spec.name);
        assert_eq!(spec.key.complaint(&key), None, "{}", spec.name);
        let mut filled = vec![false; form.sheet.columns.len()];
        for row in data.data.items() {
            let list = elements(row, form).unwrap();
            let elements: Vec<_> = match list {
                Some(list) => list.items().map(Some).collect(),
                None => vec![None],
            };
            for element in elements {
                let (mut out, mut unknowns) = (FigureRow::default(), Unknowns::default());
                decode(row, element, form, &mut out, &mut unknowns).unwrap();
                assert_eq!(unknowns, Unknowns::default(), "{}", spec.name);
                assert_eq!(out.ts.is_some(), form.time.is_some(), "{}", spec.name);
                for (filled, cell) in filled.iter_mut().zip(&out.cells) {
                    *filled |= *cell != Cell::None;
                }
            }
        }
        assert!(filled.iter().any(|filled| *filled), "{}", spec.name);
    }
}

#[test]
fn sheets_have_distinct_kinds_and_columns() {
    let mut kinds: Vec<_> = forms().map(|(_, form)| form.sheet.kind).collect();
    kinds.sort_unstable();
    assert!(kinds.windows(2).all(|two| two[0] != two[1]));
    for (spec, form) in forms() {
        let mut names: Vec<_> = form.sheet.columns.iter().map(|c| c.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}", spec.name);
        // These stand in every record already.
        for common in ["channel", "instId", "symbol", "timestamp", "type", "unit_", "n", "ts"] {
            assert!(!names.contains(&common), "{} lists {common}", spec.name);
        }
    }
}

#[test]
fn blank_and_null_are_absent_and_never_zero() {
    let (read, row, unknowns) =
        read(r#"{"px":"","side":"","id":null,"at":"0","on":"","count":"","ts":""}"#);
    assert_eq!(read, Ok(()));
    assert!(row.cells.iter().all(|cell| *cell == Cell::None), "{:?}", row.cells);
    assert_eq!((row.ts, unknowns), (None, Unknowns::default()));
}

#[test]
fn unknown_words_and_fields_pass_and_are_counted() {
    let (result, row, unknowns) = read(r#"{"side":"short-cover","phase":"full","px":"-0.50"}"#);
    assert_eq!(result, Ok(()));
    assert_eq!(row.text_at(&ODD.sheet, "side"), Some("short-cover"));
    assert_eq!(unknowns, Unknowns { fields: 1, values: 1 });
    assert!(matches!(row.cells[0], Cell::Decimal(px) if px.to_string() == "-0.50"));
}

#[test]
fn an_odd_value_refuses_the_row_with_its_value() {
    for (text, why) in [
        (r#"{"px":"1e5"}"#, r#"px is "1e5": not a plain decimal number"#),
        (r#"{"on":"maybe"}"#, r#"on is "maybe": neither true nor false"#),
        (r#"{"at":"soon"}"#, r#"at is "soon": not a whole number"#),
        (r#"{"count":[]}"#, "count is []: not a whole number"),
        (r#"{"ships":"1"}"#, "a row without a known field"),
        ("[]", "a row that is no object"),
    ] {
        assert_eq!(read(text).0.unwrap_err(), why);
    }
}

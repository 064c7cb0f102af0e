//! Whatever a server says and whoever types, at whatever size: no panic, no control sequence, and
//! the same again from the same.

use super::desk::{Desk, book, gap, trade, watch};
use market_data_top::{Asked, Input, Key};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Frame(String),
    Answer(Asked, String),
    Key(Key),
    Open,
    Lose(String),
    Wait(u64),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,30}".prop_map(Value::from),
        Just(json!("\u{1b}[2J\u{7}evil\r\n")),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "-?[0-9]{1,40}(\\.[0-9]{1,36})?".prop_map(Value::from),
        Just(Value::Null),
        Just(json!([["1", "2", 3], [1], [], "x", ["-1", "99999999999999999999999999999999999"]])),
    ]
}

/// A record or an answer of the right form in which some field is something else.
fn bent(of: Value) -> impl Strategy<Value = Value> {
    fn fields(of: &Value, path: &str, out: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match of {
            Value::Object(map) => map.iter().map(|(name, child)| (name.clone(), child)).collect(),
            Value::Array(list) => {
                (0..).zip(list).map(|(i, c): (usize, _)| (i.to_string(), c)).collect()
            }
            _ => Vec::new(),
        };
        for (name, child) in children {
            let path = format!("{path}/{name}");
            fields(child, &path, out);
            out.push(path);
        }
    }
    let mut paths = Vec::new();
    fields(&of, "", &mut paths);
    let place = proptest::sample::select(paths);
    (place, value()).prop_map(move |(place, value)| {
        let mut of = of.clone();
        if let Some(spot) = of.pointer_mut(&place) {
            *spot = value;
        }
        of
    })
}

fn step() -> impl Strategy<Value = Step> {
    let record =
        prop_oneof![bent(book(1)), bent(trade(1)), bent(gap("opened")), bent(gap("closed"))];
    let frame = (1..6_u64, 1..3_u64, record)
        .prop_map(|(sub, seq, record)| json!({"sub": sub, "seq": seq, "record": record}));
    let answer = (0..9_u64, value())
        .prop_map(|(id, sub)| json!({"type": "subscribed", "id": id, "sub": sub, "matches": 1}));
    let key = proptest::sample::select(vec![
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Tab,
        Key::BackTab,
        Key::Enter,
        Key::Escape,
        Key::Backspace,
        Key::Letter('/'),
        Key::Letter('h'),
        Key::Letter('s'),
        Key::Letter('z'),
        Key::Letter('?'),
        Key::Letter('é'),
        Key::Letter('\u{1b}'),
    ]);
    prop_oneof![
        4 => frame.prop_map(|frame| Step::Frame(frame.to_string())),
        1 => answer.prop_map(|frame| Step::Frame(frame.to_string())),
        1 => "\\PC{0,40}".prop_map(Step::Frame),
        2 => bent(watch()).prop_map(|body| Step::Answer(Asked::Watch, body.to_string())),
        1 => bent(super::desk::feeds(7)).prop_map(|b| Step::Answer(Asked::Feeds, b.to_string())),
        1 => bent(json!({"gaps": [gap("opened"), gap("closed")]}))
            .prop_map(|body| Step::Answer(Asked::Gaps, body.to_string())),
        4 => key.prop_map(Step::Key),
        1 => Just(Step::Open),
        1 => "\\PC{0,200}".prop_map(Step::Lose),
        1 => any::<u64>().prop_map(Step::Wait),
    ]
}

fn live(desk: &mut Desk, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Frame(text) => desk.put(Input::Frame(text)),
            Step::Answer(asked, text) => desk.put(Input::Answer(*asked, text)),
            Step::Key(key) => desk.put(Input::Key(*key)),
            Step::Open => desk.put(Input::Opened),
            Step::Lose(why) => desk.put(Input::Lost { why, again_ms: desk.now.wrapping_add(9) }),
            Step::Wait(ms) => {
                desk.now = desk.now.wrapping_add(*ms);
                desk.put(Input::Tick);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn anything_can_be_drawn(
        steps in proptest::collection::vec(step(), 1..25),
        width in 0..170_u16,
        height in 0..50_u16,
    ) {
        let (mut one, mut two) = (Desk::live(), Desk::live());
        live(&mut one, &steps);
        live(&mut two, &steps);
        let picture = one.picture(width.max(1), height.max(1));
        prop_assert!(!picture.contains(|c: char| c.is_control() && c != '\n'), "{picture:?}");
        prop_assert_eq!(picture, two.picture(width.max(1), height.max(1)));
        prop_assert_eq!(&one.said, &two.said);
        for (width, height) in [(28, 8), (72, 22), (106, 24), (150, 9)] {
            one.picture(width, height);
        }
    }
}

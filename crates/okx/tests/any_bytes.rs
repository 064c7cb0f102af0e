//! Arbitrary bytes into everything that reads bytes from outside, as the fuzz targets do it: the
//! bodies are the same files, in `fuzz/src/`.
//!
//! `ANY_BYTES_CASES=100000` tries that many a test instead of what fits into seconds. A failure
//! prints the bytes; `fuzz/src/feed.rs` says how to read them.
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/src/catalogue.rs"]
mod catalogue;
#[path = "../../../fuzz/src/decimal.rs"]
mod decimal;
#[path = "../../../fuzz/src/feed.rs"]
mod feed;
#[path = "../../../fuzz/src/frame.rs"]
mod frame;
#[path = "../../../fuzz/src/json.rs"]
mod json;
#[path = "../../../fuzz/src/oracle.rs"]
mod oracle;
#[path = "../../../fuzz/src/resolve.rs"]
mod resolve;
#[path = "../../../fuzz/src/sbe.rs"]
mod sbe;
#[path = "../../../fuzz/src/seeds.rs"]
mod seeds;

use proptest::prelude::*;

/// `default`, or what `ANY_BYTES_CASES` says.
fn cases(default: u32) -> ProptestConfig {
    let asked = std::env::var("ANY_BYTES_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(asked.unwrap_or(default))
    }
}

/// One small piece of damage.
#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    /// Copies a stretch to another place.
    Copy(usize, usize, usize),
    /// Puts a piece that means something.
    Splice(usize, &'static str),
}

const PIECES: [&str; 20] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "0",
    "1e9",
    "\\u0000",
    "\"0\"",
    "9223372036854775807",
    "\"data\":[",
    "\"seqId\":",
    "\"prevSeqId\":",
    "snapshot",
    "update",
    "BTC-USDT-SWAP",
    "170141183460469231731687303715884105727",
    "0.000000000000000000000000000000000001",
    "\n",
    "é",
];

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let at = 0usize..1 << 16;
    let one = prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(a, b)| Damage::Set(a, b)),
        (at.clone(), any::<u8>()).prop_map(|(a, b)| Damage::Insert(a, b)),
        (at.clone(), 1usize..40).prop_map(|(a, n)| Damage::Remove(a, n)),
        (at.clone(), at.clone(), 1usize..200).prop_map(|(a, b, n)| Damage::Copy(a, b, n)),
        (at, prop::sample::select(PIECES.to_vec())).prop_map(|(a, p)| Damage::Splice(a, p)),
    ];
    prop::collection::vec(one, 0..6)
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for one in damage {
        let length = bytes.len();
        let place = |at: usize| at % (length + 1);
        match *one {
            Damage::Set(at, byte) if length > 0 => bytes[at % length] = byte,
            Damage::Insert(at, byte) => bytes.insert(place(at), byte),
            Damage::Remove(at, n) => drop(bytes.drain(place(at)..(place(at) + n).min(length))),
            Damage::Copy(from, to, n) => {
                let piece = bytes[place(from)..(place(from) + n).min(length)].to_vec();
                bytes.splice(place(to)..place(to), piece);
            }
            Damage::Splice(at, piece) => drop(bytes.splice(place(at)..place(at), piece.bytes())),
            Damage::Set(..) => {}
        }
    }
    bytes
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn one_of(list: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(list), damage()).prop_map(|(bytes, damage)| damaged(bytes, &damage))
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn frames() -> Vec<Vec<u8>> {
    texts(&seeds::frames().collect::<Vec<_>>())
}

fn answers() -> Vec<Vec<u8>> {
    let lists = seeds::INSTRUMENTS.iter().enumerate();
    let mut answers: Vec<_> =
        lists.map(|(n, (_, body))| [&[b'a' + n as u8, b'2'], body.as_bytes()].concat()).collect();
    answers.extend(seeds::BODIES.iter().map(|body| [b"d2", body.as_bytes()].concat()));
    answers.push(answers.join(&catalogue::END));
    answers
}

#[test]
fn what_is_not_damaged_holds_every_promise() {
    seeds::lives().iter().for_each(|life| feed::run(life));
    frames().iter().for_each(|bytes| frame::run(bytes));
    frames().iter().for_each(|bytes| json::run(bytes));
    answers().iter().for_each(|bytes| catalogue::run(bytes));
    for (flags, life) in sbe::seeds().iter().enumerate() {
        sbe::run(life);
        let said = String::from_utf8(sbe::live(life)).unwrap();
        let book = said.contains(r#""isSnapshot":true"#) && said.contains(r#""isSnapshot":false"#);
        assert!(flags != 2 || book && said.contains(r#""type":"gap""#), "{said}");
    }
    seeds::SPELLINGS.iter().for_each(|text| resolve::run(text.as_bytes()));
    seeds::NUMBERS.iter().for_each(|text| decimal::run(text.as_bytes()));
}

proptest! {
    #![proptest_config(cases(600))]
    #[test]
    fn damaged_lives(bytes in one_of(seeds::lives())) {
        feed::run(&bytes);
    }

    #[test]
    fn damaged_binary_lives(bytes in one_of(sbe::seeds())) {
        sbe::run(&bytes);
    }

    #[test]
    fn damaged_answers(bytes in one_of(answers())) {
        catalogue::run(&bytes);
    }
}

proptest! {
    #![proptest_config(cases(4000))]
    #[test]
    fn damaged_frames(bytes in one_of(frames())) {
        frame::run(&bytes);
        json::run(&bytes);
    }

    #[test]
    fn damaged_numbers(bytes in one_of(texts(&seeds::NUMBERS))) {
        decimal::run(&bytes);
    }

    #[test]
    fn any_numbers(text in r"-?[0-9]{0,38}(\.[0-9]{0,38})?(/-?[0-9]{0,4}(\.0{0,3}[0-9]{0,2})?)?") {
        decimal::run(text.as_bytes());
    }

    #[test]
    fn damaged_spellings(bytes in one_of(texts(&seeds::SPELLINGS))) {
        resolve::run(&bytes);
    }

    #[test]
    fn any_bytes_at_all(bytes in any_bytes()) {
        feed::run(&bytes);
        sbe::run(&bytes);
        frame::run(&bytes);
        json::run(&bytes);
        decimal::run(&bytes);
        catalogue::run(&bytes);
        resolve::run(&bytes);
    }
}

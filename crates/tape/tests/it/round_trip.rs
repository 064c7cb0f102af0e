//! What was put is what is read, whatever it is.

use crate::support::*;
use market_data_model::{FeedId, Known, Nanos, Subscription};
use market_data_tape::{Compression, FeedConfig, Finding, Range, Tape, TapeOptions};
use market_data_tape::{decode_config, encode_config, verify};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_records_round_trip(
        records in any_records(60),
        block_bytes in prop_oneof![Just(1usize), 20..2000usize],
        segment_bytes in prop_oneof![Just(u64::MAX), 1..5000u64],
        zip: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let compression = if zip { Compression::Zstd(1) } else { Compression::None };
        let options =
            TapeOptions { block_bytes, segment_bytes, compression, ..TapeOptions::default() };
        write(dir.path(), options, &records);
        let said = read(dir.path(), Range::ALL);
        prop_assert_eq!(&said.damage, &vec![]);
        prop_assert_eq!(said.lines, records.iter().map(Made::line).collect::<Vec<_>>());
        let mut wrong = Vec::new();
        verify(&Tape::open(dir.path()).unwrap(), |finding| match finding {
            // These are in the records made up, or come of their clock.
            Finding::Lost { .. } | Finding::TimeBack { .. } => {}
            other => wrong.push(other),
        }).unwrap();
        prop_assert_eq!(wrong, vec![]);
    }

    #[test]
    fn configurations_round_trip(
        url in "[ -~]{0,40}",
        names in proptest::collection::vec(("[a-z]{0,9}", "[A-Z-]{0,9}"), 0..5),
        instruments in proptest::collection::vec(instrument(), 0..5),
        numbers: (u16, bool, u64, bool, bool, bool, bool),
        heard in proptest::collection::vec((any::<Option<u64>>(), any::<u64>()), 0..3),
        (more_lines, rotate_ns, witness_ns, funding, successor) in
            (0u8..3, 0u64..3, 0u64..3, any::<bool>(), any::<bool>()),
    ) {
        let subscriptions: Vec<Subscription> =
            names.iter().map(|(c, k)| Subscription::new(c, k)).collect();
        let (view_depth, deltas, seed, login, refill, sbe, bars) = numbers;
        let known = subscriptions.iter().cloned().zip(heard);
        let known = known.map(|(subscription, (last, heard))| {
            Known { subscription, last, heard: Nanos(heard) }
        });
        let known = known.collect();
        let config = FeedConfig {
            url,
            subscriptions,
            instruments,
            view_depth,
            deltas,
            seed,
            login,
            refill,
            sbe,
            bars,
            known,
            more_lines,
            rotate_ns,
            witness_ns,
            funding,
            successor,
        };
        let bytes = encode_config(&config);
        prop_assert_eq!(decode_config(&bytes), Ok(config));
        for len in 0..bytes.len() {
            prop_assert!(decode_config(&bytes[..len]).is_err(), "cut at {}", len);
        }
    }

    #[test]
    fn any_configuration_bytes_are_fine(bytes: Vec<u8>) {
        let _ = decode_config(&bytes);
    }
}

#[test]
fn a_record_larger_than_a_block_fits() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = frames(10, 1);
    records.push(Made { feed: FeedId(9), ts: T0, what: What::Frame(vec![b'y'; 3 << 20]) });
    records.extend(frames(10, 2));
    write(dir.path(), small(), &records);
    let said = read(dir.path(), Range::ALL);
    assert_eq!(said.damage, []);
    assert_eq!(said.lines, records.iter().map(Made::line).collect::<Vec<_>>());
}

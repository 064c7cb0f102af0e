//! The lane and the thread without a service: what fits is on the tape, what does not is told.

use super::*;
use market_data_model::{Command, Input, Instrument, Subscription};
use market_data_tape::reader::{Item, Range, Tape};
use market_data_tape::{ALL_FEEDS, Entry, Finding, verify};
use std::sync::mpsc::sync_channel;

pub(super) const FEED: FeedId = FeedId(7);

/// Everything on the tape: number, feed, time and what it says.
pub(super) fn read(dir: &std::path::Path) -> Vec<(u64, FeedId, Nanos, String)> {
    let tape = Tape::open(dir).unwrap();
    let mut records = tape.records(Range::ALL);
    let mut all = Vec::new();
    while let Some(item) = records.read().unwrap() {
        let Item::Record(record) = item else { panic!("{item:?}") };
        let said = format!("{:?}", record.entry().unwrap());
        all.push((record.ordinal, record.feed, record.ts, said));
    }
    all
}

pub(super) fn findings(dir: &std::path::Path) -> Vec<Finding> {
    let mut found = Vec::new();
    verify(&Tape::open(dir).unwrap(), |finding| found.push(finding)).unwrap();
    found
}

#[tokio::test]
async fn every_input_is_on_the_tape_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, lanes) = start(&TapeSettings::new(folder.path()), "about".to_owned()).unwrap();
    let mut lane = lanes.lane(10);
    drop(lanes);
    let one = Subscription::new("books", "BTC-USDT");
    let inputs = [
        Input::Start,
        Input::Opened,
        Input::Frame(b"{\"x\":1}"),
        Input::Frame(b""),
        Input::Tick,
        Input::Response { id: 3, status: 200, body: b"body" },
        Input::Command(Command::Subscribe(vec![one.clone()])),
        Input::Command(Command::Resync(one)),
        Input::Command(Command::Instruments(vec![Arc::new(Instrument::named("X"))])),
        Input::Closed { code: Some(1006), reason: "gone" },
        Input::Command(Command::Stop),
    ];
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    for (i, input) in inputs.iter().enumerate() {
        lane.input(base + 1 + i as u64, input);
        if i % 3 == 0 {
            lane.send();
        }
    }
    drop(lane);
    assert_eq!(recorder.ended.await, Ok(None));
    let all = read(folder.path());
    let said: Vec<_> = all.iter().filter(|(.., said)| said.starts_with("Input")).collect();
    assert_eq!(said.len(), inputs.len());
    for (i, (_, feed, ts, said)) in said.into_iter().enumerate() {
        let expected = format!("{:?}", Entry::Input(inputs[i].clone()));
        assert_eq!((*feed, *ts, said), (FEED, base + 1 + i as u64, &expected));
    }
    let last = &all.last().unwrap().3;
    assert!(last.contains("Outputs { inputs: 11, events: 0, actions: 0"), "{last}");
    assert_eq!(recorder.shared.report().lost_records, 0);
    assert_eq!(recorder.shared.report().queue_bytes, 0);
    assert!(findings(folder.path()).is_empty());
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TapeSettings::new(folder.path());
    let shared = Arc::new(Shared { dir: folder.path().to_owned(), ..Shared::default() });
    let (chunks, queue) = sync_channel(1);
    let lanes = Lanes { shared: Arc::clone(&shared), chunks, digests: true };
    let mut lane = lanes.lane(0);
    drop(lanes);
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    lane.input(base + 1, &Input::Start);
    lane.send();
    for i in 2..7 {
        lane.input(base + i, &Input::Tick);
        lane.send();
    }
    assert_eq!(shared.report().lost_records, 5 + 4, "each of four announces the feed again");
    let (news_sender, mut news) = mpsc::channel(8);
    let options = options(&settings, String::new());
    let writer = TapeWriter::open(folder.path(), options.clone(), base).unwrap();
    let shared_too = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        thread::Recording::new(shared_too, options, true, news_sender, Some(Ok(writer))).run(&queue)
    });
    // Goes on as soon as there is room again.
    while shared.report().queue_bytes > 0 {
        std::thread::yield_now();
    }
    lane.input(base + 7, &Input::Opened);
    drop(lane);
    assert_eq!(thread.join().unwrap(), None);
    let report = shared.report();
    assert_eq!((report.lost_records, report.queue_bytes), (9, 0));
    let loss = news.recv().await.unwrap();
    assert_eq!((loss.feed, loss.from, loss.to), (FEED, base + 2, Some(base + 6)));
    assert_eq!(news.recv().await, None);
    let found = findings(folder.path());
    let [Finding::Lost { feed: FEED, lost, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((lost.records, lost.from, lost.to), (Some(9), base + 2, base + 6));
    let all = read(folder.path());
    let again = |(.., said): &&(u64, FeedId, Nanos, String)| said.contains("again: true");
    assert_eq!(all.iter().filter(again).count(), 1, "the feed is announced again: {all:#?}");
    assert!(!all.iter().any(|(.., said)| said.starts_with("Outputs")), "no sum after a loss");
}

/// What is on a tape whose recorder begins when its queue, of so many chunks, holds what `before`
/// has put there, and is given what `after` puts once that is taken.
fn recorded(
    chunks: usize,
    before: impl FnOnce(&mut Lane, Nanos),
    after: impl FnOnce(&mut Lane, Nanos),
) -> (tempfile::TempDir, TapeReport) {
    let folder = tempfile::tempdir().unwrap();
    let settings = TapeSettings::new(folder.path());
    let shared = Arc::new(Shared { dir: folder.path().to_owned(), ..Shared::default() });
    let (chunks, queue) = sync_channel(chunks);
    let lanes = Lanes { shared: Arc::clone(&shared), chunks, digests: true };
    let mut lane = lanes.lane(0);
    drop(lanes);
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    before(&mut lane, base);
    let (news, _news) = mpsc::channel(8);
    let options = options(&settings, String::new());
    let writer = TapeWriter::open(folder.path(), options.clone(), base).unwrap();
    let shared_too = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        thread::Recording::new(shared_too, options, true, news, Some(Ok(writer))).run(&queue)
    });
    while shared.report().queue_bytes > 0 {
        std::thread::yield_now();
    }
    after(&mut lane, base);
    drop(lane);
    assert_eq!(thread.join().unwrap(), None);
    (folder, shared.report())
}

#[test]
fn a_state_after_a_loss_is_summed_up_from() {
    let full = |lane: &mut Lane, base: Nanos| {
        lane.send();
        for (after, input) in [(1, Input::Start), (2, Input::Tick)] {
            lane.input(base + after, &input);
            lane.send();
        }
    };
    let (folder, _) = recorded(2, full, |lane, base| {
        assert!(lane.wants_state());
        lane.state(|out| out.push(1));
        lane.send();
        lane.input(base + 3, &Input::Opened);
    });
    let said: Vec<_> = read(folder.path()).into_iter().map(|(.., said)| said).collect();
    let kinds: Vec<_> = said.iter().map(|said| said.split([' ', '(']).next().unwrap()).collect();
    let want = ["FeedStart", "Input", "Lost", "FeedStart", "State", "Input", "Outputs"];
    assert_eq!(kinds, want, "{said:#?}");
    assert!(said[6].contains("inputs: 1"), "{}", said[6]);
}

#[test]
fn a_recorder_that_is_far_behind_does_not_compress() {
    const FRAMES: usize = 24;
    let all = |lane: &mut Lane, base: Nanos| {
        for i in 1..=FRAMES as u64 {
            lane.input(base + i, &Input::Frame(&i.to_le_bytes().repeat(1 << 17)));
            lane.send();
        }
    };
    let (folder, report) = recorded(FRAMES, all, |_, _| {});
    assert_eq!(findings(folder.path()), []);
    let frame = |(.., said): &&(u64, FeedId, Nanos, String)| said.starts_with("Input(Frame");
    assert_eq!(read(folder.path()).iter().filter(frame).count(), FRAMES);
    // The first MiB is compressed before anybody looks at the queue; the end is a block, too.
    assert!((16..=FRAMES as u64).contains(&report.hurried_blocks), "{}", report.hurried_blocks);
}

#[tokio::test]
async fn a_directory_that_comes_later_is_used_and_the_loss_told() {
    let folder = tempfile::tempdir().unwrap();
    let way = folder.path().join("way");
    std::fs::write(&way, "in the way").unwrap();
    let dir = way.join("tape");
    let (mut recorder, lanes) = start(&TapeSettings::new(&dir), String::new()).unwrap();
    let mut lane = lanes.lane(0);
    drop(lanes);
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    lane.input(base + 1, &Input::Start);
    lane.send();
    let loss = recorder.news.recv().await.unwrap();
    assert_eq!((loss.feed, loss.to), (FEED, None));
    assert!(recorder.shared.report().failing.is_some());
    std::fs::remove_file(&way).unwrap();
    let loss = recorder.news.recv().await.unwrap();
    assert_eq!((loss.from, loss.to), (base, Some(base + 1)));
    lane.input(base + 2, &Input::Opened);
    drop(lane);
    assert_eq!(recorder.ended.await, Ok(None));
    let found = findings(&dir);
    let [Finding::Lost { feed: FEED, lost, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(lost.records, Some(2));
    let all = read(&dir);
    assert!(all.iter().any(|(.., said)| said.contains("again: true")), "{all:#?}");
    assert!(all.iter().all(|(_, feed, ..)| *feed != ALL_FEEDS));
}

#[test]
fn a_loss_at_the_very_end_is_told_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&TapeSettings::new(folder.path()), String::new());
    let shared = Arc::new(Shared { dir: folder.path().to_owned(), ..Shared::default() });
    let (chunks, queue) = sync_channel(1);
    let mut lane = Lanes { shared: Arc::clone(&shared), chunks, digests: true }.lane(0);
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    lane.send();
    lane.input(base + 1, &Input::Start);
    drop(lane);
    let writer = TapeWriter::open(folder.path(), options.clone(), base).unwrap();
    let (news, _kept) = mpsc::channel(8);
    let recording =
        thread::Recording::new(Arc::clone(&shared), options, true, news, Some(Ok(writer)));
    assert_eq!(recording.run(&queue), None);
    assert_eq!(shared.report().lost_records, 1);
    let found = findings(folder.path());
    let [Finding::Lost { feed: ALL_FEEDS, lost, .. }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(lost.records, Some(1));
}

#[tokio::test]
async fn what_comes_before_this_process_may_record_is_recorded_then_or_never() {
    for begins in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("tape");
        let settings = TapeSettings::new(&dir);
        let (recorder, lanes, begin) = start_later(&settings, String::new()).unwrap();
        let mut lane = lanes.lane(10);
        drop(lanes);
        let base = crate::clock::wall_now();
        lane.start(base, FEED, b"config".to_vec());
        lane.input(base + 1, &Input::Start);
        lane.send();
        assert!(!dir.exists(), "another process has the directory");
        match begins {
            true => begin.send(()).unwrap(),
            false => drop(begin),
        }
        lane.input(base + 2, &Input::Opened);
        drop(lane);
        assert_eq!(recorder.ended.await, Ok(None));
        assert_eq!(dir.exists(), begins);
        if begins {
            let said = read(&dir);
            assert_eq!(said.iter().filter(|(.., said)| said.starts_with("Input")).count(), 2);
            assert_eq!(recorder.shared.report().queue_bytes, 0);
            assert!(findings(&dir).is_empty());
        }
    }
}

#[tokio::test]
async fn inputs_for_which_there_is_room_are_kept_even_if_their_outputs_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TapeSettings::new(folder.path());
    let (recorder, lanes, begin) = start_later(&settings, String::new()).unwrap();
    let mut lane = lanes.lane(0);
    drop(lanes);
    let base = crate::clock::wall_now();
    lane.start(base, FEED, b"config".to_vec());
    lane.input(base + 1, &Input::Start);
    lane.send();
    let mut batch = market_data_model::Batch::default();
    let header = market_data_model::Header {
        feed: FEED,
        n: 1,
        channel: None,
        inst: None,
        ts_event: None,
        ts_recv: base,
    };
    // Heavier than the queue.
    for _ in 0..=QUEUE_BYTES_MAX / 160 {
        batch.push_ticker(header, market_data_model::Ticker::default());
    }
    lane.input(base + 2, &Input::Opened);
    lane.events(&Arc::new(batch));
    lane.send();
    begin.send(()).unwrap();
    drop(lane);
    assert_eq!(recorder.ended.await, Ok(None));
    assert_eq!(recorder.shared.report().lost_records, 0);
    assert_eq!(recorder.shared.report().queue_bytes, 0);
    let said = read(folder.path());
    assert_eq!(said.iter().filter(|(.., said)| said.starts_with("Input")).count(), 2);
}

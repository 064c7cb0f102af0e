//! An upload that ends at every possible place, against what must hold there and afterwards.

use super::*;
use crate::signals::Interrupt;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use market_data_archive::disk;
use market_data_archive::manifest::Dir;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use std::fmt;
use std::fs;
use std::sync::atomic::AtomicUsize;
use tempfile::TempDir;

/// A store that takes so many puts and then refuses.
#[derive(Debug)]
struct Failing {
    store: Arc<InMemory>,
    puts: AtomicUsize,
    fails_after: usize,
}

impl Failing {
    fn put(&self) -> StoreResult<()> {
        if self.puts.fetch_add(1, Relaxed) < self.fails_after {
            return Ok(());
        }
        Err(object_store::Error::Generic { store: "test", source: "it is full".into() })
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, to: &Path, p: PutPayload, o: PutOptions) -> StoreResult<PutResult> {
        self.put()?;
        self.store.put_opts(to, p, o).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.put()?;
        self.store.put_multipart_opts(to, options).await
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.store.get_opts(from, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(from, to, options).await
    }
}

const FILES: [(&str, &str, usize); 5] = [
    ("venue=okx/channel=trades/inst_id=A%2FB/date=2026-11-22", "part-000001.parquet", 4000),
    ("venue=okx/channel=trades/inst_id=A%2FB/date=2026-11-23", "part-000001.parquet", 10),
    ("venue=okx/channel=trades/inst_id=A%2FB/date=2026-11-23", "part-000002.parquet", 2000),
    ("venue=okx/channel=books/inst_id=BTC-USDT/date=2026-11-23", "part-000002.parquet", 999),
    ("venue=okx/table=gaps/date=2026-11-23", "part-000002.parquet", 1001),
];

/// An archive of files whose bytes depend on `state`; the first and the last do not.
fn archive(state: u8) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, (rel, name, length)) in FILES.into_iter().enumerate() {
        let byte = if at == 0 || at == 4 { 0 } else { state };
        let dir = folder.path().join(rel);
        fs::create_dir_all(&dir).expect("made");
        fs::write(dir.join(name), vec![byte ^ at as u8; length]).expect("written");
    }
    seal(folder.path());
    folder
}

/// Writes the manifests of a directory and of all below.
fn seal(dir: &std::path::Path) -> Dir {
    let mut manifest = Manifest::new();
    let (dirs, files) = disk::list(dir).expect("a list");
    for name in dirs {
        manifest.put_dir(seal(&dir.join(name)));
    }
    for name in files.into_iter().filter(|name| name.ends_with(".parquet")) {
        let (sha256, bytes) = disk::sum_file(&dir.join(&name)).expect("a sum");
        let (records, rows, first_ts_recv, last_ts_recv) = (1, 1, 0, 0);
        let (first_id, last_id, segments) = (None, None, vec![1]);
        manifest.put_file(FileRow {
            name,
            bytes,
            sha256,
            records,
            rows,
            first_ts_recv,
            last_ts_recv,
            first_id,
            last_id,
            segments,
        });
    }
    manifest.save(dir).expect("saved")
}

async fn upload(
    dir: &TempDir,
    store: Arc<dyn ObjectStore>,
    change: impl FnOnce(&mut Upload<'_>),
) -> anyhow::Result<Sent> {
    let root = Path::parse("some/prefix").expect("a path");
    let local = local::look(dir.path(), &Interrupt::listen())?;
    let place = Place { store, root };
    let mut upload = Upload::new(place, dir.path(), Arc::default(), &|_| {});
    upload.part = 1000;
    change(&mut upload);
    upload.expects(&Manifest::load(dir.path())?.expect("a root").0).await?;
    upload.run(&local).await
}

/// Everything at the place, by path below the root.
async fn everything(store: &InMemory) -> BTreeMap<String, Bytes> {
    let found: Vec<ObjectMeta> = store.list(None).try_collect().await.expect("a list");
    let mut all = BTreeMap::new();
    for found in found {
        let got = store.get(&found.location).await.expect("it is there");
        let rel = found.location.as_ref().strip_prefix("some/prefix/").expect("below the root");
        all.insert(rel.to_owned(), got.bytes().await.expect("bytes"));
    }
    all
}

/// What must hold whenever an upload ends: no manifest names a file that is not there.
fn is_true(all: &BTreeMap<String, Bytes>) {
    for (path, text) in all.iter().filter(|(path, _)| path.ends_with(NAME)) {
        let dir = path.strip_suffix(NAME).expect("its name");
        for file in Manifest::parse(text).expect("a manifest").files {
            let bytes = all.get(&format!("{dir}{}", file.name)).expect("a named file is there");
            assert_eq!(disk::sum(bytes), file.sha256, "{dir}{}", file.name);
        }
    }
}

fn is_copy(all: &BTreeMap<String, Bytes>, dir: &TempDir) {
    for (path, bytes) in all {
        let local = fs::read(dir.path().join(path)).expect("it is here, too");
        assert_eq!(&local[..], bytes, "{path}");
    }
    // And a manifest in each of the four leaves and the seven directories above them.
    assert_eq!(all.len(), FILES.len() + 11);
}

#[tokio::test]
async fn a_second_upload_sends_nothing_and_a_change_only_itself() {
    let (one, two) = (archive(1), archive(2));
    let store = Arc::new(InMemory::new());
    let sent = upload(&one, store.clone(), |_| {}).await.expect("sent");
    assert_eq!((sent.files, sent.skipped, sent.manifests), (5, 0, 11));
    is_copy(&everything(&store).await, &one);
    let sent = upload(&one, store.clone(), |_| {}).await.expect("sent");
    assert_eq!((sent.files, sent.skipped, sent.manifests), (0, 5, 0));
    let dry = upload(&two, store.clone(), |upload| upload.dry_run = true).await.expect("looked");
    is_copy(&everything(&store).await, &one);
    let sent = upload(&two, store.clone(), |_| {}).await.expect("sent");
    assert_eq!((sent.files, sent.skipped), (3, 2));
    assert_eq!(sent, dry);
    is_copy(&everything(&store).await, &two);
}

#[tokio::test]
async fn wherever_an_upload_ends_nothing_is_claimed_that_is_not_there_and_the_next_goes_on() {
    let (one, two) = (archive(1), archive(2));
    for begin_with_one in [false, true] {
        let mut ends = 0;
        for fails_after in 0.. {
            let store = Arc::new(InMemory::new());
            if begin_with_one {
                upload(&one, store.clone(), |_| {}).await.expect("sent");
            }
            let puts = AtomicUsize::new(0);
            let failing = Arc::new(Failing { store: store.clone(), puts, fails_after });
            let ended = upload(&two, failing, |_| {}).await;
            let all = everything(&store).await;
            is_true(&all);
            if ended.is_ok() {
                is_copy(&all, &two);
                break;
            }
            ends += 1;
            if !begin_with_one {
                assert!(!all.contains_key(NAME), "the root comes last");
            }
            // Either the same again, or what was there before: both must come out whole.
            for next in if begin_with_one { [&one, &two] } else { [&two, &two] } {
                upload(next, store.clone(), |_| {}).await.expect("sent");
                is_copy(&everything(&store).await, next);
            }
        }
        assert!(ends > 10, "{ends}");
    }
}

#[tokio::test]
async fn a_file_that_was_changed_is_not_sent_whether_in_one_part_or_many() {
    for at in [0, 3] {
        let dir = archive(1);
        let (rel, name, length) = FILES[at];
        fs::write(dir.path().join(rel).join(name), vec![77; length]).expect("written");
        let store = Arc::new(InMemory::new());
        let error = upload(&dir, store.clone(), |_| {}).await.expect_err("refused").to_string();
        assert!(error.contains("its bytes are not those that its manifest tells"), "{error}");
        let all = everything(&store).await;
        is_true(&all);
        assert!(!all.contains_key(&format!("{rel}/{name}")));
        fs::write(dir.path().join(rel).join(name), b"short").expect("written");
        let error = upload(&dir, store, |_| {}).await.expect_err("refused").to_string();
        assert!(error.contains("it is gone or has another length"), "{error}");
    }
    let dir = archive(1);
    seal(&dir.path().join(FILES[0].0));
    Manifest::new().save(&dir.path().join(FILES[4].0)).expect("a forgery");
    let error = upload(&dir, Arc::new(InMemory::new()), |_| {}).await.expect_err("refused");
    assert!(error.to_string().contains("the manifest above names another"), "{error}");
}

#[tokio::test]
async fn only_what_no_manifest_names_is_pruned_and_only_when_asked() {
    let dir = archive(1);
    let store = Arc::new(InMemory::new());
    upload(&dir, store.clone(), |_| {}).await.expect("sent");
    let stray = Path::parse(format!("some/prefix/{}/old.parquet", FILES[1].0)).expect("a path");
    let other = Path::parse("some/prefix/README").expect("a path");
    for path in [&stray, &other] {
        store.put(path, "x".into()).await.expect("put");
    }
    let sent = upload(&dir, store.clone(), |_| {}).await.expect("sent");
    assert_eq!((sent.unknown, sent.deleted, sent.files), (1, 0, 0));
    let dry = |upload: &mut Upload<'_>| (upload.prune, upload.dry_run) = (true, true);
    upload(&dir, store.clone(), dry).await.expect("looked");
    store.head(&stray).await.expect("a dry run deletes nothing");
    let sent = upload(&dir, store.clone(), |upload| upload.prune = true).await.expect("sent");
    assert_eq!((sent.unknown, sent.deleted, sent.files), (0, 1, 0));
    store.head(&stray).await.expect_err("it is deleted");
    store.head(&other).await.expect("it is none of ours");
}

#[tokio::test]
async fn a_place_that_is_somebody_elses_is_left_alone() {
    let dir = archive(1);
    let store = Arc::new(InMemory::new());
    let root = Path::parse(format!("some/prefix/{NAME}")).expect("a path");
    let made = market_data_archive::Made { tape: 7, book_interval_ms: None, book_depth: 20 };
    let other = Manifest { made: Some(made), ..Manifest::new() };
    for (text, why) in [(other.text(), "another tape"), ("{}".to_owned(), "not of an archive")] {
        store.put(&root, text.into()).await.expect("put");
        let error = upload(&dir, store.clone(), |_| {}).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(everything(&store).await.len(), 1);
    }
}

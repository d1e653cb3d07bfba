//! A store that cannot be relied on: by a seed it errs before and after it has done
//! what was asked, is slow, cuts answers short, and lies about what it has done.
//!
//! What it does not do is lie in a listing: no client can tell a listing that lacks an
//! object from an object that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

/// What a store does instead of what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An error, and nothing is done.
    Err,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is done, late.
    Delay,
    /// An answer that ends early, as if that were all.
    Truncate,
    /// An answer that breaks off with an error.
    BreakOff,
    /// It is done, and "there was one already" is answered.
    SayExists,
    /// It is not done, and success is answered.
    Forget,
    /// Half of it is done, and success is answered.
    Half,
}

const OF_PUTS: &[Fault] = &[
    Fault::Err,
    Fault::LoseAnswer,
    Fault::Delay,
    Fault::SayExists,
    Fault::Forget,
];
/// Of what a backup's attempt puts under names of its own: anything else is put until
/// it is there, and half of it would spoil its name for good.
const OF_ATTEMPTS: &[Fault] = &[
    Fault::Err,
    Fault::LoseAnswer,
    Fault::Delay,
    Fault::SayExists,
    Fault::Forget,
    Fault::Half,
    Fault::Half,
];
const OF_GETS: &[Fault] = &[Fault::Err, Fault::Delay, Fault::Truncate, Fault::BreakOff];
const OF_DELETES: &[Fault] = &[Fault::Err, Fault::LoseAnswer, Fault::Delay, Fault::Forget];
const OF_LISTS: &[Fault] = &[Fault::Err, Fault::Delay, Fault::BreakOff];

const LONGEST_DELAY_MS: u64 = 20;

/// What it did, shared by all that look at it.
#[derive(Debug, Clone, Default)]
pub struct Misdeeds(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    counts: BTreeMap<Fault, u64>,
    lied_about: BTreeSet<String>,
}

impl Misdeeds {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, fault: Fault, path: &str) {
        let mut done = self.done();
        *done.counts.entry(fault).or_default() += 1;
        if matches!(fault, Fault::Forget | Fault::Half) {
            done.lied_about.insert(path.to_owned());
        }
    }

    /// How often it did what.
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        self.done().counts.clone()
    }

    /// Whether it has said of an object whose name ends so that it did something, and
    /// had not.
    pub fn lied_about(&self, ending: &str) -> bool {
        let done = self.done();
        done.lied_about.iter().any(|path| path.ends_with(ending))
    }
}

/// A store that cannot be relied on, around one that can.
#[derive(Debug)]
pub struct Unreliable {
    inner: Arc<dyn ObjectStore>,
    random: Mutex<fastrand::Rng>,
    /// Of a thousand requests, how many are not done as they should be.
    per_mille: u32,
    spared: Option<Fault>,
    misdeeds: Misdeeds,
}

impl Unreliable {
    /// Around `inner`. Of requests that come one after the other, the same seed spoils
    /// the same ones.
    pub fn over(inner: Arc<dyn ObjectStore>, seed: u64, per_mille: u32) -> Self {
        Self {
            inner,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            per_mille,
            spared: None,
            misdeeds: Misdeeds::default(),
        }
    }

    /// The same, but this it never does.
    #[must_use]
    pub fn without(self, spared: Fault) -> Self {
        Self {
            spared: Some(spared),
            ..self
        }
    }

    /// What it will have done.
    pub fn misdeeds(&self) -> Misdeeds {
        self.misdeeds.clone()
    }

    fn random(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do instead of what is asked, of these.
    fn fault(&self, of: &[Fault], path: &str) -> Option<Fault> {
        let mut random = self.random();
        if random.u32(0..1000) >= self.per_mille {
            return None;
        }
        let fault = of[random.usize(0..of.len())];
        drop(random);
        if self.spared == Some(fault) {
            return None;
        }
        self.misdeeds.note(fault, path);
        Some(fault)
    }

    async fn delay(&self) {
        let length = self.random().u64(1..=LONGEST_DELAY_MS);
        tokio::time::sleep(Duration::from_millis(length)).await;
    }

    async fn put_spoiled(
        &self,
        fault: Fault,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match fault {
            Fault::Err => return Err(lost("nothing was done")),
            Fault::Forget => return Ok(success()),
            Fault::Half => {
                let whole = Bytes::from(payload);
                let half = whole.slice(..whole.len() / 2);
                return self.inner.put_opts(path, half.into(), options).await;
            }
            Fault::Delay => self.delay().await,
            _ => {}
        }
        let created = options.mode == PutMode::Create;
        let put = self.inner.put_opts(path, payload, options).await?;
        match fault {
            Fault::LoseAnswer => Err(lost("the answer is lost")),
            Fault::SayExists if created => Err(object_store::Error::AlreadyExists {
                path: path.to_string(),
                source: "it was put just now".into(),
            }),
            _ => Ok(put),
        }
    }

    fn listed(
        &self,
        prefix: Option<&Path>,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let place = prefix.map(ToString::to_string).unwrap_or_default();
        let error = || stream::once(std::future::ready(Err(lost("the list broke off"))));
        match self.fault(OF_LISTS, &place) {
            Some(Fault::Err) => error().boxed(),
            Some(Fault::BreakOff) => listed.take(1).chain(error()).boxed(),
            _ => listed,
        }
    }
}

fn is_of_attempt(path: &Path) -> bool {
    let path = path.as_ref();
    path.contains("/packs/") || path.contains("/manifests/")
}

fn success() -> PutResult {
    PutResult {
        e_tag: None,
        version: None,
        extensions: object_store::Extensions::default(),
    }
}

fn lost(what: &str) -> object_store::Error {
    let source = std::io::Error::new(std::io::ErrorKind::TimedOut, what.to_owned());
    object_store::Error::Generic {
        store: "Unreliable",
        source: Box::new(source),
    }
}

/// The first half of an answer, and then its end or an error.
async fn cut(got: GetResult, error: Option<object_store::Error>) -> Result<GetResult> {
    let (meta, range) = (got.meta.clone(), got.range.clone());
    let (attributes, extensions) = (got.attributes.clone(), got.extensions.clone());
    let whole = got.bytes().await?;
    let half = Ok(whole.slice(..whole.len() / 2));
    let answer = stream::iter(std::iter::once(half).chain(error.map(Err)));
    Ok(GetResult {
        payload: GetResultPayload::Stream(answer.boxed()),
        meta,
        range,
        attributes,
        extensions,
    })
}

impl fmt::Display for Unreliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unreliable({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Unreliable {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let of = match is_of_attempt(path) {
            true => OF_ATTEMPTS,
            false => OF_PUTS,
        };
        match self.fault(of, path.as_ref()) {
            None => self.inner.put_opts(path, payload, options).await,
            Some(fault) => self.put_spoiled(fault, path, payload, options).await,
        }
    }

    /// A repository puts whole objects only.
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        match self.fault(OF_GETS, path.as_ref()) {
            Some(Fault::Err) => return Err(lost("no answer")),
            Some(Fault::Delay) => self.delay().await,
            Some(Fault::Truncate) if !is_head => {
                return cut(self.inner.get_opts(path, options).await?, None).await;
            }
            Some(Fault::BreakOff) if !is_head => {
                let error = Some(lost("the answer broke off"));
                return cut(self.inner.get_opts(path, options).await?, error).await;
            }
            _ => {}
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let fault = self.fault(OF_DELETES, "");
        let inner = Arc::clone(&self.inner);
        paths
            .and_then(move |path| {
                let inner = Arc::clone(&inner);
                async move {
                    match fault {
                        Some(Fault::Err) => return Err(lost("nothing was deleted")),
                        Some(Fault::Forget) => return Ok(path),
                        _ => inner.delete(&path).await?,
                    }
                    match fault {
                        Some(Fault::LoseAnswer) => Err(lost("the answer is lost")),
                        _ => Ok(path),
                    }
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let place = prefix.map(ToString::to_string).unwrap_or_default();
        match self.fault(OF_LISTS, &place) {
            Some(Fault::Err | Fault::BreakOff) => Err(lost("no list")),
            _ => self.inner.list_with_delimiter(prefix).await,
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

//! A store that misbehaves on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

/// A store that misbehaves on command.
#[derive(Debug)]
pub struct Unruly {
    pub inner: Arc<dyn ObjectStore>,
    /// Puts that are done and then answered with a timeout.
    pub lose_answers: AtomicUsize,
    /// Puts of names with this part fail.
    pub refuse: &'static str,
    /// Puts that still succeed: whoever writes is killed before the next one.
    pub puts_left: AtomicUsize,
    /// Puts of names with this part are acknowledged and not done.
    pub forget: &'static str,
    /// Puts of names with this part store half of it.
    pub truncate: &'static str,
    /// Whether a create overwrites.
    pub overwrite: bool,
    /// When a segment is asked for the first time: put this, drop that.
    pub swap: Option<Swap>,
    pub swapped: AtomicBool,
}

#[derive(Debug)]
pub struct Swap {
    pub put: (Path, Vec<u8>),
    pub delete: Path,
}

impl Unruly {
    pub fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            lose_answers: AtomicUsize::new(0),
            refuse: "\0",
            puts_left: AtomicUsize::new(usize::MAX),
            forget: "\0",
            truncate: "\0",
            overwrite: false,
            swap: None,
            swapped: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Display for Unruly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unruly")
    }
}

fn timeout() -> object_store::Error {
    let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "the answer is lost");
    object_store::Error::Generic {
        store: "Unruly",
        source: Box::new(source),
    }
}

#[async_trait]
impl ObjectStore for Unruly {
    async fn put_opts(
        &self,
        path: &Path,
        mut payload: PutPayload,
        mut options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let left = self
            .puts_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_err() {
            return Err(object_store::Error::Generic {
                store: "Unruly",
                source: Box::new(std::io::Error::other("killed")),
            });
        }
        if path.as_ref().contains(self.forget) {
            return Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: object_store::Extensions::default(),
            });
        }
        if path.as_ref().contains(self.truncate) {
            let whole = bytes::Bytes::from(payload);
            payload = whole.slice(..whole.len() / 2).into();
        }
        if path.as_ref().contains(self.refuse) {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(object_store::Error::Generic {
                store: "Unruly",
                source: Box::new(source),
            });
        }
        if self.overwrite {
            options.mode = object_store::PutMode::Overwrite;
        }
        let put = self.inner.put_opts(path, payload, options).await?;
        let lost = self
            .lose_answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if lost.is_ok() {
            Err(timeout())
        } else {
            Ok(put)
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let got = self.inner.get_opts(path, options).await;
        if let Some(swap) = &self.swap
            && swap.put.0 == *path
            && !self.swapped.swap(true, Ordering::SeqCst)
        {
            use object_store::ObjectStoreExt;
            self.inner.put(path, swap.put.1.clone().into()).await?;
            self.inner.delete(&swap.delete).await?;
        }
        got
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

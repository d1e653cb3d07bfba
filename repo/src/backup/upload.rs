//! Uploads on the runtime for threads that are not on it.
//!
//! Bounded: a thread that submits more than the store takes waits, so memory
//! stays what was configured. The first failure ends the attempt for all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::store::Store;
use crate::{Error, FanOut, KeptUp, Result, failpoint};

pub(super) struct Uploader {
    runtime: Handle,
    store: Store,
    limit: usize,
    fan_out: OnceLock<FanOut>,
    state: Mutex<State>,
    changed: Condvar,
    idle: Notify,
}

#[derive(Default)]
struct State {
    running: usize,
    uploaded_bytes: u64,
    failed: Option<Arc<Error>>,
}

impl Uploader {
    /// Must be called on the runtime that shall upload.
    pub(super) fn new(store: Store, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            runtime: Handle::current(),
            store,
            limit: limit.max(1),
            fan_out: OnceLock::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
            idle: Notify::new(),
        })
    }

    /// Offers to copies what is uploaded from now on. The first call counts.
    pub(super) fn fan_out(&self, copies: FanOut) {
        self.fan_out.get_or_init(|| copies);
    }

    pub(super) fn kept_up(&self) -> Vec<KeptUp> {
        self.fan_out.get().map(FanOut::kept_up).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads `bytes` in the background, once there is room. Blocks, so not
    /// for threads of the runtime.
    pub(super) fn submit(self: &Arc<Self>, name: String, bytes: Bytes) -> Result<()> {
        let mut state = self.state();
        loop {
            if let Some(cause) = &state.failed {
                return Err(Error::Aborted(Arc::clone(cause)));
            }
            if state.running < self.limit {
                break;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.running += 1;
        drop(state);
        // Counted down even if the task is cancelled with its runtime.
        let mut running = Running {
            uploader: Arc::clone(self),
            answered: false,
        };
        self.runtime.spawn(async move {
            let length = bytes.len() as u64;
            failpoint!("put::pack::before");
            let created = running
                .uploader
                .store
                .create_own(&name, bytes.clone())
                .await;
            failpoint!("put::pack::after");
            match created {
                Ok(()) => {
                    if let Some(copies) = running.uploader.fan_out.get() {
                        copies.offer(&name, &bytes);
                    }
                    running.uploader.state().uploaded_bytes += length;
                }
                Err(error) => running.uploader.fail(error),
            }
            running.answer();
        });
        Ok(())
    }

    /// Ends the attempt: nothing more is uploaded.
    pub(super) fn fail(&self, error: Error) {
        self.state().failed.get_or_insert_with(|| Arc::new(error));
        self.changed.notify_all();
    }

    /// Fails if an upload failed.
    pub(super) fn check(&self) -> Result<()> {
        match &self.state().failed {
            Some(cause) => Err(Error::Aborted(Arc::clone(cause))),
            None => Ok(()),
        }
    }

    pub(super) fn uploaded_bytes(&self) -> u64 {
        self.state().uploaded_bytes
    }

    /// Waits until everything submitted is durable.
    pub(super) async fn drain(&self) -> Result<()> {
        loop {
            // Registered before the look, so that no wake-up is lost.
            let idle = self.idle.notified();
            if self.state().running == 0 {
                return self.check();
            }
            idle.await;
        }
    }
}

struct Running {
    uploader: Arc<Uploader>,
    answered: bool,
}

impl Running {
    /// A method, so that the task owns all of it and not a copy of the flag.
    fn answer(&mut self) {
        self.answered = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.answered {
            // Cancelled with its runtime, or panicked: the object may be missing.
            self.uploader
                .fail(Error::Unfinished("an upload was cancelled"));
        }
        let mut state = self.uploader.state();
        state.running -= 1;
        if state.running == 0 {
            self.uploader.idle.notify_waiters();
        }
        drop(state);
        self.uploader.changed.notify_all();
    }
}

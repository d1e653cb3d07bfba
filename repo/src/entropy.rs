//! Randomness and time, in one place, so that tests can fix both and hold the
//! format against golden bytes.

use std::fmt;
use std::sync::Arc;

use holdfast_types::{KeyId, RepositoryId};
use jiff::Timestamp;
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use uuid::Uuid;

/// Where nonces, keys, ids and times come from.
#[derive(Clone)]
pub(crate) struct Entropy(Arc<dyn Supply>);

trait Supply: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
    fn now(&self) -> Timestamp;
}

struct System;

impl Supply for System {
    /// The kernel's. A library's own generator gathers noise first, for longer than it
    /// takes to store a segment, in every process and thread that is new.
    fn fill(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::rand::getrandom(&mut *rest, GetRandomFlags::empty()) {
                Ok(filled) => rest = &mut rest[filled..],
                Err(Errno::INTR) => {}
                Err(error) => panic!("the system has no random generator: {error}"),
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy {
    pub(crate) fn system() -> Self {
        Self(Arc::new(System))
    }

    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.now()
    }

    pub(crate) fn key_id(&self) -> KeyId {
        KeyId::from_uuid(self.uuid())
    }

    pub(crate) fn repository_id(&self) -> RepositoryId {
        RepositoryId::from_uuid(self.uuid())
    }

    /// A UUID of version 7.
    pub(crate) fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// The system's randomness, and a clock that tests move: seconds since 1970.
    #[cfg(test)]
    pub(crate) fn at(clock: Arc<std::sync::atomic::AtomicI64>) -> Self {
        struct Moved(Arc<std::sync::atomic::AtomicI64>);
        impl Supply for Moved {
            fn fill(&self, bytes: &mut [u8]) {
                System.fill(bytes);
            }
            fn now(&self) -> Timestamp {
                let second = self.0.load(std::sync::atomic::Ordering::Relaxed);
                Timestamp::from_second(second).expect("within the range of jiff")
            }
        }
        Self(Arc::new(Moved(clock)))
    }

    /// A supply of a fixed time and counting bytes.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        struct Fixed(std::sync::atomic::AtomicU8);
        impl Supply for Fixed {
            fn fill(&self, bytes: &mut [u8]) {
                let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                bytes.fill(next);
            }
            fn now(&self) -> Timestamp {
                Timestamp::from_second(1_785_000_000).expect("within the range of jiff")
            }
        }
        Self(Arc::new(Fixed(std::sync::atomic::AtomicU8::new(0x10))))
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

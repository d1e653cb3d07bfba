//! Copying objects: read whole, looked at from outside, put if absent, compared
//! when they are there.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use holdfast_types::KeyId;

use super::LineageCopy;
use crate::chunk::PackId;
use crate::crypto::PlainHash;
use crate::envelope::{Header, Kind};
use crate::error::Damage;
use crate::store::Created;
use crate::{Error, Result, pack};

/// How many objects are on the way at a time. Each is whole in memory, and no
/// object is larger than a pack, so this bounds what a copy takes.
const AT_ONCE: usize = 4;

/// An object to copy.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its full name.
    pub(super) name: String,
    /// How large it must be.
    pub(super) bytes: u64,
    pub(super) is: Is,
}

/// What can be told of an object without opening it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Is {
    Pack(PackId, KeyId),
    Section(PlainHash),
    Sealed(Kind),
}

impl Is {
    fn check(self, bytes: &[u8]) -> Result<(), Damage> {
        match self {
            Self::Pack(pack, key) => pack::check_header(bytes, pack, key),
            Self::Section(hash) => match Header::decode(bytes, Kind::Section)?.plain_hash == hash {
                true => Ok(()),
                false => Err(Damage::Hash),
            },
            Self::Sealed(kind) => Header::decode(bytes, kind).map(|_| ()),
        }
    }
}

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Copied,
    /// It was there.
    There,
    /// It is not in the original any more.
    Gone,
}

impl LineageCopy {
    /// What is stored below a directory of the copy, by name, with its size.
    pub(super) async fn there(&self, below: &str) -> Result<BTreeMap<String, u64>> {
        let mut listed = self.to.repository.store.list(&self.to.name(below));
        let mut found = BTreeMap::new();
        while let Some(item) = listed.try_next().await? {
            found.insert(item.name, item.size);
        }
        Ok(found)
    }

    /// Copies those of `wanted` that are not `there`, several at a time, and hands
    /// each outcome to `each` in the order of `wanted`.
    ///
    /// What the listing shows with the right size is not read again: it was put
    /// whole, by put-if-absent, by whoever copied it. What turns up while it is put
    /// is compared byte for byte.
    pub(super) async fn copy_all(
        &self,
        wanted: Vec<Wanted>,
        there: &BTreeMap<String, u64>,
        mut each: impl FnMut(&Wanted, Outcome) -> Result<()> + Send,
    ) -> Result<()> {
        for one in &wanted {
            self.progress.expect(one.bytes);
        }
        let copy = |one: Wanted| {
            let size = there.get(&one.name).copied();
            async move {
                let outcome = self.copy_one(&one, size).await?;
                Ok::<_, Error>((one, outcome))
            }
        };
        let mut copies = stream::iter(wanted).map(copy).buffered(AT_ONCE);
        while let Some((one, outcome)) = copies.try_next().await? {
            if outcome != Outcome::Gone {
                self.progress.done(one.bytes, outcome == Outcome::Copied);
            }
            each(&one, outcome)?;
        }
        Ok(())
    }

    async fn copy_one(&self, one: &Wanted, there: Option<u64>) -> Result<Outcome> {
        match there {
            Some(size) if size == one.bytes => return Ok(Outcome::There),
            Some(_) => return Err(self.differs(&one.name)),
            None => {}
        }
        let Some(bytes) = self.from.repository.store.read(&one.name).await? else {
            return Ok(Outcome::Gone);
        };
        let damaged = |damage| Error::damaged(&one.name, damage);
        if bytes.len() as u64 != one.bytes {
            return Err(damaged(Damage::Truncated));
        }
        one.is.check(&bytes).map_err(damaged)?;
        self.put(&one.name, bytes).await
    }

    /// Puts sealed bytes under their name, or compares them with what is there.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<Outcome> {
        let store = &self.to.repository.store;
        if store.create(name, bytes.clone()).await? == Created::Yes {
            store.prove_stored(name, bytes.len() as u64).await?;
            return Ok(Outcome::Copied);
        }
        if store.read_existing(name).await? == bytes {
            Ok(Outcome::There)
        } else {
            Err(self.differs(name))
        }
    }
}

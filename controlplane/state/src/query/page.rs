//! Pages of lists, by key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{ColumnTrait, Value};
use sea_orm::{Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StateError;

/// The most items of one page.
pub const LIMIT_MAX: u64 = 1000;

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items; more than [`LIMIT_MAX`] is that many.
    pub limit: u64,
    /// Where the page before ended; `None` is the first page.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// The first page.
    pub const fn first(limit: u64) -> Self {
        let cursor = None;
        Self { limit, cursor }
    }

    /// As much as one page can hold.
    pub const fn longest() -> Self {
        Self::first(LIMIT_MAX)
    }

    /// How many items it holds at most.
    pub fn limit(&self) -> usize {
        let limit = self.limit.clamp(1, LIMIT_MAX);
        // LIMIT_MAX fits any usize.
        limit.try_into().unwrap_or(1)
    }

    /// The key that the page before ended with.
    pub fn key<K: DeserializeOwned>(&self) -> Result<Option<K>, StateError> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let json = URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| StateError::BadCursor)?;
        let key = serde_json::from_slice(&json).map_err(|_| StateError::BadCursor)?;
        Ok(Some(key))
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of items of which one more than the limit was asked for.
    pub fn cut<K: Serialize>(
        mut items: Vec<T>,
        request: &PageRequest,
        key: impl FnOnce(&T) -> K,
    ) -> Self {
        let more = items.len() > request.limit();
        items.truncate(request.limit());
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|last| cursor(&key(last)));
        Self { items, next_cursor }
    }

    /// A page of all the items there are, which are sorted by their keys.
    pub fn of<K: Ord + Serialize + DeserializeOwned>(
        all: Vec<T>,
        request: &PageRequest,
        key: impl Fn(&T) -> K,
    ) -> Result<Self, StateError> {
        let after = request.key::<K>()?;
        let rest = all
            .into_iter()
            .filter(|item| after.as_ref().is_none_or(|after| key(item) > *after))
            .take(request.limit() + 1);
        Ok(Self::cut(rest.collect(), request, key))
    }

    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

pub(super) fn cursor<K: Serialize>(key: &K) -> String {
    let json = serde_json::to_vec(key).expect("a key is JSON: texts and numbers");
    URL_SAFE_NO_PAD.encode(json)
}

/// One page and a row more, ascending by a unique column.
pub(super) fn ascending<E: EntityTrait>(
    select: Select<E>,
    column: E::Column,
    after: Option<impl Into<Value>>,
    request: &PageRequest,
) -> Select<E> {
    let select = match after {
        Some(after) => select.filter(column.gt(after.into())),
        None => select,
    };
    select
        .order_by_asc(column)
        .limit(request.limit() as u64 + 1)
}

/// One page and a row more, newest first, ties by id.
pub(super) fn newest_first<E: EntityTrait>(
    select: Select<E>,
    (time, id): (E::Column, E::Column),
    before: Option<(Value, Value)>,
    limit: u64,
) -> Select<E> {
    let select = match before {
        Some((at, key)) => {
            let tie = Condition::all().add(time.eq(at.clone())).add(id.lt(key));
            // The first condition lets SQLite seek in the index; the second
            // alone would have it walk there from the top.
            select
                .filter(time.lte(at.clone()))
                .filter(Condition::any().add(time.lt(at)).add(tie))
        }
        None => select,
    };
    select.order_by_desc(time).order_by_desc(id).limit(limit)
}

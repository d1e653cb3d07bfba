//! How domain values are kept in SQLite: text by its one spelling, times in
//! microseconds, positions and counts as integers, the rest as JSON.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use holdfast_types::{Lsn, Revision, Timeline};
use jiff::Timestamp;
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryFromU64, TryGetError, TryGetable, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Digest, Sealed, canonical};

/// A value kept as the text it prints: ids, names, states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<T>(pub T);

/// A point in time, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

/// A WAL position. Commands refuse those above `i64::MAX`, which no server
/// reaches, so that the column sorts as the positions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub Lsn);

/// A number that never nears `i64::MAX`, where it would stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

/// Yes or no, kept as 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flag(pub bool);

/// A small number of either sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub i32);

/// A value kept as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A value kept as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes<T>(pub T);

impl Moment {
    /// `time` as a column keeps it.
    pub(crate) fn truncate(time: Timestamp) -> Timestamp {
        // In range: it came from a timestamp.
        Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
    }
}

impl From<Revision> for Count {
    fn from(revision: Revision) -> Self {
        Self(revision.0)
    }
}

impl From<Count> for Revision {
    fn from(count: Count) -> Self {
        Self(count.0)
    }
}

impl From<Timeline> for Count {
    fn from(timeline: Timeline) -> Self {
        Self(u64::from(timeline.get()))
    }
}

/// A timeline from its column.
pub(crate) fn timeline(count: Count) -> Result<Timeline, crate::StateError> {
    TryInto::<u32>::try_into(count.0)
        .ok()
        .and_then(Timeline::new)
        .ok_or_else(|| crate::StateError::corrupt(format!("{} is not a timeline", count.0)))
}

fn signed(number: u64) -> i64 {
    TryInto::<i64>::try_into(number).unwrap_or(i64::MAX)
}

fn type_error(problem: impl Display) -> TryGetError {
    TryGetError::DbErr(DbErr::Type(problem.to_string()))
}

/// Implements sea-orm's traits of a column by way of a primitive.
macro_rules! column {
    ($wrapper:ty $(, for $generic:ident: $($bound:path)|+)?;
     $primitive:ty = $array:ident, $column:expr;
     $value:ident => $into:expr; $stored:ident => $from:expr) => {
        impl $(<$generic: $($bound +)+>)? From<$wrapper> for Value {
            fn from($value: $wrapper) -> Self {
                Value::from($into)
            }
        }

        impl $(<$generic: $($bound +)+>)? TryGetable for $wrapper {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                let $stored = <$primitive>::try_get_by(row, index)?;
                $from
            }
        }

        impl $(<$generic: $($bound +)+>)? ValueType for $wrapper {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                let $stored = <$primitive as ValueType>::try_from(value)?;
                let parsed: Result<Self, TryGetError> = $from;
                parsed.map_err(|_| ValueTypeErr)
            }

            fn type_name() -> String {
                stringify!($wrapper).to_owned()
            }

            fn array_type() -> ArrayType {
                ArrayType::$array
            }

            fn column_type() -> ColumnType {
                $column
            }
        }

        impl $(<$generic: $($bound +)+>)? Nullable for $wrapper {
            fn null() -> Value {
                <$primitive as Nullable>::null()
            }
        }

        impl $(<$generic: $($bound +)+>)? TryFromU64 for $wrapper {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                // Asked for the row id of an insert; no key of ours is one.
                Err(DbErr::ConvertFromU64(stringify!($wrapper)))
            }
        }
    };
}

/// What [`Text`] holds.
pub trait Spelled: FromStr<Err: Display> + Display + Debug + Clone + PartialEq {}

impl<T: FromStr<Err: Display> + Display + Debug + Clone + PartialEq> Spelled for T {}

/// What [`Json`] holds.
pub trait Document: Serialize + DeserializeOwned + Debug + Clone + PartialEq {}

impl<T: Serialize + DeserializeOwned + Debug + Clone + PartialEq> Document for T {}

/// What [`Bytes`] holds.
pub trait Raw: Debug + Clone + PartialEq + Sized {
    /// It as bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// It from bytes; `None` when they are none of it.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

impl Raw for Digest {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

impl Raw for Sealed {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Some(Self::new(bytes))
    }
}

column!(Text<T>, for T: Spelled; String = String, ColumnType::Text;
    value => value.0.to_string();
    text => text.parse().map(Self).map_err(type_error));
column!(Json<T>, for T: Document; String = String, ColumnType::Text;
    value => to_json(&value.0);
    text => serde_json::from_str(&text).map(Self).map_err(type_error));
column!(Bytes<T>, for T: Raw; Vec<u8> = Bytes, ColumnType::Blob;
    value => value.0.to_bytes();
    bytes => T::from_bytes(bytes).map(Self).ok_or_else(|| type_error("bytes of another length")));
column!(Moment; i64 = BigInt, ColumnType::BigInteger;
    value => value.0.as_microsecond();
    micros => Timestamp::from_microsecond(micros).map(Self).map_err(type_error));
column!(Position; i64 = BigInt, ColumnType::BigInteger;
    value => signed(value.0.get());
    bytes => TryInto::<u64>::try_into(bytes).map(|bytes| Self(Lsn::new(bytes))).map_err(type_error));
column!(Count; i64 = BigInt, ColumnType::BigInteger;
    value => signed(value.0);
    number => TryInto::<u64>::try_into(number).map(Self).map_err(type_error));
column!(Flag; i64 = BigInt, ColumnType::BigInteger;
    value => i64::from(value.0);
    number => flag(number).map(Self).map_err(type_error));
column!(Rank; i64 = BigInt, ColumnType::BigInteger;
    value => i64::from(value.0);
    number => TryInto::<i32>::try_into(number).map(Self).map_err(type_error));

fn flag(number: i64) -> Result<bool, String> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("{other} is neither yes nor no")),
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("a domain value is JSON with text keys");
    canonical::to_string(&value)
}

#[cfg(test)]
mod tests {
    use holdfast_types::Name;

    use super::*;

    fn kept<T: ValueType + Into<Value>>(value: T) -> T {
        <T as ValueType>::unwrap(value.into())
    }

    #[test]
    fn values_survive_their_column() {
        let name = Text("orders".parse::<Name>().unwrap());
        assert_eq!(kept(name.clone()), name);
        let lsn = Position("16/B374D848".parse().unwrap());
        assert_eq!(kept(lsn), lsn);
        let time: Timestamp = "2026-02-03T02:41:07.123456789Z".parse().unwrap();
        assert_eq!(kept(Moment(time)).0, Moment::truncate(time));
        assert_eq!(
            kept(Moment(time)).0.to_string(),
            "2026-02-03T02:41:07.123456Z"
        );
        let digest = Bytes(Digest::of(b"x"));
        assert_eq!(kept(digest.clone()), digest);
    }

    #[test]
    fn a_word_that_is_none_is_an_error_and_no_panic() {
        let wrong = <Text<Name> as ValueType>::try_from(Value::from("Not A Name".to_owned()));
        assert!(wrong.is_err());
    }
}

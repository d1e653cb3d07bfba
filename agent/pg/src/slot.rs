//! Names of replication slots.
//!
//! A cluster's name holds `a-z 0-9 -`, a slot's `a-z 0-9 _`, both up to 63
//! bytes. Writing `-` as `_` loses nothing, since no cluster name holds `_`.
//! What then does not fit is cut and hashed; such a name has exactly 63 bytes
//! and a plain one at most 62, so the two kinds never meet.

use std::fmt;

use holdfast_types::Name;

const PREFIX: &str = "holdfast_";
/// PostgreSQL's NAMEDATALEN less its terminating zero.
const LONGEST: usize = 63;
/// 128 bits: no two clusters will ever share them.
const HASH_DIGITS: usize = 32;

/// A valid name of a replication slot: `[a-z0-9_]{1,63}`.
///
/// It needs no quoting in SQL or in the replication grammar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotName(String);

/// Text that cannot name a replication slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a replication slot: 1 to 63 of a-z, 0-9 and _")]
pub struct InvalidSlotName(pub String);

impl SlotName {
    /// The slot that keeps WAL for `cluster`: equal names for equal clusters,
    /// different names for different ones.
    pub fn for_cluster(cluster: &Name) -> Self {
        let plain = format!("{PREFIX}{}", cluster.as_str().replace('-', "_"));
        if plain.len() < LONGEST {
            return Self(plain);
        }
        let hash = blake3::hash(cluster.as_str().as_bytes()).to_hex();
        let kept = LONGEST - HASH_DIGITS - 1;
        Self(format!("{}_{}", &plain[..kept], &hash[..HASH_DIGITS]))
    }

    /// Checks a name, such as one that a person chose.
    pub fn parse(text: &str) -> Result<Self, InvalidSlotName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let valid = (1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSlotName(text.to_owned()))
        }
    }

    /// Whether a slot of this name is one of Holdfast's, so that orphans can
    /// be found (I-15).
    pub fn is_ours(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(cluster: &str) -> String {
        SlotName::for_cluster(&cluster.parse().unwrap()).to_string()
    }

    #[test]
    fn short_names_stay_readable() {
        assert_eq!(slot("orders-eu-1"), "holdfast_orders_eu_1");
    }

    #[test]
    fn long_names_that_differ_at_the_end_get_different_slots() {
        let stem = "a".repeat(62);
        assert_ne!(slot(&format!("{stem}b")), slot(&format!("{stem}c")));
        assert_eq!(slot(&stem).len(), LONGEST);
        assert_eq!(slot(&"a".repeat(53)).len(), LONGEST - 1);
    }

    #[test]
    fn a_hashed_name_is_not_the_plain_name_of_another_cluster() {
        let hashed = slot(&"a".repeat(60));
        let posing = hashed.trim_start_matches(PREFIX).replace('_', "-");
        assert_ne!(slot(&posing), hashed);
    }

    #[test]
    fn refuses_what_postgresql_refuses() {
        for bad in ["", "Upper", "a-b", "a b", "a;drop", &"a".repeat(64)] {
            assert!(SlotName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_cluster_has_a_valid_slot_of_its_own(
            one in "[a-z0-9-]{1,63}", other in "[a-z0-9-]{1,63}"
        ) {
            let slot_of_one = slot(&one);
            prop_assert!(SlotName::parse(&slot_of_one).is_ok());
            prop_assert!(SlotName::is_ours(&slot_of_one));
            prop_assert_eq!(one == other, slot_of_one == slot(&other));
        }
    }
}

//! What is cut off from what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// Which packets get lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// From whom nothing arrives at whom.
    cut: BTreeSet<(String, String)>,
    /// Of how many packets in a hundred that arrive at somebody one is lost.
    loss: BTreeMap<String, u8>,
    /// How long packets take to and from somebody.
    pub(super) delay: BTreeMap<String, Duration>,
}

impl Rules {
    /// Nothing from `from` arrives at `to`.
    pub fn cut_one_way(&mut self, from: &str, to: &str) {
        self.cut.insert((from.to_owned(), to.to_owned()));
    }

    /// Nothing passes between the two.
    pub fn cut(&mut self, one: &str, other: &str) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// So many packets in a hundred get lost on their way to `name`.
    pub fn lose(&mut self, name: &str, percent: u8) {
        self.loss.insert(name.to_owned(), percent);
    }

    /// Packets to and from `name` take so long, and up to half of it more, and may
    /// overtake each other.
    pub fn delay(&mut self, name: &str, by: Duration) {
        self.delay.insert(name.to_owned(), by);
    }

    /// For nftables in the namespace of `name`, in one transaction.
    pub(super) fn script(&self, name: &str, addresses: &BTreeMap<String, String>) -> String {
        let mut rules = String::new();
        for (from, to) in &self.cut {
            if let (true, Some(address)) = (to == name, addresses.get(from)) {
                let _ = writeln!(rules, "ip saddr {address} drop");
            }
        }
        if let Some(percent) = self.loss.get(name) {
            let _ = writeln!(rules, "iifname eth0 numgen random mod 100 < {percent} drop");
        }
        format!(
            "table ip faults\ndelete table ip faults\ntable ip faults {{\n chain arriving {{\n  \
             type filter hook input priority 0; policy accept;\n{rules} }}\n}}\n"
        )
    }
}

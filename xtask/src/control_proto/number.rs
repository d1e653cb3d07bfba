//! Field numbers, which are for ever: what has one keeps it, what is new gets
//! the next, and what went away is reserved, so that a client of any age never
//! reads one field as another.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use super::model::{Field, Message};

/// The messages of a generated file, as far as they matter to numbers.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Known(pub(super) BTreeMap<String, KnownMessage>);

/// One of them.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct KnownMessage {
    /// Number and type by name.
    fields: BTreeMap<String, (u32, String)>,
    /// Names of fields that went away.
    gone_names: BTreeSet<String>,
    /// Their numbers.
    gone_numbers: BTreeSet<u32>,
}

/// A message with its numbers.
#[derive(Debug)]
pub(super) struct Numbered {
    /// Fields by number.
    pub(super) fields: BTreeMap<u32, Field>,
    /// Numbers that are never given again.
    pub(super) gone_numbers: BTreeSet<u32>,
    /// Names of which nothing is now.
    pub(super) gone_names: BTreeSet<String>,
}

impl Known {
    /// Reads a generated file. A line that this program did not write is an
    /// error: numbers are not to be guessed.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut known = Self::default();
        let mut message: Option<(String, KnownMessage)> = None;
        let mut outside = 0;
        for (index, line) in text.lines().enumerate() {
            let at = || format!("line {} of control.proto: {line}", index + 1);
            let line = line.trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            if let Some((name, inside)) = &mut message {
                if line == "}" {
                    known.0.insert(std::mem::take(name), std::mem::take(inside));
                    message = None;
                } else {
                    inside.read(line).with_context(at)?;
                }
            } else if let Some(rest) = line.strip_prefix("message ") {
                let name = rest.trim_end_matches(['{', '}', ' ']).to_owned();
                if rest.ends_with("{}") {
                    known.0.insert(name, KnownMessage::default());
                } else {
                    message = Some((name, KnownMessage::default()));
                }
            } else {
                outside += 1;
            }
        }
        if message.is_some() || (outside == 0 && !text.trim().is_empty()) {
            bail!("control.proto is not what this program writes");
        }
        Ok(known)
    }

    /// The numbers of a message.
    pub(super) fn number(&self, name: &str, message: &Message) -> Numbered {
        let known = self.0.get(name).cloned().unwrap_or_default();
        known.number(message)
    }

    /// What is left of messages that went away: only what must not come back.
    pub(super) fn gone<'a>(
        &'a self,
        now: &'a BTreeMap<String, Message>,
    ) -> impl Iterator<Item = (&'a String, Numbered)> {
        let gone = self.0.iter().filter(|(name, _)| !now.contains_key(*name));
        let nothing = Message {
            comment: String::new(),
            fields: Vec::new(),
        };
        gone.map(move |(name, known)| (name, known.clone().number(&nothing)))
            .filter(|(_, numbered)| !numbered.gone_numbers.is_empty())
    }
}

impl KnownMessage {
    fn read(&mut self, line: &str) -> Result<()> {
        let line = line.strip_suffix(';').context("it has no end")?;
        if let Some(reserved) = line.strip_prefix("reserved ") {
            for part in reserved.split(", ") {
                match part.strip_prefix('"') {
                    Some(name) => {
                        self.gone_names
                            .insert(name.trim_end_matches('"').to_owned());
                    }
                    None => {
                        self.gone_numbers.insert(part.parse().context("a number")?);
                    }
                }
            }
            return Ok(());
        }
        let (kind_and_name, rest) = line.split_once(" = ").context("it has no number")?;
        let number = rest.split(' ').next().unwrap_or(rest);
        let number = number.parse().context("its number")?;
        let (kind, name) = kind_and_name.rsplit_once(' ').context("it has no type")?;
        // Whether a field is optional changes nothing on the wire.
        let kind = kind.strip_prefix("optional ").unwrap_or(kind);
        self.fields
            .insert(name.to_owned(), (number, kind.to_owned()));
        Ok(())
    }

    fn number(mut self, message: &Message) -> Numbered {
        let mut fields = BTreeMap::new();
        let mut new = Vec::new();
        for field in &message.fields {
            match self.fields.remove(&field.name) {
                Some((number, kind)) if is_compatible(&kind, &field.shape.text()) => {
                    fields.insert(number, field.clone());
                }
                Some((number, _)) => {
                    self.gone_numbers.insert(number);
                    new.push(field);
                }
                None => new.push(field),
            }
        }
        for (name, (number, _)) in self.fields {
            self.gone_numbers.insert(number);
            self.gone_names.insert(name);
        }
        let most = |numbers: Option<&u32>| numbers.copied().unwrap_or_default();
        let mut next = most(fields.keys().last()).max(most(self.gone_numbers.last()));
        for field in new {
            next += 1;
            // proto keeps this range for itself.
            if (19_000..20_000).contains(&next) {
                next = 20_000;
            }
            self.gone_names.remove(&field.name);
            fields.insert(next, field.clone());
        }
        Numbered {
            fields,
            gone_numbers: self.gone_numbers,
            gone_names: self.gone_names,
        }
    }
}

/// Whether bytes of the one are read rightly as the other.
fn is_compatible(old: &str, new: &str) -> bool {
    old == new || matches!((old, new), ("uint32", "uint64") | ("int32", "int64"))
}

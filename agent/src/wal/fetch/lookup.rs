//! Finding one file of PostgreSQL's log in a repository.

use std::str::FromStr;

use bytes::Bytes;
use holdfast_repo::{AsideFile, Codec, Error, Fetched, LineageRepository};
use holdfast_types::{Timeline, WalSegment};

use super::prefetch::Prefetch;

/// A name that PostgreSQL asks its `restore_command` for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalName {
    /// A segment; its size is the lineage's.
    Segment(String),
    /// The history of a timeline.
    History(Timeline),
    /// `.backup` or `.partial`, which PostgreSQL archives and never asks for.
    Aside(String),
}

/// Text that is no name of a file of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a WAL segment or a timeline history")]
pub struct InvalidWalName(pub String);

impl FromStr for WalName {
    type Err = InvalidWalName;

    fn from_str(text: &str) -> Result<Self, InvalidWalName> {
        let invalid = || InvalidWalName(text.to_owned());
        let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        let (stem, suffix) = text.split_once('.').unwrap_or((text, ""));
        if !stem.bytes().all(upper_hex) {
            return Err(invalid());
        }
        match (stem.len(), suffix) {
            (24, "") => Ok(Self::Segment(stem.to_owned())),
            (8, "history") => {
                let number = u32::from_str_radix(stem, 16).ok();
                number
                    .and_then(Timeline::new)
                    .map(Self::History)
                    .ok_or_else(invalid)
            }
            (24, suffix) if suffix == "partial" || suffix.ends_with(".backup") => {
                Ok(Self::Aside(text.to_owned()))
            }
            _ => Err(invalid()),
        }
    }
}

/// What the repository says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The file as PostgreSQL expects it: a segment has its whole length, with
    /// zeros behind what is known.
    File(Bytes),
    /// Proved not to be there.
    Absent,
}

/// Whether it is known where the recovery that asks must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A restore has decided it, and PostgreSQL fails if it stops short of it:
    /// what lies before a hole may be had.
    Planned,
    /// PostgreSQL promotes where WAL ends: a hole must not pass for that.
    Unknown,
}

/// [`look_up`], with what was fetched before.
pub(super) async fn look_up_with(
    lineage: &LineageRepository,
    name: &WalName,
    prefetch: Option<&Prefetch>,
    end: End,
) -> Result<Found, Error> {
    let (Some(prefetch), Some(segment)) = (prefetch, name.segment(lineage)) else {
        return look_up(lineage, name, end).await;
    };
    if let Some(bytes) = prefetch.take(segment).await {
        return Ok(Found::File(bytes));
    }
    let found = look_up(lineage, name, end).await?;
    if found == Found::Absent {
        prefetch.forget(segment);
    }
    Ok(found)
}

impl WalName {
    /// The segment that it names in a lineage.
    pub(super) fn segment(&self, lineage: &LineageRepository) -> Option<WalSegment> {
        match self {
            Self::Segment(name) => WalSegment::parse(name, lineage.facts().segment_size).ok(),
            Self::History(_) | Self::Aside(_) => None,
        }
    }
}

/// Looks `name` up in a lineage. An error proves nothing.
pub async fn look_up(
    lineage: &LineageRepository,
    name: &WalName,
    end: End,
) -> Result<Found, Error> {
    let wal = lineage.wal(Codec::DEFAULT);
    match name {
        WalName::Aside(name) => {
            let Some(file) = AsideFile::parse(name, lineage.facts().segment_size) else {
                return Ok(Found::Absent);
            };
            let bytes = wal.fetch_aside(file).await?;
            Ok(bytes.map_or(Found::Absent, Found::File))
        }
        WalName::History(timeline) => {
            let text = wal.fetch_history(*timeline).await?;
            Ok(text.map_or(Found::Absent, |text| Found::File(text.into())))
        }
        WalName::Segment(name) => {
            let Ok(segment) = WalSegment::parse(name, lineage.facts().segment_size) else {
                // With this segment size PostgreSQL never makes such a file.
                return Ok(Found::Absent);
            };
            let fetched = match end {
                End::Planned => wal.fetch_segment(segment).await?,
                End::Unknown => wal.fetch_or_hole(segment).await?,
            };
            Ok(match fetched {
                Fetched::Full(bytes) | Fetched::Assembled { bytes, .. } => Found::File(bytes),
                Fetched::Absent => Found::Absent,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_postgresqls_names() {
        let parse = str::parse::<WalName>;
        let segment = "0000000A0000000100000003";
        assert_eq!(parse(segment), Ok(WalName::Segment(segment.to_owned())));
        let ten = Timeline::new(10).unwrap();
        assert_eq!(parse("0000000A.history"), Ok(WalName::History(ten)));
        for aside in ["partial", "00000028.backup"] {
            let name = format!("{segment}.{aside}");
            assert_eq!(parse(&name), Ok(WalName::Aside(name.clone())));
        }
        for bad in [
            "",
            "00000000.history",
            "0000000a0000000100000003",
            "../pg_control",
            "RECOVERYXLOG",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

//! Names that PostgreSQL hands to its `archive_command`.

use std::fmt;
use std::str::FromStr;

use holdfast_types::Timeline;

/// A file that PostgreSQL archives. Which segment it is depends on the size of
/// segments, which only the lineage knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PushName {
    /// A segment.
    Segment(String),
    /// The history of a timeline.
    History(Timeline),
    /// `.backup` or `.partial`.
    Aside(String),
}

/// Text that is no name of a file that PostgreSQL archives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a file that PostgreSQL archives")]
pub struct InvalidPushName(pub String);

impl FromStr for PushName {
    type Err = InvalidPushName;

    fn from_str(text: &str) -> Result<Self, InvalidPushName> {
        let invalid = || InvalidPushName(text.to_owned());
        let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        let (stem, suffix) = text.split_once('.').unwrap_or((text, ""));
        if !stem.bytes().all(upper_hex) {
            return Err(invalid());
        }
        match (stem.len(), suffix) {
            (24, "") => Ok(Self::Segment(text.to_owned())),
            (24, "partial") => Ok(Self::Aside(text.to_owned())),
            (24, suffix) => {
                let offset = suffix.strip_suffix(".backup").ok_or_else(invalid)?;
                let fits = offset.len() == 8 && offset.bytes().all(upper_hex);
                fits.then(|| Self::Aside(text.to_owned()))
                    .ok_or_else(invalid)
            }
            (8, "history") => u32::from_str_radix(stem, 16)
                .ok()
                .and_then(Timeline::new)
                .map(Self::History)
                .ok_or_else(invalid),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for PushName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(name) | Self::Aside(name) => f.write_str(name),
            Self::History(timeline) => f.write_str(&timeline.history_file()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 18: histories and partial segments are archived too.
    #[test]
    fn knows_what_postgresql_archives_and_nothing_else() {
        let segment = "0000000A0000000100000003";
        for name in [
            segment.to_owned(),
            format!("{segment}.partial"),
            format!("{segment}.00000028.backup"),
            "0000000A.history".to_owned(),
        ] {
            let parsed: PushName = name.parse().unwrap();
            assert_eq!(parsed.to_string(), name);
        }
        for bad in [
            "",
            "..",
            "../pg_control",
            "00000000.history",
            "0000000a0000000100000003",
            "0000000A0000000100000003.ready",
            "0000000A0000000100000003.28.backup",
            "0000000A0000000100000003./../../x.backup",
        ] {
            assert!(bad.parse::<PushName>().is_err(), "{bad}");
        }
    }
}

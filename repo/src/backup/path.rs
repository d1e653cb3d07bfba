//! Paths in a manifest.
//!
//! A path of a file system is bytes; a path in JSON is text. Bytes that are not
//! part of valid UTF-8, control characters and `%` are written as `%XX`, so
//! every path has one spelling. Whoever restores joins these to a directory of
//! theirs, so a path that leaves it cannot be made or read.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path without empty, `.` or `..` parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(Vec<u8>);

/// Bytes or text that are not such a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a path without empty, . and .. parts")]
pub struct InvalidPath(pub String);

impl EntryPath {
    /// A relative or absolute path.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, InvalidPath> {
        Self::from_bytes(path.as_ref().as_os_str().as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPath> {
        let relative = bytes.strip_prefix(b"/").unwrap_or(bytes);
        let valid = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
        if relative.split(|byte| *byte == b'/').all(valid) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(InvalidPath(String::from_utf8_lossy(bytes).into_owned()))
        }
    }

    /// The path itself.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether it starts at the root.
    pub fn is_absolute(&self) -> bool {
        self.0.starts_with(b"/")
    }
}

/// Where a symbolic link points: any bytes a file system allows there.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkTarget(Vec<u8>);

impl LinkTarget {
    /// A target, which is not empty and holds no zero byte.
    pub fn new(target: impl AsRef<Path>) -> Result<Self, InvalidPath> {
        Self::from_bytes(target.as_ref().as_os_str().as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPath> {
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(InvalidPath(String::from_utf8_lossy(bytes).into_owned()));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The target itself.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_control() {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    write!(f, "%{byte:02X}")?;
                }
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn unescape(text: &str) -> Result<Vec<u8>, InvalidPath> {
    let invalid = || InvalidPath(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = after.get(..2).ok_or_else(invalid)?;
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Ok(bytes)
}

macro_rules! as_escaped_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                escape(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"{self}\"")
            }
        }

        impl FromStr for $name {
            type Err = InvalidPath;

            fn from_str(text: &str) -> Result<Self, InvalidPath> {
                Self::from_bytes(&unescape(text)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_escaped_text!(EntryPath LinkTarget);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_cannot_leave_its_directory() {
        for bad in ["", "/", "..", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            assert!(EntryPath::new(bad).is_err(), "{bad}");
        }
        assert!("%2E%2E/x".parse::<EntryPath>().is_err());
        assert_eq!(
            EntryPath::new("base/5 %/ü\n").unwrap().to_string(),
            "base/5 %25/ü%0A"
        );
        assert!(
            EntryPath::new("/etc/postgresql/15/main/x.conf")
                .unwrap()
                .is_absolute()
        );
    }

    proptest! {
        // Pitfall 14
        #[test]
        fn every_path_has_a_spelling(bytes in proptest::collection::vec(1u8.., 1..20)) {
            if let Ok(path) = EntryPath::from_bytes(&bytes) {
                prop_assert_eq!(path.to_string().parse::<EntryPath>().unwrap(), path);
            }
        }
    }
}

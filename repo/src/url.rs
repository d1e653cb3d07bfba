//! Where a repository is: `file:///absolute/directory` or `s3://bucket/prefix`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// The place of a repository. It never holds credentials, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// An absolute directory on the agent's host.
    File(PathBuf),
    /// A bucket and a prefix, which may be empty.
    S3 { bucket: String, prefix: String },
}

impl RepositoryUrl {
    pub(crate) const fn place(&self) -> &Place {
        &self.0
    }

    /// The directory, when it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::S3 { .. } => None,
        }
    }
}

/// A password typed into a URL must not come back in a message (I-10).
fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    }
}

impl FromStr for RepositoryUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |reason| Error::InvalidUrl {
            url: without_user(text),
            reason,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it must start with file:// or s3://"))?;
        if rest.contains('@') {
            return Err(invalid("credentials do not belong in it"));
        }
        // What the store's client would have to encode, and so name differently.
        if rest.contains(|c: char| "?#%\\{}^`\"<>[]|~*".contains(c) || c.is_control()) {
            return Err(invalid(
                "control characters and any of ?#%\\{}^`\"<>[]|~* are not allowed",
            ));
        }
        if rest.split('/').any(|part| part == "." || part == "..") {
            return Err(invalid(". and .. are not allowed"));
        }
        match scheme {
            "file" => {
                let path = rest.trim_end_matches('/');
                if !rest.starts_with('/') || path.is_empty() {
                    return Err(invalid(
                        "it must name an absolute directory, such as file:///backup",
                    ));
                }
                if path.contains("//") {
                    return Err(invalid("it has an empty part"));
                }
                Ok(Self(Place::File(PathBuf::from(path))))
            }
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
                if bucket.len() < 3 || bucket.len() > 63 || !bucket.bytes().all(plain) {
                    return Err(invalid("it must name a bucket, such as s3://bucket/prefix"));
                }
                let prefix = prefix.trim_end_matches('/');
                let empty_part = prefix.starts_with('/') || prefix.contains("//");
                if empty_part || !prefix.bytes().all(|b| plain(b) || b == b'/') {
                    return Err(invalid(
                        "the prefix may hold letters, digits, '.', '-', '_' and '/'",
                    ));
                }
                Ok(Self(Place::S3 {
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                }))
            }
            _ => Err(invalid("it must start with file:// or s3://")),
        }
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "file://{}", path.display()),
            Place::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Place::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Serialize for RepositoryUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RepositoryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        for (text, canonical) in [
            ("file:///backup/pg", "file:///backup/pg"),
            ("file:///backup/", "file:///backup"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ] {
            assert_eq!(
                text.parse::<RepositoryUrl>().unwrap().to_string(),
                canonical
            );
        }
    }

    #[test]
    fn refuses_what_it_cannot_mean() {
        for bad in [
            "",
            "/backup",
            "file://backup",
            "file:///",
            "file:///a/../b",
            "file:///a//b",
            "s3://",
            "s3://ab",
            "s3://bucket//x",
            "s3://bucket/a b",
            "gs://bucket",
            "file:///a?b",
            "s3://b/%2e",
            "file:///~me",
        ] {
            let error = bad.parse::<RepositoryUrl>().unwrap_err();
            assert_eq!(error.code(), "invalid_repository_url", "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        let error = "s3://AKIA:hunter2@bucket/x"
            .parse::<RepositoryUrl>()
            .unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

//! Where a repository is: `file:///absolute/directory`, or a bucket and a prefix in
//! an object store: `s3://…`, `gs://…` (Google Cloud Storage) or `az://…` (Azure Blob
//! Storage, where a bucket is called a container).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

const SCHEMES: &str = "it must start with file://, s3://, gs:// or az://";

/// The place of a repository. It never holds credentials, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// An absolute directory on the agent's host.
    File(PathBuf),
    /// A bucket and a prefix, which may be empty.
    Bucket {
        provider: Provider,
        bucket: String,
        prefix: String,
    },
}

/// Whose protocol an object store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Provider {
    S3,
    Gcs,
    Azure,
}

impl Provider {
    const ALL: [Self; 3] = [Self::S3, Self::Gcs, Self::Azure];

    /// What its URLs begin with.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    /// Whether a bucket can have that name. What a provider refuses beyond this is
    /// said by the provider.
    fn may_name(self, bucket: &str) -> bool {
        let plain = |b: u8| match self {
            Self::S3 | Self::Gcs => is_plain(b),
            Self::Azure => b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
        };
        // Google's names with dots are longer.
        let longest = if self == Self::Gcs { 222 } else { 63 };
        (3..=longest).contains(&bucket.len()) && bucket.bytes().all(plain)
    }

    const fn example(self) -> &'static str {
        match self {
            Self::S3 => "it must name a bucket, such as s3://bucket/prefix",
            Self::Gcs => "it must name a bucket, such as gs://bucket/prefix",
            Self::Azure => {
                "it must name a container (3 to 63 lower-case letters, digits and '-'), such as \
                 az://container/prefix"
            }
        }
    }
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

impl RepositoryUrl {
    pub(crate) const fn place(&self) -> &Place {
        &self.0
    }

    /// `file`, `s3`, `gs` or `az`.
    pub const fn scheme(&self) -> &'static str {
        match &self.0 {
            Place::File(_) => "file",
            Place::Bucket { provider, .. } => provider.scheme(),
        }
    }

    /// The directory, when it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Bucket { .. } => None,
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
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid(SCHEMES))?;
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
            _ => {
                let mut providers = Provider::ALL.into_iter();
                let provider = providers.find(|provider| provider.scheme() == scheme);
                let provider = provider.ok_or_else(|| invalid(SCHEMES))?;
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if !provider.may_name(bucket) {
                    return Err(invalid(provider.example()));
                }
                let prefix = prefix.trim_end_matches('/');
                let empty_part = prefix.starts_with('/') || prefix.contains("//");
                if empty_part || !prefix.bytes().all(|b| is_plain(b) || b == b'/') {
                    return Err(invalid(
                        "the prefix may hold letters, digits, '.', '-', '_' and '/'",
                    ));
                }
                Ok(Self(Place::Bucket {
                    provider,
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                }))
            }
        }
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "file://{}", path.display()),
            Place::Bucket {
                provider,
                bucket,
                prefix,
            } => {
                write!(f, "{}://{bucket}", provider.scheme())?;
                if !prefix.is_empty() {
                    write!(f, "/{prefix}")?;
                }
                Ok(())
            }
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
            ("gs://my.own_bucket/a/", "gs://my.own_bucket/a"),
            ("az://container-1/", "az://container-1"),
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
            "gcs://bucket",
            "gs://ab",
            "az://Container",
            "az://my_container",
            "az://$root",
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

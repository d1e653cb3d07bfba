//! PostgreSQL's configuration files, line by line (`guc-file.l`, `hba.c`).
//!
//! Only what backup and restore need: which setting a line gives, which file
//! it includes, and how a value is quoted. Files are bytes: nobody promises
//! that comments are UTF-8, and what is not touched stays as it was.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// PostgreSQL's own bound on nested includes (CONF_FILE_MAX_DEPTH).
pub(super) const MAX_DEPTH: usize = 10;

/// Files by the path under which the server read them.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a line includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Include {
    /// One file, which may be allowed to be missing.
    File { path: PathBuf, optional: bool },
    /// Every file of a directory that ends in `.conf`.
    Directory(PathBuf),
}

/// The setting that a line gives, its name in lower case.
pub(crate) fn setting(line: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start();
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let end = text.find(|c| !named(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = value(rest)?;
    Some((name.to_ascii_lowercase(), value))
}

/// What a line includes, relative to the directory of its file.
pub(super) fn include(line: &[u8], directory: &Path) -> Option<Include> {
    let (name, value) = setting(line)?;
    let path = directory.join(&value);
    match name.as_str() {
        "include" => Some(Include::File {
            path,
            optional: false,
        }),
        "include_if_exists" => Some(Include::File {
            path,
            optional: true,
        }),
        "include_dir" => Some(Include::Directory(path)),
        _ => None,
    }
}

/// The value a text begins with: quoted, or a word.
fn value(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let quote = chars.next()?;
    if quote == '#' {
        return None;
    }
    // pg_hba.conf quotes with ", everything else with '.
    if quote != '\'' && quote != '"' {
        let word = text.split(|c: char| c.is_whitespace() || c == '#').next()?;
        return Some(word.to_owned());
    }
    let mut value = String::new();
    loop {
        match chars.next()? {
            c if c == quote => match chars.clone().next() {
                Some(next) if next == quote => {
                    chars.next();
                    value.push(quote);
                }
                _ => return Some(value),
            },
            '\\' if quote == '\'' => value.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            }),
            c => value.push(c),
        }
    }
}

/// A value as a configuration file writes it.
pub(super) fn quote(value: &str) -> String {
    format!(
        "'{}'",
        value
            .replace('\\', "\\\\")
            .replace('\'', "''")
            .replace('\n', "\\n")
    )
}

/// The files of a directory that `include_dir` reads, in its order.
pub(super) fn is_included_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.ends_with(b".conf") && !name.starts_with(b".")
}

/// The file at `path` with what it includes in the place of each include, so
/// that it can be read anywhere. What was not captured is left as a comment.
pub(super) fn flatten(path: &Path, files: &Files) -> Vec<u8> {
    let mut out = Vec::new();
    flatten_into(&mut out, path, files, 0);
    out
}

fn flatten_into(out: &mut Vec<u8>, path: &Path, files: &Files, depth: usize) {
    let Some(content) = files.get(path) else {
        return;
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        let Some(include) = include(line, directory) else {
            out.extend_from_slice(line);
            continue;
        };
        comment(out, line);
        if depth == MAX_DEPTH {
            continue;
        }
        match include {
            Include::File { path, .. } => nested(out, &path, files, depth),
            Include::Directory(directory) => {
                let inside =
                    |path: &&PathBuf| path.parent() == Some(&directory) && is_included_name(path);
                for path in files.keys().filter(inside) {
                    nested(out, path, files, depth);
                }
            }
        }
    }
}

fn nested(out: &mut Vec<u8>, path: &Path, files: &Files, depth: usize) {
    end_line(out);
    out.extend_from_slice(format!("# from {}\n", path.display()).as_bytes());
    flatten_into(out, path, files, depth + 1);
    end_line(out);
}

/// `content` without the settings that `unwanted` names; their lines stay as
/// comments, for people to see what was there.
pub(super) fn without(content: &[u8], unwanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        match setting(line) {
            Some((name, _)) if unwanted(&name) => comment(&mut out, line),
            _ => out.extend_from_slice(line),
        }
    }
    end_line(&mut out);
    out
}

fn comment(out: &mut Vec<u8>, line: &[u8]) {
    end_line(out);
    out.extend_from_slice(b"# restored without: ");
    out.extend_from_slice(line);
    end_line(out);
}

fn end_line(out: &mut Vec<u8>) {
    if out.last().is_some_and(|&byte| byte != b'\n') {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_as_postgresql_does() {
        let read = |line: &str| setting(line.as_bytes());
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("Port = 5433 # mine"), pair("port", "5433"));
        assert_eq!(read("  work_mem 4MB"), pair("work_mem", "4MB"));
        assert_eq!(read("a.b='it''s \\'x\\' \\\\'"), pair("a.b", "it's 'x' \\"));
        assert_eq!(read("port=1#x"), pair("port", "1"));
        for none in [
            "",
            "# port = 1",
            "= 1",
            "port =",
            "port = # x",
            "'x' = 1",
            "port = 'open",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        for value in ["", "a'b\\c", "two\nlines", "ä"] {
            assert_eq!(read(&format!("x = {}", quote(value))), pair("x", value));
        }
    }

    #[test]
    fn includes_are_put_in_place() {
        let file = |path: &str, text: &str| (PathBuf::from(path), text.as_bytes().to_vec());
        let files = Files::from([
            file(
                "/etc/pg/main.conf",
                "a = 1\ninclude_dir 'conf.d'\ninclude 'gone'\nb = 2",
            ),
            file("/etc/pg/conf.d/2.conf", "c = 2"),
            file("/etc/pg/conf.d/1.conf", "c = 1\ninclude '/x/y'\n"),
            file("/etc/pg/conf.d/.3.conf", "c = 3"),
            file("/x/y", "d = 1\n"),
        ]);
        let flat = flatten(Path::new("/etc/pg/main.conf"), &files);
        let settings: Vec<_> = flat.split(|&b| b == b'\n').filter_map(setting).collect();
        let pairs: Vec<_> = settings
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("a", "1"), ("c", "1"), ("d", "1"), ("c", "2"), ("b", "2")]
        );
    }

    #[test]
    fn a_circle_of_includes_ends() {
        let text = b"x = 1\ninclude 'a.conf'\n".to_vec();
        let files = Files::from([(PathBuf::from("/a.conf"), text)]);
        let flat = String::from_utf8(flatten(Path::new("/a.conf"), &files)).unwrap();
        assert_eq!(flat.matches("x = 1\n").count(), MAX_DEPTH + 1);
    }

    #[test]
    fn unwanted_settings_become_comments() {
        let kept = without(b"port = 1\nPORT=2\n# port = 3\nother = 4", |name| {
            name == "port"
        });
        let settings: Vec<_> = kept.split(|&b| b == b'\n').filter_map(setting).collect();
        assert_eq!(settings, [("other".to_owned(), "4".to_owned())]);
    }
}

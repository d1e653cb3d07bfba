//! Where the control plane is and who we are: flags, then environment, then
//! `~/.config/holdfast/config.toml`, which `login` writes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cli::Global;
use crate::failure::Failure;

/// The file that `login` writes. It holds tokens and has mode 0600.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConfigFile {
    /// REST addresses of the control plane's nodes.
    #[serde(default)]
    pub(crate) server: Vec<String>,
    /// The CA of the control plane, for https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// An API token, instead of a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// The login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session>,
}

/// A login.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What a command uses.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// REST addresses, at least one.
    pub(crate) servers: Vec<String>,
    /// The CA of the control plane.
    pub(crate) ca: Option<PathBuf>,
    /// A token given by flag, environment or file.
    pub(crate) token: Option<String>,
    /// The login, when no token is given.
    pub(crate) session: Option<Session>,
    /// The file, for a login to be kept in.
    pub(crate) path: PathBuf,
}

/// A node with its defaults on this host.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

impl Config {
    /// Puts flags, environment (both in `global`) and file together.
    pub(crate) fn load(global: &Global) -> Result<Self, Failure> {
        let path = config_path()?;
        let file = read(&path)?;
        let given = global.server.clone();
        let servers = if given.is_empty() { file.server } else { given };
        let servers = if servers.is_empty() {
            vec![DEFAULT_SERVER.to_owned()]
        } else {
            servers
        };
        let token = global.token.clone().or(file.token);
        Ok(Self {
            servers,
            ca: global.ca.clone().or(file.ca),
            token,
            session: file.session,
            path,
        })
    }

    /// Keeps a login, or forgets it.
    pub(crate) fn keep_session(&self, session: Option<Session>) -> Result<(), Failure> {
        let file = ConfigFile {
            server: self.servers.clone(),
            ca: self.ca.clone(),
            token: None,
            session,
        };
        write(&self.path, &file)
    }
}

fn config_path() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("HOLDFAST_CLI_CONFIG") {
        return Ok(path.into());
    }
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    let base = base.or_else(home).ok_or_else(|| {
        Failure::usage(
            "neither HOME nor XDG_CONFIG_HOME is set",
            "set HOLDFAST_CLI_CONFIG to a file",
        )
    })?;
    Ok(base.join("holdfast/config.toml"))
}

fn read(path: &Path) -> Result<ConfigFile, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(ConfigFile::default());
        }
        Err(error) => return Err(Failure::file(path.display(), &error)),
    };
    // The parser's own text would quote the line at fault, which may hold a token.
    toml::from_str(&text).map_err(|error| {
        let message = format!("{}: {}", path.display(), error.message());
        Failure::usage(message, "mend the file, or remove it and log in again")
    })
}

fn write(path: &Path, file: &ConfigFile) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path.display(), &error);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let text = toml::to_string(file).map_err(|error| {
        Failure::usage(
            error.to_string(),
            "report this: the configuration has no TOML form",
        )
    })?;
    let new = path.with_extension("toml.new");
    // A file left by a killed run may have other permissions: never write into it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    let mut target = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed)?;
    target
        .write_all(text.as_bytes())
        .and_then(|()| target.sync_all())
        .map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_login_is_kept_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/config.toml");
        let session = Session {
            user: "admin".into(),
            access_token: "a".into(),
            refresh_token: "r".into(),
            expires_at: "2026-02-03T02:41:07Z".parse().unwrap(),
        };
        let file = ConfigFile {
            session: Some(session),
            ..ConfigFile::default()
        };
        write(&path, &file).unwrap();
        write(&path, &file).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read(&path).unwrap().session.unwrap().user, "admin");
        fs::write(&path, "sever = []\n").unwrap();
        let failure = read(&path).unwrap_err();
        assert!(failure.message.contains("sever"), "{}", failure.message);
    }
}

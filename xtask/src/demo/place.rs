//! Where the demo happens: `./.demo` and a block of ports.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use holdfast_pg::testkit::{give_to_server_user, server_user};
use holdfast_tests::control_plane::Addresses;

/// The demo's folder and ports.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    port_base: u16,
}

impl Place {
    /// `./.demo`.
    pub(crate) fn folder() -> Result<PathBuf> {
        Ok(std::env::current_dir()
            .context("the current folder")?
            .join(".demo"))
    }

    /// An empty `./.demo`, all ports free.
    pub(crate) fn prepare(port_base: u16) -> Result<Self> {
        let place = Self {
            path: Self::folder()?,
            port_base,
        };
        let wanted = [0, 1, 2, 50, 51];
        let taken = |offset: &u16| TcpListener::bind(("127.0.0.1", place.port(*offset))).is_err();
        if let Some(offset) = wanted.iter().find(|offset| taken(offset)) {
            bail!(
                "port {} is taken; choose others with `make demo PORT_BASE=…`, or end an \
                 earlier demo with `make demo-stop`",
                place.port(*offset)
            );
        }
        place.release()?;
        fs::create_dir_all(&place.path).with_context(|| place.path.display().to_string())?;
        Ok(place)
    }

    /// Removes the servers' data; logs and the report stay.
    pub(crate) fn release(&self) -> Result<()> {
        let servers = self.path.join("servers");
        if let Ok(elsewhere) = fs::read_link(&servers) {
            remove(&elsewhere)?;
            fs::remove_file(&servers).context("the link to the servers")?;
        }
        for entry in ["servers", "control-plane", "agent-demo", "repository"] {
            remove(&self.path.join(entry))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn port(&self, offset: u16) -> u16 {
        self.port_base + offset
    }

    pub(crate) fn addresses(&self) -> Addresses {
        Addresses::ports(self.port(0), self.port(1), self.port(2))
    }

    /// A folder that PostgreSQL may write to. Run by root, servers run as
    /// `postgres`, who may not be able to get into this folder at all.
    pub(crate) fn servers(&self) -> Result<PathBuf> {
        let here = self.path.join("servers");
        if server_user().is_none() {
            fs::create_dir_all(&here).context("the servers' folder")?;
            return Ok(here);
        }
        let open = |folder: &Path| fs::metadata(folder).is_ok_and(|it| it.mode() & 0o001 != 0);
        let folder = if self.path.ancestors().all(open) {
            fs::create_dir_all(&here).context("the servers' folder")?;
            here
        } else {
            let elsewhere = PathBuf::from(format!("/var/tmp/holdfast-demo.{}", self.port_base));
            remove(&elsewhere)?;
            fs::create_dir_all(&elsewhere).context("the servers' folder")?;
            symlink(&elsewhere, &here).context("the link to the servers")?;
            elsewhere
        };
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).context("its mode")?;
        give_to_server_user(&folder);
        Ok(folder)
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

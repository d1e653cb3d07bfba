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
    nodes: u16,
}

impl Place {
    /// `./.demo`.
    pub(crate) fn folder() -> Result<PathBuf> {
        Ok(std::env::current_dir()
            .context("the current folder")?
            .join(".demo"))
    }

    /// An empty `./.demo`, all ports free.
    pub(crate) fn prepare(port_base: u16, nodes: u16) -> Result<Self> {
        let place = Self {
            path: Self::folder()?,
            port_base,
            nodes,
        };
        let of_nodes = (0..nodes).flat_map(|node| (0..3).map(move |port| node * 10 + port));
        let wanted: Vec<u16> = of_nodes.chain([50, 51]).collect();
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
        for name in ["servers", "repository"] {
            let here = self.path.join(name);
            if let Ok(elsewhere) = fs::read_link(&here) {
                remove(&elsewhere)?;
                fs::remove_file(&here).context("the link to a folder")?;
            }
        }
        for entry in ["servers", "control-plane", "agent-demo", "repository"] {
            remove(&self.path.join(entry))?;
        }
        for number in 2..=5 {
            remove(&self.path.join(format!("node-{number}")))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn port(&self, offset: u16) -> u16 {
        self.port_base + offset
    }

    /// Of every node, the founder first.
    pub(crate) fn addresses(&self) -> Vec<Addresses> {
        let of = |node: u16| {
            let port = |offset| self.port(node * 10 + offset);
            Addresses::ports(port(0), port(1), port(2))
        };
        (0..self.nodes).map(of).collect()
    }

    /// A folder that PostgreSQL may write to. Run by root, servers run as
    /// `postgres`, who may not be able to get into this folder at all.
    pub(crate) fn servers(&self) -> Result<PathBuf> {
        self.reachable("servers")
    }

    /// A folder that the agent and PostgreSQL's user may write to and read.
    pub(crate) fn repository(&self) -> Result<PathBuf> {
        self.reachable("repository")
    }

    fn reachable(&self, name: &str) -> Result<PathBuf> {
        let here = self.path.join(name);
        if here.exists() {
            return here.canonicalize().context("the folder's own place");
        }
        let open = |folder: &Path| fs::metadata(folder).is_ok_and(|it| it.mode() & 0o001 != 0);
        if server_user().is_none() || self.path.ancestors().all(open) {
            fs::create_dir_all(&here).context("a folder")?;
            give_to_server_user(&here);
            return Ok(here);
        }
        let elsewhere = PathBuf::from(format!("/var/tmp/holdfast-demo.{}", self.port_base));
        let elsewhere = elsewhere.join(name);
        remove(&elsewhere)?;
        fs::create_dir_all(&elsewhere).context("a folder elsewhere")?;
        symlink(&elsewhere, &here).context("the link to it")?;
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o755)).context("its mode")?;
        give_to_server_user(&elsewhere);
        Ok(elsewhere)
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

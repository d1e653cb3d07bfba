//! The peer of replicated commands: etcd, three members, mutual TLS on every
//! connection, its defaults otherwise. Debian's `etcd-server`.

mod certificates;
mod client;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_tests::process::Process;

pub use client::Client;

use certificates::Certificates;

const MEMBERS: usize = 3;
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Three running members; they end when this is dropped.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Process>,
    clients: Vec<String>,
    certificates: Certificates,
}

impl Etcd {
    /// Its version, or what to do when it is not installed.
    pub fn version() -> Result<String> {
        let output = Command::new("etcd")
            .arg("--version")
            .stderr(Stdio::null())
            .output()
            .context("etcd is not installed: run `deploy/dev/install bench`")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.lines().next().unwrap_or_default();
        Ok(first.trim_start_matches("etcd Version: ").to_owned())
    }

    /// Starts three members with data in `folder`, and waits until they take
    /// writes.
    pub async fn start(folder: &Path) -> Result<Self> {
        let folder = folder.join("etcd");
        fs::create_dir_all(&folder)?;
        let certificates = Certificates::make(&folder)?;
        let ports = free_ports(MEMBERS * 2)?;
        let url = |port: &u16| format!("https://127.0.0.1:{port}");
        let clients: Vec<String> = ports.iter().take(MEMBERS).map(url).collect();
        let peers: Vec<String> = ports.iter().skip(MEMBERS).map(url).collect();
        let named = peers.iter().enumerate();
        let cluster: Vec<String> = named
            .map(|(at, peer)| format!("etcd-{at}={peer}"))
            .collect();
        let cluster = cluster.join(",");
        let mut members = Vec::new();
        for (number, (client, peer)) in clients.iter().zip(&peers).enumerate() {
            let name = format!("etcd-{number}");
            let mut command = Command::new("etcd");
            command.args(["--name", &name, "--initial-cluster", &cluster]);
            command.args(["--initial-cluster-state", "new", "--log-level", "warn"]);
            command.args(["--listen-client-urls", client]);
            command.args(["--advertise-client-urls", client]);
            command.args(["--listen-peer-urls", peer]);
            command.args(["--initial-advertise-peer-urls", peer]);
            command.arg("--data-dir").arg(folder.join(&name));
            command.args(["--client-cert-auth", "--peer-client-cert-auth"]);
            for (side, file) in certificates.files() {
                command.arg(side).arg(file);
            }
            // Debian refuses to let it run on machines it was not built for.
            command.env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH);
            let log = folder.join(format!("{name}.log"));
            members.push(Process::start(&mut command, &log));
        }
        let etcd = Self {
            members,
            clients,
            certificates,
        };
        etcd.await_ready().await?;
        Ok(etcd)
    }

    async fn await_ready(&self) -> Result<()> {
        let end = Instant::now() + READY_WITHIN;
        for member in 0..MEMBERS {
            loop {
                let tried = async {
                    let mut client = self.client(member).await?;
                    client.put(b"ready", b"yes").await
                };
                match tried.await {
                    Ok(()) => break,
                    Err(error) if Instant::now() > end => {
                        let log = self.members[member].log();
                        bail!("etcd does not get ready: {error:#}\n{log}");
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        Ok(())
    }

    /// A client with a connection of its own to a member.
    pub async fn client(&self, number: usize) -> Result<Client> {
        let server = &self.clients[number % self.clients.len()];
        Client::connect(server, &self.certificates).await
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<u32> {
        self.members.iter().map(Process::id).collect()
    }
}

/// Ports that are free now. Another program could take one before etcd does:
/// then it says so and the run fails.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let bound: std::io::Result<Vec<TcpListener>> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect();
    let bound = bound?;
    let port = |listener: &TcpListener| Ok(listener.local_addr()?.port());
    bound.iter().map(port).collect()
}

//! Two PostgreSQL servers under a real Patroni, with its own Raft store: no
//! other server is needed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use holdfast_pg::binaries::Programs;
use holdfast_pg::testkit::{free_port, give_to_server_user, server_user};
use serde_json::{Value, json};

use crate::process::Process;
use crate::store::dev_dir;
use crate::until::until;

const LONG: Duration = Duration::from_secs(90);
/// Its part of `pg_hba.conf`: these servers are nobody else's.
const HBA: [&str; 3] = [
    "local all all trust",
    "local replication all trust",
    "host replication all 127.0.0.1/32 trust",
];

/// The members, and the third voter of their store.
#[derive(Debug)]
pub struct Group {
    members: Vec<Member>,
    _voter: Process,
    // Last: they run in it.
    _root: tempfile::TempDir,
}

#[derive(Debug)]
struct Member {
    sockets: PathBuf,
    postgres: u16,
    rest: u16,
    _process: Process,
}

impl Group {
    /// Starts a leader and a replica, and waits until both run.
    ///
    /// # Panics
    /// When they do not.
    pub fn start(programs: &Programs) -> Self {
        let root = tempfile::Builder::new()
            .prefix("hf-patroni-")
            .tempdir()
            .expect("a directory");
        give_to_server_user(root.path());
        let ports: Vec<u16> = (0..7).map(|_| free_port()).collect();
        let voters: Vec<String> = ports[..3]
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let voter = start(
            (root.path(), "voter"),
            "patroni_raft_controller",
            programs,
            &json!({"raft": raft(root.path(), &voters, 2)}),
        );
        let mut members = Vec::new();
        for index in 0..2 {
            let (postgres, rest) = (ports[3 + index], ports[5 + index]);
            let name = format!("member-{index}");
            let folder = root.path().join(&name);
            let sockets = folder.join("sockets");
            for path in [&folder, &sockets] {
                std::fs::create_dir(path).expect("a directory");
                give_to_server_user(path);
            }
            let config = config(
                programs,
                (&name, &folder),
                (postgres, rest),
                raft(root.path(), &voters, index),
            );
            let process = start((root.path(), &name), "patroni", programs, &config);
            let member = Member {
                sockets,
                postgres,
                rest,
                _process: process,
            };
            members.push(member);
        }
        let group = Self {
            members,
            _voter: voter,
            _root: root,
        };
        until("Patroni's replica to stream", LONG, || {
            let members = group.members_seen()?;
            let streams = |one: &Value| one["role"] != "leader" && one["state"] == "streaming";
            members.iter().any(streams).then_some(())
        });
        let leader = group.leader();
        let role = crate::fleet::ROLE.replace(" PASSWORD 'backup'", "");
        group.psql(programs, leader, &role);
        group
    }

    /// The libpq connection of a member, without a user.
    pub fn connection(&self, index: usize) -> String {
        let Member {
            sockets, postgres, ..
        } = &self.members[index];
        format!("host={} port={postgres}", sockets.display())
    }

    /// The address of a member's REST API.
    pub fn rest(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.members[index].rest)
    }

    /// Which member leads.
    ///
    /// # Panics
    /// When none does for long.
    pub fn leader(&self) -> usize {
        until("a leader of Patroni", LONG, || {
            let members = self.members_seen()?;
            let leader = members.iter().find(|one| one["role"] == "leader")?;
            (leader["state"] == "running").then_some(())?;
            leader["name"]
                .as_str()?
                .strip_prefix("member-")?
                .parse()
                .ok()
        })
    }

    /// Makes the other member the leader.
    ///
    /// # Panics
    /// When Patroni refuses.
    pub fn switch_over(&self) {
        let leader = self.leader();
        let body = json!({"leader": format!("member-{leader}")}).to_string();
        let said = ask(self.members[leader].rest, "POST /switchover", &body);
        let said = said.expect("Patroni answers");
        assert!(said.starts_with("HTTP/1.0 200"), "{said}");
        until("another leader of Patroni", LONG, || {
            (self.leader() != leader).then_some(())
        });
    }

    fn members_seen(&self) -> Option<Vec<Value>> {
        self.members.iter().find_map(|member| {
            let said = ask(member.rest, "GET /cluster", "").ok()?;
            let (_, body) = said.split_once("\r\n\r\n")?;
            let group: Value = serde_json::from_str(body).ok()?;
            group["members"].as_array().cloned()
        })
    }

    fn psql(&self, programs: &Programs, index: usize, sql: &str) {
        let connection = format!("{} user=postgres dbname=postgres", self.connection(index));
        for statement in sql.lines() {
            let mut psql = Command::new(programs.directory().join("psql"));
            psql.args([
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &connection,
                "-c",
                statement,
            ]);
            let output = psql.output().expect("psql runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{statement}: {said}");
        }
    }
}

fn raft(root: &Path, voters: &[String], index: usize) -> Value {
    let others = voters
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    let others: Vec<&String> = others.map(|(_, address)| address).collect();
    json!({
        "data_dir": root.join(format!("raft-{index}")),
        "self_addr": voters[index],
        "partner_addrs": others,
    })
}

fn config(
    programs: &Programs,
    (name, folder): (&str, &Path),
    (postgres, rest): (u16, u16),
    raft: Value,
) -> Value {
    json!({
        "scope": "orders",
        "name": name,
        "raft": raft,
        "restapi": {
            "listen": format!("127.0.0.1:{rest}"),
            "connect_address": format!("127.0.0.1:{rest}"),
        },
        "bootstrap": {
            "dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 5},
            "initdb": [{"auth": "trust"}, {"encoding": "UTF8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": format!("127.0.0.1:{postgres}"),
            "connect_address": format!("127.0.0.1:{postgres}"),
            "data_dir": folder.join("data"),
            "bin_dir": programs.directory(),
            "pgpass": folder.join("pgpass"),
            "pg_hba": HBA,
            "use_unix_socket": true,
            "use_unix_socket_repl": true,
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": {"username": "postgres"},
            },
            "parameters": {"unix_socket_directories": folder.join("sockets")},
        },
    })
}

/// Starts one of Patroni's programs as the servers' user.
fn start(
    (root, name): (&Path, &str),
    program: &str,
    postgres: &Programs,
    config: &Value,
) -> Process {
    let program = dev_dir().join("patroni/bin").join(program);
    let file = root.join(format!("{name}.yml"));
    // JSON is YAML.
    std::fs::write(&file, config.to_string()).expect("a file");
    give_to_server_user(&file);
    let mut command = match server_user() {
        Some(user) => user.command(&program),
        None => Command::new(&program),
    };
    command.arg(&file).current_dir(root);
    // See `TestCluster::program`.
    let libraries = postgres.directory().with_file_name("lib");
    if libraries.join("libpq.so.5").exists() {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    Process::start(&mut command, &root.join(format!("{name}.log")))
}

/// One request in its plainest form; the whole answer.
fn ask(port: u16, what: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = body.len();
    write!(
        stream,
        "{what} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

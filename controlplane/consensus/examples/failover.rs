//! How long three nodes take no commands when their leader dies: from its end,
//! without a word to anybody, to the first command that another node takes.
//! The nodes are processes of their own, so that kill -9 is kill -9.
//!
//! `cargo run -p holdfast-consensus --example failover [-- ROUNDS]`

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_consensus::{Member, Node, NodeConfig, NodeId, PeerTls, ProposeContext};
use holdfast_state::command::SetSecret;
use holdfast_state::{Digest, IdempotencyKey, Principal, Sealed};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;
const NODES: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("node") {
        let dir = arguments.next().ok_or("a node needs its directory")?;
        let id: u64 = arguments.next().ok_or("a node needs its id")?.parse()?;
        return tokio::runtime::Runtime::new()?.block_on(node(PathBuf::from(dir), id));
    }
    let rounds = first.map_or(Ok(20), |rounds| rounds.parse())?;
    let scratch = tempfile::tempdir()?;
    certificates(scratch.path())?;
    let mut nodes: Vec<Running> = (1..=NODES)
        .map(|id| Running::start(scratch.path(), id))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<String> = nodes.iter().map(|node| node.address.clone()).collect();
    for (id, address) in (2..).zip(&addresses[1..]) {
        nodes[0].ask(&format!("add {id} {address}"))?;
    }
    let mut taken = Vec::new();
    for round in 0..rounds {
        let leader: usize = nodes[0].ask("leader")?.parse()?;
        let at = leader - 1;
        let other = (at + 1) % nodes.len();
        nodes[other].ask("set")?;
        nodes[at].process.kill()?;
        nodes[at].process.wait()?;
        let killed = Instant::now();
        nodes[other].ask("set")?;
        taken.push(killed.elapsed());
        eprintln!("round {round}: {:?}", killed.elapsed());
        nodes[at] = Running::start(scratch.path(), leader as u64)?;
        nodes[at].ask("set")?;
    }
    taken.sort();
    let at = |share: usize| taken[(taken.len() - 1) * share / 100];
    println!(
        "{rounds} leaders killed, first command after: min {:?}, p50 {:?}, p90 {:?}, p99 {:?}, max {:?}",
        at(0),
        at(50),
        at(90),
        at(99),
        at(100)
    );
    for node in &mut nodes {
        node.process.kill()?;
        node.process.wait()?;
    }
    Ok(())
}

/// A node's process, asked by lines.
struct Running {
    process: Child,
    answers: BufReader<ChildStdout>,
    address: String,
}

impl Running {
    fn start(dir: &std::path::Path, id: u64) -> Result<Self, Failure> {
        let mut process = Command::new(env::current_exe()?)
            .arg("node")
            .arg(dir)
            .arg(id.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the node has no output")?;
        let mut running = Self {
            process,
            answers: BufReader::new(output),
            address: String::new(),
        };
        running.address = running.answer()?;
        Ok(running)
    }

    fn ask(&mut self, what: &str) -> Result<String, Failure> {
        let input = self.process.stdin.as_mut().ok_or("the node has no input")?;
        writeln!(input, "{what}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// What a node's process does: it starts its node and answers lines.
async fn node(dir: PathBuf, id: u64) -> Result<(), Failure> {
    let data = dir.join(format!("node-{id}"));
    let kept = dir.join(format!("address-{id}"));
    let address = std::fs::read_to_string(&kept).unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?.to_string();
    std::fs::write(&kept, &address)?;
    let mut config = NodeConfig::new(data.clone(), NodeId(id));
    config.peers = Some(peer_tls(&dir, id)?);
    let member = |address: &str| Member {
        raft: address.to_owned(),
        ..Member::default()
    };
    let node = match (data.exists(), id) {
        (true, _) => Node::open(config).await?,
        (false, 1) => Node::bootstrap(config, member(&address)).await?,
        (false, _) => Node::join(config).await?,
    };
    node.listen(listener)?;
    println!("{address}");
    let mut lines = std::io::stdin().lines();
    while let Some(line) = lines.next().transpose()? {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["add", id, address] => {
                let id = NodeId(id.parse()?);
                node.add_member(id, member(address)).await?;
                node.await_caught_up(id, PATIENCE).await?;
                node.promote(id).await?;
                println!("added");
            }
            ["leader"] => println!("{}", node.await_leader(PATIENCE).await?.id),
            ["set"] => {
                set(&node).await?;
                println!("set");
            }
            other => return Err(format!("unknown: {other:?}").into()),
        }
    }
    Ok(())
}

async fn set(node: &Node) -> Result<(), Failure> {
    let key = Instant::now();
    let key = format!("{key:?}-{}", node.id());
    let context = ProposeContext {
        idempotency: Some(IdempotencyKey {
            fingerprint: Digest::of(key.as_bytes()),
            key,
            principal: Principal::user("bench"),
        }),
        ..ProposeContext::internal()
    };
    let command = SetSecret {
        name: "failover".parse()?,
        sealed: Sealed::new(vec![7; 100]),
    };
    node.propose(context, command)
        .await?
        .map_err(|refusal| format!("{refusal:?}"))?;
    Ok(())
}

/// An authority and a certificate for each node, as files.
fn certificates(dir: &std::path::Path) -> Result<(), Failure> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    std::fs::write(dir.join("ca.pem"), issuer.pem())?;
    for id in 1..=NODES {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = params.signed_by(&key, &issuer)?;
        std::fs::write(dir.join(format!("{id}.pem")), certificate.pem())?;
        std::fs::write(dir.join(format!("{id}.key")), key.serialize_pem())?;
    }
    Ok(())
}

fn peer_tls(dir: &std::path::Path, id: u64) -> Result<PeerTls, Failure> {
    let certificate = |name: String| CertificateDer::from_pem_file(dir.join(name));
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem".to_owned())?)?;
    let roots = Arc::new(roots);
    let own = certificate(format!("{id}.pem"))?;
    let key = PrivateKeyDer::from_pem_file(dir.join(format!("{id}.key")))?;
    let known: Vec<CertificateDer<'static>> = (1..=NODES)
        .map(|id| certificate(format!("{id}.pem")))
        .collect::<Result<_, _>>()?;
    let server = ServerConfig::builder()
        .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::clone(&roots)).build()?)
        .with_single_cert(vec![own.clone()], key.clone_key())?;
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own], key)?;
    let admit = move |certificate: &CertificateDer<'_>| {
        let at = known.iter().position(|known| known == certificate);
        let node = (1..)
            .map(NodeId)
            .zip(0..)
            .find(|(_, place)| Some(*place) == at);
        node.map(|(id, _)| id)
            .ok_or_else(|| "it is no node's".to_owned())
    };
    Ok(PeerTls::new(&server, &client, Arc::new(admit)))
}
